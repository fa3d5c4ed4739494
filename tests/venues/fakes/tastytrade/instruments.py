"""What the fake tastytrade lists, in the venue's words."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from sparky.domain.options import parse_option

_SHARE_TICKS: Final = [{"value": "0.0001", "threshold": "1.0"}, {"value": "0.01"}]
_OPTION_TICKS: Final = [{"value": "0.01", "threshold": "3.0"}, {"value": "0.05"}]
_DAYS: Final = ("2026-04-17", "2026-05-15")
_STRIKES: Final = (190, 200, 210)


@dataclass(frozen=True, slots=True)
class Listed:
    """An instrument and where the market stands when the fake starts."""

    kind: str
    price: Decimal
    multiplier: Decimal
    wire: dict[str, Any]

    def tick_at(self, price: Decimal) -> Decimal:
        """Return the price step at a price."""
        ticks = _OPTION_TICKS if self.kind == "Equity Option" else self.wire["tick-sizes"]
        for tick in ticks:
            if "threshold" not in tick or price < Decimal(tick["threshold"]):
                return Decimal(tick["value"])
        raise AssertionError("the last tick has no threshold")


def listed() -> dict[str, Listed]:
    """Return everything that is listed, by the venue's symbol."""
    shares = {
        "AAPL": _share("AAPL", "200"),
        "BRK/B": _share("BRK/B", "450"),
        "PENY": _share("PENY", "0.5"),
        "GONE": _share("GONE", "10", active=False),
        "LAST": _share("LAST", "10", closing_only=True),
    }
    futures = {
        symbol: _future(symbol, day)
        for symbol, day in (("/ESH6", "2026-03-20"), ("/ESM6", "2026-06-18"), ("/ESZ6", "2026-12-18"))
    }
    options = {
        symbol: _option(symbol) for day in _DAYS for strike in _STRIKES for symbol in _pair(day, strike)
    }
    return {**shares, **futures, **options}


def chain(underlying: str) -> list[dict[str, Any]]:
    """Return the nested chain of an underlying; empty for one without options."""
    if underlying != "AAPL":
        return []
    standard = {
        "underlying-symbol": "AAPL",
        "root-symbol": "AAPL",
        "option-chain-type": "Standard",
        "shares-per-contract": 100,
        "tick-sizes": _OPTION_TICKS,
        "expirations": [_expiration(day) for day in reversed(_DAYS)],
    }
    adjusted = {**standard, "root-symbol": "AAPL1", "option-chain-type": "Non-standard"}
    return [adjusted, standard]


def _share(symbol: str, price: str, *, active: bool = True, closing_only: bool = False) -> Listed:
    wire = {
        "id": 726,
        "symbol": symbol,
        "instrument-type": "Equity",
        "is-index": False,
        "listed-market": "XNAS",
        "lendability": "Easy To Borrow",
        "is-closing-only": closing_only,
        "is-options-closing-only": False,
        "active": active,
        "is-fractional-quantity-eligible": True,
        "is-illiquid": False,
        "streamer-symbol": symbol,
        "tick-sizes": _SHARE_TICKS,
        "option-tick-sizes": _OPTION_TICKS,
    }
    return Listed("Equity", Decimal(price), Decimal(1), wire)


def _future(symbol: str, day: str) -> Listed:
    wire = {
        "symbol": symbol,
        "product-code": "ES",
        "contract-size": "50.0",
        "tick-size": "0.25",
        "tick-sizes": [{"value": "0.25"}],
        "spread-tick-sizes": [{"symbol": symbol, "value": "0.05"}],
        "notional-multiplier": "50.0",
        "expiration-date": day,
        "active": True,
        "is-tradeable": True,
        "is-closing-only": False,
    }
    return Listed("Future", Decimal(6000), Decimal(50), wire)


def _option(symbol: str) -> Listed:
    option = parse_option(symbol)
    assert option is not None
    wire = {
        "symbol": symbol,
        "instrument-type": "Equity Option",
        "active": True,
        "strike-price": f"{option.strike}.0",
        "root-symbol": option.root,
        "underlying-symbol": "AAPL",
        "expiration-date": option.expiration.isoformat(),
        "option-type": symbol[12],
        "shares-per-contract": 100,
        "is-closing-only": False,
    }
    inner = option.strike - 200 if option.right == "put" else 200 - option.strike
    return Listed("Equity Option", max(inner, Decimal(0)) + 5, Decimal(100), wire)


def _pair(day: str, strike: int) -> tuple[str, str]:
    tail = f"{day[2:4]}{day[5:7]}{day[8:]}"
    return f"AAPL  {tail}C{strike * 1000:08d}", f"AAPL  {tail}P{strike * 1000:08d}"


def _expiration(day: str) -> dict[str, Any]:
    strikes = []
    for strike in reversed(_STRIKES):
        call, put = _pair(day, strike)
        strikes.append({"strike-price": f"{strike}.0", "call": call, "put": put})
    return {
        "expiration-type": "Regular",
        "expiration-date": day,
        "days-to-expiration": 30,
        "settlement-type": "PM",
        "strikes": strikes,
    }
