"""OANDA's reasons, each with a code of ours and a sentence that says what to do."""

from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal

import pytest

from sparky.domain.answers import Unknown
from sparky.domain.identifiers import ClientOrderId
from sparky.domain.orders import ExitKind, ExitLeg, OrderState, OrderType, TimeInForce
from sparky.venues.oanda.client import Answer
from sparky.venues.oanda.errors import is_duplicate, refused
from sparky.venues.oanda.parse import read_submission
from tests.venues.fakes.oanda.harness import OandaHarness
from tests.venues.fakes.server import Fault, RequestKind
from tests.venues.harness import accepted, says_what_to_do
from tests.venues.harness import refused as is_refused


@pytest.fixture
async def venue() -> AsyncIterator[OandaHarness]:
    async with OandaHarness.open() as harness:
        yield harness


def stop(venue: OandaHarness, percent: int) -> ExitLeg:
    return venue.leg(ExitKind.STOP_LOSS, 11, percent)


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("INSUFFICIENT_MARGIN", "insufficient_funds"),
        ("MARKET_HALTED", "market_closed"),
        ("INSTRUMENT_BID_HALTED", "market_closed"),
        ("UNITS_MIMIMUM_NOT_MET", "below_minimum"),
        ("UNITS_MINIMUM_NOT_MET", "below_minimum"),
        ("UNITS_LIMIT_EXCEEDED", "above_maximum"),
        ("POSITION_SIZE_EXCEEDED", "above_maximum"),
        ("OPEN_TRADES_ALLOWED_EXCEEDED", "above_maximum"),
        ("PENDING_ORDERS_ALLOWED_EXCEEDED", "above_maximum"),
        ("ACCOUNT_POSITION_VALUE_LIMIT_EXCEEDED", "above_maximum"),
        ("PRICE_PRECISION_EXCEEDED", "invalid_price"),
        ("STOP_LOSS_ON_FILL_PRICE_PRECISION_EXCEEDED", "invalid_price"),
        ("TRAILING_STOP_LOSS_ON_FILL_PRICE_DISTANCE_MINIMUM_NOT_MET", "invalid_price"),
        ("STOP_LOSS_ON_FILL_LOSS", "invalid_price"),
        ("LOSING_TAKE_PROFIT", "invalid_price"),
        ("BOUNDS_VIOLATION", "invalid_price"),
        ("INSTRUMENT_NOT_TRADEABLE", "unknown_symbol"),
        ("CLOSEOUT_POSITION_DOESNT_EXIST", "no_position"),
        ("FIFO_VIOLATION", "venue_refused"),
        ("ACCOUNT_LOCKED", "venue_refused"),
        ("INSUFFICIENT_LIQUIDITY", "venue_refused"),
        ("INSTRUMENT_ASK_REDUCE_ONLY", "venue_refused"),
        ("A_CODE_OF_NEXT_YEAR", "venue_refused"),
    ],
)
def test_a_code_has_our_reason_and_is_kept(code: str, reason: str) -> None:
    no = refused(code)
    assert (no.reason_code, no.venue_code, no.try_again) == (reason, code, False)
    assert code in no.reason
    says_what_to_do(no.reason)


def test_a_fault_of_oandas_own_may_be_tried_again() -> None:
    assert refused("INTERNAL_SERVER_ERROR").try_again


def test_the_words_of_oanda_are_kept_and_cut() -> None:
    no = refused(None, "Invalid value specified for 'order.units'" + "!" * 400)
    assert "Invalid value specified for 'order.units'" in no.reason
    assert len(no.reason) < 500


def test_an_exit_that_exists_already_tells_that_the_entry_does() -> None:
    assert is_duplicate("TAKE_PROFIT_ON_FILL_CLIENT_ORDER_ID_ALREADY_EXISTS")
    assert not is_duplicate("TAKE_PROFIT_ORDER_ALREADY_EXISTS")
    assert not is_duplicate(None)


async def test_created_and_cancelled_in_one_answer_is_refused_with_the_reason(venue: OandaHarness) -> None:
    venue.ledger.stop_next = "FIFO_VIOLATION"
    order = await venue.marked(venue.order())
    no = is_refused(await venue.submit(order), "venue_refused")
    assert no.venue_code == "FIFO_VIOLATION"
    shown = await venue.shown(order)
    assert (shown.state, shown.reason_code) == (OrderState.REFUSED, "venue_refused")
    assert not shown.filled_quantity
    assert shown.reason == no.reason


async def test_an_order_that_expires_at_once_was_taken_and_not_refused(venue: OandaHarness) -> None:
    order = venue.resting(1, time_in_force=TimeInForce.IOC)
    assert accepted(await venue.submit(order)).state is OrderState.EXPIRED


async def test_a_price_beyond_the_market_is_refused_by_oanda_in_words(venue: OandaHarness) -> None:
    order = venue.order(1, order_type=OrderType.LIMIT, limit_price=venue.price)
    wrong = replace(order, exits=(stop(venue, 3),))
    assert is_refused(await venue.submit(wrong), "invalid_price").venue_code == "STOP_LOSS_ON_FILL_LOSS"


async def test_an_entry_sent_twice_with_its_exits_is_looked_up_and_never_refused(venue: OandaHarness) -> None:
    order = await venue.marked(venue.order(1, exits=(stop(venue, -3),)))
    accepted(await venue.submit(order))
    assert isinstance(await venue.submit(order), Unknown)
    assert (await venue.shown(order)).state is OrderState.FILLED
    assert await venue.executions(order.client_order_id) == 1


async def test_a_pending_order_sent_twice_is_looked_up_and_never_refused(venue: OandaHarness) -> None:
    order = await venue.marked(venue.resting())
    accepted(await venue.submit(order))
    assert isinstance(await venue.submit(order), Unknown)
    assert (await venue.shown(order)).state is OrderState.WORKING


async def test_a_rejection_whose_answer_is_lost_is_found_as_refused(venue: OandaHarness) -> None:
    # An instrument that OANDA stops listing between the question and the order.
    await venue.adapter.rules(venue.access, "XAU_USD")
    order = await venue.marked(venue.order(1, symbol="XAU_USD", quantity=Decimal(1)))
    venue.server.unlisted.add("XAU_USD")
    venue.fault(Fault.DROP_REPLY, RequestKind.ORDER)
    assert isinstance(await venue.submit(order), Unknown)
    shown = await venue.shown(order)
    assert (shown.state, shown.reason_code) == (OrderState.REFUSED, "unknown_symbol")
    assert await venue.executions(order.client_order_id) == 0


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"orderCreateTransaction": {"id": "7", "type": "MARKET_ORDER"}},
        {"orderFillTransaction": {"id": "8"}},
        {
            "orderCreateTransaction": {
                "id": "7",
                "instrument": "EUR_USD",
                "units": "100",
                "clientExtensions": {"id": "another"},
            }
        },
        {
            "orderCreateTransaction": {
                "id": "7",
                "instrument": "EUR_USD",
                "units": "1e3",
                "clientExtensions": {"id": "mine"},
            }
        },
        {
            "orderCreateTransaction": {
                "id": "7",
                "instrument": "EUR_USD",
                "units": "100",
                "clientExtensions": {"id": "mine"},
            },
            "orderFillTransaction": {"id": "8", "orderID": "7", "units": "0", "instrument": "EUR_USD"},
        },
    ],
)
def test_an_answer_that_is_not_understood_is_unknown(body: dict[str, object]) -> None:
    assert isinstance(read_submission(Answer(201, body), ClientOrderId("mine"), "USD"), Unknown)
