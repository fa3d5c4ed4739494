"""The orders and exits that the conformance cases send, made from what a harness says of its venue."""

from dataclasses import replace
from decimal import Decimal
from typing import Any, Final

from sparky.domain.identifiers import ClientOrderId, SignalId, client_order_id
from sparky.domain.orders import (
    ExitKind,
    ExitLeg,
    ExitRequest,
    OrderRef,
    OrderRequest,
    OrderType,
    PositionSide,
    Side,
    TimeInForce,
)
from sparky.domain.rules import round_down_to_step
from sparky.venues.base import VenueAdapter
from tests.venues.fakes.moving_time import MovingTime

_HUNDRED: Final = Decimal(100)


class MadeOrders:
    """Orders that fit one venue, near its price."""

    adapter: VenueAdapter
    time: MovingTime
    signal: SignalId = SignalId("0b6c1d5e-8a54-4f0e-9a53-0d8c3a1f2b4c")

    symbol: str
    quantity: Decimal
    price: Decimal
    tick: Decimal

    def at(self, percent: int) -> Decimal:
        """Return a price so many percent above (or below) the starting price, on a tick."""
        return round_down_to_step(self.price * (_HUNDRED + percent) / _HUNDRED, self.tick)

    def client_id(self, number: int) -> ClientOrderId:
        """Return the client id of a leg."""
        return client_order_id(self.signal, number)

    def order(self, number: int = 1, side: Side = Side.BUY, **changes: Any) -> OrderRequest:
        """Return a market order; the number makes its client id."""
        request = OrderRequest(
            client_order_id=self.client_id(number),
            symbol=self.symbol,
            side=side,
            quantity=self.quantity,
            reduce_only=False,
            reference_price=self.price,
        )
        return replace(request, **changes)

    def resting(self, number: int = 1, **changes: Any) -> OrderRequest:
        """Return a limit order to buy, too far below the market to fill."""
        price = {"order_type": OrderType.LIMIT, "limit_price": self.at(-10)}
        return self.order(number, **{**price, "time_in_force": self._long, **changes})

    def typed(self, order_type: OrderType, number: int = 1, **changes: Any) -> OrderRequest:
        """Return an order of any type to buy that works and does not fill."""
        limit = self.at(11 if order_type is OrderType.STOP_LIMIT else -10)
        prices = {
            "order_type": order_type,
            "limit_price": limit if order_type.has_limit_price else None,
            "stop_price": self.at(10) if order_type.has_stop_price else None,
            "time_in_force": None if order_type is OrderType.MARKET else self._long,
        }
        return self.order(number, **{**prices, **changes})

    @property
    def _long(self) -> TimeInForce:
        lasts = self.adapter.capabilities.times_in_force
        return TimeInForce.GTC if TimeInForce.GTC in lasts else TimeInForce.DAY

    def leg(self, kind: ExitKind, number: int, percent: int | None = None) -> ExitLeg:
        """Return an exit of a long position, 5 % away where nothing else is said."""
        if kind is ExitKind.TRAILING_STOP:
            return ExitLeg(
                client_order_id=self.client_id(number), kind=kind, trail_percent=Decimal(percent or 5)
            )
        default = 5 if kind is ExitKind.TAKE_PROFIT else -5
        return ExitLeg(client_order_id=self.client_id(number), kind=kind, price=self.at(percent or default))

    def entry_with(self, *legs: ExitLeg) -> OrderRequest:
        """Return an order that fills at once and carries exits: at the market where that may carry them."""
        if OrderType.MARKET in self.adapter.capabilities.attached_exits:
            return self.order(1, exits=legs)
        return self.resting(1, exits=legs, limit_price=self.at(0))

    def exits(self, *legs: ExitLeg, entry: OrderRequest | None = None, **changes: Any) -> ExitRequest:
        """Return exits for a long position of `quantity`."""
        request = ExitRequest(
            symbol=self.symbol,
            side=PositionSide.LONG,
            quantity=self.quantity,
            exits=legs,
            entry=None if entry is None else self.ref(entry),
            reference_price=self.price,
        )
        return replace(request, **changes)

    def ref(self, order: OrderRequest, venue_order_id: str | None = None) -> OrderRef:
        """Return what finds an order that is sent about now."""
        return OrderRef(
            client_order_id=order.client_order_id,
            symbol=order.symbol,
            sent_at=self.time.now(),
            bookmark=order.bookmark,
            venue_order_id=venue_order_id,
        )

    def exit_ref(self, entry: OrderRequest, leg: ExitLeg) -> OrderRef:
        """Return what finds an exit."""
        return OrderRef(
            client_order_id=leg.client_order_id,
            symbol=entry.symbol,
            sent_at=self.time.now(),
            bookmark=entry.bookmark,
            exit_of=entry.client_order_id,
            exit_kind=leg.kind,
        )
