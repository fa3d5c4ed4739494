"""No exception of the libraries below crosses the line, whichever it is and whenever it comes."""

import asyncio
import inspect
import json
import ssl
import traceback
from collections.abc import Iterator

import h11
import httpcore
import httpx
import pytest

from sparky.domain.answers import NotSent, Unknown
from sparky.domain.errors import VenueUnavailable
from sparky.venues.http import Request, VenueHttp

SECRET = "token-5d0a7c"
ORDER = Request("POST", "/orders", headers={"Authorization": f"Bearer {SECRET}"})


SILENT = {httpx.StreamConsumed, httpx.StreamClosed, httpx.ResponseNotRead, httpx.RequestNotRead}


def _made(kind: type[Exception]) -> Exception:
    if issubclass(kind, httpx.HTTPStatusError):
        request = httpx.Request("POST", "http://x", headers={"Authorization": SECRET})
        return kind(SECRET, request=request, response=httpx.Response(500))
    if issubclass(kind, json.JSONDecodeError):
        return kind("no", SECRET, 0)
    if issubclass(kind, UnicodeDecodeError):
        return kind("utf-8", SECRET.encode(), 0, 1, "no")
    if issubclass(kind, UnicodeEncodeError):
        return kind("ascii", SECRET, 0, 1, "no")
    return kind() if kind in SILENT else kind(SECRET)


def _kinds() -> Iterator[type[Exception]]:
    for library in (httpx, httpcore, h11):
        for _, kind in inspect.getmembers(library, inspect.isclass):
            if issubclass(kind, Exception) and kind is not h11.ProtocolError:  # an abstract base
                yield kind
    yield from (OSError, ssl.SSLError, ssl.SSLCertVerificationError, ConnectionResetError, TimeoutError)
    yield from (asyncio.IncompleteReadError, json.JSONDecodeError, UnicodeDecodeError, UnicodeEncodeError)
    yield from (EOFError, RuntimeError)


KINDS = sorted(set(_kinds()), key=lambda kind: f"{kind.__module__}.{kind.__name__}")


class Raising(httpx.AsyncBaseTransport):
    """Raises before the first byte, after it, or while the answer is read."""

    def __init__(self, kind: type[Exception], moment: str) -> None:
        self.kind = kind
        self.moment = moment

    def failure(self) -> Exception:
        if self.kind is asyncio.IncompleteReadError:
            return asyncio.IncompleteReadError(SECRET.encode(), 99)
        return _made(self.kind)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if self.moment == "before":
            raise self.failure()
        await request.extensions["trace"]("http11.send_request_headers.started", {})
        if self.moment == "after":
            raise self.failure()
        return httpx.Response(200, stream=Breaking(self))


class Breaking(httpx.AsyncByteStream):
    def __init__(self, transport: Raising) -> None:
        self.transport = transport

    async def __aiter__(self):  # type: ignore[no-untyped-def]  # noqa: ANN204
        yield b"{"
        raise self.transport.failure()


@pytest.mark.parametrize("moment", ["before", "after", "reading"])
async def test_every_exception_below_ends_as_an_outcome_without_a_secret(moment: str) -> None:
    for kind in KINDS:
        async with VenueHttp("Aster", {"live": "http://x"}, transport=Raising(kind, moment)) as http:
            outcome = await http.write("live", ORDER, lambda: None)
            assert isinstance(outcome, NotSent if moment == "before" else Unknown), kind
            with pytest.raises(VenueUnavailable) as caught:
                await http.ask("live", ORDER)
        error = caught.value
        assert (error.__cause__, error.__context__) == (None, None), kind
        shown = "".join(traceback.format_exception(error)) + repr(error) + repr(error.args) + repr(outcome)
        assert SECRET not in shown, kind
        assert outcome.reason.endswith(f" ({kind.__name__}).") or kind is TimeoutError


def test_the_lists_of_exceptions_are_not_empty() -> None:
    assert {httpx.ReadTimeout, httpcore.ReadError, h11.RemoteProtocolError, ssl.SSLError} <= set(KINDS)


async def test_cancellation_and_faults_of_ours_are_not_taken_for_the_networks() -> None:
    for kind in (asyncio.CancelledError, KeyError, AssertionError):
        transport = Raising(KeyError, "after")
        transport.failure = lambda kind=kind: kind()  # type: ignore[method-assign, misc]
        async with VenueHttp("Aster", {"live": "http://x"}, transport=transport) as http:
            with pytest.raises(kind):
                await http.write("live", ORDER, lambda: None)


async def test_a_token_that_no_header_can_carry_is_not_quoted() -> None:
    for token in (f"{SECRET}\nX", f"{SECRET}é", f"{SECRET}\x00"):
        request = Request("POST", "/orders", headers={"Authorization": token})
        async with VenueHttp("Aster", {"live": "http://127.0.0.1:1"}) as http:
            outcome = await http.write("live", request, lambda: None)
        assert isinstance(outcome, NotSent)
        assert SECRET not in outcome.reason
