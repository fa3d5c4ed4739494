"""What a claim costs beside a past of many finished signals."""

import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, LiteralString

import psycopg
from psycopg.types.json import Jsonb

from scripts.benchmarks.loading import entries, load
from scripts.benchmarks.population import make_traders
from scripts.testbed.database import schema_database
from sparky.keys.keyfile import generate_key_file

_TRADERS: Final = 100
_WAITING: Final = 2000
_BATCH: Final = 20
_ROUNDS: Final = 150
_PAST: Final[LiteralString] = """
insert into public.signals (
  user_id, account_id, exchange, environment, symbol, action, status, alert, received_at, finished_at
)
select k.user_id, k.id, 'aster', 'production', 'S' || n %% 500, 'buy', 'done', '{"symbol": "BTCUSDT"}',
  now() - make_interval(secs => n), now() - make_interval(secs => n)
from generate_series(%s::integer, %s) n
join (select user_id, id, row_number() over () - 1 as number from public.user_api_keys) k
  on k.number = n %% (select count(*) from public.user_api_keys)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimCost:
    """What a claim costs by the size of the past, in milliseconds of the backend's processor time.

    Not of the clock: neighbours on the machine come and go. Of all rounds the middle one counts.
    """

    batch: int
    by_finished: dict[int, float]

    @property
    def ratio(self) -> float:
        """The dearest by the one without a past."""
        return max(self.by_finished.values()) / self.by_finished[min(self.by_finished)]


def measure_claim_cost(finished: Sequence[int]) -> ClaimCost:
    """Claim and release again, with the same backlog beside a growing past, in a database of its own."""
    costs: dict[int, float] = {}
    with tempfile.TemporaryDirectory(prefix="sparky-benchmark-") as folder, schema_database() as url:
        public_key = generate_key_file(Path(folder) / "sealing.pem").public
        load(url, entries(make_traders(url, public_key, _TRADERS), _WAITING))
        with psycopg.connect(url, autocommit=True) as connection:
            past = 0
            for wanted in sorted(finished):
                _add_past(connection, past, wanted)
                past = wanted
                costs[wanted] = statistics.median(_claim(connection) for _ in range(_ROUNDS))
    return ClaimCost(batch=_BATCH, by_finished=costs)


def _add_past(connection: psycopg.Connection[Any], before: int, wanted: int) -> None:
    # Without triggers: nobody has to be woken up for what is over.
    connection.execute("set session_replication_role = replica")
    if wanted > before:
        connection.execute(_PAST, (before + 1, wanted))
    connection.execute("set session_replication_role = origin")
    connection.execute("vacuum analyze")


def _claim(connection: psycopg.Connection[Any]) -> float:
    begun = _used_ms(connection)
    row = connection.execute("select public.claim_signals('benchmark', %s, 60)", (_BATCH,)).fetchone()
    took = _used_ms(connection) - begun
    if row is None or len(row[0]) != _BATCH:
        raise RuntimeError("a claim of the benchmark did not bring what waits")
    claims = [{"signal_id": one["signal_id"], "fence": one["fence"]} for one in row[0]]
    connection.execute("select public.release_signals(%s)", (Jsonb(claims),))
    return took


def _used_ms(connection: psycopg.Connection[Any]) -> float:
    # Nanoseconds on a processor come first; /proc/<pid>/stat counts in ticks of 10 ms.
    nanoseconds = Path(f"/proc/{connection.info.backend_pid}/schedstat").read_text("utf-8").split()[0]
    return int(nanoseconds) / 1_000_000
