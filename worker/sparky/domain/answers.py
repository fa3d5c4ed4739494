"""What a venue answers."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum, unique
from typing import ClassVar

from sparky.domain.identifiers import ClientOrderId
from sparky.domain.orders import OrderState, PositionSide, Side


@unique
class OutcomeKind(StrEnum):
    """How a write to a venue ended."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    NOT_SENT = "not_sent"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    """One execution at the venue, unique by `venue_fill_id`.

    `fee` is a cost where it is above zero and a rebate below; None where the venue has not told it yet.
    """

    venue_fill_id: str
    price: Decimal
    quantity: Decimal
    fee: Decimal | None
    fee_currency: str
    filled_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountFill:
    """An execution in an account, whoever sent its order: `client_order_id` is None where it is not ours.

    `realized_pnl` and `financing` are the venue's own figures in `pnl_currency`, where it gives them.
    """

    fill: Fill
    symbol: str
    side: Side
    venue_order_id: str | None
    client_order_id: ClientOrderId | None = None
    realized_pnl: Decimal | None = None
    financing: Decimal | None = None
    pnl_currency: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueOrder:
    """What a venue says of an order. `fills` may be empty where the venue reports them elsewhere.

    `client_order_id` is None for an order that carries none, such as one placed by hand.
    """

    client_order_id: ClientOrderId | None
    venue_order_id: str
    state: OrderState
    quantity: Decimal
    filled_quantity: Decimal
    average_price: Decimal | None = None
    fills: tuple[Fill, ...] = ()
    reason_code: str | None = None
    reason: str | None = None
    symbol: str | None = None
    side: Side | None = None


@dataclass(frozen=True, slots=True)
class Accepted:
    """The venue said that it has the order."""

    kind: ClassVar[OutcomeKind] = OutcomeKind.ACCEPTED

    order: VenueOrder


@dataclass(frozen=True, slots=True)
class Refused:
    """The venue said no, in an error that was understood. The order does not exist there.

    `try_again` marks a no that was not about the order, such as a limit of requests or a clock that was
    off: the same order may be sent again, with the same client id.
    """

    kind: ClassVar[OutcomeKind] = OutcomeKind.REFUSED

    reason_code: str
    reason: str
    venue_code: str | None = None
    try_again: bool = False


@dataclass(frozen=True, slots=True)
class NotSent:
    """No byte of the order left: the connection was never made, or its turn never came."""

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
    unrealized_pnl: Decimal | None = None

    def __post_init__(self) -> None:
        if not self.quantity.is_finite() or self.quantity <= 0:
            raise ValueError(f"a position has a quantity above zero, not {self.quantity}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """Money of an account in one currency: all of it, and what new orders may use."""

    currency: str
    equity: Decimal
    available: Decimal
    cash: Decimal | None = None
    unrealized_pnl: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """What an instrument costs now. At least one of the prices is there.

    `account_rate` is what one unit of the currency that the price is in is worth in the account's own: 1
    where they are the same, and for EUR_JPY in an account in USD the price of a yen in dollars.
    `is_delayed` where the venue tells that the prices are not of this moment.

    Raises:
        ValueError: there is no price, or one that is not above zero.
    """

    symbol: str
    bid: Decimal | None = None
    ask: Decimal | None = None
    last: Decimal | None = None
    account_rate: Decimal = Decimal(1)
    is_delayed: bool = False

    def __post_init__(self) -> None:
        prices = [price for price in (self.bid, self.ask, self.last) if price is not None]
        if not prices or not all(value.is_finite() and value > 0 for value in (*prices, self.account_rate)):
            raise ValueError(f"a quote of {self.symbol} needs a price above zero")

    def to_trade(self, side: Side) -> Decimal:
        """Return the price at which a market order of that side would trade, as far as it is known."""
        near, far = (self.ask, self.bid) if side is Side.BUY else (self.bid, self.ask)
        price = near or self.last or far
        assert price is not None  # noqa: S101 - one is there, see above
        return price


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyCheck:
    """What a venue says of keys that it accepts.

    `permissions` are in the venue's own words; `notes` are sentences for the trader.
    """

    balance: Balance
    account_number: str | None = None
    permissions: tuple[str, ...] = ()
    expires_at: datetime | None = None
    notes: tuple[str, ...] = ()
