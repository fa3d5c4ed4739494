"""The pure result of planning: what to send, a rejection, or nothing to do."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum, unique
from typing import Final

from sparky.domain.identifiers import ClientOrderId
from sparky.domain.orders import (
    ExitKind,
    ExitLeg,
    OrderRequest,
    OrderType,
    Side,
    SpreadLeg,
    TimeInForce,
)
from sparky.domain.reasons import Reason

FIRST_EXIT_LEG: Final = 3
"""Exits are numbered from here on, after the at most two orders that trade."""
EMERGENCY_LEG: Final = 20
"""Closes what an entry has opened when its stop cannot be placed."""


@unique
class Purpose(StrEnum):
    """What a leg does to the position. The last three are those of `ExitKind`."""

    OPEN = "open"
    CLOSE = "close"
    TAKE_PROFIT = "take_profit"
    STOP_LOSS = "stop_loss"
    TRAILING_STOP = "trailing_stop"

    @property
    def is_exit(self) -> bool:
        """The leg waits at the venue to leave a position."""
        return self not in {Purpose.OPEN, Purpose.CLOSE}


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """One order we want.

    A leg that depends on the previous one is sent only after that one filled. An exit is `attached_to` an
    entry when the venue takes it in that entry's write; else it is placed for an open position. A
    take-profit has a `limit_price`, a stop-loss a `stop_price`, a trailing stop one trail. A leg with
    `spread` is a spread: `symbol` is the underlying and `limit_price` the net price of one.
    """

    number: int
    client_order_id: ClientOrderId
    symbol: str
    side: Side
    quantity: Decimal
    purpose: Purpose
    reduce_only: bool
    order_type: OrderType = OrderType.MARKET
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    trail_distance: Decimal | None = None
    trail_percent: Decimal | None = None
    time_in_force: TimeInForce | None = None
    extended_hours: bool = False
    reference_price: Decimal | None = None
    spread: tuple[SpreadLeg, ...] = ()
    attached_to: int | None = None
    depends_on_previous: bool = False

    def request(self, bookmark: str | None = None, exits: tuple[ExitLeg, ...] = ()) -> OrderRequest:
        """Return the order that this leg sends, with the exits that are attached to it."""
        return OrderRequest(
            client_order_id=self.client_order_id,
            symbol=self.symbol,
            side=self.side,
            quantity=self.quantity,
            reduce_only=self.reduce_only,
            order_type=self.order_type,
            limit_price=self.limit_price,
            stop_price=self.stop_price,
            time_in_force=self.time_in_force,
            extended_hours=self.extended_hours,
            exits=exits,
            legs=self.spread,
            reference_price=self.reference_price,
            bookmark=bookmark,
        )

    def exit_leg(self) -> ExitLeg:
        """Return an exit as the venues take it.

        Raises:
            ValueError: the leg is no exit.
        """
        kind = ExitKind(self.purpose.value)
        return ExitLeg(
            client_order_id=self.client_order_id,
            kind=kind,
            price=self.limit_price if kind is ExitKind.TAKE_PROFIT else self.stop_price,
            trail_distance=self.trail_distance,
            trail_percent=self.trail_percent,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ExitTerms:
    """An exit whose price is not known before its entry has filled.

    Exactly one of `price`, `percent` (of the entry's real average fill price), `trail_distance` and
    `trail_percent` is set; 1 is one per cent. `quantity_percent` is its share of what was filled.
    """

    number: int
    kind: ExitKind
    price: Decimal | None = None
    percent: Decimal | None = None
    trail_distance: Decimal | None = None
    trail_percent: Decimal | None = None
    quantity_percent: Decimal = Decimal(100)


@dataclass(frozen=True, slots=True, kw_only=True)
class Protection:
    """The exits to place once the leg `entry` has filled; `entry` is 0 for a position that is open already.

    `side_closed_by` is the side of the exits' orders. `quantity` is what is left for them where the entry is
    0, if the plan's legs fill: 0 for exits that are only placed again when a close of all comes to nothing.
    """

    entry: int
    side_closed_by: Side
    exits: tuple[ExitTerms, ...]
    quantity: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancel:
    """A working order of another signal, to be cancelled once leg `after_leg` is done; 0 is before any."""

    client_order_id: ClientOrderId
    after_leg: int = 0


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was checked: what it found, and the limit it was held against."""

    name: str
    ok: bool
    value: str
    limit: str | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What to send, in order. `notes` are sentences for the trader.

    In this order: the cancels of leg 0, the leverage, each leg with the cancels after it, the protection.
    `close_symbols` are closed by signals of their own, one for each symbol. `kept` are the exits to place
    again where a reverse does not close what they were for; `protection` is then that of what it opens.
    """

    legs: tuple[Leg, ...] = ()
    notes: tuple[str, ...] = ()
    protection: Protection | None = None
    kept: Protection | None = None
    cancels: tuple[Cancel, ...] = ()
    leverage: int | None = None
    close_symbols: tuple[str, ...] = ()
    checks: tuple[Check, ...] = ()

    @property
    def opens(self) -> bool:
        """Whether a leg opens or adds to a position: the trader's limits on entries count."""
        return any(leg.purpose is Purpose.OPEN for leg in self.legs)


@dataclass(frozen=True, slots=True)
class Rejection:
    """Nothing is sent. `expired` tells a signal that came too late from one that may not be executed."""

    reason_code: Reason
    reason: str
    expired: bool = False
    checks: tuple[Check, ...] = ()


@dataclass(frozen=True, slots=True)
class NothingToDo:
    """The signal is done without an order, and the note says why. `plan` is what a dry run would send."""

    reason_code: Reason
    note: str
    checks: tuple[Check, ...] = ()
    plan: Plan | None = None


Decision = Plan | Rejection | NothingToDo
