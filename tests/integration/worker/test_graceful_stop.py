import pytest

from tests.integration.worker.lanes import assert_each_executed_once, lanes_of, post_all, sign_up
from tests.integration.worker.world import SHORT_LEASE, World, until

IN_FLIGHT = "select count(*) from public.orders where state = 'submitting' and user_id = any(%s::uuid[])"


@pytest.mark.parametrize("grace_seconds", ["10", "0.1"], ids=["finished", "given-back"])
async def test_a_stop_in_the_middle_of_orders_leaves_everything_to_be_finished_once(
    world: World, grace_seconds: str
) -> None:
    lanes = lanes_of(await sign_up(world, 4, latency_ms="800"))
    leaving = world.worker(
        shutdown_grace_seconds=grace_seconds, claim_batch="10", max_in_flight="10", **SHORT_LEASE
    )
    leaving.await_event("wake_ups_connected")
    signal_ids = await post_all(world, lanes, 0)
    users = [trader.user_id for trader in world.traders]
    await until(lambda: world.records.value(IN_FLIGHT, users) >= 5, 5, every=0.005)
    assert leaving.stop() == 0
    statuses = [row["status"] for row in world.signals()]
    held = [
        row for row in world.signals() if row["status"] == "executing" and row["lease_until"] > _now(world)
    ]
    assert held == []
    # What was in flight is finished or free to be taken, and what was not begun waits.
    assert "pending" in statuses
    assert ("done" if grace_seconds == "10" else "executing") in statuses
    world.worker(**SHORT_LEASE)
    await world.finished(signal_ids)
    assert_each_executed_once(world, len(lanes))


def _now(world: World) -> object:
    return world.records.value("select clock_timestamp()")
