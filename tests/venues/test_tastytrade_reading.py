"""What tastytrade says, in our types: instruments, symbols, chains, money, orders as it has shown them."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparky.domain.errors import UnknownSymbol, VenueUnavailable, WorkOrderError
from sparky.domain.options import OptionSymbol, Right
from sparky.domain.orders import OrderState, PositionSide, Side
from sparky.domain.symbols import canonical
from sparky.venues.tastytrade.order_parse import read_order
from sparky.venues.tastytrade.parse import read_balance, read_positions
from sparky.venues.tastytrade.symbols import InstrumentType, to_ours, to_venue
from sparky.venues.tastytrade.transactions import read_trades
from tests.venues.fakes.messages import FakeRequest, FakeResponse
from tests.venues.fakes.tastytrade.harness import TastytradeHarness
from tests.venues.harness import says_what_to_do

# An order as the sandbox has shown it, with its numbers changed.
_CANCELLED: dict[str, Any] = {
    "id": 1049327,
    "account-number": "5XX00000",
    "cancelled-at": "2026-06-05T17:10:57.543+00:00",
    "complex-order-id": 56069,
    "complex-order-tag": "OCO::order",
    "order-type": "Stop",
    "received-at": "2026-06-05T17:10:56.279+00:00",
    "size": 1,
    "status": "Cancelled",
    "stop-trigger": "150.0",
    "time-in-force": "GTC",
    "underlying-instrument-type": "Equity",
    "underlying-symbol": "AAPL",
    "updated-at": 1780679457553,
    "legs": [
        {
            "action": "Sell to Close",
            "instrument-type": "Equity",
            "quantity": 1,
            "remaining-quantity": 1,
            "symbol": "AAPL",
            "fills": [],
        }
    ],
}
_FILL: dict[str, Any] = {
    "ext-group-fill-id": "0",
    "ext-exec-id": "1122",
    "fill-id": "24_TW::A",
    "quantity": 60,
    "fill-price": "100.0",
    "filled-at": "2023-07-05T19:07:32.496+00:00",
}


@pytest.fixture
async def venue() -> AsyncIterator[TastytradeHarness]:
    async with TastytradeHarness.open() as harness:
        yield harness


def leg(**changes: Any) -> dict[str, Any]:
    return {**_CANCELLED["legs"][0], **changes}


def test_a_cancelled_order_as_the_sandbox_shows_it() -> None:
    read = read_order(_CANCELLED)
    assert read.order.state is OrderState.CANCELLED
    assert (read.order.venue_order_id, read.complex_id) == ("1049327", "56069")
    assert (read.order.symbol, read.order.side, read.order.client_order_id) == ("AAPL", Side.SELL, None)
    assert read.received_at == datetime(2026, 6, 5, 17, 10, 56, 279000, tzinfo=UTC)


@pytest.mark.parametrize(
    ("status", "filled", "state"),
    [
        ("Received", 0, OrderState.ACCEPTED),
        ("Routed", 0, OrderState.ACCEPTED),
        ("In Flight", 0, OrderState.ACCEPTED),
        ("Contingent", 0, OrderState.ACCEPTED),
        ("Live", 0, OrderState.WORKING),
        ("Live", 60, OrderState.PARTIALLY_FILLED),
        ("Cancel Requested", 60, OrderState.PARTIALLY_FILLED),
        ("Replace Requested", 0, OrderState.WORKING),
        ("Filled", 100, OrderState.FILLED),
        ("Filled", 60, OrderState.PARTIALLY_FILLED),
        ("Filled", 0, OrderState.WORKING),
        ("Cancelled", 60, OrderState.CANCELLED),
        ("Expired", 0, OrderState.EXPIRED),
        ("Removed", 0, OrderState.CANCELLED),
        ("Partially Removed", 60, OrderState.CANCELLED),
        ("Dead", 0, OrderState.CANCELLED),
        ("Rejected", 0, OrderState.REFUSED),
    ],
)
def test_every_status_has_a_state(status: str, filled: int, state: OrderState) -> None:
    fills = [{**_FILL, "quantity": filled}] if filled else []
    legs = [leg(quantity=100, **{"remaining-quantity": "0", "fills": fills})]
    order = read_order({**_CANCELLED, "status": status, "legs": legs}).order
    assert (order.state, order.filled_quantity, order.quantity) == (state, Decimal(filled), Decimal(100))


@pytest.mark.parametrize("status", ["Cancelled", "Expired", "Removed"])
def test_an_end_whose_executed_part_has_no_fills_yet_is_not_the_end(status: str) -> None:
    half = [leg(quantity=100, **{"remaining-quantity": "40", "fills": []})]
    order = read_order({**_CANCELLED, "status": status, "legs": half}).order
    assert order.state is OrderState.WORKING
    whole = [leg(quantity=100, **{"remaining-quantity": "40", "fills": [_FILL]})]
    assert read_order({**_CANCELLED, "status": status, "legs": whole}).order.state.is_terminal


def test_the_average_weighs_every_fill() -> None:
    # The exchange's number is one for both: it names no execution.
    fills = [_FILL, {**_FILL, "fill-id": "24_TW::B", "quantity": "40", "fill-price": Decimal("101.5")}]
    order = read_order({**_CANCELLED, "status": "Filled", "legs": [leg(quantity=100, fills=fills)]}).order
    assert order.average_price == Decimal("100.6")
    assert [fill.venue_fill_id for fill in order.fills] == ["1049327/24_TW::A", "1049327/24_TW::B"]


@pytest.mark.parametrize(
    "changes",
    [
        {"status": "Sleeping"},
        {"id": None},
        {"legs": []},
        {"legs": [leg(quantity=0)]},
        {"legs": [leg(quantity=True)]},
        {"legs": [leg(action="Give away")]},
        {"legs": [leg(fills=[{**_FILL, "filled-at": "yesterday"}])]},
        {"legs": [leg(fills=[{**_FILL, "quantity": 0}])]},
        {"received-at": 1780679457553},
    ],
)
def test_an_order_of_another_language_is_not_guessed(changes: dict[str, Any]) -> None:
    with pytest.raises(WorkOrderError):
        read_order({**_CANCELLED, **changes})


def test_fees_are_summed_with_their_signs() -> None:
    trade = {
        "id": 1735820,
        "action": "Sell to Open",
        "clearing-fees": "0.1",
        "clearing-fees-effect": "Debit",
        "commission": "1.0",
        "commission-effect": "Debit",
        "regulatory-fees": "0.02",
        "regulatory-fees-effect": "Credit",
        "proprietary-index-option-fees": "0.0",
        "proprietary-index-option-fees-effect": "None",
        "exec-id": "9221",
        "executed-at": "2026-06-05T13:30:00.707Z",
        "instrument-type": "Equity Option",
        "order-id": 1033431,
        "price": "0.75",
        "quantity": "1.0",
        "symbol": "SMCI  260605C00045000",
        "transaction-type": "Trade",
    }
    deposit = {"id": 2, "transaction-type": "Money Movement", "value": "5"}
    assignment = {**trade, "transaction-type": "Receive Deliver"}
    (read,) = read_trades({"data": {"items": [trade, deposit, assignment]}})
    assert read.fill.fee == Decimal("1.08")
    assert (read.symbol, read.side, read.fill.venue_fill_id) == (
        "SMCI260605C00045000",
        Side.SELL,
        "1033431/9221",
    )
    odd: list[Any] = ["Sideways", [], {}, 1]
    for effect in odd:
        with pytest.raises(WorkOrderError):
            read_trades({"data": {"items": [{**trade, "commission-effect": effect}]}})


def test_money_that_is_owed_is_below_zero_in_either_form_of_the_answer() -> None:
    one = {
        "currency": "USD",
        "cash-balance": "250.5",
        "cash-balance-effect": "Debit",
        "net-liquidating-value": Decimal("1000.25"),
        "derivative-buying-power": 500,
    }
    for data in (one, {"items": [{**one, "currency": "CAD", "cash-balance": "1"}, one]}):
        balance = read_balance({"data": data})
        assert (balance.cash, balance.equity, balance.available) == (
            Decimal("-250.5"),
            Decimal("1000.25"),
            Decimal(500),
        )
    with pytest.raises(WorkOrderError):
        read_balance({"data": {"items": []}})


def test_positions_of_all_kinds_are_told_in_our_symbols() -> None:
    def held(symbol: str, kind: str, quantity: Any, direction: str) -> dict[str, Any]:
        return {
            "symbol": symbol,
            "instrument-type": kind,
            "quantity": quantity,
            "quantity-direction": direction,
            "average-open-price": "178.5",
        }

    items = [
        held("BRK/B", "Equity", "10", "Long"),
        held("AAL   270115C00017000", "Equity Option", 2, "Short"),
        {**held("/ESM6", "Future", "1", "Long"), "average-open-price": f"6000.{'3' * 40}"},
        held("BTC/USD", "Cryptocurrency", "0.5", "Long"),
        held("GONE", "Equity", "0", "Zero"),
    ]
    read = read_positions({"data": {"items": items}})
    assert [(one.symbol, one.side, one.quantity) for one in read] == [
        ("BRK.B", PositionSide.LONG, Decimal(10)),
        ("AAL270115C00017000", PositionSide.SHORT, Decimal(2)),
        ("/ESM6", PositionSide.LONG, Decimal(1)),
        ("BTC/USD", PositionSide.LONG, Decimal("0.5")),
    ]
    with pytest.raises(WorkOrderError):
        read_positions({"data": {"items": [held("AAPL", "Equity", "1", "Sideways")]}})


@pytest.mark.parametrize(
    ("alert", "ours", "theirs", "kind"),
    [
        ("NASDAQ:AAPL", "AAPL", "AAPL", InstrumentType.EQUITY),
        ("BRK/B", "BRK.B", "BRK/B", InstrumentType.EQUITY),
        ("AAPL  260417C00200000", "AAPL260417C00200000", "AAPL  260417C00200000", InstrumentType.OPTION),
        ("ESZ2026", "/ESZ6", "/ESZ6", InstrumentType.FUTURE),
        ("/ESZ6", "/ESZ6", "/ESZ6", InstrumentType.FUTURE),
    ],
)
def test_symbols_of_alerts_become_the_venues_and_come_back(
    alert: str, ours: str, theirs: str, kind: InstrumentType
) -> None:
    assert canonical("tastytrade", alert) == ours
    instrument = to_venue(ours)
    assert instrument is not None
    assert (instrument.symbol, instrument.kind) == (theirs, kind)
    assert to_ours(instrument.symbol, instrument.kind) == ours


@settings(max_examples=50, deadline=None)
@given(
    root=st.from_regex(r"[A-Z]{1,6}", fullmatch=True),
    day=st.dates(date(2024, 1, 1), date(2099, 12, 31)),
    right=st.sampled_from(Right),
    strike=st.decimals(min_value="0.5", max_value="99999", places=3),
)
def test_every_option_comes_back_from_the_venues_spelling(
    root: str, day: date, right: Right, strike: Decimal
) -> None:
    option = OptionSymbol(root=root, expiration=day, right=right, strike=strike)
    instrument = to_venue(option.compact)
    assert instrument is not None
    assert len(instrument.symbol) == 21
    assert to_ours(instrument.symbol, instrument.kind) == option.compact


@pytest.mark.parametrize("symbol", ["EUR_USD", "AAPL CALL", "", "BTC/USD", "aapl", "ABCDEFG", "AAPL?x=1"])
async def test_what_is_no_symbol_here_is_never_asked_for(venue: TastytradeHarness, symbol: str) -> None:
    with pytest.raises(UnknownSymbol) as caught:
        await venue.adapter.rules(venue.access, symbol)
    says_what_to_do(caught.value.reason)
    assert venue.server.log == []


@pytest.mark.parametrize("symbol", ["ES1!", "/ES", "/ES1!", "/ESU9"])
async def test_what_is_no_single_contract_is_refused_with_those_listed(
    venue: TastytradeHarness, symbol: str
) -> None:
    with pytest.raises(UnknownSymbol, match="/ESH6, /ESM6, /ESZ6") as caught:
        await venue.adapter.rules(venue.access, symbol)
    says_what_to_do(caught.value.reason)


@pytest.mark.parametrize(
    ("symbol", "price", "tick"),
    [
        ("AAPL", "200", "0.01"),
        ("PENY", "0.5", "0.0001"),
        ("PENY", "1", "0.01"),
        ("AAPL260417C00200000", "2.99", "0.01"),
        ("AAPL260417C00200000", "3", "0.05"),
        ("/ESZ6", "6000", "0.25"),
    ],
)
async def test_the_tick_follows_the_price(
    venue: TastytradeHarness, symbol: str, price: str, tick: str
) -> None:
    rules = await venue.adapter.rules(venue.access, symbol)
    assert rules.tick_at(Decimal(price)) == Decimal(tick)


async def test_rules_tell_what_may_be_opened_and_what_a_unit_is(venue: TastytradeHarness) -> None:
    share, last, gone, future = [
        await venue.adapter.rules(venue.access, symbol) for symbol in ("BRK.B", "LAST", "GONE", "/ESZ6")
    ]
    assert (share.tradable, share.closing_only, share.multiplier) == (True, False, Decimal(1))
    assert (last.closing_only, gone.tradable, future.multiplier) == (True, False, Decimal(50))


async def test_rules_are_kept_for_a_quarter_of_an_hour(venue: TastytradeHarness) -> None:
    for _ in range(3):
        await venue.adapter.rules(venue.access, "AAPL260417C00200000")
    asked = [one.path for one in venue.server.log if one.path.startswith("/instruments")]
    assert len(asked) == 2
    venue.pass_time(901)
    await venue.adapter.rules(venue.access, "AAPL")
    assert len([one for one in venue.server.log if one.path.startswith("/instruments")]) == 3


async def test_a_chain_without_quotes_is_still_a_chain(venue: TastytradeHarness) -> None:
    handle = venue.server.handle

    async def without_market_data(request: FakeRequest) -> FakeResponse:
        if request.path.startswith("/market-data"):
            return FakeResponse(502, b"<html>Bad Gateway</html>", {"Content-Type": "text/html"})
        return await handle(request)

    venue.server.handle = without_market_data  # type: ignore[method-assign]
    chain = await venue.adapter.option_chain(venue.access, "AAPL", date(2026, 4, 17))
    assert len(chain) == 6
    assert {(one.bid, one.ask) for one in chain} == {(None, None)}


async def test_adjusted_contracts_are_left_out_of_chains(venue: TastytradeHarness) -> None:
    chain = await venue.adapter.option_chain(venue.access, "AAPL", date(2026, 5, 15))
    assert len({one.symbol for one in chain}) == len(chain) == 6


async def test_rules_of_another_language_are_no_answer(venue: TastytradeHarness) -> None:
    handle = venue.server.handle

    async def strange(request: FakeRequest) -> FakeResponse:
        if request.path.startswith("/instruments"):
            body = {"data": {"symbol": "AAPL", "tick-sizes": [{"value": "0"}]}}
            return FakeResponse(200, json.dumps(body).encode(), {"Content-Type": "application/json"})
        return await handle(request)

    venue.server.handle = strange  # type: ignore[method-assign]
    with pytest.raises(VenueUnavailable):
        await venue.adapter.rules(venue.access, "AAPL")
