"""Realtime stopped and started, its database restarted: clients come back by themselves."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any, LiteralString

import httpx
import psycopg
import pytest
from realtime import AsyncRealtimeClient, RealtimePostgresChangesListenEvent, RealtimeSubscribeStates
from websockets.exceptions import InvalidStatus

from tests.integration.stack.realtime_own_server import OwnServer, own_server
from tests.integration.stack.realtime_project import Project, ok, open_socket, run_sql, send_sql, token
from tests.integration.stack.realtime_world import ALICE, order, world

SECONDS = 20.0
QUICK_SECONDS = 5.0
JOINED = RealtimeSubscribeStates.SUBSCRIBED
BROKEN = RealtimeSubscribeStates.CHANNEL_ERROR
RELOAD = "select pg_reload_conf()"
WAITING_FOR_VISIBILITY = (
    "select 1 from pg_stat_activity"
    " where application_name = 'realtime_changes' and query like '%pg_snapshot_xip%'"
)
# The client reads this attribute when a socket ends; raised as an error it would end its listening task.
pytestmark = pytest.mark.filterwarnings(
    "ignore:ConnectionClosed.(code|reason) is deprecated:DeprecationWarning"
)


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnServer]:
    with own_server(tmp_path_factory.mktemp("realtime") / "stack") as server, world(server):
        yield server
        assert not [line for line in server.lines if line["level"] in ("unhandled", "raw")]


class Listener:
    """The Python client on a private channel and on the changes of a table."""

    def __init__(self, realtime: AsyncRealtimeClient) -> None:
        self.realtime = realtime
        self.states: dict[str, asyncio.Queue[RealtimeSubscribeStates]] = {}
        self.heard: asyncio.Queue[Any] = asyncio.Queue()
        self.system: asyncio.Queue[Any] = asyncio.Queue()

    async def listen(self) -> None:
        config: Any = {"config": {"broadcast": None, "presence": None, "private": True}}
        hints = self.realtime.channel("worker", config).on_broadcast("ev", self.heard.put_nowait)
        changes = self.realtime.channel("orders").on_postgres_changes(
            RealtimePostgresChangesListenEvent.Insert,
            schema="public",
            table="realtime_orders",
            callback=self.heard.put_nowait,
        )
        changes.on_system(self.system.put_nowait)
        for name, channel in (("hints", hints), ("changes", changes)):
            states = self.states.setdefault(name, asyncio.Queue())
            await channel.subscribe(lambda state, _error, states=states: states.put_nowait(state))  # type: ignore[misc]
        await self.await_state(JOINED)
        await self.await_live()

    async def await_state(self, wanted: RealtimeSubscribeStates) -> None:
        for states in self.states.values():
            while await asyncio.wait_for(states.get(), SECONDS) != wanted:
                pass

    async def await_live(self) -> None:
        assert (await asyncio.wait_for(self.system.get(), SECONDS)).message == "Subscribed to PostgreSQL"

    async def hear(self) -> Any:
        return await asyncio.wait_for(self.heard.get(), SECONDS)


@asynccontextmanager
async def listener(project: Project) -> AsyncIterator[Listener]:
    realtime = AsyncRealtimeClient(f"{project.url}/realtime/v1", project.secret_key, initial_backoff=0.1)
    try:
        yield Listener(realtime)
    finally:
        await realtime.close()


async def assert_hears_everything(listening: Listener, project: Project) -> None:
    await asyncio.to_thread(run_sql, project, send_sql("worker"))
    assert (await listening.hear())["event"] == "ev"
    await asyncio.to_thread(run_sql, project, order(ALICE, "7"))
    assert (await listening.hear())["data"]["record"]["amount"] == 7


async def control(project: Project, state: str) -> None:
    async with httpx.AsyncClient() as http:
        answer = await http.post(
            f"{project.url}/__stack/realtime", json={"state": state}, headers={"apikey": project.secret_key}
        )
        answer.raise_for_status()


async def test_a_stopped_server_drops_sockets_and_refuses_new_ones_until_started(stack: Project) -> None:
    with world(stack):
        async with listener(stack) as listening:
            await listening.listen()
            await control(stack, "stopped")
            try:
                await listening.await_state(BROKEN)
                with pytest.raises(InvalidStatus) as refused:
                    async with open_socket(stack):
                        pass
                assert refused.value.response.status_code == 503
            finally:
                await control(stack, "running")
            await listening.await_state(JOINED)
            await listening.await_live()
            await assert_hears_everything(listening, stack)


# Postgres is started from the main thread: it is bound to the life of the thread that starts it.
async def test_a_restart_of_postgres_makes_clients_join_again(own: OwnServer) -> None:
    async with listener(own) as listening:
        await listening.listen()
        began = time.monotonic()
        own.postgres.stop()
        # A server that stops waits until its replication clients have confirmed everything.
        assert time.monotonic() - began < QUICK_SECONDS
        await listening.await_state(BROKEN)
        own.postgres.start()
        await listening.await_state(JOINED)
        await listening.await_live()
        await assert_hears_everything(listening, own)


async def test_a_private_join_while_the_database_is_away_is_refused_and_later_granted(own: OwnServer) -> None:
    async with open_socket(own) as socket:
        own.postgres.stop()
        try:
            refused = await socket.join("worker", token(own, "service_role"), private=True)
            assert refused["payload"]["response"]["reason"].startswith("UnableToConnectToProject: ")
            assert ok(await socket.join("anyone"))
        finally:
            own.postgres.start()
        while not ok(await socket.join("worker", token(own, "service_role"), private=True)):
            pass
        run_sql(own, send_sql("worker"))
        assert (await socket.receive())["event"] == "broadcast"


async def test_a_lost_stream_of_messages_ends_private_channels_and_no_others(own: OwnServer) -> None:
    async with open_socket(own) as socket:
        assert ok(await socket.join("worker", token(own, "service_role"), private=True))
        assert ok(await socket.join("anyone"))
        run_sql(
            own,
            "select pg_terminate_backend(pid) from pg_stat_replication"
            " where application_name = 'realtime_replication'",
            admin=True,
        )
        assert (await socket.receive())["event"] == "system"
        error = await socket.receive()
        assert (error["event"], error["topic"]) == ("phx_error", "realtime:worker")
        assert ok(await socket.join("worker", token(own, "service_role"), private=True))
        run_sql(own, send_sql("worker"))
        assert (await socket.receive())["event"] == "broadcast"


async def test_a_commit_known_from_the_wal_before_it_is_visible_is_not_lost(own: OwnServer) -> None:
    # A commit that waits for a synchronous standby is in the WAL already and in no snapshot yet.
    binding = {"event": "INSERT", "schema": "public", "table": "realtime_orders"}
    trader = token(own, "authenticated", sub=ALICE)
    async with open_socket(own) as socket:
        assert ok(await socket.join("t", trader, postgres_changes=[binding]))
        assert (await socket.receive())["payload"]["status"] == "ok"
        run_sql(own, "alter system set synchronous_standby_names = 'nobody'", RELOAD, admin=True)
        inserting = asyncio.create_task(asyncio.to_thread(run_sql, own, order(ALICE, "8")))
        try:
            with psycopg.connect(own.admin_database_url, autocommit=True) as admin:
                await until(admin, "select 1 from pg_stat_activity where wait_event = 'SyncRep'")
                await until(admin, WAITING_FOR_VISIBILITY)
        finally:
            run_sql(own, "alter system reset synchronous_standby_names", RELOAD, admin=True)
        await inserting
        assert (await socket.receive())["payload"]["data"]["record"]["amount"] == 8


async def until(db: psycopg.Connection, query: LiteralString) -> None:
    deadline = time.monotonic() + SECONDS
    while db.execute(query).fetchone() is None:
        assert time.monotonic() < deadline, query
        await asyncio.sleep(0.005)
