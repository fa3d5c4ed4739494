import asyncio
import os
import random
import sys
import time

import pytest

from scripts.testbed.worker_process import WorkerProcess
from tests.integration.worker.lanes import Lane, assert_each_executed_once, lanes_of, post_all, sign_up
from tests.integration.worker.world import SHORT_LEASE, World

TRADERS = 10
ALERTS_PER_LANE = 10
KILLS = 10


@pytest.mark.timeout(150)
async def test_a_worker_killed_at_any_instant_loses_and_doubles_nothing(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    seed = int(os.environ.get("KILL_SEED") or random.SystemRandom().getrandbits(32))
    traders = await sign_up(world, TRADERS, latency_ms="40")
    # On a busy machine ten starts of a worker take longer than an alert may grow old.
    for trader in traders:
        world.records.run(
            "insert into public.trade_settings_exchange (user_id, exchange, max_signal_age_sec,"
            " max_open_positions, trading_hours_preset, allow_weekends)"
            " values (%s, 'paper', 0, 0, '24/7', true)",
            trader.user_id,
        )
    lanes = lanes_of(traders)
    began = time.monotonic()
    worker = world.worker(**SHORT_LEASE)
    signal_ids: list[str] = []
    instants = []
    # Repeatable, and no secret.
    chance = random.Random(seed)  # noqa: S311
    for number in range(ALERTS_PER_LANE):
        worker.await_event("worker_started", count=number + 1)
        instants.append(chance.uniform(0.05, 0.9))
        posting = asyncio.create_task(post_all(world, lanes, number))
        await _kill_and_start(worker, instants[-1])
        signal_ids += await posting
    await world.finished(signal_ids, seconds=60)
    again = _taken_over(world)
    with capsys.disabled():
        sys.stdout.write(
            f"\nKILL_SEED={seed}: {len(instants)} kills, {again} signals taken over, "
            f"{time.monotonic() - began:.0f} s\n"
        )
    assert len(instants) == KILLS
    # Kills that hit nothing prove nothing.
    assert again >= KILLS
    assert_each_executed_once(world, len(lanes) * ALERTS_PER_LANE)


async def _kill_and_start(worker: WorkerProcess, after: float) -> None:
    await asyncio.sleep(after)
    worker.kill()
    worker.start()


def _taken_over(world: World) -> int:
    return sum(row["attempt"] > 1 for row in world.signals())


async def test_two_workers_share_the_work_and_execute_each_signal_once(world: World) -> None:
    lanes: list[Lane] = lanes_of(await sign_up(world, 4, latency_ms="20"))
    workers = [world.worker(claim_batch="4", max_in_flight="8") for _ in range(2)]
    for worker in workers:
        worker.await_event("wake_ups_connected")
    signal_ids: list[str] = []
    for number in range(10):
        signal_ids += await post_all(world, lanes, number)
    await world.finished(signal_ids)
    assert_each_executed_once(world, 200)
    shares = [row["claimed_by"] for row in world.signals()]
    assert len(set(shares)) == 2
    assert {row["attempt"] for row in world.signals()} == {1}
