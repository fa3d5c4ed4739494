"""What a fake venue reads and writes: one request, one response."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final
from urllib.parse import parse_qsl

_JSON: Final = "application/json"


class MalformedRequest(Exception):  # noqa: N818 - it says what the request is
    """The request is not what HTTP, a form or JSON looks like; it is answered with 400."""


class AnsweredEarly(Exception):  # noqa: N818 - a way out, not an error
    """Raised by a fake from wherever it is: `response` is the answer, and nothing more is done."""

    def __init__(self, response: "FakeResponse") -> None:
        super().__init__(f"answered early with {response.status}")
        self.response = response


@dataclass(frozen=True, slots=True)
class FakeRequest:
    """A request as it came over the wire. Its repr shows method and path: the rest may hold credentials.

    `path` and `query` are the raw bytes of the target, still percent-encoded; names of headers are in
    lower case.
    """

    method: str
    path: str
    query: str = field(default="", repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)

    def params(self) -> dict[str, str]:
        """Return the fields of the query.

        Raises:
            MalformedRequest: it is not urlencoded, or a name comes twice.
        """
        return _without_repetition(self.param_list())

    def param_list(self) -> list[tuple[str, str]]:
        """Return the fields of the query in their order, with repetitions."""
        return _pairs(self.query)

    def form(self) -> dict[str, str]:
        """Return the fields of a urlencoded body.

        Raises:
            MalformedRequest: it is not announced or not written as one, or a name comes twice.
        """
        self._announced_as("application/x-www-form-urlencoded")
        return _without_repetition(_pairs(self._text()))

    def json(self) -> Any:
        """Return the JSON body, with fractions as Decimal.

        Raises:
            MalformedRequest: it is not announced or not written as JSON.
        """
        self._announced_as(_JSON)
        try:
            return json.loads(self._text(), parse_float=Decimal)
        except ValueError as error:
            raise MalformedRequest("the body is not JSON") from error

    def _announced_as(self, content_type: str) -> None:
        if self.headers.get("content-type", "").partition(";")[0].strip().lower() != content_type:
            raise MalformedRequest(f"the body is not announced as {content_type}")

    def _text(self) -> str:
        try:
            return self.body.decode()
        except UnicodeDecodeError as error:
            raise MalformedRequest("the body is not UTF-8") from error


def _pairs(text: str) -> list[tuple[str, str]]:
    try:
        return parse_qsl(text, keep_blank_values=True, strict_parsing=bool(text), errors="strict")
    except ValueError as error:
        raise MalformedRequest("the fields are not urlencoded") from error


def _without_repetition(pairs: Sequence[tuple[str, str]]) -> dict[str, str]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise MalformedRequest("a field comes twice")
    return fields


@dataclass(frozen=True, slots=True)
class FakeResponse:
    """An answer. Its length is announced by the server."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


def json_response(status: int, value: Any, headers: Mapping[str, str] = {}) -> FakeResponse:
    """Return an answer in JSON. A Decimal is written as a number, digit by digit; a str stays a string."""
    return FakeResponse(status, _written(value).encode(), {"Content-Type": _JSON, **headers})


def _written(value: Any) -> str:
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{json.dumps(str(key))}:{_written(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(_written, value)) + "]"
    return json.dumps(value, allow_nan=False)
