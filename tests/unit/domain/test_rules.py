from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparky.domain.rules import InstrumentRules, round_down_to_step, round_up_to_step

AMOUNTS = st.decimals(min_value=0, max_value=Decimal(10) ** 25, places=15)
STEPS = st.decimals(min_value=Decimal("1E-12"), max_value=1000, places=12)


@given(AMOUNTS, STEPS)
def test_rounding_stays_on_the_step_and_within_one_of_it(value: Decimal, step: Decimal) -> None:
    down, up = round_down_to_step(value, step), round_up_to_step(value, step)
    assert Fraction(down) % Fraction(step) == 0
    assert Fraction(up) % Fraction(step) == 0
    assert Fraction(down) <= Fraction(value) <= Fraction(up)
    assert Fraction(value) - Fraction(down) < Fraction(step)
    assert Fraction(up) - Fraction(value) < Fraction(step)


@given(AMOUNTS, st.decimals(min_value=Decimal("1E-8"), max_value=10**9, places=8), STEPS)
def test_a_value_buys_as_many_steps_as_it_pays_for(notional: Decimal, price: Decimal, step: Decimal) -> None:
    rules = InstrumentRules(symbol="X", quantity_step=step, price_tick=Decimal(1))
    bought = Fraction(rules.quantity_for(notional, price))
    assert bought % Fraction(step) == 0
    assert bought * Fraction(price) <= Fraction(notional)
    assert (bought + Fraction(step)) * Fraction(price) > Fraction(notional)


@pytest.mark.parametrize(
    ("minimum", "step", "smallest"), [("0", "0.01", "0.01"), ("0.015", "0.01", "0.02"), ("1", "0.5", "1")]
)
def test_the_smallest_quantity_is_on_the_step(minimum: str, step: str, smallest: str) -> None:
    rules = InstrumentRules(
        symbol="X", quantity_step=Decimal(step), price_tick=Decimal(1), min_quantity=Decimal(minimum)
    )
    assert rules.smallest_quantity == Decimal(smallest)


@pytest.mark.parametrize(
    "wrong",
    [
        {"symbol": ""},
        {"quantity_step": Decimal(0)},
        {"quantity_step": Decimal("NaN")},
        {"price_tick": Decimal(-1)},
        {"min_quantity": Decimal(-1)},
        {"min_notional": Decimal("Infinity")},
    ],
)
def test_rules_that_cannot_be_are_refused(wrong: dict[str, Any]) -> None:
    right: dict[str, Any] = {"symbol": "X", "quantity_step": Decimal(1), "price_tick": Decimal(1)}
    with pytest.raises(ValueError, match=next(iter(wrong))):
        InstrumentRules(**right | wrong)
