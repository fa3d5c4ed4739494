"""Requests to a venue over HTTP: one try, one time limit, every ending classified, no secret shown."""

import asyncio
import html
import json
import re
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from functools import cache, partial
from types import TracebackType
from typing import Any, Final, NoReturn, Self

import httpx

import sparky
from sparky.domain.answers import NotSent, Unknown
from sparky.domain.errors import VenueUnavailable
from sparky.runtime.connections import transport
from sparky.runtime.first_byte import before_first_byte
from sparky.venues.base import Permit
from sparky.venues.inflate import ACCEPT_ENCODING, Unreadable, inflate

MayConnect = Callable[[str, float], Awaitable[None]]

_LONGEST_ANSWER: Final = 16 * 1024 * 1024
_MOST_WORDS: Final = 300
# Read for its words at most: pages of gateways are long, and what they say stands at their start.
_WORDS_WITHIN: Final = 32 * 1024
# A longer number would be spelt out in as many digits wherever it is shown or sent.
_MOST_DIGITS: Final = 60
_KEEP_ALIVE_SECONDS: Final = 30.0
_USUAL_HEADERS: Final = {
    "User-Agent": f"sparky/{sparky.__version__}",
    "Accept": "*/*",
    "Accept-Encoding": ACCEPT_ENCODING,
}
# How an ending is told to a person.
_ENDINGS: Final = {
    "ConnectError": "no connection could be made",
    "ConnectTimeout": "no connection could be made in time",
    **dict.fromkeys(("ReadTimeout", "WriteTimeout", "TimeLimit"), "it was silent for too long"),
    **dict.fromkeys(("ReadError", "WriteError", "RemoteProtocolError"), "the connection broke"),
    "Unreadable": "its answer could not be read",
}
# Zero, and a surrogate that is not one of a pair.
_ESCAPED_HALF: Final = re.compile(
    r"\\u(?:0000|d[89ab][0-9a-f]{2}(?!\\ud[c-f][0-9a-f]{2})|(?<!\\ud[89ab][0-9a-f]{2}\\u)d[c-f][0-9a-f]{2})",
    re.IGNORECASE,
)
# Each alternative runs on to the end when it is not closed: no page takes quadratic time.
_MARKUP: Final = re.compile(
    r"<(script|style)\b.*?(?:</\1\s*>|\Z)|<!--.*?(?:-->|\Z)|</?[a-z!][^<>]*>", re.IGNORECASE | re.DOTALL
)


