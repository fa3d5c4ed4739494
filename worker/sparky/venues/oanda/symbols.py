"""Our symbols and OANDA's names of instruments, which are the same: `EUR_USD`, `XAU_USD`, `SPX500_USD`."""

import re
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Final

from sparky.domain.errors import UnknownSymbol

_NAME: Final = re.compile(r"[A-Z0-9]{2,16}_[A-Z]{3}", re.ASCII)
_LIKE: Final = 0.6


def to_venue(symbol: str) -> str:
    """Return OANDA's name of a symbol.

    Raises:
        UnknownSymbol: no instrument is named so.
    """
    if not _NAME.fullmatch(symbol):
        raise UnknownSymbol(
            f"OANDA lists no symbol {symbol[:40]!r}: write it as OANDA does, such as EUR_USD or XAU_USD."
        )
    return symbol


def from_venue(name: str) -> str:
    """Return our symbol of an instrument."""
    return name


def not_listed(symbol: str, listed: Iterable[str]) -> UnknownSymbol:
    """Return the refusal of a symbol that the account cannot trade, with the listed ones most like it."""
    near = get_close_matches(symbol, sorted(listed), n=3, cutoff=_LIKE)
    hint = f" Did you mean {' or '.join(near)}?" if near else ""
    return UnknownSymbol(
        f"OANDA does not list {symbol} for this account.{hint} Change the symbol of the alert to one that "
        "OANDA's platform shows for the account."
    )
