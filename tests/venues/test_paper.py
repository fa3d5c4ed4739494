"""The paper venue on its real book."""

import asyncio
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from sparky.domain.answers import NotSent, Refused
from sparky.domain.errors import VenueUnavailable
from sparky.domain.identifiers import ClientOrderId
from sparky.domain.orders import (
    ExitKind,
    ExitLeg,
    ExitRequest,
    OrderType,
    PositionSide,
    Side,
    SpreadLeg,
)
from sparky.venues.paper.adapter import PaperAdapter
from sparky.venues.paper.client import PaperClient
from tests.unit.runtime.virtual_seams import VirtualTime
from tests.venues.conformance import VenueConformance, accepted
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
        {"order_type": OrderType.LIMIT, "limit_price": Decimal(90)},
        {"order_type": OrderType.STOP, "stop_price": Decimal(110)},
        {"exits": (TAKE_PROFIT,)},
        {"legs": (SpreadLeg(symbol="AAPL260417C00200000", side=Side.BUY, ratio=1),)},
        {"extended_hours": True},
    ],
    ids=["limit", "stop", "exits", "options", "extended hours"],
)
async def test_what_the_book_does_not_know_is_refused_before_anything_leaves(
    venue: PaperHarness, change: dict[str, Any]
) -> None:
    outcome = await venue.submit(venue.order(**change))
    assert isinstance(outcome, Refused)
    assert outcome.reason_code == "not_supported"
    assert outcome.reason.endswith(".")
    assert await venue.executions(venue.order().client_order_id) == 0


async def test_exits_are_refused_one_by_one(venue: PaperHarness) -> None:
    request = ExitRequest(
        symbol=venue.symbol, side=PositionSide.LONG, quantity=venue.quantity, exits=(TAKE_PROFIT,)
    )
    outcomes = await venue.adapter.place_exits(venue.access, request, lambda: None)
    assert [type(outcome) for outcome in outcomes] == [Refused]


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


async def test_without_any_price_an_order_is_refused_with_what_to_do(venue: PaperHarness) -> None:
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
    class Feed:
        price_now: Decimal | None = Decimal(120)

        async def price(self, symbol: str) -> Decimal | None:
            if self.price_now == 0:
                raise VenueUnavailable("the price feed did not answer")
            return None if symbol == "OTHER" else self.price_now

    feed = Feed()
    adapter = PaperAdapter(PaperClient(venue.book), venue.time, feed=feed)
    outcome = await adapter.submit(venue.access, venue.order(1), lambda: None)
    assert accepted(outcome).average_price == Decimal(120)
    outcome = await adapter.submit(venue.access, venue.order(2, symbol="OTHER"), lambda: None)
    assert accepted(outcome).average_price == Decimal(100)
    feed.price_now = Decimal(0)
    assert isinstance(await adapter.submit(venue.access, venue.order(3), lambda: None), NotSent)
