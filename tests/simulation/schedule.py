"""What traders send in one simulation, and what they have set."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Final
from uuid import UUID

from tests.simulation.memory.rows import Account
from tests.simulation.profiles import PROFILES, Profile

_ALERT_SECONDS: Final = 40.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Trader:
    """A trader with one account; `settings` are what work orders carry."""

    account: Account
    profile: Profile
    settings: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """An alert on its way: at what time, in which account, and what ingest makes of it."""

    at: float
    account_id: str
    symbol: str
    action: str
    alert: Mapping[str, Any]
    key: str
    signal_id: str

    @property
    def is_exit(self) -> bool:
        return self.action not in {"buy", "sell"} or bool(self.alert.get("reduce_only"))


def draw_traders(random: Random) -> Sequence[Trader]:
    """Draw two or three traders at one or two venues."""
    venues = random.sample(sorted(PROFILES), random.choice((1, 1, 2)))
    return [
        _trader(number, PROFILES[random.choice(venues)], random) for number in range(random.choice((2, 3)))
    ]


def draw_alerts(random: Random, traders: Sequence[Trader]) -> Sequence[Sent]:
    """Draw what they send, in the order of time; some of it twice."""
    count = random.choice((3, 6, 10, 14))
    return [
        _alert(number, random.uniform(0.0, _ALERT_SECONDS), random.choice(traders), random)
        for number in range(count)
    ]


def _trader(number: int, profile: Profile, random: Random) -> Trader:
    account = Account(
        id=str(UUID(int=1000 + number)),
        user_id=str(UUID(int=2000 + number)),
        exchange=profile.name,
        environment="production",
    )
    return Trader(
        account=account,
        profile=profile,
        settings={
            "trading_halted": False,
            "halt_reason": None,
            "enabled": True,
            "max_signal_age_sec": random.choice((20, 60, 60, 0)),
            "max_exit_age_sec": 0,
            "on_opposite": random.choice(("default", "reverse", "reverse", "close", "reject")),
            "pyramiding": random.random() < 0.7,
            "allow_short": random.choice((None, True, True, False)),
        },
    )


def _alert(number: int, at: float, trader: Trader, random: Random) -> Sent:
    symbol = random.choice(trader.profile.symbols[:1] * 3 + trader.profile.symbols)
    action = random.choice(("buy", "buy", "sell", "sell", "close", "close_long", "close_short"))
    alert: dict[str, Any] = {"order_type": "market", "price": "100"}
    if action in {"buy", "sell"}:
        alert["quantity"] = str(random.choice((1, 2, 5)))
    elif random.random() < 0.3:
        alert["close_percent"] = random.choice(("50", "25", "99"))
    return Sent(
        at=at,
        account_id=trader.account.id,
        symbol=symbol,
        action=action,
        alert=alert,
        key=f"alert {number}",
        signal_id=str(UUID(int=random.getrandbits(128))),
    )
