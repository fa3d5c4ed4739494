"""Strict reading of JSON fields: the wrong type is an error that names the field, never a guess."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final, TypeVar
from uuid import UUID

from sparky.domain.errors import WorkOrderError

# Beyond them arithmetic on times fails.
_YEARS: Final = range(1970, 2200)

T = TypeVar("T")
E = TypeVar("E", bound=StrEnum)

# Bounded, so that exact arithmetic on two of them stays within the precision of `rules`.
_DECIMALS: Final = 20
_DECIMAL: Final = re.compile(rf"-?[0-9]{{1,30}}(\.[0-9]{{1,{_DECIMALS}}})?", re.ASCII)
_DAY: Final = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_TIME_OF_DAY: Final = re.compile(r"([01]\d|2[0-3]):[0-5]\d", re.ASCII)
_DAY_AND_TIME: Final = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d", re.ASCII)


def mapping(value: Any, path: str) -> Mapping[str, Any]:
    """Return `value` if it is a JSON object."""
    if not isinstance(value, Mapping):
        raise WorkOrderError(path, f"must be an object, not {_kind(value)}")
    return value


def items(source: Mapping[str, Any], name: str, path: str) -> list[Any]:
    """Return the list in a field."""
    value = present(source, name, path)
    if not isinstance(value, list):
        raise WorkOrderError(f"{path}.{name}", f"must be a list, not {_kind(value)}")
    return value


def present(source: Mapping[str, Any], name: str, path: str) -> Any:
    """Return the value of a field that must be there and not be null."""
    value = source.get(name)
    if value is None:
        raise WorkOrderError(f"{path}.{name}", "is missing")
    return value


def optional(
    read: Callable[[Mapping[str, Any], str, str], T], source: Mapping[str, Any], name: str, path: str
) -> T | None:
    """Read a field that may be absent or null."""
    return None if source.get(name) is None else read(source, name, path)


def refuse_unknown(source: Mapping[str, Any], known: frozenset[str], path: str) -> None:
    """Refuse fields whose meaning is not known here."""
    unknown = sorted(str(name) for name in source if name not in known)
    if unknown:
        raise WorkOrderError(f"{path}.{unknown[0][:64]}", "is not a field that this worker knows")


def as_text(value: Any, path: str) -> str:
    """Return `value` if it is text."""
    if not isinstance(value, str):
        raise WorkOrderError(path, f"must be text, not {_kind(value)}")
    return value


def text(source: Mapping[str, Any], name: str, path: str) -> str:
    """Return the text of a field, which may not be empty."""
    value = as_text(present(source, name, path), f"{path}.{name}")
    if not value:
        raise WorkOrderError(f"{path}.{name}", "is empty")
    return value


def time_of_day(source: Mapping[str, Any], name: str, path: str) -> str:
    """Return a time of day as hours and minutes, such as 09:30."""
    value = text(source, name, path)
    if _TIME_OF_DAY.fullmatch(value) is None:
        raise WorkOrderError(f"{path}.{name}", f"must be a time of day such as 09:30, not {value!r:.40}")
    return value


def boolean(source: Mapping[str, Any], name: str, path: str) -> bool:
    """Return a field that is true or false."""
    value = present(source, name, path)
    if not isinstance(value, bool):
        raise WorkOrderError(f"{path}.{name}", f"must be true or false, not {_kind(value)}")
    return value


def integer(source: Mapping[str, Any], name: str, path: str, *, least: int = 0) -> int:
    """Return a whole number of at least `least`."""
    value = present(source, name, path)
    if not isinstance(value, int) or isinstance(value, bool):
        raise WorkOrderError(f"{path}.{name}", f"must be a whole number, not {_kind(value)}")
    if value < least:
        raise WorkOrderError(f"{path}.{name}", f"must be at least {least}, not {value}")
    return value


def decimal(source: Mapping[str, Any], name: str, path: str) -> Decimal:
    """Return an exact number, which travels as text of at most 30 digits and 20 decimals."""
    value = as_text(present(source, name, path), f"{path}.{name}")
    if not _DECIMAL.fullmatch(value):
        raise WorkOrderError(f"{path}.{name}", "must be a plain decimal number in text, such as 1.5")
    return Decimal(value)


def positive(source: Mapping[str, Any], name: str, path: str) -> Decimal:
    """Return an exact number above zero."""
    value = decimal(source, name, path)
    if value <= 0:
        raise WorkOrderError(f"{path}.{name}", f"must be above zero, not {value}")
    return value


def not_negative(source: Mapping[str, Any], name: str, path: str) -> Decimal:
    """Return an exact number of zero or more."""
    value = decimal(source, name, path)
    if value < 0:
        raise WorkOrderError(f"{path}.{name}", f"must not be negative, not {value}")
    return value


def moment(source: Mapping[str, Any], name: str, path: str) -> datetime:
    """Return an ISO 8601 time with an offset, in UTC."""
    value = text(source, name, path)
    # fromisoformat also reads week dates and bare days, which nobody writes here on purpose
    parsed = _parse_time(value) if _DAY_AND_TIME.match(value) else None
    if parsed is None:
        raise WorkOrderError(f"{path}.{name}", "must be an ISO 8601 time with an offset")
    return parsed


def day(source: Mapping[str, Any], name: str, path: str) -> date:
    """Return a day, which travels as YYYY-MM-DD."""
    value = text(source, name, path)
    try:
        parsed = date.fromisoformat(value) if _DAY.fullmatch(value) else None
    except ValueError:
        parsed = None
    if parsed is None or parsed.year not in _YEARS:
        raise WorkOrderError(f"{path}.{name}", "must be a day such as 2026-04-17")
    return parsed


def identifier(source: Mapping[str, Any], name: str, path: str) -> str:
    """Return a UUID, in lower case with dashes."""
    value = text(source, name, path)
    try:
        return str(UUID(value))
    except ValueError:
        raise WorkOrderError(f"{path}.{name}", "must be a UUID") from None


def choice(source: Mapping[str, Any], name: str, path: str, kind: type[E]) -> E:
    """Return one of the values of an enumeration."""
    value = text(source, name, path)
    try:
        return kind(value)
    except ValueError:
        raise WorkOrderError(f"{path}.{name}", f"must be one of {', '.join(kind)}") from None


def decimal_text(value: Decimal) -> str:
    """Write a number as it travels: never with an exponent, and with no more decimals than are read back.

    Only what was divided has more, such as an average price. Of that all later work orders of the lane carry
    the text, so it must not be one that none of them can read.
    """
    text = format(value, "f")
    return text if len(text.partition(".")[2]) <= _DECIMALS else format(round(value, _DECIMALS), "f")


def optional_decimal_text(value: Decimal | None) -> str | None:
    """Write an exact number that may be absent."""
    return None if value is None else decimal_text(value)


def _parse_time(value: str) -> datetime | None:
    try:
        parsed = datetime.fromisoformat(value)
    except ValueError:
        return None
    return parsed.astimezone(UTC) if parsed.tzinfo is not None and parsed.year in _YEARS else None


def _kind(value: Any) -> str:
    return "null" if value is None else type(value).__name__
