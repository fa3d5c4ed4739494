"""OANDA's answers in our types: outcomes of writes, money and positions."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from typing import Any, Final

from sparky.domain import fields
from sparky.domain.answers import (
    Accepted,
    Balance,
    Outcome,
    Refused,
    Unknown,
    VenueOrder,
    VenuePosition,
)
from sparky.domain.errors import VenueUnavailable, WorkOrderError
from sparky.domain.identifiers import ClientOrderId
from sparky.domain.orders import OrderState, PositionSide
from sparky.venues.oanda.client import Answer
from sparky.venues.oanda.errors import EXPIRED, is_duplicate, refused
from sparky.venues.oanda.history import History, venue_order
from sparky.venues.oanda.symbols import from_venue
from sparky.venues.oanda.transactions import Created, read_cancel, read_created, read_fill

_PLACE: Final = "answer"


@contextmanager
def understanding(what: str) -> Iterator[None]:
    """Let what is not of OANDA's language be no answer: VenueUnavailable in place of WorkOrderError."""
    try:
        yield
    except WorkOrderError as error:
        raise VenueUnavailable(f"OANDA's {what} was not understood: {error.field}.") from None


def read_submission(
    answer: Answer, client_id: ClientOrderId, currency: str, prefix: str = "order"
) -> Outcome:
    """Classify the answer to an order. `prefix` begins the names of its transactions, as in `longOrder`.

    That OANDA created an order is not yet that it took it: it may have cancelled it in the same breath.
    """
    try:
        if not answer.ok:
            return _no(answer, f"{prefix}RejectTransaction")
        return _yes(_history(answer.body, prefix, client_id), currency)
    except WorkOrderError as error:
        return Unknown(f"OANDA may have the order, but its answer was not understood: {error.field}.")


def _history(body: Mapping[str, Any], prefix: str, client_id: ClientOrderId) -> History:
    created = _created(body, f"{prefix}CreateTransaction", client_id)
    fill = body.get(f"{prefix}FillTransaction")
    cancel = body.get(f"{prefix}CancelTransaction")
    rest = body.get(f"{prefix}ReissueTransaction")
    return History(
        created=created,
        venue_order_id=created.order_id if rest is None else read_created(rest).order_id,
        fills=() if fill is None else (read_fill(fill),),
        cancelled=None if cancel is None else read_cancel(cancel),
        goes_on=rest is not None,
    )


def _created(body: Mapping[str, Any], name: str, client_id: ClientOrderId) -> Created:
    created = read_created(fields.present(body, name, _PLACE))
    if created.client_id != client_id:
        raise WorkOrderError(f"{_PLACE}.{name}", "is about another order")
    return created


def _yes(history: History, currency: str) -> Outcome:
    cancelled, quantity = history.cancelled, history.created.quantity
    if cancelled is not None and not history.fills and cancelled.reason != EXPIRED:
        return stopped(cancelled.reason)
    if quantity is None:
        raise WorkOrderError(_PLACE, "names no units")
    return Accepted(venue_order(history, quantity, currency))


def stopped(reason: str | None, words: str = "") -> Refused | Unknown:
    """Classify why an order was rejected, or cancelled as soon as it was created."""
    if is_duplicate(reason):
        return Unknown(f"OANDA already has an order or a trade of this client id ({reason}).")
    return refused(reason, words)


def _no(answer: Answer, name: str) -> Refused | Unknown:
    code = reject_reason(answer, name) or answer.code
    return stopped(code, answer.words)


def reject_reason(answer: Answer, name: str) -> str | None:
    """Return why a transaction was rejected; None where the answer holds no such transaction.

    Raises:
        WorkOrderError: it holds one that is not understood.
    """
    rejected = answer.body.get(name)
    if rejected is None:
        return None
    return fields.text(fields.mapping(rejected, _PLACE), "rejectReason", _PLACE)


def placed_exit(body: Mapping[str, Any], name: str, client_id: ClientOrderId, quantity: Decimal) -> Outcome:
    """Classify one exit of the answer to PUT /trades/{trade}/orders; `name` is such as `stopLoss`."""
    try:
        created = _created(body, f"{name}OrderTransaction", client_id)
        cancelled = body.get(f"{name}OrderCreatedCancelTransaction")
        if cancelled is not None:
            return stopped(read_cancel(cancelled).reason)
        filled = body.get(f"{name}OrderFillTransaction")
        fill = None if filled is None else read_fill(filled)
    except WorkOrderError as error:
        return Unknown(f"OANDA may have the exit, but its answer was not understood: {error.field}.")
    return Accepted(
        VenueOrder(
            client_order_id=client_id,
            venue_order_id=created.order_id,
            state=OrderState.WORKING if fill is None else OrderState.FILLED,
            quantity=quantity,
            filled_quantity=Decimal(0) if fill is None else fill.quantity,
            average_price=None if fill is None else fill.price,
        )
    )


def read_balance(answer: Any) -> Balance:
    """Read the answer to GET /summary.

    Raises:
        WorkOrderError: it is not of OANDA's language.
    """
    source = fields.mapping(fields.present(answer, "account", _PLACE), _PLACE)
    return Balance(
        currency=fields.text(source, "currency", _PLACE),
        equity=fields.decimal(source, "NAV", _PLACE),
        available=fields.decimal(source, "marginAvailable", _PLACE),
        cash=fields.decimal(source, "balance", _PLACE),
        unrealized_pnl=fields.decimal(source, "unrealizedPL", _PLACE),
    )


def read_positions(answer: Any) -> tuple[VenuePosition, ...]:
    """Read the answer to GET /openPositions.

    A hedging account may hold both sides of a symbol. Sparky knows one position of a symbol, so that is
    their difference, at the price of the larger side; sides that cancel out are no position.

    Raises:
        WorkOrderError: it is not of OANDA's language.
    """
    items = fields.items(answer, "positions", _PLACE)
    read = (_position(fields.mapping(item, _PLACE)) for item in items)
    return tuple(one for one in read if one is not None)


def units_of_side(answer: Any, symbol: str, side: PositionSide) -> Decimal:
    """Return how many units of one side of a symbol are open, from the answer to GET /openPositions.

    Raises:
        WorkOrderError: it is not of OANDA's language.
    """
    for item in fields.items(answer, "positions", _PLACE):
        source = fields.mapping(item, _PLACE)
        if from_venue(fields.text(source, "instrument", _PLACE)) == symbol:
            one = fields.mapping(fields.present(source, side.value, _PLACE), _PLACE)
            return abs(fields.decimal(one, "units", _PLACE))
    return Decimal(0)


def _position(source: Mapping[str, Any]) -> VenuePosition | None:
    sides = {
        side: fields.mapping(fields.present(source, side.value, _PLACE), _PLACE) for side in PositionSide
    }
    units = {side: abs(fields.decimal(one, "units", _PLACE)) for side, one in sides.items()}
    larger = max(PositionSide, key=lambda side: units[side])
    quantity = 2 * units[larger] - sum(units.values())
    if not quantity:
        return None
    profits = (fields.optional(fields.decimal, one, "unrealizedPL", _PLACE) for one in sides.values())
    return VenuePosition(
        symbol=from_venue(fields.text(source, "instrument", _PLACE)),
        side=larger,
        quantity=quantity,
        entry_price=fields.positive(sides[larger], "averagePrice", _PLACE),
        unrealized_pnl=sum((one for one in profits if one is not None), Decimal(0)),
    )
