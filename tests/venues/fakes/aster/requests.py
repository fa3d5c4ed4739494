"""New orders as the fake Aster reads them: unknown, missing and contradicting parameters are refused."""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from sparky.domain.orders import OrderType, Side, TimeInForce
from tests.venues.fakes.aster.instruments import Instrument, plain_number
from tests.venues.fakes.aster.wallets import Wallet, refuse
from tests.venues.fakes.book import NewOrder

# Enough for any position that is open when an order without a quantity fires.
EVERYTHING: Final = Decimal(1_000_000)

_KNOWN: Final = frozenset(
    {
        "symbol",
        "side",
        "positionSide",
        "type",
        "timeInForce",
        "quantity",
        "reduceOnly",
        "price",
        "newClientOrderId",
        "stopPrice",
        "closePosition",
        "activationPrice",
        "callbackRate",
        "workingType",
        "priceProtect",
        "newOrderRespType",
    }
)
_NEEDED: Final[Mapping[str, frozenset[str]]] = {
    "LIMIT": frozenset({"timeInForce", "quantity", "price"}),
    "MARKET": frozenset({"quantity"}),
    "STOP": frozenset({"quantity", "price", "stopPrice"}),
    "TAKE_PROFIT": frozenset({"quantity", "price", "stopPrice"}),
    "STOP_MARKET": frozenset({"stopPrice"}),
    "TAKE_PROFIT_MARKET": frozenset({"stopPrice"}),
    "TRAILING_STOP_MARKET": frozenset({"callbackRate", "quantity"}),
}
_ORDER_TYPES: Final = {
    "LIMIT": OrderType.LIMIT,
    "MARKET": OrderType.MARKET,
    "STOP": OrderType.STOP_LIMIT,
    "TAKE_PROFIT": OrderType.STOP_LIMIT,
    "STOP_MARKET": OrderType.STOP,
    "TAKE_PROFIT_MARKET": OrderType.STOP,
    "TRAILING_STOP_MARKET": OrderType.STOP,
}
_CHOICES: Final = (
    ("type", tuple(_NEEDED), -1116, "Invalid orderType."),
    ("side", ("BUY", "SELL"), -1117, "Invalid side."),
    ("timeInForce", ("GTC", "IOC", "FOK", "GTX", "HIDDEN"), -1115, "Invalid timeInForce."),
    ("newOrderRespType", ("ACK", "RESULT"), -1136, "Invalid newOrderRespType."),
    ("closePosition", ("false", "true"), -1130, "Data sent for parameter 'closePosition' is not valid."),
)
_CLIENT_ID: Final = re.compile(r"^[\.A-Z\:/a-z0-9_-]{1,36}$", re.ASCII)


def read_new_order(
    params: Mapping[str, str], wallet: Wallet, instrument: Instrument, mark: Decimal
) -> NewOrder:
    """Read and check a new order."""
    _check_names(params)
    side, kind = params["side"], params["type"]
    held_side = _check_side(params, wallet)
    closes_all = _check_closing(params, wallet)
    price = _price(params, "price", instrument)
    stop = _price(params, "stopPrice", instrument)
    quantity = EVERYTHING if closes_all else plain_number("quantity", params["quantity"])
    at_market = "price" not in _NEEDED[kind]
    if not closes_all:
        instrument.check_quantity(quantity, at_market=at_market)
    if price is not None:
        instrument.check_percent(side, price, mark)
    reduces = closes_all or params.get("reduceOnly") == "true" or _reduces_hedged(side, held_side)
    if not reduces:
        instrument.check_notional(quantity * (price or stop or mark))
    takes_profit = kind.startswith("TAKE_PROFIT")
    if stop is not None and _would_trigger(side, stop, mark, takes_profit=takes_profit):
        raise refuse(400, -2021, "Order would immediately trigger.")
    return NewOrder(
        account=wallet.address,
        symbol=book_symbol(instrument.symbol, held_side),
        side=Side(side.lower()),
        quantity=quantity,
        client_order_id=params.get("newClientOrderId"),
        order_type=_ORDER_TYPES[kind],
        limit_price=price,
        stop_price=stop,
        trail_percent=_callback(params),
        time_in_force=TimeInForce(params.get("timeInForce", "GTC").lower()),
        reduce_only=reduces,
        takes_profit=takes_profit,
    )


