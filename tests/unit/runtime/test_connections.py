"""What lies between httpx's client and the socket: which connection is used, and how each ending is named."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest

from sparky.runtime.connections import DirectTransport, transport
from tests.unit.venues.raw_server import RawServer, answer

OK = answer(b"{}")


@asynccontextmanager
async def client(
    *script: bytes | None, keep: int = 20, keep_seconds: float = 30.0, patience: float = 5.0
) -> AsyncIterator[tuple[RawServer, httpx.AsyncClient]]:
    transport = DirectTransport(None, keep=keep, keep_seconds=keep_seconds)
    async with (
        RawServer(*script).listening() as server,
        httpx.AsyncClient(transport=transport, base_url=server.url, timeout=patience) as http,
    ):
        yield server, http


async def test_requests_one_after_the_other_share_a_connection() -> None:
    async with client(OK, OK, OK) as (server, http):
        for _ in range(3):
            assert (await http.post("/", content=b"x")).json() == {}
    assert server.connections == 1
    assert server.bodies == [b"x", b"x", b"x"]


@pytest.mark.parametrize(("keep", "keep_seconds"), [(0, 30.0), (20, 0.0)])
async def test_a_connection_that_is_not_to_be_kept_is_not_used_again(keep: int, keep_seconds: float) -> None:
    async with client(OK, OK, keep=keep, keep_seconds=keep_seconds) as (server, http):
        await http.get("/")
        await http.get("/")
    assert server.connections == 2


async def test_a_connection_that_the_host_ended_is_not_used_again() -> None:
    # The script's end closes the first connection, which may be noticed only when it is taken again.
    async with client(OK) as (server, http):
        await http.get("/")
        server.script.append(OK)
        for writer in server._writers:
            writer.close()
            await writer.wait_closed()
        assert (await http.get("/")).status_code == 200
    assert server.connections == 2


async def test_bytes_that_nobody_asked_for_are_not_the_next_answer() -> None:
    async with client(OK + answer(b'{"whose":"nobody"}'), OK) as (server, http):
        await http.get("/")
        assert (await http.get("/")).json() == {}
    assert server.connections == 2


async def test_bytes_that_come_while_a_connection_rests_end_it() -> None:
    async with client(OK, OK) as (server, http):
        await http.get("/")
        server._writers[0].write(answer(b'{"whose":"nobody"}'))
        await server._writers[0].drain()
        assert (await http.get("/")).json() == {}
    assert server.connections == 2


async def test_an_answer_comes_in_any_shape_that_http_has() -> None:
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"
    informed = b"HTTP/1.1 100 Continue\r\n\r\n" + answer(b"abc")
    without_length = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nabc"
    async with client(chunked, informed, without_length, OK) as (server, http):
        for _ in range(2):
            assert (await http.get("/")).content == b"abc"
        request = asyncio.create_task(http.get("/"))
        while len(server.heads) < 3:
            await server.asked.wait()
            server.asked.clear()
        server._writers[0].close()
        assert (await request).content == b"abc"
        await http.get("/")
    assert server.connections == 2


async def test_an_answer_that_is_longer_than_what_may_lie_unread_comes_whole() -> None:
    content = bytes(range(256)) * 8192
    async with client(answer(content)) as (_, http), http.stream("GET", "/") as response:
        parts = []
        async for part in response.aiter_raw():
            parts.append(part)
            await asyncio.sleep(0)
    assert b"".join(parts) == content


async def test_a_request_that_is_longer_than_a_socket_takes_goes_out_whole() -> None:
    content = b"x" * 4_000_000
    async with client(OK) as (server, http):
        await http.post("/", content=content)
    assert server.bodies == [content]


@pytest.mark.parametrize(
    ("script", "kind"),
    [
        (None, (httpx.ReadError, httpx.RemoteProtocolError)),
        (b"SSH-2.0-OpenSSH\r\n\r\n", httpx.RemoteProtocolError),
        (answer(b"cut", length=99), httpx.ReadTimeout),
        (b"", httpx.ReadTimeout),
    ],
    ids=["reset", "another protocol", "cut", "silence"],
)
async def test_an_ending_is_named_as_httpx_names_it(
    script: bytes | None, kind: type[Exception] | tuple[type[Exception], ...]
) -> None:
    async with client(script, OK, patience=0.2) as (server, http):
        with pytest.raises(kind):
            await http.get("/")
        # What is left of it is no connection for the next.
        server.script[:] = [OK]
        assert (await http.get("/")).status_code == 200
    assert server.connections == 2


async def test_who_gives_up_leaves_no_connection_open() -> None:
    async with client(b"", OK) as (server, http):
        request = asyncio.create_task(http.get("/"))
        await server.asked.wait()
        request.cancel()
        with pytest.raises(asyncio.CancelledError):
            await request
        assert (await http.get("/")).status_code == 200
    assert server.connections == 2


def test_a_proxy_of_the_environment_is_left_to_httpx(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    assert isinstance(transport(keep=1), DirectTransport)
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    assert not isinstance(transport(keep=1), DirectTransport)
