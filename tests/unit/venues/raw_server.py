"""A loopback server that answers with the bytes a test gives it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class RawServer:
    """Answers each request with the next bytes; None resets the connection, b"" leaves it hanging."""

    def __init__(self, *script: bytes | None) -> None:
        self.script = list(script)
        self.heads: list[str] = []
        self.bodies: list[bytes] = []
        self.connected_at: list[float] = []
        self.asked = asyncio.Event()
        self.url = ""
        self._writers: list[asyncio.StreamWriter] = []

    @property
    def connections(self) -> int:
        return len(self.connected_at)

    @asynccontextmanager
    async def listening(self) -> AsyncIterator["RawServer"]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield self
        finally:
            server.close()
            for writer in self._writers:
                writer.transport.abort()
            await server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connected_at.append(asyncio.get_running_loop().time())
        self._writers.append(writer)
        try:
            while self.script:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                length = [line for line in head.lower().split("\r\n") if line.startswith("content-length: ")]
                self.bodies.append(await reader.readexactly(int(length[0].split(": ")[1]) if length else 0))
                self.heads.append(head)
                self.asked.set()
                answer = self.script.pop(0)
                if answer is None:
                    writer.transport.abort()
                    return
                writer.write(answer)
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass


def answer(content: bytes, status: str = "200 OK", *, length: int | None = None, more: str = "") -> bytes:
    """Return an HTTP answer; `more` are header lines that end with CRLF each."""
    size = len(content) if length is None else length
    return f"HTTP/1.1 {status}\r\nContent-Length: {size}\r\n{more}\r\n".encode() + content
