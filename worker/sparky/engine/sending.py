"""One trading order, until it is known what became of it. Never sent twice on a guess."""

from dataclasses import dataclass
from typing import Final

import structlog

from sparky.domain.answers import Accepted, Outcome, Refused, Unknown, VenueOrder
from sparky.domain.errors import VenueUnavailable
from sparky.domain.orders import OrderRef, OrderType, TimeInForce
from sparky.domain.plan import Leg, Plan
from sparky.domain.work_order import EarlierOrder
from sparky.engine import outcomes
from sparky.engine.beginning import ask_bookmark, begin
from sparky.engine.in_hand import PATIENCE_SECONDS, Ended, InHand
from sparky.engine.lookup import Absent, CannotTell, Found
from sparky.engine.open_account import OpenAccount

# An order that waits for its price is the venue's to fill, today or next month.
_GLANCE_SECONDS: Final = 2.0
_ENDS_AT_ONCE: Final = frozenset({TimeInForce.IOC, TimeInForce.FOK})

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sending:
    """One leg with the exits that the venue takes in the same write.

    `followed`: another leg is sent only when this one has filled. `since` is set for what must be done at
    any age of the signal: from then on it is tried for a while.
    """

    plan: Plan
    leg: Leg
    attached: tuple[Leg, ...] = ()
    followed: bool = False
    since: float | None = None


class LegSender:
    """Brings legs to their end, whatever an earlier claim has begun of them."""

    def __init__(self, hand: InHand, account: OpenAccount) -> None:
        self._hand = hand
        self._account = account

    async def settle(self, sending: Sending) -> VenueOrder:
        """Return the order as it ended, or as it waits at the venue.

        Raises:
            Ended: the venue refused it, or it was not sent, or nobody can tell.
            LostClaim: the claim is not ours any more.
        """
        earlier = self._hand.earlier(sending.leg)
        if earlier is None or earlier.state.may_be_sent_again:
            found = await self._send_until_known(sending)
        elif earlier.state.is_terminal:
            found = _as_recorded(earlier)
        else:
            found = await self._recover(sending, earlier) or await self._send_until_known(sending)
        return await self._follow(sending, found)

    async def _recover(self, sending: Sending, earlier: EarlierOrder) -> VenueOrder | None:
        """Find what an earlier claim wrote down; None when it never reached the venue and never will."""
        written_at = self._hand.moment_of(earlier.submitted_at)
        silent_since = self._hand.silent_since(earlier)
        found = await self._look_up(sending, written_at=written_at, silent_since=silent_since)
        if found is None and not earlier.state.needs_lookup:
            # Whatever hides it now, the venue has had it: it must not be sent a second time.
            raise self._in_doubt(sending, "the venue had it and does not show it any more")
        return found

    async def _send_until_known(self, sending: Sending) -> VenueOrder:
        failures = 0
        hand, leg = self._hand, sending.leg
        await ask_bookmark(hand, self._account, leg, since=sending.since)
        while True:
            if sending.since is None:
                hand.end_if_too_old()
            permit = await begin(hand, sending.plan, (leg, *sending.attached), since=sending.since)
            began_at = hand.monotonic()
            await hand.require_time_to_send()
            exits = tuple(one.exit_leg() for one in sending.attached)
            outcome = await self._account.submit(leg.request(hand.bookmarks.get(leg.number), exits), permit)
            found = await self._classify(sending, outcome, began_at)
            if found is not None:
                return found
            assert not isinstance(outcome, Accepted)  # noqa: S101 - it was found
            failures += 1
            await hand.wait_to_retry(failures, outcome, since=sending.since)

    async def _classify(self, sending: Sending, outcome: Outcome, began_at: float) -> VenueOrder | None:
        """Return the venue's order; None when the same order may be sent again."""
        hand = self._hand
        took = hand.monotonic() - began_at
        if isinstance(outcome, Accepted):
            self._note(sending, outcome.order, took)
            return outcome.order
        if isinstance(outcome, Refused) and not outcome.try_again:
            for leg in (sending.leg, *sending.attached):
                hand.record.note_refusal(leg, outcome, took)
            raise Ended(outcomes.refused(hand.order.claim, hand.record, outcome))
        if isinstance(outcome, Unknown):
            _log.warning(
                "outcome_unknown", client_order_id=sending.leg.client_order_id, reason=outcome.reason
            )
            return await self._look_up(sending, written_at=began_at, silent_since=hand.monotonic())
        self._note_absent(sending, outcome.reason)
        return None

    async def _look_up(
        self, sending: Sending, *, written_at: float, silent_since: float
    ) -> VenueOrder | None:
        """Return the venue's order, or None when it certainly has none."""
        hand = self._hand
        answer = await hand.equipment.look_ups.look_up(
            self._account, hand.ref_of(sending.leg), lease=hand.lease, silent_since=silent_since
        )
        if isinstance(answer, Found):
            self._note(sending, answer.order, hand.monotonic() - written_at)
            return answer.order
        if isinstance(answer, CannotTell):
            raise self._in_doubt(sending, answer.reason)
        assert isinstance(answer, Absent)  # noqa: S101 - tells the type checker that no case is left
        self._note_absent(sending, "the venue does not have the order")
        return None

    async def _follow(self, sending: Sending, order: VenueOrder) -> VenueOrder:
        """Watch an order that the venue has not ended yet; past our patience the reconciler does."""
        hand = self._hand
        waited_from = hand.monotonic()
        seconds = _patience(sending)
        tries = 0
        while not order.state.is_terminal and hand.monotonic() - waited_from < seconds:
            tries += 1
            await hand.pause(tries)
            try:
                seen = await self._account.find_order(self._ref_of(sending, order))
            except VenueUnavailable as error:
                _log.warning("order_not_seen", error=str(error), client_order_id=sending.leg.client_order_id)
                continue
            if seen is not None:
                order = seen
                self._note(sending, order, hand.monotonic() - waited_from)
        return order

    def _ref_of(self, sending: Sending, order: VenueOrder) -> OrderRef:
        return self._hand.ref_of(sending.leg, order.venue_order_id)

    def _note(self, sending: Sending, order: VenueOrder, took: float) -> None:
        self._hand.record.note_answer(sending.leg, order, took)
        self._hand.record.note_attached(sending.attached, order, took)

    def _note_absent(self, sending: Sending, why: str) -> None:
        for leg in (sending.leg, *sending.attached):
            self._hand.record.note_absent(leg, why)

    def _in_doubt(self, sending: Sending, why: str) -> Ended:
        for leg in (sending.leg, *sending.attached):
            self._hand.record.note_unknown(leg, why)
        return self._hand.in_review(sending.leg.client_order_id, why)


def _patience(sending: Sending) -> float:
    leg = sending.leg
    ends_soon = leg.order_type is OrderType.MARKET or leg.time_in_force in _ENDS_AT_ONCE
    return PATIENCE_SECONDS if ends_soon or sending.followed else _GLANCE_SECONDS


def _as_recorded(earlier: EarlierOrder) -> VenueOrder:
    return VenueOrder(
        client_order_id=earlier.client_order_id,
        venue_order_id=earlier.venue_order_id or "",
        state=earlier.state,
        quantity=earlier.quantity,
        filled_quantity=earlier.filled_quantity,
        average_price=earlier.average_price,
    )
