"""What is sent to OANDA: any order that fits is one that OANDA takes."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparky.domain.answers import Refused
from sparky.domain.fitting import fit
from sparky.domain.identifiers import ClientOrderId
from sparky.domain.orders import ExitKind, ExitLeg, OrderRequest, OrderType, PositionSide, Side, TimeInForce
from sparky.venues.oanda.capabilities import refusal_of
from sparky.venues.oanda.exits import trail_misfit, trails_in_price
from sparky.venues.oanda.orders import close_to_oanda, order_to_oanda
from sparky.venues.oanda.rules import Instrument, read_instruments
from tests.unit.runtime.virtual_seams import VirtualTime
from tests.venues.fakes.oanda.checks import reject_reason, schema
from tests.venues.fakes.oanda.instruments import INSTRUMENTS, PRICES
from tests.venues.fakes.oanda.ledger import Ledger
from tests.venues.harness import says_what_to_do

LISTED = read_instruments({"instruments": [one.to_json() for one in INSTRUMENTS.values()]})
LEDGER = Ledger("101-004-5838423-001", VirtualTime(), dict(PRICES), Decimal(100_000))

amounts = st.decimals(min_value="1e-9", max_value="1e12", places=9, allow_nan=False, allow_infinity=False)
trails = st.builds(
    lambda name, value: {name: value}, st.sampled_from(["trail_distance", "trail_percent"]), amounts
)


def market(**changes: Any) -> OrderRequest:
    order = OrderRequest(
        client_order_id=ClientOrderId("sp0123456789ABCDEFGHJKMNPQRS"),
        symbol="EUR_USD",
        side=Side.BUY,
        quantity=Decimal(1000),
        reduce_only=False,
    )
    return replace(order, **changes)


@st.composite
def orders(draw: st.DrawFn) -> OrderRequest:
    kind = draw(st.sampled_from([OrderType.MARKET, OrderType.LIMIT, OrderType.STOP]))
    reduces = draw(st.booleans())
    legs = {
        ExitKind.TAKE_PROFIT: st.fixed_dictionaries({"price": amounts}),
        ExitKind.STOP_LOSS: st.fixed_dictionaries({"price": amounts}),
        ExitKind.TRAILING_STOP: trails,
    }
    kinds = [] if reduces else draw(st.lists(st.sampled_from(ExitKind), unique=True))
    return market(
        symbol=draw(st.sampled_from(sorted(INSTRUMENTS))),
        side=draw(st.sampled_from(Side)),
        quantity=draw(amounts),
        reduce_only=reduces,
        order_type=kind,
        limit_price=draw(amounts) if kind is OrderType.LIMIT else None,
        stop_price=draw(amounts) if kind is OrderType.STOP else None,
        time_in_force=draw(st.sampled_from([None, *TimeInForce])),
        reference_price=draw(amounts),
        exits=tuple(
            ExitLeg(client_order_id=ClientOrderId(f"leg{number}"), kind=one, **draw(legs[one]))
            for number, one in enumerate(kinds)
        ),
    )


def prepared(order: OrderRequest, instrument: Instrument) -> OrderRequest | None:
    """Return the order as it is sent; None when it is refused, in a sentence."""
    no = refusal_of(order)
    turned = trails_in_price(order.exits, order.reference_price, instrument)
    if no is not None or isinstance(turned, Refused):
        says_what_to_do((no or turned).reason)  # type: ignore[union-attr]
        return None
    fitted = fit(replace(order, exits=turned), instrument.rules)
    if not isinstance(fitted, OrderRequest):
        assert fitted.reason.endswith(".")
        return None
    misfit = trail_misfit(fitted.exits, instrument)
    if misfit is not None:
        says_what_to_do(misfit.reason)
        return None
    return fitted


@settings(max_examples=150, deadline=None)
@given(orders())
def test_whatever_is_sent_has_oandas_fields_and_precision_and_never_more_than_asked(
    order: OrderRequest,
) -> None:
    fitted = prepared(order, LISTED[order.symbol])
    if fitted is None:
        return
    body = schema(order_to_oanda(fitted)["order"])
    assert reject_reason(LEDGER, body) is None
    units = Decimal(body["units"])
    assert (units > 0) is (order.side is Side.BUY)
    assert abs(units) <= order.quantity
    if order.limit_price is not None:
        worse = Decimal(body["price"]) - order.limit_price
        assert worse <= 0 if order.side is Side.BUY else worse >= 0
    for leg in order.exits:
        if leg.trail_distance is not None:
            assert Decimal(body["trailingStopLossOnFill"]["distance"]) <= leg.trail_distance


def test_an_entry_names_its_trade_and_a_close_does_not() -> None:
    entry = order_to_oanda(market())["order"]
    assert entry["tradeClientExtensions"] == entry["clientExtensions"]
    assert entry["positionFill"] == "DEFAULT"
    close = order_to_oanda(market(reduce_only=True))["order"]
    assert "tradeClientExtensions" not in close
    assert close["positionFill"] == "REDUCE_ONLY"


def test_numbers_never_have_an_exponent() -> None:
    body = order_to_oanda(market(quantity=Decimal("1E+3"), side=Side.SELL))["order"]
    assert body["units"] == "-1000"
    assert (
        close_to_oanda(market().client_order_id, PositionSide.SHORT, Decimal("2E+2"))["shortUnits"] == "200"
    )


@pytest.mark.parametrize(
    ("order_type", "lasting", "sent"),
    [
        (OrderType.MARKET, None, "FOK"),
        (OrderType.MARKET, TimeInForce.IOC, "IOC"),
        (OrderType.LIMIT, None, "GTC"),
        (OrderType.LIMIT, TimeInForce.DAY, "GFD"),
        (OrderType.STOP, TimeInForce.DAY, "GFD"),
    ],
)
def test_durations_are_oandas(order_type: OrderType, lasting: TimeInForce | None, sent: str) -> None:
    order = market(order_type=order_type, time_in_force=lasting)
    assert order_to_oanda(order)["order"]["timeInForce"] == sent


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"order_type": OrderType.STOP_LIMIT}, "stop order with a price bound"),
        ({"time_in_force": TimeInForce.DAY}, "time_in_force"),
        ({"extended_hours": True}, "extended_hours"),
        (
            {
                "reduce_only": True,
                "exits": (
                    ExitLeg(client_order_id=ClientOrderId("leg"), kind=ExitKind.STOP_LOSS, price=Decimal(1)),
                ),
            },
            "only closes",
        ),
    ],
)
def test_what_oanda_cannot_is_refused_with_what_it_can(changes: dict[str, Any], named: str) -> None:
    no = refusal_of(market(**changes))
    assert no is not None
    assert no.reason_code == "not_supported"
    assert named in no.reason
    says_what_to_do(no.reason)
    assert refusal_of(market()) is None
