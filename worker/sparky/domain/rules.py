"""What a venue allows for one instrument, and exact arithmetic on its steps."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import ROUND_HALF_EVEN, Context, Decimal, DivisionByZero, InvalidOperation
from typing import Final

# Wide enough that every operation here is exact for numbers of 30 digits and 20 decimals, and
# independent of the decimal context of the calling thread.
_EXACT: Final = Context(prec=200, rounding=ROUND_HALF_EVEN, traps=[InvalidOperation, DivisionByZero])
_HUNDRED: Final = Decimal(100)
_ZERO: Final = Decimal(0)
_ONE: Final = Decimal(1)
_ABOVE_ZERO: Final = (
    "quantity_step",
    "price_tick",
    "max_quantity",
    "market_quantity_step",
    "max_market_quantity",
    "max_price",
    "multiplier",
)
_NOT_NEGATIVE: Final = ("min_quantity", "min_notional", "min_market_quantity", "min_price")


@dataclass(frozen=True, slots=True)
class TickBand:
    """The price tick for prices below a bound; without a bound, for all that are left."""

    below: Decimal | None
    tick: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class TrailBounds:
    """How near and how far behind the price a trailing stop may follow, in per cent of it or in its units."""

    least: Decimal
    most: Decimal | None
    in_percent: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class InstrumentRules:
    """Steps, minima and maxima of one instrument.

    `min_quantity` and `min_notional` are 0 where there is none; of the optional ones None means that there
    is none, or for the market ones that those of limit orders hold. The first of `tick_bands` that fits a
    price has its tick, else it is `price_tick`. `multiplier` is what one unit of quantity holds of what the
    price is for, such as 100 for an option. `pip` is there where the market counts in pips, `trail` where
    the venue bounds trailing stops. A `closing_only` instrument takes no order that opens.

    Raises:
        ValueError: a step, a maximum or the multiplier is not above zero, or a minimum is negative.
    """

    symbol: str
    quantity_step: Decimal
    price_tick: Decimal
    min_quantity: Decimal = _ZERO
    min_notional: Decimal = _ZERO
    can_short: bool = True
    max_quantity: Decimal | None = None
    market_quantity_step: Decimal | None = None
    min_market_quantity: Decimal | None = None
    max_market_quantity: Decimal | None = None
    tick_bands: tuple[TickBand, ...] = ()
    min_price: Decimal | None = None
    max_price: Decimal | None = None
    multiplier: Decimal = _ONE
    tradable: bool = True
    closing_only: bool = False
    pip: Decimal | None = None
    trail: TrailBounds | None = None

    def __post_init__(self) -> None:
        if not self.symbol:
            raise ValueError("instrument rules need a symbol")
        above_zero = {name: getattr(self, name) for name in _ABOVE_ZERO}
        above_zero |= {
            f"tick {number} of tick_bands": band.tick for number, band in enumerate(self.tick_bands)
        }
        for name, value in above_zero.items():
            if value is not None and not (value.is_finite() and value > 0):
                raise ValueError(f"{name} of {self.symbol} must be above zero, not {value}")
        for name in _NOT_NEGATIVE:
            value = getattr(self, name)
            if value is not None and not (value.is_finite() and value >= 0):
                raise ValueError(f"{name} of {self.symbol} must not be negative, not {value}")

    @property
    def smallest_quantity(self) -> Decimal:
        """The smallest multiple of the step that is not below the venue's minimum."""
        return max(self.quantity_step, round_up_to_step(self.min_quantity, self.quantity_step))

    def at_market(self) -> "InstrumentRules":
        """Return the rules of orders without a limit price, which some venues keep apart."""
        bounds = (self.market_quantity_step, self.min_market_quantity, self.max_market_quantity)
        if bounds == (None, None, None):
            return self
        step, least, most = bounds
        return replace(
            self,
            quantity_step=step or self.quantity_step,
            min_quantity=self.min_quantity if least is None else least,
            max_quantity=most or self.max_quantity,
        )

    def tick_at(self, price: Decimal) -> Decimal:
        """Return the step of prices around `price`."""
        for band in self.tick_bands:
            if band.below is None or price < band.below:
                return band.tick
        return self.price_tick

    def price_down(self, price: Decimal) -> Decimal:
        """Return an allowed price close to `price` and not above it, for prices of zero or more."""
        return self._on_tick(price, round_down_to_step)

    def price_up(self, price: Decimal) -> Decimal:
        """Return an allowed price close to `price` and not below it, for prices of zero or more."""
        return self._on_tick(price, round_up_to_step)

    def _on_tick(self, price: Decimal, rounded: Callable[[Decimal, Decimal], Decimal]) -> Decimal:
        # A step out of one band may land beside the steps of the next; there are only so many bands.
        for _ in range(len(self.tick_bands) + 1):
            price = rounded(price, self.tick_at(price))
        return price

    def quantity_down(self, quantity: Decimal) -> Decimal:
        """Return the largest tradable quantity that is not above `quantity`; it may be zero."""
        return round_down_to_step(quantity, self.quantity_step)

    def quantity_for(self, notional: Decimal, price: Decimal) -> Decimal:
        """Return the largest tradable quantity that costs no more than `notional` at `price`."""
        # notional // (price * step) is exact; notional / price is not
        of_one_step = _EXACT.multiply(_EXACT.multiply(price, self.multiplier), self.quantity_step)
        steps = _EXACT.divide_int(notional, of_one_step)
        return _EXACT.multiply(steps, self.quantity_step)

    def quantity_of_percent(self, quantity: Decimal, percent: Decimal) -> Decimal:
        """Return the largest tradable quantity that is not above that part of `quantity`."""
        part = _EXACT.multiply(quantity, percent)
        steps = _EXACT.divide_int(part, _EXACT.multiply(self.quantity_step, _HUNDRED))
        return _EXACT.multiply(steps, self.quantity_step)


