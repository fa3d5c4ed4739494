"""Nothing that transports and answers do leaves an adapter as anything but what the port says.

Every method of the port is called with each of its requests going wrong in turn: an exception of the
transport before or after the venue had the request, an answer of another language, an answer in which one
value is odd. SPOIL_ROUNDS makes it longer.
"""

import itertools
import os
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import httpx
import pytest

from sparky.domain.answers import OutcomeKind
from sparky.domain.errors import Refusal, VenueUnavailable
from sparky.venues.base import VenueAdapter
from sparky.venues.http import VenueHttp
from sparky.venues.registry import VENUES
from tests.venues.harness import Harness
from tests.venues.harnesses import HARNESSES
from tests.venues.port_calls import WRITES, Call, calls, clear_away, prepare
from tests.venues.spoiling import (
    FOREIGN,
    DirectTransport,
    Spoil,
    SpoilingTransport,
    answers,
    mutates,
    raises_after,
    raises_before,
    transport_errors,
)

Item = TypeVar("Item")

ROUNDS = int(os.environ.get("SPOIL_ROUNDS", "1"))
CASES = [(venue, name) for venue, harness in HARNESSES.items() for name in calls(harness)]
# Where an empty answer would be believed: silence is never "flat", "none" or "absent".
SILENCE = {"position", "positions", "open orders", "fills", "find an order"}


class Spoiler:
    """Calls a method of the port over a connection on which one request is spoilt."""

    def __init__(self, venue: Harness, call_name: str, inner: httpx.AsyncBaseTransport) -> None:
        self.venue = venue
        self._call: Call = calls(type(venue))[call_name]
        self._writes = call_name in WRITES
        self._inner = inner
        self._numbers = itertools.count(100, 10)

    async def run(self, number: int = 0, spoil: Spoil | None = None) -> tuple[SpoilingTransport, Any]:
        """Return what became of the call; what the port lets through is the result too."""
        if self._writes:
            # A minute later, when the venue's limits of requests are free again.
            self.venue.pass_time(61)
            await clear_away(self.venue)
        transport = SpoilingTransport(self._inner, number, spoil)
        async with _adapter(self.venue, transport) as adapter:
            try:
                return transport, await self._call(adapter, self.venue, next(self._numbers))
            except (VenueUnavailable, Refusal) as error:
                return transport, error


@asynccontextmanager
async def _adapter(venue: Harness, transport: httpx.AsyncBaseTransport) -> AsyncIterator[VenueAdapter]:
    assert venue.server is not None
    kind = VENUES[venue.name]
    hosts = dict.fromkeys(kind.hosts, venue.server.url)
    async with VenueHttp(kind.label, hosts, transport=transport) as http:
        yield kind.build(http, venue.time.seams())


@asynccontextmanager
async def _spoiler(venue_name: str, call_name: str) -> AsyncIterator[Spoiler]:
    harness = HARNESSES[venue_name]
    async with harness.open() as venue:
        assert venue.server is not None
        await prepare(venue)
        yield Spoiler(venue, call_name, DirectTransport(venue.server))


@pytest.mark.parametrize(("venue_name", "call_name"), CASES)
async def test_no_exception_of_a_transport_leaves_an_adapter(venue_name: str, call_name: str) -> None:
    async with _spoiler(venue_name, call_name) as spoiler:
        requests = await _requests_of(spoiler)
        for number, error in _each(len(requests), transport_errors(), 1, venue_name, call_name):
            # Around a write are many questions, so each of them goes wrong in one of both ways.
            both = call_name not in WRITES or _is_write(requests[number - 1])
            if both or number % 2:
                before, ending = await spoiler.run(number, raises_before(error))
                _check_ending(call_name, before, ending, {OutcomeKind.NOT_SENT})
            if both or not number % 2:
                after, ending = await spoiler.run(number, raises_after(error))
                _check_ending(call_name, after, ending, {OutcomeKind.UNKNOWN})


@pytest.mark.parametrize(("venue_name", "call_name"), CASES)
async def test_no_answer_of_another_language_is_believed(venue_name: str, call_name: str) -> None:
    async with _spoiler(venue_name, call_name) as spoiler:
        requests = await _requests_of(spoiler)
        for number, content in _each(len(requests), FOREIGN, _often(call_name), venue_name, call_name):
            transport, ending = await spoiler.run(number, answers(content))
            _check_ending(call_name, transport, ending, {OutcomeKind.UNKNOWN})
            if call_name in SILENCE:
                assert ending, (content[:40], ending)


@pytest.mark.parametrize(("venue_name", "call_name"), CASES)
async def test_no_odd_value_makes_an_adapter_raise(venue_name: str, call_name: str) -> None:
    async with _spoiler(venue_name, call_name) as spoiler:
        requests = await _requests_of(spoiler)
        for number, seed in itertools.product(range(1, len(requests) + 1), range(_often(call_name) * ROUNDS)):
            try:
                await spoiler.run(number, mutates(seed))
            except Exception as error:
                error.add_note(f"request {number}, seed {seed}")
                raise


async def _requests_of(spoiler: Spoiler) -> list[httpx.Request]:
    transport, ending = await spoiler.run()
    assert not isinstance(ending, Exception), ending
    return transport.requests


def _each(
    requests: int, items: Sequence[Item], count: int, venue_name: str, call_name: str
) -> Iterator[tuple[int, Item]]:
    """Pair each request with some of the items, ever others: together the calls of a venue see all."""
    place = CASES.index((venue_name, call_name))
    following = itertools.islice(itertools.cycle(items), place * 3 % len(items), None)
    for number in range(1, requests + 1):
        for _ in range(count * ROUNDS):
            yield number, next(following)


def _check_ending(
    call_name: str, transport: SpoilingTransport, ending: Any, of_a_write: set[OutcomeKind]
) -> None:
    request = transport.spoilt
    if request is None:
        return
    what = (call_name, request.method, request.url.path, ending)
    if call_name not in WRITES:
        assert not isinstance(ending, Refusal), what
        return
    outcomes = ending if isinstance(ending, Sequence) else [ending]
    kinds = {outcome.kind for outcome in outcomes}
    if _is_write(request):
        # Of several exits, those before the spoilt request are accepted and those after it not sent. That an
        # order is cancelled, a look-up may prove.
        assert kinds & of_a_write or (call_name == "cancel" and kinds == {OutcomeKind.ACCEPTED}), what
        assert kinds <= of_a_write | {OutcomeKind.ACCEPTED, OutcomeKind.NOT_SENT}, what
    else:
        assert OutcomeKind.REFUSED not in kinds, what


def _is_write(request: httpx.Request) -> bool:
    return request.method != "GET" and "oauth" not in request.url.path


def _often(call_name: str) -> int:
    """Return how often each request goes wrong in another way: a write has many."""
    return 1 if call_name in WRITES else 2