class NotJson(ValueError):  # noqa: N818 - says what the answer is
    """An answer is not JSON, or holds numbers that no venue means. The message is without its content."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request, with path, query and content exactly as they go out; the query has no question mark.

    Only method and path are shown: everything else may hold credentials or signatures.
    """

    method: str
    path: str
    query: str = field(default="", repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    content: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back, whatever its status: redirects are not followed. Names of headers are in lower case."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    content: bytes = field(repr=False)

    def json(self) -> Any:
        """Return the content; numbers with a fraction come as Decimal.

        Raises:
            NotJson: it is not JSON, or has NaN, an infinity, a number of more than 60 digits, or text that is
                none: with half a character, or with the character 0, which no database keeps.
        """
        # Raised outside of the handler: the decoder's error carries the content.
        try:
            return json.loads(
                _whole_text(self.content),
                parse_float=_fraction,
                parse_int=_integer,
                parse_constant=_no_number,
            )
        except (ValueError, RecursionError):
            pass
        raise NotJson(f"an answer with HTTP status {self.status} is not JSON")

    @property
    def words(self) -> str:
        """What the content says to a person: without markup, on one line of at most 300 characters."""
        text = self.content[:_WORDS_WITHIN].decode("utf-8", "replace")
        return plain_words(html.unescape(_MARKUP.sub(" ", text)))


def plain_words(text: str) -> str:
    """Return a venue's words on one line, of at most 300 printable characters."""
    printable = "".join(each if each.isprintable() else " " for each in text[:_WORDS_WITHIN])
    line = " ".join(printable.split())
    return line if len(line) <= _MOST_WORDS else f"{line[: _MOST_WORDS - 1]}…"


@dataclass(frozen=True, slots=True)
class _Failure:
    why: str
    left: bool


class _NoTurn(Exception):  # noqa: N818 - says what happened
    """There is no connection for a request in time. The message says why."""


class _Departure:
    """Asks the permit at the last moment, and knows whether the request left."""

    def __init__(self, permit: Permit) -> None:
        self._permit = permit
        self.left = False
        self.refusal: BaseException | None = None

    def __call__(self) -> None:
        try:
            self._permit()
        except BaseException as refusal:
            self.refusal = refusal
            raise
        self.left = True


@dataclass(frozen=True, slots=True)
class _Line:
    """What leads to the host of one environment: a host that hangs takes no connection of another's."""

    host: str
    transport: httpx.AsyncBaseTransport
    timeout: Mapping[str, float | None]
    room: asyncio.Semaphore
    may_connect: Callable[[], Awaitable[None]]


class VenueHttp:
    """The connections to one venue, for all traders. An async context manager.

    `venue` is its name in sentences; `hosts` has the base URL of each environment. `connect_seconds` bounds
    the wait for a connection, and together with `read_seconds` the whole request to the last byte of its
    answer. Each environment has connections of its own; `may_connect` waits for the turn to open one more
    there within so many seconds, or raises VenueUnavailable. Cookies are neither kept nor sent: the next
    request may be another trader's.
    """

    def __init__(
        self,
        venue: str,
        hosts: Mapping[str, str],
        *,
        connect_seconds: float = 2.0,
        read_seconds: float = 5.0,
        connections: int = 20,
        may_connect: MayConnect | None = None,
        ssl_context: ssl.SSLContext | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.venue = venue
        self._hosts = {environment: url.rstrip("/") for environment, url in hosts.items()}
        self._timeout = httpx.Timeout(read_seconds, connect=connect_seconds).as_dict()
        self._connect_seconds = connect_seconds
        self._seconds = connect_seconds + read_seconds
        self._connections = connections
        self._may_connect = may_connect or _at_any_time
        self._ssl_context = ssl_context
        self._transport = transport
        self._lines: dict[str, _Line] = {}
        self._failures: tuple[type[Exception], ...] = ()

    async def __aenter__(self) -> Self:
        self._failures = _failures_of_transport()
        self._lines = {environment: self._line(environment, url) for environment, url in self._hosts.items()}
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        lines, self._lines = self._lines, {}
        for line in lines.values():
            await line.transport.aclose()

    def _line(self, environment: str, url: str) -> _Line:
        # Without a client of httpx: it would keep cookies, and takes as much time again as all below it.
        sends = self._transport or transport(
            self._ssl_context or _shared_ssl_context(),
            keep=self._connections,
            keep_seconds=_KEEP_ALIVE_SECONDS,
        )
        room = asyncio.Semaphore(self._connections)
        return _Line(url, sends, self._timeout, room, partial(self._may_connect, environment, self._seconds))

    async def ask(self, environment: str, request: Request) -> Reply:
        """Ask a question, once. Any status is an answer.

        Raises:
            VenueUnavailable: no answer came, or none that can be read.
        """
        ending = await self._exchange(environment, request, _Departure(_always))
        if isinstance(ending, _Failure):
            question = f"{request.method} {request.path}"
            raise VenueUnavailable(f"{self.venue} did not answer {question}: {ending.why}.")
        return ending

    async def write(
        self, environment: str, request: Request | Callable[[], Request], permit: Permit
    ) -> Reply | NotSent | Unknown:
        """Send a write, once, after `permit` has allowed it right before the first byte.

        A callable makes the request as late as it can be made, for what grows stale, such as a nonce. NotSent
        means that no byte of it left. Only what `permit` or the callable raises passes.
        """
        ending = await self._exchange(
            environment, request if isinstance(request, Request) else request(), _Departure(permit)
        )
        if isinstance(ending, Reply):
            return ending
        if ending.left:
            return Unknown(f"{self.venue} may have the request, but gave no answer to it: {ending.why}.")
        return NotSent(f"{self.venue} was not reached, nothing was sent: {ending.why}.")

    async def _exchange(self, environment: str, request: Request, departure: _Departure) -> Reply | _Failure:
        if environment not in self._hosts:
            known = " and ".join(sorted(self._hosts))
            return _Failure(f"it has no environment {environment!r}, only {known}", left=False)
        line = self._lines.get(environment)
        if line is None:
            return _Failure("its connections are closed, because the worker stops", left=False)
        # Returned, not raised, from here: an exception would carry the transport's own, which quotes headers.
        try:
            async with asyncio.timeout(self._seconds), _room(line, self._connect_seconds):
                return await _send(line, request, departure)
        except _NoTurn as error:
            return _Failure(str(error), left=False)
        except self._failures as error:
            if error is departure.refusal:
                raise
            return _Failure(_words_of(error), departure.left)


@asynccontextmanager
async def _room(line: _Line, within_seconds: float) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(within_seconds):
            await line.room.acquire()
    except TimeoutError:
        raise _NoTurn("all connections to it are busy") from None
    try:
        yield
    finally:
        line.room.release()


async def _send(line: _Line, request: Request, departure: _Departure) -> Reply:
    async def turn() -> None:
        try:
            await line.may_connect()
        except VenueUnavailable:
            raise _NoTurn("too many connections would have to be opened at once") from None

    response = await line.transport.handle_async_request(
        httpx.Request(
            request.method,
            _exact_url(line.host, request),
            headers=_with_usual(request.headers),
            content=request.content,
            extensions={"timeout": line.timeout, **before_first_byte(departure, turn)},
        )
    )
    try:
        content = bytearray()
        # Raw: the library would unfold a compressed answer whole before it could be measured.
        async for part in _parts(response):
            content += part
            if len(content) > _LONGEST_ANSWER:
                raise Unreadable("too long")
        return Reply(
            status=response.status_code,
            headers={name.lower(): value for name, value in response.headers.items()},
            content=inflate(bytes(content), response.headers.get("content-encoding", ""), _LONGEST_ANSWER),
        )
    finally:
        await response.aclose()


def _parts(response: httpx.Response) -> httpx.AsyncByteStream:
    assert isinstance(response.stream, httpx.AsyncByteStream)  # noqa: S101 - what an asynchronous transport gives
    return response.stream


def _with_usual(headers: Mapping[str, str]) -> dict[str, str]:
    named = {name.lower() for name in headers}
    return {**{name: value for name, value in _USUAL_HEADERS.items() if name.lower() not in named}, **headers}


def _exact_url(host: str, request: Request) -> httpx.URL:
    target = f"{request.path}?{request.query}" if request.query else request.path
    url = httpx.URL(f"{host}{target}")
    # A signature holds for these very bytes.
    if url.raw_path != target.encode("ascii"):
        raise ValueError("a path or query is not percent-encoded")
    return url


def _words_of(error: BaseException) -> str:
    # Its own text may quote a header, and with it a token; its name is for who looks after the worker.
    name = "TimeLimit" if type(error) is TimeoutError else type(error).__name__
    return f"{_ENDINGS.get(name, 'the request failed')} ({name})"


async def _at_any_time(environment: str, within_seconds: float) -> None:
    """Let connections be opened as they are needed."""


def _always() -> None:
    """Permit questions, which change nothing."""


@cache
def _failures_of_transport() -> tuple[type[Exception], ...]:
    """Return everything that httpx, what it is made of, and sockets raise; a fault of ours shall be seen."""
    # httpx loads these with its first client, which most commands never need.
    import h11  # noqa: PLC0415
    import httpcore  # noqa: PLC0415

    return (
        httpx.HTTPError,
        httpx.StreamError,
        httpx.InvalidURL,
        httpx.CookieConflict,
        httpcore.TimeoutException,
        httpcore.NetworkError,
        httpcore.ProtocolError,
        httpcore.ProxyError,
        httpcore.UnsupportedProtocol,
        httpcore.ConnectionNotAvailable,
        h11.ProtocolError,
        OSError,
        EOFError,
        ValueError,
        RuntimeError,
    )


@cache
def _shared_ssl_context() -> ssl.SSLContext:
    # The certificates of the authorities take megabytes: one copy serves all venues.
    return httpx.create_ssl_context()


def _whole_text(content: bytes) -> str:
    text = content.decode("utf-8-sig")
    if _ESCAPED_HALF.search(text) is not None:
        raise ValueError("a text is not whole")
    return text


def _fraction(text: str) -> Decimal:
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise ValueError("a number is out of range") from None
    if len(text) > _MOST_DIGITS or abs(value.adjusted()) > _MOST_DIGITS:
        raise ValueError("a number is out of range")
    return value


def _integer(text: str) -> int:
    if len(text) > _MOST_DIGITS:
        raise ValueError("a number is out of range")
    return int(text)


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is not a number")
