"""The truth about one account at a venue: what was taken, what was executed, what is open."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Final

from sparky.domain.answers import Fill
from sparky.domain.identifiers import ClientOrderId
from sparky.domain.orders import ExitKind, ExitLeg, OrderRequest, OrderState, OrderType, PositionSide, Side
from tests.simulation.profiles import Profile, Unique

_ZERO: Final = Decimal(0)
_OPEN: Final = frozenset({OrderState.WORKING, OrderState.PARTIALLY_FILLED, OrderState.ACCEPTED})
_HUNDRED: Final = Decimal(100)


@dataclass(slots=True, kw_only=True, eq=False)
class TrueOrder:
    """An order that the venue has taken. `waits_for` is the entry that an attached exit belongs to."""

    number: int
    client_order_id: ClientOrderId
    symbol: str
    side: Side
    quantity: Decimal
    order_type: OrderType
    reduce_only: bool
    taken_at: float
    shown_from: float = 0.0
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    exit_kind: ExitKind | None = None
    waits_for: "TrueOrder | None" = None
    group: int | None = None
    state: OrderState = OrderState.WORKING
    fills: list[Fill] = field(default_factory=list)
    fee_told_from: float = 0.0

    @property
    def filled(self) -> Decimal:
        return sum((one.quantity for one in self.fills), _ZERO)

    @property
    def left(self) -> Decimal:
        return self.quantity - self.filled

    @property
    def is_stop(self) -> bool:
        return self.exit_kind in {ExitKind.STOP_LOSS, ExitKind.TRAILING_STOP}

    @property
    def is_open(self) -> bool:
        return self.state in _OPEN

    @property
    def average(self) -> Decimal | None:
        if not self.fills:
            return None
        return sum((one.quantity * one.price for one in self.fills), _ZERO) / self.filled


class Book:
    """One account's orders and positions. Prices are the market's, which all accounts share."""

    def __init__(self, account_id: str, profile: Profile, prices: dict[str, Decimal]) -> None:
        self.account_id = account_id
        self.profile = profile
        self.orders: list[TrueOrder] = []
        self.net: dict[str, Decimal] = dict.fromkeys(profile.symbols, _ZERO)
        self.leverage: dict[str, int] = {}
        self._prices = prices
        self._numbers = itertools.count(1)
        self._fill_numbers: dict[str, int] = {}

    def knows(self, client_order_id: str) -> TrueOrder | None:
        """Return the order that keeps another of the same client id out."""
        same = [one for one in self.orders if one.client_order_id == client_order_id]
        if self.profile.client_ids is Unique.FOR_EVER:
            return same[0] if same else None
        if self.profile.client_ids is Unique.WHILE_OPEN:
            return next((one for one in same if one.is_open), None)
        return None

    def find(self, client_order_id: str, venue_order_id: str | None) -> TrueOrder | None:
        """Return an order by the venue's id where there is one, else the last of a client id."""
        for one in reversed(self.orders):
            if venue_order_id is not None and str(one.number) == venue_order_id:
                return one
            if venue_order_id is None and one.client_order_id == client_order_id:
                return one
        return None

    def room_to_reduce(self, symbol: str, side: Side) -> Decimal:
        """Return how much an order of that side can take off the position."""
        net = self.net[symbol]
        return max(_ZERO, -net if side is Side.BUY else net)

    def take(self, order: OrderRequest, now: float) -> TrueOrder | None:
        """Take an order with its exits; None where there is nothing to reduce."""
        quantity = order.quantity
        if order.reduce_only and self.profile.capabilities.reduces_natively:
            quantity = min(quantity, self.room_to_reduce(order.symbol, order.side))
            if quantity <= 0:
                return None
        taken = TrueOrder(
            number=next(self._numbers),
            client_order_id=order.client_order_id,
            symbol=order.symbol,
            side=order.side,
            quantity=quantity,
            order_type=order.order_type,
            reduce_only=order.reduce_only,
            taken_at=now,
            limit_price=order.limit_price,
            stop_price=order.stop_price,
        )
        self.orders.append(taken)
        for leg in order.exits:
            self.add_exit(leg, taken.symbol, taken.side.opposite, quantity, now, waits_for=taken)
        return taken

    def add_exit(
        self,
        leg: ExitLeg,
        symbol: str,
        side: Side,
        quantity: Decimal,
        now: float,
        *,
        waits_for: TrueOrder | None = None,
        group: int | None = None,
    ) -> TrueOrder:
        """Take an exit, for a position that is open or for one that `waits_for` will open."""
        is_profit = leg.kind is ExitKind.TAKE_PROFIT
        exit_order = TrueOrder(
            number=next(self._numbers),
            client_order_id=leg.client_order_id,
            symbol=symbol,
            side=side,
            quantity=quantity,
            order_type=OrderType.LIMIT if is_profit else OrderType.STOP,
            reduce_only=True,
            taken_at=now,
            limit_price=leg.price if is_profit else None,
            stop_price=None if is_profit else leg.price or self._trailed(leg, symbol, side),
            exit_kind=leg.kind,
            waits_for=waits_for,
            group=group if waits_for is None else waits_for.number,
        )
        self.orders.append(exit_order)
        return exit_order

    def new_group(self) -> int:
        """Return a number for exits that are placed together."""
        return next(self._numbers)

    def fill(self, order: TrueOrder, quantity: Decimal, price: Decimal, at: datetime) -> None:
        """Execute an order, or a part of it."""
        if order.exit_kind is not None and self.profile.capabilities.reduces_natively:
            quantity = min(quantity, self.room_to_reduce(order.symbol, order.side))
        if quantity <= 0:
            self.end(order, OrderState.CANCELLED)
            return
        number = self._fill_numbers[order.symbol] = self._fill_numbers.get(order.symbol, 0) + 1
        order.fills.append(
            Fill(
                venue_fill_id=str(number),
                price=price,
                quantity=quantity,
                fee=(quantity * price / 10000).quantize(Decimal("0.000001")),
                fee_currency="USD",
                filled_at=at,
            )
        )
        self.net[order.symbol] += quantity if order.side is Side.BUY else -quantity
        done = order.left <= 0
        order.state = OrderState.FILLED if done else OrderState.PARTIALLY_FILLED
        if order.exit_kind is not None and done:
            self._end_siblings(order)
        if self.profile.binds_exits and self.net[order.symbol] == 0:
            self._end_exits(order.symbol)

    def end(self, order: TrueOrder, state: OrderState) -> None:
        """End an order without filling what is left of it."""
        order.state = state
        for one in self.orders:
            if one.waits_for is order and one.is_open:
                if order.fills:
                    one.quantity = order.filled
                else:
                    one.state = OrderState.CANCELLED

    def triggered(self, symbol: str) -> Sequence[TrueOrder]:
        """Return the working orders that the market's price executes."""
        return [
            one for one in self.orders if one.symbol == symbol and one.is_open and self._is_triggered(one)
        ]

    def position_side(self, symbol: str) -> PositionSide | None:
        """Return the side of what is open."""
        net = self.net[symbol]
        if net == 0:
            return None
        return PositionSide.LONG if net > 0 else PositionSide.SHORT

    def _is_triggered(self, order: TrueOrder) -> bool:
        if order.waits_for is not None and (order.waits_for.is_open or not order.waits_for.fills):
            return False
        price = self._prices[order.symbol]
        buys = order.side is Side.BUY
        if order.stop_price is not None:
            return price >= order.stop_price if buys else price <= order.stop_price
        if order.limit_price is not None:
            return price <= order.limit_price if buys else price >= order.limit_price
        return False

    def _trailed(self, leg: ExitLeg, symbol: str, side: Side) -> Decimal:
        # It stays where it begins: what follows the price is the venue's affair.
        price = self._prices[symbol]
        distance = leg.trail_distance or price * (leg.trail_percent or _ZERO) / _HUNDRED
        return price + distance if side is Side.BUY else price - distance

    def _end_siblings(self, exit_order: TrueOrder) -> None:
        if not self.profile.capabilities.cancels_siblings or exit_order.group is None:
            return
        for one in self.orders:
            if one.group == exit_order.group and one is not exit_order and one.is_open:
                one.state = OrderState.CANCELLED

    def _end_exits(self, symbol: str) -> None:
        for one in self.orders:
            waits = one.waits_for is not None and one.waits_for.is_open
            if one.symbol == symbol and one.exit_kind is not None and one.is_open and not waits:
                one.state = OrderState.CANCELLED
