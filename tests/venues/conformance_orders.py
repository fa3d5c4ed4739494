"""Cases about single orders: types, durations, sizes, prices, and positions that follow."""

import asyncio
from decimal import Decimal

import pytest

from sparky.domain.answers import Accepted, Refused, VenueOrder
from sparky.domain.orders import OrderRequest, OrderState, OrderType, PositionSide, Side, TimeInForce
from tests.venues.harness import Harness, accepted, refused
from tests.venues.subjects import Subject, needs

_WORKS = {OrderState.ACCEPTED, OrderState.WORKING}
_HALF = Decimal("0.5")


class OrderCases:
    """An order is executed as asked, or refused in a sentence."""

    async def test_an_accepted_order_is_found_with_its_fills(self, venue: Harness) -> None:
        order = await venue.marked(venue.order())
        told = accepted(await venue.submit(order))
        await venue.market_time()
        found = await venue.shown(order)
        assert found.client_order_id == told.client_order_id == order.client_order_id
        assert found.venue_order_id == told.venue_order_id
        assert found.state is OrderState.FILLED
        assert found.filled_quantity == order.quantity == sum(fill.quantity for fill in found.fills)
        assert found.average_price is not None
        assert all(fill.filled_at.tzinfo is not None for fill in found.fills)
        assert len({fill.venue_fill_id for fill in found.fills}) == len(found.fills)
        assert await venue.executions(order.client_order_id) == 1

    @pytest.mark.parametrize("order_type", OrderType)
    async def test_an_order_type_is_executed_as_itself_or_refused_with_the_nearest(
        self, venue: Harness, order_type: OrderType
    ) -> None:
        can = venue.adapter.capabilities.order_types
        order = await venue.marked(venue.typed(order_type))
        outcome = await venue.submit(order)
        if order_type not in can:
            reason = refused(outcome, "not_supported").reason.lower()
            assert any(other.value.replace("_", "-") in reason.replace(" ", "-") for other in can), reason
            assert await venue.executions(order.client_order_id) == 0
            return
        accepted(outcome)
        found = await venue.shown(order)
        assert found.quantity == order.quantity
        if order_type is not OrderType.MARKET:
            assert found.state in _WORKS
            assert await venue.side() is None

    @pytest.mark.parametrize("lasting", TimeInForce)
    async def test_a_duration_is_kept_or_refused(self, venue: Harness, lasting: TimeInForce) -> None:
        if OrderType.LIMIT in venue.adapter.capabilities.order_types:
            order = venue.resting(1, time_in_force=lasting)
        else:
            order = venue.order(1, time_in_force=lasting)
        order = await venue.marked(order)
        outcome = await venue.submit(order)
        if lasting not in venue.adapter.capabilities.times_in_force:
            refused(outcome, "not_supported")
            assert await venue.executions(order.client_order_id) == 0
            return
        assert venue.lasts(order.client_order_id) in {None, lasting}
        if lasting in {TimeInForce.IOC, TimeInForce.FOK} and order.order_type is OrderType.LIMIT:
            await _leaves_nothing(venue, order)
        else:
            accepted(outcome)

    @needs(Subject.LIMIT)
    async def test_a_limit_order_waits_for_its_price_and_fills_no_worse(self, venue: Harness) -> None:
        order = await venue.marked(venue.resting())
        accepted(await venue.submit(order))
        assert (await venue.shown(order)).state in _WORKS
        assert await venue.side() is None
        await venue.set_price(venue.at(-11))
        found = await venue.shown(order)
        assert found.state is OrderState.FILLED
        assert order.limit_price is not None
        assert found.average_price is not None
        assert found.average_price <= order.limit_price
        assert await venue.side() == (PositionSide.LONG, venue.quantity)

    @needs(Subject.STOP)
    async def test_a_stop_order_waits_for_its_price(self, venue: Harness) -> None:
        order = await venue.marked(venue.typed(OrderType.STOP))
        accepted(await venue.submit(order))
        assert await venue.side() is None
        await venue.set_price(venue.at(11))
        assert (await venue.shown(order)).state is OrderState.FILLED
        assert await venue.side() == (PositionSide.LONG, venue.quantity)

    @needs(Subject.STOP_LIMIT)
    async def test_a_stop_limit_order_never_fills_beyond_its_limit(self, venue: Harness) -> None:
        order = await venue.marked(venue.typed(OrderType.STOP_LIMIT))
        accepted(await venue.submit(order))
        await venue.set_price(venue.at(15))
        assert (await venue.shown(order)).state in _WORKS
        assert await venue.side() is None
        await venue.set_price(venue.at(11))
        assert (await venue.shown(order)).state is OrderState.FILLED

    @needs(Subject.IOC)
    async def test_immediate_or_cancel_fills_at_the_market(self, venue: Harness) -> None:
        order = await venue.marked(venue.order(1, time_in_force=TimeInForce.IOC))
        accepted(await venue.submit(order))
        assert (await venue.shown(order)).state is OrderState.FILLED

    @needs(Subject.PRICE_STEPS, Subject.LIMIT)
    async def test_a_price_between_steps_is_moved_and_never_for_the_worse(self, venue: Harness) -> None:
        between = venue.price + venue.tick / 3
        order = await venue.marked(venue.resting(1, limit_price=between))
        accepted(await venue.submit(order))
        await venue.market_time()
        found = await venue.shown(order)
        assert found.average_price is not None
        assert found.average_price <= between
        far = await venue.marked(venue.resting(2, limit_price=venue.at(-10) + venue.tick / 3))
        accepted(await venue.submit(far))
        assert await venue.executions(far.client_order_id) == 1

    async def test_a_size_between_steps_is_cut_and_never_raised(self, venue: Harness) -> None:
        step = (await venue.adapter.rules(venue.access, venue.symbol)).quantity_step
        order = await venue.marked(venue.order(1, quantity=venue.quantity + step / 3))
        outcome = await venue.submit(order)
        if isinstance(outcome, Refused):
            # A venue with a step of its own making may take every digit; ours must not invent one.
            refused(outcome)
            return
        await venue.market_time()
        assert await venue.side() == (PositionSide.LONG, venue.quantity)

    @needs(Subject.SMALLEST)
    async def test_a_size_below_the_minimum_is_refused(self, venue: Harness) -> None:
        order = venue.order(1, quantity=venue.too_small)
        refused(await venue.submit(order), "below_minimum")
        assert await venue.executions(order.client_order_id) == 0

    @needs(Subject.LARGEST)
    async def test_a_size_above_the_maximum_is_refused(self, venue: Harness) -> None:
        order = venue.order(1, quantity=venue.too_large)
        refused(await venue.submit(order), "above_maximum")
        assert await venue.executions(order.client_order_id) == 0

    async def test_an_order_beyond_the_money_is_refused(self, venue: Harness) -> None:
        order = await venue.marked(venue.order(1, quantity=venue.too_much))
        refused(await venue.submit(order), "insufficient_funds")
        assert await venue.executions(order.client_order_id) == 0
        assert await venue.side() is None

    @needs(Subject.MARKET_HOURS)
    async def test_an_order_to_a_closed_market_is_refused(self, venue: Harness) -> None:
        venue.close_market()
        order = await venue.marked(venue.order())
        refused(await venue.submit(order), "market_closed")
        assert await venue.executions(order.client_order_id) == 0
        assert await venue.side() is None

    @needs(Subject.PARTIAL_FILLS, Subject.LIMIT)
    async def test_an_order_fills_in_parts_and_each_part_counts_once(self, venue: Harness) -> None:
        venue.fill_partially(_HALF)
        order = await venue.marked(venue.resting(1, limit_price=venue.at(0)))
        accepted(await venue.submit(order))
        first = await venue.shown(order)
        assert first.state is OrderState.PARTIALLY_FILLED
        assert first.filled_quantity == order.quantity * _HALF
        # Venues without single executions tell of them when nothing can be added any more.
        assert not first.fills or _sum(first) == first.filled_quantity
        await venue.fill_rest()
        second = await venue.shown(order)
        assert second.state is OrderState.FILLED
        seen = {fill.venue_fill_id: fill.quantity for fill in (*first.fills, *second.fills)}
        assert sum(seen.values()) == order.quantity
        assert await venue.executions(order.client_order_id) == 1

    @needs(Subject.CUT_SHORT)
    async def test_a_market_order_may_end_with_a_part(self, venue: Harness) -> None:
        venue.fill_partially(_HALF)
        order = await venue.marked(venue.order())
        told = accepted(await venue.submit(order))
        found = await venue.shown(order)
        for one in (told, found):
            assert one.state is not OrderState.REFUSED
        assert found.state.is_terminal
        assert found.filled_quantity == order.quantity * _HALF == _sum(found)
        assert await venue.side() == (PositionSide.LONG, order.quantity * _HALF)

    @needs(Subject.LATER_REJECTION)
    async def test_an_order_that_is_rejected_after_it_was_taken_is_refused(self, venue: Harness) -> None:
        venue.reject_later()
        order = await venue.marked(venue.order())
        outcome = await venue.submit(order)
        if isinstance(outcome, Accepted):
            found = await venue.shown(order)
            assert found.state is OrderState.REFUSED
            assert found.reason
        else:
            refused(outcome)
        assert await venue.side() is None

    @needs(Subject.EXTENDED_HOURS)
    async def test_extended_hours_take_limit_orders_only(self, venue: Harness) -> None:
        lasting = TimeInForce.DAY
        order = await venue.marked(venue.resting(1, extended_hours=True, time_in_force=lasting))
        accepted(await venue.submit(order))
        refused(await venue.submit(venue.order(2, extended_hours=True)), "not_supported")
        assert await venue.executions(venue.order(2).client_order_id) == 0


