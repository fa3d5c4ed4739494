"""A venue at the port. The seed decides what the network between the adapter and the books does."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from functools import partial
from random import Random
from typing import Final, TypeVar

from sparky.domain.answers import (
    Accepted,
    AccountFill,
    Balance,
    Fill,
    KeyCheck,
    NotSent,
    Outcome,
    Quote,
    Refused,
    Unknown,
    VenueOrder,
    VenuePosition,
)
from sparky.domain.capabilities import Capabilities
from sparky.domain.errors import VenueUnavailable
from sparky.domain.options import OptionContract
from sparky.domain.orders import ExitLeg, ExitRequest, OrderRef, OrderRequest, OrderState
from sparky.domain.reasons import Reason
from sparky.domain.rules import InstrumentRules
from sparky.venues.base import AccountAccess, Permit
from tests.simulation.book import Book, TrueOrder
from tests.simulation.faults import Fault, Faults
from tests.simulation.loop import SimulationLoop
from tests.simulation.matching import Matching
from tests.simulation.profiles import Profile, Unique

Answer = TypeVar("Answer")
Deliver = Callable[[Outcome], None]
Taken = tuple[Outcome, TrueOrder | None]

TIMEOUT: Final = 5.0
_FOR_EVER: Final = 100_000.0
_ANSWERS: Final[Mapping[Fault | None, Outcome]] = {
    Fault.BUSY: Refused(Reason.VENUE_REFUSED, "The venue says: too many requests.", "429", try_again=True),
    Fault.REFUSED: Refused(Reason.INSUFFICIENT_FUNDS, "The venue refused the order: too little money."),
    Fault.ERROR_NOT_EXECUTED: Unknown("HTTP 502"),
}
_ORDER_FAULTS: Final = (
    Fault.BUSY,
    Fault.REFUSED,
    Fault.ERROR_NOT_EXECUTED,
    Fault.ERROR_EXECUTED,
    Fault.REQUEST_DROPPED,
    Fault.REPLY_DROPPED,
    Fault.REQUEST_LATE,
    Fault.SLOW,
)
# A refusal of a cancel means that the venue shows no such order.
_CANCEL_FAULTS: Final = tuple(kind for kind in _ORDER_FAULTS if kind is not Fault.REFUSED)
# What an adapter makes of the refusal of a known client id: the order is looked up.
_KNOWN: Final = Unknown("the venue knows the client id already")
_EQUITY: Final = Decimal(100_000)


class SimulatedVenue:
    """The adapter and, behind it, the books of every account."""

    def __init__(self, profile: Profile, loop: SimulationLoop, faults: Faults, random: Random) -> None:
        self.profile = profile
        self.books: dict[str, Book] = {}
        self.prices = dict.fromkeys(profile.symbols, Decimal(100))
        self.away_until = 0.0
        self.was_away = False
        self.closed = False
        # Called by a worker at every step of an execution.
        self.at_step: Callable[[], None] = lambda: None
        # Called where nothing of the worker's own could wake it, right before the permit is asked.
        self.between_two_lines: Callable[[], None] = lambda: None
        self._loop = loop
        self._faults = faults
        self._random = random
        self.matching = Matching(loop, faults, self.prices, self.books)

    @property
    def name(self) -> str:
        return self.profile.name

    @property
    def capabilities(self) -> Capabilities:
        return self.profile.capabilities

    @property
    def visibility_seconds(self) -> float:
        return self.profile.visibility_seconds

    def open_book(self, account_id: str) -> Book:
        self.books[account_id] = Book(account_id, self.profile, self.prices)
        return self.books[account_id]

    async def validate(self, access: AccountAccess) -> KeyCheck:
        return KeyCheck(balance=await self.balance(access))

    async def balance(self, access: AccountAccess) -> Balance:
        del access
        return await self._ask(lambda: Balance(currency="USD", equity=_EQUITY, available=_EQUITY))

    async def quote(self, access: AccountAccess, symbol: str) -> Quote:
        del access
        return await self._ask(lambda: Quote(symbol=symbol, bid=self.prices[symbol], ask=self.prices[symbol]))

    async def rules(self, access: AccountAccess, symbol: str) -> InstrumentRules:
        del access
        return await self._ask(
            lambda: InstrumentRules(
                symbol=symbol, quantity_step=self.profile.step, price_tick=Decimal("0.01")
            )
        )

    async def bookmark(self, access: AccountAccess) -> str | None:
        if not self.profile.keeps_record:
            return None
        book = self.books[access.account_id]
        return await self._ask(lambda: str(len(book.orders)))

    async def position(self, access: AccountAccess, symbol: str) -> VenuePosition | None:
        book = self.books[access.account_id]
        return await self._ask(lambda: self._position(book, symbol))

    async def positions(self, access: AccountAccess) -> Sequence[VenuePosition]:
        book = self.books[access.account_id]

        def answer() -> Sequence[VenuePosition]:
            held = (self._position(book, symbol) for symbol in self.profile.symbols)
            return [one for one in held if one is not None]

        return await self._ask(answer)

    async def find_order(self, access: AccountAccess, ref: OrderRef) -> VenueOrder | None:
        book = self.books[access.account_id]
        return await self._ask(lambda: self._shown_of(book, ref))

    async def open_orders(self, access: AccountAccess, symbol: str | None = None) -> Sequence[VenueOrder]:
        book = self.books[access.account_id]

        def answer() -> Sequence[VenueOrder]:
            wanted = [one for one in book.orders if one.is_open and symbol in {None, one.symbol}]
            return [self._shown(one) for one in wanted]

        return await self._ask(answer)

    async def fills(self, access: AccountAccess, symbol: str, since: datetime) -> Sequence[AccountFill]:
        raise AssertionError(f"the engine does not ask for fills: {access.account_id} {symbol} {since}")

    async def expirations(self, access: AccountAccess, underlying: str) -> Sequence[date]:
        del access, underlying
        return await self._ask(list)

    async def option_chain(
        self, access: AccountAccess, underlying: str, expiration: date
    ) -> Sequence[OptionContract]:
        del access, underlying, expiration
        return await self._ask(list)

    async def set_leverage(self, access: AccountAccess, symbol: str, leverage: int) -> None:
        book = self.books[access.account_id]
        await self._ask(lambda: book.leverage.__setitem__(symbol, leverage))

    async def submit(self, access: AccountAccess, order: OrderRequest, permit: Permit) -> Outcome:
        book = self.books[access.account_id]
        began_at = self._loop.time()
        if order.reduce_only and not self.capabilities.reduces_natively:
            # As the adapters of such venues do: the size is taken from the position right before it is sent.
            try:
                held = await self._ask(lambda: book.room_to_reduce(order.symbol, order.side))
            except VenueUnavailable as error:
                return NotSent(str(error))
            if held < order.quantity:
                return Refused(Reason.NO_POSITION, "The venue has no such position to close.")

        return await self._write(lambda: self._take_order(book, order), permit, began_at)

    async def place_exits(
        self, access: AccountAccess, request: ExitRequest, permit: Permit
    ) -> Sequence[Outcome]:
        book = self.books[access.account_id]
        group = book.new_group()
        began_at = self._loop.time()
        outcomes: list[Outcome] = []
        for leg in request.exits:
            if outcomes and not isinstance(outcomes[-1], Accepted):
                outcomes.append(NotSent("the exit before it was not accepted"))
            else:
                outcomes.append(
                    await self._write(partial(self._take_exit, book, request, leg, group), permit, began_at)
                )
        return outcomes

    async def cancel(self, access: AccountAccess, ref: OrderRef, permit: Permit) -> Outcome:
        book = self.books[access.account_id]

        def take() -> Taken:
            found = book.find(ref.client_order_id, ref.venue_order_id) or _exit_of(book, ref)
            if found is None:
                return Refused(Reason.VENUE_REFUSED, "The venue shows no such order."), None
            if found.is_open:
                book.end(found, OrderState.CANCELLED)
            return Accepted(self._shown(found)), None

        return await self._write(take, permit, self._loop.time(), refuses=False)

    def _take_order(self, book: Book, order: OrderRequest) -> Taken:
        if book.knows(order.client_order_id) is not None:
            return _KNOWN, None
        taken = book.take(order, self._loop.time())
        if taken is None:
            return Refused(Reason.VENUE_REFUSED, "There is nothing to reduce."), None
        self.matching.take(book, taken, order)
        return Accepted(self._shown(taken)), taken

    def _take_exit(self, book: Book, request: ExitRequest, leg: ExitLeg, group: int) -> Taken:
        if book.knows(leg.client_order_id) is not None:
            return _KNOWN, None
        side = request.side.closed_by
        if book.room_to_reduce(request.symbol, side) <= 0:
            return Refused(Reason.VENUE_REFUSED, "The venue has no position to protect."), None
        now = self._loop.time()
        made = book.add_exit(leg, request.symbol, side, request.quantity, now, group=group)
        self.matching.look(book, made.symbol)
        return Accepted(self._shown(made)), made

    async def _write(
        self, take: Callable[[], Taken], permit: Permit, began_at: float, *, refuses: bool = True
    ) -> Outcome:
        self.at_step()
        if self._loop.time() < self.away_until or self._faults.strikes(Fault.NOT_CONNECTED):
            await asyncio.sleep(self._random.uniform(0.0, 0.5))
            return NotSent("the connection was refused")
        if self._faults.strikes(Fault.CONNECTION_HANGS):
            await asyncio.sleep(_FOR_EVER)
        # Names, connections and handshakes come before the first byte.
        await asyncio.sleep(self._random.choice((0.0, 0.01, 0.3, 2.0)))
        self._refuse_when_closed()
        self.between_two_lines()
        permit()
        faults = _ORDER_FAULTS if refuses else _CANCEL_FAULTS
        return await Sending(self, take, began_at + TIMEOUT).outcome(faults)

    async def _ask(self, answer: Callable[[], Answer]) -> Answer:
        self._refuse_when_closed()
        future: asyncio.Future[Answer] = self._loop.create_future()
        if self._faults.strikes(Fault.QUESTION_HANGS):
            await asyncio.sleep(_FOR_EVER)

        def arrive() -> None:
            self._loop.later(self._random.uniform(0.002, 0.1), reply, answer())

        def reply(told: Answer) -> None:
            if not future.done():
                future.set_result(told)

        fails = self._faults.strikes(Fault.QUESTION_FAILED) or self._loop.time() < self.away_until
        if fails:
            await asyncio.sleep(self._random.uniform(0.0, 1.0))
            raise VenueUnavailable(f"{self.name} did not answer")
        self._loop.later(self._random.uniform(0.002, 0.1), arrive)
        return await future

    def _refuse_when_closed(self) -> None:
        if self.closed:
            raise VenueUnavailable("the simulation is over")

    def _position(self, book: Book, symbol: str) -> VenuePosition | None:
        side = book.position_side(symbol)
        if side is None:
            return None
        quantity = abs(book.net[symbol])
        return VenuePosition(symbol=symbol, side=side, quantity=quantity, entry_price=self.prices[symbol])

    def _shown_of(self, book: Book, ref: OrderRef) -> VenueOrder | None:
        found = book.find(ref.client_order_id, ref.venue_order_id)
        if found is None and ref.exit_of is not None:
            found = _exit_of(book, ref)
        if found is None or found.shown_from > self._loop.time():
            return None
        return self._shown(found)

    def _shown(self, order: TrueOrder) -> VenueOrder:
        fills: list[Fill] = list(order.fills)
        if len(fills) > 1 and self._faults.strikes(Fault.FILLS_REORDERED):
            self._random.shuffle(fills)
        return self.matching.shown(order, fills)


class Sending:
    """One write on its way."""

    def __init__(self, venue: SimulatedVenue, take: Callable[[], Taken], given_up_at: float) -> None:
        self._venue = venue
        self._loop = venue._loop
        self._faults = venue._faults
        self._random = venue._random
        self._take = take
        self._answer: asyncio.Future[Outcome] = self._loop.create_future()
        self._given_up_at = given_up_at

    async def outcome(self, faults: tuple[Fault, ...]) -> Outcome:
        """Send, and return what comes back, if anything does."""
        fault = self._faults.one_of(*faults)
        way = self._random.uniform(0.002, 0.15)
        if fault in _ANSWERS:
            self._later(way, self._deliver, _ANSWERS[fault])
        elif fault is Fault.REQUEST_DROPPED:
            self._give_up(way)
        elif fault is Fault.REQUEST_LATE:
            self._give_up(way)
            self._arrive_after(self._random.uniform(way, self._latest() - self._loop.time()), _ignore)
        elif fault is Fault.REPLY_DROPPED:
            self._give_up(way)
            self._arrive_after(way, _ignore)
        elif fault is Fault.ERROR_EXECUTED:
            self._given_up_at = min(self._given_up_at, self._loop.time() + way)
            self._arrive_after(way, lambda _told: self._deliver(Unknown("HTTP 502")))
        elif fault is Fault.SLOW:
            back = self._random.uniform(0.5, 4.5)
            self._arrive_after(way, lambda told: self._later(back, self._deliver, told))
        else:
            self._arrive_after(way, self._reply)
        return await self._answer

    def _reply(self, told: Outcome) -> None:
        if self._faults.strikes(Fault.REPLY_REPEATED):
            self._later(self._random.uniform(0.001, 3.0), self._deliver, told)
        self._later(self._random.uniform(0.002, 0.15), self._deliver, told)

    def _give_up(self, after: float) -> None:
        # A reset connection, or else the time limit, which is the caller's.
        if self._random.random() < 0.5:
            seconds = self._random.uniform(after, 4.0)
            self._later(seconds, self._deliver, Unknown("the connection was reset"))
            self._given_up_at = min(self._given_up_at, self._loop.time() + seconds)

    def _latest(self) -> float:
        # By when the venue promises to show an order, if it has one.
        return self._given_up_at + 0.98 * self._venue.visibility_seconds

    def _arrive_after(self, seconds: float, deliver: Deliver) -> None:
        again = None
        if self._venue.profile.client_ids is Unique.FOR_EVER and self._faults.strikes(Fault.REQUEST_REPEATED):
            again = self._random.uniform(0.01, 20.0)
        self._later(seconds, self._arrive, deliver, again)

    def _arrive(self, deliver: Deliver, again: float | None = None) -> None:
        told, taken = self._take()
        # No venue knows the id of what it refused: a copy of that is an order that nobody can guard against.
        if again is not None and taken is not None:
            self._later(again, self._arrive, _ignore)
        if taken is not None and self._faults.strikes(Fault.HIDDEN):
            taken.shown_from = max(self._loop.time(), self._random.uniform(self._loop.time(), self._latest()))
        deliver(told)

    def _deliver(self, told: Outcome) -> None:
        if not self._answer.done():
            self._answer.set_result(told)

    def _later(self, seconds: float, callback: Callable[..., object], *arguments: object) -> None:
        self._loop.later(seconds, callback, *arguments)


def _exit_of(book: Book, ref: OrderRef) -> TrueOrder | None:
    return next(
        (
            one
            for one in book.orders
            if one.waits_for is not None
            and one.waits_for.client_order_id == ref.exit_of
            and one.exit_kind is ref.exit_kind
        ),
        None,
    )


def _ignore(told: Outcome) -> None:
    del told
