"""What the fake OANDA takes: every field of the right name, kind and precision, or a reject reason."""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from tests.venues.fakes.oanda.instruments import INSTRUMENTS, Listed
from tests.venues.fakes.oanda.ledger import EXITS, Ledger

_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?", re.ASCII)
_CLIENT_ID = re.compile(r"[A-Za-z0-9-]{1,64}", re.ASCII)
_ANY = {
    "type",
    "instrument",
    "units",
    "timeInForce",
    "positionFill",
    "clientExtensions",
    "tradeClientExtensions",
    *(f"{name}OnFill" for name in EXITS),
}
_FIELDS = {
    "MARKET": _ANY | {"priceBound"},
    "LIMIT": _ANY | {"price", "gtdTime", "triggerCondition"},
    "STOP": _ANY | {"price", "priceBound", "gtdTime", "triggerCondition"},
}
_TIMES = {
    "MARKET": {"FOK", "IOC"},
    "LIMIT": {"GTC", "GTD", "GFD", "FOK", "IOC"},
    "STOP": {"GTC", "GTD", "GFD", "FOK", "IOC"},
}
_FILLS = {"DEFAULT", "REDUCE_FIRST", "REDUCE_ONLY", "OPEN_ONLY"}


class Malformed(Exception):  # noqa: N818 - it says what the request is
    """The request is not of OANDA's schema: no transaction is written."""


def schema(order: Any) -> Mapping[str, Any]:
    """Check names and kinds of an order's fields."""
    if not isinstance(order, Mapping) or order.get("type") not in _FIELDS:
        raise Malformed("Invalid value specified for 'order.type'")
    for name, value in order.items():
        if name not in _FIELDS[order["type"]]:
            raise Malformed(f"Invalid JSON, ParseErrorCode: 13, Message: Unknown field {name}")
        _field(name, value)
    for name in ("instrument", "units", "timeInForce", "positionFill"):
        if name not in order:
            raise Malformed("The request was missing required data")
    for name in {"units", "price"} & set(order):
        if not _NUMBER.fullmatch(order[name]):
            raise Malformed(f"Invalid value specified for 'order.{name}'")
    return order


def _field(name: str, value: Any) -> None:
    if name.endswith("Extensions"):
        extensions(value)
    elif name.endswith("OnFill"):
        exit_schema(name.removesuffix("OnFill"), value)
    elif not isinstance(value, str):
        raise Malformed(f"Invalid value specified for 'order.{name}'")


def exit_schema(name: str, terms: Any) -> None:
    """Check names and kinds of an exit's fields."""
    needed = EXITS[name][1]
    if not isinstance(terms, Mapping) or set(terms) - {needed, "timeInForce", "clientExtensions"}:
        raise Malformed(f"Invalid value specified for '{name}'")
    if not _NUMBER.fullmatch(str(terms.get(needed))) or not isinstance(terms[needed], str):
        raise Malformed(f"Invalid value specified for '{name}.{needed}'")
    if terms.get("timeInForce") not in {"GTC", "GFD"}:
        raise Malformed(f"Invalid value specified for '{name}.timeInForce'")
    extensions(terms.get("clientExtensions", {}))


def extensions(value: Any) -> None:
    """Check client extensions."""
    if not isinstance(value, Mapping) or set(value) - {"id", "tag", "comment"}:
        raise Malformed("Invalid value specified for 'clientExtensions'")
    if "id" in value and not _CLIENT_ID.fullmatch(str(value["id"])):
        raise Malformed("Invalid value specified for 'clientExtensions.id'")


def reject_reason(ledger: Ledger, order: Mapping[str, Any]) -> str | None:
    """Return why an order of the right schema is rejected; None if it is created."""
    listed = INSTRUMENTS.get(order["instrument"])
    if listed is None:
        return "INSTRUMENT_NOT_TRADEABLE"
    if order["timeInForce"] not in _TIMES[order["type"]]:
        return "TIME_IN_FORCE_INVALID"
    if order["positionFill"] not in _FILLS:
        return "ORDER_FILL_POSITION_ACTION_INVALID"
    if order["positionFill"] == "REDUCE_ONLY" and "tradeClientExtensions" in order:
        return "TRADE_ON_FILL_CLIENT_EXTENSIONS_NOT_SUPPORTED"
    return (
        _units_reason(Decimal(order["units"]), listed)
        or _price_reason(order, listed)
        or _ids_reason(ledger, order)
        or next(filter(None, (_exit_reason(name, order, listed) for name in EXITS)), None)
    )


def exit_reason(name: str, terms: Mapping[str, Any], listed: Listed, prefix: str) -> str | None:
    """Return why an exit is rejected."""
    if EXITS[name][1] == "price":
        return (
            f"{prefix}PRICE_PRECISION_EXCEEDED" if _too_fine(terms["price"], listed.price_decimals) else None
        )
    distance = Decimal(terms["distance"])
    if _too_fine(terms["distance"], listed.price_decimals):
        return f"{prefix}PRICE_DISTANCE_PRECISION_EXCEEDED"
    if distance < listed.least_trail:
        return f"{prefix}PRICE_DISTANCE_MINIMUM_NOT_MET"
    return f"{prefix}PRICE_DISTANCE_MAXIMUM_EXCEEDED" if distance > listed.most_trail else None


def _exit_reason(name: str, order: Mapping[str, Any], listed: Listed) -> str | None:
    terms = order.get(f"{name}OnFill")
    return None if terms is None else exit_reason(name, terms, listed, f"{EXITS[name][0]}_ON_FILL_")


def _units_reason(units: Decimal, listed: Listed) -> str | None:
    if not units:
        return "UNITS_INVALID"
    if _too_fine(f"{units:f}", listed.unit_decimals):
        return "UNITS_PRECISION_EXCEEDED"
    if abs(units) < listed.least:
        return "UNITS_MIMIMUM_NOT_MET"
    return "UNITS_LIMIT_EXCEEDED" if abs(units) > listed.most else None


def _price_reason(order: Mapping[str, Any], listed: Listed) -> str | None:
    if order["type"] == "MARKET":
        return None
    if "price" not in order:
        return "PRICE_MISSING"
    if Decimal(order["price"]) <= 0:
        return "PRICE_INVALID"
    return "PRICE_PRECISION_EXCEEDED" if _too_fine(order["price"], listed.price_decimals) else None


def _ids_reason(ledger: Ledger, order: Mapping[str, Any]) -> str | None:
    own = order.get("clientExtensions", {}).get("id")
    exits = [
        order[f"{name}OnFill"].get("clientExtensions", {}).get("id")
        for name in EXITS
        if f"{name}OnFill" in order
    ]
    named = [one for one in exits if one is not None]
    if len(set(named)) < len(named):
        return "ORDERS_ON_FILL_DUPLICATE_CLIENT_ORDER_IDS"
    pending = {one.client_id for one in ledger.pending()} - {None}
    return "CLIENT_ORDER_ID_ALREADY_EXISTS" if own in pending else None


def _too_fine(text: str, decimals: int) -> bool:
    return len(text.partition(".")[2]) > decimals
