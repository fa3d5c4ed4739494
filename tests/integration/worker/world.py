"""What the tests of running workers share: traders, worker processes, and waiting for what they do."""

import asyncio
import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from scripts.local_stack.stack import Stack
from scripts.testbed.backend import Backend
from scripts.testbed.records import Records
from scripts.testbed.trader import Trader
from scripts.testbed.worker_process import WorkerProcess
from sparky.keys.sealing import SealingPublicKey

SHORT_LEASE = {"lease_seconds": "4", "venue_timeout_seconds": "2"}
_numbers = itertools.count(1)


@dataclass(slots=True)
class World:
    """A running stack, and everyone and everything that one test has put on it."""

    stack: Stack
    backend: Backend
    records: Records
    http: httpx.AsyncClient
    key_file: Path
    public_key: SealingPublicKey
    logs: Path
    traders: list[Trader] = field(default_factory=list)
    workers: list[WorkerProcess] = field(default_factory=list)

    async def trader(self, name: str = "Alice", **terms: str) -> Trader:
        """Sign a trader up, with a paper account of these terms and a webhook, on a plan without limits."""
        made = await Trader.sign_up(self.backend, name)
        self.traders.append(made)
        await made.save_paper_keys(self.public_key, **terms)
        await made.reveal_webhook()
        self.records.run(
            "update public.subscriptions set plan = 'Enterprise' where user_id = %s", made.user_id
        )
        return made

    def worker(self, **settings: str) -> WorkerProcess:
        """Start a worker; it ends with the test."""
        name = f"worker-{next(_numbers)}"
        process = WorkerProcess(
            self.backend,
            self.key_file,
            self.logs / f"{name}.log",
            settings={"worker_id": name, "log_level": "info", **settings},
        )
        self.workers.append(process)
        return process.start()

    async def accept(self, trader: Trader, alert: Mapping[str, Any]) -> str:
        """Post an alert that must be accepted, and return its signal's id.

        After a 503 it is sent again, once, as TradingView does. If it was stored, that is a repetition.
        """
        answer = await trader.post(self.http, alert)
        if answer.http == httpx.codes.SERVICE_UNAVAILABLE:
            print(f"\nsent again after {answer}")
            answer = await trader.post(self.http, alert)
            assert (answer.http, answer.body["status"] in {"accepted", "duplicate"}) == (200, True), answer
            return answer.signal_id
        assert (answer.http, answer.body["status"]) == (200, "accepted"), answer
        return answer.signal_id

    def signal(self, signal_id: str) -> Mapping[str, Any]:
        (row,) = self.records.rows("select * from public.signals where id = %s", signal_id)
        return row

    def signals(self) -> Sequence[Mapping[str, Any]]:
        """Return all signals of this test's traders in the order of their arrival."""
        return self.records.rows(
            "select * from public.signals where user_id = any(%s::uuid[]) order by seq",
            [trader.user_id for trader in self.traders],
        )

    async def finished(self, signal_ids: Iterable[str], seconds: float = 40) -> list[Mapping[str, Any]]:
        """Wait until these signals are finished, and return them in the given order."""
        wanted = list(signal_ids)
        query = "select count(*) from public.signals where id = any(%s::uuid[]) and finished_at is not null"
        try:
            await until(lambda: self.records.value(query, wanted) == len(wanted), seconds)
        except TimeoutError:
            waiting = [row for row in map(self.signal, wanted) if row["finished_at"] is None]
            shown = [(row["symbol"], row["action"], row["status"], row["attempt"]) for row in waiting[:10]]
            raise AssertionError(f"{len(waiting)} of {len(wanted)} are not finished: {shown}") from None
        return [self.signal(signal_id) for signal_id in wanted]


async def until(condition: Callable[[], bool], seconds: float, every: float = 0.02) -> None:
    """Wait until a condition holds in another process.

    Raises:
        TimeoutError: it did not within the time.
    """
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - what is awaited happens outside of this process
            await asyncio.sleep(every)
