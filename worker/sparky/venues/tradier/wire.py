"""Tradier's JSON, which is translated XML: a lone element is an object, and none at all is null or "null".

Source: https://documentation.tradier.com/brokerage-api/overview/response-format; the text `"null"` has been
seen in production answers, such as `{"orders":"null"}`.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Any, Final

_NOTHING: Final = ("null", "")
# Bounded, so that exact arithmetic on two of them stays exact.
_NUMBER: Final = re.compile(r"[+-]?\d{1,30}(\.\d{1,30})?", re.ASCII)
_ID: Final = re.compile(r"\d{1,20}", re.ASCII)
# Beyond them arithmetic on times fails.
_YEARS: Final = range(1970, 2200)
_PLACES: Final = Decimal("1e-12")
_DIGITS: Final = -12
_WIDE: Final = Context(prec=100, rounding=ROUND_HALF_EVEN)


class NotUnderstood(ValueError):  # noqa: N818 - says what the answer is
    """The answer is not of Tradier's language. The message names the place, never a value."""


def mapping(answer: Any, name: str) -> Mapping[str, Any]:
    """Return the object under a name; a missing one is not understood."""
    if not isinstance(answer, Mapping) or not isinstance(answer.get(name), Mapping):
        raise NotUnderstood(name)
    value: Mapping[str, Any] = answer[name]
    return value


def one_or_many(answer: Any, outer: str, inner: str) -> tuple[Mapping[str, Any], ...]:
    """Return the elements of a list in any of its spellings.

    Raises:
        NotUnderstood: the list itself is not there: silence never means that it is empty.
    """
    if not isinstance(answer, Mapping) or outer not in answer:
        raise NotUnderstood(outer)
    held = answer[outer]
    if held is None or held in _NOTHING:
        return ()
    if not isinstance(held, Mapping) or inner not in held:
        raise NotUnderstood(f"{outer}.{inner}")
    return elements(held[inner], f"{outer}.{inner}")


def elements(value: Any, place: str) -> tuple[Mapping[str, Any], ...]:
    """Return one element, several, or none, as a tuple of objects."""
    if value is None or value in _NOTHING:
        return ()
    many = value if isinstance(value, list) else [value]
    if not all(isinstance(one, Mapping) for one in many):
        raise NotUnderstood(place)
    return tuple(many)


def texts(value: Any, place: str) -> tuple[str, ...]:
    """Return one text, several, or none, as a tuple."""
    if value is None or value in _NOTHING:
        return ()
    many = value if isinstance(value, list) else [value]
    if not all(isinstance(one, str) for one in many):
        raise NotUnderstood(place)
    return tuple(many)


def text(source: Mapping[str, Any], name: str) -> str:
    """Return a text that must be there and say something."""
    value = optional_text(source, name)
    if value is None:
        raise NotUnderstood(name)
    return value


def optional_text(source: Mapping[str, Any], name: str) -> str | None:
    """Return a text, or None where there is none in any spelling."""
    value = source.get(name)
    if value is None or value in _NOTHING:
        return None
    if not isinstance(value, str):
        raise NotUnderstood(name)
    return value


def identifier(source: Mapping[str, Any], name: str) -> str:
    """Return an id, which comes as a whole number, as text."""
    value = source.get(name)
    if isinstance(value, bool) or not isinstance(value, int | str) or not _ID.fullmatch(str(value)):
        raise NotUnderstood(name)
    return str(value)


def number(source: Mapping[str, Any], name: str) -> Decimal:
    """Return a number that must be there, without needless zeros."""
    value = source.get(name)
    if isinstance(value, bool) or not isinstance(value, int | Decimal | str):
        raise NotUnderstood(name)
    written = format(value, "f") if isinstance(value, Decimal) else str(value)
    if _NUMBER.fullmatch(written) is None:
        raise NotUnderstood(name)
    return tidy(Decimal(written))


def optional_number(source: Mapping[str, Any], name: str) -> Decimal | None:
    """Return a number, or None where there is none in any spelling."""
    value = source.get(name)
    return None if value is None or value in _NOTHING else number(source, name)


def moment(source: Mapping[str, Any], name: str) -> datetime:
    """Return a time, such as 2018-06-01T12:02:29.682Z, in UTC."""
    value = text(source, name)
    try:
        parsed = datetime.fromisoformat(value)
    except ValueError:
        raise NotUnderstood(name) from None
    if parsed.tzinfo is None or parsed.year not in _YEARS:
        raise NotUnderstood(name)
    return parsed.astimezone(UTC)


def optional_moment(source: Mapping[str, Any], name: str) -> datetime | None:
    """Return a time, or None where there is none in any spelling."""
    return None if optional_text(source, name) is None else moment(source, name)


def tidy(value: Decimal) -> Decimal:
    """Round to twelve decimals and drop the zeros at the end, without an exponent."""
    exponent = value.as_tuple().exponent
    fine = isinstance(exponent, int) and exponent < _DIGITS
    short = value.quantize(_PLACES, context=_WIDE) if fine else value
    whole = short.to_integral_value()
    return Decimal(int(whole)) if whole == short else short.normalize(_WIDE)
