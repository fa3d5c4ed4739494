"""What a conformance case is about, where not every venue can do it."""

from collections.abc import Callable
from enum import StrEnum, unique
from typing import Any, Final, TypeVar

from sparky.domain.capabilities import Capabilities
from sparky.domain.orders import ExitKind, OrderType, TimeInForce

_Case = TypeVar("_Case", bound=Callable[..., Any])


@unique
class Subject(StrEnum):
    """Something that a venue, or its fake, may lack. A harness says why in `cannot`."""

    # What `Capabilities` tell: a harness may lack these exactly where they do.
    LIMIT = "limit orders"
    STOP = "stop orders"
    STOP_LIMIT = "stop-limit orders"
    IOC = "immediate-or-cancel"
    SHORT = "short positions"
    ATTACHED_EXITS = "attached exits"
    SEPARATE_EXITS = "separate exits"
    TRAILING_STOP = "trailing stops"
    LEVERAGE = "leverage"
    EXTENDED_HOURS = "extended hours"
    OPTIONS = "options"
    SPREADS = "option spreads"
    FUTURES = "futures"

    # What the venue's interface does not have.
    IDEMPOTENT = "refusing a client id twice"
    REPLAY_SAFE = "executing a repeated request once"
    REVOCATION = "revoking keys"
    TOKEN_EXPIRY = "short-lived access tokens"
    KEY_EXPIRY = "keys with a last day"
    WITHDRAWAL = "telling withdrawal rights"
    OTHER_ENVIRONMENT = "keys of another environment"
    SEVERAL_ACCOUNTS = "several accounts behind one key"
    LISTED_SYMBOLS = "a list of symbols"
    SMALLEST = "a smallest order"
    LARGEST = "a largest order"
    MARKET_HOURS = "market hours"
    PARTIAL_FILLS = "limit orders that fill in parts"
    CUT_SHORT = "market orders whose rest is cancelled"
    LATER_REJECTION = "rejecting after accepting"
    HIDING = "showing an order later"
    PRICE_STEPS = "price steps"
    FEES = "fees on fills"
    ACCOUNT_FILLS = "a list of executions"
    QUOTES = "prices of its own"
    BY_HAND = "orders of other origin"
    RATE_LIMIT = "limits of requests"
    BUDGET = "a budget of requests"
    HTTP = "requests over HTTP"


_TOLD: Final[dict[Subject, Callable[[Capabilities], bool]]] = {
    Subject.LIMIT: lambda can: OrderType.LIMIT in can.order_types,
    Subject.STOP: lambda can: OrderType.STOP in can.order_types,
    Subject.STOP_LIMIT: lambda can: OrderType.STOP_LIMIT in can.order_types,
    Subject.IOC: lambda can: TimeInForce.IOC in can.times_in_force,
    Subject.SHORT: lambda can: can.can_short,
    Subject.ATTACHED_EXITS: lambda can: bool(can.attached_exits),
    Subject.SEPARATE_EXITS: lambda can: bool(can.separate_exits),
    Subject.TRAILING_STOP: lambda can: ExitKind.TRAILING_STOP in can.separate_exits,
    Subject.LEVERAGE: lambda can: can.sets_leverage,
    Subject.EXTENDED_HOURS: lambda can: can.extended_hours,
    Subject.OPTIONS: lambda can: can.option_legs >= 1,
    Subject.SPREADS: lambda can: can.option_legs > 1,
    Subject.FUTURES: lambda can: can.futures,
}


def told(subject: Subject, capabilities: Capabilities) -> bool | None:
    """Return whether the capabilities allow it; None where they say nothing of it."""
    ask = _TOLD.get(subject)
    return None if ask is None else ask(capabilities)


def needs(*subjects: Subject) -> Callable[[_Case], _Case]:
    """Mark a case that a venue without one of the subjects skips, with the fact of its harness."""

    def mark(case: _Case) -> _Case:
        case.needs = subjects  # type: ignore[attr-defined]
        return case

    return mark


def needs_of(case: Callable[..., Any]) -> tuple[Subject, ...]:
    """Return what a case was marked with."""
    found: tuple[Subject, ...] = getattr(case, "needs", ())
    return found
