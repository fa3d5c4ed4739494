"""Measure what the worker does in a second and how long an alert waits, beside plain queues and a bare loop.

    python -m scripts.benchmarks.bench [--parts drain,queues,burst,idle,history,workers] [--throwaway]

Exit code 1 means that a target was missed. docs/benchmarks.md tells the parts and what came of them.
"""

import argparse
import contextlib
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from scripts.benchmarks.aster_fake import SYMBOLS
from scripts.benchmarks.burst import measure_burst
from scripts.benchmarks.contest import Contested, Task, run
from scripts.benchmarks.drain import Drained, measure_drain
from scripts.benchmarks.ground import Ground
from scripts.benchmarks.history_cost import measure_claim_cost
from scripts.benchmarks.idle_sending import measure_idle_sending
from scripts.benchmarks.machine import describe_load, describe_machine, describe_postgres
from scripts.local_stack.stack import Stack

LEAST_RATIO: Final = 0.5
IDLE_P50_MS: Final = 30.0
IDLE_P99_MS: Final = 100.0
MOST_CLAIM_RATIO: Final = 1.2
_BURST_SECONDS: Final = 60.0
# As many as the worker has connections to a venue.
_CONCURRENCY: Final = 20
_PAST: Final = (0, 100_000, 1_000_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How much is measured."""

    signals: int
    burst: int
    idle: int
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Lines to print, and each target that was missed, in words."""

    lines: tuple[str, ...]
    missed: tuple[str, ...] = ()


def drain(ground: Ground, sizes: Sizes) -> Found:
    """Compare the worker with a loop that only sends."""
    bare = _contest(ground, "bare_loop", sizes.signals, "")
    drained = measure_drain(ground, sizes.signals)
    again = _contest(ground, "bare_loop", sizes.signals, "")
    # The mean of before and after: the machine may have become busier or idler meanwhile.
    limit = (bare.per_second + again.per_second) / 2
    ratio = drained.per_second / limit
    lines = (
        f"a  {sizes.signals} market entries of {len(ground.traders)} traders, one worker:",
        _shown_drain("worker", drained),
        _shown("bare loop, before", bare),
        _shown("bare loop, after", again),
        f"     ratio {ratio:.2f}, target at least {LEAST_RATIO}",
    )
    missed = (f"a: the worker does {ratio:.2f} of a bare loop",) if ratio < LEAST_RATIO else ()
    return Found(lines=lines, missed=missed)


def queues(ground: Ground, sizes: Sizes) -> Found:
    """Compare the worker with plain queues on the same server."""
    procrastinate = _contest(ground, "rival_procrastinate", sizes.signals, ground.new_database())
    drained = measure_drain(ground, sizes.signals)
    pgqueuer = _contest(ground, "rival_pgqueuer", sizes.signals, ground.new_database())
    lines = (
        f"b  {sizes.signals} times the same POST, claimed before and ended after:",
        _shown_drain("worker", drained),
        _shown("procrastinate", procrastinate),
        _shown("pgqueuer", pgqueuer),
        f"     {drained.per_second / procrastinate.per_second:.2f} times procrastinate, target more than 1",
        f"     {drained.per_second / pgqueuer.per_second:.2f} times pgqueuer",
    )
    slower = drained.per_second <= procrastinate.per_second
    return Found(lines=lines, missed=("b: the worker is slower than procrastinate",) if slower else ())


def burst(ground: Ground, sizes: Sizes) -> Found:
    """Bring many alerts in a minute."""
    seconds = _BURST_SECONDS * min(1.0, sizes.burst / 12_000)
    found = measure_burst(ground, sizes.burst, seconds)
    lines = (
        f"c  {found.signals} alerts in {found.seconds:.0f} s, one worker: none lost, none sent twice;",
        "     from commit to the order's bytes, milliseconds:",
        f"     {found.waited}",
    )
    return Found(lines=lines)


def idle(ground: Ground, sizes: Sizes) -> Found:
    """Measure one alert at a time."""
    found = measure_idle_sending(ground, sizes.idle, sizes.seed)
    targets = ((50, IDLE_P50_MS), (99, IDLE_P99_MS))
    lines = (
        f"d  one alert at a time (seed {sizes.seed}), from commit to the order's bytes, milliseconds:",
        f"     all      {found.all}",
        f"     entries  {found.entries}",
        f"     closes   {found.closes}",
        f"     targets: p50 {IDLE_P50_MS:.0f}, p99 {IDLE_P99_MS:.0f}; commit: {found.explanation}",
    )
    missed = tuple(
        f"d: p{percent} from commit to bytes is {found.all.percentile(percent):.1f} ms, target {target:.0f}"
        for percent, target in targets
        if found.all.percentile(percent) > target
    )
    return Found(lines=lines, missed=missed)


def history(ground: Ground, sizes: Sizes) -> Found:
    """Measure claims beside a growing past."""
    del ground, sizes
    cost = measure_claim_cost(_PAST)
    lines = (
        f"e  a claim of {cost.batch} signals, milliseconds of a processor, beside so many finished ones:",
        "     " + "   ".join(f"{past}: {ms:.2f}" for past, ms in cost.by_finished.items()),
        f"     ratio {cost.ratio:.2f}, target at most {MOST_CLAIM_RATIO}",
    )
    missed = (f"e: a long past makes a claim {cost.ratio:.2f} times as dear",)
    return Found(lines=lines, missed=missed if cost.ratio > MOST_CLAIM_RATIO else ())


def workers(ground: Ground, sizes: Sizes) -> Found:
    """Compare two workers with one."""
    one, two = (measure_drain(ground, sizes.signals, number) for number in (1, 2))
    lines = (
        f"f  {sizes.signals} market entries by one worker and by two, beside all else on this machine:",
        _shown_drain("one", one),
        _shown_drain("two", two),
        f"     ratio {two.per_second / one.per_second:.2f}",
    )
    return Found(lines=lines)


PARTS: Final[dict[str, Callable[[Ground, Sizes], Found]]] = {
    "drain": drain,
    "queues": queues,
    "burst": burst,
    "idle": idle,
    "history": history,
    "workers": workers,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the parts that were asked for."""
    options = _parser().parse_args(arguments)
    _print_all(describe_machine())
    sizes = Sizes(signals=options.signals, burst=options.burst, idle=options.idle, seed=options.seed)
    missed: list[str] = []
    for found in measure(options.parts, sizes, options.traders, throwaway=options.throwaway):
        print("", *found.lines, sep="\n", flush=True)
        missed.extend(found.missed)
    _print_all(describe_load("load after"))
    for words in missed:
        print(f"MISSED  {words}")
    return 1 if missed and not options.no_assert else 0


def measure(parts: Iterable[str], sizes: Sizes, traders: int, *, throwaway: bool) -> Iterator[Found]:
    """Yield what each part found, on one stack of their own."""
    with (
        tempfile.TemporaryDirectory(prefix="sparky-benchmark-") as scratch,
        contextlib.ExitStack() as resources,
    ):
        folder = Path(scratch)
        stack = resources.enter_context(Stack(folder / "stack", throwaway=throwaway))
        ground = resources.enter_context(Ground.of(stack, folder, traders, latency_ms=5.0))
        _print_all(describe_postgres(ground.records))
        for part in parts:
            yield PARTS[part](ground, sizes)


def _contest(ground: Ground, name: str, jobs: int, database_url: str) -> Contested:
    task = Task(
        jobs=jobs,
        concurrency=_CONCURRENCY,
        venue_url=ground.venue.url,
        symbol=SYMBOLS[0],
        wallets=len(ground.traders),
        database_url=database_url,
    )
    return run(f"scripts.benchmarks.{name}", task)


def _shown(name: str, contested: Contested) -> str:
    return f"     {name:18} {contested.per_second:6.0f} a second   itself {contested.cpu_ms:.2f} ms each"


def _shown_drain(name: str, drained: Drained) -> str:
    used = ", ".join(f"{who} {ms:.2f}" for who, ms in drained.cpu_ms.items())
    return f"     {name:18} {drained.per_second:6.0f} a second   processor time in ms each: {used}"


def _print_all(facts: Iterable[tuple[str, str]]) -> None:
    for name, value in facts:
        print(f"{name:12} {value}", flush=True)


def _parts(text: str) -> list[str]:
    names = [name for name in text.split(",") if name]
    unknown = sorted(set(names) - set(PARTS))
    if unknown or not names:
        raise argparse.ArgumentTypeError(f"the parts are {', '.join(PARTS)}")
    return names


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bench", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--parts", type=_parts, default=list(PARTS), help=f"of {','.join(PARTS)} (default: all)"
    )
    parser.add_argument("--signals", type=int, default=5000, help="of a backlog (default: 5000)")
    parser.add_argument("--traders", type=int, default=500, help="who share them (default: 500)")
    parser.add_argument("--burst", type=int, default=12_000, help="alerts of the burst (default: 12000)")
    parser.add_argument("--idle", type=int, default=300, help="alerts one at a time (default: 300)")
    parser.add_argument("--seed", type=int, default=1, help="of the pauses between those (default: 1)")
    parser.add_argument("--throwaway", action="store_true", help="a local Postgres that waits for no disk")
    parser.add_argument("--no-assert", action="store_true", help="exit code 0 also when a target is missed")
    return parser


if __name__ == "__main__":
    sys.exit(main())
