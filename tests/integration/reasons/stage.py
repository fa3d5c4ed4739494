"""Where one reason is produced: a trader, the alerts that he posts, and how they end."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from psycopg.types.json import Jsonb

from scripts.testbed.trader import Trader
from tests.integration.worker.world import World
from tests.venues.harness import Harness

CASES: Final[dict[str, "Case"]] = {}
SYMBOL: Final = "BTCUSDT"


@dataclass(frozen=True, slots=True)
class Ending:
    """How an alert ended, as its trader sees it."""

    code: str
    status: str
    sentence: str


@dataclass(slots=True)
class Stage:
    """A trader, and a symbol of its own for each reason. `venues` are shared, and healed after each."""

    world: World
    trader: Trader
    venues: Mapping[str, Harness]
    symbol: str
    number: int = 0

    async def post(self, alert: Mapping[str, Any] | bytes, token: str | None = None) -> Ending:
        """Post an alert, and return what its sender is answered."""
        answer = await self.trader.post(self.world.http, alert, token=token)
        return Ending(
            str(answer.body.get("reason_code")), str(answer.body["status"]), str(answer.body.get("reason"))
        )

    async def end(self, **alert: Any) -> Ending:
        """Post an alert that is accepted, and return how its signal ends."""
        self.number += 1
        alert = {
            "exchange": "paper",
            "id": f"{self.symbol}-{self.number}",
            "symbol": self.symbol,
            "price": "100",
            **alert,
        }
        given = {name: value for name, value in alert.items() if value is not None}
        signal_id = await self.world.accept(self.trader, given)
        (row,) = await self.world.finished([signal_id])
        return Ending(str(row["reason_code"]), row["status"], str(row["reason"]))

    async def done(self, **alert: Any) -> Ending:
        """Post an alert that must be executed."""
        ending = await self.end(**alert)
        assert ending.status == "done", ending
        return ending

    async def at(self, name: str, **alert: Any) -> Ending:
        """Post an alert for a real venue's fake, and return how its signal ends."""
        venue = self.venues[name]
        where = {"exchange": name, "environment": venue.access.environment, "symbol": venue.symbol}
        return await self.end(**{**where, "quantity": f"{venue.quantity:f}", "price": None, **alert})

    def allow(self, exchange: str = "paper", **settings: Any) -> None:
        """Set the trader's settings for an exchange, on top of such as restrict nothing."""
        chosen: dict[str, Any] = {
            "trading_hours_preset": "24/7",
            "allow_weekends": True,
            "max_signal_age_sec": 0,
            "max_open_positions": 0,
            **settings,
        }
        chosen["extra_settings"] = Jsonb(chosen.get("extra_settings", {}))
        if "trading_window" in chosen:
            chosen["trading_window"] = Jsonb(chosen["trading_window"])
        self.world.records.run(
            "delete from public.trade_settings_exchange where user_id = %s and exchange = %s",
            self.trader.user_id,
            exchange,
        )
        names, marks = ", ".join(chosen), ", ".join(["%s"] * len(chosen))
        self.world.records.run(
            f"insert into public.trade_settings_exchange (user_id, exchange, {names})"  # noqa: S608
            f" values (%s, %s, {marks})",
            self.trader.user_id,
            exchange,
            *chosen.values(),
        )


Producer = Callable[[Stage], Awaitable[Ending]]


@dataclass(frozen=True, slots=True)
class Case:
    """What produces a reason. A `fresh` one has a trader of its own, who has traded nothing yet."""

    producer: Producer
    fresh: bool


def produces(code: str, *, fresh: bool = False) -> Callable[[Producer], Producer]:
    """Register what produces a reason."""

    def register(producer: Producer) -> Producer:
        assert code not in CASES, code
        CASES[code] = Case(producer, fresh)
        return producer

    return register
