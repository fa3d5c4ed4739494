"""Nonces of Aster: each once, always growing, and made of Aster's own clock."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparky.domain.answers import Accepted, Refused
from sparky.venues.aster.adapter import AsterAdapter
from sparky.venues.aster.nonce import Nonces
from sparky.venues.aster.venue_clock import VenueClock
from sparky.venues.http import VenueHttp
from tests.venues.fakes.aster.harness import AsterHarness
from tests.venues.fakes.moving_time import MovingTime
from tests.venues.fakes.server import Fault, RequestKind
from tests.venues.harness import accepted, allow

SECOND = 1_000_000


def nonces_of(venue: AsterHarness) -> list[int]:
    """Return the nonces that the venue has taken from the agent of `access`, in their order."""
    return list(venue.wallet.agents[venue.agent].nonces)


@given(st.lists(st.integers(0, 9 * SECOND), min_size=1, max_size=60))
@settings(max_examples=60)
def test_nonces_grow_however_the_clock_stands_or_steps_back_a_little(times: list[int]) -> None:
    nonces = Nonces()
    start = 1_700_000_000 * SECOND
    given_out = [nonces.next("production", "0xa", start + time) for time in times]
    assert given_out == sorted(set(given_out))
    assert all(number >= start + time for number, time in zip(given_out, times, strict=True))


def test_threads_never_get_the_same_nonce() -> None:
    nonces = Nonces()
    with ThreadPoolExecutor(8) as pool:
        given_out = list(pool.map(lambda _: nonces.next("production", "0xa", SECOND), range(2000)))
    assert len(set(given_out)) == 2000


def test_agents_and_environments_count_apart() -> None:
    nonces = Nonces()
    assert nonces.next("production", "0xa", 5) == nonces.next("production", "0xb", 5) == 5
    assert nonces.next("sandbox", "0xa", 5) == 5
    assert nonces.next("production", "0xa", 5) == 6


def test_a_counter_that_a_wrong_clock_drove_far_ahead_comes_back() -> None:
    nonces = Nonces()
    assert nonces.next("production", "0xa", 3600 * SECOND) == 3600 * SECOND
    assert nonces.next("production", "0xa", 60 * SECOND) == 60 * SECOND


async def test_requests_at_once_through_two_adapters_are_all_taken() -> None:
    async with AsterHarness.open() as venue, VenueHttp("Aster", {"production": venue.server.url}) as http:
        second = AsterAdapter(http, venue.time.seams())
        asked = [
            adapter.position(venue.access, venue.symbol)
            for _ in range(20)
            for adapter in (venue.adapter, second)
        ]
        assert await asyncio.gather(*asked) == [None] * 40
        # Over several sockets they may arrive in any order; none comes twice.
        taken = nonces_of(venue)
        assert len(set(taken)) == len(taken) >= 40


@pytest.mark.parametrize("skew", [-3600.0, -2.0, 5.0, 86_400.0])
async def test_the_clock_of_the_machine_may_be_wrong(skew: float) -> None:
    async with AsterHarness.open() as venue:
        venue.server.skew = skew
        accepted(await venue.submit(venue.order()))


@pytest.mark.parametrize("skew", [30.0, -30.0])
async def test_a_clock_that_steps_is_measured_anew_and_a_question_is_asked_again(skew: float) -> None:
    async with AsterHarness.open() as venue:
        await venue.side()
        venue.server.skew = skew
        assert await venue.side() is None


@pytest.mark.parametrize(("skew", "code"), [(30.0, "-4225"), (-30.0, "-1021")])
async def test_an_order_off_the_clock_is_refused_and_may_be_sent_again_at_once(
    skew: float, code: str
) -> None:
    async with AsterHarness.open() as venue:
        await venue.enter(9)
        venue.server.skew = skew
        outcome = await venue.submit(venue.order())
        assert isinstance(outcome, Refused)
        assert (outcome.try_again, outcome.venue_code) == (True, code)
        assert venue.sent(RequestKind.ORDER) == 2, "a write was sent again by itself"
        accepted(await venue.submit(venue.order()))
        assert await venue.executions(venue.order().client_order_id) == 1


async def test_the_venue_is_taken_to_read_its_clock_in_the_middle_of_a_slow_answer() -> None:
    time = MovingTime()

    async def ask() -> int:
        time.jump(1.5)
        told = 1_000_000
        time.jump(1.5)
        return told

    clock = VenueClock(time, ask)
    assert clock.milliseconds_if_known() is None
    await clock.ready()
    assert clock.microseconds() == 1_001_500_000
    time.jump(31)
    # So slow an answer is not trusted for long.
    await clock.ready()
    assert clock.milliseconds_if_known() == 1_001_500


async def test_time_is_asked_for_once_and_again_when_it_is_old() -> None:
    async with AsterHarness.open() as venue:
        for _ in range(3):
            await venue.side()
        times = [one for one in venue.server.log if one.path == "/fapi/v3/time"]
        assert len(times) == 1
        venue.pass_time(3600)
        await venue.side()
        assert len([one for one in venue.server.log if one.path == "/fapi/v3/time"]) == 2


async def test_an_order_that_is_repeated_on_the_way_is_refused_by_its_nonce() -> None:
    async with AsterHarness.open() as venue:
        await venue.enter(9)
        venue.fault(Fault.DUPLICATE, RequestKind.ORDER)
        accepted(await venue.submit(venue.order()))
        assert venue.sent(RequestKind.ORDER) == 3
        assert await venue.executions(venue.order().client_order_id) == 1


async def test_an_order_that_comes_after_its_window_is_refused_by_its_nonce() -> None:
    async with AsterHarness.open() as venue:
        await venue.enter(9)
        venue.fault(Fault.DROP_REQUEST, RequestKind.ORDER)
        await venue.submit(venue.order())
        late = venue.server.asked(RequestKind.ORDER)[-1]
        venue.pass_time(venue.adapter.visibility_seconds)
        with pytest.raises(Exception, match="answered early with 400"):
            await venue.server.handle(late)
        assert await venue.executions(venue.order().client_order_id) == 0


async def test_every_request_is_signed_over_the_very_bytes_that_are_sent() -> None:
    async with AsterHarness.open() as venue:
        entry = await venue.enter(1)
        await venue.adapter.cancel(venue.access, venue.ref(entry), allow)
        signed = [
            one for one in venue.server.log if one.path not in {"/fapi/v3/time", "/fapi/v3/exchangeInfo"}
        ]
        assert {one.method for one in signed} == {"GET", "POST", "DELETE"}
        for request in signed:
            changed = replace(request, query=request.query.replace("BTC", "ETH"), body=request.body + b"0")
            with pytest.raises(Exception, match="answered early with 4"):
                await venue.server.handle(changed)
        outcome = await venue.submit(venue.order(2))
        assert isinstance(outcome, Accepted)
