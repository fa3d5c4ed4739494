"""The last moment at which a request can still be held back, in httpx's terms."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

_CONNECTS: Final = "connection.connect_tcp.started"
_HEADERS_GO_OUT: Final = ".send_request_headers.started"


async def _at_once() -> None:
    pass


def before_first_byte(
    act: Callable[[], None], before_connecting: Callable[[], Awaitable[None]] = _at_once
) -> dict[str, Any]:
    """Return httpx request extensions that call `act` right before the first byte is written.

    By then a connection is there, so no wait for a pool, a name or a handshake lies between the call and
    the socket. What `act` raises ends the request, of which nothing was sent. httpcore announces the
    moment through its `trace` extension as `http11.send_request_headers.started` (http2 likewise).

    `before_connecting` may wait, before a connection is opened for the request: where none was free.
    """

    async def trace(event: str, info: Mapping[str, Any]) -> None:
        if event == _CONNECTS:
            await before_connecting()
        # The request that opens a tunnel through a proxy bears the same extensions.
        tunnel = getattr(info.get("request"), "method", None) == b"CONNECT"
        if event.endswith(_HEADERS_GO_OUT) and not tunnel:
            act()

    return {"trace": trace}
