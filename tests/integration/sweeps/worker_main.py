"""`sparky worker` for the sweeps: the same worker, in which each signal makes its own calls.

Batches hold one item and go out beside one another, so that a signal that stands at a passage holds up no
other. Orders may stay invisible for a second only, which the fakes keep to, so that a look-up that finds
nothing is believed sooner. Tradier's limit of requests, which a sweep uses up in a minute, does not count.
"""

import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import sparky.app
import sparky.engine.inbox
from sparky.cli.main import main
from sparky.venues.aster.adapter import AsterAdapter
from sparky.venues.budget import Limit
from sparky.venues.oanda.adapter import OandaAdapter
from sparky.venues.paper.adapter import PaperAdapter
from sparky.venues.tastytrade.adapter import TastytradeAdapter
from sparky.venues.tradier.adapter import TradierAdapter
from sparky.venues.tradier.client import Group

VISIBILITY_SECONDS: Final = 1.0


@contextmanager
def limits_lifted() -> Iterator[None]:
    """Let Tradier's limit of requests not count in this process meanwhile."""
    before = Group.limit
    Group.limit = _plenty  # type: ignore[assignment, method-assign]
    try:
        yield
    finally:
        Group.limit = before  # type: ignore[method-assign]


def _plenty(group: Group, environment: str) -> Limit:
    del group, environment
    return Limit(1_000_000, 60)


class Alone:
    """A batcher that batches nothing."""

    def __init__(self, send: Callable[[Sequence[Any]], Awaitable[Sequence[Any]]], most: int) -> None:
        del most
        self._send = send

    async def submit(self, item: Any) -> Any:
        (answer,) = await self._send([item])
        return answer

    async def close(self) -> None:
        return None


if __name__ == "__main__":
    for module in (sparky.app, sparky.engine.inbox):
        module.Batcher = Alone  # type: ignore[attr-defined]
    for adapter in (AsterAdapter, OandaAdapter, PaperAdapter, TastytradeAdapter, TradierAdapter):
        adapter.visibility_seconds = VISIBILITY_SECONDS  # type: ignore[misc]
    with limits_lifted():
        sys.exit(main(["worker"]))
