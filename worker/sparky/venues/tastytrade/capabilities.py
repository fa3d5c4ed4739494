"""What tastytrade can do, and sentences for what it cannot."""

from collections.abc import Sequence
from typing import Final

from sparky.domain.answers import Refused
from sparky.domain.capabilities import Capabilities
from sparky.domain.orders import ExitKind, ExitLeg, OrderRequest, OrderType, TimeInForce
from sparky.domain.reasons import Reason
from sparky.venues.tastytrade.symbols import Instrument, InstrumentType

_BRACKET: Final = frozenset({ExitKind.TAKE_PROFIT, ExitKind.STOP_LOSS})
MOST_LEGS: Final = 4

CAPABILITIES: Final = Capabilities(
    order_types=frozenset(OrderType),
    times_in_force=frozenset({TimeInForce.GTC, TimeInForce.DAY, TimeInForce.IOC}),
    # Documented and shown with a limit order as the trigger only; other entries get their exits afterwards.
    attached_exits={OrderType.LIMIT: _BRACKET},
    separate_exits=_BRACKET,
    cancels_siblings=True,
    # The strict check refuses to close what is not there; that it bounds the size is not promised.
    reduces_natively=False,
    extended_hours=True,
    option_legs=MOST_LEGS,
    futures=True,
)

NO_TRAILING: Final = "Tastytrade's API has no trailing stops; its nearest is a stop-loss at a fixed price."
NO_LEVERAGE: Final = (
    "Tastytrade has no leverage to set: the account's margin type decides. Send the alert without it."
)
_NO_FOK: Final = (
    "Tastytrade has no fill-or-kill orders; its nearest is immediate-or-cancel (ioc), which may fill in part."
)
_NO_GTC_MARKET: Final = (
    "Tastytrade takes market orders for the day only; send it without a time in force, or a limit order."
)
_NO_GTC_STOP: Final = (
    "Tastytrade takes a stop order that opens a position for the day only; its nearest that lasts is a "
    "stop-limit order."
)
_ONE_SESSION: Final = (
    "Tastytrade trades extended hours with limit orders on shares only, for the day or gtc; send a limit "
    "order, or leave extended hours out."
)
_LIMIT_SPREADS: Final = (
    "Tastytrade takes spreads as limit orders only: give the net price, at which it is bought or sold."
)
_EXITS_ON_ENTRIES: Final = "Only an order that opens a position carries exits; send the close without them."


def unsupported(reason: str) -> Refused:
    """Return the refusal of what tastytrade does not have."""
    return Refused(Reason.NOT_SUPPORTED, reason)


def refusal_of(order: OrderRequest, instrument: Instrument | None) -> Refused | None:
    """Return why tastytrade does not take an order of this kind; None when it may.

    `instrument` is None for a spread.
    """
    problem = _time_problem(order) or _exits_problem(order) or _spread_problem(order)
    if problem is None and order.extended_hours:
        problem = _session_problem(order, instrument)
    return None if problem is None else unsupported(problem)


def refusal_of_exits(exits: Sequence[ExitLeg]) -> Refused | None:
    """Return why tastytrade does not take these exits; None when it may."""
    problem = _kinds_problem(exits)
    return None if problem is None else unsupported(problem)


def _time_problem(order: OrderRequest) -> str | None:
    if order.time_in_force is TimeInForce.FOK:
        return _NO_FOK
    if order.time_in_force is TimeInForce.GTC:
        if order.order_type is OrderType.MARKET:
            return _NO_GTC_MARKET
        if order.order_type is OrderType.STOP and not order.reduce_only:
            return _NO_GTC_STOP
    return None


def _exits_problem(order: OrderRequest) -> str | None:
    if not order.exits:
        return None
    if order.reduce_only:
        return _EXITS_ON_ENTRIES
    if order.legs:
        return "Tastytrade's exits of a spread cannot be attached here; close it with an alert."
    kinds = _kinds_problem(order.exits)
    if kinds is None and order.order_type not in CAPABILITIES.attached_exits:
        name = order.order_type.replace("_", "-")
        return f"Tastytrade attaches exits to limit orders only, not to {name} orders; place them afterwards."
    return kinds


def _kinds_problem(exits: Sequence[ExitLeg]) -> str | None:
    kinds = [leg.kind for leg in exits]
    if ExitKind.TRAILING_STOP in kinds:
        return NO_TRAILING
    if len(kinds) != len(set(kinds)):
        return "Tastytrade takes one take-profit and one stop-loss for a position; send one of each at most."
    return None


def _spread_problem(order: OrderRequest) -> str | None:
    if not order.legs:
        return None
    if not 1 < len(order.legs) <= MOST_LEGS:
        return f"Tastytrade takes spreads of two to {MOST_LEGS} options; send single options by themselves."
    if len({leg.symbol for leg in order.legs}) != len(order.legs):
        return "Tastytrade takes each option of a spread once; put its contracts into one leg."
    if order.order_type is not OrderType.LIMIT:
        return _LIMIT_SPREADS
    return None


def _session_problem(order: OrderRequest, instrument: Instrument | None) -> str | None:
    is_share = instrument is not None and instrument.kind is InstrumentType.EQUITY
    is_limit = order.order_type is OrderType.LIMIT and not order.exits
    lasts = order.time_in_force in {None, TimeInForce.DAY, TimeInForce.GTC}
    return None if is_share and is_limit and lasts else _ONE_SESSION
