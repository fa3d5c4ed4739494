"""Limits of requests in virtual time: never exceeded, kept in order, corrected by the venue."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparky.domain.errors import VenueUnavailable
from sparky.venues.budget import Budget, Budgets, Limit, Priority
from tests.unit.runtime.virtual_seams import VirtualTime, virtual_seams

EXIT, ENTRY, READ = Priority.EXIT, Priority.ENTRY, Priority.READ


class World:
    """A budget, and who spent how much of it when."""

    def __init__(self, capacity: int = 10, seconds: float = 1.0) -> None:
        self.time = VirtualTime()
        self.budget = Budget("test", Limit(capacity, seconds), virtual_seams(self.time))
        self.log: list[tuple[float, int, str]] = []
        self.tasks: list[asyncio.Task[None]] = []

    async def spend(self, name: str, weight: int, priority: Priority, within: float) -> None:
        await self.budget.spend(weight, priority, within_seconds=within)
        self.log.append((self.time.monotonic(), weight, name))

    def start(
        self, name: str, priority: Priority = READ, weight: int = 1, within: float = 3.0
    ) -> asyncio.Task[None]:
        task = asyncio.create_task(self.spend(name, weight, priority, within))
        self.tasks.append(task)
        return task

    @property
    def names(self) -> list[str]:
        return [name for _, _, name in self.log]

    async def finish(self) -> list[BaseException | None]:
        await self.time.advance(600)
        return await asyncio.gather(*self.tasks, return_exceptions=True)


def run(scenario: Coroutine[Any, Any, None]) -> None:
    asyncio.run(scenario)


ARRIVAL = st.tuples(
    st.floats(0, 0.75, width=16),
    st.integers(1, 12),
    st.sampled_from(Priority),
    st.floats(0, 4, width=16),
    st.booleans(),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(ARRIVAL, max_size=40), st.integers(1, 20), st.floats(0.25, 2, width=16))
def test_no_window_ever_holds_more_than_the_limit_and_everybody_gets_an_answer_in_time(
    arrivals: list[tuple[float, int, Priority, float, bool]], capacity: int, seconds: float
) -> None:
    async def scenario() -> None:
        world = World(capacity, seconds)
        started: list[tuple[asyncio.Task[None], float, float]] = []
        for pause, weight, priority, within, cancels in arrivals:
            await world.time.advance(pause)
            task = world.start(f"{len(started)}", priority, weight, within)
            started.append((task, world.time.monotonic(), within))
            if cancels:
                started[len(started) // 2][0].cancel()
        results = await world.finish()
        assert not world.budget._queue
        for start, _, _ in world.log:
            within = sum(weight for at, weight, _ in world.log if start <= at < start + seconds - 1e-6)
            assert within <= capacity
        for at, _, name in world.log:
            _, asked, patience = started[int(name)]
            assert at <= asked + patience + 0.002
        assert {type(result) for result in results} <= {type(None), VenueUnavailable, asyncio.CancelledError}
        assert len(world.log) == results.count(None)

    run(scenario())


async def test_reads_and_entries_leave_room_for_exits() -> None:
    world = World(capacity=10)
    for name in ("read",) * 10 + ("entry",) * 5 + ("exit",) * 5:
        world.start(name, {"read": READ, "entry": ENTRY, "exit": EXIT}[name])
        await world.time.advance(0)
    assert world.names == ["read"] * 7 + ["entry"] * 2 + ["exit"]
    await world.time.advance(1)
    # at once 10 are free again: exits, then entries within their nine, and reads within their seven
    assert world.names[10:] == ["exit"] * 4 + ["entry"] * 3
    assert await world.finish() == [None] * 20


async def test_exits_go_before_entries_before_reads_and_each_in_the_order_of_arrival() -> None:
    world = World(capacity=1)
    world.start("first", EXIT)
    await world.time.advance(0)
    for name, priority in (
        ("r1", READ),
        ("e1", ENTRY),
        ("x1", EXIT),
        ("r2", READ),
        ("e2", ENTRY),
        ("x2", EXIT),
    ):
        world.start(name, priority, within=60)
        await world.time.advance(0.01)
    assert await world.finish() == [None] * 7
    assert world.names == ["first", "x1", "x2", "e1", "e2", "r1", "r2"]
    assert [round(at) for at, _, _ in world.log] == [0, 1, 2, 3, 4, 5, 6]


async def test_a_heavy_request_is_not_overtaken_for_ever_by_light_ones() -> None:
    world = World(capacity=10)
    world.start("heavy", READ, weight=10)
    for number in range(20):
        world.start(f"light {number}", within=30)
    assert await world.finish() == [None] * 21
    assert world.names[0] == "heavy"


async def test_who_cannot_be_served_in_time_hears_so_at_once_and_who_can_is() -> None:
    world = World(capacity=1, seconds=10)
    await world.budget.spend()
    with pytest.raises(
        VenueUnavailable, match=r"limit of requests, 1 in 10 seconds, is used up; .* in 10 sec"
    ):
        await world.budget.spend(within_seconds=9)
    with pytest.raises(VenueUnavailable, match=r"is used up\.$"):
        await world.budget.spend(weight=2, within_seconds=99)
    task = world.start("patient", within=10)
    assert await world.finish() == [None]
    assert task.done()


async def test_who_gives_up_or_is_cancelled_leaves_the_turn_to_the_next() -> None:
    world = World(capacity=10, seconds=10)
    await world.budget.spend(5, EXIT)
    impatient = world.start("impatient", EXIT, weight=9, within=20)
    patient = world.start("patient", EXIT, weight=5, within=20)
    await world.time.advance(0.1)
    assert world.names == []
    impatient.cancel()
    await world.time.advance(0)
    assert world.names == ["patient"]
    assert patient.done()


async def test_a_waiter_that_is_overtaken_until_its_time_is_over_is_told() -> None:
    world = World(capacity=1, seconds=1)
    await world.budget.spend()
    read = world.start("read", READ, within=1.5)
    await world.time.advance(0.5)
    for number in range(3):
        world.start(f"exit {number}", EXIT, within=9)
    await world.time.advance(1.01)
    assert isinstance(read.exception(), VenueUnavailable)
    assert await world.finish() == [read.exception(), None, None, None]


async def test_the_venues_own_count_is_taken_over_when_it_is_higher_and_never_when_it_is_lower() -> None:
    world = World(capacity=10, seconds=60)
    world.budget.told_used(9)
    await world.budget.spend(1, EXIT)
    world.budget.told_used(0)
    with pytest.raises(VenueUnavailable):
        await world.budget.spend(1, EXIT)
    world.time.jump(60)
    await world.budget.spend(10, EXIT)


async def test_what_the_venue_has_left_holds_until_its_window_ends() -> None:
    world = World(capacity=60, seconds=60)
    world.budget.told_available(0, 5)
    with pytest.raises(VenueUnavailable, match="in 5 seconds"):
        await world.budget.spend(1, EXIT)
    world.start("exit", EXIT, within=6)
    await world.time.advance(5)
    assert world.names == ["exit"]
    world.budget.told_available(0, 10**9)
    world.budget.told_available(-5, -1)
    world.budget.told_available(999, 5)
    await world.time.advance(60)
    await world.budget.spend(60, EXIT)


async def test_a_ban_stops_everything_until_it_ends() -> None:
    world = World(capacity=10)
    world.budget.block(120, "Aster has banned this address.")
    world.budget.block(5, "a shorter one")
    assert world.budget.blocked == "Aster has banned this address."
    for priority in Priority:
        with pytest.raises(VenueUnavailable, match=r"^Aster has banned this address; .* in 120 seconds\.$"):
            await world.budget.spend(1, priority)
    exit_task = world.start("exit", EXIT, within=121)
    await world.time.advance(119)
    assert not exit_task.done()
    await world.time.advance(1)
    assert world.names == ["exit"]
    assert world.budget.blocked is None


async def test_a_ban_reaches_those_who_wait_already() -> None:
    world = World(capacity=1)
    await world.budget.spend()
    world.start("waiting", EXIT, within=3)
    await world.time.advance(0.5)
    world.budget.block(60, "Banned.")
    await world.time.advance(1)
    results = await world.finish()
    assert isinstance(results[0], VenueUnavailable)


async def test_budgets_are_one_for_each_scope_and_bounded_unless_in_use() -> None:
    time = VirtualTime()
    budgets = Budgets(virtual_seams(time), most=2)
    limit = Limit(1, 10)
    kept = budgets.of(("ip", "production"), limit)
    await kept.spend()
    for account in "abc":
        budgets.of(("account", account), limit)
    assert budgets.of(("ip", "production"), limit) is kept
    assert len(budgets._budgets) <= 3
    time.jump(10)
    budgets.of("d", limit)
    budgets.of("e", limit)
    assert budgets.of(("ip", "production"), limit) is not kept
    assert "Budget(e: 0 of 1 in 10 s)" in repr(budgets.of("e", limit))
