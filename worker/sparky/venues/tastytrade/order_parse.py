"""tastytrade's orders in our types.

https://developer.tastytrade.com/docs/concepts/order-flow: the statuses, of which none says "partially
filled"; and Filled comes "even if we haven't finished processing every single fill". Until the fills are
there such an order is not at its end for us.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Context, Decimal
from math import gcd
from typing import Any, Final

from sparky.domain import fields
from sparky.domain.answers import Fill, VenueOrder
from sparky.domain.errors import WorkOrderError
from sparky.domain.identifiers import ClientOrderId
from sparky.domain.orders import OrderState, Side
from sparky.venues.tastytrade.errors import VenueError, refuse
from sparky.venues.tastytrade.symbols import to_ours
from sparky.venues.tastytrade.wire import identifier, number

CURRENCY: Final = "USD"
_ZERO: Final = Decimal(0)
_AVERAGE: Final = Context(prec=28)
_STATES: Final[Mapping[str, OrderState]] = {
    "Received": OrderState.ACCEPTED,
    "Routed": OrderState.ACCEPTED,
    "In Flight": OrderState.ACCEPTED,
    "Contingent": OrderState.ACCEPTED,
    "Live": OrderState.WORKING,
    "Cancel Requested": OrderState.WORKING,
    "Replace Requested": OrderState.WORKING,
    "Filled": OrderState.FILLED,
    "Cancelled": OrderState.CANCELLED,
    "Canceled": OrderState.CANCELLED,
    "Removed": OrderState.CANCELLED,
    "Partially Removed": OrderState.CANCELLED,
    "Dead": OrderState.CANCELLED,
    "Expired": OrderState.EXPIRED,
    "Rejected": OrderState.REFUSED,
}


@dataclass(frozen=True, slots=True)
class ReadLeg:
    """One leg of an order. `remaining` is what the venue says is not filled; None where it does not."""

    symbol: str
    kind: str
    action: str
    quantity: Decimal
    remaining: Decimal | None
    fills: tuple[Fill, ...]

    @property
    def side(self) -> Side:
        return Side.BUY if self.action.startswith("Buy") else Side.SELL

    @property
    def filled(self) -> Decimal:
        return sum((fill.quantity for fill in self.fills), _ZERO)

    @property
    def average(self) -> Decimal | None:
        """The price of its fills, each weighted by its quantity."""
        worth = sum((fill.quantity * fill.price for fill in self.fills), _ZERO)
        return _AVERAGE.divide(worth, self.filled) if self.fills else None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOrder:
    """An order as the venue shows it, with what a look-up needs besides."""

    order: VenueOrder
    status: str
    order_type: str
    received_at: datetime | None
    source: str | None
    complex_id: str | None
    complex_tag: str | None
    legs: tuple[ReadLeg, ...]

    @property
    def awaits_fills(self) -> bool:
        """The venue says that more has filled than it shows fills of."""
        done = self.status == "Filled"
        return any(leg.filled < _told(leg, done=done) for leg in self.legs)

    @property
    def is_trigger(self) -> bool:
        return (self.complex_tag or "").endswith("::trigger-order")


def read_order(value: Any) -> ReadOrder:
    """Read one order.

    Raises:
        WorkOrderError: it is not in the venue's language.
    """
    source = fields.mapping(value, "order")
    order_id = identifier(source, "id", "order")
    status = fields.text(source, "status", "order")
    state = _STATES.get(status)
    if state is None:
        raise WorkOrderError("order.status", "is not one that is known")
    legs = tuple(_read_leg(item, order_id) for item in fields.items(source, "legs", "order"))
    if not legs:
        raise WorkOrderError("order.legs", "is empty")
    read = ReadOrder(
        order=_venue_order(source, order_id, state, legs),
        status=status,
        order_type=fields.text(source, "order-type", "order"),
        received_at=fields.optional(fields.moment, source, "received-at", "order"),
        source=fields.optional(fields.text, source, "source", "order"),
        complex_id=fields.optional(identifier, source, "complex-order-id", "order"),
        complex_tag=fields.optional(fields.text, source, "complex-order-tag", "order"),
        legs=legs,
    )
    if read.awaits_fills and (state is OrderState.FILLED or (state.is_terminal and _tells_of_a_part(legs))):
        waiting = OrderState.PARTIALLY_FILLED if read.order.filled_quantity else OrderState.WORKING
        return replace(read, order=replace(read.order, state=waiting))
    return read


def _venue_order(
    source: Mapping[str, Any], order_id: str, state: OrderState, legs: Sequence[ReadLeg]
) -> VenueOrder:
    client_id = fields.optional(fields.text, source, "external-identifier", "order")
    single = legs[0] if len(legs) == 1 else None
    units = _units(legs)
    filled = min(leg.filled * units // leg.quantity if single is None else leg.filled for leg in legs)
    if filled and state in {OrderState.ACCEPTED, OrderState.WORKING}:
        state = OrderState.PARTIALLY_FILLED
    refused = refuse(VenueError("", _text(source, "reject-reason"))) if state is OrderState.REFUSED else None
    return VenueOrder(
        client_order_id=None if client_id is None else ClientOrderId(client_id),
        venue_order_id=order_id,
        state=state,
        quantity=units,
        filled_quantity=filled,
        average_price=single.average if single is not None else _net_price(legs, units),
        # The fills of a spread are of its legs, and told by the account's executions.
        fills=() if single is None else single.fills,
        reason_code=None if refused is None else refused.reason_code,
        reason=None if refused is None else refused.reason,
        symbol=_symbol(source, single),
        side=single.side if single is not None else _net_side(source),
    )


def _units(legs: Sequence[ReadLeg]) -> Decimal:
    if len(legs) == 1:
        return legs[0].quantity
    return Decimal(gcd(*(int(leg.quantity) for leg in legs)))


def _net_price(legs: Sequence[ReadLeg], units: Decimal) -> Decimal | None:
    net = _ZERO
    for leg in legs:
        average = leg.average
        if average is None:
            return None
        ratio = leg.quantity / units
        net += average * ratio if leg.side is Side.BUY else -average * ratio
    return abs(net)


def _net_side(source: Mapping[str, Any]) -> Side | None:
    effect = source.get("price-effect")
    return {"Debit": Side.BUY, "Credit": Side.SELL}.get(effect) if isinstance(effect, str) else None


def _symbol(source: Mapping[str, Any], single: ReadLeg | None) -> str | None:
    if single is not None:
        return to_ours(single.symbol, single.kind)
    underlying = fields.optional(fields.text, source, "underlying-symbol", "order")
    return None if underlying is None else to_ours(underlying, _text(source, "underlying-instrument-type"))


def _read_leg(value: Any, order_id: str) -> ReadLeg:
    source = fields.mapping(value, "leg")
    quantity = number(source, "quantity", "leg")
    if quantity <= 0:
        raise WorkOrderError("leg.quantity", "is not above zero")
    listed = [] if source.get("fills") is None else fields.items(source, "fills", "leg")
    action = fields.text(source, "action", "leg")
    if not action.startswith(("Buy", "Sell")):
        raise WorkOrderError("leg.action", "is neither Buy nor Sell")
    return ReadLeg(
        symbol=fields.text(source, "symbol", "leg"),
        kind=fields.text(source, "instrument-type", "leg"),
        action=action,
        quantity=quantity,
        remaining=fields.optional(number, source, "remaining-quantity", "leg"),
        fills=tuple(_read_fill(fields.mapping(one, "fill"), order_id) for one in listed),
    )


def _read_fill(source: Mapping[str, Any], order_id: str) -> Fill:
    quantity = number(source, "quantity", "fill")
    if quantity <= 0:
        raise WorkOrderError("fill.quantity", "is not above zero")
    return Fill(
        # Not `ext-exec-id`, which is the exchange's own number and may repeat where an order goes to several.
        venue_fill_id=fill_id(order_id, identifier(source, "fill-id", "fill")),
        price=number(source, "fill-price", "fill"),
        quantity=quantity,
        fee=None,
        fee_currency=CURRENCY,
        filled_at=fields.moment(source, "filled-at", "fill"),
    )


def fill_id(order_id: str, execution_id: str) -> str:
    """Return what names an execution, wherever the venue shows it."""
    return f"{order_id}/{execution_id}"


def _told(leg: ReadLeg, *, done: bool) -> Decimal:
    if done:
        return leg.quantity
    return _ZERO if leg.remaining is None else leg.quantity - leg.remaining


def _tells_of_a_part(legs: Sequence[ReadLeg]) -> bool:
    # That nothing remains may mean that nothing is left to fill of an order that has ended; a part may not.
    return any(leg.remaining is not None and 0 < leg.remaining < leg.quantity for leg in legs)


def _text(source: Mapping[str, Any], name: str) -> str:
    value = source.get(name)
    return value if isinstance(value, str) else ""
