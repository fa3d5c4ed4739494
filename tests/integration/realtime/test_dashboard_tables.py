"""A trader's dashboard hears of his own rows, of every table it watches, and of nothing else."""

# ruff: noqa: S608 - the names of tables in statements are this file's own

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass

import psycopg
import pytest

from scripts.local_stack.stack import Stack
from scripts.testbed.backend import Backend
from scripts.testbed.trader import Trader
from tests.database.world import SEALED
from tests.integration.realtime.dashboards import TABLES, Dashboard, access_token, listening
from tests.integration.stack.realtime_project import Socket, ok, open_socket

# One row of each table; %(account)s and %(signal)s are the trader's, %(user)s is he.
ROWS = {
    "signals": "insert into public.signals (id, user_id, account_id, symbol, status, finished_at)"
    " values (%(signal)s, %(user)s, %(account)s, 'BTCUSDT', 'done', now())",
    "orders": "insert into public.orders (user_id, account_id, signal_id, leg, client_order_id, exchange,"
    " environment, symbol, side, order_type, purpose, quantity) values (%(user)s, %(account)s, %(signal)s, 1,"
    " 'sp' || left(replace(%(signal)s, '-', ''), 20), 'paper', 'paper', 'BTCUSDT', 'buy', 'market',"
    " 'open', 1)",
    "positions": "insert into public.positions (user_id, account_id, symbol, side, quantity, entry_price,"
    " entry_time, position_size_usd) values (%(user)s, %(account)s, 'BTCUSDT', 'BUY', 1, 1, now(), 1)",
    "trades": "insert into public.trades (user_id, account_id, symbol, side, entry_price, entry_time,"
    " exit_price, exit_time, quantity, position_size_usd, pnl_usd, pnl_percent, is_winner, order_id)"
    " values (%(user)s, %(account)s, 'BTCUSDT', 'BUY', 1, now(), 2, now(), 1, 1, 1, 100, true, %(signal)s)",
    "option_trades": "insert into public.option_trades (user_id, underlying_symbol, option_symbol)"
    " values (%(user)s, 'SPY', 'SPY   261218C00600000')",
    "account_balances": "insert into public.account_balances (user_id, account_id, exchange, environment,"
    " currency, equity, as_of) values (%(user)s, %(account)s, 'paper', 'paper', 'USD', 1, now())",
    "notifications": "insert into public.notifications (user_id, kind, severity, title, body)"
    " values (%(user)s, 'signal_review', 'info', 'Look', '')",
}
KEYS_WITH_VALUES = {"record", "old_record", "columns"}
OWN = " where user_id = %(user)s"
END = (
    "insert into public.notifications (user_id, kind, severity, title, body)"
    " values (%(user)s, 'signal_review', 'info', 'end', '')"
)


@dataclass(frozen=True, slots=True)
class Scene:
    stack: Stack
    traders: tuple[Trader, Trader]
    dashboards: tuple[Dashboard, Dashboard]
    anonymous: Socket

    async def write_everything(self) -> None:
        """Insert, update and delete a row of each table for both traders, then write that it is over."""
        await self._for_both([ROWS[table] for table in TABLES])
        # Realtime looks whether a row may be seen when it tells of it: what is gone by then is not told.
        await self._heard(len(TABLES))
        await self._for_both([f"update public.{table} set user_id = user_id" + OWN for table in TABLES])
        await self._heard(2 * len(TABLES))
        await self._for_both([f"delete from public.{table}" + OWN for table in reversed(TABLES)])
        await self._for_both([END])
        for dashboard in self.dashboards:
            await dashboard.until(lambda one: one.ended)

    async def _heard(self, count: int) -> None:
        for dashboard in self.dashboards:
            await dashboard.until(lambda one: len(one.heard) >= count)

    async def _for_both(self, statements: Sequence[str]) -> None:
        await asyncio.to_thread(self._run, statements)

    def _run(self, statements: Sequence[str]) -> None:
        with psycopg.connect(
            self.stack.admin_database_url, autocommit=True, cursor_factory=psycopg.ClientCursor
        ) as connection:
            for statement in statements:
                for number, trader in enumerate(self.traders):
                    names = {
                        "user": trader.user_id,
                        "account": trader.account_id,
                        "signal": f"{number}{trader.user_id[1:]}",
                    }
                    connection.execute(statement.encode(), names)


@pytest.fixture
async def scene(stack: Stack) -> AsyncIterator[Scene]:
    backend = Backend.of_stack(stack)
    async with AsyncExitStack() as closing:
        traders = []
        for name in ("Ada", "Ben"):
            trader = await Trader.sign_up(backend, name)
            closing.push_async_callback(trader.close)
            saved = await trader.client.rpc(
                "save_api_key",
                {"p_exchange": "paper", "p_environment": "paper", "p_label": name, "p_sealed": SEALED},
            ).execute()
            trader.account_id = str(saved.data)
            traders.append(trader)
        heard = [
            await closing.enter_async_context(
                listening(backend.url, backend.publishable_key, await access_token(trader))
            )
            for trader in traders
        ]
        anonymous = await closing.enter_async_context(open_socket(stack.state))
        every = [{"event": "*", "schema": "public", "table": table} for table in TABLES]
        assert ok(await anonymous.join("dashboard", postgres_changes=every))
        assert (await anonymous.receive())["event"] == "system"
        yield Scene(stack, (traders[0], traders[1]), (heard[0], heard[1]), anonymous)


async def test_each_trader_hears_of_exactly_his_own_inserts_and_updates(scene: Scene) -> None:
    await scene.write_everything()
    for trader, dashboard in zip(scene.traders, scene.dashboards, strict=True):
        own = [(table, "INSERT", trader.user_id) for table in TABLES]
        own += [(table, "UPDATE", trader.user_id) for table in TABLES]
        assert dashboard.heard == own
        assert dashboard.errors == []


async def test_who_is_not_signed_in_is_told_no_value_of_any_row(scene: Scene) -> None:
    await scene.write_everything()
    await scene.anonymous.send({"topic": "phoenix", "event": "heartbeat", "payload": {}, "ref": "alive"})
    told = []
    while (frame := await scene.anonymous.receive())["ref"] != "alive":
        told.append(frame["payload"]["data"])
    # Realtime says of each change that he may not see it, which is the table and the operation.
    for data in told:
        assert data["errors"] == ["Error 401: Unauthorized"]
        assert {key: value for key, value in data.items() if key in KEYS_WITH_VALUES and value} == {}
    assert {data["type"] for data in told} == {"INSERT", "UPDATE"}


async def test_deletions_would_be_told_to_everybody(scene: Scene) -> None:
    # Why the publication leaves them out, and that the test above would notice.
    alter = "alter publication supabase_realtime set (publish = '{}')"
    with psycopg.connect(scene.stack.database_url, autocommit=True) as connection:
        connection.execute(alter.format("insert, update, delete").encode())
        try:
            await scene.write_everything()
        finally:
            connection.execute(alter.format("insert, update").encode())
    deleted = [(table, whose) for table, kind, whose in scene.dashboards[0].heard if kind == "DELETE"]
    assert sorted(deleted) == sorted((table, None) for table in TABLES for _ in scene.traders)
