import asyncio
from datetime import UTC

from sparky.runtime.seams import Seams, SystemClock, SystemRandomSource, SystemSleeper
from tests.unit.runtime.virtual_seams import VirtualTime, virtual_seams


def test_the_system_clock_is_aware_in_utc_and_its_seconds_only_grow() -> None:
    clock = SystemClock()
    assert clock.now().tzinfo is UTC
    assert clock.monotonic() <= clock.monotonic()


async def test_the_system_sleeper_returns_at_once_for_no_time_at_all() -> None:
    async with asyncio.timeout(5):
        await SystemSleeper().sleep(-1)
        await SystemSleeper().sleep(0)


def test_the_system_draws_in_range_and_not_twice_the_same() -> None:
    source = SystemRandomSource()
    assert all(0 <= source.uniform() < 1 for _ in range(100))
    drawn = {source.hexadecimal(16) for _ in range(50)}
    assert len(drawn) == 50
    assert all(len(text) == 16 and int(text, 16) >= 0 for text in drawn)
    assert source.hexadecimal(0) == ""


def test_all_seams_default_to_the_system() -> None:
    seams = Seams()
    assert isinstance(seams.clock, SystemClock)
    assert isinstance(seams.sleeper, SystemSleeper)
    assert isinstance(seams.random, SystemRandomSource)


async def test_virtual_sleepers_wake_in_order_and_at_their_time() -> None:
    time = VirtualTime()
    woken: list[tuple[str, float]] = []

    async def sleeper(name: str, seconds: float) -> None:
        await time.sleep(seconds)
        woken.append((name, time.monotonic()))

    async with asyncio.TaskGroup() as group:
        group.create_task(sleeper("late", 5))
        group.create_task(sleeper("early", 1))
        await time.advance(3)
        assert woken == [("early", 1.0)]
        assert time.sleeping == 1
        await time.advance(3)
    assert woken == [("early", 1.0), ("late", 5.0)]
    assert (time.now() - VirtualTime().now()).total_seconds() == 6


def test_virtual_randomness_replays() -> None:
    first, second = virtual_seams(seed=7).random, virtual_seams(seed=7).random
    assert [first.uniform(), first.hexadecimal(8)] == [second.uniform(), second.hexadecimal(8)]
