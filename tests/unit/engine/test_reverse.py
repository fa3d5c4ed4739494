"""A signal of two legs: whatever happens to the first decides the second, and the trader learns both."""

import pytest

from tests.unit.engine.world import World


async def test_a_reverse_closes_and_then_opens() -> None:
    world = World()
    signal = world.reverse_signal()
    await world.run()
    assert (signal.status, signal.reason) == ("done", "Closed long 1 at 100. Sold short 1 at 100.")
    assert [order.reduce_only for order in world.venue.executed] == [True, False]
    assert world.venue.net == -1


@pytest.mark.parametrize(
    ("first", "code"),
    [("refuse", "insufficient_funds"), ("partial", "close_not_filled"), ("cancelled", "close_not_filled")],
)
async def test_without_a_filled_close_nothing_is_opened(first: str, code: str) -> None:
    world = World()
    world.venue.script.append(first)
    signal = world.reverse_signal()
    await world.run()
    assert signal.status in {"rejected", "failed"}
    assert signal.reason_code == code
    assert len(world.venue.submitted) == 1


@pytest.mark.parametrize(
    "first", ["not_sent", "lost", "dropped", "hang", "stuck", "broken", "late", "working"]
)
@pytest.mark.parametrize("second", ["fill", "not_sent", "lost", "dropped", "stuck", "late", "working"])
async def test_both_legs_are_executed_once_whatever_gets_lost(first: str, second: str) -> None:
    world = World()
    world.venue.script.append(first)
    if first in {"not_sent", "dropped", "hang"}:
        world.venue.script.append("fill")
    world.venue.script.append(second)
    signal = world.reverse_signal()
    await world.run()
    assert signal.status == "done"
    assert [order.client_order_id for order in world.venue.executed] == [
        signal.orders[1]["client_order_id"],
        signal.orders[2]["client_order_id"],
    ]
    assert world.venue.net == -1


async def test_a_refused_opening_says_that_the_close_was_done() -> None:
    world = World()
    world.venue.script.extend(["fill", "refuse"])
    signal = world.reverse_signal()
    await world.run()
    assert (signal.status, signal.reason_code) == ("failed", "insufficient_funds")
    assert signal.reason.startswith("Closed long 1 at 100. The venue refused the order")
    assert world.venue.net == 0
    assert signal.orders[1]["state"] == "filled"


async def test_an_unreachable_venue_between_the_legs_says_that_the_close_was_done() -> None:
    world = World()
    world.venue.script.extend(["fill", *["not_sent"] * 200])
    signal = world.reverse_signal(settings={"max_signal_age_sec": 0})
    await world.run()
    assert (signal.status, signal.reason_code) == ("failed", "venue_unavailable")
    assert signal.reason.startswith("Closed long 1 at 100. The venue could not be reached")


async def test_an_opening_that_became_too_old_says_that_the_close_was_done() -> None:
    world = World()
    world.venue.script.extend(["fill", "dropped"])
    signal = world.reverse_signal(age=56)
    await world.run()
    assert (signal.status, signal.reason_code) == ("failed", "signal_too_old")
    assert signal.reason.startswith("Closed long 1 at 100. ")
    assert len(world.venue.executed) == 1


async def test_an_opening_in_doubt_is_reviewed_with_the_close_recorded() -> None:
    world = World()

    def fall_silent_on_the_second() -> None:
        if world.venue.submitted:
            world.venue.unavailable = 10_000

    world.venue.script.extend(["fill", "lost"])
    world.venue.before_permit = fall_silent_on_the_second
    signal = world.reverse_signal()
    await world.run()
    assert (signal.status, signal.reason_code) == ("review", "outcome_unknown")
    assert signal.reason.startswith("Closed long 1 at 100. The venue may or may not have order")
    assert signal.orders[1]["state"] == "filled"


@pytest.mark.parametrize("fault", ["down", "lost"])
async def test_a_lost_beginning_of_the_second_leg_repeats_neither_leg(fault: str) -> None:
    world = World()
    world.database.faults["begin"].extend(["", fault])
    signal = world.reverse_signal()
    await world.run()
    assert signal.status == "done"
    assert len(world.venue.submitted) == 2
    assert signal.attempt == 1
