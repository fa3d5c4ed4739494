"""Cases about exits: attached to an entry, or placed for an open position."""

from collections.abc import Sequence

import pytest

from sparky.domain.answers import Outcome, Refused
from sparky.domain.orders import (
    ExitKind,
    ExitLeg,
    ExitRequest,
    OrderRequest,
    OrderType,
    PositionSide,
    Side,
)
from sparky.venues.survivors import cancel_survivors
from tests.venues.harness import Harness, accepted, allow, refused
from tests.venues.subjects import Subject, needs

_PAIR = (ExitKind.TAKE_PROFIT, ExitKind.STOP_LOSS)


async def place(venue: Harness, request: ExitRequest) -> Sequence[Outcome]:
    """Place exits; there has to be one outcome for each."""
    outcomes = await venue.adapter.place_exits(venue.access, request, allow)
    assert len(outcomes) == len(request.exits)
    return outcomes


class ExitCases:
    """An exit closes, once, and never opens anything."""

    @needs(Subject.ATTACHED_EXITS)
    async def test_attached_exits_work_once_the_entry_has_filled(self, venue: Harness) -> None:
        entry = await _enter_with_exits(venue)
        assert await venue.side() == (PositionSide.LONG, venue.quantity)
        for leg in entry.exits:
            found = await venue.find_ref(venue.exit_ref(entry, leg))
            assert found is not None, leg.kind
            assert not found.state.is_terminal, found
        assert await venue.executions(entry.client_order_id) == 1

    @needs(Subject.ATTACHED_EXITS)
    @pytest.mark.parametrize("kind", _PAIR)
    async def test_an_attached_exit_that_fires_closes_and_takes_the_other_away(
        self, venue: Harness, kind: ExitKind
    ) -> None:
        entry = await _enter_with_exits(venue)
        assert kind in {leg.kind for leg in entry.exits}
        await venue.set_price(venue.at(7 if kind is ExitKind.TAKE_PROFIT else -7))
        assert await venue.side() is None
        await _others_end(venue, entry, entry.exits, kind)
        await venue.set_price(venue.at(-7 if kind is ExitKind.TAKE_PROFIT else 7))
        assert await venue.side() is None

    @needs(Subject.ATTACHED_EXITS)
    async def test_attached_exits_of_a_position_that_is_gone_never_open(self, venue: Harness) -> None:
        await _enter_with_exits(venue)
        await venue.enter(2, side=Side.SELL, reduce_only=True)
        assert await venue.side() is None
        for percent in (-7, 7):
            await venue.set_price(venue.at(percent))
            assert await venue.side() is None, percent

    @needs(Subject.ATTACHED_EXITS, Subject.LIMIT)
    async def test_exits_of_an_entry_that_is_cancelled_go_with_it(self, venue: Harness) -> None:
        kinds = venue.adapter.capabilities.attached_exits.get(OrderType.LIMIT, frozenset())
        assert kinds, "attached exits on limit entries are the least that a venue has"
        legs = tuple(_leg(venue, kind, number) for number, kind in enumerate(sorted(kinds & {*_PAIR}), 11))
        entry = await venue.marked(venue.resting(1, exits=legs))
        accepted(await venue.submit(entry))
        accepted(await venue.adapter.cancel(venue.access, venue.ref(entry), allow))
        assert list(await venue.adapter.open_orders(venue.access)) == []
        await venue.set_price(venue.at(-30))
        assert await venue.side() is None

    @pytest.mark.parametrize("kind", ExitKind)
    async def test_an_exit_kind_is_attached_or_refused_with_the_nearest(
        self, venue: Harness, kind: ExitKind
    ) -> None:
        can = venue.adapter.capabilities.attached_exits.get(OrderType.MARKET, frozenset())
        order = await venue.marked(venue.order(1, exits=(venue.leg(kind, 11),)))
        outcome = await venue.submit(order)
        if kind in can:
            accepted(outcome)
        else:
            refused(outcome, "not_supported")
            assert await venue.executions(order.client_order_id) == 0

    @pytest.mark.parametrize("kind", ExitKind)
    async def test_an_exit_is_placed_for_a_position_or_refused_with_the_nearest(
        self, venue: Harness, kind: ExitKind
    ) -> None:
        entry = await venue.enter(1)
        leg = venue.leg(kind, 11)
        (outcome,) = await place(venue, venue.exits(leg, entry=entry))
        if kind not in venue.kinds:
            refused(outcome, "not_supported")
            return
        accepted(outcome)
        found = await venue.find_ref(venue.exit_ref(entry, leg))
        assert found is not None
        assert not found.state.is_terminal
        assert await venue.side() == (PositionSide.LONG, venue.quantity)

    @needs(Subject.SEPARATE_EXITS)
    @pytest.mark.parametrize("kind", _PAIR)
    async def test_a_separate_exit_that_fires_closes_and_the_other_can_be_taken_away(
        self, venue: Harness, kind: ExitKind
    ) -> None:
        entry = await venue.enter(1)
        legs = _pair(venue)
        for outcome in await place(venue, venue.exits(*legs, entry=entry)):
            accepted(outcome)
        await venue.set_price(venue.at(7 if kind is ExitKind.TAKE_PROFIT else -7))
        assert await venue.side() is None
        await _others_end(venue, entry, legs, kind)
        await venue.set_price(venue.at(-7 if kind is ExitKind.TAKE_PROFIT else 7))
        assert await venue.side() is None

    @needs(Subject.SEPARATE_EXITS)
    async def test_exits_without_the_entry_bind_to_the_position(self, venue: Harness) -> None:
        await venue.enter(1)
        (outcome,) = await place(venue, venue.exits(venue.leg(ExitKind.STOP_LOSS, 11)))
        accepted(outcome)
        await venue.set_price(venue.at(-7))
        assert await venue.side() is None

    @needs(Subject.SEPARATE_EXITS)
    async def test_an_exit_of_a_part_closes_that_part_or_is_refused(self, venue: Harness) -> None:
        entry = await venue.enter(1, quantity=venue.quantity * 2)
        request = venue.exits(venue.leg(ExitKind.STOP_LOSS, 11), entry=entry, quantity=venue.quantity)
        (outcome,) = await place(venue, request)
        if isinstance(outcome, Refused):
            refused(outcome, "not_supported")
            return
        accepted(outcome)
        await venue.set_price(venue.at(-7))
        assert await venue.side() == (PositionSide.LONG, venue.quantity)

    @needs(Subject.SEPARATE_EXITS)
    async def test_targets_for_parts_stand_beside_a_stop_or_are_refused(self, venue: Harness) -> None:
        both = venue.quantity * 2
        entry = await venue.enter(1, quantity=both)
        stop = venue.leg(ExitKind.STOP_LOSS, 11)
        (outcome,) = await place(venue, venue.exits(stop, entry=entry, quantity=both))
        accepted(outcome)
        targets = (venue.leg(ExitKind.TAKE_PROFIT, 12, 5), venue.leg(ExitKind.TAKE_PROFIT, 13, 9))
        outcomes = await place(venue, venue.exits(*targets, entry=entry, quantity=venue.quantity))
        if not venue.adapter.capabilities.several_targets:
            for outcome in outcomes:
                refused(outcome, "not_supported")
            return
        for outcome in outcomes:
            accepted(outcome)
        await venue.set_price(venue.at(7))
        assert await venue.side() == (PositionSide.LONG, venue.quantity)
        await venue.set_price(venue.at(11))
        assert await venue.side() is None
        if not venue.adapter.capabilities.cancels_siblings:
            refs = [venue.exit_ref(entry, leg) for leg in (stop, *targets)]
            await cancel_survivors(venue.adapter, venue.access, refs, allow)
        await venue.set_price(venue.at(-7))
        assert await venue.side() is None

    @needs(Subject.SEPARATE_EXITS)
    async def test_exits_of_a_position_that_is_gone_never_open(self, venue: Harness) -> None:
        entry = await venue.enter(1)
        legs = _pair(venue)
        await place(venue, venue.exits(*legs, entry=entry))
        await venue.enter(2, side=Side.SELL, reduce_only=True)
        assert await venue.side() is None
        for percent in (-7, 7):
            await venue.set_price(venue.at(percent))
            assert await venue.side() is None, percent

    @needs(Subject.SEPARATE_EXITS)
    async def test_an_exit_for_nothing_never_opens(self, venue: Harness) -> None:
        (outcome,) = await place(venue, venue.exits(venue.leg(ExitKind.STOP_LOSS, 11)))
        if isinstance(outcome, Refused):
            refused(outcome)
        await venue.set_price(venue.at(-7))
        assert await venue.side() is None

    @needs(Subject.SEPARATE_EXITS, Subject.SHORT)
    async def test_exits_close_a_short_position_too(self, venue: Harness) -> None:
        entry = await venue.enter(1, side=Side.SELL)
        leg = ExitLeg(client_order_id=venue.client_id(11), kind=ExitKind.STOP_LOSS, price=venue.at(5))
        (outcome,) = await place(venue, venue.exits(leg, entry=entry, side=PositionSide.SHORT))
        accepted(outcome)
        await venue.set_price(venue.at(7))
        assert await venue.side() is None

    @needs(Subject.TRAILING_STOP)
    async def test_a_trailing_stop_follows_the_price_and_never_back(self, venue: Harness) -> None:
        entry = await venue.enter(1)
        leg = venue.leg(ExitKind.TRAILING_STOP, 11, 5)
        (outcome,) = await place(venue, venue.exits(leg, entry=entry))
        accepted(outcome)
        for percent in (4, 10, 6):
            await venue.set_price(venue.at(percent))
            assert await venue.side() == (PositionSide.LONG, venue.quantity), percent
        await venue.set_price(venue.at(3))
        assert await venue.side() is None


