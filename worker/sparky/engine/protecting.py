"""The exits of a position that is open: placed wholly, or the position is closed again.

A position without the stop that its trader asked for is closed, and he is told (freqtrade calls that an
emergency exit: https://www.freqtrade.io/en/stable/configuration/, "Understand order_types"). A take-profit
that is refused is told, and the position stays.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

import structlog

from sparky.domain.answers import Accepted, NotSent, Outcome, Refused, Unknown
from sparky.domain.orders import ExitRequest, OrderState, PositionSide, Side
from sparky.domain.plan import Leg, Plan, Protection, Purpose
from sparky.domain.protection import emergency_close, resolve_exits
from sparky.domain.reasons import Reason
from sparky.domain.work_order import EarlierOrder
from sparky.engine import outcomes, sentences
from sparky.engine.beginning import ask_bookmark, begin
from sparky.engine.exposure import Exposed, ask_at_any_age
from sparky.engine.in_hand import Ended, InHand
from sparky.engine.lookup import Absent, CannotTell, Found
from sparky.engine.open_account import OpenAccount
from sparky.engine.permits import SendingPermit
from sparky.engine.sending import LegSender, Sending

_STOPS: Final = frozenset({Purpose.STOP_LOSS, Purpose.TRAILING_STOP})
# A venue may show a position a moment after it has filled its entry.
_NOT_SHOWN_SECONDS: Final = 5.0
_NOT_THERE: Final = "the venue does not have the order"

_log = structlog.get_logger(__name__)


class Protector:
    """Places the exits of one signal."""

    def __init__(self, hand: InHand, account: OpenAccount, plan: Plan) -> None:
        self._hand = hand
        self._account = account
        self._plan = plan
        self._since = hand.monotonic()
        self._refusals: dict[int, Refused] = {}
        self._unsent: dict[int, str] = {}
        self._placed: set[int] = set()
        self._stops: tuple[Leg, ...] = ()

    async def protect(self, protection: Protection, exposed: Exposed) -> None:
        """Place the exits, whatever an earlier claim has begun of them.

        Raises:
            Ended: a stop could not be placed, and what became of the position; or nobody can tell.
            LostClaim: the claim is not ours any more.
        """
        exits = await self._exits(protection, exposed)
        self._stops = tuple(leg for leg in exits if leg.purpose in _STOPS)
        await self._place(exits, protection.side_closed_by, exposed)
        for leg in exits:
            if leg.number in self._placed:
                self._hand.record.say(sentences.exit_placed(leg))
        missing = [leg for leg in exits if leg.number not in self._placed]
        if not missing:
            return
        self._hand.record.reason_code = Reason.EXIT_NOT_PLACED
        has_no_stop = self._stops and not any(leg.number in self._placed for leg in self._stops)
        for leg in self._stops if has_no_stop else missing:
            self._hand.record.say(sentences.exit_refused(leg, self._why(leg)))
        if has_no_stop:
            await self._close(protection.side_closed_by, exposed)

    async def _exits(self, protection: Protection, exposed: Exposed) -> tuple[Leg, ...]:
        begun = [one for one in self._hand.order.orders if one.purpose.is_exit and one.attached_to is None]
        if begun:
            # All were written down together, and only the very same may be sent again.
            return tuple(_as_begun(one) for one in begun)
        rules = await ask_at_any_age(self._hand, lambda: self._account.rules(exposed.symbol))
        resolved = resolve_exits(
            self._hand.order.signal_id,
            exposed.symbol,
            protection,
            quantity=exposed.quantity,
            average_price=exposed.average_price,
            rules=rules,
        )
        for note in resolved.notes:
            self._hand.record.say(note)
        return resolved.legs

    async def _place(self, exits: tuple[Leg, ...], closed_by: Side, exposed: Exposed) -> None:
        pending = await self._recover(exits)
        failures = 0
        while pending and not self._has_lost_its_stop(pending):
            await ask_bookmark(self._hand, self._account, pending[0], since=self._since)
            permit = await begin(self._hand, self._plan, pending, since=self._since)
            began_at = self._hand.monotonic()
            await self._hand.require_time_to_send()
            outcomes_of = await self._send(pending, closed_by, exposed, permit)
            left = []
            for leg, outcome in zip(pending, outcomes_of, strict=True):
                if not await self._settle(leg, outcome, began_at):
                    left.append(leg)
            if len(left) == len(pending):
                if not self._hand.has_patience(self._since):
                    return
                failures += 1
                await self._hand.pause(failures)
            pending = tuple(left)

    async def _recover(self, exits: tuple[Leg, ...]) -> tuple[Leg, ...]:
        """Return the exits that are still to be sent."""
        pending = []
        for leg in exits:
            earlier = self._hand.earlier(leg)
            if earlier is None or earlier.state.may_be_sent_again:
                pending.append(leg)
            elif earlier.state is OrderState.REFUSED:
                self._refusals[leg.number] = Refused(Reason.VENUE_REFUSED, "the venue refused it")
            elif not earlier.state.needs_lookup:
                self._placed.add(leg.number)
            else:
                written_at = self._hand.moment_of(earlier.submitted_at)
                silent_since = self._hand.silent_since(earlier)
                if not await self._look_up(leg, written_at, silent_since=silent_since):
                    pending.append(leg)
        return tuple(pending)

    async def _send(
        self, exits: tuple[Leg, ...], closed_by: Side, exposed: Exposed, permit: SendingPermit
    ) -> list[Outcome]:
        """Send the exits, those for the same quantity together, up to the first that is not taken."""
        told: dict[int, Outcome] = {}
        for group in _by_quantity(exits):
            if any(not isinstance(outcome, Accepted) for outcome in told.values()):
                break
            if told and permit.has_passed():
                break
            request = ExitRequest(
                symbol=exposed.symbol,
                side=PositionSide.LONG if closed_by is Side.SELL else PositionSide.SHORT,
                quantity=group[0].quantity,
                exits=tuple(leg.exit_leg() for leg in group),
                entry=exposed.entry,
                reference_price=exposed.average_price,
            )
            answered = await self._account.place_exits(request, permit)
            told |= {leg.number: outcome for leg, outcome in zip(group, answered, strict=True)}
        unsent = NotSent("the exit before it was not placed")
        return [told.get(leg.number, unsent) for leg in exits]

    async def _settle(self, leg: Leg, outcome: Outcome, began_at: float) -> bool:
        """Note what became of an exit, and return whether that is its end."""
        hand = self._hand
        took = hand.monotonic() - began_at
        if isinstance(outcome, Accepted):
            hand.record.note_answer(leg, outcome.order, took)
            self._placed.add(leg.number)
            return True
        if isinstance(outcome, Refused) and not outcome.try_again and not self._may_be_too_early(outcome):
            hand.record.note_refusal(leg, outcome, took)
            self._refusals[leg.number] = outcome
            return True
        if isinstance(outcome, Unknown):
            _log.warning("exit_unknown", client_order_id=leg.client_order_id, reason=outcome.reason)
            return await self._look_up(leg, began_at, silent_since=hand.monotonic())
        hand.record.note_absent(leg, outcome.reason)
        self._unsent[leg.number] = outcome.reason
        return False

    def _may_be_too_early(self, refusal: Refused) -> bool:
        waited = self._hand.monotonic() - self._since
        return refusal.reason_code == Reason.NO_POSITION and waited < _NOT_SHOWN_SECONDS

    async def _look_up(self, leg: Leg, written_at: float, *, silent_since: float) -> bool:
        hand = self._hand
        answer = await hand.equipment.look_ups.look_up(
            self._account, hand.ref_of(leg), lease=hand.lease, silent_since=silent_since
        )
        if isinstance(answer, Found):
            hand.record.note_answer(leg, answer.order, hand.monotonic() - written_at)
            self._placed.add(leg.number)
            return True
        if isinstance(answer, CannotTell):
            hand.record.note_unknown(leg, answer.reason)
            raise hand.in_review(leg.client_order_id, answer.reason)
        assert isinstance(answer, Absent)  # noqa: S101 - tells the type checker that no case is left
        hand.record.note_absent(leg, _NOT_THERE)
        self._unsent[leg.number] = _NOT_THERE
        return False

    def _has_lost_its_stop(self, pending: Sequence[Leg]) -> bool:
        """Tell whether a stop was refused and none is there or to come: what is left is not worth sending."""
        still = self._placed | {leg.number for leg in pending}
        return any(leg.number in self._refusals for leg in self._stops) and not any(
            leg.number in still for leg in self._stops
        )

    def _why(self, leg: Leg) -> str:
        refusal = self._refusals.get(leg.number)
        return self._unsent.get(leg.number, "it was not sent") if refusal is None else refusal.reason

    async def _close(self, closed_by: Side, exposed: Exposed) -> None:
        hand = self._hand
        hand.record.say("A position without its stop is not kept, so it is closed again.")
        leg = emergency_close(hand.order.signal_id, exposed.symbol, closed_by, exposed.quantity)
        sending = Sending(plan=self._plan, leg=leg, since=hand.monotonic())
        try:
            order = await LegSender(hand, self._account).settle(sending)
        except Ended as end:
            if end.result.reason_code != Reason.NO_POSITION:
                raise
            hand.record.say("Nothing is open any more.")
            return
        raise Ended(outcomes.closed_again(hand.order.claim, hand.record, leg, order))


def _by_quantity(exits: Sequence[Leg]) -> list[list[Leg]]:
    """Group exits by what they are for, those of the first one first."""
    groups: dict[Decimal, list[Leg]] = {}
    for leg in exits:
        groups.setdefault(leg.quantity, []).append(leg)
    return list(groups.values())


def _as_begun(order: EarlierOrder) -> Leg:
    return Leg(
        number=order.leg,
        client_order_id=order.client_order_id,
        symbol=order.symbol,
        side=order.side,
        quantity=order.quantity,
        purpose=order.purpose,
        reduce_only=order.reduce_only,
        order_type=order.order_type,
        limit_price=order.limit_price,
        stop_price=order.stop_price,
        trail_distance=order.trail_distance,
        trail_percent=order.trail_percent,
        reference_price=order.reference_price,
    )
