"""Our orders as OANDA takes them.

Fields: https://developer.oanda.com/rest-live-v20/order-df. GFD is OANDA's day: it ends at 17:00 in New York.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from sparky.domain.fields import decimal_text
from sparky.domain.identifiers import ClientOrderId
from sparky.domain.orders import (
    ExitKind,
    ExitLeg,
    OrderRequest,
    OrderType,
    PositionSide,
    Side,
    TimeInForce,
)
from sparky.venues.oanda.symbols import to_venue

_TYPES: Final[Mapping[OrderType, str]] = {
    OrderType.MARKET: "MARKET",
    OrderType.LIMIT: "LIMIT",
    OrderType.STOP: "STOP",
}
_TIMES: Final[Mapping[TimeInForce, str]] = {
    TimeInForce.GTC: "GTC",
    TimeInForce.DAY: "GFD",
    TimeInForce.IOC: "IOC",
    TimeInForce.FOK: "FOK",
}
EXIT_NAMES: Final[Mapping[ExitKind, str]] = {
    ExitKind.TAKE_PROFIT: "takeProfit",
    ExitKind.STOP_LOSS: "stopLoss",
    ExitKind.TRAILING_STOP: "trailingStopLoss",
}


def order_to_oanda(order: OrderRequest) -> dict[str, Any]:
    """Return the body of POST /orders.

    The trade that an entry opens gets the same client id as the order. OANDA refuses a second open trade of
    that id (CLIENT_TRADE_ID_ALREADY_EXISTS): while the first one is open, an entry cannot be executed twice.
    An order that only reduces opens no trade, and may not name one.
    """
    price = order.stop_price if order.order_type is OrderType.STOP else order.limit_price
    extensions = {"id": order.client_order_id}
    return {
        "order": {
            "type": _TYPES[order.order_type],
            "instrument": to_venue(order.symbol),
            "units": _units(order.quantity, order.side),
            "timeInForce": _time(order),
            "positionFill": "REDUCE_ONLY" if order.reduce_only else "DEFAULT",
            "clientExtensions": extensions,
            **({} if price is None else {"price": decimal_text(price)}),
            **({} if order.reduce_only else {"tradeClientExtensions": extensions}),
            **{f"{EXIT_NAMES[leg.kind]}OnFill": _exit(leg) for leg in order.exits},
        }
    }


def close_to_oanda(
    client_order_id: ClientOrderId, side: PositionSide, units: Decimal | None
) -> dict[str, Any]:
    """Return the body of PUT /positions/{instrument}/close, for one side; None closes all of it.

    It never opens anything, and closing all a second time changes nothing.
    """
    name = side.value
    return {
        f"{name}Units": "ALL" if units is None else decimal_text(units),
        f"{name}ClientExtensions": {"id": client_order_id},
    }


def exits_to_oanda(exits: Sequence[ExitLeg]) -> dict[str, Any]:
    """Return the body of PUT /trades/{trade}/orders. An exit replaces the trade's one of its kind."""
    return {EXIT_NAMES[leg.kind]: _exit(leg) for leg in exits}


def _exit(leg: ExitLeg) -> dict[str, Any]:
    value = leg.trail_distance if leg.kind is ExitKind.TRAILING_STOP else leg.price
    if value is None:
        raise ValueError(f"a {leg.kind} reaches OANDA with a number, not with a share of one")
    name = "distance" if leg.kind is ExitKind.TRAILING_STOP else "price"
    return {
        name: decimal_text(value),
        "timeInForce": "GTC",
        "clientExtensions": {"id": leg.client_order_id},
    }


def _units(quantity: Decimal, side: Side) -> str:
    return decimal_text(quantity if side is Side.BUY else -quantity)


def _time(order: OrderRequest) -> str:
    default = TimeInForce.FOK if order.order_type is OrderType.MARKET else TimeInForce.GTC
    return _TIMES[order.time_in_force or default]
