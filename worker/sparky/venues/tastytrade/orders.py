"""Our orders as tastytrade takes them.

https://developer.tastytrade.com/docs/concepts/orders-and-order-types: an order has attributes and up to four
legs; the side of the money is said by `price-effect`, and whether a leg opens or closes by its `action`.
With `strict-position-effect-validation` a close without a position is refused; without it the venue would
silently open one.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from sparky.domain.fields import decimal_text
from sparky.domain.identifiers import ClientOrderId
from sparky.domain.orders import ExitKind, ExitLeg, OrderRequest, OrderType, Side, SpreadLeg, TimeInForce
from sparky.domain.rules import exact_product
from sparky.venues.tastytrade.symbols import Instrument, InstrumentType

SOURCE: Final = "sparky"
_TYPES: Final[Mapping[OrderType, str]] = {
    OrderType.MARKET: "Market",
    OrderType.LIMIT: "Limit",
    OrderType.STOP: "Stop",
    OrderType.STOP_LIMIT: "Stop Limit",
}
_TIMES: Final[Mapping[TimeInForce | None, str]] = {
    None: "Day",
    TimeInForce.DAY: "Day",
    TimeInForce.GTC: "GTC",
    TimeInForce.IOC: "IOC",
}
_EFFECTS: Final[Mapping[Side, str]] = {Side.BUY: "Debit", Side.SELL: "Credit"}
_VERBS: Final[Mapping[Side, str]] = {Side.BUY: "Buy", Side.SELL: "Sell"}
_EXIT_TYPES: Final[Mapping[ExitKind, str]] = {ExitKind.TAKE_PROFIT: "Limit", ExitKind.STOP_LOSS: "Stop"}


def order_body(order: OrderRequest, instrument: Instrument) -> dict[str, Any]:
    """Return an order of one instrument."""
    leg = _leg(instrument, order.quantity, _action(order.side, instrument, closes=order.reduce_only))
    return {**_attributes(order), "legs": [leg]}


def spread_body(order: OrderRequest, legs: Sequence[tuple[SpreadLeg, Instrument]]) -> dict[str, Any]:
    """Return a spread; a leg has its ratio for each unit of the order."""
    return {
        **_attributes(order),
        "legs": [
            _leg(
                instrument,
                exact_product(order.quantity, Decimal(leg.ratio)),
                _action(leg.side, instrument, closes=leg.closes or order.reduce_only),
            )
            for leg, instrument in legs
        ],
    }


def exit_body(leg: ExitLeg, instrument: Instrument, quantity: Decimal, side: Side) -> dict[str, Any]:
    """Return one exit, good till cancelled: a limit order at the target, or a stop order."""
    body = {
        **_common(leg.client_order_id),
        "order-type": _EXIT_TYPES[leg.kind],
        "time-in-force": "GTC",
        "legs": [_leg(instrument, quantity, _action(side, instrument, closes=True))],
    }
    # A take-profit and a stop-loss have a price: ExitLeg sees to it.
    price = decimal_text(leg.price or Decimal(0))
    if leg.kind is ExitKind.STOP_LOSS:
        return {**body, "stop-trigger": price}
    return {**body, "price": price, "price-effect": _EFFECTS[side]}


def complex_body(exits: Sequence[dict[str, Any]], trigger: dict[str, Any] | None) -> dict[str, Any]:
    """Return orders that belong together: two exits cancel one another, a trigger lets them begin."""
    if trigger is None:
        return {"type": "OCO", "source": SOURCE, "orders": list(exits)}
    kind = "OTO" if len(exits) == 1 else "OTOCO"
    return {"type": kind, "source": SOURCE, "trigger-order": trigger, "orders": list(exits)}


def _attributes(order: OrderRequest) -> dict[str, Any]:
    body = {
        **_common(order.client_order_id),
        "order-type": _TYPES[order.order_type],
        "time-in-force": _time(order),
    }
    if order.order_type.has_limit_price and order.limit_price is not None:
        body["price"] = decimal_text(order.limit_price)
        body["price-effect"] = _EFFECTS[order.side]
    if order.order_type.has_stop_price and order.stop_price is not None:
        body["stop-trigger"] = decimal_text(order.stop_price)
    return body


def _common(client_order_id: ClientOrderId) -> dict[str, Any]:
    return {
        "external-identifier": client_order_id,
        "source": SOURCE,
        "automated-source": True,
        "advanced-instructions": {"strict-position-effect-validation": True},
    }


def _time(order: OrderRequest) -> str:
    if order.extended_hours:
        return "GTC Ext" if order.time_in_force is TimeInForce.GTC else "Ext"
    return _TIMES[order.time_in_force]


def _action(side: Side, instrument: Instrument, *, closes: bool) -> str:
    # A future is bought and sold across zero, as its exchange does it; a close of one is still said, so that
    # the strict check keeps it from opening.
    if closes:
        return f"{_VERBS[side]} to Close"
    return _VERBS[side] if instrument.kind is InstrumentType.FUTURE else f"{_VERBS[side]} to Open"


def _leg(instrument: Instrument, quantity: Decimal, action: str) -> dict[str, Any]:
    whole = quantity == quantity.to_integral_value()
    return {
        "instrument-type": instrument.kind.value,
        "symbol": instrument.symbol,
        "quantity": int(quantity) if whole else decimal_text(quantity),
        "action": action,
    }
