"""A transport over which exactly one request goes wrong, and what can go wrong with it."""

import json
import random
import ssl
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any, Final

import h11
import httpcore
import httpx

from tests.venues.fakes.messages import FakeRequest
from tests.venues.fakes.server import FakeServer

Spoil = Callable[[httpx.AsyncBaseTransport, httpx.Request], Awaitable[httpx.Response]]

_ODD: Final[tuple[Any, ...]] = (
    None,
    "",
    "NaN",
    "-",
    "1e9999",
    "x" * 50,
    # More digits than Python makes a number of, half a character, and times at the ends of the calendar.
    "9" * 5000,
    "\ud800",
    "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59-23:59",
    253_402_300_799_000,
    [],
    {},
    0,
    -1,
    True,
    [[]],
    {"a": [None]},
    "2026-13-99",
)


class SpoilingTransport(httpx.AsyncBaseTransport):
    """Passes requests on, but for one, which is spoilt. `requests` are those that came."""

    def __init__(self, inner: httpx.AsyncBaseTransport, number: int = 0, spoil: Spoil | None = None) -> None:
        self._inner = inner
        self._number = number
        self._spoil = spoil
        self.requests: list[httpx.Request] = []
        self.spoilt: httpx.Request | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if self._spoil is None or len(self.requests) != self._number:
            return await self._inner.handle_async_request(request)
        self.spoilt = request
        return await self._spoil(self._inner, request)


def raises_before(error: BaseException) -> Spoil:
    """Nothing is sent."""

    async def spoil(inner: httpx.AsyncBaseTransport, request: httpx.Request) -> httpx.Response:
        del inner, request
        raise error

    return spoil


def raises_after(error: BaseException) -> Spoil:
    """The venue has executed it, and the answer does not arrive."""

    async def spoil(inner: httpx.AsyncBaseTransport, request: httpx.Request) -> httpx.Response:
        response = await inner.handle_async_request(request)
        await response.aread()
        await response.aclose()
        raise error

    return spoil


def answers(content: bytes, status: int | None = None) -> Spoil:
    """The venue has executed it, and something else comes back."""
    return alters(lambda old: (content, old[1] if status is None else status))


def alters(change: Callable[[tuple[bytes, int]], tuple[bytes, int]]) -> Spoil:
    """The venue has executed it, and its answer is changed on its way."""

    async def spoil(inner: httpx.AsyncBaseTransport, request: httpx.Request) -> httpx.Response:
        response = await inner.handle_async_request(request)
        content, status = change((await response.aread(), response.status_code))
        await response.aclose()
        return _response(status, content, {"content-type": "application/json"})

    return spoil


def mutates(seed: int) -> Spoil:
    """One value somewhere in the answer is of a kind that nobody expects there."""

    def change(old: tuple[bytes, int]) -> tuple[bytes, int]:
        chance = random.Random(seed)  # noqa: S311 - repeatable, and no secret
        value = json.loads(old[0] or b"null", parse_float=str)
        places = list(_places(value))
        if not places:
            return json.dumps(chance.choice(_ODD)).encode(), old[1]
        holder, key = chance.choice(places)
        odd = chance.choice(_ODD)
        if chance.random() < 0.2 and isinstance(holder, dict):
            del holder[key]
        else:
            holder[key] = odd
        return json.dumps(value).encode(), old[1]

    return alters(change)


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield value, key
        yield from _places(inner)


def transport_errors() -> list[BaseException]:
    """Everything that httpx, what it is made of, and sockets raise. The messages hold what headers hold."""
    told = "Authorization: Bearer hunter22"
    of_httpx: list[BaseException] = [
        kind(told)
        for kind in (
            httpx.ConnectError,
            httpx.ConnectTimeout,
            httpx.ReadTimeout,
            httpx.ReadError,
            httpx.WriteTimeout,
            httpx.WriteError,
            httpx.CloseError,
            httpx.PoolTimeout,
            httpx.ProxyError,
            httpx.LocalProtocolError,
            httpx.RemoteProtocolError,
            httpx.UnsupportedProtocol,
            httpx.DecodingError,
            httpx.TooManyRedirects,
        )
    ]
    below: list[BaseException] = [
        httpx.InvalidURL(told),
        httpx.StreamError(told),
        httpcore.ReadError(told),
        httpcore.RemoteProtocolError(told),
        h11.RemoteProtocolError(told),
        ssl.SSLError(told),
        ConnectionResetError(told),
        OSError(told),
        EOFError(told),
        UnicodeDecodeError("utf-8", told.encode(), 0, 1, told),
        json.JSONDecodeError(told, told, 0),
    ]
    return of_httpx + below


# Not of any venue's language, whatever the question was.
FOREIGN: Final = (
    b"",
    b"{",
    b"null",
    b"{}",
    b'""',
    b"0",
    b"\xff\xfe{}",
    b"NaN",
    b'{"surprise": [1, {"of": null}]}',
    b"<html><body><h1>We will be back soon</h1></body></html>",
    b"[" * 100_000,
    b"1e999999999",
    b"9" * 5000,
    b'"' + b"\\ud800" + b'"',
)


class DirectTransport(httpx.AsyncBaseTransport):
    """Hands requests to a fake without a socket in between: a sweep has thousands of them."""

    def __init__(self, server: FakeServer) -> None:
        self._server = server

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        # What httpcore announces right before the first byte; what it raises ends the request.
        await request.extensions["trace"]("http11.send_request_headers.started", {})
        target = request.url.raw_path.decode("ascii")
        path, _, query = target.partition("?")
        headers = {name.lower(): value for name, value in request.headers.items()}
        asked = FakeRequest(request.method, path, query, headers, await request.aread())
        self._server.log.append(asked)
        answer = await self._server._execute(asked)
        return _response(answer.status, answer.body, answer.headers)


def _response(status: int, content: bytes, headers: Mapping[str, str]) -> httpx.Response:
    # A stream, as from a socket: a response that is made with its content counts as read.
    return httpx.Response(status, headers=dict(headers), stream=httpx.ByteStream(content))
