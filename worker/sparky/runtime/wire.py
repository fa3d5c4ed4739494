"""One connection that speaks HTTP/1.1."""

import asyncio
import select
from typing import Final

import h11
import httpx

_LONGEST_HEAD: Final = 100 * 1024
# What may lie unread: a host that sends faster than it is read waits.
_MOST_UNREAD: Final = 256 * 1024

Event = h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]


class Wire(asyncio.Protocol):
    """A connection from the moment it is made, for one request after the other."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=_LONGEST_HEAD)
        self._transport: asyncio.Transport | None = None
        self._readable: select.poll | None = None
        self._reading: asyncio.Future[None] | None = None
        self._writing: asyncio.Future[None] | None = None
        self._unread = 0
        self._ended = False
        self._lost = False
        self._closed: asyncio.Future[None] = loop.create_future()
        self.idle_since = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - what a TCP connection is given
        self._transport = transport
        self._readable = select.poll()
        self._readable.register(transport.get_extra_info("socket").fileno(), select.POLLIN)

    def data_received(self, data: bytes) -> None:
        if self._http.our_state is h11.IDLE:
            # Nobody has asked: whatever it is, the next answer would be taken for it.
            self.close()
            return
        self._http.receive_data(data)
        self._unread += len(data)
        if self._unread > _MOST_UNREAD and self._transport is not None:
            self._transport.pause_reading()
        _wake(self._reading)

    def eof_received(self) -> None:
        self._ended = True
        self._http.receive_data(b"")
        _wake(self._reading)

    def connection_lost(self, error: Exception | None) -> None:
        del error
        self._lost = True
        _wake(self._reading)
        _wake(self._writing)
        _wake(self._closed)

    def pause_writing(self) -> None:
        self._writing = self._loop.create_future()

    def resume_writing(self) -> None:
        writing, self._writing = self._writing, None
        _wake(writing)

    @property
    def is_fit(self) -> bool:
        """Whether a request may go out: nothing has come since the last answer, not even its end."""
        return not (self._lost or self._ended or self._readable is None or self._readable.poll(0))

    def written(self, head: h11.Request, content: bytes) -> bytes:
        """Return a whole request as it goes out.

        Raises:
            h11.LocalProtocolError: it is no request.
        """
        events = (head, h11.Data(data=content), h11.EndOfMessage()) if content else (head, h11.EndOfMessage())
        return b"".join(self._http.send(event) or b"" for event in events)

    async def send(self, data: bytes, seconds: float | None) -> None:
        """Write, and wait while the host does not take it.

        Raises:
            httpx.WriteError: the connection is lost.
            httpx.WriteTimeout: it took too long.
        """
        if self._transport is None or self._lost:
            raise httpx.WriteError("the connection is lost")
        self._transport.write(data)
        if self._writing is None:
            return
        try:
            async with asyncio.timeout(seconds):
                await self._writing
        except TimeoutError:
            raise httpx.WriteTimeout("the request was not taken in time") from None
        if self._lost:
            raise httpx.WriteError("the connection is lost")

    async def event(self, seconds: float | None) -> Event:
        """Return what comes next of the answer.

        Raises:
            h11.RemoteProtocolError: it is not HTTP.
            httpx.ReadError: the connection is lost.
            httpx.ReadTimeout: nothing came for so long.
        """
        while (event := self._http.next_event()) is h11.NEED_DATA:
            if self._lost:
                raise httpx.ReadError("the connection is lost")
            self._unread = 0
            if self._transport is not None:
                self._transport.resume_reading()
            await self._more(seconds)
        return event

    def rest(self) -> bool:
        """Make ready for the next request; False when there can be none."""
        done = self._http.our_state is h11.DONE and self._http.their_state is h11.DONE
        if not done or self._ended or self._lost or self._http.trailing_data[0]:
            return False
        self._http.start_next_cycle()
        self.idle_since = self._loop.time()
        return True

    def close(self) -> None:
        """Close at once, whatever is under way."""
        self._lost = True
        if self._transport is not None:
            self._transport.abort()

    async def closed(self) -> None:
        """Return when nothing of it is left open."""
        if self._transport is not None:
            await self._closed

    async def _more(self, seconds: float | None) -> None:
        self._reading = self._loop.create_future()
        # Cheaper than a time limit of asyncio's, and there is one around the whole request.
        alarm = None if seconds is None else self._loop.call_later(seconds, _fail, self._reading)
        try:
            await self._reading
        finally:
            self._reading = None
            if alarm is not None:
                alarm.cancel()


def _wake(waiter: asyncio.Future[None] | None) -> None:
    if waiter is not None and not waiter.done():
        waiter.set_result(None)


def _fail(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_exception(httpx.ReadTimeout("nothing came for too long"))
