"""How Tradier answers: lists with one, many or no element, errors and faults."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from itertools import cycle
from typing import Any

from tests.venues.fakes.messages import AnsweredEarly, FakeResponse, json_response

_NOTHING = cycle((None, "null"))


def listed(outer: str, inner: str, many: Sequence[Any]) -> dict[str, Any]:
    """Spell a list as translated XML does: an object for one, null or the text "null" for none."""
    if not many:
        return {outer: next(_NOTHING)}
    return {outer: {inner: many[0] if len(many) == 1 else list(many)}}


def plain(status: int, words: str) -> FakeResponse:
    """Answer a sentence."""
    return FakeResponse(status, words.encode(), {"Content-Type": "text/plain"})


def refuse(words: str) -> AnsweredEarly:
    """Refuse a parameter: a 400 with a sentence."""
    return AnsweredEarly(plain(400, words))


def fault(status: int, words: str, code: str, headers: Mapping[str, str] = {}) -> FakeResponse:
    """Answer as the gateway does."""
    return json_response(status, {"fault": {"faultstring": words, "detail": {"errorcode": code}}}, headers)


def errors(status: int, *words: str) -> FakeResponse:
    """Answer as the order checks do."""
    return json_response(status, {"errors": {"error": words[0] if len(words) == 1 else list(words)}})


def not_ours(number: str) -> AnsweredEarly:
    """Say that an account, or an order of it, is not of this token."""
    return AnsweredEarly(plain(401, f"Unauthorized Account: {number}"))


def amount(value: Decimal) -> Decimal:
    """Write a number with the zeros that Tradier writes."""
    return value.quantize(Decimal("0.00000001"))


def stamp(moment: datetime) -> str:
    """Write a time as Tradier does."""
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"
