"""Cases about every fault at every write: how it ends, and that nothing is executed a second time."""

import asyncio
import random
from collections.abc import Mapping
from typing import Final

import pytest

from sparky.domain.answers import Accepted, NotSent, Outcome, OutcomeKind, Refused, Unknown
from sparky.domain.orders import ExitKind, OrderRequest, OrderState, PositionSide, Side
from sparky.venues.base import VenueAdapter
from tests.venues.conformance_reading import settle
from tests.venues.fakes.server import Fault, RequestKind
from tests.venues.harness import Harness, accepted, allow, says_what_to_do
from tests.venues.subjects import Subject, needs

_UNKNOWN: Final = frozenset({OutcomeKind.UNKNOWN})
_NO: Final = frozenset({OutcomeKind.REFUSED, OutcomeKind.NOT_SENT})

ENDS: Final[Mapping[Fault, frozenset[OutcomeKind]]] = {
    Fault.DOWN: frozenset({OutcomeKind.NOT_SENT}),
    Fault.DROP_REQUEST: _UNKNOWN,
    Fault.DROP_REPLY: _UNKNOWN,
    Fault.DUPLICATE: frozenset({OutcomeKind.ACCEPTED}),
    Fault.DELAY: frozenset({OutcomeKind.ACCEPTED}),
    Fault.LATE: _UNKNOWN,
    Fault.HANG: _UNKNOWN,
    Fault.TOO_MANY: _NO,
    Fault.BANNED: _NO | _UNKNOWN,
    Fault.ERROR_500: _UNKNOWN,
    Fault.ERROR_503: _UNKNOWN,
    Fault.ERROR_503_EXECUTED: _UNKNOWN,
    Fault.HTML: _UNKNOWN,
    Fault.GARBAGE: _UNKNOWN,
    Fault.CUT: _UNKNOWN,
    Fault.EMPTY: _UNKNOWN,
    Fault.NULL: _UNKNOWN,
    Fault.LIST: _UNKNOWN,
    Fault.BARE: _UNKNOWN,
    Fault.REDIRECT: _UNKNOWN,
    Fault.LOST_ROUTE: _UNKNOWN,
    Fault.FIREWALL: _UNKNOWN,
}
"""How a write may end under each fault. A cancel may also be Accepted where a look-up has proved it."""

SEEN: Final[dict[tuple[str, RequestKind, Fault], str]] = {}
"""How it ended, by venue, for the table that pytest prints."""

_SECONDS: Final = 0.02
_OF_THE_DAY: Final = [
    fault
    for fault in Fault
    if fault not in {Fault.HANG, Fault.DUPLICATE, Fault.TOO_MANY, Fault.BANNED, Fault.DELAY}
]
_BAN_OVER: Final = 600.0


