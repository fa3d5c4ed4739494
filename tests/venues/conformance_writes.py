"""Cases about writes: cancelling, permits, orders side by side."""

import asyncio
from decimal import Decimal

import pytest

from sparky.domain.answers import Accepted, NotSent, Refused, Unknown
from sparky.domain.errors import LostClaim
from sparky.domain.orders import ExitKind, OrderState, PositionSide, Side
from tests.venues.fakes.server import Fault, RequestKind
from tests.venues.harness import Harness, accepted, allow, refused
from tests.venues.subjects import Subject, needs

_WRITES = (RequestKind.ORDER, RequestKind.EXITS, RequestKind.CANCEL)


class CancelCases:
    """Cancelling may be repeated, and tells what became of the order."""

    @needs(Subject.LIMIT)
    async def test_a_working_order_is_cancelled(self, venue: Harness) -> None:
        order = await venue.marked(venue.resting())
        accepted(await venue.submit(order))
        told = accepted(await venue.adapter.cancel(venue.access, venue.ref(order), allow))
        assert told.client_order_id == order.client_order_id
        found = await venue.shown(order)
        assert (found.state, found.filled_quantity) == (OrderState.CANCELLED, Decimal(0))
        await venue.set_price(venue.at(-11))
        assert await venue.side() is None

    @needs(Subject.LIMIT)
    async def test_cancelling_again_changes_nothing(self, venue: Harness) -> None:
        order = await venue.marked(venue.resting())
        accepted(await venue.submit(order))
        accepted(await venue.adapter.cancel(venue.access, venue.ref(order), allow))
        again = accepted(await venue.adapter.cancel(venue.access, venue.ref(order), allow))
        assert again.state is OrderState.CANCELLED

    @needs(Subject.LIMIT)
    async def test_an_order_is_cancelled_by_its_id_at_the_venue(self, venue: Harness) -> None:
        order = await venue.marked(venue.resting())
        told = accepted(await venue.submit(order))
        ref = venue.ref(order, told.venue_order_id)
        accepted(await venue.adapter.cancel(venue.access, ref, allow))
        assert (await venue.shown(order)).state is OrderState.CANCELLED

    async def test_cancelling_what_has_filled_tells_that_it_has(self, venue: Harness) -> None:
        order = await venue.enter(1)
        told = accepted(await venue.adapter.cancel(venue.access, venue.ref(order), allow))
        assert (told.state, told.filled_quantity) == (OrderState.FILLED, order.quantity)
        assert await venue.side() == (PositionSide.LONG, venue.quantity)

    async def test_cancelling_what_the_venue_does_not_have_is_refused(self, venue: Harness) -> None:
        await venue.enter(9)
        order = await venue.marked(venue.order())
        refused(await venue.adapter.cancel(venue.access, venue.ref(order), allow))

    @needs(Subject.PARTIAL_FILLS, Subject.LIMIT)
    async def test_what_had_filled_before_a_cancel_is_kept(self, venue: Harness) -> None:
        venue.fill_partially(Decimal("0.5"))
        order = await venue.marked(venue.resting(1, limit_price=venue.at(0)))
        accepted(await venue.submit(order))
        accepted(await venue.adapter.cancel(venue.access, venue.ref(order), allow))
        found = await venue.shown(order)
        assert found.state is OrderState.CANCELLED
        assert found.filled_quantity == order.quantity / 2 == sum(one.quantity for one in found.fills)
        assert await venue.side() == (PositionSide.LONG, order.quantity / 2)

    async def test_another_traders_order_cannot_be_cancelled(self, venue: Harness) -> None:
        order = await venue.enter(1)
        outcome = await venue.adapter.cancel(venue.other_access, venue.ref(order), allow)
        assert not isinstance(outcome, Accepted), outcome


