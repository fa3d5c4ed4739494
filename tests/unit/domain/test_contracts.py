from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from sparky.domain.answers import Quote, VenuePosition
from sparky.domain.contracts import open_contract, option_entry_limit, pick_contract, pick_expiration
from sparky.domain.options import OptionContract, OptionSymbol, Right
from sparky.domain.orders import PositionSide, Side
from sparky.domain.plan import Rejection
from sparky.domain.reasons import Reason
from sparky.domain.rules import InstrumentRules, TickBand
from sparky.domain.work_order import WorkOrder
from tests.unit.domain.work_orders import snapshot, work_order

TODAY = date(2026, 3, 2)
LISTED = [date(2026, 3, 2), date(2026, 3, 6), date(2026, 3, 13), date(2026, 4, 17)]
OPTION_RULES = InstrumentRules(
    symbol="AAPL260417C00200000",
    quantity_step=Decimal(1),
    price_tick=Decimal("0.05"),
    tick_bands=(TickBand(Decimal(3), Decimal("0.01")),),
    multiplier=Decimal(100),
)


def option_alert(settings: dict[str, Any] | None = None, symbol: str = "AAPL", **alert: Any) -> WorkOrder:
    terms = {"quantity": "1", "right": "call", **alert}
    return work_order(exchange="tradier", symbol=symbol, alert=terms, settings=settings or {})


def rejection_of(found: object) -> Rejection:
    assert isinstance(found, Rejection)
    assert found.reason.endswith(".")
    return found


@pytest.mark.parametrize(
    ("alert", "expected"),
    [
        ({"expiration": "2026-03-13"}, "2026-03-13"),
        ({"expiration": "2026-03-02"}, "2026-03-02"),
        ({"dte": 0}, "2026-03-02"),
        ({"dte": 1}, "2026-03-06"),
        ({"dte": 4}, "2026-03-06"),
        ({"dte": 5}, "2026-03-13"),
        ({"dte": 46}, "2026-04-17"),
        ({}, "2026-03-06"),
    ],
)
def test_an_expiration_is_the_one_named_or_the_first_far_enough_ahead(
    alert: dict[str, Any], expected: str
) -> None:
    shuffled = [LISTED[2], LISTED[0], LISTED[3], LISTED[1]]
    assert pick_expiration(option_alert(**alert), shuffled, TODAY) == date.fromisoformat(expected)


@pytest.mark.parametrize(
    ("alert", "listed", "words"),
    [
        ({"expiration": "2026-03-14"}, LISTED, ["expiration 2026-03-14", "nearest is 2026-03-13"]),
        ({"expiration": "2026-02-27"}, LISTED, ["nearest is 2026-03-02"]),
        ({"dte": 47}, LISTED, ["2026-04-17", "dte 47"]),
        ({}, LISTED[:1], ["2026-03-02", "after today"]),
        ({}, [date(2026, 2, 27)], ["no options on AAPL"]),
        ({}, [], ["no options on AAPL"]),
    ],
)
def test_an_expiration_that_is_not_listed_is_rejected_with_the_nearest(
    alert: dict[str, Any], listed: list[date], words: list[str]
) -> None:
    rejection = rejection_of(pick_expiration(option_alert(**alert), listed, TODAY))
    assert rejection.reason_code is Reason.UNKNOWN_SYMBOL
    for word in words:
        assert word in rejection.reason


def contract(strike: str, right: Right = Right.CALL, multiplier: int = 100, **prices: str) -> OptionContract:
    symbol = OptionSymbol(root="AAPL", expiration=LISTED[3], right=right, strike=Decimal(strike))
    return OptionContract(
        symbol=symbol.compact,
        underlying="AAPL",
        expiration=LISTED[3],
        right=right,
        strike=Decimal(strike),
        multiplier=Decimal(multiplier),
        **{name: Decimal(price) for name, price in prices.items()},
    )


CHAIN = [
    contract("195"),
    contract("200"),
    contract("205"),
    contract("197.5", Right.PUT),
    contract("201", multiplier=10),
]


def quoted(bid: str | None = None, ask: str | None = None, last: str | None = None) -> Quote:
    prices = {"bid": bid, "ask": ask, "last": last}
    given: dict[str, Any] = {name: Decimal(text) for name, text in prices.items() if text is not None}
    return Quote(symbol="AAPL", **given)


@pytest.mark.parametrize(
    ("alert", "underlying", "tolerance", "strike"),
    [
        ({}, quoted("201.9", "202.1"), "1", "200"),
        ({}, quoted("202.9", "203.1"), "1", "205"),
        # Of two equally near ones the lower.
        ({}, quoted("202.4", "202.6"), "1", "200"),
        ({}, quoted(last="199"), "1", "200"),
        ({}, quoted(ask="300"), "1", "205"),
        ({"strike": "200"}, quoted("1", "2"), "0", "200"),
        ({"strike": "201"}, quoted("1", "2"), "1", "200"),
        ({"strike": "202"}, quoted("1", "2"), "1", "200"),
        ({"strike": "199.5", "right": "put"}, quoted("1", "2"), "1.5", "197.5"),
    ],
)
def test_the_strike_is_the_nearest_within_the_tolerance_or_at_the_money(
    alert: dict[str, Any], underlying: Quote, tolerance: str, strike: str
) -> None:
    order = option_alert(settings={"strike_tolerance_percent": tolerance}, **alert)
    found = pick_contract(order, CHAIN, underlying)
    assert isinstance(found, OptionContract)
    assert (found.strike, found.right) == (Decimal(strike), order.alert.right)
    assert found.multiplier == 100


