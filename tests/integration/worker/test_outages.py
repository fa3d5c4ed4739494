import asyncio
import contextlib
import itertools
import random
import time
from collections.abc import AsyncIterator
from datetime import timedelta

import httpx
import pytest

from tests.integration.worker.lanes import Lane, assert_each_executed_once, lanes_of, post_all, sign_up
from tests.integration.worker.world import SHORT_LEASE, World, until

REALTIME_AWAY_SECONDS = 60
IN_FLIGHT = "select count(*) from public.orders where state = 'submitting' and user_id = any(%s::uuid[])"


@pytest.mark.timeout(180)
async def test_without_realtime_alerts_wait_for_the_timer_and_with_it_they_do_not(world: World) -> None:
    # On the timer alone an alert would wait 15 s on average while the channel is joined.
    worker = world.worker(poll_interval_seconds="30", poll_interval_disconnected_seconds="1")
    worker.await_event("wake_ups_connected")
    (lane,) = lanes_of(await sign_up(world, 1), symbols=1)
    numbers = itertools.count()
    # Repeatable, and no secret.
    chance = random.Random(4)  # noqa: S311
    world.stack.stop_realtime()
    try:
        worker.await_event("wake_ups_lost")
        alone = await _post_for(world, lane, REALTIME_AWAY_SECONDS, numbers, chance)
    finally:
        world.stack.start_realtime()
    assert len(alone) >= 10
    print(f"\n{len(alone)} signals without Realtime, the slowest done in {max(alone)}")
    assert max(alone) <= timedelta(seconds=2)
    worker.await_event("wake_ups_connected", count=2)
    woken = [await _post_and_wait(world, lane, next(numbers)) for _ in range(8)]
    # By its timer of 30 s alone a worker would be so fast eight times in a row once in 100 million.
    assert max(woken) <= timedelta(seconds=3)
    assert sorted(woken)[4] <= timedelta(seconds=0.5)
    assert worker.exit_code is None
    assert_each_executed_once(world, len(alone) + len(woken))


async def _post_for(
    world: World, lane: Lane, seconds: float, numbers: "itertools.count[int]", chance: random.Random
) -> list[timedelta]:
    delays = []
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        await asyncio.sleep(chance.uniform(1, 4))
        delays.append(await _post_and_wait(world, lane, next(numbers)))
    return delays


async def _post_and_wait(world: World, lane: Lane, number: int) -> timedelta:
    """Post an alert and return how long it waited from its receipt to its end."""
    signal_id = await world.accept(lane.trader, lane.alert(number))
    (signal,) = await world.finished([signal_id], seconds=10)
    waited: timedelta = signal["finished_at"] - signal["received_at"]
    return waited


async def test_a_worker_outlives_its_database_and_finishes_what_was_in_flight(world: World) -> None:
    lanes = lanes_of(await sign_up(world, 3, latency_ms="800"))
    worker = world.worker(**SHORT_LEASE)
    worker.await_event("wake_ups_connected")
    await post_all(world, lanes, 0)
    users = [trader.user_id for trader in world.traders]
    await until(lambda: world.records.value(IN_FLIGHT, users) >= 5, 5, every=0.005)
    async with _database_away(world, seconds=3):
        # TradingView sends again after a 503.
        sending = [asyncio.create_task(_send_until_accepted(world, lane, 1)) for lane in lanes]
        await asyncio.wait(sending, timeout=0.5)
        assert not [task for task in sending if task.done()]
    await asyncio.gather(*sending)
    await post_all(world, lanes, 2)
    await world.finished([str(row["id"]) for row in world.signals()], seconds=40)
    assert worker.exit_code is None
    assert_each_executed_once(world, 3 * len(lanes))
    # The one that lived through it is the one that did the work.
    assert {row["claimed_by"] for row in world.signals()} == {worker.log.stem}


@contextlib.asynccontextmanager
async def _database_away(world: World, seconds: float) -> AsyncIterator[None]:
    world.stack.stop_postgres()
    try:
        yield
        await asyncio.sleep(seconds)
    finally:
        world.stack.start_postgres()


async def _send_until_accepted(world: World, lane: Lane, number: int) -> None:
    while (answer := await lane.trader.post(world.http, lane.alert(number))).http != httpx.codes.OK:
        assert answer.http == httpx.codes.SERVICE_UNAVAILABLE
        await asyncio.sleep(0.5)
