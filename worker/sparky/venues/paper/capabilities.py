"""What the paper venue can do, and its words for what it cannot."""

from typing import Final

from sparky.domain.answers import Refused
from sparky.domain.capabilities import Capabilities
from sparky.domain.orders import OrderRequest, OrderType, TimeInForce
from sparky.domain.reasons import Reason

CAPABILITIES: Final = Capabilities(
    order_types=frozenset({OrderType.MARKET}),
    # An order fills whole at once or is refused, so it keeps every promise of how long it works.
    times_in_force=frozenset(TimeInForce),
    attached_exits={},
    separate_exits=frozenset(),
    cancels_siblings=False,
    reduces_natively=True,
)

NO_EXITS: Final = (
    "The paper venue has no take-profit, stop-loss or trailing stop: send a close alert when you want to get "
    "out."
)
NO_LEVERAGE: Final = (
    "The paper venue sets no leverage by symbol: give max_leverage with the keys of the account instead."
)
NO_OPTIONS: Final = "The paper venue has no options: use an account at Tradier or tastytrade."


def refusal_of(order: OrderRequest) -> Refused | None:
    """Return why the paper venue does not take an order of this kind; None when it may."""
    if order.exits:
        return unsupported(NO_EXITS)
    if order.legs:
        return unsupported(NO_OPTIONS)
    if order.order_type not in CAPABILITIES.order_types:
        name = order.order_type.replace("_", "-")
        return unsupported(f"The paper venue has no {name} orders; its nearest is a market order.")
    if order.extended_hours:
        return unsupported("The paper venue has no extended hours: it fills at any time; send without them.")
    return None


def unsupported(reason: str) -> Refused:
    """Return the refusal of a write."""
    return Refused(Reason.NOT_SUPPORTED, reason)
