"""The wake-up channel: joined, proved, lost and joined again, with the timer to match."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from sparky.domain.errors import DatabaseUnavailable, WakeUpUnavailable
from sparky.engine.waker import Connection, Waker
from tests.unit.engine.virtual_loop import LoopClock, loop_seams

FAST, SLOW, PING = 1.0, 5.0, 15.0


class Inbox:
    def __init__(self) -> None:
        self.poll_seconds = 0.0
        self.hints = 0
        self.claims: list[float] = []

    def hint(self) -> None:
        self.hints += 1

    def claim_soon(self) -> None:
        self.claims.append(LoopClock().monotonic())


class Line:
    """One joined connection."""

    def __init__(self) -> None:
        self._failure: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def failed(self) -> str:
        return await asyncio.shield(self._failure)

    def fail(self, why: str) -> None:
        if not self._failure.done():
            self._failure.set_result(why)


class Server:
    """Realtime and the heartbeat function."""

    def __init__(self) -> None:
        self.refuses = False
        self.delivers = True
        self.database_down = False
        self.lines: list[Line] = []
        self.open = 0
        self.beats: list[tuple[float, str | None]] = []
        self._on_ping: Callable[[str], None] = lambda _: None
        self.on_hint: Callable[[], None] = lambda: None

    @asynccontextmanager
    async def connect(
        self, on_hint: Callable[[], None], on_ping: Callable[[str], None]
    ) -> AsyncIterator[Connection]:
        await asyncio.sleep(0.01)
        if self.refuses:
            raise WakeUpUnavailable("CHANNEL_ERROR: the token has expired")
        line = Line()
        self.lines.append(line)
        self._on_ping, self.on_hint = on_ping, on_hint
        self.open += 1
        try:
            yield line
        finally:
            self.open -= 1

    async def beat(self, ping: str | None) -> None:
        self.beats.append((LoopClock().monotonic(), ping))
        await asyncio.sleep(0.002)
        if self.database_down:
            raise DatabaseUnavailable("worker_heartbeat: ConnectError", reached=False)
        if ping is not None and self.delivers:
            asyncio.get_running_loop().call_later(0.002, self._on_ping, ping)
            asyncio.get_running_loop().call_later(0.002, self._on_ping, "of another worker")


@asynccontextmanager
async def waking(server: Server) -> AsyncIterator[tuple[Waker, Inbox]]:
    inbox = Inbox()
    waker = Waker(
        server.connect,
        server.beat,
        inbox,
        loop_seams(),
        ping_seconds=PING,
        poll_seconds=SLOW,
        poll_disconnected_seconds=FAST,
    )
    running = asyncio.create_task(waker.run())
    yield waker, inbox
    assert not running.done()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert server.open == 0


async def test_a_proved_channel_slows_the_timer_down() -> None:
    async with waking(Server()) as (waker, inbox):
        assert inbox.poll_seconds == 0.0
        await asyncio.sleep(0.005)
        assert inbox.poll_seconds == FAST
        await asyncio.sleep(1)
        assert waker.connected
        assert inbox.poll_seconds == SLOW
        assert waker.round_trip_seconds == pytest.approx(0.004)


async def test_it_claims_after_each_join() -> None:
    server = Server()
    async with waking(server) as (_, inbox):
        await asyncio.sleep(1)
        before = len(inbox.claims)
        server.lines[-1].fail("reset")
        await asyncio.sleep(2)
        assert len(server.lines) == 2
        assert len(inbox.claims) > before


async def test_a_lost_channel_is_replaced_within_a_second_and_the_timer_is_fast_meanwhile() -> None:
    server = Server()
    async with waking(server) as (waker, inbox):
        await asyncio.sleep(100)
        server.lines[-1].fail("reset")
        await asyncio.sleep(0.001)
        assert inbox.poll_seconds == FAST
        await asyncio.sleep(1)
        assert waker.connected
        assert inbox.poll_seconds == SLOW


async def test_a_channel_that_is_joined_and_delivers_nothing_is_given_up() -> None:
    server = Server()
    server.delivers = False
    async with waking(server) as (waker, inbox):
        for _ in range(60):
            await asyncio.sleep(1)
            assert inbox.poll_seconds == FAST
        assert not waker.connected
        assert len(server.lines) >= 5


async def test_a_channel_that_goes_silent_is_noticed_by_the_next_ping() -> None:
    server = Server()
    async with waking(server) as (waker, inbox):
        await asyncio.sleep(1)
        server.delivers = False
        await asyncio.sleep(PING + 5.1)
        assert not waker.connected
        assert inbox.poll_seconds == FAST
        server.delivers = True
        await asyncio.sleep(7)
        assert waker.connected


async def test_a_refused_join_is_tried_for_ever_with_a_pause_of_5_s_at_most() -> None:
    server = Server()
    server.refuses = True
    async with waking(server) as (waker, inbox):
        await asyncio.sleep(3600)
        assert inbox.poll_seconds == FAST
        server.refuses = False
        await asyncio.sleep(5.5)
        assert waker.connected


async def test_without_the_database_nothing_is_said_about_the_channel() -> None:
    server = Server()
    async with waking(server) as (waker, inbox):
        await asyncio.sleep(1)
        server.database_down = True
        await asyncio.sleep(60)
        assert len(server.lines) == 1
        assert inbox.poll_seconds == FAST
        server.database_down = False
        await asyncio.sleep(PING + 1)
        assert waker.connected
        assert len(server.lines) == 1


async def test_it_beats_with_and_without_a_channel() -> None:
    server = Server()
    async with waking(server):
        await asyncio.sleep(61)
        assert len(server.beats) == 5
        assert all(ping is not None for _, ping in server.beats)
        server.refuses = True
        server.lines[-1].fail("reset")
        server.beats.clear()
        await asyncio.sleep(60)
        assert 3 <= len(server.beats) <= 5
        assert all(ping is None for _, ping in server.beats)


async def test_hints_reach_the_inbox() -> None:
    server = Server()
    async with waking(server) as (_, inbox):
        await asyncio.sleep(1)
        server.on_hint()
        assert inbox.hints == 1


async def test_a_cancelled_waker_ends_at_any_moment() -> None:
    for hundredths in range(60):
        server = Server()
        server.delivers = hundredths % 2 == 0
        async with waking(server):
            await asyncio.sleep(hundredths / 1000)
