"""The book's orders, fills and positions as rows of Aster's answers."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from sparky.domain.orders import OrderState, OrderType, Side, TimeInForce
from tests.venues.fakes.book import BookOrder, BookPosition, Execution

_PLACES: Final = 8
_STATUSES: Final = {
    OrderState.WORKING: "NEW",
    OrderState.ACCEPTED: "NEW",
    OrderState.PARTIALLY_FILLED: "PARTIALLY_FILLED",
    OrderState.FILLED: "FILLED",
    OrderState.CANCELLED: "CANCELED",
    OrderState.EXPIRED: "EXPIRED",
    OrderState.REFUSED: "REJECTED",
}


def order_row(order: BookOrder, *, answers_write: bool = False) -> dict[str, Any]:
    """Return an order; the answer to a write has no `time`, but `cumQty`."""
    symbol, _, held_side = order.asked.symbol.partition("/")
    closes_all = bool(order.extra.get("closePosition"))
    filled = order.filled
    row = {
        "orderId": int(order.order_id),
        "symbol": symbol,
        "status": _status(order),
        # Aster makes one up for an order that comes without.
        "clientOrderId": order.asked.client_order_id or f"web_{order.order_id}",
        "price": _text(order.asked.limit_price or Decimal(0)),
        "avgPrice": format((order.average or Decimal(0)).quantize(Decimal("0.00001")), "f"),
        "origQty": _text(filled if closes_all else order.asked.quantity),
        "executedQty": _text(filled),
        "cumQuote": _text(sum((one.quantity * one.price for one in order.executions), Decimal(0))),
        "timeInForce": order.asked.time_in_force.upper(),
        "type": order.extra.get("type", "LIMIT"),
        "origType": order.extra.get("type", "LIMIT"),
        "reduceOnly": order.asked.reduce_only,
        "closePosition": closes_all,
        "side": order.asked.side.upper(),
        "positionSide": held_side or "BOTH",
        "stopPrice": _text(order.asked.stop_price or Decimal(0)),
        "workingType": "CONTRACT_PRICE",
        "priceProtect": False,
        "updateTime": to_ms(order.updated_at),
    }
    return (
        {**row, "cumQty": row["executedQty"]} if answers_write else {**row, "time": to_ms(order.created_at)}
    )


def _status(order: BookOrder) -> str:
    at_once = order.asked.order_type is OrderType.MARKET or order.asked.time_in_force in {
        TimeInForce.IOC,
        TimeInForce.FOK,
    }
    # What the market leaves of an order that may not rest expires; only a person cancels.
    if order.state is OrderState.CANCELLED and at_once and not order.extra.get("by_user"):
        return "EXPIRED"
    return _STATUSES[order.state]


def trade_row(one: Execution, order: BookOrder) -> dict[str, Any]:
    """Return an execution; a commission that costs is below zero."""
    symbol, _, held_side = one.symbol.partition("/")
    return {
        "id": int(one.execution_id),
        "orderId": int(one.order_id),
        "symbol": symbol,
        "side": one.side.upper(),
        "positionSide": held_side or "BOTH",
        "buyer": one.side is Side.BUY,
        "maker": order.asked.order_type is OrderType.LIMIT and order.updated_at > order.created_at,
        "price": _text(one.price),
        "qty": _text(one.quantity),
        "quoteQty": _text(one.price * one.quantity),
        "realizedPnl": _text(one.realized),
        "commission": _text(-one.fee),
        "commissionAsset": "USDT",
        "time": to_ms(one.at),
    }


def position_row(
    symbol: str, held_side: str, position: BookPosition, mark: Decimal, unrealized: Decimal, leverage: int
) -> dict[str, Any]:
    """Return a position, or the row of a symbol without one."""
    return {
        "symbol": symbol,
        "positionAmt": _text(position.quantity),
        "entryPrice": _text(position.entry_price),
        "markPrice": _text(mark),
        "unRealizedProfit": _text(unrealized),
        "liquidationPrice": "0",
        "leverage": str(leverage),
        "maxNotionalValue": "20000000",
        "marginType": "cross",
        "isolatedMargin": "0.00000000",
        "isAutoAddMargin": "false",
        "positionSide": held_side,
        "updateTime": 0,
    }


def to_ms(moment: datetime) -> int:
    """Return a moment as Aster writes it."""
    return int((moment - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 1000)


def _text(value: Decimal) -> str:
    shown = round(value, _PLACES)
    return format(shown.normalize() if shown else Decimal(0), "f")
