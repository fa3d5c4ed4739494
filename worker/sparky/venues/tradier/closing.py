"""Closing a position whose exits still work.

Tradier counts working orders that close a position against it, and turns a close of the whole position down
while its exits work. They are cancelled then, and the close is sent again: nothing of the first one exists.
That is done for closes of the whole position only, since what stays open has to keep its exits; and only
where all those orders are ours.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from sparky.domain.answers import Accepted, NotSent, Outcome, Refused, Unknown, VenueOrder
from sparky.domain.errors import Refusal, VenueUnavailable
from sparky.domain.orders import OrderRequest
from sparky.venues.base import Permit
from sparky.venues.refusals import refused_by
from sparky.venues.tradier import codes
from sparky.venues.tradier.account import Account
from sparky.venues.tradier.credentials import Login
from sparky.venues.tradier.desk import Desk
from sparky.venues.tradier.lookup import OrderBook, parse_views
from sparky.venues.tradier.placing import Placing
from sparky.venues.tradier.preparing import prepare

_OURS: Final = "sp"


def is_bound(outcome: Outcome) -> bool:
    """Tell whether a close was turned down for want of a position that no other order closes."""
    return isinstance(outcome, Refused) and codes.is_bound(outcome.venue_code)


class Closing:
    """Takes exits out of the way of a close."""

    def __init__(self, desk: Desk, book: OrderBook, placing: Placing) -> None:
        self._desk = desk
        self._book = book
        self._placing = placing

    async def without_exits(
        self, login: Login, account: Account, order: OrderRequest, refused: Outcome, permit: Permit
    ) -> Outcome:
        """Cancel the exits of the position and send its close again, once; `refused` is how it ended."""
        try:
            exits = await self._exits(login, account, order)
        except Refusal:
            return refused
        except VenueUnavailable:
            return replace(refused, try_again=True) if isinstance(refused, Refused) else refused
        for one in exits:
            cancelled = await self._placing.cancel(login, account.number, one, permit)
            if not isinstance(cancelled, Accepted) or not cancelled.order.state.is_terminal:
                return _noted(refused, "Its exits could not all be cancelled.")
        if not exits:
            return refused
        outcome = await self._again(login, account, order, permit)
        if isinstance(outcome, Accepted):
            return outcome
        return _noted(outcome, "Its exits are cancelled: what is still open is not protected.")

    async def _exits(self, login: Login, account: Account, order: OrderRequest) -> Sequence[VenueOrder]:
        working = [
            view
            for seen, view in parse_views(await self._book.recent(login, account.number, fresh=True))
            if view.symbol == order.symbol
            and view.side is order.side
            and not seen.opens
            and not view.state.is_terminal
        ]
        ours = all((view.client_order_id or "").startswith(_OURS) for view in working)
        return working if ours else ()

    async def _again(self, login: Login, account: Account, order: OrderRequest, permit: Permit) -> Outcome:
        try:
            prepared = await prepare(self._desk, login, account, order)
        except Refusal as error:
            return refused_by(error)
        except VenueUnavailable as error:
            return NotSent(str(error))
        if isinstance(prepared, Refused):
            return prepared
        return await self._placing.submit(login, account.number, order, prepared, permit)


def _noted(outcome: Outcome, note: str) -> Outcome:
    if isinstance(outcome, Refused | NotSent | Unknown):
        return replace(outcome, reason=f"{outcome.reason} {note}")
    return outcome
