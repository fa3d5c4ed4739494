"""Aster's limits: counted, heeded, and a ban stops everything."""

from dataclasses import replace

import pytest

from sparky.domain.answers import NotSent, Refused, Unknown
from sparky.domain.errors import VenueUnavailable
from sparky.domain.orders import Side
from sparky.venues.aster.limits import WRITTEN_LIMITS, read_limits
from tests.venues.fakes.aster.harness import AsterHarness
from tests.venues.fakes.server import FakeRequest, FakeResponse, Fault, RequestKind, json_response
from tests.venues.harness import accepted, refused


def requests(venue: AsterHarness) -> int:
    return len(venue.server.log) + len(venue.testnet.log)


async def test_a_ban_stops_every_account_and_both_hosts_until_it_ends() -> None:
    async with AsterHarness.open() as venue:
        await venue.enter(1)
        venue.fault(Fault.BANNED, RequestKind.QUESTION)
        with pytest.raises(VenueUnavailable):
            await venue.side()
        before = requests(venue)
        for access in (venue.access, venue.other_access):
            outcome = await venue.submit(venue.order(2, Side.SELL, reduce_only=True), access=access)
            assert isinstance(outcome, NotSent)
            assert "banned" in outcome.reason
        with pytest.raises(VenueUnavailable, match="banned"):
            await venue.adapter.validate(replace(venue.misplaced_access, environment="sandbox"))
        assert requests(venue) == before, "something was sent during the ban"
        venue.pass_time(110)
        with pytest.raises(VenueUnavailable):
            await venue.side()
        assert requests(venue) == before
        venue.pass_time(12)
        accepted(await venue.submit(venue.order(2, Side.SELL, reduce_only=True)))


async def test_an_order_that_meets_a_ban_may_be_sent_again_later() -> None:
    async with AsterHarness.open() as venue:
        await venue.enter(1)
        venue.fault(Fault.BANNED, RequestKind.ORDER)
        assert refused(await venue.submit(venue.order(2))).try_again
        assert isinstance(await venue.submit(venue.order(2)), NotSent)
        venue.pass_time(121)
        accepted(await venue.submit(venue.order(2)))


@pytest.mark.parametrize(
    ("headers", "words", "seconds"),
    [
        ({"Retry-After": "300"}, "Way too many requests.", 300),
        ({}, "Way too many requests; IP banned until {until}.", 600),
        ({}, "Way too many requests.", 120),
        ({"Retry-After": "soon"}, "no words at all", 120),
        ({"Retry-After": "999999999"}, "Way too many requests.", 3 * 86_400),
    ],
)
async def test_a_ban_lasts_as_long_as_aster_says(headers: dict[str, str], words: str, seconds: int) -> None:
    async with AsterHarness.open() as venue:
        await venue.side()
        until = venue.server.now_ms() + 600_000

        def banned(request: FakeRequest) -> FakeResponse:
            del request
            return json_response(418, {"code": -1003, "msg": words.format(until=until)}, headers)

        venue.server.banned = banned  # type: ignore[method-assign]
        venue.fault(Fault.BANNED)
        with pytest.raises(VenueUnavailable):
            await venue.side()
        venue.pass_time(seconds - 4)
        with pytest.raises(VenueUnavailable):
            await venue.side()
        venue.pass_time(8)
        assert await venue.side() is None


async def test_too_many_orders_of_one_account_stop_that_account_alone() -> None:
    async with AsterHarness.open() as venue:
        await venue.enter(1)
        venue.server._meter.orders[venue.address] = 1200
        outcome = refused(await venue.submit(venue.order(2)))
        assert (outcome.try_again, outcome.venue_code) == (True, "-1015")
        assert isinstance(await venue.submit(venue.order(2)), NotSent)
        accepted(await venue.submit(venue.order(3), access=venue.other_access))
        venue.pass_time(61)
        accepted(await venue.submit(venue.order(2)))


async def test_what_others_on_the_address_have_used_is_taken_from_asters_headers() -> None:
    async with AsterHarness.open() as venue:
        await venue.side()
        venue.server.use_up(2300)
        await venue.side()
        sent = requests(venue)
        with pytest.raises(VenueUnavailable, match="limit of requests"):
            await venue.adapter.positions(venue.access)
        assert requests(venue) == sent
        venue.pass_time(61)
        await venue.adapter.positions(venue.access)


async def test_aster_never_has_to_turn_a_flood_of_questions_away() -> None:
    async with AsterHarness.open() as venue:
        await venue.side()
        for _ in range(70):
            try:
                await venue.adapter.open_orders(venue.access)
            except VenueUnavailable:
                break
        statuses = venue.server._meter
        assert statuses._turned_away == 0
        assert statuses.weight <= 2400


@pytest.mark.parametrize("status", [403, 404, 405, 301, 302])
async def test_a_page_of_a_gateway_says_nothing_about_an_order(status: int) -> None:
    async with AsterHarness.open() as venue:
        await venue.enter(1)
        page = FakeResponse(
            status, b"<html><body>Request blocked.</body></html>", {"Content-Type": "text/html"}
        )

        async def handle(request: FakeRequest) -> FakeResponse:
            del request
            return page

        venue.server.handle = handle  # type: ignore[method-assign]
        assert isinstance(await venue.submit(venue.order(2)), Unknown)
        with pytest.raises(VenueUnavailable):
            await venue.side()


async def test_a_firewall_that_speaks_asters_language_refuses() -> None:
    async with AsterHarness.open() as venue:
        await venue.enter(1)

        async def handle(request: FakeRequest) -> FakeResponse:
            del request
            return json_response(403, {"code": -1011, "msg": "This IP cannot access this route."})

        venue.server.handle = handle  # type: ignore[method-assign]
        outcome = await venue.submit(venue.order(2))
        assert isinstance(outcome, Refused)
        assert outcome.reason_code == "credentials_invalid"


def test_what_aster_tells_of_its_limits_counts_instead_of_what_is_written() -> None:
    told = [
        {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 6000},
        {"rateLimitType": "ORDERS", "interval": "MINUTE", "intervalNum": 1, "limit": 300},
        {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 5},
    ]
    limits = read_limits({"rateLimits": told})
    assert (limits.weight.capacity, limits.orders.capacity) == (6000, 300)


@pytest.mark.parametrize("told", [None, {}, {"rateLimits": "none"}, {"rateLimits": [{"limit": 0}, 7]}])
def test_limits_that_are_not_told_stay_as_they_are_written(told: object) -> None:
    assert read_limits(told) == WRITTEN_LIMITS
