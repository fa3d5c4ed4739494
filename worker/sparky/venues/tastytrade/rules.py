"""Instruments of tastytrade: steps, ticks and what may be opened.

Prices step by `tick-sizes`, of which the first whose `threshold` is above the price counts, the last one has
none (https://developer.tastytrade.com/docs/concepts/instruments-and-symbology). Sizes are whole: fractions of
a share trade at the market only, from five dollars up and without exits, and are left alone here.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from sparky.domain import fields
from sparky.domain.rules import InstrumentRules, TickBand
from sparky.venues.tastytrade.wire import flag, number

WHOLE: Final = Decimal(1)
_PLACE: Final = "instrument"
_CENT: Final = Decimal("0.01")


def share_rules(symbol: str, source: Mapping[str, Any]) -> InstrumentRules:
    """Return the rules of a share.

    Raises:
        WorkOrderError: the instrument is not in the venue's language.
    """
    bands = read_ticks(source, "tick-sizes")
    return InstrumentRules(
        symbol=symbol,
        quantity_step=WHOLE,
        min_quantity=WHOLE,
        price_tick=_coarsest(bands),
        tick_bands=bands,
        tradable=flag(source, "active", missing=True) and not flag(source, "is-index", missing=False),
        closing_only=flag(source, "is-closing-only", missing=False),
    )


def option_rules(symbol: str, source: Mapping[str, Any], underlying: Mapping[str, Any]) -> InstrumentRules:
    """Return the rules of an option; its ticks are listed with its underlying.

    Raises:
        WorkOrderError: the instrument is not in the venue's language.
    """
    bands = read_ticks(underlying, "option-tick-sizes")
    return InstrumentRules(
        symbol=symbol,
        quantity_step=WHOLE,
        min_quantity=WHOLE,
        price_tick=_coarsest(bands),
        tick_bands=bands,
        multiplier=number(source, "shares-per-contract", _PLACE),
        tradable=flag(source, "active", missing=True),
        closing_only=flag(source, "is-closing-only", missing=False)
        or flag(underlying, "is-options-closing-only", missing=False),
    )


def spread_rules(symbol: str, underlying: Mapping[str, Any]) -> InstrumentRules:
    """Return the rules of spreads on an underlying: the net price steps by the finest tick of its options.

    Raises:
        WorkOrderError: the instrument is not in the venue's language.
    """
    bands = read_ticks(underlying, "option-tick-sizes")
    return InstrumentRules(
        symbol=symbol,
        quantity_step=WHOLE,
        min_quantity=WHOLE,
        price_tick=min((band.tick for band in bands), default=_CENT),
        closing_only=flag(underlying, "is-options-closing-only", missing=False),
    )


def future_rules(symbol: str, source: Mapping[str, Any]) -> InstrumentRules:
    """Return the rules of a futures contract.

    Raises:
        WorkOrderError: the instrument is not in the venue's language.
    """
    return InstrumentRules(
        symbol=symbol,
        quantity_step=WHOLE,
        min_quantity=WHOLE,
        price_tick=number(source, "tick-size", _PLACE),
        tick_bands=read_ticks(source, "tick-sizes"),
        multiplier=number(source, "notional-multiplier", _PLACE),
        tradable=flag(source, "active", missing=True) and flag(source, "is-tradeable", missing=True),
        closing_only=flag(source, "is-closing-only", missing=False),
    )


def read_ticks(source: Mapping[str, Any], name: str) -> tuple[TickBand, ...]:
    """Return the ticks by price; none where the venue lists none.

    Raises:
        WorkOrderError: the list is not in the venue's language.
    """
    if source.get(name) is None:
        return ()
    listed = [fields.mapping(item, f"{_PLACE}.{name}") for item in fields.items(source, name, _PLACE)]
    # Spreads of futures list ticks by contract in the same shape.
    return tuple(
        TickBand(below=fields.optional(number, item, "threshold", name), tick=number(item, "value", name))
        for item in listed
        if item.get("symbol") is None
    )


def _coarsest(bands: Sequence[TickBand]) -> Decimal:
    return max((band.tick for band in bands), default=_CENT)
