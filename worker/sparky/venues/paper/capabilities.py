"""What the paper venue can do, and its words for what it cannot."""

from typing import Final

from sparky.domain.answers import Refused
from sparky.domain.capabilities import Capabilities
from sparky.domain.orders import ExitKind, OrderRequest, OrderType, TimeInForce
from sparky.domain.reasons import Reason

CAPABILITIES: Final = Capabilities(
    order_types=frozenset(OrderType),
    times_in_force=frozenset(TimeInForce),
    attached_exits=dict.fromkeys(OrderType, frozenset(ExitKind)),
    separate_exits=frozenset(ExitKind),
    cancels_siblings=True,
    reduces_natively=True,
    several_targets=True,
)

NO_LEVERAGE: Final = (
    "The paper venue sets no leverage by symbol: give max_leverage with the keys of the account instead."
)
NO_OPTIONS: Final = "The paper venue has no options: use an account at Tradier or tastytrade."
_EXITS_ON_ENTRIES: Final = "Only an order that opens a position carries exits; send the close without them."


def refusal_of(order: OrderRequest) -> Refused | None:
    """Return why the paper venue does not take an order of this kind; None when it may."""
    if order.exits and order.reduce_only:
        return unsupported(_EXITS_ON_ENTRIES)
    if order.legs:
        return unsupported(NO_OPTIONS)
    if order.extended_hours:
        return unsupported("The paper venue has no extended hours: it fills at any time; send without them.")
    return None


def unsupported(reason: str) -> Refused:
    """Return the refusal of a write."""
    return Refused(Reason.NOT_SUPPORTED, reason)
