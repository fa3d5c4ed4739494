"""How a signal ends, in words for its trader."""

from sparky.database.gateway import Result
from sparky.domain.answers import Refused, VenueOrder
from sparky.domain.errors import WorkOrderError
from sparky.domain.plan import Leg, NothingToDo, Plan, Purpose, Rejection
from sparky.domain.reasons import Reason
from sparky.domain.work_order import Claim
from sparky.engine.record import News, Record, readable


def not_planned(claim: Claim, decision: Rejection | NothingToDo) -> Result:
    """Nothing was sent."""
    if isinstance(decision, NothingToDo):
        return Result(claim=claim, status="done", reason_code=decision.reason_code, reason=decision.note)
    status = "expired" if decision.expired else "rejected"
    return Result(claim=claim, status=status, reason_code=decision.reason_code, reason=decision.reason)


def rejected(claim: Claim, code: str, reason: str) -> Result:
    """Nothing was sent, and nothing will be."""
    return Result(claim=claim, status="rejected", reason_code=code, reason=reason)


def done(claim: Claim, record: Record, plan: Plan) -> Result:
    """Every leg was executed, though perhaps not for its whole quantity."""
    reason = " ".join((*record.sentences, *plan.notes))
    return Result(claim=claim, status="done", reason=reason, news=record.news)


def refused(claim: Claim, record: Record, refusal: Refused) -> Result:
    """The venue said no."""
    return _ended(claim, record, "rejected", refusal.reason_code, refusal.reason)


def not_filled(claim: Claim, record: Record, leg: Leg, order: VenueOrder, *, followed: bool) -> Result:
    """The venue took the order and ended it, or kept it waiting, without what the plan needs."""
    state = order.state.replace("_", " ")
    filled = f"with {readable(order.filled_quantity)} of {readable(order.quantity)} filled"
    words = f" The venue says: {order.reason}." if order.reason else ""
    if followed and leg.purpose is Purpose.CLOSE:
        reason = f"The close is {state} {filled}, so nothing was opened: look at the venue.{words}"
        return _ended(claim, record, "failed", Reason.CLOSE_NOT_FILLED, reason)
    code = order.reason_code or Reason.VENUE_REFUSED
    reason = f"The venue ended the order as {state} {filled}: send the alert again if it still holds.{words}"
    return _ended(claim, record, "failed", code, reason)


def too_old(claim: Claim, record: Record, rejection: Rejection, why: str | None = None) -> Result:
    """The venue does not have the order, and the signal is too old to send it; `why` is what held it up."""
    held_up = "" if why is None else f" What held it up: {why.rstrip('.')}."
    return _ended(claim, record, "expired", rejection.reason_code, rejection.reason + held_up)


def unreachable(claim: Claim, record: Record, why: str) -> Result:
    """The venue could not be reached for as long as we try."""
    reason = f"The venue could not be reached, and the order was not sent ({why}): act at the venue by hand."
    return _ended(claim, record, "failed", Reason.VENUE_UNAVAILABLE, reason)


def in_review(claim: Claim, record: Record, client_order_id: str, why: str) -> Result:
    """Nobody can tell whether the venue has the order."""
    reason = (
        f"The venue may or may not have order {client_order_id} ({why.rstrip('.')}): look at the venue. "
        "Entries of this symbol wait until it is settled; exits pass."
    )
    return _ended(claim, record, "review", Reason.OUTCOME_UNKNOWN, reason)


def broken(claim: Claim, *, begun: bool, news: News = ()) -> Result:
    """A fault of ours. What may have reached the venue has to be looked at; the rest just failed."""
    reason = "A fault of the service stopped this signal; the operator has been told. " + (
        "An order may have reached the venue: look there."
        if begun
        else "Nothing was sent: act at the venue by hand."
    )
    return Result(
        claim=claim,
        status="review" if begun else "failed",
        reason_code=Reason.INTERNAL_ERROR,
        reason=reason,
        news=news,
    )


def unreadable(claim: Claim, error: WorkOrderError, *, begun: bool) -> Result:
    """The alert asks for what is not executed, or the work order is not what it should be."""
    if begun or error.reason_code is Reason.INTERNAL_ERROR:
        return broken(claim, begun=begun)
    return rejected(claim, error.reason_code, error.reason)


def _ended(claim: Claim, record: Record, status: str, code: str, reason: str) -> Result:
    # After an executed leg it is no rejection any more: half of the signal was done, and the trader must act.
    if record.sentences and status in {"rejected", "expired"}:
        status = "failed"
    return Result(
        claim=claim,
        status=status,
        reason_code=code,
        reason=" ".join((*record.sentences, reason)),
        news=record.news,
    )
