"""Aster's clock, measured: what its nonces are made of.

The wall clock of this machine takes no part, so that it may be wrong or jump.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from sparky.runtime.seams import Clock

# Crystals drift by some ten millionths: in this time less than a tenth of a second.
_MAX_AGE_SECONDS: Final = 600.0
# With such a round trip the measurement may be off by half a second; it is repeated soon.
_SLOW_ROUND_TRIP_SECONDS: Final = 1.0
_SLOW_MAX_AGE_SECONDS: Final = 30.0
_MICROSECONDS: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class _Measured:
    venue_ms: int
    at: float
    good_for: float


class VenueClock:
    """Tells Aster's time in one environment; `ask` asks it for its milliseconds."""

    def __init__(self, clock: Clock, ask: Callable[[], Awaitable[int]]) -> None:
        self._clock = clock
        self._ask = ask
        self._lock = asyncio.Lock()
        self._measured: _Measured | None = None
        self._doubted = False

    async def ready(self) -> None:
        """Measure, unless it was done lately.

        Raises:
            VenueUnavailable: the venue does not tell its time.
        """
        if self._is_fresh():
            return
        async with self._lock:
            if self._is_fresh():
                return
            before = self._clock.monotonic()
            venue_ms = await self._ask()
            after = self._clock.monotonic()
            slow = after - before > _SLOW_ROUND_TRIP_SECONDS
            self._doubted = False
            self._measured = _Measured(
                venue_ms=venue_ms,
                # The venue read its clock in the middle of the round trip, as far as can be told.
                at=before + (after - before) / 2,
                good_for=_SLOW_MAX_AGE_SECONDS if slow else _MAX_AGE_SECONDS,
            )

    def doubt(self) -> None:
        """Have it measured again before the next request: the venue did not like a nonce."""
        self._doubted = True

    def microseconds(self) -> int:
        """Return the venue's time now; `ready` was awaited before."""
        measured = self._measured
        assert measured is not None, "the venue's clock is read before it was measured"  # noqa: S101
        passed = self._clock.monotonic() - measured.at
        return measured.venue_ms * 1000 + int(passed * _MICROSECONDS)

    def milliseconds_if_known(self) -> int | None:
        """Return the venue's time now, if it was ever measured."""
        return None if self._measured is None else self.microseconds() // 1000

    def _is_fresh(self) -> bool:
        measured = self._measured
        if measured is None or self._doubted:
            return False
        return self._clock.monotonic() - measured.at < measured.good_for
