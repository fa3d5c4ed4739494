"""A large account's export, asked for by its trader over the API and written by a running worker."""

import json
from typing import Any

from scripts.testbed.trader import Trader
from tests.integration.worker.world import World, until

SIGNALS = 7000


async def rpc(trader: Trader, function: str, **arguments: Any) -> Any:
    return (await trader.client.rpc(function, arguments).execute()).data


async def test_a_worker_finishes_the_export_of_a_large_account(world: World) -> None:
    trader = await world.trader()
    world.records.run(
        "insert into public.signals (user_id, status, received_at, finished_at)"
        " select %s, 'rejected', now() - n * interval '1 second', now() from generate_series(1, %s) n",
        trader.user_id,
        SIGNALS,
    )
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
