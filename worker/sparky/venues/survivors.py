"""Where a venue does not link the exits of a position: when one has fired, the others must not stay."""

from collections.abc import Sequence
from typing import Protocol

from sparky.domain.answers import Accepted, Outcome, Refused, VenueOrder
from sparky.domain.errors import VenueUnavailable
from sparky.domain.orders import OrderRef, OrderState
from sparky.venues.base import AccountAccess, Permit


class CancelsOrders(Protocol):
    """The part of a venue adapter that this needs."""

    async def find_order(self, access: AccountAccess, ref: OrderRef) -> VenueOrder | None:
        """Return the order; None if the venue shows none."""
        ...

    async def cancel(self, access: AccountAccess, ref: OrderRef, permit: Permit) -> Outcome:
        """Cancel an order."""
        ...


async def cancel_survivors(
    adapter: CancelsOrders, access: AccountAccess, refs: Sequence[OrderRef], permit: Permit
) -> Sequence[VenueOrder]:
    """Cancel what is left of a group of exits when one of them is filled; return the orders that are known.

    `refs` are all exits of the group. One that is filled in part has not fired: the rest of the position
    still needs the others. An order that the venue does not show, or that has ended, is left alone, so this
    may be repeated. `permit` is asked before each cancel, and what it raises passes.

    Raises:
        VenueUnavailable: a question was not answered, or a survivor may still work: come back.
    """
    found = [(ref, await adapter.find_order(access, ref)) for ref in refs]
    orders = [(ref, order) for ref, order in found if order is not None]
    if not any(order.state is OrderState.FILLED for _, order in orders):
        return [order for _, order in orders]
    seen: list[VenueOrder] = []
    troubles: list[str] = []
    for ref, order in orders:
        after = order if order.state.is_terminal else await _cancelled(adapter, access, ref, permit)
        if isinstance(after, str):
            troubles.append(after)
        elif after is not None:
            seen.append(after)
    if troubles:
        reasons = " ".join(troubles)
        raise VenueUnavailable(f"An exit that has outlived its position could not be cancelled: {reasons}")
    return seen


async def _cancelled(
    adapter: CancelsOrders, access: AccountAccess, ref: OrderRef, permit: Permit
) -> VenueOrder | str | None:
    """Return the order after its cancel, None when the venue shows it no more, or why it may still work."""
    outcome = await adapter.cancel(access, ref, permit)
    if isinstance(outcome, Accepted):
        return outcome.order
    # Refused means that the venue shows no such order, unless it was busy or would not.
    shown = await adapter.find_order(access, ref) if isinstance(outcome, Refused) else None
    if isinstance(outcome, Refused) and (shown is None or shown.state.is_terminal):
        return shown
    return outcome.reason
