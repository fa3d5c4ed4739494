"""Durations of many repetitions, and the few numbers that describe them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class Figures:
    """Milliseconds, ascending."""

    sorted_ms: tuple[float, ...]

    @classmethod
    def of(cls, milliseconds: Sequence[float]) -> Self:
        """Describe durations in milliseconds.

        Raises:
            ValueError: there are none.
        """
        if not milliseconds:
            raise ValueError("nothing was measured")
        return cls(tuple(sorted(milliseconds)))

    def percentile(self, percent: float) -> float:
        """Return the smallest duration that this percentage of all does not exceed (nearest rank)."""
        rank = math.ceil(percent / 100 * len(self.sorted_ms))
        return self.sorted_ms[max(rank, 1) - 1]

    @property
    def maximum(self) -> float:
        """The longest of all."""
        return self.sorted_ms[-1]

    def __str__(self) -> str:
        parts = [f"p{percent} {self.percentile(percent):7.1f}" for percent in (50, 95, 99)]
        return "   ".join((*parts, f"max {self.maximum:7.1f}")) + f"   ({len(self.sorted_ms)} measured)"
