"""Alerts by the thousand, ingested over direct connections as fast as Postgres takes them, or at a pace."""

import json
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from typing import Final, LiteralString

import psycopg

from scripts.benchmarks.aster_fake import SYMBOLS
from scripts.benchmarks.population import Trader

_INGEST: Final[LiteralString] = "select public.ingest_alert(%s, %s, '127.0.0.1', '{}') ->> 'http'"
_BATCH: Final = 100
_ACCEPTED: Final = "200"


def entries(traders: Sequence[Trader], count: int, first: int = 0) -> Iterator[tuple[str, str]]:
    """Yield tokens and alerts: market entries, each on a lane of its own, the traders in turn.

    `first` is the number of the first, so that a later load goes to other lanes.
    """
    for number in range(first, first + count):
        symbol = SYMBOLS[number // len(traders) % len(SYMBOLS)]
        alert = {
            "id": str(uuid.uuid4()),
            "symbol": symbol,
            "action": "buy",
            "quantity": "1",
            "exchange": "aster",
        }
        yield traders[number % len(traders)].token, json.dumps(alert)


def load(database_url: str, alerts: Iterator[tuple[str, str]]) -> None:
    """Ingest everything at once, many alerts to a round trip, each in a transaction of its own.

    Raises:
        RuntimeError: an alert was not accepted.
    """
    with psycopg.connect(database_url, autocommit=True) as connection:
        batch: list[tuple[str, str]] = []
        for alert in alerts:
            batch.append(alert)
            if len(batch) == _BATCH:
                _send(connection, batch)
                batch = []
        _send(connection, batch)


def load_at_pace(
    database_url: str, alerts: Sequence[tuple[str, str]], seconds: float, connections: int = 4
) -> float:
    """Ingest alerts evenly over a time, and return how many seconds it took.

    Raises:
        RuntimeError: an alert was not accepted.
    """
    begun = time.monotonic()
    failures: list[BaseException] = []

    def run(part: int) -> None:
        try:
            with psycopg.connect(database_url, autocommit=True) as connection:
                for number in range(part, len(alerts), connections):
                    due = begun + seconds * number / len(alerts)
                    time.sleep(max(0.0, due - time.monotonic()))
                    _send(connection, [alerts[number]])
        except BaseException as failure:  # noqa: BLE001 - raised again by the caller's thread
            failures.append(failure)

    threads = [threading.Thread(target=run, args=(part,)) for part in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise RuntimeError("the alerts of the benchmark could not be ingested") from failures[0]
    return time.monotonic() - begun


def _send(connection: psycopg.Connection[tuple[str, ...]], batch: Sequence[tuple[str, str]]) -> None:
    with connection.pipeline():
        cursors = [connection.execute(_INGEST, alert) for alert in batch]
    for cursor in cursors:
        row = cursor.fetchone()
        if row is None or row[0] != _ACCEPTED:
            raise RuntimeError(f"an alert of the benchmark was answered with {row}")
