"""Cases about questions: an answer is an answer, and no answer is never taken for one."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import replace
from decimal import Decimal

import pytest

from sparky.domain.answers import KeyCheck, VenueOrder
from sparky.domain.errors import Refusal, UnknownSymbol, VenueUnavailable
from sparky.domain.orders import Side
from tests.venues.fakes.server import Fault, RequestKind
from tests.venues.harness import Harness, accepted, refused, says_what_to_do
from tests.venues.subjects import Subject, needs

_NO_ANSWERS = (
    Fault.DOWN,
    Fault.DROP_REQUEST,
    Fault.DROP_REPLY,
    Fault.CUT,
    Fault.HTML,
    Fault.GARBAGE,
    Fault.ERROR_500,
    Fault.TOO_MANY,
    Fault.BANNED,
    Fault.EMPTY,
    Fault.NULL,
    Fault.REDIRECT,
    Fault.FIREWALL,
)
# The ones that look most like an answer.
_HALVES = (Fault.ERROR_503, Fault.LOST_ROUTE, Fault.LIST, Fault.BARE)
_MINUTE = 60.0


async def settle() -> None:
    """Let resets of connections arrive."""
    for _ in range(10):
        await asyncio.sleep(0)


class ReadingCases:
    """Rules, symbols, what is open, and what is not an answer."""

    async def test_rules_are_of_the_symbol_and_fit_the_order(self, venue: Harness) -> None:
        rules = await venue.adapter.rules(venue.access, venue.symbol)
        assert rules.symbol == venue.symbol
        assert rules.quantity_down(venue.quantity) == venue.quantity
        assert venue.quantity >= rules.smallest_quantity

    @needs(Subject.HTTP)
    async def test_rules_are_not_asked_for_again_at_once(self, venue: Harness) -> None:
        first = await venue.adapter.rules(venue.access, venue.symbol)
        asked = venue.sent(RequestKind.QUESTION)
        assert await venue.adapter.rules(venue.access, venue.symbol) == first
        assert venue.sent(RequestKind.QUESTION) == asked
        venue.pass_time(7 * 86_400)
        await venue.adapter.rules(venue.access, venue.symbol)
        assert venue.sent(RequestKind.QUESTION) > asked

    @needs(Subject.LISTED_SYMBOLS)
    async def test_an_unknown_symbol_is_refused_with_the_nearest(self, venue: Harness) -> None:
        with pytest.raises(UnknownSymbol) as caught:
            await venue.adapter.rules(venue.access, venue.unknown_symbol)
        says_what_to_do(caught.value.reason)
        assert venue.unknown_symbol in caught.value.reason
        assert venue.nearest in caught.value.reason

    @needs(Subject.LISTED_SYMBOLS)
    async def test_an_order_for_an_unknown_symbol_is_refused(self, venue: Harness) -> None:
        order = venue.order(1, symbol=venue.unknown_symbol)
        refused(await venue.submit(order), "unknown_symbol")
        assert await venue.executions(order.client_order_id) == 0

    async def test_without_a_position_nothing_is_open(self, venue: Harness) -> None:
        assert await venue.side() is None
        assert list(await venue.adapter.positions(venue.access)) == []
        assert list(await venue.adapter.open_orders(venue.access)) == []

    async def test_a_position_has_its_entry_price(self, venue: Harness) -> None:
        await venue.enter(1)
        position = await venue.adapter.position(venue.access, venue.symbol)
        assert position is not None
        assert position.symbol == venue.symbol
        assert abs(position.entry_price - venue.price) <= venue.price / 50

    @needs(Subject.LIMIT)
    async def test_open_orders_are_those_that_work(self, venue: Harness) -> None:
        orders = [await venue.marked(venue.resting(number)) for number in (1, 2)]
        for order in orders:
            accepted(await venue.submit(order))
        await venue.enter(3)
        for symbol in (venue.symbol, None):
            shown = await venue.adapter.open_orders(venue.access, symbol)
            assert {one.client_order_id for one in shown} == {one.client_order_id for one in orders}
            assert {(one.symbol, one.side, one.filled_quantity) for one in shown} == {
                (venue.symbol, Side.BUY, Decimal(0))
            }
        assert list(await venue.adapter.open_orders(venue.other_access)) == []

    @needs(Subject.BY_HAND)
    async def test_an_order_placed_by_hand_is_shown_without_a_client_id(self, venue: Harness) -> None:
        order_id = await venue.place_by_hand(Side.BUY, venue.at(-10))
        (shown,) = await venue.adapter.open_orders(venue.access, venue.symbol)
        assert (shown.venue_order_id, shown.client_order_id) == (order_id, None)

    @pytest.mark.parametrize("fault", _NO_ANSWERS)
    async def test_a_question_without_an_answer_is_never_answered_by_us(
        self, venue: Harness, fault: Fault
    ) -> None:
        if fault in venue.speaks:
            pytest.skip(f"{venue.name} may say {fault} and mean it.")
        for name, ask in venue.questions().items():
            venue.fault(fault, times=None)
            await settle()
            with pytest.raises(VenueUnavailable) as caught:
                print(name, "answered", await ask())
            assert str(caught.value), name
            venue.heal()
        venue.pass_time(300)
        assert await venue.side() is None

    @needs(Subject.HTTP)
    @pytest.mark.parametrize("fault", _HALVES)
    async def test_no_question_is_answered_by_half(self, venue: Harness, fault: Fault) -> None:
        if fault in venue.speaks:
            pytest.skip(f"{venue.name} may say {fault} and mean it.")
        assert venue.server is not None
        for name, ask in venue.questions(await venue.enter(1)).items():
            await ask()
            begun = len(venue.server.log)
            whole = _told(await ask())
            for number in range(len(venue.server.log) - begun):
                venue.pass_time(_MINUTE)
                venue.server.arm(fault, after=number, times=None)
                with contextlib.suppress(VenueUnavailable):
                    assert _told(await ask()) == whole, f"{name}, request {number + 1}"
                venue.heal()
                venue.pass_time(_MINUTE)

    @needs(Subject.RATE_LIMIT)
    async def test_too_many_requests_end_and_questions_are_answered_again(self, venue: Harness) -> None:
        await venue.side()
        venue.fault(Fault.TOO_MANY, RequestKind.QUESTION)
        with pytest.raises(VenueUnavailable):
            await venue.side()
        venue.pass_time(120)
        assert await venue.side() is None

    @needs(Subject.BUDGET)
    async def test_an_exit_goes_out_while_questions_wait_for_their_turn(self, venue: Harness) -> None:
        await venue.enter(1)
        await venue.adapter.rules(venue.access, venue.symbol)
        venue.exhaust_reads()
        begun = venue.time.monotonic()
        accepted(await venue.submit(venue.order(2, Side.SELL, reduce_only=True)))
        assert venue.time.monotonic() - begun < 2, "the exit has waited"
        venue.exhaust_reads()
        begun = venue.time.monotonic()
        try:
            await venue.adapter.open_orders(venue.access)
        except VenueUnavailable:
            return
        assert venue.time.monotonic() > begun, "the question has not waited"

    async def test_what_a_venue_cannot_is_refused_in_words(self, venue: Harness) -> None:
        can = venue.adapter.capabilities
        adapter, access, today = venue.adapter, venue.access, venue.time.now().date()
        asked: list[Callable[[], Awaitable[object]]] = []
        if not can.sets_leverage:
            asked.append(lambda: adapter.set_leverage(access, venue.symbol, 2))
        if can.option_legs == 0:
            asked.append(lambda: adapter.expirations(access, venue.symbol))
            asked.append(lambda: adapter.option_chain(access, venue.symbol, today))
        assert asked, "a venue that can everything needs no such case"
        for question in asked:
            with pytest.raises(Refusal) as caught:
                await question()
            assert caught.value.reason_code == "not_supported"
            says_what_to_do(caught.value.reason)

    @needs(Subject.LEVERAGE)
    async def test_leverage_is_set_again_and_again_and_too_much_is_refused(self, venue: Harness) -> None:
        for leverage in (3, 3, 5):
            await venue.adapter.set_leverage(venue.access, venue.symbol, leverage)
        with pytest.raises(Refusal) as caught:
            await venue.adapter.set_leverage(venue.access, venue.symbol, 100_000)
        says_what_to_do(caught.value.reason)
        accepted(await venue.submit(venue.order()))

    @needs(Subject.LEVERAGE)
    async def test_leverage_that_may_not_have_been_set_is_not_called_set(self, venue: Harness) -> None:
        await venue.adapter.rules(venue.access, venue.symbol)
        for fault in (Fault.DROP_REPLY, Fault.GARBAGE, Fault.ERROR_500):
            venue.fault(fault, RequestKind.LEVERAGE)
            with pytest.raises(VenueUnavailable):
                await venue.adapter.set_leverage(venue.access, venue.symbol, 4)


def _told(answer: object) -> object:
    # Fees may come later, and a check of keys may say in a note what it could not ask.
    if isinstance(answer, KeyCheck):
        return replace(answer, notes=())
    if isinstance(answer, VenueOrder):
        return replace(answer, fills=tuple(replace(fill, fee=None) for fill in answer.fills))
    return answer
