"""Finding orders at Tradier again, against the fake over a real socket."""

from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal

import pytest

from sparky.domain.answers import Refused, Unknown
from sparky.domain.errors import VenueUnavailable
from sparky.domain.identifiers import ClientOrderId
from sparky.domain.orders import (
    OrderState,
    Side,
    TimeInForce,
)
from sparky.venues.tradier.parse import Seen, read_one, views
from sparky.venues.tradier.placing import outcomes_of
from tests.venues.fakes.tradier.harness import TradierHarness
from tests.venues.harness import accepted, allow

DAY = 86_400.0


@pytest.fixture
async def venue() -> AsyncIterator[TradierHarness]:
    async with TradierHarness.open() as venue:
        yield venue


async def test_an_order_service_that_fails_is_unknown_and_later_decided(venue: TradierHarness) -> None:
    venue.server.book.reject_later("OmsInternalError: The order service could not process the order.")
    order = venue.order(1)
    assert isinstance(await venue.submit(order), Unknown)
    with pytest.raises(VenueUnavailable, match="has not said yet"):
        await venue.adapter.find_order(venue.access, venue.ref(order))
    ref = venue.ref(order)
    venue.pass_time(31)
    found = await venue.adapter.find_order(venue.access, ref)
    assert found is not None
    assert found.state is OrderState.REFUSED


def as_shown(status: str, executed: int) -> Seen:
    order = {
        "id": 7,
        "class": "equity",
        "type": "market",
        "symbol": "AAPL",
        "side": "buy",
        "quantity": 10,
        "status": status,
        "exec_quantity": executed,
        "avg_fill_price": 200,
        "create_date": "2026-03-02T15:00:00.000Z",
        "tag": "sp7",
    }
    return read_one({"order": order})


@pytest.mark.parametrize("told", [0, 4])
def test_filled_is_the_end_once_all_of_it_is_told(told: int) -> None:
    ((_, early),) = views([as_shown("filled", told)])
    assert not early.state.is_terminal
    assert early.fills == ()
    ((_, whole),) = views([as_shown("filled", 10)])
    assert (whole.state, whole.fills[0].quantity) == (OrderState.FILLED, Decimal(10))


@pytest.mark.parametrize("status", ["rejected", "error"])
def test_what_was_executed_before_a_rejection_is_no_refusal(status: str) -> None:
    (outcome,) = outcomes_of(as_shown(status, 4), [ClientOrderId("sp7")])
    shown = accepted(outcome)
    assert (shown.state.is_terminal, shown.filled_quantity, shown.fills[0].quantity) == (
        True,
        Decimal(4),
        Decimal(4),
    )
    assert isinstance(outcomes_of(as_shown(status, 0), [ClientOrderId("sp7")])[0], Refused)


@pytest.mark.parametrize("per_page", [25, 7])
async def test_orders_of_a_long_day_are_found_over_all_pages(venue: TradierHarness, per_page: int) -> None:
    # Whatever is documented, a page may hold fewer and not be the last one.
    venue.server.per_page = per_page
    orders = [venue.resting(number, time_in_force=TimeInForce.DAY) for number in (1, 2)]
    accepted(await venue.submit(orders[0]))
    for _ in range(60):
        venue.take_by_hand(type="limit", price="1.00", quantity="1")
    accepted(await venue.submit(orders[1]))
    for order in orders:
        found = await venue.adapter.find_order(venue.access, venue.ref(order))
        assert found is not None
        assert found.client_order_id == order.client_order_id


async def test_an_order_that_works_beats_a_rejected_one_of_the_same_tag(venue: TradierHarness) -> None:
    order = venue.order(1)
    venue.server.book.reject_later("Rejected by the exchange.")
    assert isinstance(await venue.submit(order), Refused)
    accepted(await venue.submit(order))
    venue.take_by_hand(tag=order.client_order_id, symbol="GONE")
    assert (await venue.shown(order)).state is OrderState.FILLED


async def test_an_order_that_nobody_understands_keeps_no_other_from_being_found(
    venue: TradierHarness,
) -> None:
    order = await venue.enter(1)
    venue.take_by_hand(type="limit", price="1.00").status = "in orbit"
    venue.server.taken[-1].parts.clear()
    assert (await venue.shown(order)).state is OrderState.FILLED
    with pytest.raises(VenueUnavailable, match="status"):
        await venue.adapter.open_orders(venue.access)


@pytest.mark.parametrize("days", [1, 5, 27])
async def test_an_order_of_an_earlier_day_is_found_in_the_older_lists(
    venue: TradierHarness, days: int
) -> None:
    order = await venue.enter(1)
    ref = venue.ref(order)
    absent = venue.ref(venue.order(2))
    venue.pass_time(days * DAY)
    found = await venue.adapter.find_order(venue.access, ref)
    assert found is not None
    assert found.state is OrderState.FILLED
    assert await venue.adapter.find_order(venue.access, absent) is None
    assert any("filter=all" in request.query for request in venue.server.log)


async def test_an_order_older_than_the_lists_is_never_called_absent(venue: TradierHarness) -> None:
    ref = venue.ref(venue.order(1))
    venue.pass_time(40 * DAY)
    with pytest.raises(VenueUnavailable, match="cannot tell"):
        await venue.adapter.find_order(venue.access, ref)
    with pytest.raises(VenueUnavailable, match="longer ago"):
        await venue.adapter.fills(venue.access, "AAPL", ref.sent_at)


async def test_midnight_in_new_york_is_not_the_end_of_an_order(venue: TradierHarness) -> None:
    # It is 10:00 there at the start of a test.
    venue.pass_time(13.95 * 3600)
    order = venue.resting(1)
    accepted(await venue.submit(order))
    ref = venue.ref(order)
    venue.pass_time(0.1 * 3600)
    found = await venue.adapter.find_order(venue.access, ref)
    assert found is not None
    assert {one.client_order_id for one in await venue.adapter.open_orders(venue.access)} == {
        order.client_order_id
    }


async def test_exits_of_days_ago_are_open_orders_and_what_they_execute_is_told(venue: TradierHarness) -> None:
    await venue.enter(1)
    for outcome in await venue.adapter.place_exits(venue.access, venue.exits(*venue.both_exits()), allow):
        accepted(outcome)
    venue.pass_time(4 * DAY)
    begun = venue.time.now()
    shown = await venue.adapter.open_orders(venue.access, "AAPL")
    assert {one.client_order_id for one in shown} == {venue.client_id(11), venue.client_id(12)}
    await venue.set_price(venue.at(7))
    venue.pass_time(61)
    (fill,) = await venue.adapter.fills(venue.access, "AAPL", begun)
    assert fill.client_order_id == venue.client_id(11)
    assert fill.side is Side.SELL


async def test_both_exits_of_a_pair_are_found_by_their_own_ids_alone(venue: TradierHarness) -> None:
    entry = await venue.enter(1)
    profit, stop = venue.both_exits()
    outcomes = await venue.adapter.place_exits(venue.access, venue.exits(stop, profit, entry=entry), allow)
    told = [accepted(outcome) for outcome in outcomes]
    assert [one.client_order_id for one in told] == [stop.client_order_id, profit.client_order_id]
    for leg, one in zip((stop, profit), told, strict=True):
        ref = replace(venue.exit_ref(entry, leg), exit_of=None, exit_kind=None)
        assert await venue.adapter.find_order(venue.access, ref) == one
        named = replace(ref, venue_order_id=one.venue_order_id)
        assert await venue.adapter.find_order(venue.access, named) == one
