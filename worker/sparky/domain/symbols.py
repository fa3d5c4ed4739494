"""Symbols as we write them, from whatever an alert says. `sql/schema/109_symbols.sql` keeps the same rule.

Two spellings of one instrument have to become one text, because a lane is an account and a symbol: signals
of one lane follow one another, those of two may overtake each other.

- aster: `BTCUSDT`, also from `BINANCE:BTCUSDT.P`, `BTC/USDT` and `BTC-USDT`
- oanda: `EUR_USD`, also from `EURUSD` and `EUR/USD`: the last three letters are the quote currency
- tradier, tastytrade: `AAPL`; a class of shares as `BRK.B`, also from `BRK/B`; an option as compact OCC
  symbol `AAPL260417C00200000`, also padded, or with a plain strike (`OPRA:AAPL260417C200.0`)
- tastytrade: a future as `/ESZ6`, also from `CME_MINI:ESZ2026` and `/ESZ26`
- any other: upper case without exchange, suffix of perpetuals and slash
"""

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Final

_BLANKS: Final = " \t\r\n\f\v"
_EXCHANGE: Final = re.compile(r"[A-Z0-9_]+:")
_DAY: Final = r"[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])"
_OPTION: Final = re.compile(rf"([A-Z][A-Z0-9]{{0,5}}) {{0,5}}({_DAY}[CP][0-9]{{8}})")
_OPTION_BY_STRIKE: Final = re.compile(rf"([A-Z][A-Z0-9]{{0,5}}{_DAY}[CP])([0-9]{{1,5}}(?:\.[0-9]{{1,3}})?)")
_PERPETUAL: Final = re.compile(r"(\.P|(?<=[A-Z0-9])[._-]?PERP)$")
_PLAIN: Final = re.compile(r"[A-Z0-9][A-Z0-9._-]{0,39}")
_COIN_PAIR: Final = re.compile(r"[A-Z0-9]{1,40}")
_CURRENCY_PAIR: Final = re.compile(r"([A-Z0-9]{2,16})[/_-]?([A-Z]{3})")
_SHARE: Final = re.compile(r"([A-Z]{1,6})(?:[./-]([A-Z]{1,3}))?")
_FUTURE: Final = re.compile(r"/?([A-Z0-9]{1,4})([FGHJKMNQUVXZ])(?:20[0-9]|[0-9])?([0-9])")


def canonical(exchange: str, text: str) -> str | None:
    """Return our symbol of what an alert says; None when it can be none at that exchange.

    Whether the venue lists it is for the venue to say. What is canonical stays as it is.
    """
    bare = text.strip(_BLANKS)
    if not bare.isascii():
        return None
    bare = bare.upper()
    match = _EXCHANGE.match(bare)
    bare = bare[match.end() :] if match else bare
    return _RULES.get(exchange, _any_market)(bare)


def _option(bare: str) -> str | None:
    match = _OPTION.fullmatch(bare)
    if match is not None:
        return f"{match[1]}{match[2]}"
    match = _OPTION_BY_STRIKE.fullmatch(bare)
    return None if match is None else f"{match[1]}{int(Decimal(match[2]) * 1000):08d}"


def _any_market(bare: str) -> str | None:
    plain = _option(bare) or _PERPETUAL.sub("", bare).replace("/", "")
    return plain if _PLAIN.fullmatch(plain) else None


def _coin_pair(bare: str) -> str | None:
    joint = re.sub(r"[/._-]", "", _PERPETUAL.sub("", bare))
    return joint if _COIN_PAIR.fullmatch(joint) else None


def _currency_pair(bare: str) -> str | None:
    match = _CURRENCY_PAIR.fullmatch(bare)
    return None if match is None else f"{match[1]}_{match[2]}"


def _share_or_option(bare: str) -> str | None:
    match = _SHARE.fullmatch(bare)
    if match is None:
        return _option(bare)
    return match[1] if match[2] is None else f"{match[1]}.{match[2]}"


def _share_option_or_future(bare: str) -> str | None:
    match = _FUTURE.fullmatch(bare)
    return _share_or_option(bare) if match is None else f"/{match[1]}{match[2]}{match[3]}"


_RULES: Final[Mapping[str, Callable[[str], str | None]]] = {
    "aster": _coin_pair,
    "oanda": _currency_pair,
    "tradier": _share_or_option,
    "tastytrade": _share_option_or_future,
}
