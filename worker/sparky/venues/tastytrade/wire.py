"""tastytrade's way of writing: the envelope around every answer, numbers, and signs beside them.

Keys have dashes, what is asked for is under `data`, lists are under `data.items`; numbers come as text or as
JSON numbers, without a sign: a field of the same name with `-effect` says Debit or Credit
(https://developer.tastytrade.com/docs/concepts/orders-and-order-types).
"""

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final, TypeVar

from sparky.domain import fields
from sparky.domain.errors import VenueUnavailable, WorkOrderError
from sparky.venues.http import NotJson, Reply

T = TypeVar("T")

# As it begins a sentence.
LABEL: Final = "Tastytrade"
_DEBIT: Final = "Debit"
_MOST_PLACES: Final = 20
_LONG: Final = re.compile(r"-?[0-9]{1,30}\.[0-9]{21,60}", re.ASCII)


def understood(read: Callable[[], T], what: str) -> T:
    """Return what `read` makes of an answer.

    Raises:
        VenueUnavailable: it is not in the venue's language: then it says nothing, least of all "none".
    """
    try:
        return read()
    except WorkOrderError as error:
        raise VenueUnavailable(f"{LABEL}'s {what} were not understood: {error.field}.") from None
    except ValueError:
        raise VenueUnavailable(f"{LABEL}'s {what} were not understood.") from None


def envelope(reply: Reply) -> Mapping[str, Any] | None:
    """Return the JSON object of an answer; None when it is none."""
    try:
        body = reply.json()
    except NotJson:
        return None
    return body if isinstance(body, Mapping) else None


def data_items(body: Mapping[str, Any], path: str) -> list[Mapping[str, Any]]:
    """Return the objects of `data.items`.

    Raises:
        WorkOrderError: the answer is not a list of objects.
    """
    data = fields.mapping(body.get("data"), f"{path}.data")
    listed = fields.items(data, "items", path)
    return [fields.mapping(item, f"{path}[{index}]") for index, item in enumerate(listed)]


def number(source: Mapping[str, Any], name: str, path: str) -> Decimal:
    """Return a number that comes as text or as a JSON number.

    Raises:
        WorkOrderError: it is missing or anything else.
    """
    value = fields.present(source, name, path)
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        value = format(value, "f") if isinstance(value, Decimal) else str(value)
    if isinstance(value, str) and _LONG.fullmatch(value):
        # Averages are divided out to as many places as the venue's arithmetic has.
        value = value[: value.index(".") + 1 + _MOST_PLACES]
    return fields.decimal({name: value}, name, path)


def signed(source: Mapping[str, Any], name: str, path: str) -> Decimal:
    """Return an amount of money: what leaves the account, a debit, is below zero.

    Raises:
        WorkOrderError: it is missing or no number.
    """
    value = number(source, name, path)
    return -abs(value) if source.get(f"{name}-effect") == _DEBIT else value


def identifier(source: Mapping[str, Any], name: str, path: str) -> str:
    """Return an id, which comes as a whole number or as text.

    Raises:
        WorkOrderError: it is missing or anything else.
    """
    value = fields.present(source, name, path)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return fields.text(source, name, path)


def flag(source: Mapping[str, Any], name: str, *, missing: bool) -> bool:
    """Return a field that is true or false; `missing` where the venue leaves it out.

    Raises:
        WorkOrderError: it is anything else.
    """
    value = fields.optional(fields.boolean, source, name, LABEL)
    return missing if value is None else value
