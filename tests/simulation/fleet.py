"""Workers: the real parts of one, over a database and venues in memory, as a process that can be killed."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from random import Random
from typing import Any, Final, cast

from sparky.database.accounts import AccountQueue
from sparky.database.gateway import Beginning, Begun, WorkerDatabase
from sparky.database.keys import KeyVault
from sparky.database.rpc import RpcClient
from sparky.domain.errors import SparkyError
from sparky.domain.identifiers import WorkerId
from sparky.engine.access import AccountDesk
from sparky.engine.batching import Batcher
from sparky.engine.credentials import CredentialDesk
from sparky.engine.equipment import Equipment
from sparky.engine.inbox import Inbox
from sparky.engine.leases import LeaseKeeper
from sparky.engine.lookup import LookUps
from sparky.engine.reconciler import Reconciler
from sparky.keys.cache import CredentialCache
from sparky.keys.sealing import KeyRing, SealingKey
from sparky.venues.base import VenueAdapter
from tests.simulation.link import DatabaseLink
from tests.simulation.loop import Process, SimulationLoop, process_seams
from tests.simulation.venue import TIMEOUT

LEASE_SECONDS: Final = 15
KEY: Final = SealingKey.generate()
_POLL_SECONDS: Final = 5.0
_BATCH: Final = 50
_MOST: Final = 100
_GRACE_SECONDS: Final = 20.0


class SimulatedWorker:
    """One worker process. `writes_first`: it waits until an order is written down before it goes on."""

    writes_first = True

    def __init__(
        self,
        name: str,
        loop: SimulationLoop,
        link: DatabaseLink,
        venues: Mapping[str, VenueAdapter],
        random: Random,
    ) -> None:
        self.process: Process = loop.add_process(name)
        self.is_over = False
        self._loop = loop
        seams = process_seams(loop, random)
        rpc = cast("RpcClient", link)
        worker = WorkerId(name)
        database = WorkerDatabase(rpc, worker, LEASE_SECONDS)
        leases = LeaseKeeper(database, seams, LEASE_SECONDS)
        vault = CredentialDesk(KeyVault(rpc, worker), KeyRing([KEY]), CredentialCache(seams.clock), seams)
        desk = AccountDesk(venues, vault, timeout_seconds=TIMEOUT, clock=seams.clock)
        self._beginnings: Batcher[Beginning, Begun] = Batcher(database.begin, _BATCH)
        equipment = Equipment(
            begin=self._beginnings.submit if self.writes_first else self._go_on_at_once,
            desk=desk,
            leases=leases,
            look_ups=LookUps(seams, leases),
            seams=seams,
            venue_timeout_seconds=TIMEOUT,
        )
        self.inbox = Inbox(database, equipment, batch=_BATCH, max_in_flight=_MOST)
        self.inbox.poll_seconds = _POLL_SECONDS
        reconciler = Reconciler(AccountQueue(rpc, worker), desk, seams)
        self.tasks: list[asyncio.Task[Any]] = [
            loop.start(self.process, part) for part in (leases.run(), self.inbox.run(), reconciler.run())
        ]

    def hint(self) -> None:
        """Tell it that there may be work."""
        self._loop.call_soon(self.inbox.hint, context=self.process.context)

    def kill(self) -> None:
        """Let it never run again."""
        self.process.stands_still = True
        self.is_over = True

    def pause(self, seconds: float) -> None:
        """Let it stand still for a while, with all its timers."""
        self.process.stands_still = True
        self._loop.later(seconds, self._go_on)

    def stop(self) -> None:
        """Let it stop gracefully."""
        self.is_over = True
        self.tasks.append(self._loop.start(self.process, self._stop()))

    async def _go_on_at_once(self, beginning: Beginning) -> Begun:
        self.tasks.append(asyncio.create_task(self._write_later(beginning)))
        return Begun(ok=True, lease_left=LEASE_SECONDS)

    async def _write_later(self, beginning: Beginning) -> None:
        with suppress(SparkyError):
            await self._beginnings.submit(beginning)

    async def _stop(self) -> None:
        self.tasks[2].cancel()
        await self.inbox.stop(_GRACE_SECONDS)
        await self._beginnings.close()
        self.tasks[0].cancel()

    def _go_on(self) -> None:
        if not self.is_over:
            self.process.stands_still = False
