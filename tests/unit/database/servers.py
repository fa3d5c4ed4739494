"""Loopback servers that answer as a test says, or do not."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any


class ScriptedServer:
    """Answers each request with the next bytes of its script; None closes the connection with a reset.

    `pause` is waited before the answer, `drip` after each byte of it.
    """

    def __init__(self, *script: bytes | None, pause: float = 0.0, drip: float = 0.0) -> None:
        self.script = list(script)
        self.pause = pause
        self.drip = drip
        self.requests: list[tuple[bytes, dict[str, str], Any]] = []
        self.port = 0
        self.asked = asyncio.Event()
        self._released = asyncio.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @asynccontextmanager
    async def listening(self) -> AsyncIterator["ScriptedServer"]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        async with server:
            yield self
            self._released.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while self.script and await self._answer(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("ascii").split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
        body = await reader.readexactly(int(headers["content-length"]))
        self.requests.append((head[0].encode(), headers, json.loads(body)))
        self.asked.set()
        answer = self.script.pop(0)
        if answer is None:
            writer.transport.abort()
            return False
        if self.pause:
            await asyncio.wait((asyncio.ensure_future(self._released.wait()),), timeout=self.pause)
        for start in range(0, len(answer), 1 if self.drip else len(answer)):
            writer.write(answer[start : start + (1 if self.drip else len(answer))])
            await writer.drain()
            if self.drip:
                await asyncio.sleep(self.drip)
        return not answer.endswith(b"CUT")


def answer(body: object, status: str = "200 OK", kind: str = "application/json") -> bytes:
    """Return an HTTP answer; text goes as it is, everything else as JSON."""
    content = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(content)}\r\n\r\n"
    return head.encode() + content


def cut(body: bytes) -> bytes:
    """Return the start of an answer, after which the connection ends."""
    return body[: len(body) // 2] + b"CUT"
