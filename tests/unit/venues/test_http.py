"""Requests on the wire, and every way in which they end."""

import asyncio
import gzip
import socket
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest

from sparky.domain.answers import NotSent, Unknown
from sparky.domain.errors import LostClaim, VenueUnavailable
from sparky.runtime.seams import Seams
from sparky.venues.budget import Limit
from sparky.venues.http import NotJson, Reply, Request, VenueHttp
from sparky.venues.registry import limited_to
from tests.unit.venues.raw_server import RawServer, answer

SECRET = "Bearer-4f9c0d1e"
ORDER = Request("POST", "/v1/orders", headers={"Authorization": SECRET}, content=b"side=buy")
QUESTION = Request("GET", "/v1/orders", "tag=a")


@asynccontextmanager
async def venue(*script: bytes | None, **options: Any) -> AsyncIterator[tuple[RawServer, VenueHttp]]:
    async with (
        RawServer(*script).listening() as server,
        VenueHttp("Tradier", {"sandbox": server.url}, **options) as http,
    ):
        yield server, http


def always() -> None:
    pass


async def test_a_request_goes_out_exactly_as_it_is_written() -> None:
    query = "a=%2B1+2&status%5B%5D=Live&b=~.-_&signature=0xAb"
    async with venue(answer(b"{}"), answer(b"{}")) as (server, http):
        await http.ask("sandbox", Request("GET", "/v1/equities/BRK%2FB", query))
        reply = await http.write("sandbox", ORDER, always)
    assert isinstance(reply, Reply)
    assert server.heads[0].startswith(f"GET /v1/equities/BRK%2FB?{query} HTTP/1.1\r\n")
    assert "user-agent: sparky/" in server.heads[0].lower()
    assert server.bodies == [b"", b"side=buy"]
    assert f"Authorization: {SECRET}" in server.heads[1]
    assert server.connections == 1


async def test_what_is_not_percent_encoded_never_leaves() -> None:
    async with venue(answer(b"{}")) as (server, http):
        outcome = await http.write("sandbox", Request("POST", "/v1/orders", "a=b c"), always)
    assert isinstance(outcome, NotSent)
    assert server.heads == []


@pytest.mark.parametrize("status", ["200 OK", "302 Found", "400 Bad", "429 Slow", "503 Busy"])
async def test_any_status_is_an_answer_and_no_redirect_is_followed(status: str) -> None:
    async with venue(answer(b"no", status, more="Location: /elsewhere\r\nRetry-After: 7\r\n")) as (
        server,
        http,
    ):
        reply = await http.ask("sandbox", QUESTION)
    assert (reply.status, reply.headers["retry-after"], len(server.heads)) == (int(status[:3]), "7", 1)


async def test_a_cookie_of_one_trader_is_not_sent_with_the_next_ones_request() -> None:
    async with venue(answer(b"{}", more="Set-Cookie: session=of-a-trader\r\n"), answer(b"{}")) as (
        server,
        http,
    ):
        await http.ask("sandbox", QUESTION)
        await http.ask("sandbox", QUESTION)
    assert "cookie" not in server.heads[1].lower()


async def test_nobody_listening_means_not_sent() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
        async with VenueHttp("Tradier", {"sandbox": url}) as http:
            outcome = await http.write("sandbox", ORDER, always)
            with pytest.raises(VenueUnavailable, match=r"^Tradier did not answer GET /v1/orders: "):
                await http.ask("sandbox", QUESTION)
    assert isinstance(outcome, NotSent)
    assert outcome.reason == (
        "Tradier was not reached, nothing was sent: no connection could be made (ConnectError)."
    )


async def test_waiting_in_vain_for_a_connection_means_not_sent() -> None:
    async with venue(b"", connections=1, connect_seconds=0.05, read_seconds=5) as (server, http):
        first = asyncio.create_task(http.write("sandbox", ORDER, always))
        await server.asked.wait()
        assert isinstance(await http.write("sandbox", ORDER, always), NotSent)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first