def book_symbol(symbol: str, held_side: str) -> str:
    """Return the book's name: with long and short apart each is a symbol of its own."""
    return symbol if held_side == "BOTH" else f"{symbol}/{held_side}"


def _check_names(params: Mapping[str, str]) -> None:
    unknown = sorted(set(params) - _KNOWN)
    if unknown:
        raise refuse(400, -1104, f"Not all sent parameters were read; '{unknown[0]}' was not.")
    for name, allowed, code, words in _CHOICES:
        if params.get(name, allowed[0]) not in allowed:
            raise refuse(400, code, words)
    needed = _NEEDED.get(params.get("type", ""), frozenset()) | {"symbol", "side", "type"}
    if params.get("closePosition") != "true":
        needed |= {"quantity"}
    missing = sorted(needed - set(params))
    if missing:
        raise refuse(
            400, -1102, f"Mandatory parameter '{missing[0]}' was not sent, was empty/null, or malformed."
        )
    optional = {"timeInForce"} if params["type"] in {"STOP", "TAKE_PROFIT"} else set()
    for name in ("price", "timeInForce", "stopPrice", "callbackRate"):
        if name in params and name not in needed | optional:
            raise refuse(400, -1106, f"Parameter '{name}' sent when not required.")
    if not _CLIENT_ID.match(params.get("newClientOrderId", "made-up")):
        raise refuse(400, -4015, "Client order id is not valid.")


def _check_side(params: Mapping[str, str], wallet: Wallet) -> str:
    held_side = params.get("positionSide", "BOTH")
    if held_side not in ({"LONG", "SHORT"} if wallet.hedged else {"BOTH"}):
        raise refuse(400, -4061, "Order's position side does not match user's setting.")
    return held_side


def _check_closing(params: Mapping[str, str], wallet: Wallet) -> bool:
    closes_all = params.get("closePosition") == "true"
    if "reduceOnly" in params and (wallet.hedged or closes_all):
        raise refuse(400, -1106, "Parameter 'reduceOnly' sent when not required.")
    if params.get("reduceOnly", "true") not in {"true", "false"}:
        raise refuse(400, -4062, "Invalid or improper reduceOnly value.")
    if closes_all and params["type"] not in {"STOP_MARKET", "TAKE_PROFIT_MARKET"}:
        raise refuse(400, -1106, "Parameter 'closePosition' sent when not required.")
    if closes_all and "quantity" in params:
        raise refuse(400, -4137, "Quantity must be zero with closePosition equals true")
    return closes_all


def _price(params: Mapping[str, str], name: str, instrument: Instrument) -> Decimal | None:
    if name not in params:
        return None
    price = plain_number(name, params[name])
    instrument.check_price(name, price)
    return price


def _callback(params: Mapping[str, str]) -> Decimal | None:
    if "callbackRate" not in params:
        return None
    rate = plain_number("callbackRate", params["callbackRate"])
    if not Decimal("0.1") <= rate <= 5 or rate % Decimal("0.1"):
        raise refuse(400, -1130, "Data sent for parameter 'callbackRate' is not valid.")
    return rate


def _reduces_hedged(side: str, held_side: str) -> bool:
    return (side, held_side) in {("SELL", "LONG"), ("BUY", "SHORT")}


def _would_trigger(side: str, stop: Decimal, mark: Decimal, *, takes_profit: bool) -> bool:
    above = (side == "BUY") != takes_profit
    return mark >= stop if above else mark <= stop
