"""The limit: what remains when there is neither Realtime nor HTTP, only Postgres itself."""

import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from scripts.benchmarks.alerts import CHANNEL, AlertSource
from scripts.benchmarks.figures import Figures
from scripts.benchmarks.idle_latency import LEAST_PAUSE, LONGEST_PAUSE
from scripts.testbed.records import Records

_CLAIM = "select public.claim_signals('benchmark', 1, 60)"
_FINISH = "select public.finish_signals(%s)"
_WAIT_SECONDS = 10.0


def measure_raw_limit(
    records: Records, source: AlertSource, database_url: str, signals: int, seed: int
) -> Figures:
    """Commit alerts as `measure_idle_latency` does, and claim each by LISTEN/NOTIFY and one statement.

    No worker may run: it would take the signals. Each is ended as rejected, outside of what is measured.
    """
    # Repeatable, and no secret.
    chance = random.Random(seed)  # noqa: S311
    waited = []
    with _claimer(database_url) as claimed:
        for _ in range(signals):
            time.sleep(chance.uniform(LEAST_PAUSE, LONGEST_PAUSE))
            claimed.clear()
            signal = source.commit_one()
            if not claimed.wait(_WAIT_SECONDS):
                raise RuntimeError("a notification of the benchmark was lost")
            at = records.value("select claimed_at from public.signals where id = %s", signal.signal_id)
            waited.append((at - signal.at) / timedelta(milliseconds=1))
    return Figures.of(waited)


@contextmanager
def _claimer(database_url: str) -> Iterator[threading.Event]:
    claimed, listening, stop = threading.Event(), threading.Event(), threading.Event()
    thread = threading.Thread(target=_claim_forever, args=(database_url, claimed, listening, stop))
    thread.start()
    try:
        if not listening.wait(_WAIT_SECONDS):
            raise RuntimeError("the benchmark's listener did not start")
        yield claimed
    finally:
        stop.set()
        thread.join()


def _claim_forever(
    database_url: str, claimed: threading.Event, listening: threading.Event, stop: threading.Event
) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(f"listen {CHANNEL}")
        listening.set()
        while not stop.is_set():
            # The generator holds the connection until it has ended.
            if not list(connection.notifies(timeout=0.2, stop_after=1)):
                continue
            orders: Any = connection.execute(_CLAIM).fetchone()
            results = [
                {"signal_id": order["signal_id"], "fence": order["fence"], "status": "rejected"}
                for order in orders[0]
            ]
            connection.execute(_FINISH, (Jsonb(results),))
            claimed.set()
