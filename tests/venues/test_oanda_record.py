"""Orders found again: directly, in the record, and through the trade they opened."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparky.domain.answers import Unknown
from sparky.domain.errors import VenueUnavailable, WorkOrderError
from sparky.domain.orders import ExitKind, OrderState, Side
from sparky.venues.oanda.history import History, tell, venue_order
from sparky.venues.oanda.record import transaction_number
from tests.unit.runtime.virtual_seams import VirtualTime
from tests.venues.conformance_faults import ENDS
from tests.venues.fakes.oanda.harness import OandaHarness
from tests.venues.fakes.oanda.instruments import PRICES
from tests.venues.fakes.oanda.ledger import Ledger
from tests.venues.fakes.oanda.market import meet
from tests.venues.fakes.server import FakeRequest, FakeResponse, Fault, RequestKind
from tests.venues.harness import accepted


@pytest.fixture
async def venue() -> AsyncIterator[OandaHarness]:
    async with OandaHarness.open() as harness:
        yield harness


def asked_for(venue: OandaHarness, part: str) -> list[FakeRequest]:
    return [one for one in venue.server.asked(RequestKind.QUESTION) if part in one.path]


@pytest.mark.parametrize("finds_ended", [True, False])
@pytest.mark.parametrize("bookmarked", [True, False])
async def test_a_filled_order_is_found_whether_or_not_oanda_finds_it_by_its_client_id(
    venue: OandaHarness, *, finds_ended: bool, bookmarked: bool
) -> None:
    venue.server.finds_ended = finds_ended
    order = venue.order()
    if bookmarked:
        order = await venue.marked(order)
    accepted(await venue.submit(order))
    found = await venue.adapter.find_order(venue.access, venue.ref(order))
    assert found is not None
    assert (found.state, found.filled_quantity) == (OrderState.FILLED, order.quantity)
    assert bool(asked_for(venue, "sinceid")) is not finds_ended


async def test_an_order_that_was_sent_again_after_a_fault_of_oandas_is_the_one_that_counts(
    venue: OandaHarness,
) -> None:
    order = await venue.marked(venue.order())
    ledger = next(iter(venue.server.ledgers.values()))
    content = {"instrument": "EUR_USD", "units": "1000", "clientExtensions": {"id": order.client_order_id}}
    first, _ = ledger.create("MARKET", content, reason="CLIENT_ORDER")
    ledger.cancel(first, "INTERNAL_SERVER_ERROR")
    # It may be under way once more.
    assert await venue.find(order) is None
    by_number = await venue.adapter.find_order(venue.access, venue.ref(order, first.order_id))
    assert by_number is not None
    assert by_number.state is OrderState.REFUSED
    accepted(await venue.submit(order))
    handle = venue.server.handle

    async def names_the_first(request: FakeRequest) -> FakeResponse:
        path = request.path.replace(f"orders/@{order.client_order_id}", f"orders/{first.order_id}")
        return await handle(replace(request, path=path))

    venue.server.handle = names_the_first  # type: ignore[method-assign]
    found = await venue.shown(order)
    assert (found.state, found.filled_quantity) == (OrderState.FILLED, order.quantity)


async def test_a_clock_that_is_ahead_of_oandas_hides_no_order(venue: OandaHarness) -> None:
    venue.server.finds_ended = False
    await venue.enter(1)
    # A close opens no trade by which it could be found too.
    order = await venue.enter(2, side=Side.SELL, reduce_only=True)
    ahead = replace(venue.ref(order), bookmark=None, sent_at=venue.time.now() + timedelta(seconds=30))
    assert await venue.adapter.find_order(venue.access, ahead) is not None


async def test_a_fill_has_its_own_fee_in_the_currency_of_the_account(venue: OandaHarness) -> None:
    order = await venue.enter(1)
    (fill,) = (await venue.shown(order)).fills
    (booked,) = venue.ledger.executions
    assert (fill.venue_fill_id, fill.fee, fill.fee_currency) == (booked.execution_id, booked.fee, "USD")
    assert fill.fee is not None
    assert fill.fee > 0


async def test_the_record_is_read_over_its_pages(venue: OandaHarness) -> None:
    venue.server.page = 3
    venue.server.finds_ended = False
    first = await venue.marked(venue.order(1))
    for number in range(2, 7):
        await venue.enter(number)
    accepted(await venue.submit(first))
    assert (await venue.shown(first)).state is OrderState.FILLED
    assert len(asked_for(venue, "sinceid")) > 3


async def test_a_record_that_does_not_go_on_is_no_proof_of_absence(venue: OandaHarness) -> None:
    order = await venue.marked(venue.order())
    await venue.enter(2)
    venue.server.page = 1
    venue.server.repeats_page = True
    with pytest.raises(VenueUnavailable, match="to its end"):
        await venue.adapter.find_order(venue.access, venue.ref(order))


@pytest.mark.parametrize("text", ["9" * 5000, "", "-1", "1.5", "\u0663"])
def test_what_is_no_number_of_a_transaction_is_not_understood(text: str) -> None:
    with pytest.raises(WorkOrderError):
        transaction_number(text)


async def test_what_others_write_into_the_record_is_not_read_closely(venue: OandaHarness) -> None:
    venue.server.finds_ended = False
    order = await venue.marked(venue.order())
    venue.ledger.write("ORDER_FILL", units="a lot", orderID="1", clientExtensions=["odd"])
    venue.ledger.write("TRANSFER_FUNDS", amount="100.0")
    accepted(await venue.submit(order))
    assert (await venue.shown(order)).state is OrderState.FILLED


async def test_an_entry_older_than_its_bookmark_is_found_through_its_trade(venue: OandaHarness) -> None:
    order = venue.order()
    accepted(await venue.submit(order))
    venue.pass_time(600)
    again = await venue.marked(order)
    assert isinstance(await venue.submit(again), Unknown)
    found = await venue.adapter.find_order(venue.access, venue.ref(again))
    assert found is not None
    assert (found.state, found.filled_quantity) == (OrderState.FILLED, order.quantity)
    assert asked_for(venue, f"trades/@{order.client_order_id}")
    assert await venue.executions(order.client_order_id) == 1


async def test_an_order_is_asked_for_by_oandas_id_where_it_is_known(venue: OandaHarness) -> None:
    order = await venue.marked(venue.resting())
    told = accepted(await venue.submit(order))
    found = await venue.adapter.find_order(venue.access, venue.ref(order, told.venue_order_id))
    assert found is not None
    assert asked_for(venue, f"orders/{told.venue_order_id}")
    assert not asked_for(venue, "orders/@")


async def test_an_exit_that_its_trade_has_outlived_is_cancelled_and_knows_its_symbol(
    venue: OandaHarness,
) -> None:
    legs = (venue.leg(ExitKind.STOP_LOSS, 11), venue.leg(ExitKind.TAKE_PROFIT, 12))
    entry = await venue.enter(1, exits=legs)
    (stop, target) = [await venue.find_ref(venue.exit_ref(entry, leg)) for leg in legs]
    assert stop is not None
    assert target is not None
    assert (stop.state, stop.side, stop.symbol) == (OrderState.WORKING, Side.SELL, venue.symbol)
    assert stop.quantity == target.quantity == venue.quantity
    await venue.set_price(venue.at(6))
    ended = [await venue.find_ref(venue.exit_ref(entry, leg)) for leg in legs]
    assert [None if one is None else one.state for one in ended] == [OrderState.CANCELLED, OrderState.FILLED]
    assert ended[0] is not None
    assert ended[0].reason == "OANDA ended the order: linked trade closed."
    assert ended[0].quantity == venue.quantity


async def test_open_orders_show_the_exits_of_trades(venue: OandaHarness) -> None:
    leg = venue.leg(ExitKind.TRAILING_STOP, 11)
    await venue.enter(1, side=Side.SELL, exits=(leg,))
    (shown,) = await venue.adapter.open_orders(venue.access, venue.symbol)
    assert (shown.client_order_id, shown.side, shown.quantity) == (
        leg.client_order_id,
        Side.BUY,
        venue.quantity,
    )
    assert list(await venue.adapter.open_orders(venue.access, "USD_JPY")) == []


async def test_executions_come_with_profit_and_financing_and_only_since_the_moment(
    venue: OandaHarness,
) -> None:
    await venue.enter(1)
    venue.pass_time(60)
    since = venue.time.now()
    await venue.set_price(venue.at(2))
    close = await venue.enter(2, side=Side.SELL, reduce_only=True)
    await venue.enter(3, symbol="USD_JPY", quantity=Decimal(1))
    (fill,) = await venue.adapter.fills(venue.access, venue.symbol, since)
    booked = venue.ledger.executions[1]
    assert (fill.side, fill.client_order_id) == (Side.SELL, close.client_order_id)
    assert (fill.realized_pnl, fill.financing, fill.pnl_currency) == (
        booked.realized,
        Decimal("-0.0010"),
        "USD",
    )
    assert fill.realized_pnl is not None
    assert fill.realized_pnl > 0


async def test_a_bookmark_is_kept_from_answers_and_asked_for_only_at_first(venue: OandaHarness) -> None:
    assert await venue.adapter.bookmark(venue.access) == venue.ledger.last
    asked = venue.sent(RequestKind.QUESTION)
    await venue.enter(1)
    now = await venue.adapter.bookmark(venue.access)
    assert now == venue.ledger.last
    assert venue.sent(RequestKind.QUESTION) == asked + 1, "only the instrument was asked for"


async def test_a_cancelled_order_that_is_not_shown_yet_is_cancelled_all_the_same(
    venue: OandaHarness,
) -> None:
    venue.hide_orders(2)
    order = await venue.marked(venue.resting())
    told = accepted(await venue.submit(order))
    assert await venue.adapter.find_order(venue.access, venue.ref(order)) is None
    outcome = await venue.adapter.cancel(venue.access, venue.ref(order, told.venue_order_id), lambda: None)
    assert venue.sent(RequestKind.CANCEL) == 1
    assert isinstance(outcome, Unknown)
    venue.pass_time(5)
    assert (await venue.shown(order)).state is OrderState.CANCELLED


async def test_an_order_that_fills_while_it_is_cancelled_is_told_as_filled(venue: OandaHarness) -> None:
    order = await venue.marked(venue.resting())
    told = accepted(await venue.submit(order))

    def fill_meanwhile() -> None:
        venue.server.set_price(venue.symbol, venue.at(-11))

    outcome = await venue.adapter.cancel(venue.access, venue.ref(order, told.venue_order_id), fill_meanwhile)
    assert accepted(outcome).state is OrderState.FILLED
    assert accepted(outcome).filled_quantity == order.quantity


async def test_a_lost_close_is_found_in_the_record(venue: OandaHarness) -> None:
    await venue.enter(1)
    close = await venue.marked(venue.order(2, Side.SELL, reduce_only=True))
    venue.fault(Fault.DROP_REPLY, RequestKind.ORDER)
    assert isinstance(await venue.submit(close), Unknown)
    assert (await venue.shown(close)).state is OrderState.FILLED
    assert venue.server.asked(RequestKind.ORDER)[-1].json() == {
        "longUnits": "ALL",
        "longClientExtensions": {"id": close.client_order_id},
    }


parts = st.lists(
    st.sampled_from([Decimal("0.1"), Decimal("0.25"), Decimal("0.5"), None]), min_size=1, max_size=5
)


@settings(max_examples=60, deadline=None)
@given(fractions=parts, cancels=st.booleans(), others=st.integers(0, 10))
def test_parts_of_an_order_add_up_whatever_stands_between_them(
    *, fractions: list[Decimal | None], cancels: bool, others: int
) -> None:
    ledger = Ledger("101-004-5838423-001", VirtualTime(), dict(PRICES), Decimal(100_000))
    terms: dict[str, Any] = {
        "instrument": "EUR_USD",
        "units": "1024",
        "price": "1.2",
        "timeInForce": "GTC",
        "positionFill": "DEFAULT",
        "clientExtensions": {"id": "mine"},
    }
    order, _ = ledger.create("LIMIT", terms, reason="CLIENT_ORDER")
    filled = Decimal(0)
    for fraction in fractions:
        order.marks.pop("waits", None)
        ledger.fraction = fraction
        before = order.units
        meet(ledger, order, Decimal("1.1"), first=False)
        filled += before if fraction is None else before * fraction
        for _ in range(others):
            other, _ = ledger.create("MARKET", {**terms, "clientExtensions": {"id": "another"}}, reason="X")
            ledger.fill(other, Decimal(3), Decimal(2), "MARKET_ORDER")
        if fraction is None:
            break
        order = ledger.pending()[-1]
    if cancels and order.state == "PENDING":
        ledger.cancel(order, "CLIENT_REQUEST")
    told = tell([one.body for one in ledger.written], "mine")
    assert isinstance(told, History)
    shown = venue_order(told, Decimal(1024), "USD")
    assert shown.filled_quantity == filled == sum(one.quantity for one in shown.fills)
    assert shown.average_price == Decimal("1.1")
    assert shown.state.is_terminal is (cancels or filled == 1024)
    assert shown.venue_order_id == order.order_id


@pytest.mark.parametrize("fault", Fault)
async def test_a_close_under_a_fault_ends_as_it_should_and_closes_once(
    venue: OandaHarness, fault: Fault
) -> None:
    await venue.enter(1)
    close = await venue.marked(venue.order(2, Side.SELL, reduce_only=True))
    adapter = venue.impatient if fault is Fault.HANG else venue.adapter
    await adapter.rules(venue.access, venue.symbol)
    is_close = RequestKind.ORDER if fault is not Fault.DOWN else None
    venue.fault(fault, is_close, seconds=0.02)
    outcome = await adapter.submit(venue.access, close, lambda: None)
    assert outcome.kind in ENDS[fault], outcome
    venue.heal()
    await venue.everything_late()
    venue.pass_time(60)
    if await venue.find(close) is None:
        accepted(await venue.submit(close))
    assert (await venue.shown(close)).state is OrderState.FILLED
    assert await venue.executions(close.client_order_id) == 1
    assert await venue.side() is None
