"""Every way in which a call can fail, told apart: not sent, maybe executed, refused."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest

from sparky.database.rpc import RpcClient
from sparky.domain.errors import DatabaseContractError, DatabaseUnavailable, LostClaim
from tests.unit.database.servers import ScriptedServer, answer, cut


@asynccontextmanager
async def client(
    url: str, *, seconds: float = 2.0, login: str = "token", **options: Any
) -> AsyncIterator[RpcClient]:
    async with RpcClient(url, api_key="key", token=login, timeout_seconds=seconds, **options) as rpc:
        yield rpc


async def failure(
    *script: bytes | None, seconds: float = 2.0, pause: float = 0.0, drip: float = 0.0
) -> DatabaseUnavailable | DatabaseContractError:
    async with (
        ScriptedServer(*script, pause=pause, drip=drip).listening() as server,
        client(server.url, seconds=seconds) as rpc,
    ):
        with pytest.raises((DatabaseUnavailable, DatabaseContractError)) as caught:
            await rpc.call("claim_signals", {})
        assert len(server.requests) == 1
    error = caught.value
    assert isinstance(error, DatabaseUnavailable | DatabaseContractError)
    return error


async def test_a_call_is_a_post_with_both_keys_and_its_answer_keeps_every_digit() -> None:
    async with (
        ScriptedServer(answer({"price": 0.1, "n": 3})).listening() as server,
        client(server.url) as rpc,
    ):
        assert await rpc.call("f", {"p": Decimal("1E+2")}) == {"price": Decimal("0.1"), "n": 3}
    line, headers, body = server.requests[0]
    assert line == b"POST /rest/v1/rpc/f HTTP/1.1"
    assert (headers["apikey"], headers["authorization"]) == ("key", "bearer token")
    assert body == {"p": "100"}


async def test_a_secret_key_goes_alone() -> None:
    async with (
        ScriptedServer(answer(None)).listening() as server,
        client(server.url, login="sb_secret_x") as rpc,
    ):
        assert await rpc.call("f", {}) is None
    assert server.requests[0][1]["apikey"] == "sb_secret_x"
    assert "authorization" not in server.requests[0][1]


async def test_nobody_listening_means_not_reached() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        async with client(f"http://127.0.0.1:{port}") as rpc:
            with pytest.raises(DatabaseUnavailable) as caught:
                await rpc.call("f", {})
    assert not caught.value.reached


async def test_any_number_who_give_up_leave_all_connections_to_the_next() -> None:
    async with (
        ScriptedServer(*[answer(1)] * 999).listening() as server,
        client(server.url, seconds=5, connections=4) as rpc,
    ):

        async def call_for(seconds: float) -> None:
            async with asyncio.timeout(seconds):
                await rpc.call("f", {})

        # Some are still waiting, some get a connection at this very moment, some have asked.
        await asyncio.gather(*(call_for(each / 2000) for each in range(100)), return_exceptions=True)
        assert await asyncio.gather(*(rpc.call("f", {}) for _ in range(8))) == [1] * 8


async def test_waiting_for_a_connection_in_vain_means_not_reached() -> None:
    async with (
        ScriptedServer(answer(1), answer(1), pause=30).listening() as server,
        client(server.url, seconds=0.5, connections=1) as rpc,
    ):
        first = asyncio.create_task(rpc.call("slow", {}))
        await server.asked.wait()
        rpc._timeout_seconds = 0.1
        with pytest.raises(DatabaseUnavailable) as caught:
            await rpc.call("f", {})
        assert not caught.value.reached
        assert len(server.requests) == 1
        with pytest.raises(DatabaseUnavailable):
            await first


async def test_a_reset_after_the_request_may_have_been_executed() -> None:
    error = await failure(None)
    assert isinstance(error, DatabaseUnavailable)
    assert error.reached


async def test_no_answer_in_time_may_have_been_executed() -> None:
    error = await failure(answer(1), seconds=0.2, pause=30)
    assert isinstance(error, DatabaseUnavailable)
    assert error.reached


async def test_an_answer_that_drips_for_ever_ends_with_the_time_of_the_whole_call() -> None:
    started = asyncio.get_running_loop().time()
    error = await failure(answer("x" * 1000), seconds=0.3, drip=0.05)
    assert isinstance(error, DatabaseUnavailable)
    assert error.reached
    assert asyncio.get_running_loop().time() - started < 2


async def test_an_answer_that_is_cut_may_have_been_executed() -> None:
    error = await failure(cut(answer([1, 2, 3, 4])))
    assert isinstance(error, DatabaseUnavailable)
    assert error.reached


@pytest.mark.parametrize(
    "script",
    [
        answer({"message": "no schema cache"}, "503 Service Unavailable"),
        answer("<html>bad gateway</html>", "502 Bad Gateway", "text/html"),
        answer("", "504 Gateway Timeout"),
        answer({"message": "slow down"}, "429 Too Many Requests"),
        answer("<html>sign in to this network</html>", "200 OK", "text/html"),
        answer({"code": "40001", "message": "could not serialize"}, "400 Bad Request"),
        answer({"code": "57014", "message": "statement timeout"}, "500 Internal Server Error"),
        answer([1], "500 Internal Server Error"),
    ],
)
async def test_what_may_pass_later_is_unavailable_and_maybe_executed(script: bytes) -> None:
    error = await failure(script)
    assert isinstance(error, DatabaseUnavailable)
    assert error.reached


@pytest.mark.parametrize(
    ("script", "words"),
    [
        (answer({"code": "PGRST202", "message": "no such function"}, "404 Not Found"), "PGRST202"),
        (answer({"code": "22023", "message": "a claim needs"}, "400 Bad Request"), "22023 a claim needs"),
        (answer({"code": "PGRST301", "message": "JWT expired"}, "401 Unauthorized"), "JWT expired"),
        (answer("<html>no</html>", "403 Forbidden", "text/html"), "HTTP 403"),
        (answer("", "302 Found"), "HTTP 302"),
    ],
)
async def test_what_would_fail_again_is_a_contract_error(script: bytes, words: str) -> None:
    error = await failure(script)
    assert isinstance(error, DatabaseContractError)
    assert words in str(error)


async def test_nothing_is_ever_sent_twice() -> None:
    async with ScriptedServer(None, answer(1)).listening() as server, client(server.url) as rpc:
        with pytest.raises(DatabaseUnavailable):
            await rpc.call("f", {})
        assert len(server.requests) == 1


async def test_a_connection_that_the_server_closed_meanwhile_is_not_taken_for_not_sent() -> None:
    async with ScriptedServer(answer(1), None).listening() as server, client(server.url) as rpc:
        await rpc.call("f", {})
        with pytest.raises(DatabaseUnavailable) as caught:
            await rpc.call("f", {})
        assert caught.value.reached


async def test_the_last_look_before_the_first_byte_can_hold_the_request_back() -> None:
    def forbid() -> None:
        raise LostClaim("too late")

    async with ScriptedServer(answer(1), answer(2)).listening() as server, client(server.url) as rpc:
        assert await rpc.call("f", {}) == 1
        with pytest.raises(LostClaim):
            await rpc.call("f", {}, before_sending=forbid)
        assert len(server.requests) == 1
        assert await rpc.call("f", {}) == 2


async def test_the_last_look_happens_when_the_connection_is_there() -> None:
    looks = []
    async with ScriptedServer(answer(1), answer(2)).listening() as server, client(server.url) as rpc:
        for _ in range(2):
            await rpc.call("f", {}, before_sending=lambda: looks.append(len(server.requests)))
    assert looks == [0, 1]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        async with client(f"http://127.0.0.1:{free.getsockname()[1]}") as rpc:
            with pytest.raises(DatabaseUnavailable):
                await rpc.call("f", {}, before_sending=lambda: looks.append(-1))
    assert looks == [0, 1]


async def test_what_postgres_cannot_store_is_taken_out_of_texts() -> None:
    async with ScriptedServer(answer(1)).listening() as server, client(server.url) as rpc:
        await rpc.call("f", {"p": [{"reason": "a\0b \ud800 \N{GRINNING FACE}", "n": None, "t": (True,)}]})
    assert server.requests[0][2] == {"p": [{"reason": "ab ? \N{GRINNING FACE}", "n": None, "t": [True]}]}


async def test_keys_show_up_neither_in_errors_nor_in_reprs() -> None:
    async with client("http://127.0.0.1:9", login="very-secret-token") as rpc:
        with pytest.raises(DatabaseUnavailable) as caught:
            await rpc.call("f", {})
        shown = f"{rpc!r} {vars(rpc)!r} {caught.value!r} {caught.value.__cause__!r}"
    assert "very-secret-token" not in shown


async def test_a_cancelled_call_leaves_a_client_that_works() -> None:
    async with (
        ScriptedServer(answer(1), answer(2), pause=0.3).listening() as server,
        client(server.url, connections=1) as rpc,
    ):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await rpc.call("f", {})
        assert await rpc.call("f", {}) in (1, 2)