class PermitCases:
    """Nothing leaves without a permit that was asked right before."""

    async def test_the_permit_is_asked_once_before_the_order_leaves(self, venue: Harness) -> None:
        asked: list[None] = []
        accepted(await venue.submit(venue.order(), lambda: asked.append(None)))
        assert len(asked) == 1

    @needs(Subject.HTTP)
    async def test_each_write_has_a_permit_of_its_own(self, venue: Harness) -> None:
        asked: list[int] = []

        def note() -> None:
            asked.append(venue.sent(*_WRITES))

        entry = await venue.marked(venue.order(1))
        await venue.submit(entry, note)
        await venue.market_time()
        legs = [kind for kind in (ExitKind.TAKE_PROFIT, ExitKind.STOP_LOSS) if kind in venue.kinds]
        exits = tuple(venue.leg(kind, number) for number, kind in enumerate(legs, 11))
        if exits:
            await venue.adapter.place_exits(venue.access, venue.exits(*exits, entry=entry), note)
            await venue.adapter.cancel(venue.access, venue.exit_ref(entry, exits[0]), note)
        # What is in the way of a close may have to be cancelled first.
        accepted(await venue.submit(await venue.marked(venue.order(2, Side.SELL, reduce_only=True)), note))
        assert asked == list(range(venue.sent(*_WRITES))), "a write left without a permit, or one too many"

    @pytest.mark.parametrize("warm", [False, True])
    async def test_without_a_permit_no_order_leaves(self, venue: Harness, warm: bool) -> None:  # noqa: FBT001
        if warm:
            # On a connection that is there already the way to the socket is another one.
            await venue.enter(9)
        order = await venue.marked(venue.order())
        with pytest.raises(LostClaim):
            await venue.submit(order, _forbid)
        assert await venue.executions(order.client_order_id) == 0
        accepted(await venue.submit(order))

    @needs(Subject.HTTP, Subject.LIMIT)
    async def test_without_a_permit_nothing_is_cancelled(self, venue: Harness) -> None:
        order = await venue.marked(venue.resting())
        accepted(await venue.submit(order))
        with pytest.raises(LostClaim):
            await venue.adapter.cancel(venue.access, venue.ref(order), _forbid)
        assert venue.sent(RequestKind.CANCEL) == 0
        assert not (await venue.shown(order)).state.is_terminal

    @needs(Subject.SEPARATE_EXITS)
    async def test_without_a_permit_no_exit_is_placed(self, venue: Harness) -> None:
        entry = await venue.enter(1)
        with pytest.raises(LostClaim):
            await venue.adapter.place_exits(
                venue.access, venue.exits(venue.leg(ExitKind.STOP_LOSS, 11), entry=entry), _forbid
            )
        assert list(await venue.adapter.open_orders(venue.access)) == []


class ConcurrencyCases:
    """Orders side by side."""

    async def test_five_orders_at_once_are_executed_once_each(self, venue: Harness) -> None:
        orders = [await venue.marked(venue.order(number)) for number in range(1, 6)]
        for outcome in await asyncio.gather(*(venue.submit(order) for order in orders)):
            accepted(outcome)
        assert [await venue.executions(order.client_order_id) for order in orders] == [1] * 5
        assert await venue.side() == (PositionSide.LONG, venue.quantity * 5)

    async def test_orders_of_two_traders_at_once_do_not_mix(self, venue: Harness) -> None:
        mine = [venue.order(number) for number in range(1, 5)]
        theirs = [venue.order(number) for number in range(5, 7)]
        outcomes = await asyncio.gather(
            *(venue.submit(order) for order in mine),
            *(venue.submit(order, access=venue.other_access) for order in theirs),
        )
        for outcome in outcomes:
            accepted(outcome)
        assert await venue.side() == (PositionSide.LONG, venue.quantity * 4)
        assert await venue.side(venue.other_access) == (PositionSide.LONG, venue.quantity * 2)
        for order in theirs:
            assert await venue.find(order) is None
            assert await venue.find(order, venue.other_access) is not None

    @needs(Subject.IDEMPOTENT)
    async def test_the_same_client_id_is_never_executed_twice_nor_called_refused(
        self, venue: Harness
    ) -> None:
        order = await venue.marked(venue.order())
        first = accepted(await venue.submit(order))
        again = await venue.submit(order)
        assert isinstance(again, Accepted | Unknown)
        if isinstance(again, Accepted):
            assert again.order.venue_order_id == first.venue_order_id
        assert await venue.executions(order.client_order_id) == 1

    @needs(Subject.IDEMPOTENT)
    async def test_simultaneous_orders_of_one_client_id_are_executed_once(self, venue: Harness) -> None:
        order = await venue.marked(venue.order())
        outcomes = await asyncio.gather(*(venue.submit(order) for _ in range(5)))
        assert any(isinstance(outcome, Accepted) for outcome in outcomes)
        assert not any(isinstance(outcome, Refused | NotSent) for outcome in outcomes)
        assert await venue.executions(order.client_order_id) == 1

    async def test_a_venue_that_hangs_can_be_given_up_and_asked_again(self, venue: Harness) -> None:
        await venue.enter(9)
        order = await venue.marked(venue.order())
        venue.fault(Fault.HANG, RequestKind.ORDER)
        sending = asyncio.create_task(venue.submit(order))
        async with asyncio.timeout(30):
            # No event of ours tells that the venue has the order.
            while not await venue.executions(order.client_order_id):  # noqa: ASYNC110
                await asyncio.sleep(0.005)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        venue.heal()
        assert (await venue.shown(order)).state is OrderState.FILLED
        assert await venue.executions(order.client_order_id) == 1
        await venue.enter(2, side=Side.SELL, reduce_only=True)


def _forbid() -> None:
    raise LostClaim("too late")
