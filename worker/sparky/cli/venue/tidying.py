"""Leaving an account as it was found."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sparky.cli.venue.findings import Notebook, Seen, confirmed, denied
from sparky.cli.venue.orders import Ids, allow, describe, describe_orders
from sparky.cli.venue.reading import Subject
from sparky.domain.answers import Accepted, Outcome, VenueOrder, VenuePosition
from sparky.domain.errors import VenueUnavailable
from sparky.domain.orders import OrderRef, OrderRequest

# With pauses that grow by half a second each time: a minute and a half together.
_TRIES: Final = 19
_PAUSE_SECONDS: Final = 0.5
_SECONDS: Final = 120.0


@dataclass(frozen=True, slots=True)
class Tidying:
    """Cancels every order of the instrument that works, and closes its position.

    Nothing was open in it before, so whatever is open now is of this run.
    """

    subject: Subject
    notebook: Notebook
    ids: Ids

    async def run(self) -> None:
        """Tidy up, and say what could not be."""
        await self.notebook.ask("tidied up", self._leave_nothing(), _left, seconds=_SECONDS)

    async def cancel_working(self, what: str) -> None:
        """Cancel what works."""
        await self.notebook.ask(what, self._cancel_all(), _cancelled)

    async def _leave_nothing(self) -> tuple[Sequence[VenueOrder], VenuePosition | None]:
        for attempt in itertools.count(1):
            try:
                left = await self._what_is_left()
                if left == ([], None) or attempt == _TRIES:
                    return left
                await self._cancel_all()
                if left[1] is not None:
                    await self._close(left[1])
            except VenueUnavailable:
                # Limits of requests are free again within a minute, and nothing shall be left behind.
                if attempt == _TRIES:
                    raise
            await self.subject.seams.sleeper.sleep(_PAUSE_SECONDS * attempt)
        raise AssertionError("the last attempt returns or raises")

    async def _what_is_left(self) -> tuple[Sequence[VenueOrder], VenuePosition | None]:
        adapter, access, symbol = self.subject.adapter, self.subject.access, self.subject.symbol
        return list(await self._working()), await adapter.position(access, symbol)

    async def _working(self) -> Sequence[VenueOrder]:
        return await self.subject.adapter.open_orders(self.subject.access, self.subject.symbol)

    async def _cancel_all(self) -> list[Outcome]:
        return [await self._cancel(order) for order in await self._working()]

    async def _cancel(self, order: VenueOrder) -> Outcome:
        ref = OrderRef(
            client_order_id=order.client_order_id or self.ids.next(),
            symbol=self.subject.symbol,
            sent_at=self.subject.seams.clock.now(),
            venue_order_id=order.venue_order_id,
        )
        return await self.subject.adapter.cancel(self.subject.access, ref, allow)

    async def _close(self, position: VenuePosition) -> None:
        order = OrderRequest(
            client_order_id=self.ids.next(),
            symbol=position.symbol,
            side=position.side.closed_by,
            quantity=position.quantity,
            reduce_only=True,
        )
        await self.subject.adapter.submit(self.subject.access, order, allow)


def _left(left: tuple[Sequence[VenueOrder], VenuePosition | None]) -> Seen:
    orders, position = left
    if not orders and position is None:
        return confirmed("nothing is left behind")
    text = f"left behind: orders {describe_orders(orders)}"
    if position is not None:
        text += f"; a {position.side} position of {position.quantity:f} {position.symbol}"
    return denied(f"{text}. Close them by hand on the venue's page.")


def _cancelled(outcomes: Sequence[Outcome]) -> Seen:
    text = " ".join(describe(outcome) for outcome in outcomes) or "none worked"
    good = all(isinstance(outcome, Accepted) for outcome in outcomes)
    return confirmed(text) if good else denied(text)
