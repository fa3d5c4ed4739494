"""The wake-up connection against a Phoenix server that joins, refuses, falls silent or hangs up."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve

from sparky.database import wakeup
from sparky.database.wakeup import WakeUpConnection
from sparky.domain.errors import WakeUpUnavailable


class Phoenix:
    """Speaks the protocol's first version, as the client does."""

    def __init__(self, answer: str = "ok") -> None:
        self.answer = answer
        self.port = 0
        self.joins: list[dict[str, Any]] = []
        self.paths: list[str] = []
        self.sockets: list[ServerConnection] = []
        self.joined = asyncio.Event()
        self.closed = asyncio.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @asynccontextmanager
    async def listening(self) -> AsyncIterator["Phoenix"]:
        async with serve(self._serve, "127.0.0.1", 0) as server:
            self.port = next(iter(server.sockets)).getsockname()[1]
            yield self

    async def push(self, event: str, payload: dict[str, Any]) -> None:
        await self._send(
            {
                "topic": "realtime:worker",
                "event": "broadcast",
                "ref": None,
                "payload": {"type": "broadcast", "event": event, "payload": payload},
            }
        )

    async def raw(self, event: str, payload: dict[str, Any]) -> None:
        await self._send({"topic": "realtime:worker", "event": event, "ref": None, "payload": payload})

    async def _send(self, frame: dict[str, Any]) -> None:
        await self.sockets[-1].send(json.dumps(frame))

    async def _serve(self, socket: ServerConnection) -> None:
        assert socket.request is not None
        self.paths.append(socket.request.path)
        self.sockets.append(socket)
        async for text in socket:
            frame = json.loads(text)
            if frame["event"] == "phx_join":
                self.joins.append(frame["payload"])
                self.joined.set()
                if self.answer == "hang up":
                    await socket.close()
                elif self.answer != "silence":
                    await self._reply(socket, frame)
        self.closed.set()

    async def _reply(self, socket: ServerConnection, frame: dict[str, Any]) -> None:
        response: dict[str, Any] = (
            {"postgres_changes": []}
            if self.answer == "ok"
            else {"reason": "InvalidJWTToken: Token has expired"}
        )
        reply = {
            "topic": frame["topic"],
            "event": "phx_reply",
            "ref": frame["ref"],
            "payload": {"status": "ok" if self.answer == "ok" else "error", "response": response},
        }
        await socket.send(json.dumps(reply))


class Heard:
    def __init__(self) -> None:
        self.hints = 0
        self.pings: list[str] = []
        self.event = asyncio.Event()
        self.raises = False

    def hint(self) -> None:
        self.hints += 1
        self.event.set()
        if self.raises:
            raise RuntimeError("a fault of ours")

    def ping(self, ping: str) -> None:
        self.pings.append(ping)
        self.event.set()

    async def something(self) -> None:
        async with asyncio.timeout(5):
            await self.event.wait()
        self.event.clear()


def connection(server: Phoenix, heard: Heard, login: str = "a.worker.token") -> WakeUpConnection:
    return WakeUpConnection(
        server.url, api_key="publishable", token=login, on_hint=heard.hint, on_ping=heard.ping
    )


async def why_of(one: WakeUpConnection) -> str:
    async with asyncio.timeout(5):
        return await one.failed()


@pytest.fixture(autouse=True)
async def nothing_is_left_behind() -> AsyncIterator[None]:
    before = asyncio.all_tasks()
    yield
    await asyncio.sleep(0.05)
    left = asyncio.all_tasks() - before - {task for task in asyncio.all_tasks() if task.done()}
    assert [task for task in left if "realtime" in repr(task)] == []


async def test_it_joins_the_private_channel_with_the_workers_token() -> None:
    async with Phoenix().listening() as server, connection(server, Heard()):
        join = server.joins[0]
        assert join["config"]["private"] is True
        assert join["access_token"] == "a.worker.token"
        assert "apikey=publishable" in server.paths[0]
        assert "token" not in server.paths[0]


