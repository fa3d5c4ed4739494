"""What all parts of a run share: one local stack, its traders, a fake venue, and lanes that are used once."""

import contextlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import psycopg
from psycopg import sql

from scripts.benchmarks.loading import entries
from scripts.benchmarks.population import Trader, delete_traders, make_traders
from scripts.benchmarks.venue_process import VenueProcess
from scripts.local_stack import urls
from scripts.local_stack.stack import Stack
from scripts.testbed.backend import Backend
from scripts.testbed.records import Records
from scripts.testbed.worker_process import WorkerProcess
from sparky.keys.keyfile import generate_key_file


@dataclass(slots=True, kw_only=True)
class Ground:
    """Where a benchmark runs."""

    stack: Stack
    backend: Backend
    records: Records
    folder: Path
    key_file: Path
    traders: tuple[Trader, ...]
    venue: VenueProcess
    _used: int = field(default=0)
    _databases: int = field(default=0)

    @classmethod
    @contextmanager
    def of(cls, stack: Stack, folder: Path, traders: int, latency_ms: float) -> Iterator[Self]:
        """Prepare a stack on which nobody else works."""
        backend = Backend.of_stack(stack)
        key_file = folder / "sealing.pem"
        public_key = generate_key_file(key_file).public
        with contextlib.ExitStack() as resources:
            made = make_traders(stack.admin_database_url, public_key, traders)
            resources.callback(delete_traders, stack.admin_database_url, made)
            yield cls(
                stack=stack,
                backend=backend,
                records=resources.enter_context(Records(stack.admin_database_url)),
                folder=folder,
                key_file=key_file,
                traders=made,
                venue=resources.enter_context(VenueProcess(folder, latency_ms)),
            )

    def alerts(self, count: int) -> list[tuple[str, str]]:
        """Return tokens and alerts of market entries on lanes that no part has used."""
        first, self._used = self._used, self._used + count
        return list(entries(self.traders, count, first))

    @contextmanager
    def worker(self, name: str = "worker", **settings: str) -> Iterator[WorkerProcess]:
        """Run a worker, with its default settings but for those given, until the context ends."""
        hosts = json.dumps({"aster": {"production": self.venue.url}})
        process = WorkerProcess(
            self.backend,
            self.key_file,
            self.folder / f"{name}.log",
            settings={"venue_hosts": hosts, **settings},
        )
        with process:
            yield process
            process.stop()

    def new_database(self) -> str:
        """Make an empty database on the same server, and return its URL."""
        self._databases += 1
        name = f"contestant_{self._databases}"
        with psycopg.connect(self.stack.admin_database_url, autocommit=True) as connection:
            connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
        return urls.with_database(self.stack.admin_database_url, name)
