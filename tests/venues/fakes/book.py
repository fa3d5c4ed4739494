"""The ground truth that a fake venue may use: accounts, orders, fills, net positions, prices.

It knows no wire format. A fake translates a request into a `NewOrder`, and `BookRefusal` into its own words.
All numbers are exact. Time is the clock's that the test moves.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Final

from sparky.domain.orders import OrderState, OrderType, Side, TimeInForce
from sparky.runtime.seams import Clock
from tests.venues.fakes.book_orders import BookOrder, Execution, NewOrder

__all__ = ["Book", "BookOrder", "BookPosition", "BookRefusal", "Execution", "NewOrder"]

_ZERO: Final = Decimal(0)
_FIRST_ORDER: Final = 1001
_FIRST_EXECUTION: Final = 500_001
_AT_ONCE: Final = frozenset({TimeInForce.IOC, TimeInForce.FOK})

Fee = Callable[[Decimal, Decimal], Decimal]


def no_fee(quantity: Decimal, price: Decimal) -> Decimal:
    """Charge nothing."""
    del quantity, price
    return _ZERO


class BookRefusal(Exception):  # noqa: N818 - a no, not an error
    """The book does not take an order. `code` is one of those of `Book.place`, or that of `reject_next`."""

    def __init__(self, code: str, words: str) -> None:
        super().__init__(f"{code}: {words}")
        self.code = code
        self.words = words


@dataclass(slots=True)
class BookPosition:
    """What is open in a symbol: `quantity` is above zero when long."""

    quantity: Decimal = _ZERO
    entry_price: Decimal = _ZERO


@dataclass(slots=True)
class _Account:
    currency: str
    cash: Decimal
    positions: dict[str, BookPosition] = field(default_factory=dict)


class Book:
    """One venue's books.

    `pays_in_full` takes the whole price of a purchase out of the cash, as for shares; otherwise only profit
    and loss move it. `leverage` times the equity is what all positions together may be worth.
    """

    def __init__(
        self, clock: Clock, *, fee: Fee = no_fee, leverage: Decimal = Decimal(1), pays_in_full: bool = False
    ) -> None:
        self._clock = clock
        self._fee = fee
        self._pays_in_full = pays_in_full
        self._accounts: dict[str, _Account] = {}
        self._prices: dict[str, Decimal] = {}
        self._multipliers: dict[str, Decimal] = {}
        self._submissions: Counter[str] = Counter()
        self._refusal: BookRefusal | None = None
        self._taken_before_it = 0
        self._later: str | None = None
        self._fraction: Decimal | None = None
        self.leverage = leverage
        self.orders: dict[str, BookOrder] = {}
        self.fills: list[Execution] = []
        self.hidden_for = timedelta(0)
        self.market_closed = False

    # Setting up

    def open_account(self, number: str, cash: Decimal, currency: str = "USD") -> None:
        """Add an account."""
        self._accounts[number] = _Account(currency, cash)

    def list_symbol(self, symbol: str, price: Decimal, multiplier: Decimal = Decimal(1)) -> None:
        """List a symbol; one unit of it is `multiplier` times the price."""
        self._prices[symbol] = price
        self._multipliers[symbol] = multiplier

    # Policies

    def reject_next(self, code: str, words: str, *, after: int = 0) -> None:
        """Refuse the next order, or the one that comes after so many."""
        self._refusal = BookRefusal(code, words)
        self._taken_before_it = after

    def reject_later(self, words: str) -> None:
        """Take the next order and reject it before it fills: its state is REFUSED."""
        self._later = words

    def fill_fraction(self, fraction: Decimal) -> None:
        """Fill only that part of the next order; what is left works, or is cancelled where it may not."""
        self._fraction = fraction

    def hide_for(self, seconds: float) -> None:
        """Keep orders that are placed from now on out of `visible` until they are that old."""
        self.hidden_for = timedelta(seconds=seconds)

    # Questions

    @property
    def symbols(self) -> Sequence[str]:
        return list(self._prices)

    def price(self, symbol: str) -> Decimal:
        return self._prices[symbol]

    def executions(self, client_order_id: str) -> int:
        """Return how many submissions of this id the book has taken."""
        return self._submissions[client_order_id]

    def time_in_force(self, client_order_id: str) -> TimeInForce:
        """Return how long the newest order of this id works."""
        orders = [one.asked for one in self.orders.values() if one.asked.client_order_id == client_order_id]
        return orders[-1].time_in_force

    def fills_of(self, account: str) -> list[Execution]:
        """Return the fills of an account, oldest first."""
        return [one for one in self.fills if one.account == account]

    def visible(self, account: str) -> list[BookOrder]:
        """Return the orders of an account that look-ups show, oldest first."""
        now = self._clock.now()
        return [one for one in self.orders.values() if one.asked.account == account and one.visible_at <= now]

    def position(self, account: str, symbol: str) -> BookPosition:
        """Return what is open, which may be a quantity of zero."""
        return self._accounts[account].positions.get(symbol, BookPosition())

    def positions(self, account: str) -> dict[str, BookPosition]:
        """Return everything that is open."""
        return {name: one for name, one in self._accounts[account].positions.items() if one.quantity}

    def unrealized(self, account: str, symbol: str) -> Decimal:
        """Return what closing a position at the market would bring."""
        one = self.position(account, symbol)
        return one.quantity * (self._prices[symbol] - one.entry_price) * self._multipliers[symbol]

    def cash(self, account: str) -> Decimal:
        return self._accounts[account].cash

    def currency(self, account: str) -> str:
        return self._accounts[account].currency

    def equity(self, account: str) -> Decimal:
        """Return what the account is worth."""
        held = self.positions(account)
        if self._pays_in_full:
            worth = (one.quantity * self._worth(symbol) for symbol, one in held.items())
        else:
            worth = (self.unrealized(account, symbol) for symbol in held)
        return self.cash(account) + sum(worth, _ZERO)

    def available(self, account: str) -> Decimal:
        """Return the equity that positions do not bind."""
        bound = sum(abs(one.quantity) * self._worth(name) for name, one in self.positions(account).items())
        return max(self.equity(account) - bound / self.leverage, _ZERO)

    # Orders

    def place(self, asked: NewOrder) -> BookOrder:
        """Take an order, and fill what the market fills now.

        Raises:
            BookRefusal: `unknown_symbol`, `market_closed`, `nothing_to_reduce`, `insufficient_funds`, or
                what `reject_next` was given. Nothing has changed then.
        """
        self._check(asked)
        now = self._clock.now()
        order = BookOrder(
            order_id=str(_FIRST_ORDER + len(self.orders)),
            asked=asked,
            created_at=now,
            visible_at=now + self.hidden_for,
            updated_at=now,
            asleep=asked.after is not None,
        )
        self.orders[order.order_id] = order
        if asked.client_order_id is not None:
            self._submissions[asked.client_order_id] += 1
        if self._later is not None:
            self._end(order, OrderState.REFUSED, self._later)
            self._later = None
        elif not order.asleep:
            self._try(order, first=True)
        return order

    def cancel(self, order: BookOrder, reason: str | None = None) -> bool:
        """Cancel what has not filled; False when the order has ended already."""
        if order.state.is_terminal:
            return False
        self._end(order, OrderState.CANCELLED, reason)
        for child in self._children(order):
            if child.asleep and not order.executions:
                self._end(child, OrderState.CANCELLED, reason)
        return True

    def set_price(self, symbol: str, price: Decimal) -> None:
        """Move the market: what waits for the price is executed, in the order in which it was placed."""
        self._prices[symbol] = price
        for order in list(self.orders.values()):
            if order.works and order.asked.symbol == symbol:
                self._try(order, first=False)

    def fill_rest(self) -> None:
        """Fill what is left of partially filled orders, at their limit or at the market."""
        for order in list(self.orders.values()):
            if order.state is OrderState.PARTIALLY_FILLED:
                self._fill(order, order.left, order.asked.limit_price or self._prices[order.asked.symbol])

    # The machinery

    def _worth(self, symbol: str) -> Decimal:
        return self._prices[symbol] * self._multipliers[symbol]

    def _check(self, asked: NewOrder) -> None:
        if self._refusal is not None and self._taken_before_it:
            self._taken_before_it -= 1
        elif self._refusal is not None:
            refusal, self._refusal = self._refusal, None
            raise refusal
        if asked.symbol not in self._prices:
            raise BookRefusal("unknown_symbol", f"there is no {asked.symbol}")
        if self.market_closed:
            raise BookRefusal("market_closed", "the market is closed")
        if asked.after is None:
            self._check_position(asked)

    def _check_position(self, asked: NewOrder) -> None:
        sign = 1 if asked.side is Side.BUY else -1
        held = self.position(asked.account, asked.symbol).quantity
        if asked.reduce_only and held * sign >= 0:
            raise BookRefusal("nothing_to_reduce", "there is no position to reduce")
        adds = abs(held + sign * asked.quantity) - abs(held)
        if not asked.reduce_only and adds > 0:
            price = asked.limit_price or self._prices[asked.symbol]
            cost = adds * price * self._multipliers[asked.symbol] / self.leverage
            if cost > self.available(asked.account):
                raise BookRefusal("insufficient_funds", "the account cannot pay for it")

    def _try(self, order: BookOrder, *, first: bool) -> None:
        price = order.fires_at(self._prices[order.asked.symbol])
        if price is None:
            if first and order.asked.time_in_force in _AT_ONCE:
                self._end(order, OrderState.CANCELLED, "nothing to trade with")
            return
        fraction, self._fraction = self._fraction, None
        if fraction is None:
            self._fill(order, order.left, price)
        elif order.asked.time_in_force is TimeInForce.FOK:
            self._end(order, OrderState.CANCELLED, "not all of it could be filled")
        else:
            self._fill(order, order.left * fraction, price)
            if order.asked.order_type is OrderType.MARKET or order.asked.time_in_force is TimeInForce.IOC:
                self._end(order, OrderState.CANCELLED, "the rest could not be filled")

    def _fill(self, order: BookOrder, quantity: Decimal, price: Decimal) -> None:
        asked = order.asked
        if asked.reduce_only:
            held = self.position(asked.account, asked.symbol).quantity
            against = held > 0 if asked.side is Side.SELL else held < 0
            quantity = min(quantity, abs(held)) if against else _ZERO
            if quantity == 0:
                self._end(order, OrderState.EXPIRED, "there is no position to reduce")
                return
        execution = self._book(order, quantity, price)
        order.executions.append(execution)
        self.fills.append(execution)
        done = order.left == 0 or (
            asked.reduce_only and not self.position(asked.account, asked.symbol).quantity
        )
        order.state = OrderState.FILLED if done else OrderState.PARTIALLY_FILLED
        order.updated_at = self._clock.now()
        if done:
            self._wake_and_cancel(order)

    def _book(self, order: BookOrder, quantity: Decimal, price: Decimal) -> Execution:
        asked = order.asked
        account = self._accounts[asked.account]
        position = account.positions.setdefault(asked.symbol, BookPosition())
        signed = quantity if asked.side is Side.BUY else -quantity
        multiplier = self._multipliers[asked.symbol]
        closed = min(quantity, abs(position.quantity)) if position.quantity * signed < 0 else _ZERO
        gain = (price - position.entry_price) * closed * multiplier * (1 if position.quantity > 0 else -1)
        _move(position, signed, closed, price)
        fee = self._fee(quantity, price)
        account.cash -= fee
        account.cash += -signed * price * multiplier if self._pays_in_full else gain
        return Execution(
            execution_id=str(_FIRST_EXECUTION + len(self.fills)),
            account=asked.account,
            order_id=order.order_id,
            client_order_id=asked.client_order_id,
            symbol=asked.symbol,
            side=asked.side,
            quantity=quantity,
            price=price,
            fee=fee,
            realized=gain,
            at=self._clock.now(),
        )

    def _wake_and_cancel(self, order: BookOrder) -> None:
        group = order.asked.group
        for other in list(self.orders.values()):
            if other is not order and group is not None and other.asked.group == group:
                self.cancel(other, "another order of its group has filled")
        for child in self._children(order):
            if child.asleep and not child.state.is_terminal:
                child.asleep = False
                self._try(child, first=True)

    def _children(self, order: BookOrder) -> Iterator[BookOrder]:
        return (one for one in list(self.orders.values()) if one.asked.after == order.order_id)

    def _end(self, order: BookOrder, state: OrderState, reason: str | None) -> None:
        order.state = state
        order.reason = reason
        order.updated_at = self._clock.now()


def _move(position: BookPosition, signed: Decimal, closed: Decimal, price: Decimal) -> None:
    # What opens joins the average; what closes leaves it as it is.
    opened = abs(signed) - closed
    before = abs(position.quantity) - closed
    position.quantity += signed
    if opened:
        position.entry_price = (before * position.entry_price + opened * price) / (before + opened)
    if position.quantity == 0:
        position.entry_price = _ZERO
