"""Measure how long an alert waits before its order is begun, beside what Postgres alone would take.

    python -m scripts.benchmarks.latency [--signals 300] [--seed 1] [--throwaway] [--no-assert]
    DATABASE_URL=postgresql://… python -m scripts.benchmarks.latency --url https://… --key sb_secret_…

Exit code 1 means that a target was missed. A project that has traders' accounts is refused: the benchmark
takes every alert that waits there.
"""

import argparse
import asyncio
import contextlib
import os
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from scripts.benchmarks.alerts import AlertSource
from scripts.benchmarks.edge_overhead import EdgeOverhead, measure_edge_overhead
from scripts.benchmarks.figures import Figures
from scripts.benchmarks.idle_latency import LEAST_PAUSE, LONGEST_PAUSE, IdleLatency, measure_idle_latency
from scripts.benchmarks.machine import describe_load, describe_machine, describe_postgres
from scripts.benchmarks.raw_limit import measure_raw_limit
from scripts.local_stack.stack import Stack
from scripts.testbed.backend import Backend
from scripts.testbed.records import Records
from scripts.testbed.trader import Trader
from scripts.testbed.worker_process import WorkerProcess
from sparky.keys.keyfile import generate_key_file

P50_TARGET_MS: Final = 25.0
P99_TARGET_MS: Final = 100.0
EDGE_P99_TARGET_MS: Final = 50.0
_WARM_UP_SIGNALS: Final = 5
_USAGE_ERROR: Final = 2


@dataclass(frozen=True, slots=True)
class Measured:
    """Everything one run found out."""

    commit_explanation: str
    raw_limit: Figures
    idle: IdleLatency
    edge: EdgeOverhead

    def missed(self) -> Iterator[str]:
        """Yield each target that was missed, in words."""
        for name, value, target in (
            ("p50 from commit to begin_orders", self.idle.begun.percentile(50), P50_TARGET_MS),
            ("p99 from commit to begin_orders", self.idle.begun.percentile(99), P99_TARGET_MS),
            ("p99 added by the edge function", self.edge.added.percentile(99), EDGE_P99_TARGET_MS),
        ):
            if value > target:
                yield f"{name}: {value:.1f} ms, the target is {target:.0f} ms"


def measure(backend: Backend, database_url: str, folder: Path, signals: int, seed: int) -> Measured:
    """Sign a trader up, measure without a worker what can be without one, then with one."""
    key_file = folder / "sealing.pem"
    public_key = generate_key_file(key_file).public

    async def prepare() -> tuple[Trader, EdgeOverhead]:
        trader = await Trader.sign_up(backend, "Bench")
        await trader.save_paper_keys(public_key)
        await trader.reveal_webhook()
        await trader.set_plan("Enterprise")
        overhead = await measure_edge_overhead(backend, trader, signals)
        await trader.close()
        return trader, overhead

    with Records(database_url) as records:
        trader, overhead = asyncio.run(prepare())
        try:
            # No signal of the first part may wait for the worker of the last.
            records.run("delete from public.signals where user_id = %s", trader.user_id)
            raw_limit = measure_raw_limit(records, AlertSource(records, trader), database_url, signals, seed)
            source = AlertSource(records, trader)
            with WorkerProcess(backend, key_file, folder / "worker.log") as worker:
                worker.await_event("wake_ups_connected")
                measure_idle_latency(records, source, _WARM_UP_SIGNALS, seed)
                idle = measure_idle_latency(records, source, signals, seed)
        finally:
            records.run("delete from auth.users where id = %s", trader.user_id)
    return Measured(source.explanation, raw_limit, idle, overhead)


def report(measured: Measured, signals: int, seed: int) -> str:
    """Return the figures as text, with what they mean."""
    pauses = f"{LEAST_PAUSE * 1000:.0f} to {LONGEST_PAUSE * 1000:.0f} ms"
    return "\n".join(
        (
            "",
            "From the commit of a signal until begin_orders has written its order, milliseconds;",
            f"{signals} signals, {pauses} apart (seed {seed}), one worker with default settings:",
            f"  {measured.idle.begun}",
            "  of which until it was claimed:",
            f"  {measured.idle.claimed}",
            f"  targets: p50 {P50_TARGET_MS:.0f}, p99 {P99_TARGET_MS:.0f}",
            "The limit, from the commit until claimed by LISTEN/NOTIFY on a direct connection and one",
            "claim_signals statement:",
            f"  {measured.raw_limit}",
            f"Commit: {measured.commit_explanation}.",
            "Both ends are read from the database's clock.",
            "",
            "The edge function, milliseconds, the same kind of alert by either way in turn:",
            *(f"  {line}" for line in str(measured.edge).splitlines()),
            f"  target: p99 added {EDGE_P99_TARGET_MS:.0f}",
        )
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark."""
    options = _parser().parse_args(arguments)
    if (options.url is None) is not (options.key is None):
        sys.stderr.write("latency: --url and --key go together\n")
        return _USAGE_ERROR
    if options.url is not None and not os.environ.get("SPARKY_WORKER_TOKEN"):
        sys.stderr.write(
            "latency: set SPARKY_WORKER_TOKEN too: keys are opened for role sparky_worker alone\n"
        )
        return _USAGE_ERROR
    _print_all(describe_machine())
    with tempfile.TemporaryDirectory(prefix="sparky-benchmark-") as scratch, contextlib.ExitStack() as stack:
        folder = Path(scratch)
        backend = _backend(options, folder, stack)
        if backend.database_url is None:
            sys.stderr.write("latency: set DATABASE_URL too: commits are timed over a direct connection\n")
            return _USAGE_ERROR
        with Records(backend.database_url) as records:
            if records.value("select exists (select from public.user_api_keys)"):
                # Its worker holds a key of its own, and would refuse their alerts as sealed to another.
                sys.stderr.write("latency: this project has traders' accounts; use one without any\n")
                return _USAGE_ERROR
            _print_all(describe_postgres(records))
        measured = measure(backend, backend.database_url, folder, options.signals, options.seed)
    _print_all(describe_load("load after"))
    print(report(measured, options.signals, options.seed))
    missed = list(measured.missed())
    for words in missed:
        print(f"MISSED  {words}")
    return 1 if missed and not options.no_assert else 0


def _print_all(facts: Iterable[tuple[str, str]]) -> None:
    for name, value in facts:
        print(f"{name:12} {value}")


def _backend(options: argparse.Namespace, folder: Path, stack: contextlib.ExitStack) -> Backend:
    if options.url is not None:
        return Backend.elsewhere(options.url, options.key, os.environ["SPARKY_WORKER_TOKEN"])
    local = stack.enter_context(Stack(folder / "stack", throwaway=options.throwaway))
    return Backend.of_stack(local)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="latency", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--signals", type=int, default=300, help="how many are measured (default: 300)")
    parser.add_argument("--seed", type=int, default=1, help="of the pauses between signals (default: 1)")
    parser.add_argument(
        "--url",
        help="another Supabase than a local stack; needs --key, DATABASE_URL and SPARKY_WORKER_TOKEN",
    )
    parser.add_argument("--key", help="its secret key")
    parser.add_argument("--throwaway", action="store_true", help="a local Postgres that waits for no disk")
    parser.add_argument("--no-assert", action="store_true", help="exit code 0 also when a target is missed")
    return parser


if __name__ == "__main__":
    sys.exit(main())
