"""The number that Aster takes for each signed request only once: microseconds of its own clock.

A nonce must lie within seconds of Aster's time, and Aster keeps the last hundred of each agent: one that was
used, or that is smaller than all of a full list, is refused with -4225
(https://github.com/asterdex/api-docs, V3, "V3 Nonce Mechanism"; older text allows 5 or 10 seconds, newer 60).
"""

from collections import OrderedDict
from threading import Lock
from typing import Final

_MOST_AGENTS: Final = 10_000
# A nonce further ahead is refused by all that Aster has written about it, so a counter that is came from a
# clock that was wrong. What it gave out was never taken: going back loses nothing, while staying ahead would
# be refused until time catches up.
_AHEAD_MICROSECONDS: Final = 10_000_000


class Nonces:
    """Gives each agent numbers that only grow, whoever asks in this process."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._last: OrderedDict[tuple[str, str], int] = OrderedDict()

    def next(self, environment: str, agent: str, venue_microseconds: int) -> int:
        """Return the agent's next number, near the venue's time and above the one before."""
        with self._lock:
            last = self._last.pop((environment, agent), 0)
            if last - venue_microseconds > _AHEAD_MICROSECONDS:
                last = 0
            number = max(last + 1, venue_microseconds)
            self._last[environment, agent] = number
            if len(self._last) > _MOST_AGENTS:
                self._last.popitem(last=False)
            return number


PROCESS_NONCES: Final = Nonces()
"""Shared by all adapters of the process: two counters for one agent would give one number twice."""
