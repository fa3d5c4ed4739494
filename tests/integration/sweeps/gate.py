"""What stands between a worker and everything it talks to: each request and each answer passes here.

A passage is one thing that a worker awaits: "asked" is before the other side has a request, "answered" after
it has executed it and before the worker hears of it. A journey counts the passages of one signal, and can be
told to stop at one of them: there it stands until it is let go or cut off.
"""

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Any

import httpx

from tests.venues.fakes.messages import FakeRequest, FakeResponse
from tests.venues.fakes.server import FakeServer
from tests.venues.fakes.wire import Connection, Gone

_OF_THE_CONNECTION = {"host", "connection", "content-length", "transfer-encoding", "accept-encoding"}
_OF_THE_WORKER = {"extend_leases", "worker_heartbeat", "claim_accounts", "finish_accounts", "claim_tasks"}


class CutOff(Exception):  # noqa: N818 - it says what happened
    """The passage was cut off: the request or its answer is lost."""


class Journey:
    """The passages of one signal, as they come."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.trail: list[str] = []
        self.stop_at: int | None = None
        self.stands = asyncio.Event()
        self._go = asyncio.Event()
        self._cut = False
        self._stood_at = 0

    def begin(self, stop_at: int | None) -> None:
        """Count from the start again, and stop at a passage; None is at none."""
        self.trail.clear()
        self.stop_at = stop_at
        self.stands.clear()
        self._go.clear()
        self._cut = False

    @property
    def stands_at(self) -> str:
        """Return the passage that it stands at; empty when it does not."""
        return self.trail[self._stood_at] if self.stands.is_set() else ""

    def stop_no_more(self) -> None:
        """Let whoever comes next pass; what stands stays."""
        self.stop_at = None

    def let_go(self, *, cut: bool) -> None:
        """Let what stands go on, or cut it off. Nothing stops any more."""
        self._cut = cut
        self.stop_no_more()
        self._go.set()

    async def passes(self, what: str) -> None:
        """Pass, or stand here.

        Raises:
            CutOff: it stood, and was cut off.
        """
        number = len(self.trail)
        self.trail.append(what)
        if number != self.stop_at:
            return
        self._stood_at = number
        self.stands.set()
        await self._go.wait()
        if self._cut:
            raise CutOff(what)


class Gate(FakeServer):
    """Hands requests on, word by word."""

    def __init__(self, upstream: str) -> None:
        super().__init__()
        self._client = httpx.AsyncClient(base_url=upstream, timeout=30)

    async def stop(self) -> None:
        await self._client.aclose()
        await super().stop()

    async def handle(self, request: FakeRequest) -> FakeResponse:
        headers = {name: value for name, value in request.headers.items() if name not in _OF_THE_CONNECTION}
        target = request.path + (f"?{request.query}" if request.query else "")
        answer = await self._client.request(
            request.method, target, headers=headers | {"accept-encoding": "identity"}, content=request.body
        )
        kept = {
            name: value
            for name, value in answer.headers.items()
            if name not in _OF_THE_CONNECTION and name != "date"
        }
        return FakeResponse(answer.status_code, answer.content, kept)

    def concerned_by(self, request: FakeRequest) -> Sequence[Journey]:
        """Return whose request it is, as far as it tells."""
        raise NotImplementedError

    def concerned_by_answer(self, request: FakeRequest, response: FakeResponse) -> Sequence[Journey]:
        """Return whose answer it is, where the request did not tell."""
        del request, response
        return ()

    def called(self, request: FakeRequest) -> str:
        """Return what a passage is called."""
        raise NotImplementedError

    async def _treat(self, connection: Connection, request: FakeRequest, armed: object) -> None:
        del armed
        try:
            response = await self._pass(request)
        except CutOff as error:
            connection.reset()
            raise Gone from error
        except httpx.TransportError as error:
            connection.reset()
            raise Gone from error
        await connection.send(response)

    async def _pass(self, request: FakeRequest) -> FakeResponse:
        name = self.called(request)
        concerned = self.concerned_by(request)
        for journey in concerned:
            await journey.passes(f"{name}, asked")
        response = await self.handle(request)
        for journey in concerned or self.concerned_by_answer(request, response):
            await journey.passes(f"{name}, answered")
        return response


class VenueGate(Gate):
    """Before one venue: everything that is asked there belongs to the signal that is executed there."""

    def __init__(self, upstream: str, venue: str, journey: Journey) -> None:
        super().__init__(upstream)
        self._venue = venue
        self._journey = journey

    def concerned_by(self, request: FakeRequest) -> Sequence[Journey]:
        del request
        # Before the claim it is somebody else's question, such as the comparison of an account.
        return (self._journey,) if self._journey.trail else ()

    def called(self, request: FakeRequest) -> str:
        return f"{self._venue} {request.method} {request.path}"


class DatabaseGate(Gate):
    """Before the database: a call belongs to the signals, or the account, that it names."""

    def __init__(self, upstream: str) -> None:
        super().__init__(upstream)
        self.by_signal: dict[str, Journey] = {}
        self.by_account: dict[str, Journey] = {}
        # Closed while alerts are posted whose signals are not known here yet.
        self.claims = asyncio.Event()
        self.claims.set()

    async def handle(self, request: FakeRequest) -> FakeResponse:
        if self.called(request) == "claim_signals":
            await self.claims.wait()
        return await super().handle(request)

    def called(self, request: FakeRequest) -> str:
        return request.path.rpartition("/")[2]

    def concerned_by(self, request: FakeRequest) -> Sequence[Journey]:
        if self.called(request) in _OF_THE_WORKER or not request.body.startswith(b"{"):
            return ()
        body: Mapping[str, Any] = json.loads(request.body)
        named = [one for items in body.values() if isinstance(items, list) for one in _signals(items)]
        found = [self.by_signal[one] for one in named if one in self.by_signal]
        account = self.by_account.get(str(body.get("p_account_id") or body.get("p_account")))
        if account is not None and account.trail:
            found.append(account)
        return found

    def concerned_by_answer(self, request: FakeRequest, response: FakeResponse) -> Sequence[Journey]:
        if self.called(request) != "claim_signals" or not response.body.startswith(b"["):
            return ()
        claimed = _signals(json.loads(response.body))
        return [self.by_signal[one] for one in claimed if one in self.by_signal]


def _signals(items: Sequence[Any]) -> list[str]:
    return [str(one["signal_id"]) for one in items if isinstance(one, dict) and "signal_id" in one]
