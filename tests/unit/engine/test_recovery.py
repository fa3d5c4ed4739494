"""A worker that finds what another one, now dead, has begun."""

import asyncio
from decimal import Decimal

import pytest

from sparky.domain.orders import (
    OrderRequest,
    OrderState,
    Side,
)
from tests.unit.engine.fake_database import Row
from tests.unit.engine.plans import plan_of
from tests.unit.engine.virtual_loop import LoopClock
from tests.unit.engine.world import World


def at_the_venue(
    world: World, signal: Row, state: OrderState = OrderState.FILLED, quantity: str = "1", leg: int = 0
) -> None:
    """Let the venue have what the dead worker sent."""
    order: OrderRequest = plan_of(signal).legs[leg].request("BTCUSDT")
    world.venue._execute(order, Decimal(quantity), state)


@pytest.mark.parametrize("state", ["submitting", "unknown", "accepted", "working", "partially_filled"])
async def test_an_order_that_the_venue_has_is_adopted(state: str) -> None:
    world = World()
    signal = world.begun(world.signal(), state)
    at_the_venue(world, signal)
    await world.run()
    assert (signal.status, signal.reason) == ("done", "Bought 1 at 100.")
    assert world.venue.submitted == []


@pytest.mark.parametrize("state", ["submitting", "unknown", "absent"])
async def test_an_order_that_the_venue_never_got_is_sent_with_the_same_id(state: str) -> None:
    world = World()
    signal = world.begun(world.signal(), state)
    first = signal.orders[1]["client_order_id"]
    await world.run()
    assert signal.status == "done"
    assert world.venue.submitted == [first]


@pytest.mark.parametrize("state", ["accepted", "working", "partially_filled"])
async def test_an_order_that_the_venue_once_had_is_never_sent_again(state: str) -> None:
    world = World()
    signal = world.begun(world.signal(), state)
    await world.run()
    assert (signal.status, signal.reason_code) == ("review", "outcome_unknown")
    assert "does not show it any more" in signal.reason
    assert signal.orders[1]["state"] == "unknown"
    assert world.venue.submitted == []


async def test_a_filled_order_needs_no_question() -> None:
    world = World()
    signal = world.begun(world.signal(), "filled")
    await world.run()
    assert (signal.status, signal.reason) == ("done", "Bought 1 at 100.")
    assert world.venue.look_ups == []
    assert world.venue.submitted == []


@pytest.mark.parametrize("state", ["cancelled", "expired", "refused"])
async def test_an_order_that_ended_unfilled_fails_the_signal(state: str) -> None:
    world = World()
    signal = world.begun(world.signal(), state)
    await world.run()
    assert signal.status == "failed"
    assert world.venue.submitted == []


async def test_a_dead_worker_may_have_sent_until_its_window_closed_so_absence_waits_for_it() -> None:
    world = World()
    # Written down just now: it may leave for 10 s more, and appear 5 s after that.
    signal = world.begun(world.signal(), "submitting", ago=0)
    async with world.worker() as worker:
        worker.inbox.hint()
        await asyncio.sleep(14.9)
        assert world.venue.submitted == []
        await world.settle()
    assert signal.status == "done"
    assert len(world.venue.executed) == 1


async def test_a_request_still_under_way_from_a_dead_worker_is_found() -> None:
    world = World()
    signal = world.begun(world.signal(), "submitting", ago=0)
    order = plan_of(signal).legs[0].request("BTCUSDT")
    asyncio.get_running_loop().call_later(9.9, world.venue._execute, order, Decimal(1), OrderState.FILLED)
    await world.run()
    assert signal.status == "done"
    assert world.venue.submitted == []
    assert len(world.venue.executed) == 1


async def test_a_look_up_that_began_within_the_window_and_ended_behind_it_proves_no_absence() -> None:
    world = World()
    world.venue.latency = 3.0
    world.venue.hidden_for = 4.9
    world.venue.script.append("lost")
    signal = world.signal()
    await world.run()
    assert signal.status == "done"
    assert len(world.venue.executed) == len(world.venue.submitted) == 1


