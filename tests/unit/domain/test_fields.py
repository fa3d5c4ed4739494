"""Numbers as they travel."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from sparky.domain import fields


@given(st.integers(1, 10**12), st.integers(1, 10**6))
def test_what_was_divided_is_written_as_it_can_be_read_back(dividend: int, divisor: int) -> None:
    value = Decimal(dividend) / Decimal(divisor)
    read = fields.decimal({"price": fields.decimal_text(value)}, "price", "$")
    assert abs(read - value) <= Decimal("1e-20")


def test_what_can_be_read_back_is_written_to_its_last_decimal() -> None:
    assert fields.decimal_text(Decimal("1.50")) == "1.50"
    assert fields.decimal_text(Decimal("1E-20")) == "0.00000000000000000001"
