"""How orders meet the market at the fake OANDA."""

from decimal import Decimal
from typing import Any

from tests.venues.fakes.oanda.instruments import INSTRUMENTS
from tests.venues.fakes.oanda.ledger import EXITS, Ledger, Order

_REASONS = {
    "MARKET": "MARKET_ORDER",
    "LIMIT": "LIMIT_ORDER",
    "STOP": "STOP_ORDER",
    **{kind: f"{kind}_ORDER" for kind, _ in EXITS.values()},
}


def meet(ledger: Ledger, order: Order, price: Decimal, *, first: bool) -> dict[str, dict[str, Any]]:
    """Execute an order if the market is there; return the transactions by their names in an answer."""
    at_once = order.terms.get("timeInForce") in {"FOK", "IOC"}
    if not _fires(ledger, order, price):
        return {"CancelTransaction": ledger.cancel(order, "TIME_IN_FORCE_EXPIRED")} if at_once else {}
    obstacle = _obstacle(ledger, order, price)
    if obstacle == "MARKET_HALTED" and order.kind != "MARKET":
        return {}
    if obstacle is not None:
        order.stillborn = first
        return {"CancelTransaction": ledger.cancel(order, obstacle)}
    return _execute(ledger, order, price)


def _execute(ledger: Ledger, order: Order, price: Decimal) -> dict[str, dict[str, Any]]:
    units = _units(ledger, order)
    fraction, ledger.fraction = ledger.fraction, None
    if fraction is None:
        return {"FillTransaction": ledger.fill(order, units, price, _REASONS[order.kind])}
    if order.terms.get("timeInForce") == "FOK":
        order.stillborn = True
        return {"CancelTransaction": ledger.cancel(order, "INSUFFICIENT_LIQUIDITY")}
    part = ledger.fill(order, units * fraction, price, _REASONS[order.kind])
    if order.terms.get("timeInForce") == "IOC":
        return {"FillTransaction": part}
    rest = f"{units - units * fraction:f}"
    terms = {**order.terms, "units": rest}
    again, body = ledger.create(
        order.kind, terms, units=rest, reason="REPLACEMENT", replacesOrderID=order.order_id
    )
    again.marks["waits"] = True
    order.marks["replacedByOrderID"] = again.order_id
    return {"FillTransaction": part, "ReissueTransaction": body}


def _units(ledger: Ledger, order: Order) -> Decimal:
    return order.units if order.trade_id is None else -ledger.trades[order.trade_id].units


def _fires(ledger: Ledger, order: Order, price: Decimal) -> bool:
    if order.kind == "MARKET":
        return True
    if order.marks.get("waits"):
        return False
    buys = _units(ledger, order) > 0
    if order.kind == "TRAILING_STOP_LOSS":
        best = price if order.best is None else (min if buys else max)(order.best, price)
        order.best = best
        distance = Decimal(order.terms["distance"])
        return price >= best + distance if buys else price <= best - distance
    target = Decimal(order.terms["price"])
    # A limit and a take-profit wait for a better price, stops for a worse one.
    waits_below = buys == (order.kind in {"LIMIT", "TAKE_PROFIT"})
    return price <= target if waits_below else price >= target


def _obstacle(ledger: Ledger, order: Order, price: Decimal) -> str | None:
    if ledger.stop_next is not None:
        reason, ledger.stop_next = ledger.stop_next, None
        return reason
    if ledger.halted:
        return "MARKET_HALTED"
    if order.trade_id is not None:
        return None
    opens = _opens(ledger, order)
    if order.terms.get("positionFill") == "REDUCE_ONLY":
        # What OANDA answers here is not written down; the list of its reasons has this one.
        return "POSITION_CLOSEOUT_FAILED" if opens == abs(order.units) else None
    return _obstacle_to_opening(ledger, order, price, opens) if opens else None


def _obstacle_to_opening(ledger: Ledger, order: Order, price: Decimal, opens: Decimal) -> str | None:
    pending = {one.client_id for one in ledger.pending()} - {None}
    for name, (kind, _) in EXITS.items():
        carried = order.terms.get(f"{name}OnFill", {}).get("clientExtensions", {})
        if carried.get("id") in pending:
            return f"{kind}_ON_FILL_CLIENT_ORDER_ID_ALREADY_EXISTS"
    extensions = order.terms.get("tradeClientExtensions") or {}
    used = {one.client_id for one in ledger.trades.values() if one.is_open}
    if extensions.get("id") in used - {None}:
        return "CLIENT_TRADE_ID_ALREADY_EXISTS"
    if opens * price * INSTRUMENTS[order.terms["instrument"]].margin_rate > ledger.margin_free():
        return "INSUFFICIENT_MARGIN"
    return _exit_obstacle(order, price)


def _opens(ledger: Ledger, order: Order) -> Decimal:
    against, _ = ledger.side(order.terms["instrument"], -1 if order.units > 0 else 1)
    adds = ledger.hedging and order.terms.get("positionFill") == "DEFAULT"
    return abs(order.units) if adds else max(abs(order.units) - against, Decimal(0))


def _exit_obstacle(order: Order, price: Decimal) -> str | None:
    sign = 1 if order.units > 0 else -1
    for name, better in (("takeProfit", True), ("stopLoss", False)):
        terms = order.terms.get(f"{name}OnFill")
        if terms is not None and ((Decimal(terms["price"]) - price) * sign > 0) is not better:
            return f"{EXITS[name][0]}_ON_FILL_LOSS"
    return None
