"""No credential is in an exception, an outcome, a log line or a repr, whatever goes wrong."""

import itertools
import logging
import traceback
from collections.abc import Iterator
from typing import Any

import pytest

from sparky.domain.errors import SparkyError
from sparky.venues.base import AccountAccess, VenueAdapter
from tests.venues.fakes.server import Fault
from tests.venues.harness import Harness
from tests.venues.harnesses import HARNESSES
from tests.venues.port_calls import calls, prepare
from tests.venues.subjects import Subject

# What it takes is time, not words.
_SLOW = {Fault.DELAY, Fault.LATE, Fault.HANG}
_DEPTH = 5
_NUMBERS = itertools.count(100, 10)


@pytest.mark.parametrize("venue_name", HARNESSES)
async def test_no_credential_is_told_whatever_goes_wrong(
    venue_name: str, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("", "httpx", "httpcore", "asyncio"):
        caplog.set_level(logging.DEBUG, logger=name or None)
    # Nothing below an adapter logs requests; should something begin to, it is caught as this line is.
    logging.getLogger("httpcore").debug("a request that shows what is caught")
    told: list[str] = []
    async with HARNESSES[venue_name].open() as venue:
        await prepare(venue)
        for fault in Fault:
            if fault not in _SLOW:
                told += await _what_is_told(venue, fault)
        if Subject.REVOCATION not in venue.cannot:
            venue.revoke_key()
        told += await _call_all(venue, venue.adapter, venue.access)
        told += await _call_all(venue, venue.adapter, venue.wrong_access)
        told += list(_reprs(venue.adapter))
        secrets = _secrets(venue)
    assert len(secrets) >= 2
    logs = [record.getMessage() for record in caplog.records]
    logs += [repr(vars(record)) for record in caplog.records]
    assert any("a request" in line for line in logs)
    assert len(told) > 50
    leaks = [(kind, text[:300]) for text in told + logs for kind, secret in secrets if secret in text]
    assert leaks == []


async def _what_is_told(venue: Harness, fault: Fault) -> list[str]:
    venue.fault(fault, times=None)
    try:
        return await _call_all(venue, venue.adapter, venue.access)
    finally:
        venue.heal()
        venue.pass_time(600)


async def _call_all(venue: Harness, adapter: VenueAdapter, access: AccountAccess) -> list[str]:
    kept, venue.access = venue.access, access
    told = []
    try:
        for call in calls(type(venue)).values():
            try:
                answer = await call(adapter, venue, next(_NUMBERS))
            except SparkyError as error:
                told += ["".join(traceback.format_exception(error)), *_chain(error)]
            else:
                told += [str(answer), repr(answer)]
    finally:
        venue.access = kept
    return told


def _chain(error: BaseException | None) -> Iterator[str]:
    while error is not None:
        yield f"{error} {error!r}"
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _secrets(venue: Harness) -> list[tuple[str, str]]:
    """Return what nobody may see: what the traders gave, and every token that went over the wire."""
    assert venue.server is not None
    found = {
        (name, secret.reveal())
        for access in (venue.access, venue.other_access, venue.wrong_access)
        for name, secret in access.credentials.items()
        # The address of a wallet is public.
        if not secret.reveal().startswith("0x") or len(secret.reveal()) > 42
    }
    for request in venue.server.log:
        header = request.headers.get("authorization", "")
        if header:
            found.add(("authorization", header.rpartition(" ")[2]))
    return [(name, secret.removeprefix("0x")) for name, secret in sorted(found) if len(secret) >= 8]


def _reprs(value: Any, depth: int = _DEPTH) -> Iterator[str]:
    """Return how a thing of ours shows itself, and what it holds."""
    yield repr(value)
    if depth and type(value).__module__.startswith("sparky."):
        names = [*getattr(value, "__dict__", ()), *getattr(type(value), "__slots__", ())]
        for name in names:
            yield from _reprs(getattr(value, name, None), depth - 1)
