"""The ground of the fake venues keeps what it promises: every fault, strict HTTP, nothing left behind."""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator
from decimal import Decimal

import httpx
import pytest

from tests.venues.fakes.server import (
    AnsweredEarly,
    FakeRequest,
    FakeResponse,
    FakeServer,
    Fault,
    RequestKind,
    json_response,
)

# Nothing here speaks TLS, and reading the machine's certificates takes longer than a test.
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


class Counter(FakeServer):
    """Counts what it executes."""

    executed = 0

    async def handle(self, request: FakeRequest) -> FakeResponse:
        if request.path == "/early":
            raise AnsweredEarly(json_response(404, {"no": "such thing"}))
        if request.path == "/defect":
            raise ZeroDivisionError
        if request.method == "POST":
            self.executed += 1
        return json_response(200, {"count": self.executed, "price": Decimal("0.10"), "text": "0.10"})


@pytest.fixture
async def server() -> AsyncIterator[Counter]:
    async with Counter() as counter:
        yield counter


@pytest.fixture
async def client(server: Counter) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=server.url, timeout=1, trust_env=False, verify=NO_TLS) as one:
        yield one


async def test_many_requests_share_a_connection_and_are_logged_in_full(
    server: Counter, client: httpx.AsyncClient
) -> None:
    for number in range(3):
        await client.post("/a%20b", params={"n": number}, json={"x": 1})
    assert server.executed == 3
    first = server.log[0]
    assert (first.method, first.path, first.params(), first.json()) == (
        "POST",
        "/a%20b",
        {"n": "0"},
        {"x": 1},
    )
    assert len(server._port._connections) == 1


async def test_chunked_bodies_and_forms_are_read(server: Counter, client: httpx.AsyncClient) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield b"a=1&"
        yield b"b=%2B"

    await client.post("/", content=chunks(), headers={"Content-Type": "application/x-www-form-urlencoded"})
    assert server.log[0].form() == {"a": "1", "b": "+"}


async def test_decimals_go_out_as_they_are_written(client: httpx.AsyncClient) -> None:
    answer = await client.get("/")
    assert answer.content == b'{"count":0,"price":0.10,"text":"0.10"}'


async def test_what_a_request_holds_beside_its_path_is_never_shown(
    server: Counter, client: httpx.AsyncClient
) -> None:
    await client.post("/x?key=abc", headers={"Authorization": "Bearer abc"}, content=b"abc")
    assert "abc" not in repr(server.log)


@pytest.mark.parametrize(
    ("fault", "executions"),
    [
        (Fault.DROP_REQUEST, 0),
        (Fault.DROP_REPLY, 1),
        (Fault.CUT, 1),
    ],
)
async def test_a_broken_connection_is_an_error_of_transport(
    server: Counter, client: httpx.AsyncClient, fault: Fault, executions: int
) -> None:
    await client.get("/")
    server.arm(fault)
    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
        await client.post("/")
    assert server.executed == executions
    assert (await client.get("/")).status_code == 200


@pytest.mark.parametrize(
    ("fault", "status", "executions"),
    [
        (Fault.TOO_MANY, 429, 0),
        (Fault.BANNED, 418, 0),
        (Fault.ERROR_500, 500, 0),
        (Fault.ERROR_503, 503, 0),
        (Fault.ERROR_503_EXECUTED, 503, 1),
        (Fault.HTML, 200, 1),
        (Fault.GARBAGE, 200, 1),
        (Fault.DUPLICATE, 200, 2),
        (Fault.EMPTY, 200, 1),
        (Fault.NULL, 200, 1),
        (Fault.LIST, 200, 1),
        (Fault.BARE, 200, 1),
        (Fault.REDIRECT, 307, 0),
        (Fault.LOST_ROUTE, 404, 0),
        (Fault.FIREWALL, 403, 0),
    ],
)
async def test_a_fault_that_answers_executes_as_often_as_it_says(
    server: Counter, client: httpx.AsyncClient, fault: Fault, status: int, executions: int
) -> None:
    server.arm(fault)
    answer = await client.post("/")
    assert (answer.status_code, server.executed) == (status, executions)
    assert (await client.get("/")).status_code == 200


