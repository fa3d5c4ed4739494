"""Strict reading of Aster's JSON: amounts are text, moments are milliseconds."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from sparky.domain import fields
from sparky.domain.errors import WorkOrderError

_PLACE: Final = "aster"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
# Of the year 2200: beyond the years that Python counts, arithmetic on times fails.
_LATEST_MS: Final = 7_258_118_400_000


class Unreadable(ValueError):  # noqa: N818 - says what the answer is
    """An answer is not of Aster's language. The message names the field and shows no value."""


def mapping(value: Any, name: str) -> Mapping[str, Any]:
    """Return a JSON object."""
    try:
        return fields.mapping(value, f"{_PLACE}.{name}")
    except WorkOrderError as error:
        raise Unreadable(error.field) from None


def list_of(value: Any, name: str) -> Sequence[Any]:
    """Return a JSON list."""
    if not isinstance(value, list):
        raise Unreadable(f"{_PLACE}.{name}")
    return value


def text(source: Mapping[str, Any], name: str) -> str:
    """Return the text of a field, which may not be empty."""
    try:
        return fields.text(source, name, _PLACE)
    except WorkOrderError as error:
        raise Unreadable(error.field) from None


def integer(source: Mapping[str, Any], name: str) -> int:
    """Return a whole number of at least zero."""
    try:
        return fields.integer(source, name, _PLACE)
    except WorkOrderError as error:
        raise Unreadable(error.field) from None


def decimal(source: Mapping[str, Any], name: str) -> Decimal:
    """Return an exact number. Aster writes amounts as text; a JSON number is as exact, and taken too."""
    value = source.get(name)
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        value = format(Decimal(value), "f")
    try:
        return fields.decimal({name: value}, name, _PLACE)
    except WorkOrderError as error:
        raise Unreadable(error.field) from None


def optional_decimal(source: Mapping[str, Any], name: str) -> Decimal | None:
    """Return an exact number that may be missing."""
    return None if source.get(name) is None else decimal(source, name)


def milliseconds(source: Mapping[str, Any], name: str) -> int:
    """Return a moment as it travels: in milliseconds since 1970."""
    value = integer(source, name)
    if value > _LATEST_MS:
        raise Unreadable(f"{_PLACE}.{name}")
    return value


def moment(source: Mapping[str, Any], name: str) -> datetime:
    """Return a moment, which travels as milliseconds."""
    return _EPOCH + timedelta(milliseconds=milliseconds(source, name))
