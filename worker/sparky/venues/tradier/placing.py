"""Sending orders: once, and "ok" is not accepted until Tradier shows the order.

Tradier's answer to an order says `ok` for "received". Its checks come after that, so the order is asked for
until it is through them. When it never shows within the time for that, its outcome is unknown.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from sparky.domain.answers import Accepted, NotSent, Outcome, Refused, Unknown, VenueOrder
from sparky.domain.errors import Refusal, VenueUnavailable
from sparky.domain.identifiers import ClientOrderId
from sparky.domain.orders import OrderRequest
from sparky.domain.reasons import Reason
from sparky.runtime.seams import Sleeper
from sparky.venues.base import Permit
from sparky.venues.tradier import wire
from sparky.venues.tradier.client import TradierClient, account_path
from sparky.venues.tradier.credentials import Login
from sparky.venues.tradier.errors import (
    Heard,
    Kind,
    rejected,
    says_already_ended,
    says_no_such_order,
    write_failed,
)
from sparky.venues.tradier.lookup import OrderBook, parse_views
from sparky.venues.tradier.orders import Form
from sparky.venues.tradier.parse import Seen

# 1.5 seconds in all: shown is what Tradier lists at once when it is well.
_WAITS: Final = (0.0, 0.05, 0.1, 0.2, 0.4, 0.75)
_OK: Final = "ok"


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A form to send. `fills_now`: it should fill at once, because it is a market order in an open market.

    `closes_all`: nothing of the position is left when it has filled.
    """

    form: Form
    closes: bool
    closes_all: bool = False
    fills_now: bool = False


class Placing:
    """Writes of one venue."""

    def __init__(self, client: TradierClient, book: OrderBook, sleeper: Sleeper) -> None:
        self._client = client
        self._book = book
        self._sleeper = sleeper

    async def submit(
        self, login: Login, number: str, order: OrderRequest, prepared: Prepared, permit: Permit
    ) -> Outcome:
        """Send an order and return what became of it."""
        placed = await self.place(login, number, prepared, permit)
        return outcomes_of(placed, [order.client_order_id])[0] if isinstance(placed, Seen) else placed

    async def place(
        self, login: Login, number: str, prepared: Prepared, permit: Permit
    ) -> Seen | Refused | NotSent | Unknown:
        """Send a form and return the order as Tradier shows it, filled where it should fill at once."""
        path = account_path(number, "/orders")
        heard = await self._client.write(login, "POST", path, prepared.form, permit, closes=prepared.closes)
        if not isinstance(heard, Heard):
            return heard
        if heard.kind is not Kind.GOOD:
            return write_failed(heard)
        order_id = _received(heard)
        if order_id is None:
            return Unknown("Tradier may have the order: its answer was not understood.")
        seen = await self._shown(
            login, number, order_id, lambda one: _is_settled(one, fills_now=prepared.fills_now)
        )
        if seen is None:
            return Unknown(f"Tradier received the order as {order_id}, but has not shown it since.")
        return seen

    async def cancel(self, login: Login, number: str, found: VenueOrder, permit: Permit) -> Outcome:
        """Cancel an order that works, and return it as Tradier shows it afterwards."""
        group, _, leg = found.venue_order_id.partition(":")
        path = account_path(number, f"/orders/{leg or group}")
        heard = await self._client.write(login, "DELETE", path, [], permit, closes=True)
        if not isinstance(heard, Heard):
            return heard
        if says_no_such_order(heard) or (heard.kind is Kind.NO and not says_already_ended(heard)):
            return Refused(
                Reason.VENUE_REFUSED,
                f"Tradier shows the order {found.venue_order_id}, but does not cancel it ({heard.words}): "
                "cancel it in Tradier's own application.",
            )
        taken = heard.kind is Kind.GOOD and _received(heard) is not None
        if not taken and not says_already_ended(heard):
            return write_failed(heard) if heard.kind is not Kind.GOOD else Unknown(_STRANGE_CANCEL)
        return await self._after_cancel(login, number, found)

    async def _after_cancel(self, login: Login, number: str, found: VenueOrder) -> Outcome:
        latest: VenueOrder | None = None

        def ended(one: Seen) -> bool:
            nonlocal latest
            views = (order for _, order in parse_views([one]))
            latest = next((order for order in views if order.venue_order_id == found.venue_order_id), latest)
            return latest is not None and latest.state.is_terminal

        await self._shown(login, number, found.venue_order_id.partition(":")[0], ended)
        if latest is None:
            return Unknown(
                f"Tradier took the cancellation of {found.venue_order_id}, but has not shown it since."
            )
        return Accepted(latest)

    async def _shown(
        self, login: Login, number: str, order_id: str, is_enough: Callable[[Seen], bool]
    ) -> Seen | None:
        last: Seen | None = None
        for wait in _WAITS:
            await self._sleeper.sleep(wait)
            try:
                last = await self._book.one(login, number, order_id) or last
                if last is not None and is_enough(last):
                    return last
            except VenueUnavailable:
                # The order is sent: a question that fails only leaves open what became of it.
                continue
            except Refusal:
                return last
        return last


_STRANGE_CANCEL: Final = "Tradier may have cancelled the order: its answer was not understood."


def outcome_of(seen: Seen, view: VenueOrder) -> Outcome:
    """Return what became of an order that Tradier shows."""
    if seen.is_rejected and not seen.executed:
        return rejected(seen.words)
    return Accepted(view)


def outcomes_of(seen: Seen, client_order_ids: Sequence[ClientOrderId]) -> tuple[Outcome, ...]:
    """Return what became of each part of what was sent, by client id."""
    try:
        shown = {view.client_order_id: (one, view) for one, view in parse_views([seen])}
    except VenueUnavailable as error:
        return tuple(Unknown(str(error)) for _ in client_order_ids)
    return tuple(
        outcome_of(*shown[wanted]) if wanted in shown else Unknown("Tradier does not show this part of it.")
        for wanted in client_order_ids
    )


def _is_settled(seen: Seen, *, fills_now: bool) -> bool:
    parts = seen.legs if seen.is_group else (seen,)
    if any(part.is_rejected for part in parts):
        return True
    if fills_now:
        return all(part.status == "filled" for part in parts)
    # The exits of a group wait for their entry, which is the first to be checked.
    return not parts[0].is_untried


def _received(heard: Heard) -> str | None:
    try:
        order = wire.mapping(heard.answer, "order")
        return wire.identifier(order, "id") if wire.text(order, "status").lower() == _OK else None
    except wire.NotUnderstood:
        return None
