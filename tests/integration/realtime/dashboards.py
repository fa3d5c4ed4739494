"""Traders whose dashboards listen to every table that Realtime tells about."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Self

from realtime import AsyncRealtimeClient, RealtimePostgresChangesListenEvent, RealtimeSubscribeStates

from scripts.testbed.trader import Trader

SECONDS = 20.0
TABLES = (
    *("signals", "orders", "positions", "trades"),
    *("option_trades", "account_balances", "notifications"),
)


@dataclass(slots=True)
class Dashboard:
    """What one subscriber heard, in order: table, operation, whose row, and what the server said beside."""

    heard: list[tuple[str, str, str | None]] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    ended: bool = False

    def take(self, event: Any) -> None:
        data = event["data"]
        self.errors += data.get("errors") or []
        record = data.get("record") or {}
        if record.get("title") == "end":
            self.ended = True
        else:
            self.heard.append((data["table"], data["type"].value, record.get("user_id")))
        self.changed.set()

    async def until(self, condition: Callable[[Self], bool]) -> None:
        async with asyncio.timeout(SECONDS):
            while not condition(self):
                self.changed.clear()
                await self.changed.wait()


@asynccontextmanager
async def listening(url: str, key: str, access_token: str) -> AsyncIterator[Dashboard]:
    """Subscribe to all tables and every operation, with the Python client."""
    realtime = AsyncRealtimeClient(f"{url}/realtime/v1", key)
    dashboard = Dashboard()
    live: asyncio.Queue[Any] = asyncio.Queue()
    try:
        await realtime.set_auth(access_token)
        channel = realtime.channel("dashboard")
        for table in TABLES:
            channel.on_postgres_changes(
                RealtimePostgresChangesListenEvent.All, schema="public", table=table, callback=dashboard.take
            )
        channel.on_system(live.put_nowait)
        joined: asyncio.Queue[RealtimeSubscribeStates] = asyncio.Queue()
        await channel.subscribe(lambda state, _error: joined.put_nowait(state))
        assert await asyncio.wait_for(joined.get(), SECONDS) == RealtimeSubscribeStates.SUBSCRIBED
        answer = await asyncio.wait_for(live.get(), SECONDS)
        dashboard.errors += [] if answer.message == "Subscribed to PostgreSQL" else [answer.message]
        yield dashboard
    finally:
        await realtime.close()


async def access_token(trader: Trader) -> str:
    session = await trader.client.auth.get_session()
    assert session is not None
    return session.access_token
