"""The orders of a fake venue's book: what was asked for, where it stands, and when the market fires it."""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from sparky.domain.orders import OrderState, OrderType, Side, TimeInForce

_HUNDRED = Decimal(100)


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """One fill. `fee` is a cost above zero; `client_order_id` is None for an order placed by hand."""

    execution_id: str
    account: str
    order_id: str
    client_order_id: str | None
    symbol: str
    side: Side
    quantity: Decimal
    price: Decimal
    fee: Decimal
    realized: Decimal
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class NewOrder:
    """What is asked of the book.

    Orders of one `group` cancel one another when one fills. One with `after` sleeps until the order of
    that id has filled. A trailing stop has one of the trails, and no prices.
    """

    account: str
    symbol: str
    side: Side
    quantity: Decimal
    client_order_id: str | None = None
    order_type: OrderType = OrderType.MARKET
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    trail_distance: Decimal | None = None
    trail_percent: Decimal | None = None
    time_in_force: TimeInForce = TimeInForce.GTC
    reduce_only: bool = False
    takes_profit: bool = False
    group: str | None = None
    after: str | None = None


@dataclass(slots=True, kw_only=True)
class BookOrder:
    """An order of the book. `extra` is the venue's own: its fake keeps there what only it knows."""

    order_id: str
    asked: NewOrder
    created_at: datetime
    visible_at: datetime
    updated_at: datetime
    state: OrderState = OrderState.WORKING
    asleep: bool = False
    triggered: bool = False
    reason: str | None = None
    best: Decimal | None = None
    executions: list[Execution] = field(default_factory=list)
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def filled(self) -> Decimal:
        return sum((one.quantity for one in self.executions), Decimal(0))

    @property
    def left(self) -> Decimal:
        return self.asked.quantity - self.filled

    @property
    def fee(self) -> Decimal:
        return sum((one.fee for one in self.executions), Decimal(0))

    @property
    def average(self) -> Decimal | None:
        """The exact average price of what has filled, or None."""
        if not self.executions:
            return None
        return sum((one.quantity * one.price for one in self.executions), Decimal(0)) / self.filled

    @property
    def works(self) -> bool:
        """It is neither asleep nor at an end."""
        return not self.asleep and not self.state.is_terminal

    @property
    def trails(self) -> bool:
        return self.asked.trail_distance is not None or self.asked.trail_percent is not None

    def fires_at(self, price: Decimal) -> Decimal | None:
        """Return the price at which it fills now that the market is there; None if it waits."""
        if not self._is_triggered(price):
            return None
        self.triggered = True
        limit = self.asked.limit_price
        if limit is None:
            return price
        marketable = price <= limit if self.asked.side is Side.BUY else price >= limit
        return price if marketable else None

    def _is_triggered(self, price: Decimal) -> bool:
        if self.triggered:
            return True
        stop = self._trailed(price) if self.trails else self.asked.stop_price
        if stop is None:
            return True
        # A take-profit waits on the other side of the market than a stop does.
        above = (self.asked.side is Side.BUY) != self.asked.takes_profit
        return price >= stop if above else price <= stop

    def _trailed(self, price: Decimal) -> Decimal:
        sells = self.asked.side is Side.SELL
        best = price if self.best is None else (max if sells else min)(self.best, price)
        self.best = best
        percent = self.asked.trail_percent
        distance = self.asked.trail_distance or best * (percent or Decimal(0)) / _HUNDRED
        return best - distance if sells else best + distance
