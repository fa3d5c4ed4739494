"""Finding orders at tastytrade again, with and without the identifier in its answers, page by page."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from sparky.domain.answers import Unknown
from sparky.domain.errors import CredentialsInvalid, VenueUnavailable
from sparky.domain.orders import ExitKind, OrderRequest, OrderState, Side, TimeInForce
from sparky.venues.http import VenueHttp
from sparky.venues.tastytrade.adapter import TastytradeAdapter
from tests.venues.fakes.messages import FakeRequest, FakeResponse, json_response
from tests.venues.fakes.server import Fault, RequestKind
from tests.venues.fakes.tastytrade.harness import TastytradeHarness
from tests.venues.harness import accepted, allow, refused


@pytest.fixture
async def venue() -> AsyncIterator[TastytradeHarness]:
    async with TastytradeHarness.open() as harness:
        yield harness


@pytest.fixture
async def restarted(venue: TastytradeHarness) -> AsyncIterator[TastytradeAdapter]:
    """Return an adapter that remembers nothing of what was sent."""
    async with VenueHttp("Tastytrade", {"sandbox": venue.server.url}) as http:
        yield TastytradeAdapter(http, venue.time.seams())


async def lose_the_answer(venue: TastytradeHarness, order: OrderRequest) -> None:
    venue.ref(order)
    venue.fault(Fault.DROP_REPLY, RequestKind.ORDER)
    assert isinstance(await venue.submit(order), Unknown)
    venue.heal()


async def test_an_order_is_found_behind_many_pages(venue: TastytradeHarness) -> None:
    venue.server.per_page = 2
    order = await venue.enter(1)
    for number in range(2, 9):
        await venue.enter(number)
    found = await venue.shown(order)
    assert found.state is OrderState.FILLED
    pages = [one for one in venue.server.log if "page-offset=3" in one.query and "/orders" in one.path]
    assert pages


async def test_orders_from_long_before_are_not_listed(venue: TastytradeHarness) -> None:
    order = await venue.enter(1)
    venue.server.desk.age_orders(61)
    assert await venue.adapter.find_order(venue.access, venue.ref(order)) is None


async def test_a_list_that_says_nothing_of_its_length_is_read_to_its_end(venue: TastytradeHarness) -> None:
    venue.server.per_page = 1
    venue.server.counts_pages = False
    order = await venue.enter(1)
    await venue.enter(2)
    assert (await venue.shown(order)).client_order_id == order.client_order_id


async def test_the_order_that_was_sent_again_after_a_rejection_counts(venue: TastytradeHarness) -> None:
    venue.reject_later()
    order = venue.order(1)
    await venue.submit(order)
    assert (await venue.shown(order)).state is OrderState.REFUSED
    accepted(await venue.submit(order))
    assert (await venue.shown(order)).state is OrderState.FILLED


async def test_an_order_that_works_counts_more_than_a_later_one_of_its_id_that_was_rejected(
    venue: TastytradeHarness,
) -> None:
    order = venue.order(1)
    accepted(await venue.submit(order))
    venue.reject_later()
    refused(await venue.submit(order))
    assert (await venue.shown(order)).state is OrderState.FILLED


async def test_of_several_orders_of_one_id_the_executed_one_counts(venue: TastytradeHarness) -> None:
    order = await venue.enter(1)
    again = replace(venue.resting(), client_order_id=order.client_order_id)
    later = accepted(await venue.submit(again))
    assert (await venue.shown(order)).state is OrderState.FILLED
    accepted(await venue.adapter.cancel(venue.access, venue.ref(order, later.venue_order_id), allow))
    assert (await venue.shown(order)).state is OrderState.FILLED


async def test_of_several_orders_of_one_id_one_that_works_counts_more_than_a_later_cancelled_one(
    venue: TastytradeHarness,
) -> None:
    order = venue.resting()
    first = accepted(await venue.submit(order))
    later = accepted(await venue.submit(order))
    accepted(await venue.adapter.cancel(venue.access, venue.ref(order, later.venue_order_id), allow))
    assert (await venue.shown(order)).venue_order_id == first.venue_order_id


async def test_without_identifiers_the_only_order_that_fits_is_ours(
    venue: TastytradeHarness, restarted: TastytradeAdapter
) -> None:
    venue.server.echoes = False
    order = venue.order(1)
    await lose_the_answer(venue, order)
    for adapter in (venue.adapter, restarted):
        found = await adapter.find_order(venue.access, venue.ref(order))
        assert found is not None
        assert found.client_order_id == order.client_order_id
        assert found.state is OrderState.FILLED


async def test_without_identifiers_what_looks_different_is_not_ours(venue: TastytradeHarness) -> None:
    venue.server.echoes = False
    await venue.place_by_hand(Side.BUY, venue.at(-10))
    order = venue.order(1)
    venue.ref(order)
    venue.fault(Fault.DROP_REQUEST, RequestKind.ORDER)
    assert isinstance(await venue.submit(order), Unknown)
    venue.heal()
    assert await venue.find(order) is None


async def test_without_identifiers_an_order_whose_answer_came_is_no_other_ones(
    venue: TastytradeHarness,
) -> None:
    venue.server.echoes = False
    await venue.enter(1)
    order = venue.order(2)
    venue.ref(order)
    venue.fault(Fault.DROP_REQUEST, RequestKind.ORDER)
    assert isinstance(await venue.submit(order), Unknown)
    venue.heal()
    assert await venue.find(order) is None


async def test_without_identifiers_two_that_fit_cannot_be_told_apart(venue: TastytradeHarness) -> None:
    venue.server.echoes = False
    order = venue.order(1)
    await lose_the_answer(venue, order)
    await lose_the_answer(venue, venue.order(2))
    with pytest.raises(VenueUnavailable, match="by hand"):
        await venue.adapter.find_order(venue.access, venue.ref(order))


async def test_without_identifiers_and_sources_a_stranger_cannot_be_told_from_ours(
    venue: TastytradeHarness, restarted: TastytradeAdapter
) -> None:
    venue.server.echoes = venue.server.names_source = False
    order = venue.order(1)
    await lose_the_answer(venue, order)
    with pytest.raises(VenueUnavailable, match="by hand"):
        await restarted.find_order(venue.access, venue.ref(order))
    found = await venue.adapter.find_order(venue.access, venue.ref(order))
    assert found is not None


async def test_where_identifiers_come_back_an_order_by_hand_is_never_taken_for_ours(
    venue: TastytradeHarness,
) -> None:
    await venue.enter(9)
    venue.server.desk.age_orders(3600)
    # Alike in everything but the identifier, and alone in the window.
    await venue.place_by_hand(Side.BUY, venue.at(-10))
    venue.server.names_source = False
    order = venue.resting(1, time_in_force=TimeInForce.DAY)
    venue.fault(Fault.DROP_REQUEST, RequestKind.ORDER)
    venue.ref(order)
    assert isinstance(await venue.submit(order), Unknown)
    assert await venue.find(order) is None


async def test_an_attached_exit_without_an_identifier_is_found_through_its_entry(
    venue: TastytradeHarness,
) -> None:
    legs = (venue.leg(ExitKind.TAKE_PROFIT, 11), venue.leg(ExitKind.STOP_LOSS, 12))
    entry = await venue.marked(venue.entry_with(*legs))
    accepted(await venue.submit(entry))
    for order in venue.server.desk.orders.values():
        if order.tag == "OTOCO::oco-1-order":
            order.asked.body.pop("external-identifier")
    for leg in legs:
        found = await venue.adapter.find_order(venue.access, venue.exit_ref(entry, leg))
        assert found is not None
        assert found.client_order_id == leg.client_order_id
        wire = venue.server.desk.orders[int(found.venue_order_id)].asked.body
        assert wire["order-type"] == ("Limit" if leg.kind is ExitKind.TAKE_PROFIT else "Stop")


async def test_filled_without_its_fills_is_read_again(venue: TastytradeHarness) -> None:
    venue.server.desk.late_fills = 3
    order = await venue.enter(1)
    found = await venue.shown(order)
    assert (found.state, found.filled_quantity) == (OrderState.FILLED, order.quantity)


async def test_filled_that_stays_without_its_fills_is_not_at_its_end(venue: TastytradeHarness) -> None:
    venue.server.desk.late_fills = 20
    order = await venue.enter(1)
    found = await venue.shown(order)
    assert (found.state, found.filled_quantity) == (OrderState.WORKING, Decimal(0))
    told = accepted(await venue.adapter.cancel(venue.access, venue.ref(order), allow))
    assert not told.state.is_terminal
    assert venue.sent(RequestKind.CANCEL) == 0


async def test_fees_that_are_not_told_yet_keep_no_order_from_being_found(venue: TastytradeHarness) -> None:
    order = await venue.enter(1)
    venue.server.arm(Fault.ERROR_500, times=None, matching=lambda one: one.path.endswith("/transactions"))
    found = await venue.shown(order)
    assert [fill.fee for fill in found.fills] == [None]
    venue.heal()
    found = await venue.shown(order)
    assert [fill.fee for fill in found.fills] == [Decimal("0.1")]


async def test_fills_carry_the_ids_and_the_orders_of_the_look_up(venue: TastytradeHarness) -> None:
    begun = venue.time.now()
    order = await venue.enter(1)
    await venue.place_by_hand(Side.BUY, venue.at(0))
    found = await venue.shown(order)
    ours, theirs = await venue.adapter.fills(venue.access, venue.symbol, begun)
    assert (ours.fill, ours.client_order_id) == (found.fills[0], order.client_order_id)
    assert theirs.client_order_id is None
    assert await venue.adapter.fills(venue.access, venue.symbol, begun + timedelta(days=1)) == []


async def test_a_list_that_is_not_there_is_no_empty_one(venue: TastytradeHarness) -> None:
    order = await venue.enter(1)
    handle = venue.server.handle

    async def without_lists(request: FakeRequest) -> FakeResponse:
        if request.path.endswith(("/orders", "/transactions")):
            missing = {"code": "record_not_found", "message": "Couldn't find Account"}
            return json_response(404, {"error": missing})
        return await handle(request)

    venue.server.handle = without_lists  # type: ignore[method-assign]
    for question in (
        venue.adapter.find_order(venue.access, venue.ref(order)),
        venue.adapter.open_orders(venue.access),
        venue.adapter.fills(venue.access, venue.symbol, venue.time.now() - timedelta(hours=1)),
    ):
        with pytest.raises(CredentialsInvalid):
            await question


async def test_a_cancel_whose_answer_says_nothing_is_open_while_the_order_works(
    venue: TastytradeHarness,
) -> None:
    order = venue.resting()
    accepted(await venue.submit(order))
    handle = venue.server.handle

    async def mute(request: FakeRequest) -> FakeResponse:
        return json_response(200, {}) if request.method == "DELETE" else await handle(request)

    venue.server.handle = mute  # type: ignore[method-assign]
    assert isinstance(await venue.adapter.cancel(venue.access, venue.ref(order), allow), Unknown)


async def test_a_cancel_that_comes_too_late_tells_how_the_order_stands(venue: TastytradeHarness) -> None:
    order = venue.resting(1)
    told = accepted(await venue.submit(order))

    def fills_meanwhile() -> None:
        venue.server.book.set_price(venue.symbol, venue.at(-11))

    late = accepted(await venue.adapter.cancel(venue.access, venue.ref(order), fills_meanwhile))
    assert (late.state, late.filled_quantity) == (OrderState.FILLED, order.quantity)
    assert late.client_order_id == order.client_order_id
    refused(await venue.adapter.cancel(venue.access, replace(venue.ref(order), venue_order_id="999"), allow))
    assert told.venue_order_id == late.venue_order_id


class Spoilt:
    """Shows the newest order in every list with other fields."""

    def __init__(self, venue: TastytradeHarness, **changes: Any) -> None:
        self._handle = venue.server.handle
        self._changes = {name.replace("_", "-"): value for name, value in changes.items()}

    async def __call__(self, request: FakeRequest) -> FakeResponse:
        response = await self._handle(request)
        if request.method != "GET" or not request.path.endswith("/orders"):
            return response
        body = json.loads(response.body)
        body["data"]["items"][0].update(self._changes)
        return json_response(response.status, body)


async def test_an_order_by_hand_that_is_not_understood_hides_no_other(venue: TastytradeHarness) -> None:
    order = await venue.enter(1)
    resting = venue.resting(2)
    accepted(await venue.submit(resting))
    await venue.place_by_hand(Side.BUY, venue.at(-10))
    venue.server.handle = Spoilt(venue, order_type="Notional Market", legs=[{"symbol": "AAPL"}])  # type: ignore[method-assign]
    assert (await venue.shown(order)).state is OrderState.FILLED
    assert [one.client_order_id for one in await venue.adapter.open_orders(venue.access)] == [
        resting.client_order_id
    ]
    assert await venue.find(venue.order(3)) is None


@pytest.mark.parametrize("changes", [{"status": "Asleep"}, {"status": "Asleep", "external_identifier": []}])
async def test_an_order_that_may_be_ours_and_is_not_understood_is_never_called_absent(
    venue: TastytradeHarness, changes: dict[str, Any]
) -> None:
    order = await venue.enter(1)
    venue.server.handle = Spoilt(venue, **changes)  # type: ignore[method-assign]
    with pytest.raises(VenueUnavailable):
        await venue.adapter.find_order(venue.access, venue.ref(order))


async def test_without_identifiers_what_is_not_understood_may_be_ours(venue: TastytradeHarness) -> None:
    venue.server.echoes = False
    order = venue.order(1)
    await lose_the_answer(venue, order)
    venue.server.handle = Spoilt(venue, status="Asleep")  # type: ignore[method-assign]
    with pytest.raises(VenueUnavailable):
        await venue.adapter.find_order(venue.access, venue.ref(order))
