"""One signal, from its work order to its result. Holds nothing that matters: another worker can continue.

The order of things is the promise. The leg is written down before the venue is asked; it is sent only
while enough of the lease is left; an outcome that is not known is looked up, and only an order that the
venue certainly does not have is sent again, with the same client id.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, TypeVar

import structlog

from sparky.database.gateway import Beginning, Begun, Result
from sparky.domain.backoff import Backoff
from sparky.domain.errors import CredentialsInvalid, LostClaim, Refusal, VenueUnavailable
from sparky.domain.freshness import check_age
from sparky.domain.news import OrderNews
from sparky.domain.orders import (
    Accepted,
    NotSent,
    OrderState,
    Outcome,
    Refused,
    Unknown,
    VenueOrder,
    VenuePosition,
)
from sparky.domain.plan import Decision, Leg, Plan, Rejection
from sparky.domain.planner import is_exit, make_plan
from sparky.domain.reasons import Reason
from sparky.domain.work_order import EarlierOrder, WorkOrder
from sparky.engine import outcomes
from sparky.engine.access import AccountDesk
from sparky.engine.leases import Lease, LeaseKeeper
from sparky.engine.lookup import Absent, CannotTell, Found, LookUps
from sparky.runtime.seams import Seams
from sparky.venues.base import AccountAccess, VenueAdapter

Answer = TypeVar("Answer")

_RETRY: Final = Backoff(first=0.2, longest=5.0)
# How long a venue that cannot be reached, or an order that does not come to its end, is waited for.
_PATIENCE_SECONDS: Final = 120.0
# Beyond the venue's time-out, so that its answer can still be worked on.
_MARGIN_SECONDS: Final = 0.5

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
    """The execution of one claimed signal."""

    def __init__(self, equipment: Equipment, order: WorkOrder, lease: Lease, claimed_at: float) -> None:
        self._equipment = equipment
        self._order = order
        self._lease = lease
        self._claimed_at = claimed_at
        self._news: dict[int, OrderNews] = {}
        self._executed: list[tuple[Leg, VenueOrder]] = []
        self._wrote = False

    @property
    def begun(self) -> bool:
        """Whether an order of this signal may have been written down."""
        return bool(self._order.orders) or self._order.plan is not None or self._wrote

    async def run(self) -> Result:
        """Execute, and return how the signal ended.

        Raises:
            LostClaim: another worker has the signal, or the lease ran short: leave it alone.
            DatabaseUnavailable: what was to be written down was not; the next claim continues.
        """
        try:
            adapter = self._equipment.desk.venue(self._order.exchange)
            access = self._equipment.desk.open(self._order.user_id, self._order.account)
            plan = self._order.plan or await self._plan(adapter, access)
            for leg in plan.legs:
                await self._settle(adapter, access, plan, leg)
        except _Ended as end:
            return end.result
        except CredentialsInvalid as refusal:
            self._equipment.desk.forget(self._order.account)
            return self._refused(refusal)
        except Refusal as refusal:
            return self._refused(refusal)
        return outcomes.done(self._order.claim, plan, self._executed, self._all_news())

    def _refused(self, refusal: Refusal) -> Result:
        if self.begun:
            # An order may be at the venue, and we cannot ask any more.
            client_order_id = (
                ", ".join(order.client_order_id for order in self._order.orders) or "of this signal"
            )
            return outcomes.in_review(self._order.claim, client_order_id, refusal.reason, self._all_news())
        return outcomes.rejected(self._order.claim, refusal.reason_code, refusal.reason)

    async def _plan(self, adapter: VenueAdapter, access: AccountAccess) -> Plan:
        too_old = self._too_old()
        if too_old is not None:
            raise _Ended(outcomes.not_planned(self._order.claim, too_old))
        decision = await self._asked(lambda: self._decide(adapter, access))
        if not isinstance(decision, Plan):
            raise _Ended(outcomes.not_planned(self._order.claim, decision))
        return decision

    async def _decide(self, adapter: VenueAdapter, access: AccountAccess) -> Decision:
        rules = await adapter.rules(access, self._order.symbol)
        position: VenuePosition | None = None
        # Whatever touches a position is sized from the venue's own; a plain entry takes our word for "flat".
        if is_exit(self._order) or self._order.position is not None:
            position = await adapter.position(access, self._order.symbol)
        return make_plan(self._order, rules, position, self._now())

    async def _settle(self, adapter: VenueAdapter, access: AccountAccess, plan: Plan, leg: Leg) -> None:
        """Bring one leg to its end, whatever an earlier claim has begun of it."""
        earlier = next((order for order in self._order.orders if order.leg == leg.number), None)
        if earlier is None or earlier.state.may_be_sent_again:
            found = await self._send_until_known(adapter, access, plan, leg)
        elif earlier.state.is_terminal:
            found = _as_recorded(earlier)
        else:
            age = self._seconds_since(earlier.submitted_at)
            found = await self._look_up(adapter, access, leg, age) or await self._send_until_known(
                adapter, access, plan, leg
            )
        found = await self._until_terminal(adapter, access, leg, found)
        # Without a later leg, an order that still works is the venue's to end and the reconciler's to see.
        enough = (
            found.state is OrderState.FILLED
            if self._is_followed(plan, leg)
            else bool(found.filled_quantity) or not found.state.is_terminal
        )
        if not enough:
            raise _Ended(outcomes.not_filled(self._order.claim, leg, found, self._all_news()))
        self._executed.append((leg, found))

    async def _send_until_known(
        self, adapter: VenueAdapter, access: AccountAccess, plan: Plan, leg: Leg
    ) -> VenueOrder:
        failures = 0
        while True:
            outcome, began_at = await self._send(adapter, access, plan, leg)
            if isinstance(outcome, Accepted):
                self._note(leg, outcome.order, began_at)
                return outcome.order
            if isinstance(outcome, Refused):
                self._note_state(leg, OrderState.REFUSED, outcome.reason_code, outcome.reason)
                raise _Ended(outcomes.refused(self._order.claim, outcome, leg=leg, news=self._all_news()))
            if isinstance(outcome, Unknown):
                _log.warning("outcome_unknown", client_order_id=leg.client_order_id, reason=outcome.reason)
                found = await self._look_up(adapter, access, leg, self._monotonic() - began_at)
                if found is not None:
                    return found
            else:
                self._note_state(leg, OrderState.ABSENT, Reason.VENUE_UNAVAILABLE, outcome.reason)
            failures += 1
            await self._wait_to_retry(failures, outcome)

    async def _send(
        self, adapter: VenueAdapter, access: AccountAccess, plan: Plan, leg: Leg
    ) -> tuple[Outcome, float]:
        asked_at = self._monotonic()
        begun = await self._equipment.begin(
            Beginning(claim=self._order.claim, plan=plan, leg=leg, news=self._all_news())
        )
        self._wrote = True
        if not begun.ok:
            raise LostClaim("the leg could not be written down")
        began_at = self._monotonic()
        self._lease.until = min(self._lease.until, asked_at + begun.lease_left)
        timeout = self._equipment.venue_timeout_seconds
        await self._equipment.leases.require(self._lease, timeout + _MARGIN_SECONDS)
        try:
            async with asyncio.timeout(timeout):
                return await adapter.submit(access, leg.request(self._order.symbol)), began_at
        except TimeoutError:
            return Unknown(f"no answer within {timeout} s"), began_at

    async def _look_up(
        self, adapter: VenueAdapter, access: AccountAccess, leg: Leg, age: float
    ) -> VenueOrder | None:
        """Return the venue's order, or None when it certainly has none."""
        answer = await self._equipment.look_ups.look_up(
            adapter, access, self._order.symbol, leg.client_order_id, lease=self._lease, age=age
        )
        if isinstance(answer, Found):
            self._note(leg, answer.order, self._monotonic() - age)
            return answer.order
        if isinstance(answer, CannotTell):
            self._note_state(leg, OrderState.UNKNOWN, Reason.OUTCOME_UNKNOWN, answer.reason)
            raise _Ended(
                outcomes.in_review(self._order.claim, leg.client_order_id, answer.reason, self._all_news())
            )
        assert isinstance(answer, Absent)  # noqa: S101 - tells the type checker that no case is left
        self._note_state(
            leg, OrderState.ABSENT, Reason.VENUE_UNAVAILABLE, "the venue does not have the order"
        )
        self._raise_if_too_old()
        return None

    async def _until_terminal(
        self, adapter: VenueAdapter, access: AccountAccess, leg: Leg, order: VenueOrder
    ) -> VenueOrder:
        """Follow a market order that the venue has not ended yet; past our patience the reconciler does."""
        waited_from = self._monotonic()
        tries = 0
        while not order.state.is_terminal and self._monotonic() - waited_from < _PATIENCE_SECONDS:
            tries += 1
            await self._sleep(_RETRY.delay(tries, self._equipment.seams.random.uniform))
            await self._equipment.leases.require(self._lease, _MARGIN_SECONDS)
            seen = await self._asked(
                lambda: adapter.find_order(access, self._order.symbol, leg.client_order_id)
            )
            if seen is not None:
                order = seen
                self._note(leg, order, waited_from)
        return order

    async def _asked(self, question: Callable[[], Awaitable[Answer]]) -> Answer:
        """Ask a venue until it answers, the signal is too old or our patience ends."""
        failures = 0
        while True:
            try:
                return await question()
            except VenueUnavailable as error:
                failures += 1
                await self._wait_to_retry(failures, NotSent(str(error)))

    async def _wait_to_retry(self, failures: int, outcome: NotSent | Unknown) -> None:
        self._raise_if_too_old()
        if self._monotonic() - self._claimed_at > _PATIENCE_SECONDS:
            raise _Ended(outcomes.unreachable(self._order.claim, outcome.reason, self._all_news()))
        await self._sleep(_RETRY.delay(failures, self._equipment.seams.random.uniform))
        await self._equipment.leases.require(self._lease, _MARGIN_SECONDS)

    def _raise_if_too_old(self) -> None:
        too_old = self._too_old()
        if too_old is not None:
            raise _Ended(outcomes.expired_unsent(self._order.claim, too_old, self._all_news()))

    def _too_old(self) -> Rejection | None:
        return check_age(self._order, self._now(), exits=is_exit(self._order))

    def _note(self, leg: Leg, order: VenueOrder, began_at: float) -> None:
        elapsed_ms = round((self._monotonic() - began_at) * 1000)
        self._news[leg.number] = OrderNews.of(leg.number, order, elapsed_ms)

    def _note_state(self, leg: Leg, state: OrderState, code: str, reason: str) -> None:
        self._news[leg.number] = OrderNews(leg=leg.number, state=state, reason_code=code, reason=reason)

    def _all_news(self) -> tuple[OrderNews, ...]:
        return tuple(self._news[number] for number in sorted(self._news))

    @staticmethod
    def _is_followed(plan: Plan, leg: Leg) -> bool:
        return any(other.number == leg.number + 1 and other.depends_on_previous for other in plan.legs)

    def _monotonic(self) -> float:
        return self._equipment.seams.clock.monotonic()

    def _now(self) -> datetime:
        # The database's time carried forward: no clock but its own decides how old a signal is.
        return self._order.now + timedelta(seconds=self._monotonic() - self._claimed_at)

    def _seconds_since(self, moment: datetime) -> float:
        return max(0.0, (self._now() - moment).total_seconds())

    async def _sleep(self, seconds: float) -> None:
        await self._equipment.seams.sleeper.sleep(seconds)


def _as_recorded(earlier: EarlierOrder) -> VenueOrder:
    return VenueOrder(
        client_order_id=earlier.client_order_id,
        venue_order_id=earlier.venue_order_id or "",
        state=earlier.state,
        quantity=earlier.quantity,
        filled_quantity=earlier.filled_quantity,
        average_price=earlier.average_price,
    )
