"""The instruments of the fake Aster, and what it refuses by their filters."""

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from tests.venues.fakes.aster.wallets import refuse

_PLAIN: Final = re.compile(r"[0-9]{1,20}(\.[0-9]{1,20})?", re.ASCII)


@dataclass(slots=True, kw_only=True)
class Instrument:
    """One perpetual. `status` is what tests change."""

    symbol: str
    price: Decimal
    tick: Decimal = Decimal("0.10")
    step: Decimal = Decimal("0.001")
    market_step: Decimal = Decimal("0.001")
    least: Decimal = Decimal("0.001")
    most: Decimal = Decimal(10_000)
    market_most: Decimal = Decimal(5000)
    least_price: Decimal = Decimal("0.10")
    most_price: Decimal = Decimal(1_000_000)
    notional: Decimal = Decimal(5)
    up: Decimal = Decimal("1.15")
    down: Decimal = Decimal("0.85")
    status: str = "TRADING"

    def row(self) -> dict[str, Any]:
        """Return the instrument as exchangeInfo lists it."""
        return {
            "symbol": self.symbol,
            "pair": self.symbol,
            "contractType": "PERPETUAL",
            "status": self.status,
            "baseAsset": self.symbol.removesuffix("USDT"),
            "quoteAsset": "USDT",
            "marginAsset": "USDT",
            # Not the steps, as Aster warns: whoever takes them for the steps is refused.
            "pricePrecision": 5,
            "quantityPrecision": 6,
            "filters": [
                _filter(
                    "PRICE_FILTER", minPrice=self.least_price, maxPrice=self.most_price, tickSize=self.tick
                ),
                _filter("LOT_SIZE", minQty=self.least, maxQty=self.most, stepSize=self.step),
                _filter(
                    "MARKET_LOT_SIZE", minQty=self.least, maxQty=self.market_most, stepSize=self.market_step
                ),
                {"filterType": "MAX_NUM_ORDERS", "limit": 200},
                {"filterType": "MAX_NUM_ALGO_ORDERS", "limit": 100},
                _filter("MIN_NOTIONAL", notional=self.notional),
                {
                    **_filter("PERCENT_PRICE", multiplierUp=self.up, multiplierDown=self.down),
                    "multiplierDecimal": 4,
                },
            ],
            "orderTypes": ["LIMIT", "MARKET", "STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET"],
            "timeInForce": ["GTC", "IOC", "FOK", "GTX", "HIDDEN"],
        }

    def check_price(self, name: str, price: Decimal) -> None:
        """Refuse a price or stop price that the filters do not let through."""
        if price < self.least_price:
            raise refuse(400, -4013, "Price less than min price.")
        if price > self.most_price:
            raise refuse(400, -4002 if name == "price" else -4007, "Price greater than max price.")
        if price % self.tick:
            raise refuse(400, -4014, "Price not increased by tick size.")

    def check_percent(self, side: str, price: Decimal, mark: Decimal) -> None:
        """Refuse a limit price that is too far from the mark price."""
        if side == "BUY" and price > mark * self.up:
            raise refuse(400, -4016, f"Limit price can't be higher than {mark * self.up}.")
        if side == "SELL" and price < mark * self.down:
            raise refuse(400, -4024, f"Limit price can't be lower than {mark * self.down}.")

    def check_quantity(self, quantity: Decimal, *, at_market: bool) -> None:
        """Refuse a quantity that the filters do not let through."""
        if quantity <= 0:
            raise refuse(400, -4003, "Quantity less than zero.")
        if quantity < self.least:
            raise refuse(400, -4004, "Quantity less than min quantity.")
        if quantity > (self.market_most if at_market else self.most):
            raise refuse(400, -4005, "Quantity greater than max quantity.")
        if quantity % (self.market_step if at_market else self.step):
            raise refuse(400, -4023, "Qty not increased by step size.")

    def check_notional(self, value: Decimal) -> None:
        """Refuse an order that is worth too little."""
        if value < self.notional:
            raise refuse(
                400,
                -4164,
                f"Order's notional must be no smaller than {self.notional} (unless you choose reduce only)",
            )


def plain_number(name: str, text: str) -> Decimal:
    """Read a number as Aster takes it: plain digits, no exponent, no sign."""
    if not _PLAIN.fullmatch(text):
        raise refuse(
            400, -1100, f"Illegal characters found in parameter '{name}'; legal range is '^[0-9.]+$'."
        )
    return Decimal(text)


def _filter(kind: str, **values: Decimal) -> dict[str, Any]:
    return {"filterType": kind, **{name: format(value, "f") for name, value in values.items()}}
