"""Instruments of Tradier: steps and sizes, by what kind of symbol it is.

Tradier has no list of tick sizes. Shares: 0.01 from 1 dollar and 0.0001 below (SEC rule 612). Options: 0.05
below 3 dollars and 0.10 from there; classes of the penny program are finer, which the API does not tell, so
the coarse step is used, which is valid for every class. The net price of a spread has steps of 0.01, as
exchanges take complex orders. Sizes are whole, from 1 to 10,000,000, as the order service checks them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from difflib import SequenceMatcher
from typing import Any, Final

from sparky.domain.errors import UnknownSymbol
from sparky.domain.rules import InstrumentRules, TickBand
from sparky.venues.tradier import wire
from sparky.venues.tradier.symbols import from_venue, is_option, to_venue

_ONE: Final = Decimal(1)
_MOST: Final = Decimal(10_000_000)
_CENT: Final = Decimal("0.01")
_SHARE_BANDS: Final = (
    TickBand(below=_ONE, tick=Decimal("0.0001")),
    TickBand(below=None, tick=_CENT),
)
_OPTION_BANDS: Final = (
    TickBand(below=Decimal(3), tick=Decimal("0.05")),
    TickBand(below=None, tick=Decimal("0.10")),
)
_TRADABLE: Final = frozenset({"stock", "etf", "option"})
_CONTRACT: Final = Decimal(100)


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrument:
    """A symbol that Tradier lists; `underlying` is in Tradier's spelling, and a share's own symbol."""

    rules: InstrumentRules
    underlying: str

    def for_account(self, *, may_short: bool) -> InstrumentRules:
        """Return the rules, which depend on the account for shares: only margin accounts sell them short."""
        if may_short or is_option(self.rules.symbol):
            return self.rules
        return replace(self.rules, can_short=False)


def read_instrument(answer: Any, symbol: str) -> Instrument | None:
    """Read the quote of a symbol; None when Tradier says that it lists none of that name.

    Raises:
        wire.NotUnderstood: the answer says neither.
    """
    quote = quote_in(answer, symbol)
    return None if quote is None else _instrument(quote, symbol)


def quote_in(answer: Any, symbol: str) -> Mapping[str, Any] | None:
    """Return the quote of a symbol, unread; None when Tradier says that it lists none of that name.

    Raises:
        wire.NotUnderstood: the answer says neither.
    """
    quotes = wire.mapping(answer, "quotes")
    theirs = to_venue(symbol)
    for quote in wire.elements(quotes.get("quote"), "quotes.quote"):
        if wire.text(quote, "symbol") == theirs:
            return quote
    unmatched = quotes.get("unmatched_symbols")
    if isinstance(unmatched, Mapping) and theirs in wire.texts(unmatched.get("symbol"), "unmatched"):
        return None
    raise wire.NotUnderstood("quotes")


def _instrument(quote: Mapping[str, Any], symbol: str) -> Instrument:
    option = is_option(symbol)
    rules = InstrumentRules(
        symbol=symbol,
        quantity_step=_ONE,
        price_tick=_CENT,
        min_quantity=_ONE,
        max_quantity=_MOST,
        tick_bands=_OPTION_BANDS if option else _SHARE_BANDS,
        multiplier=(wire.optional_number(quote, "contract_size") or _CONTRACT) if option else _ONE,
        tradable=wire.text(quote, "type") in _TRADABLE,
    )
    return Instrument(rules=rules, underlying=_underlying(quote) if option else to_venue(symbol))


def _underlying(quote: Mapping[str, Any]) -> str:
    named = wire.optional_text(quote, "underlying") or wire.optional_text(quote, "root_symbol")
    if named is None:
        raise wire.NotUnderstood("underlying")
    return named


def spread_rules(underlying: str) -> InstrumentRules:
    """Return the rules of a spread's net price and number."""
    return InstrumentRules(
        symbol=underlying, quantity_step=_ONE, price_tick=_CENT, min_quantity=_ONE, max_quantity=_MOST
    )


def unknown_symbol(symbol: str, nearest: tuple[str, ...]) -> UnknownSymbol:
    """Return what to raise for a symbol that Tradier does not list."""
    if is_option(symbol):
        hint = "Check root, expiration and strike in the option chain; it may have expired."
    elif nearest:
        closest = sorted(nearest, key=lambda one: -SequenceMatcher(None, one, symbol).ratio())
        hint = f"Perhaps {' or '.join(closest[:3])} is meant: correct the symbol."
    else:
        hint = "Tradier trades US shares, ETFs and options, such as AAPL or AAPL260417C00200000."
    return UnknownSymbol(f"Tradier does not list {symbol}. {hint}")


def read_nearest(answer: Any) -> tuple[str, ...]:
    """Read the symbols that a search found, in our spelling."""
    found = wire.one_or_many(answer, "securities", "security")
    return tuple(from_venue(wire.text(one, "symbol")) for one in found)
