"""Orders that wait at the venue in memory: exits, their cancelling, and what fills later."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from sparky.domain.answers import (
    Accepted,
    Fill,
    NotSent,
    Outcome,
    Refused,
    Unknown,
    VenueOrder,
    VenuePosition,
)
from sparky.domain.identifiers import ClientOrderId
from sparky.domain.orders import (
    ExitKind,
    ExitLeg,
    ExitRequest,
    OrderRef,
    OrderRequest,
    OrderState,
    PositionSide,
    Side,
)
from sparky.venues.base import AccountAccess, Permit
from tests.unit.engine.virtual_loop import LoopClock

PRICE = Decimal(100)


@dataclass(slots=True)
class Seen:
    order: VenueOrder
    shown_from: float


class RestingOrders:
    """Exits are placed one after the other, up to the first that is not taken.

    Their behaviours, one for each exit and one for each cancellation:

    refuse     refused
    busy       refused for now
    not_sent   the connection is never made
    lost       done, and the answer is lost
    dropped    not done, and no answer comes
    stuck      done, and nothing comes at all
    early      (exits) refused, because the venue does not show the position yet
    filled     (cancellations) the order was filled a moment before
    pending    (cancellations) on its way: cancelled 2 s later
    gone       (cancellations) the venue shows no such order
    """

    def __init__(self) -> None:
        self.exit_script: deque[str] = deque()
        self.cancel_script: deque[str] = deque()
        # What was placed and cancelled, in this order, each as often as it happened.
        self.exits: list[tuple[ClientOrderId, ExitKind, Decimal, Decimal | None]] = []
        self.exit_requests: list[ExitRequest] = []
        self.cancels: list[ClientOrderId] = []
        self.cancel_refs: list[OrderRef] = []
        self.orders: dict[ClientOrderId, Seen] = {}
        self.net = Decimal(0)
        self.latency = 0.01
        self.hidden_for = 0.0
        self.before_permit: Callable[[], None] = lambda: None

    def _held(self, symbol: str) -> VenuePosition | None:
        if self.net == 0:
            return None
        side = PositionSide.LONG if self.net > 0 else PositionSide.SHORT
        return VenuePosition(symbol=symbol, side=side, quantity=abs(self.net), entry_price=PRICE)

    async def place_exits(
        self, access: AccountAccess, request: ExitRequest, permit: Permit
    ) -> Sequence[Outcome]:
        del access
        self.exit_requests.append(request)
        told: list[Outcome] = []
        for leg in request.exits:
            if told and not isinstance(told[-1], Accepted):
                told.append(NotSent("the exit before it was not placed"))
            else:
                told.append(await self._place_exit(request, leg, permit))
        return told

    async def _place_exit(self, request: ExitRequest, leg: ExitLeg, permit: Permit) -> Outcome:
        behaviour = self.exit_script.popleft() if self.exit_script else "place"
        if behaviour == "not_sent":
            return NotSent("connection refused")
        self.before_permit()
        permit()
        await asyncio.sleep(self.latency)
        if behaviour in SAID:
            return SAID[behaviour]
        if behaviour == "dropped":
            return Unknown("connection reset")
        if self._held(request.symbol) is None:
            return SAID["early"]
        placed = self._take_exit(leg, request.symbol, request.side.closed_by, request.quantity)
        if behaviour == "stuck":
            await asyncio.sleep(3600)
        return Unknown("the answer was lost") if behaviour == "lost" else Accepted(placed)

    def _take_exit(self, leg: ExitLeg, symbol: str, side: Side, quantity: Decimal) -> VenueOrder:
        self.exits.append((leg.client_order_id, leg.kind, quantity, leg.price))
        order = OrderRequest(
            client_order_id=leg.client_order_id, symbol=symbol, side=side, quantity=quantity, reduce_only=True
        )
        placed = venue_order(order, Decimal(0), OrderState.WORKING)
        self.orders[leg.client_order_id] = Seen(placed, LoopClock().monotonic() + self.hidden_for)
        return placed

    async def cancel(self, access: AccountAccess, ref: OrderRef, permit: Permit) -> Outcome:
        del access
        behaviour = self.cancel_script.popleft() if self.cancel_script else "cancel"
        if behaviour == "not_sent":
            return NotSent("connection refused")
        self.before_permit()
        permit()
        await asyncio.sleep(self.latency)
        self.cancels.append(ref.client_order_id)
        self.cancel_refs.append(ref)
        seen = self.orders.get(ref.client_order_id)
        if behaviour == "dropped":
            return Unknown("connection reset")
        if behaviour == "gone" or seen is None:
            self.orders.pop(ref.client_order_id, None)
            return Refused("venue_refused", "The venue shows no such order.")
        if behaviour in SAID:
            return SAID[behaviour]
        if behaviour == "filled":
            self.fill(ref.client_order_id)
        elif behaviour == "pending":
            asyncio.get_running_loop().call_later(2.0, self._cancel, ref.client_order_id)
        else:
            self._cancel(ref.client_order_id)
        if behaviour == "stuck":
            await asyncio.sleep(3600)
        if behaviour == "lost":
            return Unknown("the answer was lost")
        return Accepted(self.orders[ref.client_order_id].order)

    def _cancel(self, client_order_id: ClientOrderId) -> None:
        seen = self.orders[client_order_id]
        if not seen.order.state.is_terminal:
            seen.order = replace(seen.order, state=OrderState.CANCELLED)

    def rests(self, order: OrderRequest) -> None:
        """Let an order work from before the test on."""
        self.orders[order.client_order_id] = Seen(venue_order(order, Decimal(0), OrderState.WORKING), 0.0)

    def fill(self, client_order_id: ClientOrderId) -> None:
        """Fill an order that works, wholly."""
        seen = self.orders[client_order_id]
        if seen.order.state.is_terminal:
            return
        assert seen.order.side is not None
        self.net += seen.order.quantity if seen.order.side is Side.BUY else -seen.order.quantity
        seen.order = replace(
            seen.order,
            state=OrderState.FILLED,
            filled_quantity=seen.order.quantity,
            average_price=PRICE,
            fills=(_fill_of(client_order_id, seen.order.quantity),),
        )


def venue_order(order: OrderRequest, filled: Decimal, state: OrderState) -> VenueOrder:
    return VenueOrder(
        client_order_id=order.client_order_id,
        venue_order_id=f"venue-{order.client_order_id}",
        state=state,
        quantity=order.quantity,
        filled_quantity=filled,
        average_price=PRICE if filled else None,
        fills=(_fill_of(order.client_order_id, filled),) if filled else (),
        symbol=order.symbol,
        side=order.side,
    )


def _fill_of(client_order_id: ClientOrderId, quantity: Decimal) -> Fill:
    return Fill(
        venue_fill_id=f"fill-{client_order_id}",
        price=PRICE,
        quantity=quantity,
        fee=Decimal(0),
        fee_currency="USD",
        filled_at=LoopClock().now(),
    )


SAID = {
    "refuse": Refused("invalid_price", "The venue refused it: the price is not allowed (-2021)."),
    "busy": Refused("venue_refused", "Too many requests (-1003).", "-1003", try_again=True),
    "early": Refused("no_position", "The venue shows no open position: open it first."),
}
