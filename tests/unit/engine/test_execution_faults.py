"""One signal when the database, the lease or we ourselves fail."""

import asyncio

import pytest

from sparky.domain.errors import LostClaim
from sparky.domain.orders import OrderState
from sparky.engine.permits import SendingPermit
from tests.unit.engine.plans import plan_of
from tests.unit.engine.virtual_loop import LoopClock, stand_still
from tests.unit.engine.world import World


@pytest.mark.parametrize("fault", ["down", "lost", "slow"])
async def test_a_failed_beginning_is_repeated_at_once_and_the_order_sent_once(fault: str) -> None:
    world = World()
    world.database.faults["begin"].append(fault)
    signal = world.signal()
    async with world.worker() as worker:
        worker.inbox.hint()
        took = await world.settle()
    assert signal.status == "done"
    assert took < 5
    assert signal.attempt == 1
    assert len(world.venue.submitted) == 1


async def test_a_beginning_that_fails_for_long_is_continued_by_a_later_claim() -> None:
    world = World()
    world.venue.net += 1
    world.database.faults["begin"].extend(["lost", *["down"] * 6])
    signal = world.exit_signal()
    await world.run()
    assert signal.status == "done"
    assert len(world.venue.executed) == 1


async def test_an_entry_whose_beginning_fails_until_it_is_old_expires_without_being_sent() -> None:
    world = World()
    world.database.faults["begin"].extend(["lost"] * 3)
    signal = world.signal(age=59.8)
    await world.run()
    assert (signal.status, signal.reason_code) == ("expired", "signal_too_old")
    assert not world.venue.submitted
    assert signal.orders[1]["state"] == "absent"


async def test_a_refused_beginning_waits_for_the_lease_and_is_tried_again() -> None:
    world = World()
    world.database.faults["begin"].append("refuse")
    signal = world.signal()
    async with world.worker() as worker:
        worker.inbox.hint()
        took = await world.settle()
    assert signal.status == "done"
    assert 15 < took < 25
    assert len(world.venue.executed) == 1


@pytest.mark.parametrize("fault", ["down", "lost", "slow"])
async def test_a_failed_finish_is_repeated_until_it_is_recorded(fault: str) -> None:
    world = World()
    world.database.faults["finish"].extend([fault, fault])
    signal = world.signal()
    await world.run()
    assert signal.status == "done"
    assert signal.attempt == 1
    assert len(world.venue.executed) == 1


async def test_a_database_that_is_away_longer_than_the_lease_costs_no_second_order() -> None:
    world = World()

    def go_down() -> None:
        world.database.is_down = True

    world.venue.before_permit = go_down
    signal = world.signal()
    async with world.worker() as worker:
        worker.inbox.hint()
        await asyncio.sleep(40)
        assert signal.status == "executing"
        world.database.is_down = False
        took = await world.settle()
    assert signal.status == "done"
    assert took < 5
    assert len(world.venue.executed) == 1


class Overtaking:
    """Another worker that takes the signal, and executes it, while the first stands still before its send."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.signal = world.signal()
        self.done = False
        world.venue.before_permit = self
        # The bytes leave in the moment in which the permit is given.
        world.venue.latency = 0

    def __call__(self) -> None:
        if not self.done:
            self.done = True
            stand_still(30)
            assert self.world.database.claim_now(1)
            order = plan_of(self.signal).legs[0].request("BTCUSDT")
            self.world.venue._execute(order, order.quantity, OrderState.FILLED)


async def test_a_worker_that_stood_still_beyond_its_lease_does_not_send() -> None:
    world = World()
    overtaking = Overtaking(world)
    await world.run()
    assert overtaking.signal.status == "done"
    assert world.venue.submitted == []
    assert len(world.venue.executed) == 1


async def test_without_the_permit_it_would_have_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    def allow(permit: SendingPermit) -> None:
        permit.used = True

    monkeypatch.setattr(SendingPermit, "__call__", allow)
    world = World()
    Overtaking(world)
    await world.run()
    assert len(world.venue.executed) == 2


async def test_a_worker_that_stood_still_beyond_its_time_to_send_does_not_send_even_with_a_lease() -> None:
    world = World()
    paused: list[float] = []

    def stand_still_once() -> None:
        if not paused:
            paused.append(LoopClock().monotonic())
            stand_still(10.5)

    world.venue.before_permit = stand_still_once
    signal = world.signal()
    await world.run()
    assert signal.attempt == 2
    assert len(world.venue.executed) == 1


async def test_an_order_is_not_sent_when_the_lease_cannot_be_made_long_enough() -> None:
    world = World()
    world.database.lease_seconds = 5.9
    world.database.faults["extend"].extend(["down"] * 3)
    signal = world.signal()
    async with world.worker() as worker:
        worker.inbox.hint()
        await asyncio.sleep(1)
        assert not world.venue.submitted
        world.database.lease_seconds = 15
        await world.settle()
    assert signal.status == "done"


async def test_a_fault_of_ours_after_the_beginning_ends_in_review(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    monkeypatch.setattr("sparky.engine.record.Record.note_answer", lambda *_: 1 / 0)
    signal = world.signal()
    await world.run()
    assert (signal.status, signal.reason_code) == ("review", "internal_error")
    assert "look there" in signal.reason


async def test_a_fault_of_ours_before_the_beginning_fails_the_signal(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    monkeypatch.setattr("sparky.engine.execution.make_plan", lambda *_: 1 / 0)
    signal = world.signal()
    await world.run()
    assert (signal.status, signal.reason_code) == ("failed", "internal_error")
    assert "Nothing was sent" in signal.reason


async def test_keys_are_asked_for_until_the_database_hands_them_out() -> None:
    world = World()
    world.database.faults["open_keys"].extend(["down", "lost", "slow"])
    signal = world.signal()
    await world.run()
    assert (signal.status, signal.attempt) == ("done", 1)
    assert len(world.venue.submitted) == 1


async def test_an_entry_whose_keys_come_too_late_expires_unsent() -> None:
    world = World()
    world.database.faults["open_keys"].extend(["down"] * 100)
    signal = world.signal()
    await world.run()
    assert (signal.status, signal.reason_code) == ("expired", "signal_too_old")
    assert world.venue.submitted == []


async def test_an_exit_whose_keys_do_not_come_is_given_back_and_executed_later() -> None:
    world = World()
    world.venue.net += 1
    world.database.faults["open_keys"].extend(["down"] * 40)
    signal = world.exit_signal()
    await world.run()
    assert signal.status == "done"
    assert 1 < signal.attempt < 5
    assert len(world.venue.submitted) == 1


async def test_keys_that_are_not_handed_out_for_want_of_live_work_leave_the_signal_alone() -> None:
    world = World()
    keys, world.database.keys = world.database.keys, LostClaim("no live work")
    signal = world.signal(age=0)
    async with world.worker() as worker:
        worker.inbox.hint()
        await asyncio.sleep(5)
        assert (signal.status, signal.attempt) == ("executing", 1)
        world.database.keys = keys
        await world.settle()
    assert (signal.status, signal.attempt) == ("done", 2)
