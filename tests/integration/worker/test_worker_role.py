import asyncio
from collections.abc import Mapping
from typing import Any

import httpx
import pytest
from realtime import AsyncRealtimeClient, RealtimeSubscribeStates

from tests.integration.worker.world import World

WORKER_FUNCTIONS = {
    "begin_orders",
    "claim_accounts",
    "claim_signals",
    "claim_tasks",
    "extend_leases",
    "finish_accounts",
    "finish_signals",
    "finish_tasks",
    "open_keys",
    "paper_cancel",
    "paper_find_order",
    "paper_list_fills",
    "paper_list_open",
    "paper_list_positions",
    "paper_mark",
    "paper_open",
    "paper_place_exits",
    "paper_submit",
    "release_signals",
    "reseal_keys",
    "rotate_keys",
    "work_task",
    "worker_heartbeat",
}
NOT_ALLOWED = "42501"


@pytest.fixture
def as_worker(world: World) -> Mapping[str, str]:
    backend = world.backend
    return {"apikey": backend.publishable_key, "authorization": f"Bearer {backend.worker_token}"}


async def test_the_worker_role_executes_the_worker_functions_and_no_others(
    world: World, as_worker: Mapping[str, str]
) -> None:
    functions = world.records.rows(
        "select p.proname as name, coalesce(p.proargnames[1:p.pronargs], '{}') as arguments from pg_proc p"
        " where p.pronamespace = 'public'::regnamespace and p.prokind = 'f'"
        " and not exists (select from pg_depend d where d.objid = p.oid and d.deptype = 'e')"
    )
    assert {row["name"] for row in functions} > WORKER_FUNCTIONS
    executed = set()
    for row in functions:
        url = f"{world.backend.url}/rest/v1/rpc/{row['name']}"
        # Nothing is asked for, so whatever is executed does nothing or complains of that.
        answer = await world.http.post(url, headers=as_worker, json=dict.fromkeys(row["arguments"]))
        if not _is_refused(answer):
            executed.add(row["name"])
    assert executed == WORKER_FUNCTIONS


async def test_the_worker_role_reads_and_writes_no_table(world: World, as_worker: Mapping[str, str]) -> None:
    tables = world.records.rows(
        "select c.relname as name, (select min(a.attname::text) from pg_attribute a where a.attrelid = c.oid"
        " and a.attnum > 0 and not a.attisdropped and a.attidentity = '' and a.attgenerated = '') as column,"
        " pg_relation_is_updatable(c.oid, true) > 0 as writable"
        " from pg_class c where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'v', 'm', 'p')"
    )
    assert {"signals", "orders", "user_api_keys", "user_webhook_configs"} <= {row["name"] for row in tables}
    for row in tables:
        url = f"{world.backend.url}/rest/v1/{row['name']}"
        answers = [await world.http.get(url, headers=as_worker)]
        # Into a view of sums nobody can write, and Postgres says so before it asks for a right.
        if row["writable"]:
            answers += [
                await world.http.post(url, headers=as_worker, json={row["column"]: None}),
                await world.http.patch(url, headers=as_worker, json={row["column"]: None}),
                await world.http.delete(url, headers=as_worker),
            ]
        assert [answer.status_code for answer in answers if not _is_refused(answer)] == [], row["name"]


@pytest.mark.parametrize("schema", ["private", "vault", "auth", "realtime"])
async def test_the_worker_role_reaches_no_other_schema(
    world: World, as_worker: Mapping[str, str], schema: str
) -> None:
    for table in ("paper_orders", "decrypted_secrets", "users", "messages"):
        headers = {**as_worker, "accept-profile": schema}
        answer = await world.http.get(f"{world.backend.url}/rest/v1/{table}", headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (406, "PGRST106")


def _is_refused(answer: httpx.Response) -> bool:
    return answer.status_code == httpx.codes.FORBIDDEN and answer.json()["code"] == NOT_ALLOWED


@pytest.mark.parametrize("topic", ["worker2", "other", "*", "worker:1"])
async def test_the_worker_role_joins_its_wake_up_channel_and_no_other(world: World, topic: str) -> None:
    assert await _join(world, "worker") is RealtimeSubscribeStates.SUBSCRIBED
    assert await _join(world, topic) is RealtimeSubscribeStates.CHANNEL_ERROR


async def _join(world: World, topic: str) -> RealtimeSubscribeStates:
    backend = world.backend
    client = AsyncRealtimeClient(f"{backend.url}/realtime/v1", backend.publishable_key, auto_reconnect=False)
    client.access_token = backend.worker_token
    answered: asyncio.Future[RealtimeSubscribeStates] = asyncio.get_running_loop().create_future()

    def on_state(state: RealtimeSubscribeStates, _error: Exception | None) -> None:
        if not answered.done():
            answered.set_result(state)

    await client.connect()
    try:
        private: Any = {"config": {"private": True, "broadcast": None, "presence": None}}
        await client.channel(topic, private).subscribe(on_state)
        async with asyncio.timeout(10):
            return await answered
    finally:
        await client.close()
