"""Which passages of which plans a sweep stops a worker at."""

import os
import random
from collections.abc import Iterator, Sequence
from typing import Final

from tests.integration.sweeps.plans import ROUND, SweptPlan

# Beyond the longest way of any plan at any venue; a whole sweep ends where nobody stands any more.
MOST_PASSAGES: Final = 80


class Choice:
    """Every passage with SWEEP=all, else one of each plan by chance; SWEEP_SEED repeats it."""

    def __init__(self, rounds: int = 1) -> None:
        self.whole = os.environ.get("SWEEP") == "all"
        self.seed = int(os.environ.get("SWEEP_SEED") or random.SystemRandom().getrandbits(32))
        # Repeatable, and no secret.
        self._chance = random.Random(self.seed)  # noqa: S311
        self._rounds = rounds

    def rounds(self) -> Iterator[Sequence[tuple[SweptPlan, int]]]:
        """Yield rounds of plans, each with the passage to stop at."""
        if self.whole:
            for number in range(MOST_PASSAGES):
                yield [(plan, number) for plan in ROUND]
            return
        for _ in range(self._rounds):
            yield [(plan, self._chance.randrange(1, plan.passages)) for plan in ROUND]
