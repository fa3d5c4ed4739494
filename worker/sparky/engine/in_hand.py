"""One claimed signal in the hands of a worker: its lease, its time, what is known of its orders."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from sparky.database.gateway import Result
from sparky.domain.answers import NotSent, Refused, Unknown
from sparky.domain.backoff import Backoff
from sparky.domain.freshness import check_age
from sparky.domain.identifiers import ClientOrderId
from sparky.domain.identifiers import client_order_id as client_order_id_of
from sparky.domain.orders import ExitKind, OrderRef
from sparky.domain.plan import Check, Decision, Leg, Rejection
from sparky.domain.planner import is_exit
from sparky.domain.work_order import EarlierOrder, WorkOrder
from sparky.engine import outcomes
from sparky.engine.equipment import Equipment
from sparky.engine.leases import Lease
from sparky.engine.permits import SendingPermit, send_window
from sparky.engine.record import Record

PATIENCE_SECONDS: Final = 120.0
"""How long a venue that cannot be reached, or an order that does not come to its end, is waited for."""

_RETRY: Final = Backoff(first=0.2, longest=5.0)
# Beyond the venue's time-out, so that its answer can still be worked on.
_MARGIN_SECONDS: Final = 1.0


class Ended(Exception):  # noqa: N818 - carries the result out of nested steps, no error
    """The signal has come to its end, before all of its plan was done."""

    def __init__(self, result: Result) -> None:
        super().__init__(result.status)
        self.result = result


class InHand:
    """A claimed signal; `asked_at` is the moment before the claim was asked for."""

    def __init__(self, equipment: Equipment, order: WorkOrder, lease: Lease, asked_at: float) -> None:
        self.equipment = equipment
        self.order = order
        self.lease = lease
        self.record = Record()
        self.wrote = False
        self.decision: Decision | None = order.plan
        self.checks: tuple[Check, ...] = ()
        self.bookmarks: dict[int, str | None] = {
            one.leg: one.bookmark for one in order.orders if one.bookmark is not None
        }
        self._asked_at = asked_at
        self._received_at = equipment.seams.clock.monotonic()
        self._held_up: str | None = None

    @property
    def begun(self) -> bool:
        """Whether an order of this signal may have been written down."""
        return bool(self.order.orders) or self.order.plan is not None or self.wrote

    def monotonic(self) -> float:
        """Return seconds that only grow."""
        return self.equipment.seams.clock.monotonic()

    def now(self) -> datetime:
        """Return the database's time carried forward, never too early: no other clock decides an age."""
        return self.order.now + timedelta(seconds=self.monotonic() - self._asked_at)

    def moment_of(self, moment: datetime) -> float:
        """Return the database's time on our clock, never too early: what waits for it waits long enough."""
        return self._received_at - (self.order.now - moment).total_seconds()

    def silent_since(self, earlier: EarlierOrder) -> float:
        """Return the moment after which nothing of what an earlier claim has written down leaves any more."""
        return self.moment_of(earlier.submitted_at) + send_window(self.equipment.venue_timeout_seconds)

    def has_patience(self, since: float | None = None) -> bool:
        """Tell whether something that does not come may be waited for any longer."""
        return self.monotonic() - (self._received_at if since is None else since) <= PATIENCE_SECONDS

    def too_old(self) -> Rejection | None:
        """Return why the signal may not be executed any more."""
        return check_age(self.order, self.now(), exits=is_exit(self.order))

    def end_if_too_old(self) -> None:
        """End a signal that is too old to send anything.

        Raises:
            Ended: it is.
        """
        too_old = self.too_old()
        if too_old is not None:
            # Before it was planned, that is all there was to check.
            self.decision = self.decision or too_old
            raise Ended(outcomes.too_old(self.order.claim, self.record, too_old, self._held_up))

    async def pause(self, failures: int) -> None:
        """Wait, the longer the more has failed.

        Raises:
            LostClaim: the claim is not ours any more.
        """
        seams = self.equipment.seams
        await seams.sleeper.sleep(_RETRY.delay(failures, seams.random.uniform))
        await self.equipment.leases.require(self.lease, _MARGIN_SECONDS)

    async def wait_to_retry(
        self, failures: int, last: NotSent | Refused | Unknown, *, since: float | None = None
    ) -> None:
        """Wait before what certainly did not reach the venue is tried again.

        Patience and age count from the claim; from `since` for what must be done at any age.

        Raises:
            Ended: it is too late, or was tried for long enough.
            LostClaim: the claim is not ours any more.
        """
        self._held_up = last.reason
        if since is None:
            self.end_if_too_old()
        if not self.has_patience(since):
            claim = self.order.claim
            if isinstance(last, Refused):
                raise Ended(outcomes.refused(claim, self.record, last))
            raise Ended(outcomes.unreachable(claim, self.record, last.reason))
        await self.pause(failures)

    async def require_time_to_send(self) -> None:
        """Make sure that the lease outlasts one write.

        Raises:
            LostClaim: it does not, and cannot be renewed.
        """
        await self.equipment.leases.require(
            self.lease, self.equipment.venue_timeout_seconds + _MARGIN_SECONDS
        )

    def permit(self, asked_at: float) -> SendingPermit:
        """Return the right to write to the venue, from `asked_at` on."""
        return SendingPermit(
            self.equipment.seams.clock,
            self.lease,
            asked_at=asked_at,
            venue_timeout_seconds=self.equipment.venue_timeout_seconds,
        )

    def in_review(self, client_order_id: ClientOrderId, why: str) -> Ended:
        """Return the end of a signal of which nobody can tell what became."""
        return Ended(outcomes.in_review(self.order.claim, self.record, client_order_id, why))

    def earlier(self, leg: Leg) -> EarlierOrder | None:
        """Return what an earlier claim has written down of a leg."""
        return next((one for one in self.order.orders if one.leg == leg.number), None)

    def know(self, order: EarlierOrder) -> None:
        """Keep how an order of another signal stands now, so that it is planned with."""
        working = tuple(
            order if one.client_order_id == order.client_order_id else one for one in self.order.working
        )
        still = tuple(one for one in working if one.state.may_be_live)
        self.order = replace(self.order, working=still)

    def ref_of(self, leg: Leg, venue_order_id: str | None = None) -> OrderRef:
        """Return what finds the order of a leg of this signal."""
        earlier = self.earlier(leg)
        if earlier is not None:
            venue_order_id = venue_order_id or earlier.venue_order_id
        return OrderRef(
            client_order_id=leg.client_order_id,
            symbol=leg.symbol,
            # What this claim sends first, it sends after the moment at which the database answered it.
            sent_at=self.order.now if earlier is None else earlier.begun_at,
            bookmark=self.bookmarks.get(leg.number),
            venue_order_id=venue_order_id,
        )


def ref_of_order(order: EarlierOrder) -> OrderRef:
    """Return what finds an order that was written down before, of whatever signal."""
    attached = order.attached_to is not None
    return OrderRef(
        client_order_id=order.client_order_id,
        symbol=order.symbol,
        sent_at=order.begun_at,
        bookmark=order.bookmark,
        venue_order_id=order.venue_order_id,
        exit_of=client_order_id_of(order.signal_id, order.attached_to) if order.attached_to else None,
        exit_kind=ExitKind(order.purpose.value) if attached else None,
    )
