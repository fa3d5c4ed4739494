"""What is sent to a venue and what a venue answers."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum, unique
from typing import ClassVar, Final

from sparky.domain.identifiers import ClientOrderId


@unique
class Side(StrEnum):
    """The direction of an order."""

    BUY = "buy"
    SELL = "sell"

    @property
    def opposite(self) -> "Side":
        return Side.SELL if self is Side.BUY else Side.BUY


@unique
class PositionSide(StrEnum):
    """The direction of a position."""

    LONG = "long"
    SHORT = "short"

    @property
    def opened_by(self) -> Side:
        return Side.BUY if self is PositionSide.LONG else Side.SELL

    @property
    def closed_by(self) -> Side:
        return self.opened_by.opposite


@unique
class OrderType(StrEnum):
    """The order types that are executed. Anything else is refused, never approximated."""

    MARKET = "market"


@unique
class OrderState(StrEnum):
    """Where an order stands, as stored and as venues are understood."""

    SUBMITTING = "submitting"
    ACCEPTED = "accepted"
    WORKING = "working"
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    REFUSED = "refused"
    UNKNOWN = "unknown"
    ABSENT = "absent"

    @property
    def is_terminal(self) -> bool:
        """Nothing can happen to the order any more, at the venue or here."""
        return self in _TERMINAL

    @property
    def may_be_live(self) -> bool:
        """The venue has the order open, or may have it."""
        return self in _MAY_BE_LIVE

    @property
    def needs_lookup(self) -> bool:
        """Only the venue can tell whether it has the order: look it up, do not send it."""
        return self in _NEEDS_LOOKUP

    @property
    def may_be_sent_again(self) -> bool:
        """A look-up has proved that the venue does not have the order."""
        return self is OrderState.ABSENT


_TERMINAL: Final = frozenset(
    {OrderState.FILLED, OrderState.CANCELLED, OrderState.EXPIRED, OrderState.REFUSED}
)
_NEEDS_LOOKUP: Final = frozenset({OrderState.SUBMITTING, OrderState.UNKNOWN})
_MAY_BE_LIVE: Final = _NEEDS_LOOKUP | {
    OrderState.ACCEPTED,
    OrderState.WORKING,
    OrderState.PARTIALLY_FILLED,
}


@unique
class OutcomeKind(StrEnum):
    """How a write to a venue ended."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    NOT_SENT = "not_sent"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRequest:
    """One order to send. `reference_price` is what the alert saw; it limits nothing."""

    client_order_id: ClientOrderId
    symbol: str
    side: Side
    quantity: Decimal
    reduce_only: bool
    order_type: OrderType = OrderType.MARKET
    reference_price: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    """One execution at the venue, unique by `venue_fill_id`."""

    venue_fill_id: str
    price: Decimal
    quantity: Decimal
    fee: Decimal
    fee_currency: str
    filled_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueOrder:
    """What a venue says of an order. `fills` may be empty where the venue reports them elsewhere."""

    client_order_id: ClientOrderId
    venue_order_id: str
    state: OrderState
    quantity: Decimal
    filled_quantity: Decimal
    average_price: Decimal | None = None
    fills: tuple[Fill, ...] = ()
    reason_code: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Accepted:
    """The venue said that it has the order."""

    kind: ClassVar[OutcomeKind] = OutcomeKind.ACCEPTED

    order: VenueOrder


@dataclass(frozen=True, slots=True)
class Refused:
    """The venue said no, in an error that was understood. The order does not exist there."""

    kind: ClassVar[OutcomeKind] = OutcomeKind.REFUSED

    reason_code: str
    reason: str
    venue_code: str | None = None


@dataclass(frozen=True, slots=True)
class NotSent:
    """No byte of the order left: the connection was never made."""

    kind: ClassVar[OutcomeKind] = OutcomeKind.NOT_SENT

    reason: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """The venue may have the order or not: only a look-up can tell."""

    kind: ClassVar[OutcomeKind] = OutcomeKind.UNKNOWN

    reason: str


Outcome = Accepted | Refused | NotSent | Unknown


@dataclass(frozen=True, slots=True, kw_only=True)
class VenuePosition:
    """What is open now. No position is None, so `quantity` is always above zero.

    Raises:
        ValueError: `quantity` is not a finite number above zero.
    """

    symbol: str
    side: PositionSide
    quantity: Decimal
    entry_price: Decimal

    def __post_init__(self) -> None:
        if not self.quantity.is_finite() or self.quantity <= 0:
            raise ValueError(f"a position has a quantity above zero, not {self.quantity}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """Money of an account in one currency: all of it, and what new orders may use."""

    currency: str
    equity: Decimal
    available: Decimal
