"""Orders at the fake tastytrade: read strictly, checked as the venue checks them, and shown in its words."""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from sparky.domain.orders import OrderState, OrderType, Side, TimeInForce
from tests.venues.fakes.book import BookOrder
from tests.venues.fakes.messages import AnsweredEarly, FakeResponse, json_response
from tests.venues.fakes.tastytrade.instruments import Listed

_TYPES: Final = {
    "Market": OrderType.MARKET,
    "Limit": OrderType.LIMIT,
    "Stop": OrderType.STOP,
    "Stop Limit": OrderType.STOP_LIMIT,
}
_TIMES: Final = {
    "Day": TimeInForce.DAY,
    "GTC": TimeInForce.GTC,
    "IOC": TimeInForce.IOC,
    "Ext": TimeInForce.DAY,
    "GTC Ext": TimeInForce.GTC,
}
_ACTIONS: Final = {"Buy to Open", "Sell to Open", "Buy to Close", "Sell to Close", "Buy", "Sell"}
_KEYS: Final = {
    "order-type",
    "time-in-force",
    "price",
    "price-effect",
    "stop-trigger",
    "legs",
    "source",
    "automated-source",
    "external-identifier",
    "advanced-instructions",
}
_LEG_KEYS: Final = {"instrument-type", "symbol", "quantity", "action"}
_STATUSES: Final = {
    OrderState.WORKING: "Live",
    OrderState.PARTIALLY_FILLED: "Live",
    OrderState.FILLED: "Filled",
    OrderState.CANCELLED: "Cancelled",
    OrderState.EXPIRED: "Expired",
    OrderState.REFUSED: "Rejected",
}


def refuse(status: int, code: str, message: str) -> AnsweredEarly:
    """Return an error in the venue's words, to be raised."""
    return AnsweredEarly(json_response(status, {"error": {"code": code, "message": message}}))


def fails_check(code: str, message: str) -> AnsweredEarly:
    """Return a failed preflight check, to be raised."""
    error = {
        "code": "preflight_check_failure",
        "message": "One or more preflight checks failed",
        "errors": [{"code": code, "message": message}],
    }
    return AnsweredEarly(json_response(422, {"error": error}))


@dataclass(frozen=True, slots=True)
class AskedLeg:
    symbol: str
    listed: Listed
    quantity: Decimal
    action: str

    @property
    def side(self) -> Side:
        return Side.BUY if self.action.startswith("Buy") else Side.SELL

    @property
    def closes(self) -> bool:
        return self.action.endswith("to Close")


@dataclass(frozen=True, slots=True)
class Asked:
    """An order that has been read."""

    body: dict[str, Any]
    order_type: OrderType
    time: TimeInForce
    price: Decimal | None
    stop: Decimal | None
    legs: tuple[AskedLeg, ...]

    @property
    def client_order_id(self) -> str | None:
        value = self.body.get("external-identifier")
        return value if isinstance(value, str) else None

    @property
    def is_strict(self) -> bool:
        given = self.body.get("advanced-instructions", {})
        return given.get("strict-position-effect-validation") is True


@dataclass(slots=True)
class WireOrder:
    """An order of the fake: one order of the book for each leg, none for a spread that rests."""

    number: int
    account: str
    asked: Asked
    received_at: datetime
    parts: list[BookOrder] = field(default_factory=list)
    complex_id: int | None = None
    tag: str | None = None
    rests: bool = False
    # So many more answers show it filled without its fills.
    late_fills: int = 0

    @property
    def status(self) -> str:
        if not self.parts:
            return "Live" if self.rests else "Cancelled"
        first = self.parts[0]
        return "Contingent" if first.asleep and not first.state.is_terminal else _STATUSES[first.state]

    @property
    def is_over(self) -> bool:
        return self.status in {"Filled", "Cancelled", "Expired", "Rejected"}


def read_order(body: Any, instruments: dict[str, Listed]) -> Asked:
    """Read an order as strictly as the venue does."""
    if not isinstance(body, dict) or not set(body) <= _KEYS:
        raise refuse(400, "validation_error", "Request validation failed")
    order_type, time = _TYPES.get(body.get("order-type", "")), _TIMES.get(body.get("time-in-force", ""))
    legs = body.get("legs")
    if order_type is None or time is None or not isinstance(legs, list) or not 1 <= len(legs) <= 4:
        raise refuse(400, "validation_error", "Request validation failed")
    if "automated-source" in body and body["automated-source"] is not True:
        raise refuse(400, "validation_error", "automated-source is invalid")
    asked = Asked(
        body=body,
        order_type=order_type,
        time=time,
        price=_price(body, "price", needed=order_type.has_limit_price),
        stop=_price(body, "stop-trigger", needed=order_type.has_stop_price),
        legs=tuple(_read_leg(leg, instruments) for leg in legs),
    )
    _check_attributes(asked)
    _check_ticks(asked)
    return asked


def _price(body: dict[str, Any], name: str, *, needed: bool) -> Decimal | None:
    if (name in body) != needed:
        raise fails_check(f"order_must_{'have' if needed else 'omit'}_{name}", f"Order has the wrong {name}.")
    if not needed:
        return None
    try:
        value = Decimal(body[name])
    except (InvalidOperation, TypeError):
        raise refuse(400, "validation_error", f"{name} is invalid") from None
    if "e" in str(body[name]).lower() or isinstance(body[name], float) or value < 0:
        raise refuse(400, "validation_error", f"{name} is invalid")
    return value


