"""An event loop whose time passes only when nothing is left to do: hours in milliseconds, in a fixed order.

`asyncio.timeout` and `asyncio.sleep` obey it too. When nothing will ever happen any more, it says so
instead of hanging.
"""

import asyncio
import selectors
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol, TypeVar, cast

from sparky.runtime.seams import Seams, SystemSleeper
from tests.unit.runtime.virtual_seams import SeededRandom

START = datetime(2026, 3, 2, 14, 30, tzinfo=UTC)

Answer = TypeVar("Answer")


class _Timed(Protocol):
    elapsed: float


class _Selector(selectors.SelectSelector):
    owner: _Timed

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise RuntimeError("every task waits for something that will never happen")
        self.owner.elapsed += max(timeout, 0.0)
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop in virtual time, which begins at 0."""

    def __init__(self) -> None:
        self.elapsed = 0.0
        selector = _Selector()
        selector.owner = self
        super().__init__(selector)

    def time(self) -> float:
        return self.elapsed


class LoopClock:
    """The running loop's time."""

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    def now(self) -> datetime:
        return START + timedelta(seconds=self.monotonic())


def loop_seams(seed: int = 0) -> Seams:
    """Return seams whose time is the running loop's."""
    return Seams(clock=LoopClock(), sleeper=SystemSleeper(), random=SeededRandom(seed))


def stand_still(seconds: float) -> None:
    """Let time pass while this process does nothing, as SIGSTOP does."""
    cast("VirtualLoop", asyncio.get_running_loop()).elapsed += seconds


def run_virtually(scenario: Coroutine[Any, Any, Answer]) -> Answer:
    """Run a coroutine on a virtual loop of its own."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(scenario)
