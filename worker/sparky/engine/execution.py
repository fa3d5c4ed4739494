"""One signal, from its work order to its result. Holds nothing that matters: another worker can continue.

The order of things is the promise: the cancels of what is in the way, the leverage, each leg with the
cancels after it, the exits. Every order is written down before the venue is asked; it is sent only while
enough of the lease is left; an outcome that is not known is looked up, and only an order that the venue
certainly does not have is sent again, with the same client id.
"""

from dataclasses import replace

import structlog

from sparky.database.gateway import Result
from sparky.domain.alert import Action
from sparky.domain.answers import NotSent, VenueOrder
from sparky.domain.errors import CredentialsInvalid, DatabaseUnavailable, Refusal, VenueUnavailable
from sparky.domain.identifiers import ClientOrderId
from sparky.domain.news import OrderNews
from sparky.domain.orders import OrderState
from sparky.domain.plan import Decision, Leg, Plan, Protection, Purpose, Rejection
from sparky.domain.planner import make_plan
from sparky.domain.reasons import Reason
from sparky.domain.wanted import wanted
from sparky.domain.work_order import EarlierOrder, WorkOrder
from sparky.engine import outcomes, sentences
from sparky.engine.cancelling import Cancelled, Canceller, Gone
from sparky.engine.equipment import Equipment
from sparky.engine.explaining import explain
from sparky.engine.exposure import Exposed, exposed_by, exposed_position, unprotected_entry
from sparky.engine.in_hand import Ended, InHand
from sparky.engine.leases import Lease
from sparky.engine.open_account import OpenAccount
from sparky.engine.protecting import Protector
from sparky.engine.sending import LegSender, Sending
from sparky.engine.snapshots import take_snapshot

_log = structlog.get_logger(__name__)


