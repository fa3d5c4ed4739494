"""A backlog of market entries, executed as fast as it goes."""

import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Final

from scripts.benchmarks.ground import Ground
from scripts.benchmarks.loading import load
from scripts.benchmarks.processor_time import ProcessorTime
from scripts.testbed.worker_process import WorkerProcess

_MOST_SECONDS: Final = 900
_LOOKED_AT_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Drained:
    """From the first claim to the last end, by the database's clock; and who used the processors for it."""

    signals: int
    workers: int
    seconds: float
    cpu_ms: dict[str, float]

    @property
    def per_second(self) -> float:
        """Signals in a second."""
        return self.signals / self.seconds


def measure_drain(ground: Ground, signals: int, workers: int = 1) -> Drained:
    """Ingest entries on lanes of their own, then start workers and wait until all are executed.

    Raises:
        RuntimeError: an entry did not come to the venue, or came twice.
    """
    load(ground.stack.database_url, iter(ground.alerts(signals)))
    ground.records.run("analyze public.signals")
    venue_before = ground.venue.arrivals()
    begun_at = ground.records.value("select clock_timestamp()")
    with ExitStack() as running:
        started = [running.enter_context(ground.worker(f"drain-{number}")) for number in range(workers)]
        processor = ProcessorTime(ground, started)
        await_ends(ground, started, begun_at, signals)
        used = processor.used_ms()
    seconds = ground.records.value(
        "select extract(epoch from max(finished_at) - min(claimed_at)) from public.signals"
        " where finished_at >= %s",
        begun_at,
    )
    check_arrivals(ground, len(venue_before.seconds), venue_before.repeated, signals)
    return Drained(
        signals=signals,
        workers=workers,
        seconds=float(seconds),
        cpu_ms={name: milliseconds / signals for name, milliseconds in used.items()},
    )


def await_ends(ground: Ground, workers: Sequence[WorkerProcess], since: object, signals: int) -> None:
    """Wait until so many signals are done since a moment of the database's clock.

    Raises:
        RuntimeError: one ended in another way, a worker died, or they take too long.
    """
    deadline = time.monotonic() + _MOST_SECONDS
    while True:
        (row,) = ground.records.rows(
            "select count(*) filter (where status = 'done') as done,"
            " count(*) filter (where status <> 'done') as other,"
            " min(reason) filter (where status <> 'done') as reason"
            " from public.signals where finished_at >= %s",
            since,
        )
        if row["other"]:
            raise RuntimeError(f"{row['other']} signals of the benchmark were not executed: {row['reason']}")
        if row["done"] >= signals:
            return
        if any(worker.exit_code is not None for worker in workers):
            raise RuntimeError("a worker of the benchmark has ended by itself: see what it wrote")
        if time.monotonic() > deadline:
            raise RuntimeError(f"only {row['done']} of {signals} signals were executed in time")
        time.sleep(_LOOKED_AT_SECONDS)


def check_arrivals(ground: Ground, before: int, repeated_before: int, signals: int) -> None:
    """Make sure that each entry came to the venue, once.

    Raises:
        RuntimeError: one did not.
    """
    arrived = ground.venue.arrivals()
    if len(arrived.seconds) - before != signals or arrived.repeated != repeated_before:
        raise RuntimeError(
            f"{len(arrived.seconds) - before} of {signals} orders came to the venue, "
            f"{arrived.repeated - repeated_before} of them more than once"
        )