def _leg(venue: Harness, kind: ExitKind, number: int) -> ExitLeg:
    # Far enough from a resting entry, ten per cent below the market.
    return venue.leg(kind, number, 5 if kind is ExitKind.TAKE_PROFIT else -20)


def _pair(venue: Harness) -> tuple[ExitLeg, ...]:
    kinds = [kind for kind in _PAIR if kind in venue.kinds]
    return tuple(venue.leg(kind, number) for number, kind in enumerate(kinds, 11))


async def _enter_with_exits(venue: Harness) -> OrderRequest:
    kinds = venue.adapter.capabilities.attached_exits[venue.entry_with().order_type]
    legs = [venue.leg(kind, number) for number, kind in enumerate(_PAIR, 11) if kind in kinds]
    entry = await venue.marked(venue.entry_with(*legs))
    accepted(await venue.submit(entry))
    await venue.market_time()
    return entry


async def _others_end(venue: Harness, entry: OrderRequest, legs: Sequence[ExitLeg], fired: ExitKind) -> None:
    refs = {leg.kind: venue.exit_ref(entry, leg) for leg in legs}
    if not venue.adapter.capabilities.cancels_siblings:
        await cancel_survivors(venue.adapter, venue.access, list(refs.values()), allow)
    for kind, ref in refs.items():
        found = await venue.find_ref(ref)
        assert found is None or found.state.is_terminal, found
        assert kind is fired or found is None or found.filled_quantity == 0, found
    assert list(await venue.adapter.open_orders(venue.access)) == []
