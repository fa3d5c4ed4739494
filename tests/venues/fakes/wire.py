"""HTTP/1.1 over real sockets of 127.0.0.1, with a port that can be closed and opened again."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable, Coroutine
from email.utils import formatdate
from typing import Any, Final

import h11

from tests.venues.fakes.messages import FakeRequest, FakeResponse, MalformedRequest

_HOST: Final = "127.0.0.1"
_CHUNK: Final = 65_536
_NO_LINGER: Final = struct.pack("ii", 1, 0)


class Gone(Exception):  # noqa: N818 - it says what happened
    """The other side has closed or reset the connection."""


class Connection:
    """One connection, which may carry many requests one after the other."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._http = h11.Connection(h11.SERVER)

    async def receive(self) -> FakeRequest:
        """Return the next request.

        Raises:
            Gone: no more requests will come.
            MalformedRequest: what came is not HTTP/1.1.
        """
        try:
            if self._http.our_state is h11.DONE:
                self._http.start_next_cycle()
            head = await self._event()
            if not isinstance(head, h11.Request):
                raise Gone
            body = bytearray()
            while isinstance(event := await self._event(), h11.Data):
                body += event.data
        except h11.RemoteProtocolError as error:
            raise MalformedRequest(f"not HTTP: {error}") from error
        except h11.LocalProtocolError as error:
            raise Gone from error
        path, _, query = head.target.decode("ascii").partition("?")
        headers = {name.decode().lower(): value.decode("latin-1") for name, value in head.headers}
        return FakeRequest(head.method.decode(), path, query, headers, bytes(body))

    async def send(self, response: FakeResponse, *, cut: bool = False) -> None:
        """Send a response; `cut` sends half of its body and ends the connection there."""
        headers = [
            *response.headers.items(),
            ("Content-Length", str(len(response.body))),
            ("Date", formatdate(usegmt=True)),
        ]
        head = h11.Response(status_code=response.status, headers=headers, reason=b"")
        parts = [self._http.send(head), self._http.send(h11.Data(data=response.body))]
        if cut:
            body = parts.pop() or b""
            await self._write((parts[0] or b"") + body[: len(body) // 2])
            raise Gone
        parts.append(self._http.send(h11.EndOfMessage()))
        await self._write(b"".join(part or b"" for part in parts))
        if self._http.our_state is not h11.DONE:
            raise Gone

    async def refuse(self, reason: str) -> None:
        """Answer what was not HTTP with 400, where that is still possible."""
        with contextlib.suppress(h11.LocalProtocolError, Gone):
            await self.send(FakeResponse(400, reason.encode(), {"Connection": "close"}))

    def reset(self) -> None:
        """End the connection with a reset instead of a farewell."""
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)

    async def _event(self) -> Any:
        while (event := self._http.next_event()) is h11.NEED_DATA:
            try:
                data = await asyncio.get_running_loop().sock_recv(self._sock, _CHUNK)
            except OSError as error:
                raise Gone from error
            self._http.receive_data(data)
        return event

    async def _write(self, data: bytes) -> None:
        try:
            await asyncio.get_running_loop().sock_sendall(self._sock, data)
        except OSError as error:
            raise Gone from error


Serve = Callable[[Connection], Coroutine[Any, Any, None]]


class Listener:
    """A port that serves, can be closed with everything on it, and opens again under the same number."""

    def __init__(self, serve: Serve) -> None:
        self._serve = serve
        # Bound and never listening: while the port is closed nobody else can get it, not even as the source
        # of a connection to itself.
        self._reserved = _bound(0)
        self.port: Final[int] = self._reserved.getsockname()[1]
        self._listening: socket.socket | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self._later: set[asyncio.Task[None]] = set()

    def open(self) -> None:
        """Take connections from now on."""
        if self._listening is None:
            self._listening = _bound(self.port)
            self._listening.listen(128)
            asyncio.get_running_loop().add_reader(self._listening, self._accept, self._listening)

    def shut(self) -> None:
        """Refuse connections from now on, and reset those that are there."""
        if self._listening is not None:
            asyncio.get_running_loop().remove_reader(self._listening.fileno())
            self._listening.close()
            self._listening = None
            for task in self._connections:
                task.cancel()

    async def close(self) -> None:
        """Give the port back; nothing of the listener is left."""
        self.shut()
        for task in self._later:
            task.cancel()
        await asyncio.gather(*self._connections, *self._later, return_exceptions=True)
        self._reserved.close()

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run something that no closed port stops, and that ends with `close`."""
        _keep(self._later, work)

    async def everything_spawned(self) -> None:
        """Return when all of it has ended."""
        await asyncio.gather(*self._later)

    def _accept(self, listening: socket.socket) -> None:
        with contextlib.suppress(BlockingIOError, ConnectionError):
            sock, _ = listening.accept()
            sock.setblocking(False)  # noqa: FBT003 - the standard library's own signature
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            task = _keep(self._connections, self._attend(Connection(sock)))
            # A task that is cancelled before it has begun runs no line of its own.
            task.add_done_callback(lambda ended: _end(sock, abruptly=ended.cancelled()))

    async def _attend(self, connection: Connection) -> None:
        with contextlib.suppress(Gone):
            await self._serve(connection)


def _end(sock: socket.socket, *, abruptly: bool) -> None:
    if abruptly:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
    sock.close()


def _keep(tasks: set[asyncio.Task[None]], work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    task = asyncio.get_running_loop().create_task(work)
    tasks.add(task)
    task.add_done_callback(tasks.discard)
    return task


def _bound(port: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.setblocking(False)  # noqa: FBT003 - the standard library's own signature
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((_HOST, port))
    return sock
