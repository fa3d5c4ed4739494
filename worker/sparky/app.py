"""The composition root: the only place that knows everyone. Builds a worker and supervises its parts."""

import asyncio
import os
import signal
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Final

import httpx
import structlog

import sparky
from sparky.database.accounts import AccountQueue
from sparky.database.gateway import Beginning, Begun, WorkerDatabase
from sparky.database.keys import KeyVault
from sparky.database.rpc import RpcClient
from sparky.database.wakeup import WakeUpConnection
from sparky.engine.access import AccountDesk
from sparky.engine.batching import Batcher
from sparky.engine.credentials import CredentialDesk
from sparky.engine.equipment import Equipment
from sparky.engine.inbox import Inbox
from sparky.engine.leases import LeaseKeeper
from sparky.engine.lookup import LookUps
from sparky.engine.reconciler import Reconciler
from sparky.engine.tasks import TaskRunner
from sparky.engine.waker import Connection, Waker
from sparky.keys.cache import CredentialCache
from sparky.keys.keyfile import load_key_ring
from sparky.runtime.seams import Seams
from sparky.runtime.settings import WorkerSettings, credentials_directory
from sparky.venues.base import VenueAdapter
from sparky.venues.paper.adapter import PaperAdapter
from sparky.venues.paper.client import PaperClient
from sparky.venues.paper.feed import HttpPriceFeed
from sparky.venues.registry import open_venues

_BEGINNINGS_PER_CALL: Final = 50
_RPC_SECONDS: Final = 5.0
_FEED_CONNECTIONS: Final = 20

_log = structlog.get_logger(__name__)


class Worker:
    """One worker process: claims, executes, recovers and keeps its wake-ups alive until it is stopped."""

    def __init__(
        self, settings: WorkerSettings, seams: Seams, rpc: RpcClient, venues: Sequence[VenueAdapter]
    ) -> None:
        self._settings = settings
        self._seams = seams
        lease_seconds = int(settings.lease_seconds)
        self._database = WorkerDatabase(rpc, settings.worker_id, lease_seconds)
        self._leases = LeaseKeeper(self._database, seams, lease_seconds)
        self._desk = AccountDesk(
            {venue.name: venue for venue in venues},
            CredentialDesk(
                KeyVault(rpc, settings.worker_id),
                load_key_ring(
                    settings.sealing_key_files, credentials_directory=credentials_directory(os.environ)
                ),
                CredentialCache(seams.clock),
                seams,
            ),
            timeout_seconds=settings.venue_timeout_seconds,
            clock=seams.clock,
        )
        self._beginnings: Batcher[Beginning, Begun] = Batcher(self._database.begin, _BEGINNINGS_PER_CALL)
        equipment = Equipment(
            begin=self._beginnings.submit,
            desk=self._desk,
            leases=self._leases,
            look_ups=LookUps(seams, self._leases),
            seams=seams,
            venue_timeout_seconds=settings.venue_timeout_seconds,
        )
        self._inbox = Inbox(
            self._database, equipment, batch=settings.claim_batch, max_in_flight=settings.max_in_flight
        )
        self._tasks = TaskRunner(self._database, self._desk, seams)
        self._reconciler = Reconciler(AccountQueue(rpc, settings.worker_id), self._desk, seams)
        self._waker = Waker(
            self._connect,
            self._beat,
            self._inbox,
            seams,
            ping_seconds=settings.ping_interval_seconds,
            poll_seconds=settings.poll_interval_seconds,
            poll_disconnected_seconds=settings.poll_interval_disconnected_seconds,
        )

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set; then finish what is in flight and give the rest back."""
        _log.info("worker_started", worker=self._settings.worker_id, version=sparky.__version__)
        async with asyncio.TaskGroup() as group:
            # The leases are kept to the very end: what is in flight during a stop needs them.
            keeping = group.create_task(self._leases.run())
            parts = [
                group.create_task(part)
                for part in (self._waker.run(), self._tasks.run(), self._reconciler.run())
            ]
            group.create_task(self._inbox.run())
            await stop.wait()
            for part in parts:
                part.cancel()
            await self._inbox.stop(self._settings.shutdown_grace_seconds)
            await self._beginnings.close()
            await self._desk.close()
            keeping.cancel()
        _log.info("worker_stopped", **self._inbox.counters)

    def _connect(
        self, on_hint: Callable[[], None], on_ping: Callable[[str], None]
    ) -> AbstractAsyncContextManager[Connection]:
        return WakeUpConnection(
            self._settings.supabase_url,
            api_key=self._settings.supabase_key.get_secret_value(),
            token=self._settings.worker_token.get_secret_value(),
            on_hint=on_hint,
            on_ping=on_ping,
        )

    async def _beat(self, ping: str | None) -> None:
        # Nobody opens keys on an idle worker, so nothing else would drop those that are past their time.
        self._desk.forget_expired()
        await self._database.heartbeat(sparky.__version__, self._inbox.counters, ping)


async def run_worker(settings: WorkerSettings, seams: Seams) -> None:
    """Run a worker until SIGTERM or SIGINT.

    Raises:
        ConfigurationError: a sealing key cannot be read, or `venue_hosts` names what is no venue.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with AsyncExitStack() as resources:
        rpc = await resources.enter_async_context(_rpc_client(settings))
        # The paper venue has connections of its own: no venue may keep a lease from being renewed.
        book = await resources.enter_async_context(_rpc_client(settings))
        feed = None
        if settings.paper_feed_url is not None:
            # Without a bound of its own: who waits in httpcore for a connection and gives up can leave it
            # lost for ever. The inbox bounds how many ask.
            limits = httpx.Limits(max_connections=None, max_keepalive_connections=_FEED_CONNECTIONS)
            feeds = await resources.enter_async_context(httpx.AsyncClient(limits=limits))
            feed = HttpPriceFeed(settings.paper_feed_url, feeds)
        paper = PaperAdapter(PaperClient(book), seams.sleeper, feed=feed)
        venues = await resources.enter_async_context(open_venues(seams, settings.venue_hosts))
        await Worker(settings, seams, rpc, (paper, *venues.values())).run(stop)


def _rpc_client(settings: WorkerSettings) -> RpcClient:
    return RpcClient(
        settings.supabase_url,
        api_key=settings.supabase_key.get_secret_value(),
        token=settings.worker_token.get_secret_value(),
        timeout_seconds=min(_RPC_SECONDS, settings.venue_timeout_seconds),
    )
