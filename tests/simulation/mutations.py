"""Takes each guard away and looks for a seed that notices."""

import argparse
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial

from tests.simulation.guards import STRUCK_BY, Guard, removed
from tests.simulation.world import simulate

_WIDTH = 66


@dataclass(frozen=True, slots=True)
class Caught:
    """The first seed that noticed, and the first thing that it found; none when no seed did."""

    guard: Guard
    seed: int | None = None
    violation: str = ""


def look_for(guard: Guard, seeds: int, first: int = 0) -> Caught:
    """Run seeds without a guard until one finds a violation that is not there with it."""
    rates = STRUCK_BY.get(guard)
    for seed in range(first, first + seeds):
        with removed(guard):
            violations = simulate(seed, rates).violations
        # What goes wrong with the guard in its place says nothing of it.
        if violations and not simulate(seed, rates).violations:
            return Caught(guard, seed, violations[0])
    return Caught(guard)


def main() -> None:
    """Print a table of the guards; one that nothing notices ends it with 1."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=500)
    parser.add_argument("--processes", type=int, default=2)
    asked = parser.parse_args()
    with ProcessPoolExecutor(asked.processes) as pool:
        found = list(pool.map(partial(look_for, seeds=asked.seeds), Guard))
    print(f"{'without':{_WIDTH}}  seed  what noticed")
    for one in found:
        noticed = "nothing" if one.seed is None else one.violation
        print(f"{one.guard.value:{_WIDTH}}  {'-' if one.seed is None else one.seed:>4}  {noticed}")
    sys.exit(1 if any(one.seed is None for one in found) else 0)


if __name__ == "__main__":
    main()