def test_a_strike_beyond_the_tolerance_is_rejected_with_the_nearest() -> None:
    order = option_alert(settings={"strike_tolerance_percent": "0.5"}, strike="202")
    rejection = rejection_of(pick_contract(order, CHAIN, quoted("200", "200")))
    assert rejection.reason_code is Reason.UNKNOWN_SYMBOL
    assert "strike 202 has 200" in rejection.reason
    assert "strike_tolerance_percent 0.5" in rejection.reason


def test_a_chain_without_a_standard_contract_of_the_right_is_rejected() -> None:
    odd = [contract("201", multiplier=10), contract("200", Right.PUT)]
    rejection = rejection_of(pick_contract(option_alert(), odd, quoted("200", "200")))
    assert "no call on AAPL" in rejection.reason


@pytest.mark.parametrize(
    ("ask", "offset", "expected"),
    [
        ("2.00", "1", "2.02"),
        ("2.00", "0", "2.00"),
        ("2.001", "0", "2.01"),
        # Up to the tick of the band in which it lands.
        ("2.99", "1", "3.05"),
        ("10.00", "0.3", "10.05"),
    ],
)
def test_an_option_is_bought_at_most_at_the_ask_and_the_offset(ask: str, offset: str, expected: str) -> None:
    order = option_alert(settings={"entry_limit_offset_percent": offset})
    seen = snapshot(rules=OPTION_RULES, quote=quoted("1", ask))
    assert option_entry_limit(order, seen, Side.BUY) == Decimal(expected)
    listed = snapshot(rules=OPTION_RULES, contract=contract("200", bid="1", ask=ask))
    assert option_entry_limit(order, listed, Side.BUY) == Decimal(expected)


def test_an_option_is_sold_to_open_at_least_at_the_bid_less_the_offset() -> None:
    order = option_alert(settings={"entry_limit_offset_percent": "1"})
    seen = snapshot(rules=OPTION_RULES, quote=quoted("2.00", "2.10"))
    assert option_entry_limit(order, seen, Side.SELL) == Decimal("1.98")
    least = snapshot(rules=OPTION_RULES, quote=quoted("0.01", "0.05"))
    assert option_entry_limit(replace(order), least, Side.SELL) == Decimal("0.01")


def test_the_quote_counts_before_the_chain() -> None:
    seen = snapshot(rules=OPTION_RULES, quote=quoted("1", "2"), contract=contract("200", ask="1.5"))
    order = option_alert(settings={"entry_limit_offset_percent": "0"})
    assert option_entry_limit(order, seen, Side.BUY) == Decimal(2)


def test_without_an_ask_there_is_no_price_to_buy_at() -> None:
    seen = snapshot(rules=OPTION_RULES, quote=quoted(bid="1", last="1"), contract=contract("200"))
    rejection = rejection_of(option_entry_limit(option_alert(), seen, Side.BUY))
    assert rejection.reason_code is Reason.NO_PRICE
    assert "no ask" in rejection.reason


def held(symbol: str, side: str = "long") -> VenuePosition:
    return VenuePosition(
        symbol=symbol, side=PositionSide(side), quantity=Decimal(2), entry_price=Decimal("1.5")
    )


CALL, FAR_CALL, PUT = "AAPL260417C00200000", "AAPL260417C00210000", "AAPL260417P00200000"


@pytest.mark.parametrize(
    ("alert", "positions", "expected"),
    [
        ({}, [], None),
        ({}, [CALL, PUT, "AAPL"], CALL),
        ({"right": "put"}, [CALL, PUT], PUT),
        ({"right": "put"}, [CALL], None),
        ({"strike": "210"}, [CALL, FAR_CALL], FAR_CALL),
        ({"expiration": "2026-04-17"}, [CALL, "AAPL260515C00200000"], CALL),
        ({}, ["MSFT260417C00200000"], None),
        ({"symbol": "BRK.B"}, ["BRKB260417C00400000"], "BRKB260417C00400000"),
        ({"symbol": "SPX"}, ["SPXW260417C05000000"], "SPXW260417C05000000"),
        ({"symbol": "SNO"}, ["SNOW260417C00200000"], None),
    ],
)
def test_a_close_means_the_one_open_option_that_fits(
    alert: dict[str, Any], positions: list[str], expected: str | None
) -> None:
    found = open_contract(option_alert(**alert), [held(symbol) for symbol in positions])
    assert not isinstance(found, Rejection)
    assert (None if found is None else found.symbol) == expected


def test_a_close_that_may_mean_several_options_has_to_say_which() -> None:
    rejection = rejection_of(open_contract(option_alert(), [held(FAR_CALL), held(CALL)]))
    assert rejection.reason_code is Reason.UNKNOWN_FIELD_COMBINATION
    assert f"{CALL}, {FAR_CALL}" in rejection.reason
    many = [held(f"AAPL260417C00{strike}000") for strike in range(200, 208)]
    assert "and 3 more" in rejection_of(open_contract(option_alert(), many)).reason
