"""Keeps the wake-up channel alive, and proves it: pings travel through the database and have to come back."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Final, Protocol

import structlog

from sparky.domain.backoff import Backoff
from sparky.domain.errors import DatabaseContractError, DatabaseUnavailable, WakeUpUnavailable
from sparky.runtime.seams import Seams

_RECONNECT: Final = Backoff(first=0.5, longest=5.0)
_PONG_SECONDS: Final = 5.0
_PING_DIGITS: Final = 16

_log = structlog.get_logger(__name__)


class Connection(Protocol):
    """A joined wake-up channel."""

    async def failed(self) -> str:
        """Wait until it is lost, and return why."""
        ...

    def fail(self, why: str) -> None:
        """Give it up."""
        ...


class WorkSource(Protocol):
    """Who claims."""

    poll_seconds: float

    def hint(self) -> None:
        """There may be work."""
        ...

    def claim_soon(self) -> None:
        """Claim once."""
        ...


Connect = Callable[[Callable[[], None], Callable[[str], None]], AbstractAsyncContextManager[Connection]]


class Beat(Protocol):
    """Tells the database that the worker is alive."""

    async def __call__(self, ping: str | None) -> None:
        """Raise DatabaseUnavailable or DatabaseContractError."""
        ...


class Waker:
    """Holds one connection at a time and replaces it when it fails.

    The timer is slow only while the last ping came back: a channel that is joined and delivers nothing
    counts as none.
    """

    def __init__(
        self,
        connect: Connect,
        beat: Beat,
        inbox: WorkSource,
        seams: Seams,
        *,
        ping_seconds: float,
        poll_seconds: float,
        poll_disconnected_seconds: float,
    ) -> None:
        self._connect = connect
        self._beat = beat
        self._inbox = inbox
        self._seams = seams
        self._ping_seconds = ping_seconds
        self._poll_seconds = poll_seconds
        self._poll_disconnected_seconds = poll_disconnected_seconds
        self._awaited: str | None = None
        self._pong = asyncio.Event()
        self.connected = False
        self.round_trip_seconds: float | None = None

    async def run(self) -> None:
        """Connect, watch and re-connect for ever; the worker beats all the while."""
        self._inbox.poll_seconds = self._poll_disconnected_seconds
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._beat_while_disconnected())
            failures = 0
            while True:
                lasted = await self._hold_connection()
                failures = 1 if lasted > self._ping_seconds else failures + 1
                await self._seams.sleeper.sleep(_RECONNECT.delay(failures, self._seams.random.uniform))

    async def _hold_connection(self) -> float:
        """Hold one connection until it fails, and return for how many seconds it was good."""
        since = self._seams.clock.monotonic()
        try:
            async with self._connect(self._inbox.hint, self._on_ping) as connection:
                since = self._seams.clock.monotonic()
                # What was committed while nobody listened is found by this claim.
                self._inbox.claim_soon()
                why = await self._watch(connection)
        except WakeUpUnavailable as error:
            why = str(error)
        finally:
            self._set_connected(connected=False)
        _log.warning("wake_ups_lost", why=why)
        return self._seams.clock.monotonic() - since

    async def _watch(self, connection: Connection) -> str:
        async with asyncio.TaskGroup() as tasks:
            pinging = tasks.create_task(self._ping_forever(connection))
            why = await connection.failed()
            pinging.cancel()
        return why

    async def _ping_forever(self, connection: Connection) -> None:
        while True:
            self._set_connected(connected=await self._ping(connection))
            await self._seams.sleeper.sleep(self._ping_seconds)

    async def _ping(self, connection: Connection) -> bool:
        self._awaited = self._seams.random.hexadecimal(_PING_DIGITS)
        self._pong.clear()
        sent_at = self._seams.clock.monotonic()
        if not await self._try_beat(self._awaited):
            # Without the database nothing can be said about the channel.
            return False
        try:
            async with asyncio.timeout(_PONG_SECONDS):
                await self._pong.wait()
        except TimeoutError:
            connection.fail(f"a ping did not come back within {_PONG_SECONDS:g} s")
            return False
        self.round_trip_seconds = self._seams.clock.monotonic() - sent_at
        return True

    def _set_connected(self, *, connected: bool) -> None:
        if connected == self.connected:
            return
        if connected:
            _log.info("wake_ups_connected")
        self.connected = connected
        self._inbox.poll_seconds = self._poll_seconds if connected else self._poll_disconnected_seconds
        # It applies the new timer at once.
        self._inbox.claim_soon()

    def _on_ping(self, ping: str) -> None:
        # Every worker hears the pings of all.
        if ping == self._awaited:
            self._pong.set()

    async def _beat_while_disconnected(self) -> None:
        # With a connection, the pings are the beats.
        while True:
            await self._seams.sleeper.sleep(self._ping_seconds)
            if not self.connected:
                await self._try_beat(None)

    async def _try_beat(self, ping: str | None) -> bool:
        try:
            await self._beat(ping)
        except (DatabaseUnavailable, DatabaseContractError) as error:
            _log.warning("heartbeat_failed", error=str(error))
            return False
        return True
