"""A worker's engine over a database and a venue in memory."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid5

from sparky.database.keys import StoredKeys
from sparky.domain.identifiers import client_order_id
from sparky.domain.orders import OrderType, Side
from sparky.domain.plan import Leg, Purpose
from sparky.engine.access import AccountDesk
from sparky.engine.batching import Batcher
from sparky.engine.credentials import CredentialDesk
from sparky.engine.equipment import Equipment
from sparky.engine.inbox import Inbox
from sparky.engine.leases import LeaseKeeper
from sparky.engine.lookup import LookUps
from sparky.keys.cache import CredentialCache
from sparky.keys.sealing import KeyRing, SealingContext, SealingKey, seal
from sparky.keys.secret import Secret
from tests.unit.domain.work_orders import work_order_json
from tests.unit.engine.fake_database import FakeDatabase, Row
from tests.unit.engine.fake_venue import FakeVenue
from tests.unit.engine.plans import begun_row, write_down
from tests.unit.engine.virtual_loop import START, LoopClock, loop_seams

LEASE_SECONDS = 15
VENUE_SECONDS = 5.0
_USER = work_order_json()["user_id"]
KEY = SealingKey.generate()
CONTEXT = SealingContext(_USER, "paper", "paper")
FIELDS = {"api_key": "a key of the trader"}
_SEALED = seal(KEY.public, CONTEXT, FIELDS)
_NAMESPACE = UUID("5f9c9f1c-0000-4000-8000-000000000000")


async def until(condition: Callable[[], bool], seconds: float = 900.0) -> None:
    """Wait until something is so, as closely as a millisecond, or a thousandth of a long wait."""
    began = LoopClock().monotonic()
    while not condition():
        waited = LoopClock().monotonic() - began
        assert waited < seconds, "it never came"
        await asyncio.sleep(max(0.001, waited / 1000))


class Worker:
    """One worker's parts."""

    def __init__(
        self,
        database: FakeDatabase,
        venue: FakeVenue,
        *,
        seed: int,
        batch: int,
        most: int,
        others: Mapping[str, FakeVenue] | None = None,
    ) -> None:
        seams = loop_seams(seed)
        self.leases = LeaseKeeper(database, seams, LEASE_SECONDS)
        self.desk = AccountDesk(
            {"paper": venue, **(others or {})},
            CredentialDesk(database, KeyRing([KEY]), CredentialCache(seams.clock), seams),
            timeout_seconds=VENUE_SECONDS,
            clock=seams.clock,
        )
        self.beginnings = Batcher(database.begin, 50)
        equipment = Equipment(
            begin=self.beginnings.submit,
            desk=self.desk,
            leases=self.leases,
            look_ups=LookUps(seams, self.leases),
            seams=seams,
            venue_timeout_seconds=VENUE_SECONDS,
        )
        self.inbox = Inbox(database, equipment, batch=batch, max_in_flight=most)

    async def stop(self, grace: float = 20.0) -> None:
        await self.inbox.stop(grace)
        await self.beginnings.close()


class World:
    """A database, a venue, signals and workers."""

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed
        self.database = FakeDatabase(LEASE_SECONDS)
        self.store_keys(_SEALED)
        self.venue = FakeVenue()
        self._count = 0

    def signal(self, *, lane: str = "lane", age: float = 0.0, **changes: Any) -> Row:
        """Put an accepted signal in: a buy of 1 unless changed, received `age` seconds ago."""
        self._count += 1
        received = START + timedelta(seconds=LoopClock().monotonic() - age)
        raw = work_order_json(
            **{
                "signal_id": str(uuid5(_NAMESPACE, str(self._count))),
                "lane": lane,
                "received_at": received.isoformat(),
                "alert_at": None,
                "alert": {"quantity": "1", "price": "100"},
            }
            | changes
        )
        return self.database.add(raw)

    def store_keys(self, text: str, *, is_sealed: bool = True, version: int = 1) -> None:
        """Let the trader have saved keys."""
        self.database.keys = StoredKeys(is_sealed=is_sealed, text=Secret(text), key_version=version)

    def exit_signal(self, **changes: Any) -> Row:
        """Put a close in, of whatever the venue has."""
        closing: dict[str, Any] = {"action": "close", "is_exit": True, "alert": {"price": "100"}}
        return self.signal(**closing | changes)

    def reverse_signal(self, **changes: Any) -> Row:
        """Put a sell in while the venue is long 1."""
        if self.venue.net == 0:
            self.venue.net += 1
        position = {"side": "long", "quantity": "1", "entry_price": "100"}
        selling: dict[str, Any] = {"action": "sell", "position": position}
        return self.signal(**selling | changes)

    def resting(self, side: str = "buy", purpose: str = "open", **order: Any) -> Row:
        """Let a finished signal of the lane have an order of 1 that works at the venue."""
        row = self.signal(alert={"quantity": "1", "order_type": "limit", "price": "90"})
        row.status, row.finished_at = "done", 0.0
        stops = purpose in {"stop_loss", "trailing_stop"}
        leg = Leg(
            number=1,
            client_order_id=client_order_id(row.order["signal_id"], 1),
            symbol="BTCUSDT",
            side=Side(side),
            quantity=Decimal(1),
            purpose=Purpose(purpose),
            reduce_only=purpose != "open",
            order_type=OrderType.STOP if stops else OrderType.LIMIT,
            limit_price=None if stops else Decimal(90),
            stop_price=Decimal(90) if stops else None,
        )
        row.orders[1] = begun_row(leg, "working") | order
        if row.orders[1]["state"] != "absent":
            self.venue.rests(leg.request())
        return row

    def begun(self, row: Row, *states: str, ago: float = 20.0, **order: Any) -> Row:
        """Let an earlier worker, now dead, have begun the legs of a signal."""
        write_down(row, states, ago, order)
        return row

    @asynccontextmanager
    async def worker(
        self, *, batch: int = 20, most: int = 100, others: Mapping[str, FakeVenue] | None = None
    ) -> AsyncIterator[Worker]:
        """Run a worker, and stop it gracefully."""
        worker = Worker(self.database, self.venue, seed=self.seed, batch=batch, most=most, others=others)
        async with asyncio.TaskGroup() as group:
            keeping = group.create_task(worker.leases.run())
            group.create_task(worker.inbox.run())
            yield worker
            await worker.stop()
            keeping.cancel()

    async def settle(self, seconds: float = 900.0, step: float = 0.01) -> float:
        """Wait until every signal has ended, and return how long it took, a thousandth of it more or less."""
        began = LoopClock().monotonic()
        while any(row.finished_at is None for row in self.database.signals.values()):
            waited = LoopClock().monotonic() - began
            if waited > seconds:
                stuck = [
                    (row.status, row.attempt) for row in self.database.signals.values() if not row.finished_at
                ]
                raise AssertionError(f"still not ended: {stuck}")
            await asyncio.sleep(max(step, waited / 1000))
        return LoopClock().monotonic() - began

    async def run(self, step: float = 0.01) -> None:
        """Let one worker see every signal to its end."""
        async with self.worker() as worker:
            worker.inbox.hint()
            await self.settle(step=step)

    async def killed_after(self, seconds: float) -> None:
        """Run a worker and kill it: no goodbye to anyone."""
        worker = Worker(self.database, self.venue, seed=self.seed, batch=20, most=100)
        parts = [asyncio.create_task(part) for part in (worker.leases.run(), worker.inbox.run())]
        worker.inbox.hint()
        await asyncio.sleep(seconds)
        parts.extend(worker.inbox._tasks)
        for part in parts:
            part.cancel()
        await asyncio.gather(*parts, return_exceptions=True)