class PositionCases:
    """Positions follow orders; what reduces never opens."""

    async def test_the_position_follows_the_orders(self, venue: Harness) -> None:
        await venue.enter(1)
        assert await venue.side() == (PositionSide.LONG, venue.quantity)
        assert [one.symbol for one in await venue.adapter.positions(venue.access)] == [venue.symbol]
        await venue.enter(2)
        assert await venue.side() == (PositionSide.LONG, venue.quantity * 2)
        await venue.enter(3, side=Side.SELL, reduce_only=True, quantity=venue.quantity * 2)
        assert await venue.side() is None
        assert list(await venue.adapter.positions(venue.access)) == []

    async def test_a_part_of_a_position_can_be_closed(self, venue: Harness) -> None:
        await venue.enter(1, quantity=venue.quantity * 2)
        order = await venue.enter(2, side=Side.SELL, reduce_only=True)
        assert await venue.side() == (PositionSide.LONG, venue.quantity)
        found = await venue.shown(order)
        assert (found.state, found.filled_quantity) == (OrderState.FILLED, venue.quantity)

    @needs(Subject.SHORT)
    async def test_a_short_position_is_told_as_such_and_closed_by_buying(self, venue: Harness) -> None:
        await venue.enter(1, side=Side.SELL)
        assert await venue.side() == (PositionSide.SHORT, venue.quantity)
        await venue.enter(2, side=Side.BUY, reduce_only=True)
        assert await venue.side() is None

    async def test_reduce_only_never_opens(self, venue: Harness) -> None:
        order = await venue.marked(venue.order(1, Side.SELL, reduce_only=True))
        refused(await venue.submit(order), "no_position")
        assert await venue.executions(order.client_order_id) == 0
        assert await venue.side() is None

    async def test_reduce_only_never_adds(self, venue: Harness) -> None:
        await venue.enter(1)
        order = await venue.marked(venue.order(2, Side.BUY, reduce_only=True))
        refused(await venue.submit(order), "no_position")
        assert await venue.side() == (PositionSide.LONG, venue.quantity)

    async def test_reduce_only_never_crosses_zero(self, venue: Harness) -> None:
        await venue.enter(1)
        order = await venue.marked(venue.order(2, Side.SELL, reduce_only=True, quantity=venue.quantity * 3))
        await venue.submit(order)
        await venue.market_time()
        assert await venue.side() in (None, (PositionSide.LONG, venue.quantity))

    async def test_two_closes_at_once_never_cross_zero(self, venue: Harness) -> None:
        await venue.enter(1)
        orders = [await venue.marked(venue.order(number, Side.SELL, reduce_only=True)) for number in (2, 3)]
        await asyncio.gather(*(venue.submit(order) for order in orders))
        await venue.market_time()
        assert await venue.side() is None

    @needs(Subject.LIMIT)
    async def test_a_resting_order_that_may_only_reduce_never_opens(self, venue: Harness) -> None:
        await venue.enter(1)
        order = await venue.marked(
            venue.resting(2, side=Side.SELL, reduce_only=True, limit_price=venue.at(10))
        )
        accepted(await venue.submit(order))
        await venue.enter(3, side=Side.SELL, reduce_only=True)
        assert await venue.side() is None
        await venue.set_price(venue.at(12))
        assert await venue.side() is None

    async def test_a_close_that_was_sent_twice_closes_once(self, venue: Harness) -> None:
        await venue.enter(1, quantity=venue.quantity * 2)
        await venue.enter(2, side=Side.SELL, reduce_only=True, quantity=venue.quantity * 2)
        again = await venue.marked(venue.order(3, Side.SELL, reduce_only=True, quantity=venue.quantity * 2))
        refused(await venue.submit(again), "no_position")
        assert await venue.side() is None


def _sum(order: VenueOrder) -> Decimal:
    return sum((fill.quantity for fill in order.fills), Decimal(0))


async def _leaves_nothing(venue: Harness, order: OrderRequest) -> None:
    found = await venue.find(order)
    assert found is None or (found.state.is_terminal and not found.filled_quantity), found
    assert list(await venue.adapter.open_orders(venue.access)) == []
    assert await venue.side() is None
