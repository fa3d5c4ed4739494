"""How long an alert waits, on an idle system, from its commit until its order's bytes are at the venue."""

import random
import time
from dataclasses import dataclass
from typing import Final

from scripts.benchmarks.alerts import AlertSource, Committed
from scripts.benchmarks.aster_fake import SYMBOLS
from scripts.benchmarks.drain import await_ends
from scripts.benchmarks.figures import Figures
from scripts.benchmarks.ground import Ground
from scripts.benchmarks.idle_latency import LEAST_PAUSE, LONGEST_PAUSE

_WARM_UP: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class IdleSending:
    """Milliseconds of all, of entries, and of closes, which ask the venue for the position first."""

    all: Figures
    entries: Figures
    closes: Figures
    explanation: str


def measure_idle_sending(ground: Ground, signals: int, seed: int) -> IdleSending:
    """Commit entries and closes in turn, with pauses between them; the first few, not counted, warm up.

    Both clocks are this machine's: the database's and the venue's.

    Raises:
        RuntimeError: a signal was not executed.
    """
    # Repeatable, and no secret.
    chance = random.Random(seed)  # noqa: S311
    source = AlertSource(ground.records, ground.traders[0], exchange="aster", symbol=SYMBOLS[-1])
    committed: list[Committed] = []
    with ground.worker("idle") as worker:
        worker.await_event("wake_ups_connected")
        begun_at = ground.records.value("select clock_timestamp()")
        for _ in range(_WARM_UP + signals + signals % 2):
            time.sleep(chance.uniform(LEAST_PAUSE, LONGEST_PAUSE))
            committed.append(source.commit_one())
        await_ends(ground, (worker,), begun_at, len(committed))
    arrived = ground.venue.arrivals().seconds
    ids = {
        str(row["signal_id"]): row["client_order_id"]
        for row in ground.records.rows(
            "select signal_id, client_order_id from public.orders where created_at >= %s", begun_at
        )
    }
    waited = [1000 * (arrived[ids[one.signal_id]] - one.at.timestamp()) for one in committed[_WARM_UP:]]
    return IdleSending(
        all=Figures.of(waited),
        entries=Figures.of(waited[::2]),
        closes=Figures.of(waited[1::2]),
        explanation=source.explanation,
    )
