"""Our symbols as tastytrade spells them, and back.

https://developer.tastytrade.com/docs/concepts/instruments-and-symbology: shares by ticker, classes after a
slash (`BRK/B`); options by the padded OCC symbol; futures by a slash, the product, the month's letter and the
last digit of the year (`/ESZ6`).
"""

import re
from dataclasses import dataclass
from enum import StrEnum, unique
from typing import Final
from urllib.parse import quote

from sparky.domain.options import parse_option

_SHARE: Final = re.compile(r"([A-Z]{1,6})(?:\.([A-Z]{1,3}))?", re.ASCII)
_VENUE_SHARE: Final = re.compile(r"([A-Z]{1,6})/([A-Z]{1,3})", re.ASCII)
_FUTURE: Final = re.compile(r"/([A-Z0-9]{1,4})([FGHJKMNQUVXZ])(\d{1,2})", re.ASCII)
_CONTINUOUS: Final = re.compile(r"/?([A-Z0-9]{1,4}?)(?:[12]!)?", re.ASCII)


@unique
class InstrumentType(StrEnum):
    """What is traded, in the venue's words."""

    EQUITY = "Equity"
    OPTION = "Equity Option"
    FUTURE = "Future"


@dataclass(frozen=True, slots=True)
class Instrument:
    """An instrument in the venue's spelling."""

    symbol: str
    kind: InstrumentType

    @property
    def in_path(self) -> str:
        """The symbol as part of a path or query."""
        return quote(self.symbol, safe="")


def to_venue(symbol: str) -> Instrument | None:
    """Return the instrument of one of our symbols; None when it names none that can be traded here."""
    option = parse_option(symbol)
    if option is not None:
        return Instrument(option.padded, InstrumentType.OPTION)
    if _FUTURE.fullmatch(symbol):
        return Instrument(symbol, InstrumentType.FUTURE)
    share = _SHARE.fullmatch(symbol)
    if share is None:
        return None
    ticker, series = share.groups()
    return Instrument(f"{ticker}/{series}" if series else ticker, InstrumentType.EQUITY)


def to_ours(symbol: str, kind: str) -> str:
    """Return a symbol of the venue as ours; what we do not trade, such as a coin, stays as it is."""
    if kind == InstrumentType.OPTION:
        option = parse_option(symbol)
        return symbol if option is None else option.compact
    share = _VENUE_SHARE.fullmatch(symbol) if kind == InstrumentType.EQUITY else None
    return symbol if share is None else f"{share[1]}.{share[2]}"


def futures_product(symbol: str) -> str | None:
    """Return the product of a future, or of what was meant as one, such as `ES1!` or `/ES`."""
    future = _FUTURE.fullmatch(symbol)
    if future is not None:
        return future[1]
    meant = _CONTINUOUS.fullmatch(symbol) if symbol.startswith("/") or symbol.endswith("!") else None
    return None if meant is None else meant[1]
