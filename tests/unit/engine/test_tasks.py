"""The queue of small work: validations, each ended or given another time."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from sparky.database.gateway import BatchDone, Task, TaskResult
from sparky.domain.errors import DatabaseUnavailable, LostClaim
from sparky.domain.identifiers import UserId
from sparky.engine.tasks import TaskRunner
from tests.unit.engine.fake_venue import FakeVenue
from tests.unit.engine.virtual_loop import LoopClock, loop_seams
from tests.unit.engine.world import FIELDS, VENUE_SECONDS, Worker, World


class Queue:
    def __init__(self, *tasks: Task) -> None:
        self.waiting = list(tasks)
        self.results: list[TaskResult] = []
        self.faults = 0
        self.batches: list[BatchDone | Exception] = []
        self.batch_seconds = 0.0

    async def claim_tasks(self, limit: int, lease_seconds: int) -> Sequence[Task]:
        del lease_seconds
        if self.faults:
            self.faults -= 1
            raise DatabaseUnavailable("claim_tasks: ConnectError", reached=False)
        taken, self.waiting = self.waiting[:limit], self.waiting[limit:]
        return taken

    async def work_task(self, task: Task) -> BatchDone:
        del task
        await asyncio.sleep(self.batch_seconds)
        done = self.batches.pop(0) if self.batches else BatchDone(held=True)
        if isinstance(done, Exception):
            raise done
        return done

    async def finish_tasks(self, results: Sequence[TaskResult]) -> None:
        self.results.extend(results)


def validation(world: World, number: int = 1, **changes: Any) -> Task:
    order = world.signal().order
    account: Mapping[str, Any] = order["account"] | changes
    return Task(
        task_id=number,
        kind="validate_key",
        fence=1,
        attempt=1,
        user_id=UserId(order["user_id"]),
        account=account,
    )


@asynccontextmanager
async def working(world: World, queue: Queue, **others: FakeVenue) -> AsyncIterator[None]:
    desk = Worker(world.database, world.venue, seed=0, batch=1, most=1, others=others).desk
    running = asyncio.create_task(TaskRunner(queue, desk, loop_seams()).run())
    yield
    assert not running.done()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_keys_that_work_become_valid() -> None:
    world = World()
    queue = Queue(validation(world))
    async with working(world, queue):
        await asyncio.sleep(1)
    assert [(result.ok, result.account_status) for result in queue.results] == [(True, "valid")]


async def test_what_the_venue_says_of_keys_is_recorded_with_them() -> None:
    world = World()
    world.venue.check = replace(world.venue.check, account_number="101-001-1", permissions=("trade",))
    queue = Queue(validation(world))
    async with working(world, queue):
        await asyncio.sleep(1)
    assert queue.results[0].check == world.venue.check


async def test_a_venue_that_stays_away_is_no_reason_to_give_a_validation_up() -> None:
    world = World()
    world.venue.unavailable = 2
    queue = Queue(replace(validation(world), attempt=7), replace(validation(world, 2), attempt=8))
    async with working(world, queue):
        await asyncio.sleep(1)
    first, second = queue.results
    assert (first.ok, first.account_status) == (False, None)
    assert (second.ok, second.again, second.account_status) == (True, True, None)
    assert (first.error, second.error) == ("the venue did not answer",) * 2
    assert first.retry_in_seconds
    assert second.retry_in_seconds == 600


async def test_a_venue_that_hangs_keeps_the_validations_of_others_waiting_for_one_time_out_at_most() -> None:
    world = World()
    world.venue.latency = 3600
    other = FakeVenue()
    queue = Queue(*(validation(world, number) for number in range(20)))
    queue.waiting[9:9] = [validation(world, 99, exchange="other")]
    async with working(world, queue, other=other):
        await asyncio.sleep(1)
        assert [result.task_id for result in queue.results] == [99]
        await asyncio.sleep(2 * VENUE_SECONDS)
        assert len(queue.results) == 21
        # The second batch did not ask it again.
        assert "moment ago" in (queue.results[-1].error or "")
        world.venue.latency = 0
        queue.waiting.append(validation(world, 100))
        await asyncio.sleep(30)
        queue.waiting.append(validation(world, 101))
        await asyncio.sleep(5)
    assert queue.results[-1].account_status == "valid"


async def test_keys_that_the_venue_refuses_become_invalid_with_its_reason() -> None:
    world = World()
    world.venue.accepts_keys = False
    queue = Queue(validation(world))
    async with working(world, queue):
        await asyncio.sleep(1)
    (result,) = queue.results
    assert (result.ok, result.account_status) == (True, "invalid")
    assert result.status_reason == "The venue does not accept the keys: save them again."


async def test_keys_that_do_not_open_become_invalid() -> None:
    world = World()
    world.store_keys("plain")
    queue = Queue(validation(world))
    async with working(world, queue):
        await asyncio.sleep(1)
    assert queue.results[0].account_status == "invalid"


async def test_plain_keys_of_a_venue_that_is_not_served_are_sealed_all_the_same() -> None:
    world = World()
    world.store_keys(json.dumps(FIELDS), is_sealed=False)
    queue = Queue(validation(world, exchange="elsewhere"))
    async with working(world, queue):
        await asyncio.sleep(1)
    (result,) = queue.results
    assert result.account_status == "invalid"
    assert "served are" in (result.status_reason or "")
    assert world.database.calls.count("reseal_keys") == 1


async def test_a_venue_that_is_away_or_hangs_says_nothing_about_the_keys() -> None:
    world = World()
    world.venue.unavailable = 1
    queue = Queue(validation(world, 1), validation(world, 2))
    async with working(world, queue):
        await asyncio.sleep(0.1)
        assert queue.results[1].account_status == "valid"
        world.venue.latency = 3600
        queue.waiting.append(validation(world, 3))
        await asyncio.sleep(15)
    for result in (queue.results[0], queue.results[2]):
        assert not result.ok
        assert result.retry_in_seconds
        assert result.account_status is None


@pytest.mark.parametrize("changes", [{"kind": "dance"}, {"account": None}, {"user_id": None}])
async def test_a_task_that_cannot_be_worked_is_ended(changes: dict[str, Any]) -> None:
    world = World()
    good = validation(world)
    fields = {name: getattr(good, name) for name in Task.__slots__}
    queue = Queue(Task(**fields | changes), validation(world, 2))
    async with working(world, queue):
        await asyncio.sleep(1)
    assert (queue.results[0].ok, queue.results[0].retry_in_seconds) == (False, None)
    assert queue.results[1].ok


async def test_an_unreadable_account_does_not_stop_the_others() -> None:
    world = World()
    queue = Queue(validation(world, key_version="one"), validation(world, 2))
    async with working(world, queue):
        await asyncio.sleep(1)
    assert [result.ok for result in queue.results] == [False, True]


async def test_the_queue_is_asked_again_after_the_database_was_away() -> None:
    world = World()
    queue = Queue(validation(world))
    queue.faults = 4
    async with working(world, queue):
        await asyncio.sleep(20)
    assert queue.results[0].ok
    assert LoopClock().monotonic() >= 20


MORE = BatchDone(held=True, more=True)


def database_task(number: int = 1, attempt: int = 1) -> Task:
    return Task(task_id=number, kind="retention", fence=1, attempt=attempt, user_id=None, account=None)


async def test_the_database_is_kept_at_a_task_until_there_is_no_more() -> None:
    queue = Queue(database_task())
    queue.batches = [MORE, MORE, BatchDone(held=True)]
    async with working(World(), queue):
        await asyncio.sleep(1)
    assert queue.batches == []
    assert [(result.ok, result.again) for result in queue.results] == [(True, False)]


async def test_a_long_task_is_given_back_after_its_turn_and_keys_are_validated_meanwhile() -> None:
    world = World()
    queue = Queue(database_task(), validation(world, 2))
    queue.batches = [MORE] * 1000
    queue.batch_seconds = 1.0
    async with working(world, queue):
        await asyncio.sleep(7)
    assert [(result.task_id, result.ok, result.again) for result in queue.results] == [
        (2, True, False),
        (1, True, True),
    ]


async def test_a_batch_that_fails_is_tried_again_later_and_the_reason_kept() -> None:
    queue = Queue(database_task(1), database_task(2))
    queue.batches = [
        BatchDone(held=True, error="the chain does not hold (55000)"),
        MORE,
        DatabaseUnavailable("work_task: ReadTimeout", reached=True),
    ]
    async with working(World(), queue):
        await asyncio.sleep(1)
    assert [(result.ok, result.error) for result in queue.results] == [
        (False, "the chain does not hold (55000)"),
        (False, "work_task: ReadTimeout"),
    ]
    assert all(result.retry_in_seconds for result in queue.results)


async def test_a_task_that_somebody_else_has_by_now_gets_no_result() -> None:
    queue = Queue(database_task(1), database_task(2))
    queue.batches = [MORE, BatchDone(held=False)]
    async with working(World(), queue):
        await asyncio.sleep(1)
    assert [result.task_id for result in queue.results] == [2]


async def test_a_validation_whose_lease_ran_out_says_nothing_about_the_keys() -> None:
    world = World()
    world.database.keys = LostClaim("no live work")
    queue = Queue(validation(world))
    async with working(world, queue):
        await asyncio.sleep(1)
    (result,) = queue.results
    assert (result.ok, result.account_status) == (False, None)
    assert result.retry_in_seconds