class Execution:
    """The execution of one claimed signal; `asked_at` is the moment before the claim was asked for."""

    def __init__(self, equipment: Equipment, order: WorkOrder, lease: Lease, asked_at: float) -> None:
        self._hand = InHand(equipment, order, lease, asked_at)
        self._done: dict[int, VenueOrder] = {}
        # Of these exits it is not known that they are gone.
        self._standing: set[ClientOrderId] = set()

    @property
    def begun(self) -> bool:
        """Whether an order of this signal may have been written down."""
        return self._hand.begun

    @property
    def news(self) -> tuple[OrderNews, ...]:
        """What has become known of its orders."""
        return self._hand.record.news

    async def run(self) -> Result:
        """Execute, and return how the signal ended.

        Raises:
            LostClaim: another worker has the signal, or the lease ran short: leave it alone.
            DatabaseUnavailable: the keys could not be asked for, or an order may stand written down or not;
                nothing of it was sent, and the next claim continues.
            DatabaseContractError: the database does not take what it should: nothing was sent.
        """
        try:
            account = await self._open_account()
            result = await self._execute(account)
        except Ended as end:
            result = end.result
        except Refusal as refusal:
            if isinstance(refusal, CredentialsInvalid):
                self._hand.equipment.desk.forget(self._hand.order.account)
            result = self._refused(refusal)
        return replace(result, explanation=explain(self._hand))

    async def _execute(self, account: OpenAccount) -> Result:
        hand = self._hand
        plan = hand.order.plan or await self._prepare(account)
        try:
            for leg in plan.legs:
                if leg.attached_to is None:
                    await self._trade(account, plan, leg)
        except Ended as end:
            raise await self._protect_after(end, account, plan) from None
        await self._protect(account, plan, plan.protection)
        if hand.order.action is Action.CLOSE_ALL:
            hand.record.say(sentences.closing_each(plan.close_symbols))
            result = outcomes.done(hand.order.claim, hand.record, plan)
            return replace(result, close_symbols=plan.close_symbols)
        return outcomes.done(hand.order.claim, hand.record, plan)

    def _refused(self, refusal: Refusal) -> Result:
        hand = self._hand
        if not self.begun:
            return outcomes.rejected(hand.order.claim, hand.record, refusal)
        # An order may be at the venue, and we cannot ask any more.
        written = ", ".join(order.client_order_id for order in hand.order.orders) or "of this signal"
        return outcomes.in_review(hand.order.claim, hand.record, written, refusal.reason)

    async def _open_account(self) -> OpenAccount:
        hand = self._hand
        failures = 0
        while True:
            try:
                return await hand.equipment.desk.open(hand.order.user_id, hand.order.account)
            except DatabaseUnavailable as error:
                failures += 1
                _log.warning("keys_not_asked_for", error=str(error), failures=failures)
                # Given back at once, the signal would use up its attempts while the database is away.
                if not hand.has_patience():
                    raise
                if not self.begun:
                    hand.end_if_too_old()
                await hand.pause(failures)

    async def _prepare(self, account: OpenAccount) -> Plan:
        """Plan, and cancel what is in the way; what filled meanwhile is planned with again."""
        plan = await self._plan(account)
        while await self._cancel(account, plan, after_leg=0):
            plan = await self._plan(account)
        opening = next((leg for leg in plan.legs if leg.purpose is Purpose.OPEN), None)
        if plan.leverage is not None and opening is not None:
            await self._set_leverage(account, opening.symbol, plan.leverage)
        return plan

    async def _plan(self, account: OpenAccount) -> Plan:
        hand = self._hand
        failures = 0
        while True:
            hand.end_if_too_old()
            try:
                decision = await self._decide(account)
            except VenueUnavailable as error:
                failures += 1
                await hand.wait_to_retry(failures, NotSent(str(error)))
                continue
            hand.decision = decision
            if isinstance(decision, Plan):
                return decision
            raise Ended(outcomes.not_planned(hand.order.claim, hand.record, decision))

    async def _decide(self, account: OpenAccount) -> Decision:
        hand = self._hand
        now = hand.now()
        asked = wanted(hand.order)
        if hand.record.news:
            # Something filled while it was cancelled: our books do not know the position any more.
            asked = replace(asked, position=True)
        snapshot = await take_snapshot(account, hand.order, asked, now)
        return snapshot if isinstance(snapshot, Rejection) else make_plan(hand.order, snapshot, now)

    async def _cancel(self, account: OpenAccount, plan: Plan, *, after_leg: int) -> bool:
        """Cancel what the plan names, and return whether more of it was filled than our books know."""
        hand = self._hand
        wanted_gone = {one.client_order_id for one in plan.cancels if one.after_leg == after_leg}
        canceller = Canceller(hand, account)
        has_filled_more = False
        for order in hand.order.working:
            if order.client_order_id not in wanted_gone:
                continue
            cancelled = await self._cancel_one(canceller, order)
            has_filled_more = has_filled_more or cancelled.has_filled_more
            if cancelled.gone is not Gone.YES and after_leg == 0:
                self._end_if_in_the_way(plan, cancelled.gone)
        return has_filled_more

    async def _cancel_one(self, canceller: Canceller, order: EarlierOrder) -> Cancelled:
        cancelled = await canceller.cancel(order)
        self._hand.know(cancelled.as_known)
        self._hand.record.say_of(order.client_order_id, cancelled.sentence)
        if cancelled.gone is Gone.YES:
            self._standing.discard(order.client_order_id)
        elif order.purpose.is_exit:
            self._standing.add(order.client_order_id)
        return cancelled

    def _end_if_in_the_way(self, plan: Plan, gone: Gone) -> None:
        # What must get out does so all the same.
        only_cancels = not plan.legs and plan.protection is None
        if plan.opens or only_cancels:
            code = Reason.VENUE_REFUSED if gone is Gone.NO else Reason.VENUE_UNAVAILABLE
            claim, record = self._hand.order.claim, self._hand.record
            raise Ended(outcomes.not_cancelled(claim, record, code, opens=plan.opens))

    async def _set_leverage(self, account: OpenAccount, symbol: str, leverage: int) -> None:
        failures = 0
        while True:
            try:
                await account.set_leverage(symbol, leverage)
            except VenueUnavailable as error:
                failures += 1
                await self._hand.wait_to_retry(failures, NotSent(str(error)))
            else:
                return

    async def _trade(self, account: OpenAccount, plan: Plan, leg: Leg) -> None:
        hand = self._hand
        followed = any(o.number == leg.number + 1 and o.depends_on_previous for o in plan.legs)
        attached = tuple(one for one in plan.legs if one.attached_to == leg.number)
        found = await LegSender(hand, account).settle(
            Sending(plan=plan, leg=leg, attached=attached, followed=followed)
        )
        # Without a later leg, an order that still works is the venue's to end and the reconciler's to see.
        enough = (
            found.state is OrderState.FILLED
            if followed
            else bool(found.filled_quantity) or not found.state.is_terminal
        )
        self._done[leg.number] = found
        if not enough:
            raise Ended(outcomes.not_filled(hand.order.claim, hand.record, leg, found, followed=followed))
        hand.record.say(sentences.executed(leg, found))
        if found.state is OrderState.FILLED:
            await self._cancel(account, plan, after_leg=leg.number)
        elif any(one.after_leg == leg.number for one in plan.cancels):
            hand.record.say("Its exits stay, because not all of it was closed.")

    async def _protect(self, account: OpenAccount, plan: Plan, protection: Protection | None) -> None:
        if protection is None:
            return
        try:
            protection = await self._without_standing(account, plan, protection)
            exposed = await self._exposed(account, plan, protection)
            if exposed is not None:
                await Protector(self._hand, account, plan).protect(protection, exposed)
        except Ended as end:
            if end.result.reason_code == Reason.EXIT_NOT_PLACED:
                raise
            raise Ended(outcomes.left_exposed(end.result)) from None

    async def _without_standing(self, account: OpenAccount, plan: Plan, protection: Protection) -> Protection:
        """Leave out what still stands: a second stop would be refused, or sell what is not there."""
        hand = self._hand
        if protection.entry or hand.order.unprotected is not None:
            return protection
        named = {one.client_order_id for one in plan.cancels}
        if hand.order.plan is not None and not any(one.purpose.is_exit for one in hand.order.orders):
            # Only the claim that cancelled them knows of which it could not tell.
            self._standing |= {
                one.client_order_id for one in hand.order.working if one.purpose.is_exit
            } & named
        kinds = set()
        for order in hand.order.working:
            if order.client_order_id in self._standing & named:
                cancelled = await self._cancel_one(Canceller(hand, account), order)
                kinds |= set() if cancelled.gone is Gone.YES else {order.purpose.value}
        kept = tuple(one for one in protection.exits if one.kind.value not in kinds)
        if len(kept) < len(protection.exits):
            hand.record.say("It is not placed a second time, because it may still stand.")
        return replace(protection, exits=kept)

    async def _exposed(self, account: OpenAccount, plan: Plan, protection: Protection) -> Exposed | None:
        hand = self._hand
        if hand.order.unprotected is not None:
            return await unprotected_entry(hand, account, hand.order.unprotected, protection)
        if not protection.entry:
            return await exposed_position(hand, account, plan, protection, self._done)
        leg = next(one for one in plan.legs if one.number == protection.entry)
        entry = self._done[protection.entry]
        if not entry.state.is_terminal:
            hand.record.say("Its exits follow when it has filled.")
            return None
        return await exposed_by(hand, account, leg, entry)

    async def _protect_after(self, end: Ended, account: OpenAccount, plan: Plan) -> Ended:
        """Place exits again that were cancelled for a close that did not come to its end."""
        hand = self._hand
        again = plan.kept or plan.protection
        if again is None or again.entry or end.result.status == "review":
            return end
        said = len(hand.record.sentences)
        await self._protect(account, plan, again)
        return Ended(outcomes.with_later(end.result, hand.record, said))
