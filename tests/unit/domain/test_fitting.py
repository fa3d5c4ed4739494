"""What is sent fits the venue's rules, never exceeds what was asked, or is refused in a sentence."""

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparky.domain.fitting import Misfit, fit, fit_exits
from sparky.domain.identifiers import ClientOrderId
from sparky.domain.orders import (
    ExitKind,
    ExitLeg,
    ExitRequest,
    OrderRequest,
    OrderType,
    PositionSide,
    Side,
    SpreadLeg,
)
from sparky.domain.reasons import Reason
from sparky.domain.rules import InstrumentRules, TickBand, common_step

D = Decimal
STEPS = st.builds(lambda n, e: D(n).scaleb(-e), st.integers(1, 500), st.integers(0, 8))
SIZES = st.decimals("0.00000001", 10**7, places=8)
MINIMA = st.none() | st.decimals("0.00000001", 20, places=8)
MAXIMA = st.none() | st.decimals(20, 10**7, places=8)
BOUNDS = st.lists(st.decimals("0.01", 5000, places=2), max_size=3, unique=True).map(sorted)
WEIRD = [D("1E+99999"), D("1E-99999"), D("-1"), D("NaN"), D("sNaN"), D("Infinity"), D("1." + "1" * 999)]
# Mostly what a trader may mean; now and then any Decimal at all.
ANY = st.integers(0, 11).flatmap(
    lambda n: st.decimals() | st.sampled_from(WEIRD) if n == 7 else st.decimals(1, 10**5, places=9)
)


@st.composite
def any_rules(draw: st.DrawFn) -> InstrumentRules:
    bounds = [*draw(BOUNDS), *draw(st.sampled_from([[], [None]]))]
    return InstrumentRules(
        symbol="BTCUSDT",
        quantity_step=draw(STEPS),
        price_tick=draw(STEPS),
        min_quantity=draw(MINIMA) or D(0),
        min_notional=draw(MINIMA) or D(0),
        max_quantity=draw(MAXIMA),
        market_quantity_step=draw(st.none() | STEPS),
        min_market_quantity=draw(MINIMA),
        max_market_quantity=draw(MAXIMA),
        tick_bands=tuple(TickBand(bound, draw(STEPS)) for bound in bounds),
        min_price=draw(MINIMA),
        max_price=draw(MAXIMA),
        multiplier=draw(st.sampled_from([D(1), D(100)])),
        tradable=draw(st.sampled_from([True] * 9 + [False])),
        closing_only=draw(st.sampled_from([False] * 9 + [True])),
    )


TAKE_PROFIT = ExitLeg(client_order_id=ClientOrderId("sp3"), kind=ExitKind.TAKE_PROFIT, price=D(1))
PLAIN = InstrumentRules(symbol="BTCUSDT", quantity_step=D("0.001"), price_tick=D("0.1"))


def order(**changes: Any) -> OrderRequest:
    return replace(
        OrderRequest(
            client_order_id=ClientOrderId("sp1"),
            symbol="BTCUSDT",
            side=Side.BUY,
            quantity=D(1),
            reduce_only=False,
        ),
        **changes,
    )


def on_step(value: Decimal, step: Decimal) -> bool:
    return Fraction(value) % Fraction(step) == 0


def is_a_sentence(misfit: Misfit) -> bool:
    return misfit.reason.endswith(".") and ": " in misfit.reason and len(misfit.reason) < 400


def check_price(asked: Decimal, price: Decimal | None, side: Side, rules: InstrumentRules) -> None:
    assert price is not None
    assert price > 0
    assert on_step(price, rules.tick_at(price))
    assert price <= asked if side is Side.BUY else price >= asked
    assert rules.min_price is None or price >= rules.min_price
    assert rules.max_price is None or price <= rules.max_price


def check_size(asked: Decimal, quantity: Decimal, order_type: OrderType, rules: InstrumentRules) -> None:
    market = not order_type.has_limit_price
    step = (market and rules.market_quantity_step) or rules.quantity_step
    least = (
        rules.min_market_quantity if market and rules.min_market_quantity is not None else rules.min_quantity
    )
    most = (
        rules.max_market_quantity if market and rules.max_market_quantity is not None else rules.max_quantity
    )
    assert on_step(quantity, step)
    assert 0 < quantity <= asked < quantity + step
    assert quantity >= least
    assert most is None or quantity <= most


