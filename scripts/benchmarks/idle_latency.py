"""How long an alert waits, on an idle system, from its commit until its order is begun."""

import random
import time
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from scripts.benchmarks.alerts import AlertSource, Committed
from scripts.benchmarks.figures import Figures
from scripts.testbed.records import Records

LEAST_PAUSE: Final = 0.1
LONGEST_PAUSE: Final = 0.3
_FINISH_SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True)
class IdleLatency:
    """Milliseconds from the commit until the worker had claimed the signal, and until its order was begun."""

    claimed: Figures
    begun: Figures


def measure_idle_latency(records: Records, source: AlertSource, signals: int, seed: int) -> IdleLatency:
    """Commit alerts with pauses between them, and measure until begin_orders has written their orders.

    A worker runs already. Both moments are the database's: its clock is the only one.

    Raises:
        RuntimeError: a signal was not executed.
    """
    # Repeatable, and no secret.
    chance = random.Random(seed)  # noqa: S311
    committed = []
    for _ in range(signals):
        time.sleep(chance.uniform(LEAST_PAUSE, LONGEST_PAUSE))
        committed.append(source.commit_one())
    waited = [_waited_ms(records, signal) for signal in committed]
    return IdleLatency(
        claimed=Figures.of([claimed for claimed, _ in waited]),
        begun=Figures.of([begun for _, begun in waited]),
    )


def _waited_ms(records: Records, signal: Committed) -> tuple[float, float]:
    deadline = time.monotonic() + _FINISH_SECONDS
    while True:
        (row,) = records.rows(
            "select s.status, s.reason, s.claimed_at, o.submitted_at from public.signals s"
            " left join public.orders o on o.signal_id = s.id where s.id = %s",
            signal.signal_id,
        )
        if row["status"] == "done" and row["submitted_at"] is not None:
            stages = (row["claimed_at"], row["submitted_at"])
            claimed, begun = ((moment - signal.at) / timedelta(milliseconds=1) for moment in stages)
            return claimed, begun
        if row["status"] not in ("pending", "executing") or time.monotonic() > deadline:
            raise RuntimeError(f"a signal of the benchmark is {row['status']}: {row['reason']}")
        time.sleep(0.05)
