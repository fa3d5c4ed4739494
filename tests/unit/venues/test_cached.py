import asyncio

import pytest

from sparky.domain.errors import VenueUnavailable
from sparky.venues.cached import Cached
from tests.unit.runtime.virtual_seams import VirtualTime


class Loads:
    def __init__(self) -> None:
        self.count = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.fails = False

    async def __call__(self) -> int:
        self.count += 1
        value = self.count
        await self.gate.wait()
        if self.fails:
            raise VenueUnavailable("later")
        return value


async def test_a_value_is_loaded_once_until_it_is_too_old() -> None:
    time, load = VirtualTime(), Loads()
    cached = Cached[str, int](60, time)
    assert [await cached.get("a", load), await cached.get("a", load)] == [1, 1]
    time.jump(59)
    assert await cached.get("a", load) == 1
    time.jump(1)
    assert await cached.get("a", load) == 2


async def test_what_is_past_its_time_is_not_held_for_ever() -> None:
    time, load = VirtualTime(), Loads()
    cached = Cached[str, int](60, time)
    for key in "abc":
        await cached.get(key, load)
    time.jump(61)
    await cached.get("d", load)
    assert list(cached._kept) == ["d"]


async def test_many_who_ask_at_once_share_one_load() -> None:
    cached, load = Cached[str, int](60, VirtualTime()), Loads()
    assert await asyncio.gather(*(cached.get("a", load) for _ in range(9))) == [1] * 9
    assert await cached.get("b", load) == 2
    assert cached._loading == {}


async def test_a_failure_is_not_kept_and_the_next_one_loads() -> None:
    cached, load = Cached[str, int](60, VirtualTime()), Loads()
    load.fails = True
    results = await asyncio.gather(*(cached.get("a", load) for _ in range(2)), return_exceptions=True)
    assert [type(result) for result in results] == [VenueUnavailable] * 2
    load.fails = False
    assert await cached.get("a", load) == 3


async def test_who_is_cancelled_while_loading_leaves_the_load_to_the_next() -> None:
    cached, load = Cached[str, int](60, VirtualTime()), Loads()
    load.gate.clear()
    first = asyncio.create_task(cached.get("a", load))
    second = asyncio.create_task(cached.get("a", load))
    await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    load.gate.set()
    assert await second == 2
    assert cached._loading == {}


async def test_what_is_forgotten_is_loaded_again_even_when_it_was_being_loaded() -> None:
    cached, load = Cached[str, int](60, VirtualTime()), Loads()
    load.gate.clear()
    first = asyncio.create_task(cached.get("a", load))
    await asyncio.sleep(0)
    cached.forget("a")
    load.gate.set()
    assert await first == 1
    assert await cached.get("a", load) == 2


async def test_the_longest_unused_goes_first() -> None:
    cached, load = Cached[str, int](60, VirtualTime(), most=2), Loads()
    for key in ("a", "b", "a", "c"):
        await cached.get(key, load)
    assert await cached.get("a", load) == 1
    assert await cached.get("b", load) == 4