class FaultCases:
    """One order, one execution, whatever happens to the request or its answer."""

    @pytest.mark.parametrize("fault", Fault)
    async def test_an_order_under_a_fault_ends_as_it_should_and_is_executed_once(
        self, venue: Harness, fault: Fault
    ) -> None:
        _possible(venue, fault)
        await venue.enter(9)
        order = await venue.marked(venue.order(1))
        adapter = await _arm(venue, fault, RequestKind.ORDER)
        outcome = await adapter.submit(venue.access, order, allow)
        _note(venue, RequestKind.ORDER, fault, outcome)
        assert outcome.kind in ENDS[fault], outcome
        await _over(venue)
        if await _after(venue, order, outcome):
            accepted(await venue.submit(order))
        await venue.market_time()
        assert (await venue.shown(order)).state is OrderState.FILLED
        assert await venue.executions(order.client_order_id) == 1
        assert await venue.side() == (PositionSide.LONG, venue.quantity * 2)

    @needs(Subject.LIMIT)
    @pytest.mark.parametrize("fault", Fault)
    async def test_a_cancel_under_a_fault_ends_as_it_should(self, venue: Harness, fault: Fault) -> None:
        if fault in {Fault.TOO_MANY, Fault.BANNED}:
            venue.require(Subject.RATE_LIMIT)
        order = await venue.marked(venue.resting(1))
        accepted(await venue.submit(order))
        adapter = await _arm(venue, fault, RequestKind.CANCEL)
        outcome = await adapter.cancel(venue.access, venue.ref(order), allow)
        _note(venue, RequestKind.CANCEL, fault, outcome)
        assert outcome.kind in ENDS[fault] | {OutcomeKind.ACCEPTED}, outcome
        await _over(venue)
        if isinstance(outcome, Accepted):
            assert (await venue.shown(order)).state is OrderState.CANCELLED
        accepted(await venue.adapter.cancel(venue.access, venue.ref(order), allow))
        assert (await venue.shown(order)).state is OrderState.CANCELLED
        assert await venue.executions(order.client_order_id) == 1

    @needs(Subject.SEPARATE_EXITS)
    @pytest.mark.parametrize("fault", Fault)
    async def test_an_exit_under_a_fault_ends_as_it_should_and_closes_once(
        self, venue: Harness, fault: Fault
    ) -> None:
        _possible(venue, fault)
        entry = await venue.enter(1)
        leg = venue.leg(ExitKind.STOP_LOSS, 11)
        request = venue.exits(leg, entry=entry)
        adapter = await _arm(venue, fault, RequestKind.EXITS)
        (outcome,) = await adapter.place_exits(venue.access, request, allow)
        _note(venue, RequestKind.EXITS, fault, outcome)
        assert outcome.kind in ENDS[fault], outcome
        await _over(venue)
        if await venue.find_ref(venue.exit_ref(entry, leg)) is None:
            assert not isinstance(outcome, Accepted)
            (again,) = await venue.adapter.place_exits(venue.access, request, allow)
            accepted(again)
        await venue.set_price(venue.at(-7))
        assert await venue.side() is None
        assert list(await venue.adapter.open_orders(venue.access)) == []

    @pytest.mark.parametrize("fault", [Fault.DROP_REPLY, Fault.GARBAGE, Fault.CUT, Fault.ERROR_503_EXECUTED])
    async def test_a_lost_answer_is_unknown_and_the_look_up_finds_the_order(
        self, venue: Harness, fault: Fault
    ) -> None:
        order = await venue.marked(venue.order())
        await venue.adapter.rules(venue.access, venue.symbol)
        venue.fault(fault, RequestKind.ORDER)
        assert isinstance(await venue.submit(order), Unknown)
        venue.heal()
        found = await venue.shown(order)
        assert found.state is OrderState.FILLED
        assert found.filled_quantity == order.quantity

    async def test_of_many_orders_at_once_the_lost_ones_are_found(self, venue: Harness) -> None:
        await venue.adapter.rules(venue.access, venue.symbol)
        orders = [await venue.marked(venue.order(number)) for number in range(1, 7)]
        venue.fault(Fault.DROP_REPLY, RequestKind.ORDER, times=2)
        outcomes = await asyncio.gather(*(venue.submit(order) for order in orders))
        venue.heal()
        assert sorted(outcome.kind for outcome in outcomes) == ["accepted"] * 4 + ["unknown"] * 2
        for order in orders:
            assert (await venue.shown(order)).state is OrderState.FILLED
            assert await venue.executions(order.client_order_id) == 1
        assert await venue.side() == (PositionSide.LONG, venue.quantity * 6)

    @pytest.mark.parametrize("seed", [7])
    async def test_after_a_day_of_faults_the_position_is_what_was_ordered(
        self, venue: Harness, seed: int
    ) -> None:
        chance = random.Random(seed)  # noqa: S311 - it has to replay
        held = 0
        for number in range(1, 9):
            side = chance.choice(list(Side)) if held else Side.BUY
            order = await venue.marked(venue.order(number, side, reduce_only=side is Side.SELL))
            fault = chance.choice(_OF_THE_DAY)
            print(f"seed {seed}: {side} under {fault}")
            venue.fault(fault, chance.choice([RequestKind.ORDER, None]), seconds=_SECONDS)
            await settle()
            outcome = await venue.submit(order)
            await _over(venue)
            if await venue.find(order) is None:
                assert not isinstance(outcome, Accepted)
                accepted(await venue.submit(order))
            assert await venue.executions(order.client_order_id) == 1
            held += 1 if side is Side.BUY else -1
        expected = (PositionSide.LONG, venue.quantity * held) if held else None
        assert await venue.side() == expected

    async def test_a_dropped_request_is_unknown_and_the_look_up_finds_nothing(self, venue: Harness) -> None:
        await venue.enter(9)
        order = await venue.marked(venue.order())
        venue.fault(Fault.DROP_REQUEST, RequestKind.ORDER)
        assert isinstance(await venue.submit(order), Unknown)
        venue.heal()
        assert await venue.find(order) is None
        accepted(await venue.submit(order))
        assert await venue.executions(order.client_order_id) == 1

    @needs(Subject.RATE_LIMIT)
    async def test_an_order_that_was_one_too_many_may_be_sent_again(self, venue: Harness) -> None:
        await venue.enter(9)
        order = await venue.marked(venue.order())
        venue.fault(Fault.TOO_MANY, RequestKind.ORDER)
        outcome = await venue.submit(order)
        assert isinstance(outcome, NotSent) or (isinstance(outcome, Refused) and outcome.try_again), outcome
        assert await venue.executions(order.client_order_id) == 0
        venue.pass_time(_BAN_OVER)
        accepted(await venue.submit(order))
        assert await venue.executions(order.client_order_id) == 1

    @needs(Subject.ATTACHED_EXITS)
    async def test_an_entry_with_exits_whose_answer_is_lost_is_found_with_them(self, venue: Harness) -> None:
        leg = venue.leg(ExitKind.STOP_LOSS, 11)
        entry = await venue.marked(venue.entry_with(leg))
        await venue.adapter.rules(venue.access, venue.symbol)
        venue.fault(Fault.DROP_REPLY, RequestKind.ORDER)
        assert isinstance(await venue.submit(entry), Unknown)
        venue.heal()
        assert (await venue.shown(entry)).state is OrderState.FILLED
        found = await venue.find_ref(venue.exit_ref(entry, leg))
        assert found is not None
        assert not found.state.is_terminal


