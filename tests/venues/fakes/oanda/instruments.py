"""What the fake OANDA lists."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One instrument, in OANDA's own terms."""

    name: str
    price_decimals: int
    unit_decimals: int
    least: Decimal
    most: Decimal
    least_trail: Decimal
    most_trail: Decimal
    margin_rate: Decimal

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "type": "METAL" if self.name.startswith("X") else "CURRENCY",
            "displayName": self.name.replace("_", "/"),
            "pipLocation": 1 - self.price_decimals,
            "displayPrecision": self.price_decimals,
            "tradeUnitsPrecision": self.unit_decimals,
            "minimumTradeSize": f"{self.least:f}",
            "maximumTrailingStopDistance": f"{self.most_trail:f}",
            "minimumTrailingStopDistance": f"{self.least_trail:f}",
            "maximumPositionSize": "0",
            "maximumOrderUnits": f"{self.most:f}",
            "marginRate": f"{self.margin_rate:f}",
            "guaranteedStopLossOrderMode": "DISABLED",
            "tags": [{"type": "ASSET_CLASS", "name": "CURRENCY"}],
            "financing": {"longRate": "-0.01", "shortRate": "-0.02", "financingDaysOfWeek": []},
        }


def _listed(name: str, price_decimals: int, trail: str, *, most: str = "100000000", units: int = 0) -> Listed:
    tick = Decimal(1).scaleb(-units)
    return Listed(
        name=name,
        price_decimals=price_decimals,
        unit_decimals=units,
        least=tick,
        most=Decimal(most),
        least_trail=Decimal(trail),
        most_trail=Decimal(trail) * 2000,
        margin_rate=Decimal("0.02"),
    )


INSTRUMENTS = {
    one.name: one
    for one in (
        _listed("EUR_USD", 5, "0.00050"),
        _listed("EUR_GBP", 5, "0.00050"),
        _listed("GBP_USD", 5, "0.00050"),
        _listed("USD_JPY", 3, "0.050"),
        _listed("XAU_USD", 3, "1.000", most="10000"),
        _listed("SPX500_USD", 1, "1.0", most="5000", units=1),
    )
}
PRICES = {
    "EUR_USD": Decimal("1.10000"),
    "EUR_GBP": Decimal("0.85000"),
    "GBP_USD": Decimal("1.30000"),
    "USD_JPY": Decimal("150.000"),
    "XAU_USD": Decimal("2400.000"),
    "SPX500_USD": Decimal("6000.0"),
}
