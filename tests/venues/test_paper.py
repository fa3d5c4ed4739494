"""The paper venue on its real book."""

import asyncio
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from sparky.domain.answers import NotSent, Refused
from sparky.domain.errors import Refusal, VenueUnavailable
from sparky.domain.identifiers import ClientOrderId
from sparky.domain.orders import (
    ExitKind,
    ExitLeg,
    ExitRequest,
    OrderState,
    PositionSide,
    Side,
    SpreadLeg,
    TimeInForce,
)
from tests.unit.runtime.virtual_seams import VirtualTime
from tests.venues.conformance import VenueConformance, accepted, refused
from tests.venues.fakes.paper import KEY, Ground, PaperHarness
from tests.venues.fakes.server import Fault

TAKE_PROFIT = ExitLeg(client_order_id=ClientOrderId("spX"), kind=ExitKind.TAKE_PROFIT, price=Decimal(120))


@pytest.fixture
def venue(ground: Ground) -> PaperHarness:
    return PaperHarness(ground)


class TestPaper(VenueConformance):
    """The paper venue conforms."""

    harness = PaperHarness

    @pytest.fixture
    def venue(self, ground: Ground) -> PaperHarness:
        return PaperHarness(ground)


async def test_an_order_opens_the_account_that_no_validation_has_opened_yet(venue: PaperHarness) -> None:
    venue.fault(Fault.DROP_REPLY)
    assert isinstance(await venue.submit(venue.order()), NotSent)
    accepted(await venue.submit(venue.order()))


@pytest.mark.parametrize(
    "change",
    [
        {"side": Side.SELL, "reduce_only": True, "exits": (TAKE_PROFIT,)},
        {"legs": (SpreadLeg(symbol="AAPL260417C00200000", side=Side.BUY, ratio=1),)},
        {"extended_hours": True},
    ],
    ids=["exits of a close", "options", "extended hours"],
)
async def test_what_the_book_does_not_know_is_refused_before_anything_leaves(
    venue: PaperHarness, change: dict[str, Any]
) -> None:
    outcome = await venue.submit(venue.order(**change))
    assert isinstance(outcome, Refused)
    assert outcome.reason_code == "not_supported"
    assert outcome.reason.endswith(".")
    assert await venue.executions(venue.order().client_order_id) == 0


async def test_a_trail_of_all_of_the_price_is_refused_in_words(venue: PaperHarness) -> None:
    leg = ExitLeg(
        client_order_id=ClientOrderId("spX"), kind=ExitKind.TRAILING_STOP, trail_percent=Decimal(100)
    )
    await venue.enter(1)
    (placed,) = await venue.adapter.place_exits(venue.access, venue.exits(leg), lambda: None)
    for outcome in (placed, await venue.submit(venue.order(2, exits=(leg,)))):
        assert refused(outcome, "invalid_value").reason.startswith("A trail of 100 %")


async def test_a_price_is_told_by_the_feed_and_executes_what_waits_for_it(venue: PaperHarness) -> None:
    resting = venue.resting()
    accepted(await venue.submit(resting))
    await venue.set_price(venue.at(-11))
    quote = await venue.adapter.quote(venue.access, venue.symbol)
    assert (quote.last, quote.is_delayed) == (Decimal(89), False)
    assert await venue.executed(resting.client_order_id) == Decimal(90)


async def test_without_a_feed_there_is_no_quote_and_the_prices_of_alerts_execute_what_waits(
    ground: Ground,
) -> None:
    venue = PaperHarness(ground, feed=False)
    resting = venue.resting()
    accepted(await venue.submit(resting))
    with pytest.raises(Refusal) as caught:
        await venue.adapter.quote(venue.access, venue.symbol)
    assert caught.value.reason_code == "no_price"
    assert (await venue.shown(resting)).state is OrderState.WORKING
    accepted(await venue.submit(venue.order(2, reference_price=Decimal(89))))
    assert (await venue.shown(resting)).average_price == Decimal(90)


async def test_a_feed_that_does_not_answer_hides_no_order_and_stops_no_exit(venue: PaperHarness) -> None:
    entry = await venue.enter(1)
    accepted(await venue.submit(venue.resting(2)))
    venue.feed.is_down = True
    assert (await venue.shown(venue.resting(2))).state is OrderState.WORKING
    assert len(await venue.adapter.open_orders(venue.access)) == 1
    exits = venue.exits(venue.leg(ExitKind.STOP_LOSS, 11), entry=entry)
    for outcome in await venue.adapter.place_exits(venue.access, exits, lambda: None):
        accepted(outcome)
    assert isinstance(await venue.submit(venue.order(3)), NotSent)


async def test_targets_for_parts_take_their_part_off_the_stop_and_the_last_takes_it_away(
    venue: PaperHarness,
) -> None:
    entry = await venue.enter(1, quantity=Decimal(2))
    stop = venue.leg(ExitKind.STOP_LOSS, 11)
    await place(venue, venue.exits(stop, entry=entry, quantity=Decimal(2)))
    for number, percent in ((12, 5), (13, 10)):
        target = venue.leg(ExitKind.TAKE_PROFIT, number, percent)
        await place(venue, venue.exits(target, entry=entry, quantity=Decimal(1)))
    await venue.set_price(venue.at(6))
    assert await venue.side() == (PositionSide.LONG, Decimal(1))
    left = {one.client_order_id: one.quantity for one in await venue.adapter.open_orders(venue.access)}
    assert left == {venue.client_id(11): Decimal(1), venue.client_id(13): Decimal(1)}
    await venue.set_price(venue.at(11))
    assert await venue.side() is None
    assert list(await venue.adapter.open_orders(venue.access)) == []


