"""When the worker claims, how much it takes, and how it stops."""

import asyncio
from uuid import uuid4

import pytest
import structlog

from sparky.database.keys import StoredKeys
from sparky.domain.identifiers import AccountId
from sparky.engine.inbox import Inbox
from sparky.keys.sealing import SealingContext, seal
from sparky.keys.secret import Secret
from tests.unit.domain.work_orders import work_order_json
from tests.unit.engine.fake_venue import FakeVenue
from tests.unit.engine.virtual_loop import LoopClock
from tests.unit.engine.world import CONTEXT, FIELDS, KEY, World, until


class Moments:
    """When the database was asked for work."""

    def __init__(self, world: World) -> None:
        self.at: list[float] = []
        claim = world.database.claim

        async def noted(limit: int) -> object:
            self.at.append(round(LoopClock().monotonic(), 3))
            return await claim(limit)

        world.database.claim = noted  # type: ignore[assignment,method-assign]


async def test_it_claims_at_start_and_on_the_timer() -> None:
    world = World()
    moments = Moments(world)
    async with world.worker() as worker:
        worker.inbox.poll_seconds = 1.0
        await asyncio.sleep(2.5)
    assert moments.at == [0.0, 1.002, 2.004]


async def test_a_hint_claims_at_once_and_again_50_ms_later() -> None:
    world = World()
    moments = Moments(world)
    async with world.worker() as worker:
        worker.inbox.poll_seconds = 5.0
        await asyncio.sleep(1)
        worker.inbox.hint()
        await asyncio.sleep(1)
    assert moments.at == [0.0, 1.0, 1.05]


async def test_the_echo_finds_what_was_committed_after_the_hint() -> None:
    world = World()
    async with world.worker() as worker:
        worker.inbox.poll_seconds = 5.0
        await asyncio.sleep(1)
        worker.inbox.hint()
        await asyncio.sleep(0.02)
        signal = world.signal()
        await asyncio.sleep(0.2)
    assert signal.status == "done"


async def test_a_storm_of_hints_claims_one_after_another_and_keeps_no_tasks() -> None:
    world = World()
    world.database.latency = 0.01
    async with world.worker() as worker:
        before = len(asyncio.all_tasks())
        for _ in range(5000):
            worker.inbox.hint()
            await asyncio.sleep(0.0001)
        assert len(asyncio.all_tasks()) <= before
        await asyncio.sleep(1)
    assert world.database.calls.count("claim") < 60


async def test_signals_are_executed_within_2_s_without_any_hint() -> None:
    world = World()
    async with world.worker() as worker:
        worker.inbox.poll_seconds = 1.0
        await asyncio.sleep(3.5)
        world.signal()
        took = await world.settle()
    assert took < 2


async def test_a_full_batch_is_followed_by_the_next_claim_at_once() -> None:
    world = World()
    for number in range(70):
        world.signal(lane=f"lane {number}")
    async with world.worker(batch=10) as worker:
        worker.inbox.poll_seconds = 60.0
        took = await world.settle()
    assert took < 2


async def test_the_next_signal_of_a_lane_follows_in_the_same_call() -> None:
    world = World()
    signals = [world.exit_signal() for _ in range(6)]
    async with world.worker() as worker:
        worker.inbox.poll_seconds = 60.0
        took = await world.settle()
    assert took < 1
    finished = [signal.finished_at or 0.0 for signal in signals]
    assert finished == sorted(finished)
    assert world.database.calls.count("claim") == 1


@pytest.mark.parametrize(("batch", "most"), [(1, 1), (10, 4), (20, 20)])
async def test_there_are_never_more_in_flight_than_allowed_and_room_is_used_at_once(
    batch: int, most: int
) -> None:
    world = World()
    for number in range(60):
        world.signal(lane=f"lane {number % 45}", alert={"quantity": "1", "price": "100", "dry_run": True})
    async with world.worker(batch=batch, most=most) as worker:
        worker.inbox.poll_seconds = 60.0
        took = await world.settle()
    assert world.database.most_executing <= most
    assert took < 5


