"""The clock of the venues' tests wakes sleepers in order, one at a time."""

import asyncio
import time
from datetime import timedelta

import pytest

from tests.venues.fakes.moving_time import MovingTime


async def test_sleepers_wake_in_the_order_of_their_times_and_at_them() -> None:
    clock = MovingTime()
    woken: list[float] = []

    async def sleeper(seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append(clock.monotonic())

    begun = time.monotonic()
    await asyncio.gather(*(sleeper(one) for one in (30, 2, 600, 10)))
    assert woken == [2, 10, 30, 600]
    assert time.monotonic() - begun < 2


async def test_a_machine_that_was_held_up_wakes_no_two_sleepers_at_once() -> None:
    clock = MovingTime()
    seen: list[float] = []

    async def work() -> None:
        await clock.sleep(1)
        for _ in range(5):
            await asyncio.sleep(0)
        seen.append(clock.monotonic())

    tasks = [asyncio.create_task(work()), asyncio.create_task(clock.sleep(20))]
    await asyncio.sleep(0)
    time.sleep(0.03)  # noqa: ASYNC251 - the machine is held up
    await asyncio.gather(*tasks)
    assert seen == [1]


async def test_who_is_cancelled_in_his_sleep_makes_no_time_pass() -> None:
    clock = MovingTime()
    task = asyncio.create_task(clock.sleep(50))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await clock.sleep(5)
    assert clock.monotonic() == 5


async def test_a_jump_lets_time_pass_at_once() -> None:
    clock = MovingTime()
    before = clock.now()
    task = asyncio.create_task(clock.sleep(5))
    await asyncio.sleep(0)
    clock.jump(60)
    await task
    assert clock.now() - before == timedelta(seconds=60)
