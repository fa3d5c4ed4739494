"""Time for tests over real sockets: it stands still, jumps when told, and sleeping takes next to nothing."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Final

from sparky.runtime.seams import Seams

# A Monday, half an hour after the New York exchanges have opened.
_START: Final = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
_FASTER: Final = 1000
_LONGEST: Final = 0.02


class MovingTime:
    """A clock and a sleeper in one, shared by an adapter and the fake that it talks to.

    Who sleeps wakes a thousand times sooner than asked, and finds that the time has passed: so retries,
    budgets and windows of look-up are exercised in full, and tests do not wait for them.
    """

    def __init__(self, start: datetime = _START) -> None:
        self._start = start
        self._elapsed = 0.0

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self._elapsed)

    def monotonic(self) -> float:
        return self._elapsed

    async def sleep(self, seconds: float) -> None:
        wake_at = self._elapsed + max(seconds, 0.0)
        await asyncio.sleep(min(max(seconds, 0.0) / _FASTER, _LONGEST))
        self._elapsed = max(self._elapsed, wake_at)

    def jump(self, seconds: float) -> None:
        """Let time pass at once."""
        self._elapsed += seconds

    def seams(self) -> Seams:
        """Return seams with this clock and sleeper; randomness stays the system's."""
        return Seams(clock=self, sleeper=self)
