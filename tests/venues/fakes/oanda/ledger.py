"""The record of one account at the fake OANDA: transactions, the orders and trades that follow from them.

Like OANDA it keeps every entry as a trade of its own, closes the oldest trade first, lets exits live and die
with their trade, and writes each thing down as a transaction whose number is one higher than the last.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from sparky.domain.orders import Side
from sparky.runtime.seams import Clock
from tests.venues.fakes.book_orders import Execution
from tests.venues.fakes.oanda.instruments import INSTRUMENTS

_ZERO = Decimal(0)
_FIRST = 6357
EXITS = {
    "takeProfit": ("TAKE_PROFIT", "price"),
    "stopLoss": ("STOP_LOSS", "price"),
    "trailingStopLoss": ("TRAILING_STOP_LOSS", "distance"),
}


@dataclass(slots=True, kw_only=True)
class Order:
    """An order. Units are signed; one that is bound to a trade has none of its own."""

    order_id: str
    kind: str
    terms: dict[str, Any]
    visible_at: datetime
    units: Decimal = _ZERO
    trade_id: str | None = None
    state: str = "PENDING"
    stillborn: bool = False
    best: Decimal | None = None
    marks: dict[str, Any] = field(default_factory=dict)

    @property
    def client_id(self) -> str | None:
        extensions = self.terms.get("clientExtensions")
        return None if extensions is None else extensions.get("id")


@dataclass(slots=True, kw_only=True)
class Trade:
    """One entry; units are signed."""

    trade_id: str
    instrument: str
    first: Decimal
    units: Decimal
    price: Decimal
    client_id: str | None
    visible_at: datetime

    @property
    def is_open(self) -> bool:
        return self.units != 0


@dataclass(frozen=True, slots=True)
class Written:
    """A transaction, and from when on questions show it."""

    body: dict[str, Any]
    visible_at: datetime


class Ledger:
    """One account. `hidden_for` keeps what happens from now on out of look-ups for a while."""

    def __init__(self, number: str, clock: Clock, prices: dict[str, Decimal], balance: Decimal) -> None:
        self.number = number
        self.balance = balance
        self.currency = "USD"
        self.hedging = False
        self.mt4: str | None = None
        self.commission_rate = Decimal("0.00002")
        self.hidden_for = timedelta(0)
        self.halted = False
        self.fraction: Decimal | None = None
        self.stop_next: str | None = None
        self.orders: dict[str, Order] = {}
        self.trades: dict[str, Trade] = {}
        self.executions: list[Execution] = []
        self.written: list[Written] = []
        self._clock = clock
        self._prices = prices
        self.write("CREATE", homeCurrency=self.currency)

    # What is there

    @property
    def last(self) -> str:
        return str(self.written[-1].body["id"])

    @property
    def last_shown(self) -> str:
        return str(self.shown()[-1]["id"])

    def shown(self) -> list[dict[str, Any]]:
        now = self._clock.now()
        return [one.body for one in self.written if one.visible_at <= now]

    def shown_orders(self) -> list[Order]:
        now = self._clock.now()
        return [one for one in self.orders.values() if one.visible_at <= now]

    def shown_trades(self) -> list[Trade]:
        now = self._clock.now()
        return [one for one in self.trades.values() if one.visible_at <= now]

    def pending(self) -> list[Order]:
        return [one for one in self.orders.values() if one.state == "PENDING"]

    def open_trades(self, instrument: str, sign: int) -> Iterator[Trade]:
        """Yield the open trades of one direction, the oldest first."""
        for one in list(self.trades.values()):
            if one.instrument == instrument and one.units * sign > 0:
                yield one

    def side(self, instrument: str, sign: int) -> tuple[Decimal, Decimal]:
        """Return the units of one direction, without sign, and their average price."""
        trades = list(self.open_trades(instrument, sign))
        units = sum((abs(one.units) for one in trades), _ZERO)
        worth = sum((abs(one.units) * one.price for one in trades), _ZERO)
        return units, (worth / units if units else _ZERO)

    def unrealized(self) -> Decimal:
        moves = (one.units * (self._prices[one.instrument] - one.price) for one in self.trades.values())
        return sum(moves, _ZERO)

    def margin_used(self) -> Decimal:
        bound = (
            abs(one.units) * self._prices[one.instrument] * INSTRUMENTS[one.instrument].margin_rate
            for one in self.trades.values()
        )
        return sum(bound, _ZERO)

    def margin_free(self) -> Decimal:
        return max(self.balance + self.unrealized() - self.margin_used(), _ZERO)

    def hide_for(self, seconds: float) -> None:
        """Keep what happens from now on out of look-ups until it is that old."""
        self.hidden_for = timedelta(seconds=seconds)

    # What happens

    def write(self, kind: str, **content: Any) -> dict[str, Any]:
        """Write a transaction down."""
        now = self._clock.now()
        number = str(_FIRST + len(self.written))
        body = {
            "id": number,
            "time": f"{now:%Y-%m-%dT%H:%M:%S.%f}000Z",
            "userID": 5838423,
            "accountID": self.number,
            "batchID": number,
            "requestID": f"4226{number}",
            "type": kind,
            **{name: value for name, value in content.items() if value is not None},
        }
        # A record has no gaps: what is hidden hides what comes after it.
        before = self.written[-1].visible_at if self.written else now
        self.written.append(Written(body, max(now + self.hidden_for, before)))
        return body

    def create(self, kind: str, terms: Mapping[str, Any], **content: Any) -> tuple[Order, dict[str, Any]]:
        """Write a new order down."""
        body = self.write(f"{kind}_ORDER", **{**terms, **content})
        order = Order(
            order_id=body["id"],
            kind=kind,
            terms=dict(terms),
            visible_at=self._clock.now() + self.hidden_for,
            units=Decimal(content.get("units") or terms.get("units") or 0),
            trade_id=content.get("tradeID"),
        )
        if "replacesOrderID" in content:
            order.marks["replacesOrderID"] = content["replacesOrderID"]
        self.orders[order.order_id] = order
        return order, body

    def cancel(self, order: Order, reason: str) -> dict[str, Any]:
        """End an order."""
        body = self.write(
            "ORDER_CANCEL", orderID=order.order_id, clientOrderID=order.client_id, reason=reason
        )
        order.state = "CANCELLED"
        order.marks |= {"cancellingTransactionID": body["id"], "cancelledTime": body["time"]}
        return body

    def fill(self, order: Order, units: Decimal, price: Decimal, reason: str) -> dict[str, Any]:
        """Execute that many signed units of an order; its exits come to life with its trade."""
        profit, closed, reduced, left = self._close(order, units, price)
        opened = None
        if left and order.terms.get("positionFill") != "REDUCE_ONLY" and order.trade_id is None:
            opened = {"units": f"{left:f}", "price": f"{price:f}"}
            extensions = order.terms.get("tradeClientExtensions")
            if extensions is not None:
                opened["clientExtensions"] = extensions
        done = units if opened else units - left
        fee = (abs(done) * price * self.commission_rate).quantize(Decimal("0.0001"))
        self.balance += profit - fee
        if opened is not None:
            opened["tradeID"] = str(_FIRST + len(self.written))
        body = self.write(
            "ORDER_FILL",
            orderID=order.order_id,
            clientOrderID=order.client_id,
            instrument=self._instrument(order),
            units=f"{done:f}",
            price=f"{price:f}",
            fullVWAP=f"{price:f}",
            reason=reason,
            pl=f"{profit:f}",
            financing="-0.0010",
            commission=f"{fee:f}",
            guaranteedExecutionFee="0.0000",
            halfSpreadCost="0.0500",
            accountBalance=f"{self.balance:f}",
            tradeOpened=opened,
            tradesClosed=closed or None,
            tradeReduced=reduced,
        )
        order.state = "FILLED"
        order.marks |= {"fillingTransactionID": body["id"], "filledTime": body["time"]}
        self._account_for(body, done, price, fee, profit)
        if opened is not None:
            self._open(order, body, left, price)
        self._bury_exits()
        return body

    def bind_exit(self, trade: Trade, name: str, terms: Mapping[str, Any], reason: str) -> dict[str, Any]:
        """Create an exit of a trade."""
        order, body = self.create(
            EXITS[name][0], terms, tradeID=trade.trade_id, clientTradeID=trade.client_id, reason=reason
        )
        order.best = self._prices[trade.instrument]
        return body

    def exit_of(self, trade: Trade, name: str) -> Order | None:
        """Return the exit of that kind that a trade has."""
        kind = EXITS[name][0]
        return next(
            (one for one in self.pending() if one.trade_id == trade.trade_id and one.kind == kind), None
        )

    def _close(
        self, order: Order, units: Decimal, price: Decimal
    ) -> tuple[Decimal, list[dict[str, Any]], dict[str, Any] | None, Decimal]:
        profit, closed, reduced, left = _ZERO, [], None, units
        for trade in list(self._closable(order, units)):
            part = min(abs(left), abs(trade.units)) * (1 if units > 0 else -1)
            gain = -part * (price - trade.price)
            piece = {
                "tradeID": trade.trade_id,
                "units": f"{part:f}",
                "price": f"{price:f}",
                "realizedPL": f"{gain:f}",
                "financing": "0.0000",
            }
            trade.units += part
            left -= part
            profit += gain
            if trade.is_open:
                reduced = piece
            else:
                closed.append(piece)
            if not left:
                break
        return profit, closed, reduced, left

    def _closable(self, order: Order, units: Decimal) -> Iterator[Trade]:
        if order.trade_id is not None:
            return iter([self.trades[order.trade_id]])
        if self.hedging and order.terms.get("positionFill") == "DEFAULT":
            return iter([])
        return self.open_trades(self._instrument(order), -1 if units > 0 else 1)

    def _open(self, order: Order, body: dict[str, Any], units: Decimal, price: Decimal) -> None:
        extensions = order.terms.get("tradeClientExtensions") or {}
        trade = Trade(
            trade_id=body["id"],
            instrument=self._instrument(order),
            first=units,
            units=units,
            price=price,
            client_id=extensions.get("id"),
            visible_at=self._clock.now() + self.hidden_for,
        )
        self.trades[trade.trade_id] = trade
        for name in EXITS:
            if f"{name}OnFill" in order.terms:
                self.bind_exit(trade, name, order.terms[f"{name}OnFill"], "ON_FILL")

    def _bury_exits(self) -> None:
        for order in self.pending():
            if order.trade_id is not None and not self.trades[order.trade_id].is_open:
                self.cancel(order, "LINKED_TRADE_CLOSED")

    def _instrument(self, order: Order) -> str:
        if order.trade_id is not None:
            return self.trades[order.trade_id].instrument
        return str(order.terms["instrument"])

    def _account_for(
        self, body: Mapping[str, Any], units: Decimal, price: Decimal, fee: Decimal, profit: Decimal
    ) -> None:
        self.executions.append(
            Execution(
                execution_id=body["id"],
                account=self.number,
                order_id=body["orderID"],
                client_order_id=body.get("clientOrderID"),
                symbol=body["instrument"],
                side=Side.BUY if units > 0 else Side.SELL,
                quantity=abs(units),
                price=price,
                fee=fee,
                realized=profit,
                at=self._clock.now(),
            )
        )
