"""Numbers as a person reads them."""

from decimal import Decimal


def readable(number: Decimal | None) -> str:
    """Write a number without an exponent, and without zeros at its end; nothing as nothing."""
    if number is None:
        return ""
    text = format(number, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
