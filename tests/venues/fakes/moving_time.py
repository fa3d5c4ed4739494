"""Time for tests over real sockets: it stands still, jumps when told, and sleeping takes next to nothing."""

import asyncio
import heapq
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Final

from sparky.runtime.seams import Seams

# A Monday, half an hour after the New York exchanges have opened.
_START: Final = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
_FASTER: Final = 1000
_SHORTEST: Final = 0.001
_LONGEST: Final = 0.02


class MovingTime:
    """A clock and a sleeper in one, shared by an adapter and the fake that it talks to.

    Who sleeps wakes a thousand times sooner than asked, and finds that the time has passed: so retries,
    budgets and windows of look-up are exercised in full, and tests do not wait for them. Sleepers wake one
    at a time, in the order of their times: between two of them the first has a moment to do what it woke for,
    also on a machine that was held up.
    """

    def __init__(self, start: datetime = _START) -> None:
        self._start = start
        self._elapsed = 0.0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._order = count()
        self._timer: asyncio.TimerHandle | None = None

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self._elapsed)

    def monotonic(self) -> float:
        return self._elapsed

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._elapsed + seconds, next(self._order), future))
        if self._sleepers[0][2] is future:
            self._wind()
        await future

    def jump(self, seconds: float) -> None:
        """Let time pass at once; who would have woken meanwhile wakes soon, and late."""
        self._elapsed += seconds

    def seams(self) -> Seams:
        """Return seams with this clock and sleeper; randomness stays the system's."""
        return Seams(clock=self, sleeper=self)

    def _wind(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        wake_at, _, future = self._sleepers[0]
        pause = min(max((wake_at - self._elapsed) / _FASTER, _SHORTEST), _LONGEST)
        self._timer = future.get_loop().call_later(pause, self._wake)

    def _wake(self) -> None:
        self._timer = None
        wake_at, _, future = heapq.heappop(self._sleepers)
        # Who was cancelled in his sleep makes no time pass.
        if not future.done():
            self._elapsed = max(self._elapsed, wake_at)
            future.set_result(None)
        if self._sleepers:
            self._wind()
