"""Aster's instruments from `GET /fapi/v3/exchangeInfo`: steps, limits and what may be traded.

`pricePrecision` and `quantityPrecision` are not the steps; Aster says so in its documentation.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from difflib import get_close_matches
from typing import Any, Final

from sparky.domain.errors import UnknownSymbol
from sparky.domain.rules import InstrumentRules, TrailBounds
from sparky.venues.aster.reading import Unreadable, decimal, list_of, mapping, text
from sparky.venues.aster.symbols import from_venue

_TRADING: Final = "TRADING"
# Before a contract is settled for good, what is open may still be closed.
_CLOSING: Final = frozenset({"PRE_SETTLE", "SETTLING"})
# The bounds that Aster documents for `callbackRate`.
LEAST_TRAIL: Final = Decimal("0.1")
MOST_TRAIL: Final = Decimal(5)
_NEAREST: Final = 3

_SHOWN: Final = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrument:
    """One perpetual; profit and loss are in `margin_asset`."""

    rules: InstrumentRules
    margin_asset: str


Instruments = Mapping[str, Instrument]


def read_instruments(body: Any) -> Instruments:
    """Read the list of instruments. One that is not understood is left out: the others trade on."""
    found: dict[str, Instrument] = {}
    for item in list_of(mapping(body, "exchangeInfo").get("symbols"), "exchangeInfo.symbols"):
        try:
            instrument = _read_instrument(mapping(item, "symbol"))
        except Unreadable:
            continue
        found[instrument.rules.symbol] = instrument
    if not found:
        raise Unreadable("aster.exchangeInfo.symbols")
    return found


def instrument_of(instruments: Instruments, symbol: str) -> Instrument:
    """Return one of them.

    Raises:
        UnknownSymbol: Aster does not list it; the sentence names those that are spelt like it.
    """
    found = instruments.get(symbol)
    if found is not None:
        return found
    near = get_close_matches(symbol[:_SHOWN], instruments, n=_NEAREST, cutoff=0.6)
    like = f"it has {', '.join(near)}" if near else "it spells symbols like BTCUSDT"
    raise UnknownSymbol(f"Aster does not list {symbol[:_SHOWN]}; {like}: send a symbol that it lists.")


def _read_instrument(source: Mapping[str, Any]) -> Instrument:
    filters = {
        text(one, "filterType"): one
        for one in (mapping(item, "filter") for item in list_of(source.get("filters"), "symbol.filters"))
    }
    price = _filter(filters, "PRICE_FILTER")
    lot = _filter(filters, "LOT_SIZE")
    market = filters.get("MARKET_LOT_SIZE", lot)
    notional = filters.get("MIN_NOTIONAL")
    status = text(source, "status")
    try:
        rules = InstrumentRules(
            symbol=from_venue(text(source, "symbol")),
            quantity_step=decimal(lot, "stepSize"),
            min_quantity=decimal(lot, "minQty"),
            max_quantity=_unless_zero(lot, "maxQty"),
            market_quantity_step=_unless_zero(market, "stepSize"),
            min_market_quantity=decimal(market, "minQty"),
            max_market_quantity=_unless_zero(market, "maxQty"),
            price_tick=decimal(price, "tickSize"),
            min_price=_unless_zero(price, "minPrice"),
            max_price=_unless_zero(price, "maxPrice"),
            min_notional=Decimal(0) if notional is None else decimal(notional, "notional"),
            tradable=status == _TRADING or status in _CLOSING,
            closing_only=status in _CLOSING,
            trail=TrailBounds(least=LEAST_TRAIL, most=MOST_TRAIL, in_percent=True),
        )
    except ValueError:
        # A step of zero switches a filter off: there is no rounding to it.
        raise Unreadable("aster.symbol.filters") from None
    return Instrument(rules=rules, margin_asset=text(source, "marginAsset"))


def _filter(filters: Mapping[str, Mapping[str, Any]], name: str) -> Mapping[str, Any]:
    found = filters.get(name)
    if found is None:
        raise Unreadable(f"aster.symbol.filters.{name}")
    return found


def _unless_zero(source: Mapping[str, Any], name: str) -> Decimal | None:
    return decimal(source, name) or None
