"""Cases about finding orders and executions again."""

import contextlib
from dataclasses import replace
from datetime import timedelta

from sparky.domain.answers import Accepted, Unknown
from sparky.domain.errors import VenueUnavailable
from sparky.domain.orders import OrderRef, OrderState, Side
from tests.venues.fakes.server import Fault, RequestKind
from tests.venues.harness import Harness, accepted
from tests.venues.subjects import Subject, needs


class LookupCases:
    """Absence is what the venue says, never what it did not say."""

    async def test_an_order_that_was_never_sent_is_not_found(self, venue: Harness) -> None:
        order = await venue.marked(venue.order())
        assert await venue.adapter.find_order(venue.access, venue.ref(order)) is None

    async def test_an_order_is_found_by_both_of_its_ids(self, venue: Harness) -> None:
        order = await venue.marked(venue.order())
        told = accepted(await venue.submit(order))
        await venue.market_time()
        ours = await venue.shown(order)
        theirs = await venue.adapter.find_order(venue.access, venue.ref(order, told.venue_order_id))
        assert ours == theirs
        assert ours.symbol in {venue.symbol, None}
        assert ours.side in {Side.BUY, None}

    async def test_one_order_among_many_is_found(self, venue: Harness) -> None:
        orders = [await venue.enter(number) for number in range(1, 6)]
        for order in (orders[0], orders[2], orders[4]):
            assert (await venue.shown(order)).client_order_id == order.client_order_id

    @needs(Subject.HIDING)
    async def test_an_order_that_shows_late_is_found_within_the_window(self, venue: Harness) -> None:
        await venue.enter(9)
        order = await venue.marked(venue.order())
        venue.hide_orders(venue.adapter.visibility_seconds * 0.8)
        assert isinstance(await venue.submit(order), Accepted | Unknown)
        assert (await venue.shown(order)).state is OrderState.FILLED
        assert await venue.executions(order.client_order_id) == 1

    async def test_an_order_of_days_ago_is_found_or_cannot_be_told(self, venue: Harness) -> None:
        order = await venue.marked(venue.order())
        accepted(await venue.submit(order))
        ref = venue.ref(order)
        venue.pass_time(timedelta(days=3).total_seconds())
        with contextlib.suppress(VenueUnavailable):
            found = await venue.adapter.find_order(venue.access, ref)
            assert found is not None, "an order that is too old to be listed was called absent"

    async def test_without_a_bookmark_an_order_is_found_too(self, venue: Harness) -> None:
        order = await venue.enter(1)
        ref: OrderRef = replace(venue.ref(order), bookmark=None)
        found = await venue.find_ref(ref)
        assert found is not None
        assert found.state is OrderState.FILLED

    async def test_a_look_up_that_fails_is_never_absence(self, venue: Harness) -> None:
        order = await venue.enter(1)
        for fault in (Fault.ERROR_503, Fault.GARBAGE, Fault.DROP_REPLY, Fault.HTML):
            venue.fault(fault, RequestKind.QUESTION, times=None)
            try:
                found = await venue.adapter.find_order(venue.access, venue.ref(order))
            except VenueUnavailable:
                continue
            finally:
                venue.heal()
            assert found is not None, fault

    @needs(Subject.ACCOUNT_FILLS)
    async def test_executions_are_those_of_the_books(self, venue: Harness) -> None:
        begun = venue.time.now() - timedelta(minutes=1)
        entry = await venue.enter(1)
        await venue.enter(2, side=Side.SELL, reduce_only=True)
        shown = await venue.adapter.fills(venue.access, venue.symbol, begun)
        books = await venue.truth()
        assert [(one.side, one.fill.quantity, one.fill.price) for one in shown] == [
            (one.side, one.quantity, one.price) for one in books
        ]
        assert {one.symbol for one in shown} == {venue.symbol}
        assert shown[0].client_order_id in (entry.client_order_id, None)
        assert len({one.fill.venue_fill_id for one in shown}) == len(books) == 2
        assert list(await venue.adapter.fills(venue.access, venue.symbol, begun)) == list(shown)

    @needs(Subject.ACCOUNT_FILLS)
    async def test_executions_of_an_order_bear_the_ids_of_the_accounts_list(self, venue: Harness) -> None:
        begun = venue.time.now() - timedelta(minutes=1)
        order = await venue.enter(1)
        listed = {
            one.fill.venue_fill_id for one in await venue.adapter.fills(venue.access, venue.symbol, begun)
        }
        assert {one.venue_fill_id for one in (await venue.shown(order)).fills} == listed

    @needs(Subject.ACCOUNT_FILLS)
    async def test_executions_before_the_asked_moment_are_left_out(self, venue: Harness) -> None:
        await venue.enter(1)
        venue.pass_time(3600)
        since = venue.time.now()
        await venue.enter(2)
        shown = await venue.adapter.fills(venue.access, venue.symbol, since)
        assert len(shown) == 1
        assert shown[0].fill.filled_at >= since

    @needs(Subject.FEES)
    async def test_fees_are_costs_and_those_of_the_books(self, venue: Harness) -> None:
        order = await venue.enter(1)
        found = await venue.shown(order)
        fees = [fill.fee for fill in found.fills]
        assert all(fee is not None for fee in fees)
        assert sum(fee for fee in fees if fee is not None) == sum(one.fee for one in await venue.truth()) > 0
        assert all(fill.fee_currency for fill in found.fills)
