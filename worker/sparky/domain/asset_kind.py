"""What kind of thing a symbol is. Trading hours, weekends and shorting differ by it."""

import re
from enum import StrEnum, unique
from typing import Final

from sparky.domain.options import parse_option


@unique
class AssetKind(StrEnum):
    """What is traded."""

    CRYPTO = "crypto"
    FOREX = "forex"
    SHARES = "shares"
    OPTIONS = "options"
    FUTURES = "futures"


_CURRENCIES: Final = (
    "AUD|CAD|CHF|CNH|CZK|DKK|EUR|GBP|HKD|HUF|JPY|MXN|NOK|NZD|PLN|SEK|SGD|THB|TRY|USD|XAG|XAU|ZAR"
)
_CURRENCY_PAIR: Final = re.compile(rf"(?:{_CURRENCIES})[/_]?(?:{_CURRENCIES})")
_TICKER: Final = re.compile(r"[A-Z]{1,5}(?:\.[A-Z]{1,3})?")


def asset_kind(exchange: str, symbol: str) -> AssetKind:
    """Return the kind of one of our symbols at an exchange.

    The paper venue takes every symbol, so there it is told by its spelling: an OCC symbol is an option, a
    leading slash a future, two currencies are forex, up to five letters a share, and all else is crypto.
    """
    if parse_option(symbol) is not None:
        return AssetKind.OPTIONS
    if symbol.startswith("/"):
        return AssetKind.FUTURES
    if exchange in _BY_EXCHANGE:
        return _BY_EXCHANGE[exchange]
    if _CURRENCY_PAIR.fullmatch(symbol):
        return AssetKind.FOREX
    return AssetKind.SHARES if _TICKER.fullmatch(symbol) else AssetKind.CRYPTO


_BY_EXCHANGE: Final = {
    "aster": AssetKind.CRYPTO,
    "oanda": AssetKind.FOREX,
    "tradier": AssetKind.SHARES,
    "tastytrade": AssetKind.SHARES,
}