@pytest.mark.parametrize(
    "script",
    [
        None,
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"SSH-2.0-OpenSSH\r\n\r\n",
        answer(b"cut", length=99),
        answer(b"not gzip", more="Content-Encoding: gzip\r\n"),
        answer(b"x", more="Content-Encoding: br\r\n"),
        answer(gzip.compress(b"cut" * 99)[:20], more="Content-Encoding: gzip\r\n"),
    ],
    ids=[
        "reset",
        "silence",
        "half a head",
        "another protocol",
        "cut",
        "damaged",
        "unasked encoding",
        "cut gzip",
    ],
)
async def test_a_write_without_a_readable_answer_is_unknown_and_sent_once(script: bytes | None) -> None:
    async with venue(script, script, read_seconds=0.05) as (server, http):
        outcome = await http.write("sandbox", ORDER, always)
        assert isinstance(outcome, Unknown)
        assert len(server.heads) == 1
        with pytest.raises(VenueUnavailable):
            await http.ask("sandbox", QUESTION)


async def test_an_answer_that_drips_does_not_outlast_the_time_limit() -> None:
    hung_up = asyncio.Event()

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n")
        while not writer.is_closing():
            writer.write(b"x")
            await asyncio.sleep(0.01)
        hung_up.set()

    server = await asyncio.start_server(drip, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server, VenueHttp("Tradier", {"live": url}, connect_seconds=0.05, read_seconds=0.1) as http:
        assert isinstance(await http.write("live", Request("POST", "/"), always), Unknown)
        await hung_up.wait()


@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress], ids=["gzip", "deflate"])
async def test_compressed_answers_are_read_but_not_those_that_unfold_beyond_the_limit(
    pack: Callable[[bytes], bytes],
) -> None:
    encoding = f"Content-Encoding: {'gzip' if pack is gzip.compress else 'deflate'}\r\n"
    good = answer(pack(b'{"price": 0.10}'), more=encoding)
    bomb = answer(pack(bytes(16 * 1024 * 1024 + 1)), more=encoding)
    async with venue(good, bomb, bomb) as (_, http):
        assert (await http.ask("sandbox", QUESTION)).json() == {"price": Decimal("0.10")}
        assert isinstance(await http.write("sandbox", ORDER, always), Unknown)
        with pytest.raises(VenueUnavailable, match="Unreadable"):
            await http.ask("sandbox", QUESTION)


async def test_an_answer_longer_than_the_limit_is_not_read_to_its_end() -> None:
    async with venue(answer(bytes(17 * 1024 * 1024), length=10**12)) as (_, http):
        assert isinstance(await http.write("sandbox", ORDER, always), Unknown)


async def test_the_permit_is_asked_after_the_connection_stands_and_what_it_raises_passes() -> None:
    def lost() -> None:
        raise LostClaim("another worker has it")

    async with venue(answer(b"{}")) as (server, http):
        with pytest.raises(LostClaim):
            await http.write("sandbox", ORDER, lost)
        assert isinstance(await http.write("sandbox", ORDER, always), Reply)
    assert (len(server.heads), server.connections) == (1, 2)


async def test_even_a_fault_in_the_permit_is_not_taken_for_the_networks() -> None:
    def broken() -> None:
        raise ValueError("a fault of ours")

    async with venue(answer(b"{}")) as (_, http):
        with pytest.raises(ValueError, match="a fault of ours"):
            await http.write("sandbox", ORDER, broken)


async def test_a_request_that_grows_stale_is_made_when_it_is_sent() -> None:
    made: list[int] = []

    def fresh() -> Request:
        made.append(len(made))
        return Request("POST", "/", content=f"nonce={len(made)}".encode())

    async with venue(answer(b"{}"), answer(b"{}")) as (server, http):
        await http.write("sandbox", fresh, always)
        await http.write("sandbox", fresh, always)
    assert server.bodies == [b"nonce=1", b"nonce=2"]