def faults_need(fault: Fault) -> tuple[Subject, ...]:
    """Return what a venue needs for a fault to have one right ending."""
    if fault is Fault.DUPLICATE:
        return (Subject.REPLAY_SAFE,)
    return (Subject.RATE_LIMIT,) if fault in {Fault.TOO_MANY, Fault.BANNED} else ()


def _possible(venue: Harness, fault: Fault) -> None:
    for subject in faults_need(fault):
        venue.require(subject)


async def _arm(venue: Harness, fault: Fault, at: RequestKind) -> VenueAdapter:
    adapter = venue.adapter
    if fault is Fault.HANG:
        # What is known from earlier answers is asked for before, not within the short patience.
        adapter = venue.impatient
        await adapter.validate(venue.access)
        await adapter.rules(venue.access, venue.symbol)
        await adapter.position(venue.access, venue.symbol)
    venue.fault(fault, at, seconds=_SECONDS)
    await settle()
    return adapter


async def _over(venue: Harness) -> None:
    venue.heal()
    await venue.everything_late()
    venue.pass_time(_BAN_OVER)


def _note(venue: Harness, write: RequestKind, fault: Fault, outcome: Outcome) -> None:
    SEEN[venue.name, write, fault] = outcome.kind.value
    if isinstance(outcome, Refused):
        says_what_to_do(outcome.reason)
        assert outcome.try_again, outcome


async def _after(venue: Harness, order: OrderRequest, outcome: Outcome) -> bool:
    # What the engine does: only what is not there is sent again.
    found = await venue.find(order)
    if isinstance(outcome, Accepted):
        assert found is not None
    if isinstance(outcome, NotSent | Refused):
        assert found is None
    return found is None
