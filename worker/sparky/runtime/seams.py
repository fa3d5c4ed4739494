"""Time, sleep and randomness: the only places where the outside world enters.

Everything else takes these as arguments, so that tests run in virtual time and replay from a seed.
"""

import asyncio
import random
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Tells time."""

    def now(self) -> datetime:
        """Return the time of day, aware, in UTC. It may jump; never measure with it."""
        ...

    def monotonic(self) -> float:
        """Return seconds that only grow, for measuring and deadlines."""
        ...


class Sleeper(Protocol):
    """Waits."""

    async def sleep(self, seconds: float) -> None:
        """Return after `seconds`, or at once when they are not above zero."""
        ...


class RandomSource(Protocol):
    """Draws at random."""

    def uniform(self) -> float:
        """Return a number from 0 up to, but not including, 1."""
        ...

    def hexadecimal(self, digits: int) -> str:
        """Return that many random lower-case hex digits."""
        ...


class SystemClock:
    """The clock of this machine."""

    def now(self) -> datetime:
        """Return the time of day, in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return seconds that only grow."""
        return time.monotonic()


class SystemSleeper:
    """Sleeps on the event loop."""

    async def sleep(self, seconds: float) -> None:
        """Return after `seconds`."""
        await asyncio.sleep(max(seconds, 0.0))


class SystemRandomSource:
    """The operating system's randomness: two workers started together never draw the same."""

    def __init__(self) -> None:
        self._random = random.SystemRandom()

    def uniform(self) -> float:
        """Return a number from 0 up to, but not including, 1."""
        return self._random.random()

    def hexadecimal(self, digits: int) -> str:
        """Return that many random lower-case hex digits."""
        return f"{self._random.getrandbits(4 * digits):0{digits}x}" if digits > 0 else ""


@dataclass(frozen=True, slots=True)
class Seams:
    """All seams together, as the composition root hands them down."""

    clock: Clock = field(default_factory=SystemClock)
    sleeper: Sleeper = field(default_factory=SystemSleeper)
    random: RandomSource = field(default_factory=SystemRandomSource)
