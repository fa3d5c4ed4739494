"""Which passages of which plans a sweep stops a worker at."""

import os
import random
from collections.abc import Iterator, Sequence
from typing import Final

from tests.integration.sweeps.plans import ROUND, SweptPlan

# Beyond the longest way of any plan at any venue; a whole sweep ends where nobody stands any more.
MOST_PASSAGES: Final = 80


class Choice:
    """Every passage with SWEEP=all, else one each of so many plans by chance; SWEEP_SEED repeats it."""

    def __init__(self, plans: int) -> None:
        self.whole = os.environ.get("SWEEP") == "all"
        self.seed = int(os.environ.get("SWEEP_SEED") or random.SystemRandom().getrandbits(32))
        # Repeatable, and no secret.
        self._chance = random.Random(self.seed)  # noqa: S311
        self._plans = plans

    def rounds(self) -> Iterator[Sequence[tuple[SweptPlan, int | None]]]:
        """Yield rounds of plans, each with the passage to stop at; None is at none."""
        if self.whole:
            for number in range(MOST_PASSAGES):
                yield [(plan, number) for plan in ROUND]
            return
        chosen = self._chance.sample(ROUND, self._plans)
        yield [(plan, self._chance.randrange(1, plan.passages) if plan in chosen else None) for plan in ROUND]
