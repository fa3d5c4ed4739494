"""What one client may cost: memory, waiting frames, silence."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, LiteralString

import pytest
from websockets.exceptions import ConnectionClosed

from tests.integration.stack.realtime_own_server import OwnServer, own_server
from tests.integration.stack.realtime_project import (
    SECONDS,
    Socket,
    database,
    ok,
    open_socket,
    run_sql,
    send_sql,
)

IDLE_MS = 1_500


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnServer]:
    limits = {
        "idleMs": IDLE_MS,
        "maxBufferedBytes": 1_000_000,
        "maxWaitingFrames": 50,
        "joinErrorDelayMs": 700,
    }
    with own_server(tmp_path_factory.mktemp("realtime") / "stack", **limits) as server:
        yield server
        assert not [line for line in server.lines if line["level"] in ("unhandled", "raw")]


async def test_a_client_that_does_not_read_is_dropped_and_others_go_on(own: OwnServer) -> None:
    async with open_socket(own, own.secret_key) as slow, open_socket(own, own.secret_key) as quick:
        for socket in (slow, quick):
            assert ok(await socket.join("big", private=True))
        slow.wire.transport.pause_reading()
        big: LiteralString = "select realtime.send(jsonb_build_object('x', repeat('x', 500000)), 'ev', 'big')"
        with database(own) as db:
            for _ in range(40):
                await asyncio.to_thread(db.execute, big)
                await next_broadcast(quick)
        dropped = await asyncio.to_thread(own.await_event, "realtime_socket_dropped")
        assert (dropped["code"], dropped["reason"]) == (4002, "client reads too slowly")
        run_sql(own, send_sql("big"))
        await next_broadcast(quick)
        slow.wire.transport.abort()


async def next_broadcast(socket: Socket) -> None:
    """Await one, with a heartbeat so as not to be dropped for silence."""
    await socket.send({"topic": "phoenix", "event": "heartbeat", "payload": {}, "ref": "1"})
    while (await socket.receive())["event"] != "broadcast":
        pass


async def test_a_client_that_floods_is_dropped(own: OwnServer) -> None:
    async with open_socket(own) as socket:
        join = {"topic": "realtime:p", "event": "phx_join", "ref": "1", "join_ref": "1"}
        await socket.send({**join, "payload": {"config": {"private": True}}})
        for _ in range(51):
            await socket.send({"topic": "phoenix", "event": "heartbeat", "payload": {}, "ref": "1"})
        with suppress(ConnectionClosed):
            while True:
                await socket.receive()
        assert socket.wire.close_code == 4002


async def test_a_client_without_heartbeat_is_dropped_and_one_with_it_stays(own: OwnServer) -> None:
    async with open_socket(own) as silent, open_socket(own) as alive:
        ended = asyncio.create_task(silent.receive())
        while not ended.done():
            await alive.nothing_waits()
            await asyncio.wait([ended], timeout=IDLE_MS / 4000)
        with pytest.raises(ConnectionClosed):
            await ended
        assert silent.wire.close_code == 4001
        await alive.nothing_waits()


@pytest.mark.parametrize(
    "frame",
    [
        "not json",
        "null",
        "[]",
        '{"topic": 1}',
        '["1","1","realtime:t"]',
        b"",
        b"\x03",
        b"\x03\xff\xff\xff\xff\xff\x01",
    ],
)
@pytest.mark.parametrize("vsn", ["1.0.0", "2.0.0"])
async def test_a_malformed_frame_harms_nobody(own: OwnServer, frame: str | bytes, vsn: str) -> None:
    async with open_socket(own, vsn=vsn) as socket:
        await socket.send(frame)
        heartbeat: list[Any] = [None, "1", "phoenix", "heartbeat", {}]
        await socket.send(
            heartbeat
            if vsn == "2.0.0"
            else dict(zip(("topic", "event", "ref"), ("phoenix", "heartbeat", "1"), strict=True))
        )
        answer = await asyncio.wait_for(socket.wire.recv(), SECONDS)
    assert "phx_reply" in json.dumps(json.loads(answer))


async def test_nothing_that_was_said_is_in_the_log(own: OwnServer) -> None:
    async with open_socket(own, own.secret_key) as socket:
        assert ok(await socket.join("t", private=True))
        run_sql(own, send_sql("t", '{"password": "hunter2"}'))
        await socket.receive()
        await socket.send('{"hunter2')
        await socket.push("hunter-event", {"password": "hunter2"})
        await socket.nothing_waits()
    log = json.dumps(own.lines)
    assert "hunter2" not in log
    assert own.secret_key not in log
    assert own.jwt_secret not in log
    assert own.postgres.password not in log