def round_down_to_step(value: Decimal, step: Decimal) -> Decimal:
    """Return the largest multiple of `step` that is not above `value`, for values of zero or more."""
    return _EXACT.multiply(_EXACT.divide_int(value, step), step)


def round_up_to_step(value: Decimal, step: Decimal) -> Decimal:
    """Return the smallest multiple of `step` that is not below `value`, for values of zero or more."""
    down = round_down_to_step(value, step)
    return down if down == value else _EXACT.add(down, step)


def common_step(left: Decimal, right: Decimal) -> Decimal:
    """Return the smallest step whose multiples are multiples of both."""
    exponent = min(int(left.as_tuple().exponent), int(right.as_tuple().exponent), 0)
    whole = math.lcm(*(int(_EXACT.scaleb(step, -exponent)) for step in (left, right)))
    return _EXACT.scaleb(Decimal(whole), exponent)


def exact_product(left: Decimal, right: Decimal) -> Decimal:
    """Multiply without rounding."""
    return _EXACT.multiply(left, right)


def exact_sum(left: Decimal, right: Decimal) -> Decimal:
    """Add without rounding."""
    return _EXACT.add(left, right)


def exact_difference(left: Decimal, right: Decimal) -> Decimal:
    """Subtract without rounding."""
    return _EXACT.subtract(left, right)


def percent_of(value: Decimal, percent: Decimal) -> Decimal:
    """Return that many hundredths of `value`, without rounding."""
    return _EXACT.scaleb(_EXACT.multiply(value, percent), -2)


def share_in_percent(part: Decimal, whole: Decimal) -> Decimal:
    """Return how many hundredths of `whole` a part is, at most 100, rounded down at the twelfth decimal."""
    hundredfold = _EXACT.scaleb(part, 2)
    return min(_EXACT.scaleb(_EXACT.divide_int(_EXACT.scaleb(hundredfold, 12), whole), -12), _HUNDRED)
