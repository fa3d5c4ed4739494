"""What became of one order, told from the transactions about it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sparky.domain.answers import AccountFill, Fill, VenueOrder
from sparky.domain.identifiers import ClientOrderId
from sparky.domain.orders import OrderState
from sparky.venues.oanda.errors import ENDED_AS_ASKED, EXPIRED, is_duplicate, refused
from sparky.venues.oanda.symbols import to_venue
from sparky.venues.oanda.transactions import (
    FILL,
    Cancelled,
    Created,
    Filled,
    Rejected,
    average_price,
    read_fill,
    read_transaction,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """One order: as it was created, its executions, and its end where it has come.

    `goes_on`: the rest of a partly filled order works on, under `venue_order_id`.
    """

    created: Created
    venue_order_id: str
    fills: tuple[Filled, ...] = ()
    cancelled: Cancelled | None = None
    goes_on: bool = False


def tell(record: Sequence[Mapping[str, Any]], client_id: str) -> History | Rejected | None:
    """Return what a record says of the order of a client id; None where it does not name it.

    An order that OANDA stopped because an earlier one of the same client id was executed is no order of its
    own: the earlier one is what is meant.

    Raises:
        WorkOrderError: what it says of the order is not of OANDA's language.
    """
    named = [read_transaction(one) for one in record if _names(one, client_id)]
    created = {one.order_id: one for one in named if isinstance(one, Created)}
    about = [read_transaction(one) for one in record if one.get("orderID") in created]
    ends = {one.order_id: one for one in about if isinstance(one, Cancelled)}
    ours = [one for one in created.values() if not _is_second(ends.get(one.order_id))]
    if not ours:
        rejected = [one for one in named if isinstance(one, Rejected) and not is_duplicate(one.reason)]
        return rejected[-1] if rejected else None
    ids = {one.order_id for one in ours}
    last = ours[-1].order_id
    return History(
        created=ours[0],
        venue_order_id=last,
        fills=tuple(one for one in about if isinstance(one, Filled) and one.order_id in ids),
        cancelled=ends.get(last),
        goes_on=len(ours) > 1,
    )


def executions(record: Sequence[Mapping[str, Any]], symbol: str) -> list[Filled]:
    """Return the executions in a symbol. Raises as `tell`."""
    fills = (one for one in record if one.get("type") == FILL and one.get("instrument") == to_venue(symbol))
    return [read_fill(one) for one in fills]


def _names(transaction: Mapping[str, Any], client_id: str) -> bool:
    extensions = transaction.get("clientExtensions")
    return isinstance(extensions, Mapping) and extensions.get("id") == client_id


def _is_second(end: Cancelled | None) -> bool:
    return end is not None and is_duplicate(end.reason)


def venue_order(history: History, quantity: Decimal, currency: str) -> VenueOrder:
    """Return the order as it stands; `quantity` is its own or, of an exit, that of its trade."""
    filled = sum((one.quantity for one in history.fills), Decimal(0))
    state = _state(history, quantity, filled)
    created = history.created
    first = history.fills[0] if history.fills else None
    no = None
    if history.cancelled is not None and state is OrderState.REFUSED:
        no = refused(history.cancelled.reason)
    return VenueOrder(
        client_order_id=None if created.client_id is None else ClientOrderId(created.client_id),
        venue_order_id=history.venue_order_id,
        state=state,
        quantity=quantity,
        filled_quantity=filled,
        average_price=_average(history.fills),
        fills=tuple(fill_of(one, currency) for one in history.fills),
        reason_code=None if no is None else no.reason_code,
        reason=_ending(history) if no is None else no.reason,
        symbol=created.symbol or (first.symbol if first else None),
        side=created.side or (first.side if first else None),
    )


def fill_of(filled: Filled, currency: str) -> Fill:
    """Return an execution in our types; the transaction's id is the fill's."""
    return Fill(
        venue_fill_id=filled.transaction_id,
        price=filled.price,
        quantity=filled.quantity,
        fee=filled.fee,
        fee_currency=currency,
        filled_at=filled.at,
    )


def account_fill(filled: Filled, currency: str) -> AccountFill:
    """Return an execution with what OANDA booked for it."""
    return AccountFill(
        fill=fill_of(filled, currency),
        symbol=filled.symbol,
        side=filled.side,
        venue_order_id=filled.order_id,
        client_order_id=None if filled.client_id is None else ClientOrderId(filled.client_id),
        realized_pnl=filled.profit,
        financing=filled.financing,
        pnl_currency=currency,
    )


def rejected_order(rejected: Rejected, client_id: ClientOrderId) -> VenueOrder:
    """Return an order that OANDA wrote down as rejected."""
    no = refused(rejected.reason)
    return VenueOrder(
        client_order_id=client_id,
        venue_order_id=rejected.transaction_id,
        state=OrderState.REFUSED,
        quantity=rejected.quantity or Decimal(0),
        filled_quantity=Decimal(0),
        reason_code=no.reason_code,
        reason=no.reason,
    )


def _state(history: History, quantity: Decimal, filled: Decimal) -> OrderState:
    if filled and filled >= quantity:
        return OrderState.FILLED
    if history.cancelled is not None:
        return _ended(history.cancelled.reason, filled)
    if not filled:
        return OrderState.WORKING
    # OANDA drops the rest of an order that it fills in part, unless it creates another one for it.
    return OrderState.PARTIALLY_FILLED if history.goes_on else OrderState.CANCELLED


def _ended(reason: str, filled: Decimal) -> OrderState:
    if reason == EXPIRED:
        return OrderState.EXPIRED
    if filled or reason in ENDED_AS_ASKED:
        return OrderState.CANCELLED
    return OrderState.REFUSED


def _ending(history: History) -> str | None:
    if history.cancelled is None or history.cancelled.reason == "CLIENT_REQUEST":
        return None
    return f"OANDA ended the order: {history.cancelled.reason.replace('_', ' ').lower()}."


def _average(fills: Sequence[Filled]) -> Decimal | None:
    return average_price([(one.quantity, one.price) for one in fills]) if fills else None
