"""What a sweep has done and found."""

import time
from collections import Counter
from collections.abc import Mapping
from typing import Final

_NAMES: Final = 20


class Tally:
    """Counts by plan and venue. `problems` says what was not as it must be, and where the worker stood."""

    def __init__(self, what: str, seed: int) -> None:
        self.problems: list[str] = []
        self._what = what
        self._seed = seed
        self._stops: Counter[tuple[str, str]] = Counter()
        self._places: set[str] = set()
        self._began = time.monotonic()

    @property
    def stops(self) -> int:
        """How often a signal stood at the passage that was chosen for it."""
        return self._stops.total()

    def note(self, plan: str, places: Mapping[str, str]) -> None:
        """Note at which passage the signal of each venue stood."""
        for venue, place in places.items():
            self._stops[plan, venue] += 1
            self._places.add(f"{venue} {place}")

    def table(self) -> str:
        """Return the table for the reader of a test run."""
        venues = sorted({venue for _, venue in self._stops})
        plans = list(dict.fromkeys(plan for plan, _ in self._stops))
        seconds = time.monotonic() - self._began
        head = (
            f"{self._what}, SWEEP_SEED={self._seed}: {self.stops} signals at {len(self._places)} different"
            f" passages, {len(self.problems)} lost, doubled or wrong, {seconds:.0f} s"
        )
        lines = [head, f"{'':{_NAMES}}" + "".join(f"{venue:>12}" for venue in venues)]
        for plan in plans:
            counts = "".join(f"{self._stops[plan, venue]:>12}" for venue in venues)
            lines.append(f"{plan:{_NAMES}}{counts}")
        return "\n" + "\n".join((*lines, *self.problems)) + "\n"
