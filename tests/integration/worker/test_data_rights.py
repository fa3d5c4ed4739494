"""A copy of everything, and an end: asked for over the API, done by a running worker in many batches."""

import json
from typing import Any

import httpx
import pytest
from supabase_auth.errors import AuthApiError

from scripts.testbed.trader import Trader
from tests.integration.worker.world import World, until

SIGNALS = 7000
BUY = {"symbol": "BTCUSDT", "action": "buy", "quantity": "1", "price": "100"}


async def rpc(trader: Trader, function: str, **arguments: Any) -> Any:
    return (await trader.client.rpc(function, arguments).execute()).data


async def large_trader(world: World) -> Trader:
    trader = await world.trader()
    world.records.run(
        "insert into public.signals (user_id, status, received_at, finished_at)"
        " select %s, 'rejected', now() - n * interval '1 second', now() from generate_series(1, %s) n",
        trader.user_id,
        SIGNALS,
    )
    return trader


async def test_a_worker_finishes_the_export_of_a_large_account(world: World) -> None:
    trader = await large_trader(world)
    begun = await rpc(trader, "export_my_data")
    assert begun["status"] == "pending"
    world.worker()
    status = "select status from public.data_exports where id = %s"
    await until(lambda: world.records.value(status, begun["export_id"]) == "ready", 30)
    first = await rpc(trader, "read_export", p_export_id=begun["export_id"])
    header = json.loads(first.splitlines()[0])
    rows = 0
    for part in range(1, header["parts"] + 1):
        text = await rpc(trader, "read_export", p_export_id=begun["export_id"], p_part=part)
        rows += sum('{"table" : "signals"' in line for line in text.splitlines())
    assert rows == header["tables"]["signals"] == SIGNALS


async def test_a_worker_deletes_a_large_account_and_no_other(world: World) -> None:
    leaver, stayer = await large_trader(world), await world.trader()
    begun = await rpc(leaver, "delete_my_account", p_confirm=leaver.email)
    assert begun == {"status": "deleting"}
    assert (await leaver.post(world.http, BUY)).http == httpx.codes.NOT_FOUND
    world.worker()
    left = "select count(*) from auth.users where id = %s"
    await until(lambda: world.records.value(left, leaver.user_id) == 0, 30)
    assert world.records.value("select count(*) from public.signals where user_id = %s", leaver.user_id) == 0
    with pytest.raises(AuthApiError, match="Invalid login credentials"):
        await leaver.client.auth.sign_in_with_password({"email": leaver.email, "password": leaver.password})
    answer = await stayer.post(world.http, BUY)
    assert answer.http == httpx.codes.OK, answer
    done = "select status from public.signals where id = %s"
    await until(lambda: world.records.value(done, answer.signal_id) == "done", 30)