async def test_a_secret_key_joins_without_a_token_of_its_own() -> None:
    async with Phoenix().listening() as server, connection(server, Heard(), "sb_secret_x"):
        assert server.joins[0]["access_token"] == "publishable"


async def test_hints_and_pings_are_heard_and_strange_payloads_are_not() -> None:
    heard = Heard()
    async with Phoenix().listening() as server, connection(server, heard) as one:
        await server.push("ping", {})
        await server.push("ping", {"ping": 5})
        await server.push("other", {"ping": "x"})
        await server.push("ping", {"ping": "abc"})
        await heard.something()
        await server.push("wake", {})
        await heard.something()
        assert (heard.hints, heard.pings) == (1, ["abc"])
        assert not one._failure.done()


async def test_a_callback_that_raises_gives_the_connection_up() -> None:
    heard = Heard()
    heard.raises = True
    async with Phoenix().listening() as server, connection(server, heard) as one:
        await server.push("wake", {})
        assert await why_of(one) == "a callback failed"


async def test_a_refused_join_says_why() -> None:
    async with Phoenix("refuse").listening() as server:
        with pytest.raises(WakeUpUnavailable, match="Token has expired"):
            await connection(server, Heard()).__aenter__()


async def test_a_join_without_an_answer_ends_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wakeup, "_JOIN_SECONDS", 0.2)
    async with Phoenix("silence").listening() as server:
        with pytest.raises(WakeUpUnavailable):
            await connection(server, Heard()).__aenter__()


async def test_a_server_that_hangs_up_during_the_join_is_no_channel() -> None:
    async with Phoenix("hang up").listening() as server:
        with pytest.raises(WakeUpUnavailable):
            await connection(server, Heard()).__aenter__()


async def test_nobody_listening_is_no_channel() -> None:
    server = Phoenix()
    server.port = 9
    with pytest.raises(WakeUpUnavailable):
        await connection(server, Heard()).__aenter__()


@pytest.mark.parametrize("how", ["close", "abort"])
async def test_a_lost_socket_is_noticed_at_once(how: str) -> None:
    async with Phoenix().listening() as server, connection(server, Heard()) as one:
        if how == "close":
            await server.sockets[0].close()
        else:
            server.sockets[0].transport.abort()
        assert await why_of(one)


@pytest.mark.parametrize("event", ["phx_error", "phx_close"])
async def test_a_channel_that_the_server_ends_is_noticed_at_once(event: str) -> None:
    async with Phoenix().listening() as server, connection(server, Heard()) as one:
        await server.raw(event, {})
        assert await why_of(one)


async def test_a_reader_that_dies_inside_the_client_is_noticed_at_once() -> None:
    async with Phoenix().listening() as server, connection(server, Heard()) as one:
        channel = one._client.get_channels()[0]
        channel._handle_message = lambda _: 1 / 0  # type: ignore[assignment,method-assign]
        await server.push("wake", {})
        assert await why_of(one) == "the client stopped (ZeroDivisionError)"


async def test_it_can_be_given_up_from_outside_and_lets_the_socket_go() -> None:
    async with Phoenix().listening() as server:
        async with connection(server, Heard()) as one:
            one.fail("a ping did not come back")
            one.fail("again")
            assert await why_of(one) == "a ping did not come back"
        async with asyncio.timeout(5):
            await server.closed.wait()


async def test_a_half_open_socket_is_let_go_without_its_closing_handshake(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(wakeup, "_CLOSE_SECONDS", 0.1)
    async with Phoenix().listening() as server:
        started = asyncio.get_running_loop().time()
        async with connection(server, Heard()) as one:
            server.sockets[0].transport.pause_reading()
            one.fail("silent")
        assert asyncio.get_running_loop().time() - started < 3
        server.sockets[0].transport.abort()


async def test_cancelling_the_holder_closes_the_connection() -> None:
    async with Phoenix().listening() as server:

        async def hold() -> None:
            async with connection(server, Heard()) as one:
                await one.failed()

        holding = asyncio.create_task(hold())
        await server.joined.wait()
        holding.cancel()
        with pytest.raises(asyncio.CancelledError):
            await holding
        async with asyncio.timeout(5):
            await server.closed.wait()
