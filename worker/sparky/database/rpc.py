"""Database functions over PostgREST: one POST each, no retries, every failure classified."""

import asyncio
import json
from collections.abc import Callable, Mapping
from decimal import Decimal
from types import TracebackType
from typing import Any, Final, Self

import httpx

from sparky.domain.errors import DatabaseContractError, DatabaseUnavailable
from sparky.runtime.connections import transport
from sparky.runtime.first_byte import before_first_byte

# PostgREST and the gateway answer these when something behind them is not there or busy.
_UNAVAILABLE: Final = frozenset({408, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524})
# Serialization failure, deadlock, lock and statement time-out: the transaction is undone.
_UNDONE: Final = frozenset({"40001", "40P01", "55P03", "57014"})
_CONNECT_SECONDS: Final = 2.0

JsonValue = Any


class RpcClient:
    """Calls functions of schema `public` as the role of `token`.

    `api_key` names the project to the gateway, `token` is the JWT (or secret key) that decides the role.
    `timeout_seconds` bounds a whole call, from waiting for a connection to the last byte of the answer.
    """

    def __init__(
        self, url: str, *, api_key: str, token: str, timeout_seconds: float, connections: int = 20
    ) -> None:
        # New-style secret keys are not JWTs: the gateway turns them into one from the apikey header alone.
        headers = {"apikey": api_key, "Authorization": f"Bearer {token}"}
        if token.startswith("sb_"):
            headers = {"apikey": token}
        self._timeout_seconds = timeout_seconds
        self._room = asyncio.Semaphore(connections)
        self._build = _builder(
            f"{url.rstrip('/')}/rest/v1/rpc/",
            {**headers, "Content-Type": "application/json", "Accept": "*/*"},
            httpx.Timeout(timeout_seconds, connect=min(_CONNECT_SECONDS, timeout_seconds)),
        )
        # Who waits for a connection waits here: the transport opens as many as it is asked for.
        self._transport = transport(keep=connections)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._transport.aclose()

    async def call(
        self,
        function: str,
        params: Mapping[str, JsonValue],
        *,
        before_sending: Callable[[], None] = lambda: None,
    ) -> JsonValue:
        """Call a function and return its parsed answer; numbers with a fraction come as Decimal.

        `before_sending` runs right before the first byte leaves; what it raises ends the call unsent.

        Raises:
            DatabaseUnavailable: no answer, or one that says "later". `reached` is False only when no byte
                of the request left; otherwise it may have been executed.
            DatabaseContractError: the database understood and refused: retrying would change nothing.
        """
        leaving = False

        def about_to_send() -> None:
            nonlocal leaving
            before_sending()
            leaving = True

        content = _written(params)
        try:
            async with asyncio.timeout(self._timeout_seconds), self._room:
                response = await self._transport.handle_async_request(
                    self._build(function, content, before_first_byte(about_to_send))
                )
                try:
                    await response.aread()
                finally:
                    await response.aclose()
        except (httpx.HTTPError, TimeoutError) as error:
            raise DatabaseUnavailable(f"{function}: {type(error).__name__}", reached=leaving) from error
        if response.is_success:
            return _parse(function, response.content)
        raise _failure(function, response)


def _builder(
    functions: str, headers: Mapping[str, str], timeout: httpx.Timeout
) -> Callable[[str, str, dict[str, Any]], httpx.Request]:
    # In a closure: an attribute of the client would show the token to whoever prints it.
    limits = timeout.as_dict()

    def build(function: str, content: str, extensions: dict[str, Any]) -> httpx.Request:
        return httpx.Request(
            "POST",
            functions + function,
            headers=headers,
            content=content,
            extensions={"timeout": limits, **extensions},
        )

    return build


def _written(params: Mapping[str, JsonValue]) -> str:
    content = json.dumps(params, default=_to_json)
    # As JSON, both show as escapes: nearly no call has any, and those that have are gone through.
    if "\\u0000" in content or "\\ud" in content:
        content = json.dumps(_storable(params), default=_to_json)
    return content


def _storable(value: JsonValue) -> JsonValue:
    # Postgres stores neither NUL nor half a surrogate pair: one in a venue's words would refuse the batch.
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode().replace("\0", "")
    if isinstance(value, Mapping):
        return {name: _storable(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_storable(item) for item in value]
    return value


def _to_json(value: object) -> str | dict[str, JsonValue]:
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} is not sent to the database")


def _parse(function: str, content: bytes) -> JsonValue:
    if not content:
        return None
    try:
        return json.loads(content, parse_float=Decimal)
    except ValueError:
        # Something between us and the database answered; the call may have been executed.
        # Not chained: the decoder's error carries the answer, which may hold keys.
        raise DatabaseUnavailable(f"{function}: the answer is not JSON") from None


def _failure(function: str, response: httpx.Response) -> DatabaseUnavailable | DatabaseContractError:
    code, message = _error_of(response)
    if response.status_code in _UNAVAILABLE or code in _UNDONE:
        return DatabaseUnavailable(f"{function}: HTTP {response.status_code} {code}".rstrip())
    return DatabaseContractError(f"{function}: HTTP {response.status_code} {code} {message}".rstrip())


def _error_of(response: httpx.Response) -> tuple[str, str]:
    try:
        body = response.json()
    except ValueError:
        return "", ""
    if not isinstance(body, dict):
        return "", ""
    return str(body.get("code") or "")[:20], str(body.get("message") or "")[:300]
