"""What traders send in one simulation, and what they have set."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from random import Random
from typing import Any, Final
from uuid import UUID

from tests.simulation.memory.rows import Account
from tests.simulation.profiles import PROFILES, Profile

_NONE: Final[Mapping[str, Decimal]] = {}
_LIMITS: Final = (
    *(_NONE,) * 5,
    {"max_trades_per_day": Decimal(2)},
    {"max_open_positions": Decimal(1)},
    {"cooldown_sec": Decimal(15)},
)
_ALERT_SECONDS: Final = 40.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Trader:
    """A trader with one account; `settings` are what work orders carry, `limits` those that are counted."""

    account: Account
    profile: Profile
    settings: Mapping[str, Any]
    limits: Mapping[str, Decimal]


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
        wanted = self.alert.get("market_position")
        if wanted is not None:
            return bool(wanted == "flat")
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
        limits=random.choice(_LIMITS),
    )


def _alert(number: int, at: float, trader: Trader, random: Random) -> Sent:
    symbol = random.choice(trader.profile.symbols[:1] * 3 + trader.profile.symbols)
    draw = random.choice((_entry, _entry, _entry, _entry, _exit, _exit, _target, _cancel, _close_all))
    action, alert = draw(trader.profile, random)
    return Sent(
        at=at,
        account_id=trader.account.id,
        symbol="*" if action == "close_all" else symbol,
        action=action,
        alert={"order_type": "market"} | alert,
        key=f"alert {number}",
        signal_id=str(UUID(int=random.getrandbits(128))),
    )


def _entry(profile: Profile, random: Random) -> tuple[str, dict[str, Any]]:
    side = random.choice(("buy", "sell"))
    alert = {"price": "100"} | _size(random) | _order_type(profile, random) | _exits(profile, side, random)
    if profile.capabilities.sets_leverage and random.random() < 0.2:
        alert["leverage"] = 5
    if random.random() < 0.05:
        alert["dry_run"] = True
    return side, alert


def _size(random: Random) -> dict[str, Any]:
    sizes = ({"quantity": str(random.choice((1, 2, 5)))},) * 4
    return dict(random.choice((*sizes, {"position_size_usd": "350"}, {"position_size_percent": "0.4"})))


def _order_type(profile: Profile, random: Random) -> dict[str, Any]:
    if random.random() < 0.6:
        return {}
    order_type = random.choice(sorted(profile.capabilities.order_types))
    price = str(random.choice((97, 99, 100, 101, 103)))
    found: dict[str, Any] = {"order_type": order_type}
    if order_type.has_limit_price:
        found["price"] = price
    if order_type.has_stop_price:
        found["stop_price"] = price
    if profile.capabilities.times_in_force and random.random() < 0.2:
        found["time_in_force"] = random.choice(sorted(profile.capabilities.times_in_force))
    return found


def _exits(profile: Profile, side: str, random: Random) -> dict[str, Any]:
    if not profile.capabilities.separate_exits or random.random() < 0.4:
        return {}
    sign = 1 if side == "buy" else -1
    stops: tuple[dict[str, Any], ...] = (
        {},
        {"stop_loss_percent": "2"},
        {"stop_loss_price": str(100 - 4 * sign)},
        {"trailing_stop_percent": "2.5"},
    )
    targets: tuple[dict[str, Any], ...] = (
        {},
        {"take_profit_percent": "2"},
        {"take_profit_price": str(100 + 4 * sign)},
        {
            "take_profits": [
                {"percent": "1", "quantity_percent": "40"},
                {"percent": "3", "quantity_percent": "60"},
            ]
        },
    )
    return random.choice(stops) | random.choice(targets)


def _exit(profile: Profile, random: Random) -> tuple[str, dict[str, Any]]:
    del profile
    alert: dict[str, Any] = {"price": "100"}
    if random.random() < 0.35:
        alert["close_percent"] = random.choice(("50", "25", "99"))
    return random.choice(("close", "close", "close_long", "close_short")), alert


def _target(profile: Profile, random: Random) -> tuple[str, dict[str, Any]]:
    wanted = random.choice(("long", "short", "flat"))
    alert: dict[str, Any] = {"market_position": wanted, "price": "100"}
    if wanted != "flat":
        alert["quantity"] = str(random.choice((1, 3)))
        alert |= _exits(profile, "buy" if wanted == "long" else "sell", random)
    return random.choice(("buy", "sell")), alert


def _cancel(profile: Profile, random: Random) -> tuple[str, dict[str, Any]]:
    del profile, random
    return "cancel", {}


def _close_all(profile: Profile, random: Random) -> tuple[str, dict[str, Any]]:
    del profile, random
    return "close_all", {}
