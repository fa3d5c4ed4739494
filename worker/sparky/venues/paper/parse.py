"""The paper book's answers in our types."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from sparky.domain import fields
from sparky.domain.answers import (
    Accepted,
    AccountFill,
    Balance,
    Fill,
    Outcome,
    Refused,
    Unknown,
    VenueOrder,
    VenuePosition,
)
from sparky.domain.errors import VenueUnavailable, WorkOrderError
from sparky.domain.identifiers import ClientOrderId
from sparky.domain.orders import OrderState, PositionSide, Side
from sparky.domain.reasons import Reason

CURRENCY: Final = "USD"
_PLACE: Final = "paper"
_DUPLICATE: Final = "duplicate_client_order_id"
_UNKNOWN_ORDER: Final = "unknown_order"
_STATES: Final[Mapping[str, OrderState]] = {
    # An exit that works once its entry has filled.
    "waiting": OrderState.ACCEPTED,
    "working": OrderState.WORKING,
    "filled": OrderState.FILLED,
    "cancelled": OrderState.CANCELLED,
    "expired": OrderState.EXPIRED,
}
_REASONS: Final[Mapping[str, Reason]] = {
    "insufficient_funds": Reason.INSUFFICIENT_FUNDS,
    "no_price": Reason.NO_PRICE,
    "nothing_to_reduce": Reason.NO_POSITION,
    "unknown_key": Reason.CREDENTIALS_INVALID,
}
_ADVICE: Final[Mapping[str, str]] = {
    "no_price": 'Send "price" in the alert, or have the operator configure a price feed.',
    "unknown_key": "Save the keys of the paper account again.",
    "insufficient_funds": "Send a smaller size, or close something first.",
    "nothing_to_reduce": "The position was closed meanwhile.",
}


def read_submission(answer: Any) -> Outcome:
    """Classify the answer to a submitted order."""
    try:
        source = fields.mapping(answer, _PLACE)
        refusal = source.get("refused")
        if refusal is not None:
            return _read_refusal(fields.mapping(refusal, _PLACE))
        return Accepted(_read_order(fields.mapping(source.get("order"), _PLACE)))
    except WorkOrderError as error:
        return Unknown(f"the paper venue's answer was not understood: {error.field}")


def read_exits(answer: Any, ids: Sequence[ClientOrderId]) -> Sequence[Outcome]:
    """Classify the answer to exits, which the book takes all or none; one outcome for each client id."""
    try:
        source = fields.mapping(answer, _PLACE)
        refusal = source.get("refused")
        if refusal is not None:
            outcome = _read_refusal(fields.mapping(refusal, _PLACE))
            return [outcome for _ in ids]
        orders = [
            _read_order(fields.mapping(item, _PLACE)) for item in fields.items(source, "orders", _PLACE)
        ]
    except WorkOrderError as error:
        return [Unknown(f"the paper venue's answer was not understood: {error.field}") for _ in ids]
    found = {order.client_order_id: order for order in orders}
    return [
        Accepted(found[one]) if one in found else Unknown("the paper venue's answer does not name the exit")
        for one in ids
    ]


def read_cancel(answer: Any) -> Outcome:
    """Classify the answer to a cancel."""
    outcome = read_submission(answer)
    if isinstance(outcome, Refused) and outcome.venue_code == _UNKNOWN_ORDER:
        return Refused(
            Reason.VENUE_REFUSED,
            "The paper venue shows no such order: there is none to cancel.",
            _UNKNOWN_ORDER,
        )
    return outcome


def _read_refusal(source: Mapping[str, Any]) -> Outcome:
    code = fields.text(source, "code", _PLACE)
    words = fields.text(source, "message", _PLACE)
    if code == _DUPLICATE:
        # The venue has an order of this id: ours, from a request whose answer was lost.
        return Unknown("the paper venue already has an order with this client id")
    reason = f"The paper venue refused the order: {words} ({code}). {_ADVICE.get(code, '')}".rstrip()
    return Refused(_REASONS.get(code, Reason.VENUE_REFUSED), reason, code)


def read_order(answer: Any) -> VenueOrder | None:
    """Read the answer to a look-up.

    Raises:
        VenueUnavailable: the answer is not of the book's language; it must not be taken for "absent".
    """
    if answer is None:
        return None
    try:
        return _read_order(fields.mapping(answer, _PLACE))
    except WorkOrderError as error:
        raise VenueUnavailable(f"the paper venue's order was not understood: {error.field}") from error


def _read_order(source: Mapping[str, Any]) -> VenueOrder:
    state = _STATES.get(fields.text(source, "state", _PLACE))
    if state is None:
        raise WorkOrderError(f"{_PLACE}.state", "is not a state that is known")
    fill = _read_fill(source) if state is OrderState.FILLED else None
    why = fields.optional(fields.text, source, "reason", _PLACE)
    return VenueOrder(
        client_order_id=ClientOrderId(fields.text(source, "client_order_id", _PLACE)),
        venue_order_id=fields.text(source, "order_id", _PLACE),
        state=state,
        quantity=fields.positive(source, "quantity", _PLACE),
        filled_quantity=Decimal(0) if fill is None else fill.quantity,
        average_price=None if fill is None else fill.price,
        reason=None if why is None else f"The paper venue has ended the order: {why}.",
        symbol=fields.text(source, "symbol", _PLACE),
        side=fields.choice(source, "side", _PLACE, Side),
        fills=() if fill is None else (fill,),
    )


def _read_fill(source: Mapping[str, Any]) -> Fill:
    return Fill(
        # The book fills an order whole, in one execution, so its id names the fill too.
        venue_fill_id=fields.text(source, "order_id", _PLACE),
        price=fields.positive(source, "price", _PLACE),
        quantity=fields.positive(source, "quantity", _PLACE),
        fee=fields.not_negative(source, "fee", _PLACE),
        fee_currency=CURRENCY,
        filled_at=fields.moment(source, "executed_at", _PLACE),
    )


def read_open(answer: Any) -> tuple[VenueOrder, ...]:
    """Read the orders that work.

    Raises:
        VenueUnavailable: the answer is not of the book's language; it must not be taken for "none".
    """
    try:
        items = fields.items({"orders": answer}, "orders", _PLACE)
        return tuple(_read_order(fields.mapping(item, _PLACE)) for item in items)
    except WorkOrderError as error:
        raise VenueUnavailable(f"the paper venue's orders were not understood: {error.field}") from error


def read_fills(answer: Any) -> tuple[AccountFill, ...]:
    """Read executions: the book's orders, each filled in one.

    Raises:
        VenueUnavailable: the answer is not of the book's language; it must not be taken for "none".
    """
    try:
        items = [fields.mapping(item, _PLACE) for item in fields.items({"fills": answer}, "fills", _PLACE)]
        orders = [_read_order(item) for item in items]
    except WorkOrderError as error:
        raise VenueUnavailable(f"the paper venue's fills were not understood: {error.field}") from error
    return tuple(
        AccountFill(
            fill=fill,
            symbol=order.symbol,
            side=order.side,
            venue_order_id=order.venue_order_id,
            client_order_id=order.client_order_id,
        )
        for order in orders
        if order.symbol is not None and order.side is not None
        for fill in order.fills
    )


def read_positions(answer: Any) -> tuple[VenuePosition, ...]:
    """Read everything that is open.

    Raises:
        VenueUnavailable: the answer is not of the book's language; it must not be taken for "flat".
    """
    try:
        items = fields.items({"positions": answer}, "positions", _PLACE)
        return tuple(
            _read_position(fields.mapping(item, f"{_PLACE}[{index}]")) for index, item in enumerate(items)
        )
    except (WorkOrderError, ValueError) as error:
        raise VenueUnavailable("the paper venue's positions were not understood") from error


def _read_position(source: Mapping[str, Any]) -> VenuePosition:
    signed = fields.decimal(source, "quantity", _PLACE)
    return VenuePosition(
        symbol=fields.text(source, "symbol", _PLACE),
        side=PositionSide.LONG if signed > 0 else PositionSide.SHORT,
        quantity=abs(signed),
        entry_price=fields.not_negative(source, "entry_price", _PLACE),
    )


def read_balance(answer: Any) -> Balance:
    """Read the balance.

    Raises:
        VenueUnavailable: the answer is not of the book's language.
    """
    try:
        source = fields.mapping(answer, _PLACE)
        return Balance(
            currency=fields.text(source, "currency", _PLACE),
            equity=fields.decimal(source, "equity", _PLACE),
            available=fields.decimal(source, "cash", _PLACE),
        )
    except WorkOrderError as error:
        raise VenueUnavailable(f"the paper venue's balance was not understood: {error.field}") from error
