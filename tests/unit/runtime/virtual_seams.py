"""Time that passes only when a test says so, and randomness that replays from a seed."""

import asyncio
import heapq
import random
from datetime import UTC, datetime, timedelta
from itertools import count

from sparky.runtime.seams import Seams


class VirtualTime:
    """A clock and a sleeper in one: sleepers wake in the order of their times."""

    def __init__(self, start: datetime = datetime(2026, 3, 2, 14, 30, tzinfo=UTC)) -> None:
        self._start = start
        self._elapsed = timedelta(0)
        self._sleepers: list[tuple[timedelta, int, asyncio.Future[None]]] = []
        self._order = count()

    def now(self) -> datetime:
        return self._start + self._elapsed

    def monotonic(self) -> float:
        return self._elapsed.total_seconds()

    @property
    def sleeping(self) -> int:
        return sum(not future.done() for _, _, future in self._sleepers)

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        future = asyncio.get_running_loop().create_future()
        heapq.heappush(
            self._sleepers, (self._elapsed + timedelta(seconds=seconds), next(self._order), future)
        )
        await future

    def jump(self, seconds: float) -> None:
        """Let time pass at once, as when a process was paused: who slept wakes late."""
        self._elapsed += timedelta(seconds=seconds)
        while self._sleepers and self._sleepers[0][0] <= self._elapsed:
            self._wake_first()

    async def advance(self, seconds: float) -> None:
        """Let time pass from sleeper to sleeper, each of which runs before the next wakes."""
        until = self._elapsed + timedelta(seconds=seconds)
        await self._settle()
        while self._sleepers and self._sleepers[0][0] <= until:
            self._elapsed = self._sleepers[0][0]
            self._wake_first()
            await self._settle()
        self._elapsed = until

    def _wake_first(self) -> None:
        _, _, future = heapq.heappop(self._sleepers)
        if not future.done():
            future.set_result(None)

    @staticmethod
    async def _settle(rounds: int = 20) -> None:
        for _ in range(rounds):
            await asyncio.sleep(0)


class SeededRandom:
    """The same draws for the same seed."""

    def __init__(self, seed: int = 0) -> None:
        self._random = random.Random(seed)  # noqa: S311 - it has to replay

    def uniform(self) -> float:
        return self._random.random()

    def hexadecimal(self, digits: int) -> str:
        return "".join(self._random.choice("0123456789abcdef") for _ in range(digits))


def virtual_seams(time: VirtualTime | None = None, seed: int = 0) -> Seams:
    """Return seams that no outside world reaches."""
    time = time or VirtualTime()
    return Seams(clock=time, sleeper=time, random=SeededRandom(seed))
