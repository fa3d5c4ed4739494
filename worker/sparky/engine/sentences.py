"""What was done, in sentences for the trader."""

from collections.abc import Sequence
from typing import Final

from sparky.domain.answers import VenueOrder
from sparky.domain.orders import OrderState, OrderType, Side
from sparky.domain.plan import Leg, Purpose
from sparky.domain.readable import readable
from sparky.domain.work_order import EarlierOrder

_DID: Final = {
    (Side.BUY, Purpose.OPEN): "Bought",
    (Side.SELL, Purpose.OPEN): "Sold short",
    (Side.BUY, Purpose.CLOSE): "Closed short",
    (Side.SELL, Purpose.CLOSE): "Closed long",
}
_NAMES: Final = {
    Purpose.TAKE_PROFIT: "take-profit",
    Purpose.STOP_LOSS: "stop-loss",
    Purpose.TRAILING_STOP: "trailing stop",
}


def executed(leg: Leg, order: VenueOrder) -> str:
    """Tell what a leg has done, which may be that its order waits at the venue."""
    if not order.state.is_terminal:
        return _waiting(leg, order)
    filled = readable(order.filled_quantity)
    partly = "" if order.filled_quantity >= leg.quantity else f" of {readable(leg.quantity)}"
    price = "" if order.average_price is None else f" at {readable(order.average_price)}"
    what = "Traded the spread" if leg.spread else _DID[leg.side, leg.purpose]
    return f"{what} {filled}{partly}{price}."


def closing_each(symbols: Sequence[str]) -> str:
    """Tell what a close_all leads to."""
    shown = f"The venue shows {', '.join(symbols)} open" if symbols else "The venue shows nothing open"
    return f"{shown}; all of that, and what our books have beside it, is closed by signals of their own."


def exit_placed(leg: Leg) -> str:
    """Tell that an exit works at the venue."""
    return f"{_named(leg)} of {readable(leg.quantity)} is placed{_at(leg)}."


def exit_refused(leg: Leg, why: str) -> str:
    """Tell that an exit is not there."""
    return f"{_named(leg)}{_at(leg)} could not be placed: {why.rstrip('.')}."


def cancelled(order: EarlierOrder, seen: VenueOrder) -> str:
    """Tell what came of the cancelling of an order."""
    what = f"the {_kind(order)} order to {order.side} {readable(order.quantity)} {order.symbol}"
    filled = readable(seen.filled_quantity)
    if seen.state is OrderState.FILLED:
        return f"{_capital(what)} was filled before it could be cancelled."
    if not seen.state.is_terminal:
        return f"{_capital(what)} is still {_state(seen)} at the venue: look there and cancel it by hand."
    partly = f", after {filled} of it had been filled" if seen.filled_quantity else ""
    return f"{_capital(what)} is {_state(seen)}{partly}."


def not_there(order: EarlierOrder) -> str:
    """Tell that there was nothing to cancel."""
    return (
        f"The venue shows no {_kind(order)} order to {order.side} {readable(order.quantity)} {order.symbol} "
        "any more."
    )


def not_cancelled(order: EarlierOrder, why: str) -> str:
    """Tell that an order may still work."""
    return (
        f"The {_kind(order)} order to {order.side} {readable(order.quantity)} {order.symbol} could not be "
        f"cancelled ({why.rstrip('.')}): look at the venue and cancel it by hand."
    )


def _waiting(leg: Leg, order: VenueOrder) -> str:
    filled = readable(order.filled_quantity)
    so_far = f", with {filled} of {readable(order.quantity)} filled so far" if order.filled_quantity else ""
    if leg.order_type is OrderType.MARKET:
        return (
            f"The order for {readable(order.quantity)} is {_state(order)} at the venue, with {filled} filled "
            "so far: look at the venue."
        )
    return f"The order to {leg.side} {readable(order.quantity)} is working at the venue{_at(leg)}{so_far}."


def _named(leg: Leg) -> str:
    return f"The {_NAMES[leg.purpose]}"


def _kind(order: EarlierOrder) -> str:
    return _NAMES.get(order.purpose) or order.order_type.replace("_", "-")


def _at(leg: Leg) -> str:
    if leg.trail_percent is not None:
        return f", {readable(leg.trail_percent)} % behind the price"
    if leg.trail_distance is not None:
        return f", {readable(leg.trail_distance)} behind the price"
    prices = [readable(price) for price in (leg.stop_price, leg.limit_price) if price is not None]
    return f" at {', with limit '.join(prices)}" if prices else ""


def _state(order: VenueOrder) -> str:
    return order.state.replace("_", " ")


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
