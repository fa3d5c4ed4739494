"""Runs seeds: `python -m tests.simulation.run --seeds 10000 --first 0 --processes 2`."""

import argparse
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor

from tests.simulation.faults import Fault
from tests.simulation.world import Report, simulate


def run_seeds(first: int, seeds: int, processes: int) -> Iterator[Report]:
    """Run seeds, on several cores where there is more than one seed."""
    if processes == 1 or seeds == 1:
        yield from map(simulate, range(first, first + seeds))
        return
    with ProcessPoolExecutor(processes) as pool:
        yield from pool.map(simulate, range(first, first + seeds), chunksize=20)


def summarize(reports: Iterable[Report], *, verbose: bool) -> int:
    """Print what the seeds have shown, and return how many of them failed."""
    began = time.monotonic()
    faults: Counter[Fault] = Counter()
    endings: Counter[str] = Counter()
    failed = count = 0
    virtual = 0.0
    for report in reports:
        count += 1
        faults += report.faults
        endings += report.endings
        virtual += report.virtual_seconds
        if verbose:
            print("\n".join(report.events))
        if report.violations:
            failed += 1
            print(f"seed {report.seed}: {len(report.violations)} violations")
            for violation in report.violations:
                print(f"  {violation}")
    print(f"\n{count} schedules, {failed} with violations, {virtual / 3600:.1f} virtual hours, ", end="")
    print(f"{time.monotonic() - began:.1f} s")
    print("\nfaults")
    for kind in Fault:
        print(f"{faults[kind]:9}  {kind.value}")
    print("\nhow signals ended")
    for ending, times in endings.most_common():
        print(f"{times:9}  {ending}")
    return failed


def main() -> None:
    """Run what the command line asks for; a failed seed ends it with 1."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=1000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--processes", type=int, default=2)
    asked = parser.parse_args()
    reports = run_seeds(asked.first, asked.seeds, asked.processes)
    sys.exit(1 if summarize(reports, verbose=asked.seeds == 1) else 0)


if __name__ == "__main__":
    main()
