"""Our orders as parameters of `POST /fapi/v3/order`, and what Aster has no order for.

Parameters by https://github.com/asterdex/api-docs, V3, "New Order".
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from sparky.domain.answers import Refused
from sparky.domain.orders import (
    ExitKind,
    ExitLeg,
    OrderRef,
    OrderRequest,
    OrderType,
    PositionSide,
    Side,
    TimeInForce,
)
from sparky.domain.reasons import Reason
from sparky.venues.aster.client import Params, Write
from sparky.venues.aster.symbols import to_venue
from sparky.venues.budget import Priority

ORDER_PATH: Final = "/fapi/v3/order"

_SIDES: Final[Mapping[Side, str]] = {Side.BUY: "BUY", Side.SELL: "SELL"}
_HEDGE: Final[Mapping[PositionSide, str]] = {PositionSide.LONG: "LONG", PositionSide.SHORT: "SHORT"}
_TYPES: Final[Mapping[OrderType, str]] = {
    OrderType.MARKET: "MARKET",
    OrderType.LIMIT: "LIMIT",
    OrderType.STOP: "STOP_MARKET",
    OrderType.STOP_LIMIT: "STOP",
}
_TIMES: Final[Mapping[TimeInForce, str]] = {
    TimeInForce.GTC: "GTC",
    TimeInForce.IOC: "IOC",
    TimeInForce.FOK: "FOK",
}
_EXITS: Final[Mapping[ExitKind, str]] = {
    ExitKind.TAKE_PROFIT: "TAKE_PROFIT_MARKET",
    ExitKind.STOP_LOSS: "STOP_MARKET",
    ExitKind.TRAILING_STOP: "TRAILING_STOP_MARKET",
}


def not_supported(order: OrderRequest) -> Refused | None:
    """Return why Aster has no order for this, with what comes nearest; None when it has one."""
    lasts = order.time_in_force
    at_market = not order.order_type.has_limit_price
    waits = order.order_type is OrderType.STOP
    problems = {
        "Aster has no options: its nearest is a perpetual, such as BTCUSDT.": bool(order.legs),
        "Aster attaches no exits to an entry: its nearest are exits placed once the position is open.": bool(
            order.exits
        ),
        "Aster trades around the clock and has no extended hours: send the order without them.": (
            order.extended_hours
        ),
        "Aster has no day orders: its nearest is gtc, which works until it is cancelled.": (
            lasts is TimeInForce.DAY
        ),
        "Aster fills market orders as far as it can: its nearest to fok is a limit order with fok.": (
            at_market and lasts is TimeInForce.FOK
        ),
        "Aster's stop orders wait for their price: their nearest to ioc is gtc.": (
            waits and lasts is TimeInForce.IOC
        ),
    }
    problem = next((sentence for sentence, holds in problems.items() if holds), None)
    return None if problem is None else Refused(Reason.NOT_SUPPORTED, problem)


def entry(order: OrderRequest, *, hedged: bool) -> Write:
    """Return the request for an order that fits the instrument and is supported."""
    params = [
        ("symbol", to_venue(order.symbol)),
        ("side", _SIDES[order.side]),
        *_position_side(_held_side(order), hedged=hedged),
        ("type", _TYPES[order.order_type]),
        ("quantity", plain(order.quantity)),
    ]
    if order.limit_price is not None and order.order_type.has_limit_price:
        params.append(("price", plain(order.limit_price)))
        params.append(("timeInForce", _TIMES[order.time_in_force or TimeInForce.GTC]))
    if order.stop_price is not None and order.order_type.has_stop_price:
        params.append(("stopPrice", plain(order.stop_price)))
    if order.reduce_only and not hedged:
        params.append(("reduceOnly", "true"))
    params.append(("newClientOrderId", order.client_order_id))
    # The answer then holds the final state of what ends at once.
    params.append(("newOrderRespType", "RESULT"))
    priority = Priority.EXIT if order.reduce_only else Priority.ENTRY
    return Write(method="POST", path=ORDER_PATH, params=params, counts=True, priority=priority)


def exit_order(
    leg: ExitLeg,
    symbol: str,
    side: PositionSide,
    quantity: Decimal | None,
    trail_percent: Decimal | None,
    *,
    hedged: bool,
) -> Write:
    """Return the request for one exit; without a quantity it closes whatever is open when it fires."""
    params = [
        ("symbol", to_venue(symbol)),
        ("side", _SIDES[side.closed_by]),
        *_position_side(side, hedged=hedged),
        ("type", _EXITS[leg.kind]),
    ]
    if leg.price is not None:
        params.append(("stopPrice", plain(leg.price)))
    if trail_percent is not None:
        params.append(("callbackRate", plain(trail_percent)))
    if quantity is None:
        params.append(("closePosition", "true"))
    else:
        params.append(("quantity", plain(quantity)))
        if not hedged:
            params.append(("reduceOnly", "true"))
    params.append(("newClientOrderId", leg.client_order_id))
    return Write(method="POST", path=ORDER_PATH, params=params, counts=True, priority=Priority.EXIT)


def cancellation(ref: OrderRef) -> Write:
    """Return the request that cancels an order."""
    return Write(method="DELETE", path=ORDER_PATH, params=named(ref), priority=Priority.EXIT)


def named(ref: OrderRef) -> Params:
    """Return the parameters that name an order."""
    symbol = ("symbol", to_venue(ref.symbol))
    if has_number(ref):
        return [symbol, ("orderId", ref.venue_order_id or "")]
    return [symbol, ("origClientOrderId", ref.client_order_id)]


def has_number(ref: OrderRef) -> bool:
    """Tell whether Aster's own number of the order is known."""
    number = ref.venue_order_id or ""
    return number.isascii() and number.isdigit()


def plain(value: Decimal) -> str:
    """Write a number without an exponent and without zeros at its end."""
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _held_side(order: OrderRequest) -> PositionSide:
    """Return the side of the position that the order opens, or reduces."""
    opened = PositionSide.LONG if order.side is Side.BUY else PositionSide.SHORT
    reduced = PositionSide.SHORT if order.side is Side.BUY else PositionSide.LONG
    return reduced if order.reduce_only else opened


def _position_side(side: PositionSide, *, hedged: bool) -> list[tuple[str, str]]:
    # With long and short apart the side is mandatory, and takes the place of reduceOnly.
    return [("positionSide", _HEDGE[side])] if hedged else []
