"""What the fake OANDA shows, in OANDA's shapes."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from tests.venues.fakes.oanda.instruments import INSTRUMENTS
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


def price_json(
    name: str, price: Decimal | None, *, tradeable: bool, factors: dict[str, Any] | None
) -> dict[str, Any]:
    """Return a ClientPrice, a step around the price; without one, nobody bids or asks."""
    step = Decimal(1).scaleb(-INSTRUMENTS[name].price_decimals)
    shown: dict[str, Any] = {
        "type": "PRICE",
        "instrument": name,
        "time": "2026-11-22T20:00:00.000000000Z",
        "status": "tradeable" if tradeable else "non-tradeable",
        "tradeable": tradeable,
        "bids": [],
        "asks": [],
    }
    if price is not None:
        for side, sign in (("bids", -1), ("asks", 1)):
            shown[side] = [
                {"price": f"{price + sign * step * depth:f}", "liquidity": 1_000_000} for depth in (1, 2)
            ]
        shown |= {"closeoutBid": f"{price - 3 * step:f}", "closeoutAsk": f"{price + 3 * step:f}"}
    if factors is not None:
        rate = factors["positionValue"]
        shown["quoteHomeConversionFactors"] = {"positiveUnits": rate, "negativeUnits": rate}
    return shown


def currencies(names: Sequence[str]) -> list[str]:
    """Return the currencies of instruments, each once."""
    return sorted({code for name in names for code in name.split("_")})


def conversion_json(currency: str, prices: Mapping[str, Decimal], home: str) -> dict[str, Any]:
    """Return the HomeConversions of a currency."""
    rate = Decimal(1)
    if f"{currency}_{home}" in prices:
        rate = prices[f"{currency}_{home}"]
    elif f"{home}_{currency}" in prices:
        rate = round(1 / prices[f"{home}_{currency}"], 8)
    shown = {"accountGain": rate, "accountLoss": rate, "positionValue": rate}
    return {"currency": currency, **{name: f"{value:f}" for name, value in shown.items()}}


def _side(ledger: Ledger, instrument: str, sign: int, price: Decimal) -> dict[str, Any]:
    units, average = ledger.side(instrument, sign)
    gain = units * sign * (price - average)
    side: dict[str, Any] = {"units": f"{units * sign:f}", "pl": "0.0000", "unrealizedPL": f"{gain:f}"}
    if units:
        side["averagePrice"] = f"{average:f}"
        side["tradeIDs"] = [one.trade_id for one in ledger.open_trades(instrument, sign)]
    return side
