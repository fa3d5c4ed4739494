"""How a venue executes what it has taken: at once, later, in parts, or when the market comes to the price."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Final

from sparky.domain.answers import Fill, VenueOrder
from sparky.domain.orders import OrderRequest, OrderState, OrderType, Side, TimeInForce
from tests.simulation.book import Book, TrueOrder
from tests.simulation.faults import Fault, Faults
from tests.simulation.loop import SimulationLoop

_AT_ONCE: Final = frozenset({TimeInForce.IOC, TimeInForce.FOK})
_FEE_SECONDS: Final = 20.0


class Matching:
    """The market of one venue, shared by its accounts."""

    def __init__(
        self, loop: SimulationLoop, faults: Faults, prices: dict[str, Decimal], books: Mapping[str, Book]
    ) -> None:
        self._loop = loop
        self._faults = faults
        self._prices = prices
        self._books = books

    def take(self, book: Book, order: TrueOrder, request: OrderRequest) -> None:
        """Execute what trades at once."""
        if self._faults.strikes(Fault.FEE_LATE):
            order.fee_told_from = self._loop.time() + _FEE_SECONDS
        if order.order_type is OrderType.MARKET:
            self._trade(book, order)
            return
        self.look(book, order.symbol)
        if request.time_in_force in _AT_ONCE and order.is_open:
            book.end(order, OrderState.CANCELLED)

    def look(self, book: Book, symbol: str) -> None:
        """Execute the working orders that the price has reached, until none is left."""
        for order in book.triggered(symbol):
            if order.is_open:
                book.fill(order, order.left, self._price(order), self._loop.now())

    def move(self, symbol: str, factor: Decimal) -> None:
        """Let the market move."""
        self._prices[symbol] = (self._prices[symbol] * factor).quantize(Decimal("0.01"))
        for book in self._books.values():
            self.look(book, symbol)

    def shown(self, order: TrueOrder, fills: Sequence[Fill]) -> VenueOrder:
        """Return what the venue says of an order, with its fills in the order given."""
        told = self._loop.time() >= order.fee_told_from
        return VenueOrder(
            client_order_id=order.client_order_id,
            venue_order_id=str(order.number),
            state=order.state,
            quantity=order.quantity,
            filled_quantity=order.filled,
            average_price=order.average,
            fills=tuple(fill if told else replace(fill, fee=None) for fill in fills),
            symbol=order.symbol,
            side=order.side,
        )

    def _trade(self, book: Book, order: TrueOrder) -> None:
        half = (order.quantity / 2).quantize(book.profile.step)
        parts = 0 < half < order.quantity
        if self._faults.strikes(Fault.FILLS_LATE):
            self._later(book, order)
        elif parts and self._faults.strikes(Fault.FILLS_IN_PARTS):
            book.fill(order, half, self._price(order), self._loop.now())
            self._later(book, order)
        elif parts and self._faults.strikes(Fault.FILLS_PARTLY):
            book.fill(order, half, self._price(order), self._loop.now())
            if order.is_open:
                book.end(order, OrderState.CANCELLED)
        else:
            book.fill(order, order.left, self._price(order), self._loop.now())
        self.look(book, order.symbol)

    def _later(self, book: Book, order: TrueOrder) -> None:
        def rest() -> None:
            if order.is_open:
                book.fill(order, order.left, self._price(order), self._loop.now())
                self.look(book, order.symbol)

        self._loop.later(self._faults.within(0.2, 15.0), rest)

    def _price(self, order: TrueOrder) -> Decimal:
        market = self._prices[order.symbol]
        if order.order_type is OrderType.LIMIT and order.limit_price is not None:
            better = min if order.side is Side.BUY else max
            return better(order.limit_price, market)
        return market