async def test_slow_work_is_bounded_while_results_and_claims_overlap() -> None:
    world = World()
    world.venue.script.extend(["working"] * 30)
    for number in range(60):
        world.signal(lane=f"lane {number}")
    async with world.worker(batch=10, most=25):
        await world.settle()
    assert world.database.most_executing <= 25


async def test_claims_go_on_after_the_database_was_away() -> None:
    world = World()
    world.database.is_down = True
    async with world.worker() as worker:
        worker.inbox.poll_seconds = 1.0
        await asyncio.sleep(60)
        world.signal()
        world.database.is_down = False
        took = await world.settle()
    assert took < 3


async def test_one_result_that_the_database_refuses_does_not_stop_the_others() -> None:
    world = World()
    poison = world.signal(lane="poison")
    world.database.refused_signals.add(poison.order["signal_id"])
    others = [world.signal(lane=f"lane {number}") for number in range(5)]
    async with world.worker() as worker:
        worker.inbox.hint()
        await asyncio.sleep(1)
    assert {signal.status for signal in others} == {"done"}


async def test_a_result_that_never_fits_ends_in_the_hands_of_the_operator() -> None:
    world = World()
    signal = world.signal()
    world.database.faults["finish"].extend(["refuse"] * 1000)
    await world.run()
    assert (signal.status, signal.reason_code) == ("review", "internal_error")
    assert len(world.venue.executed) == 1


async def test_each_log_line_carries_the_ids_of_its_own_signal() -> None:
    world = World()
    first = world.signal(lane="a")
    second = world.signal(lane="a", action="dance")
    with structlog.testing.capture_logs(processors=[structlog.contextvars.merge_contextvars]) as lines:
        await world.run()
    finished = {line["signal_id"]: line["status"] for line in lines if line["event"] == "signal_finished"}
    assert finished == {first.order["signal_id"]: "done", second.order["signal_id"]: "failed"}
    unreadable = [line for line in lines if line["event"] == "work_order_unreadable"]
    assert [line["signal_id"] for line in unreadable] == [second.order["signal_id"]]


async def test_no_secret_is_logged() -> None:
    world = World()
    world.venue.script.extend(["broken", "lost", "refuse"])
    for number in range(5):
        world.signal(lane=f"lane {number}")
    with structlog.testing.capture_logs() as lines:
        await world.run()
    assert "a key of the trader" not in repr(lines)
    assert "sparky1." not in repr(lines)


async def test_a_graceful_stop_finishes_what_is_in_flight() -> None:
    world = World()
    world.venue.script.append("working")
    signal = world.signal()
    async with world.worker() as worker:
        worker.inbox.hint()
        await asyncio.sleep(0.1)
        await worker.stop(20)
        assert signal.status == "done"
    assert "release" not in world.database.calls


async def test_a_graceful_stop_gives_back_what_takes_too_long() -> None:
    world = World()
    world.venue.script.append("hang")
    begun = world.signal(lane="a")
    waiting = world.signal(lane="b")
    # Of one account, both would wait for its keys and then be begun in one call.
    waiting.order["account"]["id"] = "7d1f7d3c-0c7c-4a4e-9f0a-0a5b3c2d1e0f"
    world.database.faults["begin"].extend(["", "slow", "slow"])
    async with world.worker(batch=1) as worker:
        worker.inbox.hint()
        await asyncio.sleep(0.1)
        await worker.stop(1.0)
    assert LoopClock().monotonic() < 5
    assert (begun.status, begun.fence) == ("executing", 2)
    assert begun.lease_until is not None
    assert begun.lease_until <= LoopClock().monotonic()
    assert (waiting.status, waiting.fence) == ("pending", 2)
    await world.run()
    assert {begun.status, waiting.status} == {"done"}
    assert len(world.venue.executed) == 2


