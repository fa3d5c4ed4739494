"""The order desk of the fake tastytrade: what it checks, and how orders come into the books."""

from collections import Counter
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final

from sparky.domain.orders import OrderType, Side, TimeInForce
from sparky.runtime.seams import Clock
from tests.venues.fakes.book import Book, BookRefusal, NewOrder
from tests.venues.fakes.tastytrade.instruments import Listed
from tests.venues.fakes.tastytrade.orders import Asked, AskedLeg, WireOrder, fails_check

_FIRST_NUMBER: Final = 1_075_001
_CHECKS: Final = {
    "unknown_symbol": ("instrument_validation_failed", "Symbol is not tradeable."),
    "market_closed": (
        "invalid_session",
        "Opening market orders cannot be submitted while the market is closed.",
    ),
    "nothing_to_reduce": (
        "closing_with_no_position",
        "You cannot route a closing order without an existing position to close.",
    ),
    "insufficient_funds": (
        "margin_check_failed",
        "Account has insufficient buying power available for this order.",
    ),
}


def fee(quantity: Decimal, price: Decimal) -> Decimal:
    """Charge a cent for each share or contract."""
    del price
    return quantity / 100


class OrderDesk:
    """The orders of one environment. `late_fills` lets the next one be shown filled without its fills."""

    def __init__(self, clock: Clock, instruments: dict[str, Listed]) -> None:
        self._clock = clock
        self.book = Book(clock, fee=fee, pays_in_full=True)
        for symbol, instrument in instruments.items():
            self.book.list_symbol(symbol, instrument.price, instrument.multiplier)
        self.orders: dict[int, WireOrder] = {}
        self.submissions: Counter[str] = Counter()
        self.late_fills = 0
        self._numbers = _FIRST_NUMBER

    def order_of(self, part_id: str) -> WireOrder:
        """Return the order that a book order is a part of."""
        parts = ((order, part.order_id) for order in self.orders.values() for part in order.parts)
        return next(order for order, order_id in parts if order_id == part_id)

    def place(
        self,
        account: str,
        asked: Asked,
        *,
        tag: str | None = None,
        complex_id: int | None = None,
        group: str | None = None,
        after: str | None = None,
    ) -> WireOrder:
        for leg in asked.legs:
            self._check_effect(account, asked, leg, follows=after is not None)
        order = WireOrder(self._numbers, account, asked, self._clock.now(), complex_id=complex_id, tag=tag)
        if len(asked.legs) == 1:
            order.parts = [self._book_one(account, asked, asked.legs[0], group, after)]
            # What waits for a trigger that has filled already begins at once.
            self._wake(order)
        else:
            self._book_spread(account, order)
        order.late_fills, self.late_fills = self.late_fills, 0
        self._numbers += 1
        self.orders[order.number] = order
        if asked.client_order_id is not None:
            self.submissions[asked.client_order_id] += 1
        return order

    def _check_effect(self, account: str, asked: Asked, leg: AskedLeg, *, follows: bool) -> None:
        instrument = leg.listed.wire
        held = self.book.position(account, leg.symbol).quantity
        against = held > 0 if leg.side is Side.SELL else held < 0
        if leg.closes and asked.is_strict and not follows:
            if not against:
                raise fails_check(*_CHECKS["nothing_to_reduce"])
            if leg.quantity > abs(held):
                raise fails_check("closing_quantity_exceeds_position", "You cannot close more than you hold.")
        if leg.action.endswith("to Open"):
            if against:
                raise fails_check("opposite_position", "You have an opposite position in this instrument.")
            if instrument.get("is-closing-only"):
                raise fails_check("closing_only", "Symbol is restricted to closing only.")

    def _book_one(
        self, account: str, asked: Asked, leg: AskedLeg, group: str | None, after: str | None
    ) -> Any:
        new = NewOrder(
            account=account,
            symbol=leg.symbol,
            side=leg.side,
            quantity=leg.quantity,
            client_order_id=asked.client_order_id,
            order_type=asked.order_type,
            limit_price=asked.price,
            stop_price=asked.stop,
            time_in_force=asked.time,
            # Without the strict check a close of nothing opens: that is the venue's trap.
            reduce_only=leg.closes and asked.is_strict,
            group=group,
            after=after,
        )
        try:
            return self.book.place(new)
        except BookRefusal as refusal:
            raise fails_check(*_CHECKS.get(refusal.code, (refusal.code, refusal.words))) from refusal

    def _wake(self, order: WireOrder) -> None:
        part = order.parts[0]
        trigger = self.book.orders.get(part.asked.after or "")
        if trigger is not None and trigger.state.is_terminal and part.asleep:
            part.asleep = False
            self.book.set_price(part.asked.symbol, self.book.price(part.asked.symbol))

    def _book_spread(self, account: str, order: WireOrder) -> None:
        asked = order.asked
        units = min(leg.quantity for leg in asked.legs)
        net = sum(
            (self.book.price(leg.symbol) * leg.quantity / units * (1 if leg.side is Side.BUY else -1))
            for leg in asked.legs
        )
        limit = asked.price or Decimal(0)
        pays = asked.body["price-effect"] == "Debit"
        if (pays and net > limit) or (not pays and -net < limit):
            order.rests = True
            return
        for leg in asked.legs:
            single = Asked(
                body={}, order_type=OrderType.MARKET, time=TimeInForce.DAY, price=None, stop=None, legs=(leg,)
            )
            order.parts.append(self._book_one(account, single, leg, None, None))

    def cancel(self, order: WireOrder) -> None:
        order.rests = False
        for part in order.parts:
            self.book.cancel(part)

    def age_orders(self, seconds: float) -> None:
        """Let every order have been received that much earlier."""
        for order in self.orders.values():
            order.received_at -= timedelta(seconds=seconds)
