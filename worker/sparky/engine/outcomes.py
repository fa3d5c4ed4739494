"""How a signal ends, in words for its trader."""

from sparky.database.gateway import Result
from sparky.domain.news import OrderNews
from sparky.domain.orders import Refused, Side, VenueOrder
from sparky.domain.plan import Leg, NothingToDo, Plan, Purpose, Rejection
from sparky.domain.reasons import Reason
from sparky.domain.work_order import Claim

News = tuple[OrderNews, ...]

_DID = {
    (Side.BUY, Purpose.OPEN): "Bought",
    (Side.SELL, Purpose.OPEN): "Sold short",
    (Side.BUY, Purpose.CLOSE): "Closed short",
    (Side.SELL, Purpose.CLOSE): "Closed long",
}


def not_planned(claim: Claim, decision: Rejection | NothingToDo) -> Result:
    """Nothing was sent."""
    if isinstance(decision, NothingToDo):
        return Result(claim=claim, status="done", reason_code=decision.reason_code, reason=decision.note)
    status = "expired" if decision.expired else "rejected"
    return Result(claim=claim, status=status, reason_code=decision.reason_code, reason=decision.reason)


def rejected(claim: Claim, code: str, reason: str) -> Result:
    """Nothing was sent, and nothing will be."""
    return Result(claim=claim, status="rejected", reason_code=code, reason=reason)


def done(claim: Claim, plan: Plan, executed: list[tuple[Leg, VenueOrder]], news: News) -> Result:
    """Every leg was executed, though perhaps not for its whole quantity."""
    sentences = [_executed(leg, order) for leg, order in executed]
    return Result(claim=claim, status="done", reason=" ".join((*sentences, *plan.notes)), news=news)


def refused(claim: Claim, refusal: Refused, *, leg: Leg, news: News) -> Result:
    """The venue said no. After an earlier leg that is a failure, because half of the signal was done."""
    status = "rejected" if leg.number == 1 else "failed"
    return Result(
        claim=claim, status=status, reason_code=refusal.reason_code, reason=refusal.reason, news=news
    )


def not_filled(claim: Claim, leg: Leg, order: VenueOrder, news: News) -> Result:
    """The venue took the order and ended it, or kept it waiting, without what the plan needs."""
    words = f" The venue says: {order.reason}." if order.reason else ""
    if leg.purpose is Purpose.CLOSE:
        return Result(
            claim=claim,
            status="failed",
            reason_code=Reason.CLOSE_NOT_FILLED,
            reason=f"The close is {order.state} with {order.filled_quantity:f} of {order.quantity:f} filled, "
            f"so nothing was opened.{words}",
            news=news,
        )
    return Result(
        claim=claim,
        status="failed",
        reason_code=order.reason_code or Reason.VENUE_REFUSED,
        reason=f"The venue ended the order as {order.state} and filled nothing.{words}",
        news=news,
    )


def expired_unsent(claim: Claim, rejection: Rejection, news: News) -> Result:
    """The venue does not have the order, and the signal is too old to send it again."""
    return Result(
        claim=claim,
        status="expired",
        reason_code=rejection.reason_code,
        reason=f"The venue could not be reached in time. {rejection.reason}",
        news=news,
    )


def unreachable(claim: Claim, why: str, news: News) -> Result:
    """The venue could not be reached for as long as we try."""
    return Result(
        claim=claim,
        status="failed",
        reason_code=Reason.VENUE_UNAVAILABLE,
        reason=f"The venue could not be reached, and nothing was sent: {why}. Act at the venue by hand.",
        news=news,
    )


def in_review(claim: Claim, client_order_id: str, why: str, news: News) -> Result:
    """Nobody can tell whether the venue has the order."""
    return Result(
        claim=claim,
        status="review",
        reason_code=Reason.OUTCOME_UNKNOWN,
        reason=f"The venue may or may not have order {client_order_id}: {why}. Look at the venue. Entries of "
        "this symbol wait until it is settled; exits pass.",
        news=news,
    )


def broken(claim: Claim, *, begun: bool) -> Result:
    """A fault of ours. What may have reached the venue has to be looked at; the rest just failed."""
    return Result(
        claim=claim,
        status="review" if begun else "failed",
        reason_code=Reason.INTERNAL_ERROR,
        reason="A fault of the service stopped this signal; the operator has been told."
        + (" An order may have reached the venue: look there." if begun else " Nothing was sent."),
    )


def _executed(leg: Leg, order: VenueOrder) -> str:
    price = "" if order.average_price is None else f" at {order.average_price:f}"
    if not order.state.is_terminal:
        return f"The order for {order.quantity:f} is {order.state} at the venue."
    partly = "" if order.filled_quantity >= leg.quantity else f" of {leg.quantity:f}"
    return f"{_DID[leg.side, leg.purpose]} {order.filled_quantity:f}{partly}{price}."
