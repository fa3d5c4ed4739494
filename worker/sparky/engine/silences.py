"""Venues that kept somebody waiting in vain a moment ago, for those whose work can wait.

One venue that hangs would otherwise cost each of its accounts a whole time-out, and all others their turn.
Orders never look here: they ask their venue whatever happened before.
"""

from typing import Final

from sparky.runtime.seams import Clock

_SECONDS: Final = 15.0
# What is refused at once costs nobody anything, and may be about one account.
_SLOW_SECONDS: Final = 1.0


class Silences:
    """Remembers which venue, in which environment, was silent for long; an answer ends it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._until: dict[tuple[str, str], float] = {}

    def lasts(self, exchange: str, environment: str) -> bool:
        """Return whether the venue is better left alone for now."""
        return self._clock.monotonic() < self._until.get((exchange, environment), 0.0)

    def note_answer(self, exchange: str, environment: str) -> None:
        """Note that the venue has answered."""
        self._until.pop((exchange, environment), None)

    def note_silence(self, exchange: str, environment: str, waited_seconds: float) -> None:
        """Note that the venue did not answer within that time."""
        if waited_seconds >= _SLOW_SECONDS:
            self._until[exchange, environment] = self._clock.monotonic() + _SECONDS