def _read_leg(leg: Any, instruments: dict[str, Listed]) -> AskedLeg:
    if not isinstance(leg, dict) or set(leg) != _LEG_KEYS or leg["action"] not in _ACTIONS:
        raise refuse(400, "validation_error", "Request validation failed")
    listed = instruments.get(leg["symbol"])
    if listed is None or listed.kind != leg["instrument-type"] or not listed.wire["active"]:
        raise fails_check("instrument_validation_failed", f"Symbol {leg['symbol']} is not tradeable.")
    quantity = Decimal(str(leg["quantity"]))
    if quantity <= 0 or quantity != quantity.to_integral_value():
        raise refuse(400, "validation_error", "quantity must be a whole number")
    if leg["action"] in {"Buy", "Sell"} and listed.kind != "Future":
        raise fails_check("invalid_action", "Buy and Sell are for futures only.")
    return AskedLeg(leg["symbol"], listed, quantity, leg["action"])


def _check_attributes(asked: Asked) -> None:
    body, legs = asked.body, asked.legs
    if ("price" in body) != ("price-effect" in body):
        raise fails_check("price_effect_missing", "Price and price effect go together.")
    if len(legs) > 1 and (
        asked.order_type is not OrderType.LIMIT or {leg.listed.kind for leg in legs} != {"Equity Option"}
    ):
        raise fails_check("invalid_legs", "Only limit orders on options have several legs.")
    if len({leg.symbol for leg in legs}) != len(legs):
        raise fails_check("duplicate_symbol", "Each leg must have its own symbol.")
    if asked.time is TimeInForce.GTC and asked.order_type is OrderType.MARKET:
        raise fails_check("gtc_market_orders_not_supported", "Market orders cannot be GTC.")
    if asked.time is TimeInForce.GTC and asked.order_type is OrderType.STOP and not legs[0].closes:
        raise fails_check("gtc_opening_stop_not_supported", "Opening stop orders cannot be GTC.")
    if "Ext" in body["time-in-force"] and (
        legs[0].listed.kind != "Equity" or asked.order_type is not OrderType.LIMIT
    ):
        raise fails_check("tif.invalid_session", "Extended hours are for limit orders on equities.")
    if len(legs) == 1 and "price-effect" in body:
        effect = "Debit" if legs[0].side is Side.BUY else "Credit"
        if body["price-effect"] != effect:
            code = "cant_buy_for_credit" if effect == "Debit" else "cant_sell_for_debit"
            raise fails_check(code, "You cannot buy for a credit or sell for a debit.")


def _check_ticks(asked: Asked) -> None:
    if len(asked.legs) > 1:
        return
    for price in (asked.price, asked.stop):
        tick = None if price is None else asked.legs[0].listed.tick_at(price)
        if price is not None and tick is not None and price % tick:
            raise fails_check("invalid_price_increment", f"Price must be in increments of ${tick}.")


def shown(order: WireOrder, *, echoes: bool, names_source: bool, routed: bool = False) -> dict[str, Any]:
    """Return an order as the venue shows it; `routed` as it does right after taking it."""
    body = order.asked.body
    status = order.status
    if routed and status not in {"Contingent", "Rejected"}:
        status = "Routed"
    wire: dict[str, Any] = {
        "id": order.number,
        "account-number": order.account,
        "cancellable": not order.is_over,
        "editable": not order.is_over,
        "edited": False,
        "global-request-id": "00000000=order-api=000000000000",
        "order-type": body["order-type"],
        "time-in-force": body["time-in-force"],
        "received-at": order.received_at.isoformat(timespec="milliseconds"),
        "size": int(min(leg.quantity for leg in order.asked.legs)),
        "status": status,
        "underlying-symbol": _underlying(order.asked.legs[0]),
        "underlying-instrument-type": "Future" if order.asked.legs[0].listed.kind == "Future" else "Equity",
        "updated-at": 1781292831405,
        "legs": [_shown_leg(order, index, routed=routed) for index in range(len(order.asked.legs))],
    }
    wire.update({key: body[key] for key in ("price", "price-effect", "stop-trigger") if key in body})
    if order.complex_id is not None:
        wire.update({"complex-order-id": order.complex_id, "complex-order-tag": order.tag})
    if echoes and order.asked.client_order_id is not None:
        wire["external-identifier"] = order.asked.client_order_id
    if names_source and "source" in body:
        wire["source"] = body["source"]
    if status == "Rejected":
        wire["reject-reason"] = order.parts[0].reason
    if not routed and order.late_fills:
        order.late_fills -= 1
    return wire


def _underlying(leg: AskedLeg) -> str:
    name: str = leg.listed.wire.get("underlying-symbol", leg.symbol)
    return name


def _shown_leg(order: WireOrder, index: int, *, routed: bool) -> dict[str, Any]:
    leg = order.asked.legs[index]
    part = order.parts[index] if order.parts else None
    fills = [] if part is None or routed or order.late_fills else part.executions
    left = leg.quantity if part is None or routed else part.left
    return {
        "action": leg.action,
        "instrument-type": leg.listed.kind,
        "quantity": int(leg.quantity),
        "remaining-quantity": format(left, "f"),
        "symbol": leg.symbol,
        "fills": [
            {
                "ext-group-fill-id": "0",
                "ext-exec-id": fill.execution_id,
                "fill-id": fill_name(fill.execution_id),
                "quantity": format(fill.quantity, "f"),
                "fill-price": format(fill.price, "f"),
                "filled-at": fill.at.isoformat(timespec="milliseconds"),
                "destination-venue": "MARKET_SIMULATOR_A",
            }
            for fill in fills
        ],
    }


def fill_name(execution_id: str) -> str:
    """Return the venue's name of an execution: an order has it as `fill-id`, a transaction as `exec-id`."""
    return f"24_TW::TEST_A{execution_id}"


def data(status: int, value: Any, **more: Any) -> FakeResponse:
    """Return an answer in the venue's envelope."""
    return json_response(status, {"data": value, "context": "/", **more})
