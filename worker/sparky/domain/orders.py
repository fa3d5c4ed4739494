"""What is sent to a venue, and where an order stands."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum, unique
from typing import Final

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
    """The order types of the alert language. A venue that lacks one refuses it, and never approximates."""

    MARKET = "market"
    LIMIT = "limit"
    STOP = "stop"
    STOP_LIMIT = "stop_limit"

    @property
    def has_limit_price(self) -> bool:
        return self in {OrderType.LIMIT, OrderType.STOP_LIMIT}

    @property
    def has_stop_price(self) -> bool:
        return self in {OrderType.STOP, OrderType.STOP_LIMIT}


@unique
class TimeInForce(StrEnum):
    """How long an order works."""

    GTC = "gtc"
    DAY = "day"
    IOC = "ioc"
    FOK = "fok"


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
class ExitKind(StrEnum):
    """Why an order leaves a position."""

    TAKE_PROFIT = "take_profit"
    STOP_LOSS = "stop_loss"
    TRAILING_STOP = "trailing_stop"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExitLeg:
    """One exit of a position, an order of its own at the venue.

    A take-profit and a stop-loss have a `price`. A trailing stop has either `trail_distance`, in price
    units, or `trail_percent`, where 1 is one per cent.

    Raises:
        ValueError: it has not exactly what its kind needs, or a number that is not above zero.
    """

    client_order_id: ClientOrderId
    kind: ExitKind
    price: Decimal | None = None
    trail_distance: Decimal | None = None
    trail_percent: Decimal | None = None

    def __post_init__(self) -> None:
        trailing = [value for value in (self.trail_distance, self.trail_percent) if value is not None]
        is_trailing = self.kind is ExitKind.TRAILING_STOP
        if (self.price is not None) == is_trailing or len(trailing) != int(is_trailing):
            raise ValueError(f"a {self.kind} needs " + ("one trail" if is_trailing else "a price, no trail"))
        for value in (self.price, *trailing):
            if value is not None and not (value.is_finite() and value > 0):
                raise ValueError(f"a {self.kind} needs a number above zero, not {value}")


@dataclass(frozen=True, slots=True, kw_only=True)
class SpreadLeg:
    """One option of a spread: `ratio` contracts of it for each unit of the order's quantity."""

    symbol: str
    side: Side
    ratio: int
    closes: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRequest:
    """One order to send, in our symbols. `reference_price` is what the alert saw; it limits nothing.

    `reduce_only` orders never open, add to or flip a position. `exits` are attached: the venue places them
    itself when the entry fills. An order with `legs` is an option spread: `symbol` is the underlying,
    `quantity` counts spreads, `limit_price` is the net price of one, at least zero, which a buyer pays and
    a seller receives. `bookmark` is what `VenueAdapter.bookmark` returned before the order was written down.
    """

    client_order_id: ClientOrderId
    symbol: str
    side: Side
    quantity: Decimal
    reduce_only: bool
    order_type: OrderType = OrderType.MARKET
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    time_in_force: TimeInForce | None = None
    extended_hours: bool = False
    exits: tuple[ExitLeg, ...] = ()
    legs: tuple[SpreadLeg, ...] = ()
    reference_price: Decimal | None = None
    bookmark: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRef:
    """What finds an order again.

    `sent_at` is a moment before its first byte left, by the database's clock; venues that list orders are
    asked from a minute before it. `exit_of` names the entry whose attached exit of kind `exit_kind` this is.
    """

    client_order_id: ClientOrderId
    symbol: str
    sent_at: datetime
    bookmark: str | None = None
    venue_order_id: str | None = None
    exit_of: ClientOrderId | None = None
    exit_kind: ExitKind | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExitRequest:
    """Exits for a position that is open. They close it, wholly or by `quantity`, and never open anything.

    `entry` is the order that opened the position, where it is known: some venues bind exits to its trade.
    `reference_price` turns a trail in per cent into a distance and back.
    """

    symbol: str
    side: PositionSide
    quantity: Decimal
    exits: tuple[ExitLeg, ...]
    entry: OrderRef | None = None
    reference_price: Decimal | None = None
