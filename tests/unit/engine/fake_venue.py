"""A venue in memory that does what a test says, and knows the truth: what was executed, and how often."""

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal

from sparky.domain.answers import (
    Accepted,
    AccountFill,
    Balance,
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
from sparky.domain.errors import CredentialsInvalid, Refusal, VenueUnavailable
from sparky.domain.identifiers import ClientOrderId
from sparky.domain.options import OptionContract
from sparky.domain.orders import (
    ExitKind,
    OrderRef,
    OrderRequest,
    OrderState,
    OrderType,
    Side,
    TimeInForce,
)
from sparky.domain.reasons import Reason
from sparky.domain.rules import InstrumentRules
from sparky.venues.base import AccountAccess, Permit
from tests.unit.engine.resting_orders import PRICE, SAID, RestingOrders, Seen, venue_order
from tests.unit.engine.virtual_loop import LoopClock

_LATE_SECONDS = 8.0


CAPABILITIES = Capabilities(
    order_types=frozenset(OrderType),
    times_in_force=frozenset(TimeInForce),
    attached_exits={},
    separate_exits=frozenset(ExitKind),
    cancels_siblings=False,
    reduces_natively=True,
    sets_leverage=True,
    several_targets=True,
)


class FakeVenue(RestingOrders):
    """Behaviours of `submit`, by name, one for each call; when there is none left, orders fill.

    An order that is no market order works until `fill` fills it.

    fill       executed, and the answer arrives
    refuse     refused
    busy       refused for now: too many requests
    not_sent   the connection is never made
    lost       executed, and the answer is lost
    dropped    not executed, and no answer comes
    hang       not executed, and nothing comes at all
    stuck      executed, and nothing comes at all
    late       nothing comes, and the order appears 3 s after its sender gave up
    working    taken, and filled 2 s later
    stalled    taken, and not filled before `fill`
    partial    taken, half filled, then cancelled
    cancelled  taken, then cancelled with nothing filled
    broken     executed, and the adapter breaks over the answer
    unsent     the adapter waits for a connection that never comes
    """

    name = "paper"
    visibility_seconds = 5.0

    def __init__(self) -> None:
        super().__init__()
        self.capabilities = CAPABILITIES
        self.leverages: list[int] = []
        self.leverage_faults = 0
        self.leverage_refusal: str | None = None
        # What was asked before planning, by name.
        self.questions: list[str] = []
        self.script: deque[str] = deque()
        self.executed: list[OrderRequest] = []
        self.submitted: list[ClientOrderId] = []
        self.unavailable = 0
        self.accepts_keys = True
        self.look_ups: list[float] = []
        self.refs: list[OrderRef] = []
        # When an order left for the first time, and with which bookmark.
        self.first_bytes: dict[ClientOrderId, tuple[datetime, str | None]] = {}
        self.hangs_from: int | None = None
        self.accesses: list[AccountAccess] = []
        money = Balance(currency="USD", equity=Decimal(1000), available=Decimal(1000))
        self.check = KeyCheck(balance=money)
        # None where the venue keeps no record; otherwise it grows with each question.
        self.record: int | None = None
        self.record_is_silent = 0

    async def validate(self, access: AccountAccess) -> KeyCheck:
        await self._answer()
        self.accesses.append(access)
        return self.check

    async def balance(self, access: AccountAccess) -> Balance:
        del access
        self.questions.append("balance")
        await self._answer()
        return self.check.balance

    async def rules(self, access: AccountAccess, symbol: str) -> InstrumentRules:
        del access
        self.questions.append("rules")
        await self._answer()
        return InstrumentRules(symbol=symbol, quantity_step=Decimal("0.001"), price_tick=Decimal("0.1"))

    async def quote(self, access: AccountAccess, symbol: str) -> Quote:
        del access
        self.questions.append("quote")
        await self._answer()
        return Quote(symbol=symbol, bid=PRICE, ask=PRICE, last=PRICE)

    async def position(self, access: AccountAccess, symbol: str) -> VenuePosition | None:
        del access
        self.questions.append("position")
        await self._answer()
        return self._held(symbol)

    async def positions(self, access: AccountAccess) -> Sequence[VenuePosition]:
        del access
        await self._answer()
        held = self._held("BTCUSDT")
        return () if held is None else (held,)

    async def find_order(self, access: AccountAccess, ref: OrderRef) -> VenueOrder | None:
        del access
        self.refs.append(ref)
        if self.hangs_from is not None and len(self.refs) > self.hangs_from:
            await asyncio.sleep(3600)
        self.look_ups.append(LoopClock().monotonic())
        # What is told is how things stood when the question came.
        seen = self.orders.get(ref.client_order_id)
        shown = seen is not None and seen.shown_from <= LoopClock().monotonic()
        await self._answer()
        return seen.order if seen is not None and shown else None

    async def bookmark(self, access: AccountAccess) -> str | None:
        del access
        if self.record is None:
            return None
        await self._answer()
        if self.record_is_silent > 0:
            self.record_is_silent -= 1
            raise VenueUnavailable("the venue did not tell where its record stands")
        self.record += 1
        return str(self.record)

    async def open_orders(self, access: AccountAccess, symbol: str | None = None) -> Sequence[VenueOrder]:
        raise _never_asked(access, symbol)

    async def fills(self, access: AccountAccess, symbol: str, since: datetime) -> Sequence[AccountFill]:
        raise _never_asked(access, symbol, since)

    async def set_leverage(self, access: AccountAccess, symbol: str, leverage: int) -> None:
        del access, symbol
        await self._answer()
        if self.leverage_faults:
            self.leverage_faults -= 1
            raise VenueUnavailable("the venue did not set the leverage")
        if self.leverage_refusal is not None:
            raise Refusal(Reason.ABOVE_MAXIMUM, self.leverage_refusal)
        self.leverages.append(leverage)

    async def expirations(self, access: AccountAccess, underlying: str) -> Sequence[date]:
        raise _never_asked(access, underlying)

    async def option_chain(
        self, access: AccountAccess, underlying: str, expiration: date
    ) -> Sequence[OptionContract]:
        raise _never_asked(access, underlying, expiration)

    async def submit(self, access: AccountAccess, order: OrderRequest, permit: Permit) -> Outcome:
        del access
        behaviour = self.script.popleft() if self.script else "fill"
        if order.reduce_only and self._held(order.symbol) is None:
            return SAID["early"]
        if behaviour == "unsent":
            await asyncio.sleep(3600)
        if behaviour == "not_sent":
            return NotSent("connection refused")
        self.before_permit()
        permit()
        self.submitted.append(order.client_order_id)
        self.first_bytes.setdefault(order.client_order_id, (LoopClock().now(), order.bookmark))
        await asyncio.sleep(self.latency)
        if behaviour == "hang":
            await asyncio.sleep(3600)
        if behaviour == "late":
            # By the venue's own clock, which goes on while the worker stands still.
            self._execute(order, order.quantity, OrderState.FILLED).shown_from = (
                LoopClock().monotonic() + _LATE_SECONDS
            )
            await asyncio.sleep(3600)
        if behaviour == "dropped":
            return Unknown("connection reset")
        if behaviour == "busy":
            why = "The venue refused the order: too many requests (-1003)."
            return Refused("venue_refused", why, "-1003", try_again=True)
        if behaviour == "refuse":
            return Refused("insufficient_funds", "The venue refused the order: too little money.")
        return await self._take(order, behaviour)

    async def _take(self, order: OrderRequest, behaviour: str) -> Outcome:
        works = behaviour in {"working", "stalled"}
        ends = behaviour in {"cancelled", "partial"}
        quantity = Decimal(0) if works or ends else order.quantity
        if behaviour == "partial":
            quantity = order.quantity / 2
        state = OrderState.WORKING if works else OrderState.CANCELLED if ends else None
        rests = behaviour == "fill" and order.order_type is not OrderType.MARKET
        if rests and order.time_in_force not in {TimeInForce.IOC, TimeInForce.FOK}:
            quantity, state = Decimal(0), OrderState.WORKING
        seen = self._execute(order, quantity, state or OrderState.FILLED)
        if seen.order.state is not OrderState.CANCELLED:
            for leg in order.exits:
                self._take_exit(leg, order.symbol, order.side.opposite, order.quantity)
        if behaviour == "working":
            asyncio.get_running_loop().call_later(2.0, self._fill, order)
        if behaviour == "stuck":
            await asyncio.sleep(3600)
        if behaviour == "broken":
            raise KeyError("an answer of an unknown shape")
        if behaviour == "lost":
            return Unknown("the answer was lost")
        return Accepted(seen.order)

    def _execute(self, order: OrderRequest, quantity: Decimal, state: OrderState) -> Seen:
        if quantity or state is OrderState.WORKING:
            self.executed.append(order)
        self._move(order, quantity)
        seen = Seen(venue_order(order, quantity, state), LoopClock().monotonic() + self.hidden_for)
        self.orders[order.client_order_id] = seen
        return seen

    def _fill(self, order: OrderRequest) -> None:
        self._move(order, order.quantity)
        seen = self.orders[order.client_order_id]
        self.orders[order.client_order_id] = replace(
            seen, order=venue_order(order, order.quantity, OrderState.FILLED)
        )

    def _move(self, order: OrderRequest, quantity: Decimal) -> None:
        self.net += quantity if order.side is Side.BUY else -quantity

    async def _answer(self) -> None:
        await asyncio.sleep(self.latency)
        if not self.accepts_keys:
            raise CredentialsInvalid("The venue does not accept the keys: save them again.")
        if self.unavailable > 0:
            self.unavailable -= 1
            raise VenueUnavailable("the venue did not answer")


def _never_asked(*question: object) -> AssertionError:
    return AssertionError(f"the engine does not ask this of a venue: {question}")
