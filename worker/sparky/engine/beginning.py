"""Writing orders down before the venue is asked, for whoever comes after us to look for."""

import structlog

from sparky.database.gateway import Beginning, Begun
from sparky.domain.answers import NotSent
from sparky.domain.errors import DatabaseUnavailable, LostClaim, Refusal, VenueUnavailable
from sparky.domain.orders import OrderState
from sparky.domain.plan import Check, Leg, Plan
from sparky.domain.reasons import Reason
from sparky.engine import outcomes
from sparky.engine.in_hand import Ended, InHand
from sparky.engine.open_account import OpenAccount
from sparky.engine.permits import SendingPermit

_log = structlog.get_logger(__name__)


async def ask_bookmark(hand: InHand, account: OpenAccount, leg: Leg, *, since: float | None = None) -> None:
    """Keep where the venue's record stood before a leg was sent for the first time.

    Raises:
        Ended: the venue does not tell, so nothing is sent.
        LostClaim: the claim is not ours any more.
    """
    failures = 0
    while leg.number not in hand.bookmarks:
        if since is None:
            hand.end_if_too_old()
        try:
            told = await account.bookmark()
        except VenueUnavailable as error:
            failures += 1
            await hand.wait_to_retry(failures, NotSent(str(error)), since=since)
        else:
            # Also for a leg that is sent again: the order may show up anywhere after the first one.
            hand.bookmarks[leg.number] = told


async def begin(
    hand: InHand, plan: Plan, legs: tuple[Leg, ...], *, since: float | None = None
) -> SendingPermit:
    """Write the legs of one write down, and return the right to send them.

    With `since`, at any age of the signal.

    Raises:
        Ended: a limit of the trader on entries is reached, so nothing was written down.
        Refusal: the database does not take them.
        LostClaim: the claim is not ours any more.
        DatabaseUnavailable: they may stand written down or not; the next claim continues.
    """
    failures = 0
    maybe_written = False
    while True:
        asked_at = hand.monotonic()
        try:
            begun = await hand.equipment.begin(
                Beginning(
                    claim=hand.order.claim,
                    plan=plan,
                    legs=legs,
                    news=hand.record.news,
                    bookmark=hand.bookmarks.get(legs[0].number),
                )
            )
        except DatabaseUnavailable as error:
            maybe_written = maybe_written or error.reached
            failures += 1
            _log.warning("begin_failed", error=str(error), failures=failures)
            if since is None and hand.too_old() is not None:
                # Only the next claim can see whether they stand written down.
                raise
            await hand.pause(failures)
            continue
        if begun.ok:
            hand.wrote = True
            hand.lease.until = min(hand.lease.until, asked_at + begun.lease_left)
            return hand.permit(asked_at)
        _raise_obstacle(hand, begun, legs[0])
        if not maybe_written or all(hand.record.state_of(leg) is OrderState.ABSENT for leg in legs):
            raise LostClaim("the order could not be written down")
        # The lost answer was a yes: they stand written down by this claim, which has sent nothing.
        for leg in legs:
            hand.record.note_absent(leg, "the worker held the order back")


def _raise_obstacle(hand: InHand, begun: Begun, leg: Leg) -> None:
    if begun.obstacle is not None:
        limit = begun.obstacle
        name = limit.name if limit.scope == "all" else f"{limit.name} of {limit.scope}"
        found = Check(name, limit.ok, f"{limit.used:f}", f"{limit.limit:f}")
        hand.checks = (*hand.checks, found)
        raise Ended(outcomes.limit_reached(hand.order.claim, hand.record, begun.obstacle))
    if begun.error is not None:
        _log.error("order_not_written", error=begun.error, leg=leg.number)
        raise Refusal(
            Reason.INTERNAL_ERROR,
            "A fault of the service: the order could not be written down, so it was not sent; the operator "
            "has been told.",
        )
