"""How long to wait before the next try."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """Exponential back-off, in seconds. The delay before try n is drawn around first * factor**n.

    `jitter` is the share of the delay that is drawn: 0 always waits the same, 1 anything from nothing
    to the whole delay. Without it, workers that lost the same database come back at the same moment.

    Raises:
        ValueError: a number is out of range.
    """

    first: float
    longest: float
    factor: float = 2.0
    jitter: float = 0.5

    def __post_init__(self) -> None:
        if not 0 < self.first <= self.longest:
            raise ValueError(f"first must be above 0 and at most longest, not {self.first}")
        if self.factor < 1:
            raise ValueError(f"factor must be at least 1, not {self.factor}")
        if not 0 <= self.jitter <= 1:
            raise ValueError(f"jitter must be between 0 and 1, not {self.jitter}")

    def delay(self, failures: int, uniform: Callable[[], float]) -> float:
        """Return the seconds to wait after that many failures in a row (1 is the first).

        `uniform` draws from 0 up to 1: `RandomSource.uniform`.
        """
        whole = self._whole(max(failures, 1))
        return whole * (1 - self.jitter * uniform())

    def _whole(self, failures: int) -> float:
        try:
            # A float: a whole number to the power of a million failures would be computed in full.
            return min(self.longest, self.first * float(self.factor) ** (failures - 1))
        except OverflowError:
            return self.longest