@settings(max_examples=150)
@given(
    any_rules(),
    ANY,
    ANY,
    ANY,
    st.sampled_from(OrderType),
    st.sampled_from(Side),
    st.booleans(),
    st.none() | ANY,
)
def test_what_fits_keeps_every_rule_and_what_does_not_says_why(
    rules: InstrumentRules,
    quantity: Decimal,
    limit: Decimal,
    stop: Decimal,
    order_type: OrderType,
    side: Side,
    reduce_only: bool,  # noqa: FBT001
    reference: Decimal | None,
) -> None:
    asked = order(
        quantity=quantity,
        order_type=order_type,
        side=side,
        reduce_only=reduce_only,
        limit_price=limit if order_type.has_limit_price else None,
        stop_price=stop if order_type.has_stop_price else None,
        reference_price=reference,
    )
    fitted = fit(asked, rules)
    if isinstance(fitted, Misfit):
        assert is_a_sentence(fitted)
        return
    assert rules.tradable
    assert reduce_only or not rules.closing_only
    check_size(quantity, fitted.quantity, order_type, rules)
    if order_type.has_limit_price:
        check_price(limit, fitted.limit_price, side, rules)
    if order_type.has_stop_price:
        check_price(stop, fitted.stop_price, side, rules)
    if fitted.limit_price is not None and not reduce_only:
        value = Fraction(fitted.quantity) * Fraction(fitted.limit_price) * Fraction(rules.multiplier)
        assert value >= Fraction(rules.min_notional)
    assert fit(fitted, rules) == fitted


@settings(max_examples=60)
@given(any_rules(), SIZES, ANY, st.sampled_from(PositionSide), ANY)
def test_exits_that_fit_keep_every_rule(
    rules: InstrumentRules, quantity: Decimal, price: Decimal, side: PositionSide, trail: Decimal
) -> None:
    try:
        legs = (
            ExitLeg(client_order_id=ClientOrderId("sp1"), kind=ExitKind.STOP_LOSS, price=price),
            ExitLeg(client_order_id=ClientOrderId("sp2"), kind=ExitKind.TRAILING_STOP, trail_distance=trail),
        )
    except (ArithmeticError, ValueError):  # no exit has such numbers
        return
    fitted = fit_exits(ExitRequest(symbol="BTCUSDT", side=side, quantity=quantity, exits=legs), rules)
    if isinstance(fitted, Misfit):
        assert is_a_sentence(fitted)
        return
    assert fitted.quantity <= quantity
    assert on_step(fitted.quantity, rules.quantity_step)
    assert on_step(fitted.quantity, rules.market_quantity_step or rules.quantity_step)
    check_price(price, fitted.exits[0].price, side.closed_by, rules)
    distance = fitted.exits[1].trail_distance
    assert distance is not None
    assert on_step(distance, rules.price_tick)
    assert 0 < distance <= max(trail, rules.price_tick)


@pytest.mark.parametrize(
    ("side", "limit", "stop", "expected"),
    [
        (Side.BUY, "100.19", "100.11", ("100.1", "100.1")),
        (Side.SELL, "100.11", "100.19", ("100.2", "100.2")),
        (Side.BUY, "100.1", "100.1", ("100.1", "100.1")),
    ],
)
def test_buys_go_down_and_sells_up(side: Side, limit: str, stop: str, expected: tuple[str, str]) -> None:
    fitted = fit(
        order(side=side, order_type=OrderType.STOP_LIMIT, limit_price=D(limit), stop_price=D(stop)), PLAIN
    )
    assert isinstance(fitted, OrderRequest)
    assert (str(fitted.limit_price), str(fitted.stop_price)) == expected


def test_the_stop_of_a_long_position_moves_up_and_that_of_a_short_one_down() -> None:
    stop = ExitLeg(client_order_id=ClientOrderId("sp2"), kind=ExitKind.STOP_LOSS, price=D("95.05"))
    long, short = fit(order(exits=(stop,)), PLAIN), fit(order(side=Side.SELL, exits=(stop,)), PLAIN)
    assert isinstance(long, OrderRequest)
    assert isinstance(short, OrderRequest)
    assert (long.exits[0].price, short.exits[0].price) == (D("95.1"), D("95.0"))


