"""Cancelling an order, and what became of it.

PUT /orders/{order}/cancel: https://developer.oanda.com/rest-live-v20/order-ep.
"""

from dataclasses import replace

from sparky.domain.answers import Accepted, Outcome, Refused, Unknown, VenueOrder
from sparky.domain.errors import Refusal, VenueUnavailable, WorkOrderError
from sparky.domain.orders import OrderRef, OrderState
from sparky.domain.reasons import Reason
from sparky.venues.base import Permit
from sparky.venues.budget import Priority
from sparky.venues.oanda.account import Account
from sparky.venues.oanda.client import Answer, OandaClient
from sparky.venues.oanda.errors import NO_SUCH_ORDER, refused
from sparky.venues.oanda.lookup import OandaLookup, order_specifier
from sparky.venues.oanda.parse import reject_reason
from sparky.venues.oanda.transactions import read_cancel


async def cancel(
    client: OandaClient, lookup: OandaLookup, account: Account, ref: OrderRef, permit: Permit
) -> Outcome:
    """Cancel an order.

    It is looked up first, because what OANDA answers to a cancel does not say how large the order was. One
    that is not shown is cancelled all the same: just after it was created OANDA may not show it yet.

    Raises:
        VenueUnavailable: the look-up was not answered, and nothing was sent.
        CredentialsInvalid: the token is not let in; nothing was sent.
    """
    before = await lookup.find(account, ref)
    if before is not None and before.state.is_terminal:
        return Accepted(before)
    known = ref.venue_order_id if before is None else before.venue_order_id
    answer = await client.write(
        account.login,
        "PUT",
        account.path(f"orders/{order_specifier(ref.client_order_id, known)}/cancel"),
        {},
        permit=permit,
        priority=Priority.EXIT,
    )
    if not isinstance(answer, Answer):
        return answer
    try:
        no = _no(answer)
    except WorkOrderError as error:
        return Unknown(
            f"OANDA may have cancelled the order, but its answer was not understood: {error.field}."
        )
    if no is not None:
        return no
    if answer.ok and before is not None:
        return Accepted(replace(before, state=OrderState.CANCELLED))
    return await _afterwards(lookup, account, ref, cancelled=answer.ok)


def _no(answer: Answer) -> Refused | None:
    if answer.ok:
        read_cancel(answer.body.get("orderCancelTransaction"))
        return None
    code = reject_reason(answer, "orderCancelRejectTransaction") or answer.code
    return None if code in NO_SUCH_ORDER else refused(code, answer.words)


async def _afterwards(lookup: OandaLookup, account: Account, ref: OrderRef, *, cancelled: bool) -> Outcome:
    shown: VenueOrder | None
    try:
        shown = await lookup.find(account, ref)
    except (VenueUnavailable, Refusal) as error:
        return Unknown(f"OANDA may have cancelled the order: {error}")
    if shown is not None:
        late = cancelled and not shown.state.is_terminal
        return Accepted(replace(shown, state=OrderState.CANCELLED) if late else shown)
    if cancelled:
        return Unknown("OANDA has cancelled the order, and does not show it yet.")
    return Refused(
        Reason.VENUE_REFUSED, "OANDA shows no such order: there is none to cancel. Look at OANDA's platform."
    )
