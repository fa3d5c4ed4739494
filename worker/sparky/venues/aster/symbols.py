"""Our symbols as Aster spells them: both write `BTCUSDT`."""

import re
from typing import Final

_SYMBOL: Final = re.compile(r"[A-Z0-9]{1,40}", re.ASCII)


def to_venue(symbol: str) -> str | None:
    """Return Aster's spelling; None for what cannot be one, which is then never put into a request."""
    return symbol if _SYMBOL.fullmatch(symbol) else None


def from_venue(symbol: str) -> str:
    """Return our spelling."""
    return symbol
