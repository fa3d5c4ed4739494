"""One signal, from its work order to its result. Holds nothing that matters: another worker can continue.

The order of things is the promise. The leg is written down before the venue is asked; it is sent only
while enough of the lease is left; an outcome that is not known is looked up, and only an order that the
venue certainly does not have is sent again, with the same client id.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, TypeVar

import structlog

from sparky.database.gateway import Beginning, Begun, Result
from sparky.domain.answers import (
    Accepted,
    NotSent,
    Refused,
    Unknown,
    VenueOrder,
    VenuePosition,
)
from sparky.domain.backoff import Backoff
from sparky.domain.errors import (
    CredentialsInvalid,
    DatabaseUnavailable,
    LostClaim,
    Refusal,
    VenueUnavailable,
)
from sparky.domain.freshness import check_age
from sparky.domain.identifiers import ClientOrderId
from sparky.domain.news import OrderNews
from sparky.domain.orders import OrderRef, OrderState
from sparky.domain.plan import Decision, Leg, Plan, Rejection
from sparky.domain.planner import is_exit, make_plan
from sparky.domain.reasons import Reason
from sparky.domain.snapshot import Snapshot
from sparky.domain.wanted import wanted
from sparky.domain.work_order import EarlierOrder, WorkOrder
from sparky.engine import outcomes
from sparky.engine.access import AccountDesk, OpenAccount
from sparky.engine.leases import Lease, LeaseKeeper
from sparky.engine.lookup import Absent, CannotTell, Found, LookUps
from sparky.engine.permits import SendingPermit, send_window
from sparky.engine.record import Record
from sparky.runtime.seams import Seams

Answer = TypeVar("Answer")

_RETRY: Final = Backoff(first=0.2, longest=5.0)
# How long a venue that cannot be reached, or an order that does not come to its end, is waited for.
_PATIENCE_SECONDS: Final = 120.0
# Beyond the venue's time-out, so that its answer can still be worked on.
_MARGIN_SECONDS: Final = 1.0

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Equipment:
    """What every execution shares."""

    begin: Callable[[Beginning], Awaitable[Begun]]
    desk: AccountDesk
    leases: LeaseKeeper
    look_ups: LookUps
    seams: Seams
    venue_timeout_seconds: float


class _Ended(Exception):  # noqa: N818 - carries the result out of nested steps, no error
    def __init__(self, result: Result) -> None:
        super().__init__(result.status)
        self.result = result


class Execution:
    """The execution of one claimed signal; `asked_at` is the moment before the claim was asked for."""

    def __init__(self, equipment: Equipment, order: WorkOrder, lease: Lease, asked_at: float) -> None:
        self._equipment = equipment
        self._order = order
        self._lease = lease
        self._asked_at = asked_at
        self._received_at = equipment.seams.clock.monotonic()
        self._record = Record()
        self._wrote = False
        self._held_up: str | None = None
        self._bookmarks: dict[int, str | None] = {
            one.leg: one.bookmark for one in order.orders if one.bookmark is not None
        }

    @property
    def begun(self) -> bool:
        """Whether an order of this signal may have been written down."""
        return bool(self._order.orders) or self._order.plan is not None or self._wrote

    @property
    def news(self) -> tuple[OrderNews, ...]:
        """What has become known of its orders."""
        return self._record.news

    async def run(self) -> Result:
        """Execute, and return how the signal ended.

        Raises:
            LostClaim: another worker has the signal, or the lease ran short: leave it alone.
            DatabaseUnavailable: the keys could not be asked for, or a leg may stand written down or not;
                nothing of it was sent, and the next claim continues.
            DatabaseContractError: the database does not take what it should: nothing was sent.
        """
        try:
            account = await self._open_account()
            plan = self._order.plan or await self._plan(account)
            for leg in plan.legs:
                await self._settle(account, plan, leg)
        except _Ended as end:
            return end.result
        except Refusal as refusal:
            if isinstance(refusal, CredentialsInvalid):
                self._equipment.desk.forget(self._order.account)
            return self._refused(refusal)
        return outcomes.done(self._order.claim, self._record, plan)

    def _refused(self, refusal: Refusal) -> Result:
        if not self.begun:
            return outcomes.rejected(self._order.claim, refusal.reason_code, refusal.reason)
        # An order may be at the venue, and we cannot ask any more.
        written = ", ".join(order.client_order_id for order in self._order.orders) or "of this signal"
        return outcomes.in_review(self._order.claim, self._record, written, refusal.reason)

    async def _open_account(self) -> OpenAccount:
        failures = 0
        while True:
            try:
                return await self._equipment.desk.open(self._order.user_id, self._order.account)
            except DatabaseUnavailable as error:
                failures += 1
                _log.warning("keys_not_asked_for", error=str(error), failures=failures)
                # Given back at once, the signal would use up its attempts while the database is away.
                if self._monotonic() - self._received_at > _PATIENCE_SECONDS:
                    raise
                if not self.begun:
                    self._end_if_too_old()
                await self._pause(failures)

    async def _plan(self, account: OpenAccount) -> Plan:
        failures = 0
        while True:
            self._end_if_too_old()
            try:
                decision = await self._decide(account)
            except VenueUnavailable as error:
                failures += 1
                await self._wait_to_retry(failures, NotSent(str(error)))
                continue
            if isinstance(decision, Plan):
                return decision
            raise _Ended(outcomes.not_planned(self._order.claim, decision))

    async def _decide(self, account: OpenAccount) -> Decision:
        rules = await account.rules(self._order.symbol)
        position: VenuePosition | None = None
        if wanted(self._order).position:
            position = await account.position(self._order.symbol)
        snapshot = Snapshot(
            capabilities=account.adapter.capabilities,
            rules=rules,
            position=position,
        )
        return make_plan(self._order, snapshot, self._now())

    async def _settle(self, account: OpenAccount, plan: Plan, leg: Leg) -> None:
        """Bring one leg to its end, whatever an earlier claim has begun of it."""
        earlier = next((order for order in self._order.orders if order.leg == leg.number), None)
        if earlier is None or earlier.state.may_be_sent_again:
            found = await self._send_until_known(account, plan, leg)
        elif earlier.state.is_terminal:
            found = _as_recorded(earlier)
        else:
            found = await self._recover(account, leg, earlier) or await self._send_until_known(
                account, plan, leg
            )
        found = await self._until_terminal(account, leg, found)
        followed = any(o.number == leg.number + 1 and o.depends_on_previous for o in plan.legs)
        # Without a later leg, an order that still works is the venue's to end and the reconciler's to see.
        enough = (
            found.state is OrderState.FILLED
            if followed
            else bool(found.filled_quantity) or not found.state.is_terminal
        )
        if not enough:
            claim = self._order.claim
            raise _Ended(outcomes.not_filled(claim, self._record, leg, found, followed=followed))
        self._record.note_executed(leg, found)

    async def _recover(self, account: OpenAccount, leg: Leg, earlier: EarlierOrder) -> VenueOrder | None:
        """Find what an earlier claim wrote down; None when it never reached the venue and never will."""
        written_at = self._moment_of(earlier.submitted_at)
        window = send_window(self._equipment.venue_timeout_seconds)
        found = await self._look_up(account, leg, written_at=written_at, silent_since=written_at + window)
        if found is None and not earlier.state.needs_lookup:
            # Whatever hides it now, the venue has had it: it must not be sent a second time.
            why = "the venue had it and does not show it any more"
            self._record.note_silence(leg, OrderState.UNKNOWN, Reason.OUTCOME_UNKNOWN, why)
            raise self._review(leg.client_order_id, why)
        return found

    async def _send_until_known(self, account: OpenAccount, plan: Plan, leg: Leg) -> VenueOrder:
        failures = 0
        bookmark = await self._bookmark(account, leg)
        while True:
            self._end_if_too_old()
            permit = await self._begin(plan, leg)
            began_at = self._monotonic()
            needed = self._equipment.venue_timeout_seconds + _MARGIN_SECONDS
            await self._equipment.leases.require(self._lease, needed)
            outcome = await account.submit(leg.request(bookmark), permit)
            took = self._monotonic() - began_at
            if isinstance(outcome, Accepted):
                self._record.note_answer(leg, outcome.order, took)
                return outcome.order
            if isinstance(outcome, Refused) and not outcome.try_again:
                self._record.note_refusal(leg, outcome, took)
                raise _Ended(outcomes.refused(self._order.claim, self._record, outcome))
            if isinstance(outcome, Unknown):
                _log.warning("outcome_unknown", client_order_id=leg.client_order_id, reason=outcome.reason)
                found = await self._look_up(account, leg, written_at=began_at, silent_since=self._monotonic())
                if found is not None:
                    return found
            else:
                self._note_absent(leg, outcome.reason)
            failures += 1
            await self._wait_to_retry(failures, outcome)

    async def _bookmark(self, account: OpenAccount, leg: Leg) -> str | None:
        """Return where the venue's record stood before the leg was sent for the first time."""
        failures = 0
        while leg.number not in self._bookmarks:
            self._end_if_too_old()
            try:
                told = await account.bookmark()
            except VenueUnavailable as error:
                failures += 1
                await self._wait_to_retry(failures, NotSent(str(error)))
            else:
                # Also for a leg that is sent again: the order may show up anywhere after the first one.
                self._bookmarks[leg.number] = told
        return self._bookmarks[leg.number]

    async def _begin(self, plan: Plan, leg: Leg) -> SendingPermit:
        """Write the leg down, for whoever comes after us to look for, and return the right to send it."""
        failures = 0
        maybe_written = False
        while True:
            asked_at = self._monotonic()
            try:
                begun = await self._equipment.begin(
                    Beginning(
                        claim=self._order.claim,
                        plan=plan,
                        legs=(leg,),
                        news=self._record.news,
                        bookmark=self._bookmarks.get(leg.number),
                    )
                )
            except DatabaseUnavailable as error:
                maybe_written = maybe_written or error.reached
                failures += 1
                _log.warning("begin_failed", error=str(error), failures=failures)
                if self._too_old() is not None:
                    # Only the next claim can see whether the leg stands written down.
                    raise
                await self._pause(failures)
                continue
            if begun.ok:
                self._wrote = True
                self._lease.until = min(self._lease.until, asked_at + begun.lease_left)
                return SendingPermit(
                    self._equipment.seams.clock,
                    self._lease,
                    asked_at=asked_at,
                    venue_timeout_seconds=self._equipment.venue_timeout_seconds,
                )
            if begun.error is not None:
                _log.error("leg_not_written", error=begun.error, leg=leg.number)
                raise Refusal(
                    Reason.INTERNAL_ERROR,
                    "A fault of the service: the order could not be written down, so it was not sent; the "
                    "operator has been told.",
                )
            if not maybe_written or self._record.state_of(leg) is OrderState.ABSENT:
                raise LostClaim("the leg could not be written down")
            # The lost answer was a yes: the leg stands written down by this claim, which has sent nothing.
            self._note_absent(leg, "the worker held the order back")

    async def _look_up(
        self, account: OpenAccount, leg: Leg, *, written_at: float, silent_since: float
    ) -> VenueOrder | None:
        """Return the venue's order, or None when it certainly has none."""
        answer = await self._equipment.look_ups.look_up(
            account, self._ref_of(leg), lease=self._lease, silent_since=silent_since
        )
        if isinstance(answer, Found):
            self._record.note_answer(leg, answer.order, self._monotonic() - written_at)
            return answer.order
        if isinstance(answer, CannotTell):
            self._record.note_silence(leg, OrderState.UNKNOWN, Reason.OUTCOME_UNKNOWN, answer.reason)
            raise self._review(leg.client_order_id, answer.reason)
        assert isinstance(answer, Absent)  # noqa: S101 - tells the type checker that no case is left
        self._note_absent(leg, "the venue does not have the order")
        return None

    async def _until_terminal(self, account: OpenAccount, leg: Leg, order: VenueOrder) -> VenueOrder:
        """Follow a market order that the venue has not ended yet; past our patience the reconciler does."""
        waited_from = self._monotonic()
        tries = 0
        while not order.state.is_terminal and self._monotonic() - waited_from < _PATIENCE_SECONDS:
            tries += 1
            await self._pause(tries)
            try:
                seen = await account.find_order(self._ref_of(leg, order.venue_order_id))
            except VenueUnavailable as error:
                _log.warning("order_not_seen", error=str(error), client_order_id=leg.client_order_id)
                continue
            if seen is not None:
                order = seen
                self._record.note_answer(leg, order, self._monotonic() - waited_from)
        return order

    async def _wait_to_retry(self, failures: int, last: NotSent | Refused | Unknown) -> None:
        # Only where the venue certainly does not have the order: the ends below say that nothing was sent.
        self._held_up = last.reason
        self._end_if_too_old()
        if self._monotonic() - self._received_at > _PATIENCE_SECONDS:
            claim = self._order.claim
            if isinstance(last, Refused):
                raise _Ended(outcomes.refused(claim, self._record, last))
            raise _Ended(outcomes.unreachable(claim, self._record, last.reason))
        await self._pause(failures)

    async def _pause(self, failures: int) -> None:
        seams = self._equipment.seams
        await seams.sleeper.sleep(_RETRY.delay(failures, seams.random.uniform))
        await self._equipment.leases.require(self._lease, _MARGIN_SECONDS)

    def _end_if_too_old(self) -> None:
        too_old = self._too_old()
        if too_old is not None:
            raise _Ended(outcomes.too_old(self._order.claim, self._record, too_old, self._held_up))

    def _too_old(self) -> Rejection | None:
        return check_age(self._order, self._now(), exits=is_exit(self._order))

    def _review(self, client_order_id: ClientOrderId, why: str) -> _Ended:
        return _Ended(outcomes.in_review(self._order.claim, self._record, client_order_id, why))

    def _note_absent(self, leg: Leg, why: str) -> None:
        self._record.note_silence(leg, OrderState.ABSENT, Reason.VENUE_UNAVAILABLE, why)

    def _monotonic(self) -> float:
        return self._equipment.seams.clock.monotonic()

    def _now(self) -> datetime:
        # The database's time carried forward, never too early: no clock but its own decides what is too old.
        return self._order.now + timedelta(seconds=self._monotonic() - self._asked_at)

    def _ref_of(self, leg: Leg, venue_order_id: str | None = None) -> OrderRef:
        earlier = next((order for order in self._order.orders if order.leg == leg.number), None)
        if earlier is not None:
            venue_order_id = venue_order_id or earlier.venue_order_id
        return OrderRef(
            client_order_id=leg.client_order_id,
            symbol=self._order.symbol,
            # What this claim sends first, it sends after the moment at which the database answered it.
            sent_at=self._order.now if earlier is None else earlier.begun_at,
            bookmark=self._bookmarks.get(leg.number),
            venue_order_id=venue_order_id,
        )

    def _moment_of(self, moment: datetime) -> float:
        # The database's time on our monotonic clock, never too early: what waits for it waits long enough.
        return self._received_at - (self._order.now - moment).total_seconds()


def _as_recorded(earlier: EarlierOrder) -> VenueOrder:
    return VenueOrder(
        client_order_id=earlier.client_order_id,
        venue_order_id=earlier.venue_order_id or "",
        state=earlier.state,
        quantity=earlier.quantity,
        filled_quantity=earlier.filled_quantity,
        average_price=earlier.average_price,
    )
