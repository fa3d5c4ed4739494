"""Cancelling an order, wherever it stands."""

from dataclasses import replace
from typing import Final

from sparky.domain.answers import Accepted, NotSent, Outcome, Refused, Unknown, VenueOrder
from sparky.domain.errors import Refusal, VenueUnavailable
from sparky.domain.orders import OrderRef
from sparky.domain.reasons import Reason
from sparky.runtime.seams import Seams
from sparky.venues.base import Permit
from sparky.venues.budget import Priority
from sparky.venues.http import Reply
from sparky.venues.refusals import refused_by
from sparky.venues.tastytrade.accounts import Accounts
from sparky.venues.tastytrade.client import SUCCESS, Caller, TastytradeClient
from sparky.venues.tastytrade.errors import outcome_of_error, read_error
from sparky.venues.tastytrade.lookup import Orders
from sparky.venues.tastytrade.order_parse import ReadOrder
from sparky.venues.tastytrade.wire import LABEL, envelope

_NONE: Final = Refused(
    Reason.VENUE_REFUSED,
    "Tastytrade shows no such order, so there is none to cancel. Look at the account's orders.",
)
_UNPROCESSABLE: Final = frozenset({404, 422})
_UNTIL_CANCELLED: Final = (0.05, 0.1, 0.2)
_ON_ITS_WAY: Final = "Cancel Requested"


class Canceller:
    """Cancels orders for all traders."""

    def __init__(self, client: TastytradeClient, accounts: Accounts, orders: Orders, seams: Seams) -> None:
        self._client = client
        self._accounts = accounts
        self._orders = orders
        self._sleeper = seams.sleeper

    async def cancel(self, caller: Caller, ref: OrderRef, permit: Permit) -> Outcome:
        """Cancel an order that is not at its end; say how it stands. Raises only what `permit` raises."""
        try:
            account = await self._accounts.number(caller)
            read = await self._orders.find(caller, account, ref, Priority.EXIT)
        except VenueUnavailable as error:
            return NotSent(str(error))
        except Refusal as refusal:
            return refused_by(refusal)
        if read is None:
            return _NONE
        # Filled is the end, too, even while its fills are still missing.
        if read.order.state.is_terminal or read.status == "Filled":
            return Accepted(read.order)
        return await self._send(caller, account, read, permit)

    async def _send(self, caller: Caller, account: str, read: ReadOrder, permit: Permit) -> Outcome:
        path = f"/accounts/{account}/{_path(read)}"
        reply = await self._client.write(caller, "DELETE", path, None, permit, Priority.EXIT)
        if not isinstance(reply, Reply):
            return reply
        # Told when the order can no longer be cancelled: how it stands is asked then, too.
        late = reply.status in _UNPROCESSABLE and read_error(reply) is not None
        if reply.status not in SUCCESS and not late:
            return outcome_of_error(reply)
        order = await self._afterwards(caller, account, read, cancelling=not late)
        if reply.status in SUCCESS and "data" not in (envelope(reply) or {}) and not order.state.is_terminal:
            return Unknown(f"{LABEL} may have cancelled the order: its answer was not understood.")
        return Accepted(order)

    async def _afterwards(
        self, caller: Caller, account: str, before: ReadOrder, *, cancelling: bool
    ) -> VenueOrder:
        order = before.order
        try:
            for pause in _UNTIL_CANCELLED:
                read = await self._orders.by_number(caller, account, order.venue_order_id, Priority.EXIT)
                if read is not None:
                    order = replace(read.order, client_order_id=before.order.client_order_id)
                if not cancelling or read is None or read.status != _ON_ITS_WAY:
                    break
                await self._sleeper.sleep(pause)
        except (VenueUnavailable, Refusal):
            # The cancellation was taken; how it ended is asked with the next look-up.
            return order
        return order


def _path(read: ReadOrder) -> str:
    # With a trigger that has not filled, its exits go too; they would be left behind otherwise.
    if read.is_trigger and read.complex_id is not None and not read.order.filled_quantity:
        return f"complex-orders/{read.complex_id}"
    return f"orders/{read.order.venue_order_id}"