async def test_a_claim_that_is_granted_during_the_stop_is_given_back() -> None:
    world = World()
    world.database.latency = 1.0
    signal = world.signal()
    async with world.worker() as worker:
        await asyncio.sleep(0.1)
        await worker.stop(20)
    assert (signal.status, signal.attempt) == ("pending", 1)
    assert not world.venue.submitted


async def test_claims_that_come_with_a_result_during_the_stop_are_given_back() -> None:
    world = World()
    first = world.signal()
    second = world.signal()
    async with world.worker() as worker:
        worker.inbox.hint()
        await until(lambda: bool(first.orders))
        world.database.faults["finish"].append("slow")
        await until(lambda: "finish" in world.database.calls)
        await worker.stop(20)
    assert first.status == "done"
    assert second.status == "pending"


async def test_a_stop_while_the_database_is_away_ends_in_time() -> None:
    world = World()
    signal = world.signal()
    async with world.worker() as worker:
        worker.inbox.hint()
        await until(lambda: bool(signal.orders))
        world.database.is_down = True
        before = LoopClock().monotonic()
        await worker.stop(20)
        assert LoopClock().monotonic() - before < 21
    world.database.is_down = False
    await world.run()
    assert signal.status == "done"
    assert len(world.venue.executed) == 1


async def test_an_idle_worker_stops_at_once() -> None:
    world = World()
    async with world.worker() as worker:
        assert isinstance(worker.inbox, Inbox)
        await asyncio.sleep(1)
    assert LoopClock().monotonic() < 1.1


def _keep_keys_apart(world: World, elsewhere: str) -> None:
    sealed = seal(KEY.public, SealingContext(CONTEXT.user_id, "other", "paper"), FIELDS)
    others = StoredKeys(is_sealed=True, text=Secret(sealed), key_version=1)
    open_keys = world.database.open_keys

    async def opened(account: AccountId) -> StoredKeys:
        return others if account == elsewhere else await open_keys(account)

    world.database.open_keys = opened  # type: ignore[method-assign]


async def test_a_venue_that_hangs_does_not_take_the_room_of_the_others() -> None:
    world = World()
    world.venue.latency = 3600
    for number in range(12):
        world.signal(lane=f"hanging {number}")
    elsewhere = {**work_order_json()["account"], "id": str(uuid4()), "exchange": "other"}
    other = world.signal(lane="other", exchange="other", account=elsewhere)
    _keep_keys_apart(world, elsewhere["id"])
    async with world.worker(batch=4, most=4, others={"other": FakeVenue()}) as worker:
        await until(lambda: other.finished_at is not None, seconds=20)
        assert other.status == "done"
        await asyncio.sleep(10)
        assert len(worker.inbox._tasks) == 12
        world.venue.latency = 0


async def test_even_a_venue_that_hangs_takes_no_more_than_a_few_times_the_room() -> None:
    world = World()
    world.venue.latency = 3600
    for number in range(50):
        world.signal(lane=f"hanging {number}")
    async with world.worker(batch=4, most=4) as worker:
        await asyncio.sleep(40)
        assert len(worker.inbox._tasks) == world.database.most_executing == 20


async def test_a_slow_account_of_a_healthy_venue_does_not_take_the_room_of_the_others() -> None:
    world = World()
    # Each of its signals is in hand for two minutes, while the venue answers everybody at once.
    for number in range(16):
        world.signal(lane=f"slow {number}")
        world.venue.script.append("stalled")
    async with world.worker(batch=4, most=4) as worker:
        worker.inbox.hint()
        await asyncio.sleep(12)
        other = world.signal(lane="other")
        worker.inbox.hint()
        await until(lambda: other.finished_at is not None, seconds=20)
        assert other.status == "done"
        assert LoopClock().monotonic() < 20
        assert len(worker.leases.claims()) >= 16
        for row in list(world.database.signals.values())[:16]:
            world.venue.fill(row.orders[1]["client_order_id"])