async def test_a_closed_port_refuses_and_opens_again_under_the_same_number(
    server: Counter, client: httpx.AsyncClient
) -> None:
    await client.get("/")
    before = server.url
    server.arm(Fault.DOWN)
    for _ in range(2):
        with pytest.raises((httpx.ConnectError, httpx.ReadError)):
            await client.post("/")
    with pytest.raises(httpx.ConnectError):
        await client.post("/")
    server.heal()
    assert server.url == before
    assert (await client.post("/")).status_code == 200
    assert server.executed == 1


async def test_a_reply_that_hangs_never_comes_and_one_that_is_delayed_does(
    server: Counter, client: httpx.AsyncClient
) -> None:
    server.arm(Fault.HANG)
    with pytest.raises(httpx.ReadTimeout):
        await client.post("/", timeout=0.02)
    server.arm(Fault.DELAY, seconds=0.02)
    begun = time.monotonic()
    assert (await client.post("/")).json()["count"] == 2
    assert time.monotonic() - begun >= 0.02


async def test_a_late_request_is_executed_after_its_sender_was_cut_off(
    server: Counter, client: httpx.AsyncClient
) -> None:
    server.arm(Fault.LATE, seconds=0.05)
    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
        await client.post("/")
    assert server.executed == 0
    server.arm(Fault.DOWN)
    server.heal()
    await server.everything_late()
    assert server.executed == 1


async def test_faults_are_aimed_counted_and_taken_away(server: Counter, client: httpx.AsyncClient) -> None:
    server.arm(Fault.ERROR_500, matching=RequestKind.ORDER, times=2)
    server.arm(Fault.ERROR_503, matching=lambda request: request.path == "/b", times=None)
    statuses = [
        (await client.request(*one)).status_code for one in (("GET", "/"), ("POST", "/"), ("POST", "/b"))
    ]
    assert statuses == [200, 500, 500]
    assert [(await client.get("/b")).status_code for _ in range(3)] == [503] * 3
    server.heal()
    server.arm(Fault.ERROR_500, after=1)
    assert [(await client.get("/b")).status_code for _ in range(3)] == [200, 500, 200]
    assert len(server.asked(RequestKind.ORDER)) == 2


async def test_an_answer_may_be_raised_and_a_bad_body_is_a_bad_request(
    server: Counter, client: httpx.AsyncClient
) -> None:
    assert (await client.get("/early")).status_code == 404
    await client.post("/", content=b"{", headers={"Content-Type": "application/json"})
    with pytest.raises(Exception, match="not JSON"):
        server.log[-1].json()
    with pytest.raises(Exception, match="announced"):
        server.log[-1].form()


@pytest.mark.parametrize("line", [b"GET / HTTP/1.1\r\n\r\n", b"hello\r\n\r\n"])
async def test_what_is_not_http_is_answered_with_400(server: Counter, line: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(server.url.rpartition(":")[2]))
    writer.write(line)
    assert b" 400 " in await reader.readline()
    assert server.log == []
    writer.close()
    await writer.wait_closed()


async def test_a_defect_of_the_fake_is_no_silent_500() -> None:
    server = Counter()
    await server.start()
    async with httpx.AsyncClient(base_url=server.url, trust_env=False, verify=NO_TLS) as client:
        assert (await client.get("/defect")).status_code == 500
    with pytest.raises(ZeroDivisionError):
        await server.stop()


async def test_a_redirect_that_is_followed_is_told() -> None:
    server = Counter()
    await server.start()
    server.arm(Fault.REDIRECT)
    async with httpx.AsyncClient(base_url=server.url, trust_env=False, verify=NO_TLS) as client:
        await client.post("/", follow_redirects=True)
    with pytest.raises(AssertionError, match="redirect"):
        await server.stop()


async def test_starting_is_cheap_and_nothing_is_left_behind() -> None:
    tasks = len(asyncio.all_tasks())
    begun = time.perf_counter()
    for _ in range(5):
        async with (
            Counter() as server,
            httpx.AsyncClient(base_url=server.url, trust_env=False, verify=NO_TLS) as client,
        ):
            server.arm(Fault.HANG)
            with pytest.raises(httpx.ReadTimeout):
                await client.get("/", timeout=0.02)
            server.arm(Fault.LATE, seconds=60)
            with pytest.raises(httpx.TransportError):
                await client.get("/", timeout=0.1)
    print(f"a fake starts, hangs, is late and stops in {(time.perf_counter() - begun) * 200 - 20:.1f} ms")
    assert len(asyncio.all_tasks()) == tasks