async def test_exits_of_one_entry_leave_those_of_another_alone(venue: PaperHarness) -> None:
    for number, percent in ((1, 5), (2, 10)):
        legs = (
            venue.leg(ExitKind.TAKE_PROFIT, number * 10, percent),
            venue.leg(ExitKind.STOP_LOSS, number * 10 + 1),
        )
        accepted(await venue.submit(venue.order(number, exits=legs)))
    await venue.set_price(venue.at(6))
    assert await venue.side() == (PositionSide.LONG, venue.quantity)
    left = [one.client_order_id for one in await venue.adapter.open_orders(venue.access)]
    assert left == [venue.client_id(20), venue.client_id(21)]


async def test_an_order_that_the_book_ends_says_why(venue: PaperHarness) -> None:
    cut = await venue.marked(venue.resting(1, time_in_force=TimeInForce.FOK))
    told = accepted(await venue.submit(cut))
    assert (told.state, told.filled_quantity) == (OrderState.EXPIRED, Decimal(0))
    assert told.reason == "The paper venue has ended the order: it could not be filled at once."


async def place(venue: PaperHarness, request: ExitRequest) -> None:
    for outcome in await venue.adapter.place_exits(venue.access, request, lambda: None):
        accepted(outcome)


async def test_a_cancel_shows_the_order_that_is_filled_and_refuses_one_that_is_not_there(
    venue: PaperHarness,
) -> None:
    sent = accepted(await venue.submit(venue.order()))
    assert accepted(await venue.adapter.cancel(venue.access, venue.ref(venue.order()), lambda: None)) == sent
    outcome = await venue.adapter.cancel(venue.access, venue.ref(venue.order(2)), lambda: None)
    assert isinstance(outcome, Refused)
    venue.fault(Fault.DOWN)
    outcome = await venue.adapter.cancel(venue.access, venue.ref(venue.order()), lambda: None)
    assert isinstance(outcome, NotSent)


async def test_fills_are_those_of_a_symbol_since_a_moment(venue: PaperHarness) -> None:
    sent = [accepted(await venue.submit(venue.order(number))) for number in (1, 2)]
    accepted(await venue.submit(venue.order(3, symbol="OTHER")))
    began = sent[0].fills[0].filled_at
    fills = await venue.adapter.fills(venue.access, venue.symbol, began)
    assert [one.client_order_id for one in fills] == [one.client_order_id for one in sent]
    assert [one.fill for one in fills] == [one.fills[0] for one in sent]
    assert {(one.symbol, one.side) for one in fills} == {(venue.symbol, Side.BUY)}
    later = await venue.adapter.fills(venue.access, venue.symbol, began + timedelta(microseconds=1))
    assert list(later) == list(fills[1:])
    venue.fault(Fault.GARBAGE)
    with pytest.raises(VenueUnavailable):
        await venue.adapter.fills(venue.access, venue.symbol, began)


async def test_without_any_price_an_order_is_refused_with_what_to_do(ground: Ground) -> None:
    venue = PaperHarness(ground, feed=False)
    outcome = await venue.submit(venue.order(reference_price=None))
    assert isinstance(outcome, Refused)
    assert outcome.reason_code == "no_price"
    assert 'Send "price" in the alert' in outcome.reason


async def test_slippage_is_against_the_trader_and_the_fee_is_told(ground: Ground) -> None:
    venue = PaperHarness(ground, slippage_percent="1", fee_percent="0.1")
    bought = accepted(await venue.submit(venue.order(1)))
    sold = accepted(await venue.submit(venue.order(2, Side.SELL)))
    assert (bought.average_price, sold.average_price) == (Decimal(101), Decimal(99))
    assert bought.fills[0].fee == Decimal("0.0505")


async def asleep(time: VirtualTime) -> None:
    async with asyncio.timeout(10):
        # The book is asked in a thread, which no event of ours announces.
        while not time.sleeping:  # noqa: ASYNC110
            await asyncio.sleep(0.005)


async def test_latency_passes_half_before_and_half_after_the_book_has_the_order(ground: Ground) -> None:
    time = VirtualTime()
    venue = PaperHarness(ground, sleeper=time, latency_ms="800")
    sending = asyncio.create_task(venue.submit(venue.order()))
    await asleep(time)
    assert await venue.executions(venue.order().client_order_id) == 0
    await time.advance(0.4)
    await asleep(time)
    assert not sending.done()
    assert await venue.executions(venue.order().client_order_id) == 1
    await time.advance(0.4)
    accepted(await sending)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("starting_balance", "-1"),
        ("latency_ms", "2001"),
        ("fee_percent", "NaN"),
        ("max_leverage", "lots"),
        ("colour", "red"),
    ],
)
async def test_terms_out_of_range_are_named(venue: PaperHarness, field: str, value: str) -> None:
    outcome = await venue.adapter.submit(
        venue.keys(api_key=KEY, **{field: value}), venue.order(), lambda: None
    )
    assert isinstance(outcome, Refused)
    assert field in outcome.reason


async def test_a_price_of_the_feed_beats_that_of_the_alert_and_without_it_nothing_is_sent(
    venue: PaperHarness,
) -> None:
    await venue.set_price(Decimal(120))
    adapter = venue.adapter
    outcome = await adapter.submit(venue.access, venue.order(1), lambda: None)
    assert accepted(outcome).average_price == Decimal(120)
    outcome = await adapter.submit(venue.access, venue.order(2, symbol="OTHER"), lambda: None)
    assert accepted(outcome).average_price == Decimal(100)
    venue.feed.is_down = True
    assert isinstance(await adapter.submit(venue.access, venue.order(3), lambda: None), NotSent)
