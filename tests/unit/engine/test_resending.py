"""What is known before an order is sent, and orders that the venue refuses for now."""

from datetime import timedelta

import pytest

from tests.unit.engine.virtual_loop import START
from tests.unit.engine.world import World


async def took(world: World) -> float:
    """Let one worker see every signal to its end, and return how long that took."""
    async with world.worker() as worker:
        worker.inbox.hint()
        return await world.settle()


async def test_where_the_record_stood_is_written_down_before_the_order_leaves() -> None:
    world = World()
    world.venue.record = 6371
    signal = world.signal()
    written: list[str] = []
    world.venue.before_permit = lambda: written.append(signal.orders[1]["bookmark"])
    await world.run()
    assert signal.status == "done"
    assert written == ["6372"]
    assert [order.bookmark for order in world.venue.executed] == ["6372"]


async def test_nothing_is_sent_while_the_record_is_silent() -> None:
    world = World()
    world.venue.record = 1
    world.venue.record_is_silent = 3
    signal = world.signal()
    world.venue.before_permit = lambda: silent.append(world.venue.record_is_silent)
    silent: list[int] = []
    await world.run()
    assert signal.status == "done"
    assert silent == [0]


async def test_a_record_that_stays_silent_ends_the_signal_with_nothing_written_down() -> None:
    world = World()
    world.venue.record = 1
    world.venue.record_is_silent = 10_000
    signal = world.signal()
    await world.run()
    assert (signal.status, signal.reason_code) == ("expired", "signal_too_old")
    assert signal.reason.endswith("What held it up: the venue did not tell where its record stands.")
    assert signal.orders == {}


async def test_a_lost_answer_is_looked_up_from_the_bookmark_and_from_before_the_first_byte() -> None:
    world = World()
    world.venue.record = 1
    world.venue.script.append("lost")
    signal = world.signal()
    left: list[str] = []
    world.venue.before_permit = lambda: left.append(signal.orders[1]["submitted_at"])
    await world.run()
    (ref,) = world.venue.refs
    assert (ref.bookmark, ref.symbol) == ("2", "BTCUSDT")
    assert ref.sent_at.isoformat() <= left[0]


async def test_an_order_that_is_sent_again_keeps_its_first_bookmark() -> None:
    world = World()
    world.venue.record = 1
    world.venue.script.extend(["not_sent", "dropped", "lost"])
    signal = world.signal()
    await world.run()
    assert signal.status == "done"
    assert {ref.bookmark for ref in world.venue.refs} == {"2"}
    assert world.venue.record == 2
    assert len(world.venue.executed) == 1


@pytest.mark.parametrize("state", ["submitting", "unknown", "absent"])
async def test_another_worker_looks_from_where_the_first_one_stood(state: str) -> None:
    world = World()
    world.venue.record = 100
    first = (START - timedelta(seconds=30)).isoformat()
    signal = world.begun(world.signal(), state, bookmark="2", begun_at=first, ago=5.0)
    if state == "absent":
        world.venue.script.append("lost")
    await world.run()
    assert signal.status == "done"
    assert {(ref.bookmark, ref.sent_at.isoformat()) for ref in world.venue.refs} == {("2", first)}
    assert [order.bookmark for order in world.venue.executed] == ["2"]
    assert world.venue.record == 100


async def test_an_order_that_is_followed_is_asked_for_by_the_venues_own_id() -> None:
    world = World()
    world.venue.script.append("working")
    signal = world.signal()
    await world.run()
    assert signal.status == "done"
    assert {ref.venue_order_id for ref in world.venue.refs} == {signal.orders[1]["venue_order_id"]}


async def test_an_order_that_is_refused_for_now_is_sent_again_with_the_same_id() -> None:
    world = World()
    world.venue.script.extend(["busy", "busy"])
    signal = world.signal()
    states: list[str] = []
    world.venue.before_permit = lambda: states.append(signal.orders[1]["state"])
    await world.run()
    assert (signal.status, signal.reason) == ("done", "Bought 1 at 100.")
    assert world.venue.submitted == [signal.orders[1]["client_order_id"]] * 3
    assert len(world.venue.executed) == 1
    assert world.venue.look_ups == []
    assert states == ["submitting"] * 3


async def test_an_entry_that_is_refused_for_now_until_it_is_too_old_ends_with_the_venues_words() -> None:
    world = World()
    world.venue.script.extend(["busy"] * 1000)
    signal = world.signal()
    assert await took(world) < 90
    assert (signal.status, signal.reason_code) == ("expired", "signal_too_old")
    assert signal.reason.endswith("What held it up: The venue refused the order: too many requests (-1003).")
    assert signal.orders[1]["state"] == "absent"
    assert world.venue.executed == []


async def test_an_exit_that_is_refused_for_now_for_too_long_is_refused_in_the_venues_words() -> None:
    world = World()
    world.venue.net += 1
    world.venue.script.extend(["busy"] * 1000)
    signal = world.exit_signal()
    assert 120 < await took(world) < 150
    assert (signal.status, signal.reason_code) == ("rejected", "venue_refused")
    assert signal.reason == "The venue refused the order: too many requests (-1003)."
    assert signal.orders[1]["state"] == "absent"
