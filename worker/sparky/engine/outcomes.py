"""How a signal ends, in words for its trader."""

from dataclasses import replace

from sparky.database.gateway import Result
from sparky.domain.answers import Refused, VenueOrder
from sparky.domain.errors import Refusal, WorkOrderError
from sparky.domain.limits import limit_rejection
from sparky.domain.orders import OrderState
from sparky.domain.plan import Leg, NothingToDo, Plan, Purpose, Rejection
from sparky.domain.readable import readable
from sparky.domain.reasons import Reason
from sparky.domain.trade_settings import Limit
from sparky.domain.work_order import Claim
from sparky.engine.record import News, Record
from sparky.engine.sentences import executed


def not_planned(claim: Claim, record: Record, decision: Rejection | NothingToDo) -> Result:
    """Nothing was sent, but perhaps the cancelling of orders that were in the way."""
    if isinstance(decision, NothingToDo):
        return _ended(claim, record, "done", decision.reason_code, decision.note)
    status = "expired" if decision.expired else "rejected"
    return _ended(claim, record, status, decision.reason_code, decision.reason)


def rejected(claim: Claim, record: Record, refusal: Refusal) -> Result:
    """Nothing was sent, and nothing will be."""
    return _ended(claim, record, "rejected", refusal.reason_code, refusal.reason)


def done(claim: Claim, record: Record, plan: Plan) -> Result:
    """Every leg was executed, though perhaps not for its whole quantity."""
    reason = " ".join((*record.sentences, *plan.notes))
    return Result(claim=claim, status="done", reason_code=record.reason_code, reason=reason, news=record.news)


def limit_reached(claim: Claim, record: Record, limit: Limit) -> Result:
    """A limit of the trader on entries was reached when the order was to be written down."""
    rejection = limit_rejection(limit)
    return _ended(claim, record, "rejected", rejection.reason_code, rejection.reason)


def not_cancelled(claim: Claim, record: Record, code: Reason, *, opens: bool) -> Result:
    """An order that was in the way could not be cancelled; the record says which and why."""
    reason = "Nothing was opened: send the alert again when that order is gone." if opens else ""
    return _ended(claim, record, "failed", code, reason)


def closed_again(claim: Claim, record: Record, leg: Leg, order: VenueOrder) -> Result:
    """The entry was closed, because its stop could not be placed."""
    reason = executed(leg, order)
    if order.state is not OrderState.FILLED:
        reason += " What is left is open without its stop: act at the venue by hand."
    return _ended(claim, record, "failed", Reason.EXIT_NOT_PLACED, reason)


def with_later(result: Result, record: Record, since: int) -> Result:
    """Add to a result what was done after it was settled, from that sentence on."""
    later = record.sentences[since:]
    return replace(result, reason=" ".join((result.reason or "", *later)), news=record.news)


def left_exposed(closing: Result) -> Result:
    """Something is open without its exits, and closing it did not succeed either."""
    return replace(
        closing,
        status="review" if closing.status == "review" else "failed",
        reason=f"{closing.reason} The position may be open without its exits: act at the venue by hand.",
    )


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
    return rejected(claim, Record(), error)


def _ended(claim: Claim, record: Record, status: str, code: str, reason: str) -> Result:
    # After an executed leg it is no rejection any more: half of the signal was done, and the trader must act.
    if record.sentences and status in {"rejected", "expired"}:
        status = "failed"
    return Result(
        claim=claim,
        status=status,
        reason_code=code,
        reason=" ".join(part for part in (*record.sentences, reason) if part),
        news=record.news,
    )