@pytest.mark.parametrize(
    ("changes", "rules", "code", "words"),
    [
        ({"quantity": D("0.0009")}, {}, Reason.BELOW_MINIMUM, "comes to 0.000 in steps of 0.001"),
        ({"quantity": D(2)}, {"max_quantity": D(1)}, Reason.ABOVE_MAXIMUM, "the largest order of 1"),
        ({}, {"tradable": False}, Reason.MARKET_CLOSED, "not traded"),
        ({}, {"closing_only": True}, Reason.MARKET_CLOSED, "only closing orders"),
        ({"order_type": OrderType.LIMIT}, {}, Reason.MISSING_FIELD, "A limit order needs a limit price"),
        (
            {"order_type": OrderType.STOP_LIMIT},
            {},
            Reason.MISSING_FIELD,
            "A stop-limit order needs a limit price and a stop price",
        ),
        ({"limit_price": D("0.05")}, {}, Reason.INVALID_PRICE, "below the lowest that the venue takes, 0.1"),
        ({"limit_price": D(9)}, {"max_price": D(8)}, Reason.INVALID_PRICE, "above the highest"),
        ({"quantity": D("NaN")}, {}, Reason.INVALID_VALUE, "NaN is no quantity"),
        ({"reference_price": D(4)}, {"min_notional": D(5)}, Reason.BELOW_MINIMUM, "worth 4.000 at price 4"),
        ({"exits": (TAKE_PROFIT,)}, {"min_price": D(2)}, Reason.INVALID_PRICE, "The take-profit price"),
    ],
)
def test_each_misfit_has_its_code_and_says_what_to_do(
    changes: dict[str, Any], rules: dict[str, Any], code: Reason, words: str
) -> None:
    misfit = fit(order(**changes), replace(PLAIN, **rules))
    assert isinstance(misfit, Misfit)
    assert misfit.reason_code is code
    assert words in misfit.reason
    assert is_a_sentence(misfit)


def test_closing_is_allowed_where_opening_is_not_and_below_the_minimum_value() -> None:
    rules = replace(PLAIN, closing_only=True, min_notional=D(5))
    assert isinstance(fit(order(reduce_only=True, reference_price=D(1)), rules), OrderRequest)


def test_market_orders_have_steps_and_limits_of_their_own() -> None:
    rules = replace(PLAIN, max_quantity=D(9), market_quantity_step=D(1), max_market_quantity=D(2))
    fitted = fit(order(quantity=D("1.999")), rules)
    assert isinstance(fitted, OrderRequest)
    assert fitted.quantity == 1
    assert isinstance(fit(order(quantity=D(3)), rules), Misfit)
    limit = fit(order(quantity=D("8.999"), order_type=OrderType.LIMIT, limit_price=D(1)), rules)
    assert isinstance(limit, OrderRequest)
    assert limit.quantity == D("8.999")


def test_a_spread_may_have_a_net_price_of_zero() -> None:
    legs = (SpreadLeg(symbol="AAPL260417C00200000", side=Side.BUY, ratio=1),)
    for price in (D(0), D("0.01")):
        fitted = fit(order(order_type=OrderType.LIMIT, limit_price=price, legs=legs), PLAIN)
        assert isinstance(fitted, OrderRequest)
        assert fitted.limit_price == 0


def test_a_tick_depends_on_where_the_price_is() -> None:
    rules = replace(PLAIN, tick_bands=(TickBand(D(3), D("0.05")), TickBand(None, D("0.10"))))
    for side, asked, expected in (
        (Side.BUY, "2.99", "2.95"),
        (Side.SELL, "2.96", "3.00"),
        (Side.BUY, "3.09", "3.00"),
        (Side.SELL, "3.01", "3.10"),
    ):
        fitted = fit(order(side=side, order_type=OrderType.LIMIT, limit_price=D(asked)), rules)
        assert isinstance(fitted, OrderRequest)
        assert fitted.limit_price == D(expected)


def test_a_common_step_is_the_smallest_that_serves_both() -> None:
    assert common_step(D("0.02"), D("0.05")) == D("0.1")
    assert common_step(D(10), D("0.001")) == D(10)
    assert common_step(D("1E+2"), D("0.3")) == D(300)
