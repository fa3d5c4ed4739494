"""What the tests of Realtime share: tokens, SQL, and a bare Phoenix socket."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Protocol

import jwt
import psycopg
from websockets.asyncio.client import ClientConnection, connect

SECONDS = 10.0


class Project(Protocol):
    """The part of a running stack that these tests use."""

    @property
    def url(self) -> str: ...
    @property
    def publishable_key(self) -> str: ...
    @property
    def secret_key(self) -> str: ...
    @property
    def jwt_secret(self) -> str: ...
    @property
    def database_url(self) -> str: ...
    @property
    def admin_database_url(self) -> str: ...


def token(
    project: Project, role: str | None, *, seconds: float | None = 3600, secret: str = "", **claims: Any
) -> str:
    claims |= {"role": role} if role else {}
    claims |= {"exp": int(time.time() + seconds)} if seconds is not None else {}
    return jwt.encode(claims, secret or project.jwt_secret, algorithm="HS256")


@contextmanager
def database(project: Project) -> Iterator[psycopg.Connection]:
    """Open a connection as `postgres`, the role of migrations; each statement commits by itself."""
    with psycopg.connect(project.database_url, autocommit=True, connect_timeout=10) as connection:
        yield connection


def run_sql(project: Project, *statements: str, admin: bool = False) -> None:
    url = project.admin_database_url if admin else project.database_url
    with psycopg.connect(url, autocommit=True, connect_timeout=10) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def send_sql(topic: str, payload: str = '{"k": 1}', *, event: str = "ev", private: bool = True) -> str:
    return f"select realtime.send('{payload}', '{event}', '{topic}', {str(private).lower()})"


class Socket:
    """A WebSocket that speaks protocol 1.0.0 as the test dictates."""

    def __init__(self, wire: ClientConnection) -> None:
        self.wire = wire

    async def send(self, frame: Any) -> None:
        await self.wire.send(frame if isinstance(frame, str | bytes) else json.dumps(frame))

    async def receive(self, seconds: float = SECONDS) -> Any:
        data = await asyncio.wait_for(self.wire.recv(), seconds)
        return json.loads(data) if isinstance(data, str) else data

    async def push(self, event: str, payload: dict[str, Any], topic: str = "t", ref: str = "9") -> None:
        frame = {
            "topic": f"realtime:{topic}",
            "event": event,
            "payload": payload,
            "ref": ref,
            "join_ref": "1",
        }
        await self.send(frame)

    async def join(self, topic: str, access_token: str = "", ref: str = "1", **config: Any) -> Any:
        payload = {"config": config} | ({"access_token": access_token} if access_token else {})
        frame = {
            "topic": f"realtime:{topic}",
            "event": "phx_join",
            "payload": payload,
            "ref": ref,
            "join_ref": ref,
        }
        await self.send(frame)
        return await self.receive()

    async def nothing_waits(self) -> None:
        """Fail if the server sent anything that was not received yet."""
        await self.send({"topic": "phoenix", "event": "heartbeat", "payload": {}, "ref": "alive"})
        frame = await self.receive()
        assert frame["ref"] == "alive", f"unexpected frame: {frame}"


@asynccontextmanager
async def open_socket(project: Project, key: str = "", vsn: str = "1.0.0") -> AsyncIterator[Socket]:
    address = project.url.replace("http", "ws", 1)
    key = key or project.publishable_key
    async with connect(f"{address}/realtime/v1/websocket?apikey={key}&vsn={vsn}", max_size=None) as wire:
        yield Socket(wire)


def ok(frame: Any) -> bool:
    return bool(frame["event"] == "phx_reply" and frame["payload"]["status"] == "ok")


def reason(frame: Any) -> str:
    assert frame["payload"]["status"] == "error", frame
    return str(frame["payload"]["response"]["reason"])
