"""One connection to the wake-up channel. It lives until it fails; a new one is made for every try.

The client of the `realtime` package stops without a word in several ways: its re-connect gives up after a
few tries inside a task that nobody awaits, an exception in a callback ends its reading, and it never
looks at heartbeat replies. So its own re-connect is off, no callback can raise, its tasks are watched,
and whoever holds a connection proves it alive by pings that travel through the database.
"""

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Any, Final, Self

import structlog
from realtime import AsyncRealtimeClient, RealtimeSubscribeStates

from sparky.domain.errors import WakeUpUnavailable

TOPIC: Final = "worker"
_JOIN_SECONDS: Final = 10
_CLOSE_SECONDS: Final = 2
_LONGEST_REASON: Final = 200

_log = structlog.get_logger(__name__)


class WakeUpConnection:
    """A joined private channel. `on_hint` and `on_ping` are called on the event loop and must not raise."""

    def __init__(
        self,
        url: str,
        *,
        api_key: str,
        token: str,
        on_hint: Callable[[], None],
        on_ping: Callable[[str], None],
    ) -> None:
        self._client = AsyncRealtimeClient(
            f"{url.rstrip('/')}/realtime/v1", api_key, auto_reconnect=False, timeout=_JOIN_SECONDS
        )
        # Joins carry this token; the apikey above only names the project. A secret key goes alone.
        self._client.access_token = api_key if token.startswith("sb_") else token
        self._on_hint = on_hint
        self._on_ping = on_ping
        self._failure: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._parts: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        try:
            await self._join()
        except BaseException:
            await self._close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._close()

    async def failed(self) -> str:
        """Wait until the connection is known to be lost, and return why."""
        return await asyncio.shield(self._failure)

    def fail(self, why: str) -> None:
        """Give the connection up: it is proved dead from outside."""
        if not self._failure.done():
            self._failure.set_result(why)

    async def _join(self) -> None:
        try:
            async with asyncio.timeout(_JOIN_SECONDS):
                await self._client.connect()
                self._watch_parts()
                channel = self._client.channel(
                    TOPIC,
                    {
                        "config": {
                            "private": True,
                            "broadcast": {"ack": False, "self": False},
                            "presence": None,
                        }
                    },
                )
                channel.on_broadcast("wake", self._guarded(lambda _: self._on_hint()))
                channel.on_broadcast("ping", self._guarded(self._ping))
                # It returns when the server has answered the join, and has told on_state by then.
                await channel.subscribe(self._on_state)
        except Exception as error:
            # The client raises whatever its sockets raise: all of it means the same, there is no channel.
            raise WakeUpUnavailable(f"{type(error).__name__} while joining") from error
        if not self._failure.done() and not channel.is_joined:
            self.fail("the join was not answered")
        if self._failure.done():
            raise WakeUpUnavailable(self._failure.result())

    def _on_state(self, state: RealtimeSubscribeStates, error: Exception | None) -> None:
        if state is not RealtimeSubscribeStates.SUBSCRIBED:
            self.fail(f"{state.value}: {str(error or 'no reason')[:_LONGEST_REASON]}")

    def _watch_parts(self) -> None:
        # The client keeps them to itself, and nobody else would learn that one of them has died.
        for part in (self._client._listen_task, self._client._heartbeat_task):  # noqa: SLF001
            if part is not None:
                self._parts.append(part)
                part.add_done_callback(self._part_ended)

    def _part_ended(self, part: "asyncio.Task[None]") -> None:
        error = None if part.cancelled() else part.exception()
        self.fail(f"the client stopped ({type(error).__name__})" if error else "the client stopped")

    def _ping(self, message: dict[str, Any]) -> None:
        payload = message.get("payload")
        if isinstance(payload, dict) and isinstance(payload.get("ping"), str):
            self._on_ping(payload["ping"])

    def _guarded(self, act: Callable[[Any], None]) -> Callable[[Any], None]:
        def callback(message: Any) -> None:
            try:
                act(message)
            except Exception:  # noqa: BLE001 - whatever passes here would end the client's reading silently
                _log.exception("wake_up_callback_failed")
                self.fail("a callback failed")

        return callback

    async def _close(self) -> None:
        socket = self._client._ws_connection  # noqa: SLF001 - close() forgets it, even where it gives up
        for channel in self._client.get_channels():
            channel.rejoin_timer.reset()
            channel.join_push.destroy()
        try:
            async with asyncio.timeout(_CLOSE_SECONDS):
                await self._client.close()
        except Exception as error:  # noqa: BLE001 - a socket that does not close is lost either way
            _log.debug("wake_up_close_failed", error=type(error).__name__)
        if socket is not None:
            # The other side of a half-open connection never answers the closing handshake.
            socket.transport.abort()
        for part in self._parts:
            part.cancel()
        await asyncio.gather(*self._parts, return_exceptions=True)
