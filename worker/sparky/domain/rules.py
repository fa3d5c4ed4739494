"""What a venue allows for one instrument, and exact arithmetic on its steps."""

from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Context, Decimal, DivisionByZero, InvalidOperation
from typing import Final

# Wide enough that every operation here is exact for numbers of 30 digits and 20 decimals, and
# independent of the decimal context of the calling thread.
_EXACT: Final = Context(prec=200, rounding=ROUND_HALF_EVEN, traps=[InvalidOperation, DivisionByZero])
_HUNDRED: Final = Decimal(100)
_ZERO: Final = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class InstrumentRules:
    """Steps and minima of one instrument. `min_quantity` and `min_notional` are 0 where there is none.

    Raises:
        ValueError: a step is not above zero, or a minimum is negative.
    """

    symbol: str
    quantity_step: Decimal
    price_tick: Decimal
    min_quantity: Decimal = _ZERO
    min_notional: Decimal = _ZERO
    can_short: bool = True

    def __post_init__(self) -> None:
        if not self.symbol:
            raise ValueError("instrument rules need a symbol")
        for name in ("quantity_step", "price_tick"):
            value = getattr(self, name)
            if not value.is_finite() or value <= 0:
                raise ValueError(f"{name} of {self.symbol} must be above zero, not {value}")
        for name in ("min_quantity", "min_notional"):
            value = getattr(self, name)
            if not value.is_finite() or value < 0:
                raise ValueError(f"{name} of {self.symbol} must not be negative, not {value}")

    @property
    def smallest_quantity(self) -> Decimal:
        """The smallest multiple of the step that is not below the venue's minimum."""
        return max(self.quantity_step, round_up_to_step(self.min_quantity, self.quantity_step))

    def quantity_down(self, quantity: Decimal) -> Decimal:
        """Return the largest tradable quantity that is not above `quantity`; it may be zero."""
        return round_down_to_step(quantity, self.quantity_step)

    def quantity_for(self, notional: Decimal, price: Decimal) -> Decimal:
        """Return the largest tradable quantity that costs no more than `notional` at `price`."""
        # notional // (price * step) is exact; notional / price is not
        steps = _EXACT.divide_int(notional, _EXACT.multiply(price, self.quantity_step))
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


def exact_product(left: Decimal, right: Decimal) -> Decimal:
    """Multiply without rounding."""
    return _EXACT.multiply(left, right)


def exact_difference(left: Decimal, right: Decimal) -> Decimal:
    """Subtract without rounding."""
    return _EXACT.subtract(left, right)
