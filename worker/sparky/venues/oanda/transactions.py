"""OANDA's transactions, of which its whole record is made: orders created, filled, cancelled and rejected.

Fields: https://developer.oanda.com/rest-live-v20/transaction-df. An order object of GET /orders has the same
names for what it shares with the transaction that created it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Context, Decimal, localcontext
from typing import Any, Final

from sparky.domain import fields
from sparky.domain.errors import WorkOrderError
from sparky.domain.orders import Side
from sparky.venues.oanda.symbols import from_venue

_PLACE: Final = "transaction"
_AVERAGE_DECIMALS: Final = Decimal("1e-10")
# Wide enough for the product and the sum of any two numbers that are read.
_WIDE: Final = Context(prec=120)
_PIECES: Final = ("tradeOpened", "tradeReduced")
FILL: Final = "ORDER_FILL"
_CANCEL: Final = "ORDER_CANCEL"
_CREATED: Final = "_ORDER"
_REJECTED: Final = "_ORDER_REJECT"


@dataclass(frozen=True, slots=True, kw_only=True)
class Created:
    """An order as it was created. One that is bound to a trade names that trade and no symbol or quantity."""

    order_id: str
    client_id: str | None
    symbol: str | None
    side: Side | None
    quantity: Decimal | None
    trade_id: str | None
    replaces: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """One execution. `fee` is commission and the fee of a guaranteed stop, in the account's currency."""

    transaction_id: str
    order_id: str
    client_id: str | None
    symbol: str
    side: Side
    quantity: Decimal
    price: Decimal
    fee: Decimal
    profit: Decimal
    financing: Decimal
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancelled:
    """An order's end, with OANDA's reason."""

    order_id: str
    client_id: str | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """An order that was never created, with OANDA's reason."""

    transaction_id: str
    client_id: str | None
    reason: str
    quantity: Decimal | None = None


Transaction = Created | Filled | Cancelled | Rejected


def read_transaction(source: Any) -> Transaction | None:
    """Read a transaction; None when it is of another kind, such as a transfer of money.

    Raises:
        WorkOrderError: it is not of OANDA's language.
    """
    place = fields.mapping(source, _PLACE)
    kind = fields.text(place, "type", _PLACE)
    if kind == FILL:
        return read_fill(place)
    if kind == _CANCEL:
        return read_cancel(place)
    if kind.endswith(_CREATED):
        return read_created(place)
    if kind.endswith(_REJECTED):
        units = fields.optional(fields.decimal, place, "units", _PLACE)
        return Rejected(
            transaction_id=fields.text(place, "id", _PLACE),
            client_id=_client_id(place),
            reason=fields.text(place, "rejectReason", _PLACE),
            quantity=None if units is None else abs(units),
        )
    return None


def read_created(source: Any) -> Created:
    """Read an order, or the transaction that created it."""
    place = fields.mapping(source, _PLACE)
    units = fields.optional(fields.decimal, place, "units", _PLACE)
    symbol = fields.optional(fields.text, place, "instrument", _PLACE)
    trade = fields.optional(fields.text, place, "tradeID", _PLACE)
    if (units is None or symbol is None) and trade is None:
        raise WorkOrderError(_PLACE, "names neither units of an instrument nor a trade")
    return Created(
        order_id=fields.text(place, "id", _PLACE),
        client_id=_client_id(place),
        symbol=None if symbol is None else from_venue(symbol),
        side=None if units is None else side_of(units),
        quantity=None if units is None else abs(units),
        trade_id=trade,
        replaces=fields.optional(fields.text, place, "replacesOrderID", _PLACE),
    )


def read_fill(source: Any) -> Filled:
    """Read an execution. Its price is the average over the trades it opened, reduced and closed."""
    place = fields.mapping(source, _PLACE)
    units = fields.decimal(place, "units", _PLACE)
    return Filled(
        transaction_id=fields.text(place, "id", _PLACE),
        order_id=fields.text(place, "orderID", _PLACE),
        client_id=fields.optional(fields.text, place, "clientOrderID", _PLACE),
        symbol=from_venue(fields.text(place, "instrument", _PLACE)),
        side=side_of(units),
        quantity=abs(units),
        price=_average(_pieces(place)),
        fee=_amount(place, "commission") + _amount(place, "guaranteedExecutionFee"),
        profit=_amount(place, "pl"),
        financing=_amount(place, "financing"),
        at=fields.moment(place, "time", _PLACE),
    )


def read_cancel(source: Any) -> Cancelled:
    """Read the end of an order."""
    place = fields.mapping(source, _PLACE)
    return Cancelled(
        order_id=fields.text(place, "orderID", _PLACE),
        client_id=fields.optional(fields.text, place, "clientOrderID", _PLACE),
        reason=fields.text(place, "reason", _PLACE),
    )


def side_of(units: Decimal) -> Side:
    """Return the direction of signed units.

    Raises:
        WorkOrderError: there are none.
    """
    if not units:
        raise WorkOrderError(f"{_PLACE}.units", "must not be zero")
    return Side.BUY if units > 0 else Side.SELL


def average_price(parts: Sequence[tuple[Decimal, Decimal]]) -> Decimal:
    """Return the price of several quantities together, to ten decimals; exact where all have one price."""
    if len({price for _, price in parts}) == 1:
        return parts[0][1]
    with localcontext(_WIDE):
        worth = sum((quantity * price for quantity, price in parts), Decimal(0))
        return (worth / sum(quantity for quantity, _ in parts)).quantize(_AVERAGE_DECIMALS)


def _client_id(source: Mapping[str, Any]) -> str | None:
    extensions = source.get("clientExtensions")
    if extensions is None:
        return None
    return fields.optional(fields.text, fields.mapping(extensions, _PLACE), "id", _PLACE)


def _pieces(source: Mapping[str, Any]) -> list[tuple[Decimal, Decimal]]:
    pieces = [source[name] for name in _PIECES if source.get(name) is not None]
    if source.get("tradesClosed") is not None:
        pieces += fields.items(source, "tradesClosed", _PLACE)
    read = [fields.mapping(piece, _PLACE) for piece in pieces]
    # Newer answers give each piece a price; older ones have one price for the whole fill only.
    if read and all(piece.get("price") is not None for piece in read):
        return [
            (abs(fields.decimal(piece, "units", _PLACE)), fields.positive(piece, "price", _PLACE))
            for piece in read
        ]
    return [(Decimal(1), fields.positive(source, "price", _PLACE))]


def _average(pieces: Sequence[tuple[Decimal, Decimal]]) -> Decimal:
    if not sum(quantity for quantity, _ in pieces):
        raise WorkOrderError(f"{_PLACE}.units", "must not be zero")
    return average_price(pieces)


def _amount(source: Mapping[str, Any], name: str) -> Decimal:
    return fields.optional(fields.decimal, source, name, _PLACE) or Decimal(0)
