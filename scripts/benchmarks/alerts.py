"""Alerts of a benchmark, committed one at a time, with the moment of each commit on the database's clock."""

import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from typing import Final, LiteralString, Protocol

from scripts.testbed.records import Records

# Who listens to it hears of each commit.
CHANNEL: Final = "benchmark_raw_limit"
_INGEST: Final[LiteralString] = (
    "select public.ingest_alert(%s, %s, '127.0.0.1', '{}') as answer, pg_notify('benchmark_raw_limit', ''),"
    " pg_current_xact_id()::text as transaction, clock_timestamp() as last_moment"
)


@dataclass(frozen=True, slots=True)
class Committed:
    """A signal that is in the database, and when it got there."""

    signal_id: str
    at: datetime


class HasToken(Protocol):
    """Whoever has a webhook."""

    @property
    def token(self) -> str:
        """What the URL of the webhook ends with."""
        ...


class AlertSource:
    """Ingests alerts over a direct connection, so that the moment of the commit is known.

    Every alert becomes one order if all of a source's are executed: they open and close a position in turn.
    """

    def __init__(
        self, records: Records, trader: HasToken, *, exchange: str = "paper", symbol: str = "BTCUSDT"
    ) -> None:
        self._records = records
        self._trader = trader
        self._alerts = _alerts(exchange, symbol)
        self._exact = records.value("select current_setting('track_commit_timestamp')") == "on"

    @property
    def explanation(self) -> str:
        """What is taken for the moment of the commit."""
        if self._exact:
            return "pg_xact_commit_timestamp of the alert's transaction"
        return (
            "clock_timestamp() as the last act of the alert's transaction, directly before its commit: "
            "figures are too high by the commit itself, never too low"
        )

    def commit_one(self) -> Committed:
        """Ingest one alert and return its signal once it is committed."""
        (row,) = self._records.rows(_INGEST, self._trader.token, json.dumps(next(self._alerts)))
        answer = row["answer"]
        if answer["body"]["status"] != "accepted":
            raise RuntimeError(f"an alert of the benchmark was not accepted: {answer}")
        at = row["last_moment"]
        if self._exact:
            at = self._records.value("select pg_xact_commit_timestamp(%s::xid8::xid)", row["transaction"])
        return Committed(answer["body"]["signal_id"], at)


def _alerts(exchange: str, symbol: str) -> Iterator[dict[str, str]]:
    run = uuid.uuid4()
    for number in count():
        alert = {"id": f"{run}/{number}", "exchange": exchange, "symbol": symbol, "price": "100"}
        yield {**alert, "action": "close"} if number % 2 else {**alert, "action": "buy", "quantity": "1"}
