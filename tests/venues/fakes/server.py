"""The ground of every fake venue: an HTTP server in the test's own event loop that can be told to fail.

A venue subclasses `FakeServer` and writes `handle`; it also says of what kind a request is, so that a fault
can be aimed, and how it words its own limits. Requests are kept in `log` as they came over the wire.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum, unique
from typing import Final, Self

from tests.venues.fakes.messages import (
    AnsweredEarly,
    FakeRequest,
    FakeResponse,
    MalformedRequest,
    json_response,
)
from tests.venues.fakes.wire import Connection, Gone, Listener

__all__ = [
    "AnsweredEarly",
    "FakeRequest",
    "FakeResponse",
    "FakeServer",
    "Fault",
    "MalformedRequest",
    "RequestKind",
    "json_response",
]


@unique
class Fault(StrEnum):
    """What happens to a request."""

    DOWN = "down"  # the port is closed and connections are reset, until heal()
    DROP_REQUEST = "drop_request"  # never executed; the connection is reset
    DROP_REPLY = "drop_reply"  # executed; the connection is reset
    DUPLICATE = "duplicate"  # executed twice, as if a proxy had repeated it; the first reply comes back
    DELAY = "delay"  # executed; the reply comes `seconds` later
    LATE = "late"  # the connection is reset at once; executed `seconds` later
    HANG = "hang"  # executed; no reply ever comes
    TOO_MANY = "too_many"  # not executed; 429 in the venue's words
    BANNED = "banned"  # not executed; 418 in the venue's words
    ERROR_500 = "error_500"  # not executed; 500
    ERROR_503 = "error_503"  # not executed; 503
    ERROR_503_EXECUTED = "error_503_executed"  # executed; 503 comes back
    HTML = "html"  # executed; a page comes back with 200
    GARBAGE = "garbage"  # executed; JSON of another language comes back with 200
    CUT = "cut"  # executed; half of the reply comes back
    EMPTY = "empty"  # executed; 200 without a body comes back
    NULL = "null"  # executed; the JSON null comes back with 200
    LIST = "list"  # executed; an empty JSON list comes back with 200
    BARE = "bare"  # executed; a JSON object without members comes back with 200
    REDIRECT = "redirect"  # not executed; 307 to a page that says yes to everything
    LOST_ROUTE = "lost_route"  # not executed; a page of a gateway comes back with 404
    FIREWALL = "firewall"  # not executed; a page of a firewall comes back with 403


@unique
class RequestKind(StrEnum):
    """What a request is for."""

    ORDER = "order"
    EXITS = "exits"
    CANCEL = "cancel"
    LEVERAGE = "leverage"
    TOKEN = "token"
    QUESTION = "question"


Matching = Callable[[FakeRequest], bool]

_OF_THE_VENUE: Final = frozenset({Fault.TOO_MANY, Fault.BANNED, Fault.ERROR_500, Fault.ERROR_503})
_BEFORE: Final = _OF_THE_VENUE | {Fault.REDIRECT, Fault.LOST_ROUTE, Fault.FIREWALL}
_AFTERWARDS: Final = frozenset(
    {Fault.ERROR_503_EXECUTED, Fault.HTML, Fault.GARBAGE, Fault.EMPTY, Fault.NULL, Fault.LIST, Fault.BARE}
)
_ELSEWHERE: Final = "/elsewhere"
_PAGE: Final = b"<html><head><title>Oops</title></head><body><h1>We will be back soon</h1></body></html>"

_HTML: Final = {"Content-Type": "text/html"}
_JSON: Final = {"Content-Type": "application/json"}
_ANSWERS: Final[Mapping[Fault, FakeResponse]] = {
    Fault.HTML: FakeResponse(200, _PAGE, _HTML),
    Fault.GARBAGE: json_response(200, {"surprise": [1, {"of": None}], "kind": "another language"}),
    Fault.EMPTY: FakeResponse(200, b"", _JSON),
    Fault.NULL: FakeResponse(200, b"null", _JSON),
    Fault.LIST: FakeResponse(200, b"[]", _JSON),
    Fault.BARE: FakeResponse(200, b"{}", _JSON),
    Fault.REDIRECT: FakeResponse(307, _PAGE, {"Location": _ELSEWHERE, **_HTML}),
    Fault.LOST_ROUTE: FakeResponse(404, _PAGE, _HTML),
    Fault.FIREWALL: FakeResponse(403, _PAGE, _HTML),
}


def any_request(request: FakeRequest) -> bool:
    """Match every request."""
    del request
    return True


@dataclass(slots=True)
class _Armed:
    fault: Fault
    left: int | None
    matching: Matching
    seconds: float
    after: int

    def takes(self, request: FakeRequest) -> bool:
        if self.left == 0 or not self.matching(request):
            return False
        self.after -= 1
        return self.after < 0


class FakeServer(ABC):
    """A venue over real sockets. Use it as an async context manager, or `start` and `stop` it."""

    def __init__(self) -> None:
        self.log: list[FakeRequest] = []
        self._armed: list[_Armed] = []
        self._crashes: list[Exception] = []
        self._listener: Listener | None = None

    @abstractmethod
    async def handle(self, request: FakeRequest) -> FakeResponse:
        """Answer one request, as the venue does. An exception other than the two of `messages` is a defect
        of the fake: the request is answered with 500, and `stop` raises it.
        """

    def kind_of(self, request: FakeRequest) -> RequestKind:
        """Say what a request is for; a venue overrides this where the method does not tell."""
        kinds = {"GET": RequestKind.QUESTION, "DELETE": RequestKind.CANCEL}
        return kinds.get(request.method, RequestKind.ORDER)

    def too_many(self, request: FakeRequest) -> FakeResponse:
        """Word a 429."""
        del request
        return json_response(429, {"error": "too many requests"}, {"Retry-After": "1"})

    def banned(self, request: FakeRequest) -> FakeResponse:
        """Word a 418."""
        del request
        return json_response(418, {"error": "banned"}, {"Retry-After": "120"})

    def server_error(self, request: FakeRequest, status: int) -> FakeResponse:
        """Word a 5xx."""
        del request
        return json_response(status, {"error": "internal error"})

    @property
    def url(self) -> str:
        """The base URL; it stays the same while the port is closed."""
        return f"http://127.0.0.1:{self._port.port}"

    async def start(self) -> None:
        """Listen on a free port."""
        self._listener = Listener(self._serve)
        self._listener.open()

    async def stop(self) -> None:
        """Close everything.

        Raises:
            Exception: the first one that `handle` raised by mistake.
        """
        if self._listener is not None:
            await self._listener.close()
            self._listener = None
        if self._crashes:
            raise self._crashes[0]

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *reason: object) -> None:
        await self.stop()

    def arm(
        self,
        fault: Fault,
        *,
        times: int | None = 1,
        matching: Matching | RequestKind = any_request,
        seconds: float = 0.0,
        after: int = 0,
    ) -> None:
        """Let a fault happen to the next requests that match; None is all of them until `heal`.

        The first `after` requests that match are left alone. DOWN happens at once, to everything, until
        `heal`. Faults armed earlier happen first.
        """
        if fault is Fault.DOWN:
            self._port.shut()
            return
        if isinstance(matching, RequestKind):
            kind = matching
            self._armed.append(_Armed(fault, times, lambda one: self.kind_of(one) is kind, seconds, after))
        else:
            self._armed.append(_Armed(fault, times, matching, seconds, after))

    def heal(self) -> None:
        """Take every fault away. Replies that hang stay away; what is late still comes."""
        self._armed.clear()
        self._port.open()

    def asked(self, kind: RequestKind) -> list[FakeRequest]:
        """Return the requests of a kind that came so far."""
        return [request for request in self.log if self.kind_of(request) is kind]

    async def everything_late(self) -> None:
        """Return when all that was armed as LATE has been executed."""
        await self._port.everything_spawned()

    @property
    def _port(self) -> Listener:
        assert self._listener is not None, "the fake is not started"
        return self._listener

    async def _serve(self, connection: Connection) -> None:
        while True:
            try:
                request = await connection.receive()
            except MalformedRequest as error:
                await connection.refuse(str(error))
                return
            self.log.append(request)
            if request.path == _ELSEWHERE:
                self._crashes.append(AssertionError("a redirect was followed"))
            await self._treat(connection, request, self._next_fault(request))

    def _next_fault(self, request: FakeRequest) -> _Armed | None:
        armed = next((one for one in self._armed if one.takes(request)), None)
        if armed is not None and armed.left is not None:
            armed.left -= 1
        return armed

    async def _treat(self, connection: Connection, request: FakeRequest, armed: _Armed | None) -> None:
        fault = None if armed is None else armed.fault
        seconds = 0.0 if armed is None else armed.seconds
        if fault in {Fault.DROP_REQUEST, Fault.LATE}:
            if fault is Fault.LATE:
                self._port.spawn(self._execute_late(request, seconds))
            connection.reset()
            raise Gone
        if fault in _BEFORE:
            await connection.send(self._instead(fault, request))
            return
        response = await self._execute(request)
        if fault in _AFTERWARDS:
            response = self._instead(fault, request)
        if fault is Fault.DUPLICATE:
            self.log.append(request)
            await self._execute(request)
        await self._reply(connection, response, fault, seconds)

    async def _reply(
        self, connection: Connection, response: FakeResponse, fault: Fault | None, seconds: float
    ) -> None:
        if fault is Fault.DROP_REPLY:
            connection.reset()
            raise Gone
        if fault is Fault.HANG:
            await asyncio.Event().wait()
        if fault is Fault.DELAY:
            await asyncio.sleep(seconds)
        await connection.send(response, cut=fault is Fault.CUT)

    def _instead(self, fault: Fault | None, request: FakeRequest) -> FakeResponse:
        if fault is Fault.TOO_MANY:
            return self.too_many(request)
        if fault is Fault.BANNED:
            return self.banned(request)
        if fault is not None and fault in _ANSWERS:
            return _ANSWERS[fault]
        return self.server_error(request, 500 if fault is Fault.ERROR_500 else 503)

    async def _execute_late(self, request: FakeRequest, seconds: float) -> None:
        await asyncio.sleep(seconds)
        await self._execute(request)

    async def _execute(self, request: FakeRequest) -> FakeResponse:
        try:
            return await self.handle(request)
        except AnsweredEarly as early:
            return early.response
        except MalformedRequest as error:
            return FakeResponse(400, str(error).encode(), {"Content-Type": "text/plain"})
        except Exception as error:  # noqa: BLE001 - stop() raises it, so that no test is green over it
            self._crashes.append(error)
            return FakeResponse(500, b"the fake has a defect")
