"""The part of the check that trades, on a practice host: a small round trip, and tidying up after it.

A limit far from the market, found by client id and by the venue's id, cancelled; a market entry of the
smallest size, looked up, seen as a position, given exits where the venue takes them, closed, and its fills.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Final, TypeVar

from sparky.cli.venue.findings import Notebook, Seen, confirmed
from sparky.cli.venue.orders import Ids, allow, exits_around, far_limit, size_for
from sparky.cli.venue.patience import PATIENT_SECONDS, Patience
from sparky.cli.venue.reading import Subject
from sparky.cli.venue.shown import (
    as_accepted,
    as_all_accepted,
    echo,
    exists,
    fills_of,
    guarded,
    has_ended,
    holds,
    listed_once,
    nothing_open,
    shown,
    what_is_left,
)
from sparky.cli.venue.tidying import Tidying
from sparky.domain.answers import Outcome, VenueOrder, VenuePosition
from sparky.domain.errors import VenueUnavailable
from sparky.domain.orders import ExitKind, ExitRequest, OrderRef, OrderRequest, OrderState, PositionSide, Side
from sparky.domain.rules import InstrumentRules

Answer = TypeVar("Answer")

POLL_SECONDS: Final = 0.25
SHOWN_WITHIN_SECONDS: Final = 20.0
# Of these venues the documentation leaves open what a client id does that is used again.
_REPEATED_WHILE_WORKING: Final = frozenset({"aster", "oanda"})
_REPEATED_WHEN_FILLED: Final = frozenset({"oanda"})


class RoundTrip:
    """One round trip in one instrument, from nothing open to nothing open."""

    def __init__(
        self,
        subject: Subject,
        notebook: Notebook,
        price: Decimal,
        *,
        poll_seconds: float = POLL_SECONDS,
        shown_within_seconds: float = SHOWN_WITHIN_SECONDS,
    ) -> None:
        self._subject = subject
        self._adapter, self._access = subject.adapter, subject.access
        self._notebook = notebook
        self._price = price
        self._poll_seconds = poll_seconds
        self._shown_within_seconds = shown_within_seconds
        self._ids = Ids(subject.seams.random)
        self._patience = Patience(subject.seams)
        self._tidying = Tidying(subject, notebook, self._ids)

    async def run(self) -> None:
        """Trade, and tidy up whatever happens in between."""
        rules = await self._begin()
        if rules is None:
            return
        quantity = size_for(rules, self._price)
        try:
            await self._work_a_limit(quantity)
            await self._hold_a_position(quantity)
        finally:
            await self._tidying.run()

    async def _begin(self) -> InstrumentRules | None:
        symbol = self._subject.symbol
        # What was there before would be closed with what the round trip opens.
        before = await self._ask("nothing is open before", lambda: self._others(symbol), nothing_open)
        if before is None or before != (None, 0):
            return None
        return await self._ask(
            "size of the round trip", lambda: self._adapter.rules(self._access, symbol), self._size
        )

    async def _others(self, symbol: str) -> tuple[VenuePosition | None, int]:
        position = await self._adapter.position(self._access, symbol)
        return position, len(await self._adapter.open_orders(self._access, symbol))

    def _size(self, rules: InstrumentRules) -> Seen:
        return confirmed(f"{size_for(rules, self._price):f} {rules.symbol} at about {self._price:f}")

    async def _work_a_limit(self, quantity: Decimal) -> None:
        limit = far_limit(self._order(Side.BUY, quantity), self._price)
        sent = await self._send("limit far from the market", limit)
        found = None if sent is None else await self._until("found by client id", sent, exists)
        if sent is None or found is None:
            return
        ref = replace(sent, venue_order_id=found.venue_order_id)
        await self._ask("found by the venue's id", lambda: self._find(ref), echo(ref))
        await self._ask("listed among open orders", lambda: self._working(ref), listed_once)
        if self._adapter.name in _REPEATED_WHILE_WORKING:
            await self._notebook.ask("client id again while working", self._repeat(limit, ref), guarded)
        await self._write("cancel", lambda: self._adapter.cancel(self._access, ref, allow))
        await self._until("shown as cancelled", ref, has_ended)

    async def _hold_a_position(self, quantity: Decimal) -> None:
        began = self._subject.seams.clock.now()
        entry = self._order(Side.BUY, quantity)
        ref = await self._send("market entry", entry)
        filled = None if ref is None else await self._until("entry found when filled", ref, has_ended)
        if ref is None or filled is None or filled.state is not OrderState.FILLED:
            return
        await self._find_in_record(ref)
        if self._adapter.name in _REPEATED_WHEN_FILLED:
            repeat = self._repeat_filled(entry)
            await self._notebook.ask("client id again when filled", repeat, guarded)
        await self._ask("position", self._position, holds(quantity))
        placed = await self._place_exits(ref, quantity)
        closing = await self._send("close", replace(self._order(Side.SELL, quantity), reduce_only=True))
        closed = None if closing is None else await self._until("close found when filled", closing, has_ended)
        if closed is None:
            return
        await self._ask("nothing is open after the close", self._position, holds(Decimal(0)))
        ids = {filled.venue_order_id, closed.venue_order_id}
        symbol = self._subject.symbol
        await self._ask(
            "fills of both orders", lambda: self._adapter.fills(self._access, symbol, began), fills_of(ids)
        )
        if placed:
            await self._ask("exits left after the close", lambda: self._working(None), what_is_left)

    async def _ask(
        self, what: str, question: Callable[[], Awaitable[Answer]], read: Callable[[Answer], Seen]
    ) -> Answer | None:
        return await self._notebook.ask(what, self._patience.ask(question), read, seconds=PATIENT_SECONDS)

    async def _write(self, what: str, write: Callable[[], Awaitable[Outcome]]) -> Outcome | None:
        return await self._notebook.ask(
            what, self._patience.send(write), as_accepted, seconds=PATIENT_SECONDS
        )

    def _order(self, side: Side, quantity: Decimal) -> OrderRequest:
        return OrderRequest(
            client_order_id=self._ids.next(),
            symbol=self._subject.symbol,
            side=side,
            quantity=quantity,
            reduce_only=False,
            reference_price=self._price,
        )

    async def _send(self, what: str, order: OrderRequest) -> OrderRef | None:
        """Send an order; None when it is certain that the venue does not have it."""
        ref = OrderRef(
            client_order_id=order.client_order_id,
            symbol=order.symbol,
            sent_at=self._subject.seams.clock.now(),
            bookmark=await self._bookmark(),
        )
        order = replace(order, bookmark=ref.bookmark)
        outcome = await self._write(what, lambda: self._adapter.submit(self._access, order, allow))
        if outcome is None or outcome.kind.value in {"refused", "not_sent"}:
            return None
        return ref

    async def _bookmark(self) -> str | None:
        try:
            return await self._adapter.bookmark(self._access)
        except VenueUnavailable:
            return None

    async def _until(
        self, what: str, ref: OrderRef, enough: Callable[[VenueOrder], bool]
    ) -> VenueOrder | None:
        # By client id alone: the record since the bookmark would find it too, and hide that this does not.
        plain = replace(ref, bookmark=None)
        return await self._notebook.ask(
            what, self._poll(plain, enough), shown(enough), seconds=PATIENT_SECONDS
        )

    async def _poll(self, ref: OrderRef, enough: Callable[[VenueOrder], bool]) -> VenueOrder | None:
        clock, sleeper = self._subject.seams.clock, self._subject.seams.sleeper
        give_up_at = clock.monotonic() + self._shown_within_seconds
        while True:
            found = await self._patience.ask(lambda: self._find(ref))
            if (found is not None and enough(found)) or clock.monotonic() >= give_up_at:
                return found
            await sleeper.sleep(self._poll_seconds)

    def _find(self, ref: OrderRef) -> Awaitable[VenueOrder | None]:
        return self._adapter.find_order(self._access, ref)

    async def _find_in_record(self, ref: OrderRef) -> None:
        if ref.bookmark is not None:
            what = "found in the record since before"
            await self._ask(what, lambda: self._find(ref), echo(ref))

    def _position(self) -> Awaitable[VenuePosition | None]:
        return self._adapter.position(self._access, self._subject.symbol)

    async def _working(self, ref: OrderRef | None) -> Sequence[VenueOrder]:
        orders = await self._adapter.open_orders(self._access, self._subject.symbol)
        return [order for order in orders if ref is None or order.client_order_id == ref.client_order_id]

    async def _repeat(self, order: OrderRequest, ref: OrderRef) -> tuple[Outcome, bool]:
        outcome = await self._adapter.submit(self._access, order, allow)
        return outcome, len(await self._working(ref)) == 1

    async def _repeat_filled(self, order: OrderRequest) -> tuple[Outcome, bool]:
        outcome = await self._adapter.submit(self._access, order, allow)
        position = await self._position()
        return outcome, position is not None and position.quantity == order.quantity

    async def _place_exits(self, entry: OrderRef, quantity: Decimal) -> bool:
        """Say whether exits work beside the position now."""
        if not {ExitKind.TAKE_PROFIT, ExitKind.STOP_LOSS} <= self._adapter.capabilities.separate_exits:
            return False
        request = ExitRequest(
            symbol=self._subject.symbol,
            side=PositionSide.LONG,
            quantity=quantity,
            exits=exits_around(self._ids, self._price),
            entry=entry,
            reference_price=self._price,
        )
        placing = self._adapter.place_exits(self._access, request, allow)
        await self._notebook.ask("exits for the position", placing, as_all_accepted)
        if self._adapter.capabilities.reduces_natively:
            return True
        # They speak for the position: beside them the venue takes a close for a short sale.
        await self._tidying.cancel_working("exits cancelled before the close")
        return False