async def test_an_environment_that_the_venue_has_not_is_named() -> None:
    async with venue() as (_, http):
        outcome = await http.write("paper", ORDER, always)
        assert isinstance(outcome, NotSent)
        assert "it has no environment 'paper', only sandbox" in outcome.reason
        with pytest.raises(VenueUnavailable, match="no environment 'paper'"):
            await http.ask("paper", QUESTION)


async def test_after_it_is_closed_nothing_is_sent() -> None:
    http = VenueHttp("Tradier", {"sandbox": "http://127.0.0.1:1"})
    async with http:
        pass
    assert isinstance(await http.write("sandbox", ORDER, always), NotSent)


async def test_a_refused_tunnel_is_not_sent_and_asks_no_permit(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[None] = []
    async with RawServer(answer(b"no", "403 Forbidden")).listening() as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        async with VenueHttp("Tradier", {"live": "https://api.venue.test"}) as http:
            outcome = await http.write("live", ORDER, lambda: asked.append(None))
    assert proxy.heads[0].startswith("CONNECT api.venue.test:443")
    assert isinstance(outcome, NotSent)
    assert asked == []


async def test_cancelling_a_write_passes_and_frees_its_connection() -> None:
    async with venue(b"", answer(b"{}"), connections=1, connect_seconds=1) as (server, http):
        task = asyncio.create_task(http.write("sandbox", ORDER, always))
        await server.asked.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert isinstance(await http.write("sandbox", ORDER, always), Reply)


async def test_connections_are_opened_no_faster_than_the_venue_allows() -> None:
    window = 0.1
    async with venue(*[b""] * 6, may_connect=limited_to(Limit(2, window), Seams()), read_seconds=0.5) as (
        server,
        http,
    ):
        writes = [asyncio.create_task(http.write("sandbox", ORDER, always)) for _ in range(6)]
        endings = await asyncio.gather(*writes)
    assert all(isinstance(ending, Unknown) for ending in endings)
    gaps = [
        later - earlier for earlier, later in zip(server.connected_at, server.connected_at[2:], strict=False)
    ]
    # Accepting takes a moment, which is not the same each time.
    assert len(gaps) == 4
    assert min(gaps) > 0.7 * window


async def test_a_kept_connection_needs_no_turn() -> None:
    async with venue(answer(b"{}"), answer(b"{}"), may_connect=limited_to(Limit(1, 60), Seams())) as (
        server,
        http,
    ):
        for _ in range(2):
            assert isinstance(await http.write("sandbox", ORDER, always), Reply)
    assert server.connections == 1


async def test_what_gets_no_turn_to_connect_in_time_is_not_sent_and_asks_no_permit() -> None:
    asked: list[None] = []
    async with venue(b"", may_connect=limited_to(Limit(1, 60), Seams())) as (server, http):
        first = asyncio.create_task(http.write("sandbox", ORDER, always))
        await server.asked.wait()
        outcome = await http.write("sandbox", ORDER, lambda: asked.append(None))
        with pytest.raises(VenueUnavailable, match="too many connections would have to be opened"):
            await http.ask("sandbox", QUESTION)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
    assert isinstance(outcome, NotSent)
    assert asked == []


async def test_who_waits_for_his_turn_to_connect_and_is_cancelled_leaves_it_to_the_next() -> None:
    script = [b"", *[answer(b"{}")] * 2]
    async with venue(*script, may_connect=limited_to(Limit(1, 0.2), Seams()), connections=3) as (
        server,
        http,
    ):
        first = asyncio.create_task(http.write("sandbox", ORDER, always))
        await server.asked.wait()
        waiting = [asyncio.create_task(http.write("sandbox", ORDER, always)) for _ in range(2)]
        await asyncio.sleep(0.01)
        waiting[0].cancel()
        assert isinstance(await waiting[1], Reply)
        assert isinstance(await http.write("sandbox", ORDER, always), Reply)
        first.cancel()
        await asyncio.gather(first, waiting[0], return_exceptions=True)
    assert server.connections == 2


async def test_a_host_that_hangs_takes_no_connection_of_another_environment() -> None:
    async with (
        RawServer(b"").listening() as hanging,
        RawServer(answer(b"{}")).listening() as well,
        VenueHttp("Tradier", {"sandbox": hanging.url, "live": well.url}, connections=1) as http,
    ):
        stuck = asyncio.create_task(http.write("sandbox", ORDER, always))
        await hanging.asked.wait()
        assert isinstance(await http.write("live", ORDER, always), Reply)
        stuck.cancel()
        with pytest.raises(asyncio.CancelledError):
            await stuck


async def test_any_number_who_give_up_leave_all_connections_to_the_next() -> None:
    async with venue(*[answer(b"{}")] * 999, connections=4, connect_seconds=5) as (_, http):

        async def ask_for(seconds: float) -> Reply:
            async with asyncio.timeout(seconds):
                return await http.ask("sandbox", QUESTION)

        # Some are still waiting, some get a connection at this very moment, some have asked.
        await asyncio.gather(*(ask_for(each / 2000) for each in range(100)), return_exceptions=True)
        replies = await asyncio.gather(*(http.ask("sandbox", QUESTION) for _ in range(8)))
    assert {reply.status for reply in replies} == {200}


async def test_never_are_more_connections_open_than_there_is_room_for() -> None:
    async with venue(*[answer(b"{}")] * 60, connections=3) as (server, http):
        await asyncio.gather(*(http.ask("sandbox", QUESTION) for _ in range(60)))
    assert server.connections <= 3


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html>",
        b"{",
        b"\xff",
        b"NaN",
        b"[1e99999999]",
        b"[" * 99999,
        b"[" + b"9" * 99 + b"]",
        b"[Infinity]",
        rb'"\ud83d"',
        rb'"\ude00\ud83d"',
        rb'"\u0000"',
        b'"\xed\xa0\x80"',
        "{}".encode("utf-16"),
    ],
)
def test_what_is_not_json_is_said_without_quoting_it(content: bytes) -> None:
    with pytest.raises(NotJson) as caught:
        Reply(200, {}, content).json()
    assert str(caught.value) == "an answer with HTTP status 200 is not JSON"
    assert caught.value.__context__ is None


