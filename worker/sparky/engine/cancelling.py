"""Cancelling orders that are ours. It may be repeated, so no row has to be written before it."""

from dataclasses import dataclass, replace
from enum import StrEnum, unique
from typing import Final

import structlog

from sparky.domain.answers import Accepted, NotSent, Refused, VenueOrder
from sparky.domain.errors import VenueUnavailable
from sparky.domain.orders import OrderState
from sparky.domain.work_order import EarlierOrder
from sparky.engine import sentences
from sparky.engine.in_hand import InHand, ref_of_order
from sparky.engine.open_account import OpenAccount

# How long a venue is given to cancel. An exit does not wait for longer, because it must get out.
_PATIENCE_SECONDS: Final = 30.0

_log = structlog.get_logger(__name__)


@unique
class Gone(StrEnum):
    """Whether an order can still do anything at the venue."""

    YES = "yes"
    NO = "no"
    UNTOLD = "untold"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancelled:
    """What came of cancelling one order. `seen` is how the venue showed it last, where it did."""

    order: EarlierOrder
    gone: Gone
    seen: VenueOrder | None = None
    why: str = ""

    @property
    def as_known(self) -> EarlierOrder:
        """The order as planning has to see it now.

        An exit that was cancelled still counts: it is placed again for what is left, if the plan says so.
        """
        filled = self.order.filled_quantity if self.seen is None else self.seen.filled_quantity
        ended = OrderState.CANCELLED if self.seen is None else self.seen.state
        is_out = self.gone is Gone.YES and (not self.order.purpose.is_exit or ended is OrderState.FILLED)
        return replace(self.order, state=ended if is_out else self.order.state, filled_quantity=filled)

    @property
    def sentence(self) -> str:
        """What the trader is told of it."""
        if self.seen is None and self.gone is Gone.YES:
            return sentences.not_there(self.order)
        if self.seen is None or self.gone is Gone.NO:
            return sentences.not_cancelled(self.order, self.why)
        return sentences.cancelled(self.order, self.seen)

    @property
    def has_filled_more(self) -> bool:
        """More of it was filled than our books knew."""
        return self.seen is not None and self.seen.filled_quantity > self.order.filled_quantity


class Canceller:
    """Cancels orders until the venue shows that they are gone."""

    def __init__(self, hand: InHand, account: OpenAccount) -> None:
        self._hand = hand
        self._account = account

    async def cancel(self, order: EarlierOrder) -> Cancelled:
        """Cancel an order and note what became of it; it may also have been filled meanwhile.

        Raises:
            LostClaim: the claim is not ours any more.
            CredentialsInvalid: the venue does not accept the keys any more.
        """
        began_at = self._hand.monotonic()
        failures = 0
        last = Cancelled(order=order, gone=Gone.UNTOLD, why="the venue did not answer")
        while True:
            last = await self._try(order, last)
            if last.seen is not None:
                self._hand.record.note_other(order, last.seen)
            waited = self._hand.monotonic() - began_at
            if last.gone is not Gone.UNTOLD or waited > _PATIENCE_SECONDS:
                return last
            failures += 1
            await self._hand.pause(failures)

    async def _try(self, order: EarlierOrder, last: Cancelled) -> Cancelled:
        hand = self._hand
        await hand.require_time_to_send()
        outcome = await self._account.cancel(ref_of_order(order), hand.permit(hand.monotonic()))
        if isinstance(outcome, Accepted):
            return _as_seen(order, outcome.order)
        if isinstance(outcome, NotSent) or (isinstance(outcome, Refused) and outcome.try_again):
            return Cancelled(order=order, gone=Gone.UNTOLD, seen=last.seen, why=outcome.reason)
        _log.info("cancel_not_confirmed", client_order_id=order.client_order_id, reason=outcome.reason)
        return await self._look(order, outcome.reason, refused=isinstance(outcome, Refused))

    async def _look(self, order: EarlierOrder, why: str, *, refused: bool) -> Cancelled:
        try:
            seen = await self._account.find_order(ref_of_order(order))
        except VenueUnavailable as error:
            return Cancelled(order=order, gone=Gone.UNTOLD, why=str(error))
        if seen is None:
            # A venue that says it shows no such order, and shows none, has nothing to cancel.
            return Cancelled(order=order, gone=Gone.YES if refused else Gone.UNTOLD, why=why)
        found = _as_seen(order, seen, why)
        if refused and found.gone is Gone.UNTOLD:
            return Cancelled(order=order, gone=Gone.NO, seen=seen, why=why)
        return found


def _as_seen(order: EarlierOrder, seen: VenueOrder, why: str = "") -> Cancelled:
    gone = Gone.YES if seen.state.is_terminal else Gone.UNTOLD
    return Cancelled(order=order, gone=gone, seen=seen, why=why or "the venue has not cancelled it yet")
