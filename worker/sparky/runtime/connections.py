"""Connections to one host, in httpx's terms: HTTP/1.1, each one request at a time, the last used first.

httpx's own transport goes through all its connections at each request, asks the kernel about each idle one
and writes head and body apart: with twenty connections that is most of a worker's work. Who may open how many
is decided by its users, who wait elsewhere.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final
from urllib.request import getproxies

import h11
import httpx

from sparky.runtime.wire import Wire

Trace = Callable[[str, Mapping[str, Any]], Awaitable[None]]

_KEEP_ALIVE_SECONDS: Final = 30.0
_ANY_TIME: Final[Mapping[str, float | None]] = {}


def transport(
    ssl_context: ssl.SSLContext | None = None, *, keep: int, keep_seconds: float = _KEEP_ALIVE_SECONDS
) -> httpx.AsyncBaseTransport:
    """Return what sends: httpx itself where the environment names a proxy, which it knows how to use."""
    if getproxies().keys() & {"http", "https", "all"}:
        return _ThroughProxy(ssl_context, keep=keep, keep_seconds=keep_seconds)
    return DirectTransport(ssl_context, keep=keep, keep_seconds=keep_seconds)


class _ThroughProxy(httpx.AsyncBaseTransport):
    def __init__(self, ssl_context: ssl.SSLContext | None, *, keep: int, keep_seconds: float) -> None:
        limits = httpx.Limits(
            # Who waits for a connection waits elsewhere: in httpcore's pool, one who is cancelled just when
            # he gets one leaves it lost for ever.
            max_connections=None,
            max_keepalive_connections=keep,
            keepalive_expiry=keep_seconds,
        )
        self._client = httpx.AsyncClient(verify=ssl_context or True, limits=limits, follow_redirects=False)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        # A request that the client has not built takes none of its cookies.
        return await self._client.send(request, stream=True)

    async def aclose(self) -> None:
        await self._client.aclose()


class DirectTransport(httpx.AsyncBaseTransport):
    """Sends requests of httpx. At most `keep` idle connections stay open, each for `keep_seconds`.

    It asks `extensions["trace"]` at the two moments of `before_first_byte`, by the names that httpcore gives
    them, and raises what httpx's own transport raises.
    """

    def __init__(self, ssl_context: ssl.SSLContext | None, *, keep: int, keep_seconds: float) -> None:
        self._ssl_context = ssl_context
        self._keep = keep
        self._keep_seconds = keep_seconds
        self._idle: dict[tuple[str, str, int], list[Wire]] = {}
        self._busy: set[Wire] = set()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request and return the head of its answer; the content is read from the connection."""
        origin = _origin(request.url)
        seconds = request.extensions.get("timeout", _ANY_TIME)
        trace: Trace = request.extensions.get("trace", _untold)
        content = await request.aread()
        wire = self._take(origin)
        if wire is None:
            await trace("connection.connect_tcp.started", {"request": request})
            wire = await self._open(origin, seconds.get("connect"))
        self._busy.add(wire)
        try:
            with _named():
                await self._send(wire, request, content, trace, seconds.get("write"))
                head = await _head(wire, seconds.get("read"))
        except BaseException:
            self._give_back(origin, wire)
            raise
        return httpx.Response(
            head.status_code,
            headers=list(head.headers.raw_items()),
            stream=_Content(self, origin, wire, seconds.get("read")),
            extensions={"http_version": b"HTTP/1.1", "reason_phrase": bytes(head.reason)},
        )

    async def aclose(self) -> None:
        """Close all connections."""
        idle, self._idle = self._idle, {}
        wires = (*self._busy, *(wire for wires in idle.values() for wire in wires))
        for wire in wires:
            wire.close()
        for wire in wires:
            await wire.closed()

    def done(self, origin: tuple[str, str, int], wire: Wire) -> None:
        """Take a connection back, for the next request where it is fit for one."""
        self._give_back(origin, wire)

    async def _send(
        self, wire: Wire, request: httpx.Request, content: bytes, trace: Trace, seconds: float | None
    ) -> None:
        data = wire.written(
            h11.Request(method=request.method, target=request.url.raw_path, headers=request.headers.raw),
            content,
        )
        try:
            await trace("http11.send_request_headers.started", {"request": request})
        except BaseException:
            # Held back: nothing of it has left, but the wire's state says that it has.
            wire.close()
            raise
        await wire.send(data, seconds)

    def _take(self, origin: tuple[str, str, int]) -> Wire | None:
        idle = self._idle.get(origin)
        now = asyncio.get_running_loop().time()
        while idle:
            wire = idle.pop()
            if wire.is_fit and now - wire.idle_since < self._keep_seconds:
                return wire
            wire.close()
        return None

    def _give_back(self, origin: tuple[str, str, int], wire: Wire) -> None:
        self._busy.discard(wire)
        idle = self._idle.setdefault(origin, [])
        if len(idle) < self._keep and wire.rest():
            idle.append(wire)
        else:
            wire.close()

    async def _open(self, origin: tuple[str, str, int], seconds: float | None) -> Wire:
        scheme, host, port = origin
        secured = self._secured() if scheme == "https" else None
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(seconds):
                _, wire = await loop.create_connection(
                    lambda: Wire(loop), host, port, ssl=secured, server_hostname=host if secured else None
                )
        except TimeoutError:
            raise httpx.ConnectTimeout("no connection in time") from None
        except OSError as error:
            raise httpx.ConnectError(f"no connection: {type(error).__name__}") from None
        return wire

    def _secured(self) -> ssl.SSLContext:
        if self._ssl_context is None:
            self._ssl_context = httpx.create_ssl_context()
        self._ssl_context.set_alpn_protocols(["http/1.1"])
        return self._ssl_context


class _Content(httpx.AsyncByteStream):
    """The content of an answer, as it comes."""

    def __init__(
        self,
        transport: DirectTransport,
        origin: tuple[str, str, int],
        wire: Wire,
        read_seconds: float | None,
    ) -> None:
        self._transport = transport
        self._origin = origin
        self._wire: Wire | None = wire
        self._read_seconds = read_seconds

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while self._wire is not None:
            with _named():
                event = await self._wire.event(self._read_seconds)
            if isinstance(event, h11.Data):
                yield bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                await self.aclose()
            else:
                raise httpx.RemoteProtocolError("the answer is not whole")

    async def aclose(self) -> None:
        wire, self._wire = self._wire, None
        if wire is not None:
            self._transport.done(self._origin, wire)


async def _head(wire: Wire, seconds: float | None) -> h11.Response:
    while True:
        event = await wire.event(seconds)
        if isinstance(event, h11.Response):
            return event
        # Such as 100 Continue: the answer itself is still to come.
        if not isinstance(event, h11.InformationalResponse):
            raise httpx.RemoteProtocolError("there was no answer")


@contextmanager
def _named() -> Iterator[None]:
    # Not chained: what h11 says quotes what it read.
    try:
        yield
    except h11.RemoteProtocolError:
        raise httpx.RemoteProtocolError("the answer is not HTTP") from None
    except h11.LocalProtocolError:
        raise httpx.LocalProtocolError("the request is not HTTP") from None


async def _untold(event: str, info: Mapping[str, Any]) -> None:
    """Tell nobody."""


def _origin(url: httpx.URL) -> tuple[str, str, int]:
    return url.scheme, url.host, url.port or (443 if url.scheme == "https" else 80)
