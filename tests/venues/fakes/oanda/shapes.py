"""What the fake OANDA shows, in OANDA's shapes."""

from decimal import Decimal
from typing import Any

from tests.venues.fakes.oanda.ledger import Ledger, Order, Trade


def summary_json(ledger: Ledger) -> dict[str, Any]:
    unrealized = ledger.unrealized()
    return {
        "account": {
            "id": ledger.number,
            "alias": "Primary",
            "currency": ledger.currency,
            "balance": f"{ledger.balance:f}",
            "NAV": f"{ledger.balance + unrealized:f}",
            "unrealizedPL": f"{unrealized:f}",
            "marginUsed": f"{ledger.margin_used():f}",
            "marginAvailable": f"{ledger.margin_free():f}",
            "hedgingEnabled": ledger.hedging,
            "openTradeCount": sum(one.is_open for one in ledger.trades.values()),
            "pendingOrderCount": len(ledger.pending()),
            "guaranteedStopLossOrderMode": "DISABLED",
            "lastTransactionID": ledger.last_shown,
        }
    }


def order_json(ledger: Ledger, order: Order) -> dict[str, Any]:
    created = next(one for one in ledger.written if one.body["id"] == order.order_id).body
    shown = {name: value for name, value in created.items() if name not in {"type", "batchID", "reason"}}
    marks = {name: value for name, value in order.marks.items() if name != "waits"}
    return {**shown, "createTime": created["time"], "type": order.kind, "state": order.state, **marks}


def trade_json(trade: Trade) -> dict[str, Any]:
    extensions = {} if trade.client_id is None else {"clientExtensions": {"id": trade.client_id}}
    return {
        "id": trade.trade_id,
        "instrument": trade.instrument,
        "price": f"{trade.price:f}",
        "state": "OPEN" if trade.is_open else "CLOSED",
        "initialUnits": f"{trade.first:f}",
        "currentUnits": f"{trade.units:f}",
        "realizedPL": "0.0000",
        "unrealizedPL": "0.0000",
        **extensions,
    }


def position_json(ledger: Ledger, instrument: str, price: Decimal) -> dict[str, Any]:
    return {
        "instrument": instrument,
        "pl": "0.0000",
        "unrealizedPL": "0.0000",
        "long": _side(ledger, instrument, 1, price),
        "short": _side(ledger, instrument, -1, price),
    }


def _side(ledger: Ledger, instrument: str, sign: int, price: Decimal) -> dict[str, Any]:
    units, average = ledger.side(instrument, sign)
    gain = units * sign * (price - average)
    side: dict[str, Any] = {"units": f"{units * sign:f}", "pl": "0.0000", "unrealizedPL": f"{gain:f}"}
    if units:
        side["averagePrice"] = f"{average:f}"
        side["tradeIDs"] = [one.trade_id for one in ledger.open_trades(instrument, sign)]
    return side
