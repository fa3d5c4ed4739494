"""Many lanes of alerts, each of which must become exactly one order."""

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from scripts.testbed.trader import Trader
from tests.integration.worker.ledger import assert_rows_equal_book, paper_orders
from tests.integration.worker.world import World

SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT", "ADAUSDT", "XRPUSDT")


@dataclass(frozen=True, slots=True)
class Lane:
    """One trader's account and one symbol."""

    trader: Trader
    symbol: str

    def alert(self, number: int) -> Mapping[str, Any]:
        """Return the alert of this number: 0, 2, 4 … open a position, 1, 3, 5 … close it."""
        action = "close" if number % 2 else "buy" if number % 4 == 0 else "sell"
        return {
            "id": f"{self.symbol}-{number}",
            "symbol": self.symbol,
            "action": action,
            "price": str(Decimal(100) + Decimal(number) / 4),
            **({} if action == "close" else {"quantity": "1.5"}),
        }


def lanes_of(traders: Iterable[Trader], symbols: int = len(SYMBOLS)) -> list[Lane]:
    return [Lane(trader, symbol) for trader in traders for symbol in SYMBOLS[:symbols]]


async def sign_up(world: World, count: int, **terms: str) -> list[Trader]:
    return [await world.trader(f"Trader{number}", **terms) for number in range(count)]


async def post_all(world: World, lanes: Iterable[Lane], number: int) -> list[str]:
    """Post the alert of this number to every lane, all at once."""
    return list(await asyncio.gather(*(world.accept(lane.trader, lane.alert(number)) for lane in lanes)))


def assert_each_executed_once(world: World, count: int) -> None:
    """Check that every signal of the test is done with one order, which the venue got once."""
    signals = world.signals()
    assert len(signals) == count
    unexpected = list(_unexpected(signals))
    assert unexpected == [], unexpected[:5]
    assert len(paper_orders(world.records, world.traders)) == count
    assert_rows_equal_book(world.records, world.traders)


def _unexpected(signals: Iterable[Mapping[str, Any]]) -> Iterator[tuple[Any, ...]]:
    for row in signals:
        if (row["status"], row["reason_code"]) != ("done", None):
            yield (
                row["symbol"],
                row["action"],
                row["status"],
                row["reason_code"],
                row["reason"],
                row["attempt"],
            )
