import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from tests.integration.worker.lanes import assert_each_executed_once, lanes_of, sign_up
from tests.integration.worker.ledger import paper_orders
from tests.integration.worker.world import SHORT_LEASE, World, until

LATENCY_MS = 1200


async def test_a_worker_that_wakes_up_after_its_lease_changes_nothing(world: World) -> None:
    lanes = lanes_of(await sign_up(world, 3, latency_ms=str(LATENCY_MS)))
    sleeper = world.worker(**SHORT_LEASE)
    sleeper.await_event("wake_ups_connected")
    signal_ids = []
    # Staggered, so that at the pause some orders are at the venue and some are on the way.
    for lane in lanes:
        signal_ids.append(await world.accept(lane.trader, lane.alert(0)))
        await asyncio.sleep(LATENCY_MS / 2000 / len(lanes))
    await until(
        lambda: 2 <= len(paper_orders(world.records, world.traders)) <= len(lanes) - 2, 5, every=0.005
    )
    sleeper.pause()
    successor = world.worker(**SHORT_LEASE)
    name = successor.log.stem
    await until(lambda: _taken_over(world.signals(), name), 30)
    # Of these the successor has finished some, and is still looking after others.
    before = world.signals()
    sleeper.resume()
    left_alone = sum(row["attempt"] > 1 for row in before)
    await asyncio.to_thread(sleeper.await_event, "claim_left_alone", count=left_alone)
    after = await world.finished(signal_ids)
    for then, now in zip(before, after, strict=True):
        assert then["finished_at"] is None or now == then
        assert (now["claimed_by"], now["fence"]) == (then["claimed_by"], then["fence"])
    assert_each_executed_once(world, len(lanes))
    # It is as good as new.
    successor.kill()
    again = [await world.accept(lane.trader, lane.alert(1)) for lane in lanes]
    await world.finished(again)
    assert {world.signal(signal_id)["attempt"] for signal_id in again} == {1}
    assert_each_executed_once(world, 2 * len(lanes))


def _taken_over(signals: Sequence[Mapping[str, Any]], successor: str) -> bool:
    by_successor = [row for row in signals if row["claimed_by"] == successor]
    unfinished = [row for row in signals if row["finished_at"] is None]
    finished_again = [row for row in by_successor if row["finished_at"] is not None]
    return len(finished_again) >= 2 <= len(unfinished) and all(row in by_successor for row in unfinished)