async def test_an_old_entry_that_never_reached_the_venue_expires() -> None:
    world = World()
    signal = world.begun(world.signal(age=100), "submitting")
    await world.run()
    assert (signal.status, signal.reason_code) == ("expired", "signal_too_old")
    assert signal.orders[1]["state"] == "absent"


async def test_an_old_entry_that_reached_the_venue_is_adopted() -> None:
    world = World()
    signal = world.begun(world.signal(age=100), "submitting")
    at_the_venue(world, signal)
    await world.run()
    assert signal.status == "done"


async def test_the_stored_plan_is_continued_though_the_position_has_changed() -> None:
    world = World()
    world.venue.net = Decimal(2)
    position = {"side": "long", "quantity": "2", "entry_price": "100"}
    world.begun(world.exit_signal(position=position), "submitting")
    world.venue.net = Decimal(5)
    await world.run()
    assert [order.quantity for order in world.venue.executed] == [Decimal(2)]


async def test_the_second_leg_follows_a_first_one_that_was_filled_before_the_crash() -> None:
    world = World()
    signal = world.begun(world.reverse_signal(), "filled")
    await world.run()
    assert (signal.status, signal.reason) == ("done", "Closed long 1 at 100. Sold short 1 at 100.")
    assert [order.side for order in world.venue.executed] == [Side.SELL]


async def test_a_second_leg_that_is_too_old_is_not_opened_and_the_trader_learns_what_was_closed() -> None:
    world = World()
    signal = world.begun(world.reverse_signal(age=90), "filled")
    await world.run()
    assert (signal.status, signal.reason_code) == ("failed", "signal_too_old")
    assert signal.reason.startswith("Closed long 1 at 100. The signal is ")
    assert world.venue.submitted == []


async def test_a_second_leg_in_doubt_is_looked_up_under_its_own_id() -> None:
    world = World()
    signal = world.begun(world.reverse_signal(), "filled", "unknown")
    at_the_venue(world, signal, leg=1)
    await world.run()
    assert signal.status == "done"
    assert world.venue.submitted == []


async def test_keys_that_do_not_open_any_more_leave_a_begun_signal_in_review() -> None:
    world = World()
    signal = world.begun(world.signal(), "submitting")
    world.store_keys("gone")
    await world.run()
    assert (signal.status, signal.reason_code) == ("review", "outcome_unknown")
    assert signal.orders[1]["client_order_id"] in signal.reason


async def test_an_unreadable_work_order_fails_alone() -> None:
    world = World()
    bad = world.signal(lane="other", action="dance")
    good = world.signal()
    await world.run()
    assert (bad.status, bad.reason_code) == ("failed", "internal_error")
    assert good.status == "done"


async def test_an_unreadable_work_order_that_was_begun_goes_to_review() -> None:
    world = World()
    signal = world.begun(world.signal(), "submitting")
    signal.orders[1]["state"] = "gone"
    await world.run()
    assert (signal.status, signal.reason_code) == ("review", "internal_error")


async def test_a_claim_without_an_id_touches_nobody_else() -> None:
    world = World()
    signal = world.signal()
    claim_now = world.database.claim_now
    world.database.claim_now = lambda limit: [{"fence": "?"}, *claim_now(limit)]  # type: ignore[method-assign]
    await world.run()
    assert signal.status == "done"


async def test_a_late_worker_records_nothing() -> None:
    world = World()
    signal = world.signal()
    world.venue.script.append("working")

    async with world.worker() as worker:
        worker.inbox.hint()
        await asyncio.sleep(0.5)
        signal.lease_until = LoopClock().monotonic() - 1
        other = world.database.claim_now(1)
        await asyncio.sleep(6)
        assert worker.inbox.counters["lost"] == 1
        assert signal.status == "executing"
        assert other[0]["fence"] == signal.fence
        await world.settle()
    assert signal.status == "done"
    assert len(world.venue.executed) == 1