def test_text_may_hold_any_whole_character() -> None:
    assert Reply(200, {}, rb'"\ud83d\ude00 \u00e9 \\n"').json() == "\U0001f600 \u00e9 \\n"


def test_numbers_keep_every_digit() -> None:
    value = Reply(200, {}, b'{"a": 0.10, "b": 1e2, "c": 7}').json()
    assert [str(each) for each in value.values()] == ["0.10", "1E+2", "7"]


def test_words_are_what_a_person_would_read() -> None:
    page = (
        "<html><head><style>b{}</style><title>502 Bad</title></head>"
        "<!-- x --><b>Down&nbsp;&amp; out</b>\n\0</html>"
    )
    assert Reply(502, {}, page.encode()).words == "502 Bad Down & out"
    assert Reply(400, {}, b"price < 5 and > 3").words == "price < 5 and > 3"
    long = Reply(400, {}, ("no \ud83d".encode("utf-8", "replace") * 999)).words
    assert (len(long), long[-1]) == (300, "…")


@pytest.mark.parametrize(
    "page", [b"<script>" * 4000, b"<!--" * 8000, b"<a " * 9999], ids=["script", "comment", "tag"]
)
@pytest.mark.timeout(2)
def test_no_page_takes_long_to_read(page: bytes) -> None:
    assert len(Reply(500, {}, page).words) <= 300


def test_only_method_path_and_status_are_shown() -> None:
    request = Request("GET", "/v1/x", f"signature={SECRET}", {"Authorization": SECRET}, SECRET.encode())
    assert repr(request) == "Request(method='GET', path='/v1/x')"
    assert repr(Reply(200, {"set-cookie": SECRET}, SECRET.encode())) == "Reply(status=200)"
