"""Single options: their symbols as the Options Clearing Corporation spells them, and what a chain lists.

An OCC symbol is the root, six digits of the expiration, C or P, and eight digits of the strike, of which
three are decimals (https://www.theocc.com, "Options Symbology Initiative"). Ours has no blanks: the root
ends where the digits begin. `AAPL260417C00200000` is the call on AAPL of 17 April 2026 at 200.
"""

import re
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum, unique
from typing import Final

_OCC: Final = re.compile(r"([A-Z][A-Z0-9]{0,5}?) {0,5}(\d{2})(\d{2})(\d{2})([CP])(\d{8})", re.ASCII)
_CENTURY: Final = 2000
_STRIKE_SCALE: Final = Decimal(1000)
_ROOT_WIDTH: Final = 6


@unique
class Right(StrEnum):
    """What an option gives the right to do."""

    CALL = "call"
    PUT = "put"


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionSymbol:
    """The parts of an OCC symbol.

    Raises:
        ValueError: they do not fit the spelling.
    """

    root: str
    expiration: date
    right: Right
    strike: Decimal

    def __post_init__(self) -> None:
        if _OCC.fullmatch(self.compact) is None:
            raise ValueError(f"no OCC symbol has root {self.root!r} and strike {self.strike}")

    @property
    def compact(self) -> str:
        """The symbol without blanks: ours, and Tradier's."""
        return f"{self.root}{self._tail}"

    @property
    def padded(self) -> str:
        """The symbol with its root filled up to six characters: tastytrade's."""
        return f"{self.root:<{_ROOT_WIDTH}}{self._tail}"

    @property
    def _tail(self) -> str:
        thousandths = self.strike * _STRIKE_SCALE
        if thousandths != thousandths.to_integral_value():
            raise ValueError(f"a strike has at most three decimals, not {self.strike}")
        return f"{self.expiration:%y%m%d}{self.right.value[0].upper()}{int(thousandths):08d}"


def parse_option(symbol: str) -> OptionSymbol | None:
    """Read an OCC symbol, with or without blanks; None when it is none, such as a share's."""
    match = _OCC.fullmatch(symbol)
    if match is None:
        return None
    root, year, month, day, right, strike = match.groups()
    try:
        expiration = date(_CENTURY + int(year), int(month), int(day))
    except ValueError:
        return None
    return OptionSymbol(
        root=root,
        expiration=expiration,
        right=Right.CALL if right == "C" else Right.PUT,
        strike=Decimal(strike) / _STRIKE_SCALE,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionContract:
    """One contract of a chain. `multiplier` is what one contract delivers; prices are for one of that."""

    symbol: str
    underlying: str
    expiration: date
    right: Right
    strike: Decimal
    multiplier: Decimal
    bid: Decimal | None = None
    ask: Decimal | None = None
