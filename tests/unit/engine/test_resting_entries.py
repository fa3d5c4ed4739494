"""Entries that wait for their price, and exits that the venue takes together with their entry."""

from dataclasses import replace
from decimal import Decimal

import pytest

from sparky.domain.orders import ExitKind, OrderState, OrderType
from tests.unit.engine.fake_database import Row
from tests.unit.engine.world import World

LIMIT = {"order_type": "limit", "quantity": "1", "price": "90"}


async def test_a_limit_entry_is_done_when_the_venue_has_it_working() -> None:
    world = World()
    signal = world.signal(alert=LIMIT)
    async with world.worker() as worker:
        worker.inbox.hint()
        took = await world.settle()
    assert (signal.status, signal.reason) == ("done", "The order to buy 1 is working at the venue at 90.")
    assert signal.orders[1]["state"] == "working"
    assert took < 4


async def test_its_exits_follow_when_it_fills() -> None:
    world = World()
    signal = world.signal(alert=LIMIT | {"stop_loss_percent": "2"})
    await world.run()
    assert signal.status == "done"
    assert "Its exits follow when it has filled." in signal.reason
    assert set(signal.orders) == {1}
    assert signal.plan is not None
    assert signal.plan["protection"]["entry"] == 1


async def test_a_limit_entry_that_fills_at_once_is_protected_at_once() -> None:
    world = World()
    world.venue.script.append("working")
    signal = world.signal(alert=LIMIT | {"stop_loss_percent": "2"})
    await world.run()
    assert signal.reason.startswith("Bought 1 at 100. The stop-loss of 1 is placed at 98.")


@pytest.mark.parametrize("tif", ["ioc", "fok"])
async def test_an_order_that_ends_at_once_is_followed_to_its_end(tif: str) -> None:
    world = World()
    world.venue.script.append("cancelled")
    signal = world.signal(alert=LIMIT | {"time_in_force": tif})
    await world.run()
    assert signal.status == "failed"
    assert "cancelled with 0 of 1 filled" in signal.reason


def attaching() -> World:
    world = World()
    world.venue.capabilities = replace(
        world.venue.capabilities, attached_exits=dict.fromkeys(OrderType, frozenset(ExitKind))
    )
    return world


def bracket(world: World, **changes: object) -> Row:
    prices = {"stop_loss_price": "80", "take_profit_price": "120"}
    return world.signal(alert=LIMIT | prices | changes)


async def test_attached_exits_are_written_down_and_sent_with_their_entry() -> None:
    world = attaching()
    signal = bracket(world)
    seen: list[set[int]] = []
    world.venue.before_permit = lambda: seen.append(set(signal.orders))
    await world.run()
    assert signal.status == "done"
    assert seen == [{1, 3, 4}]
    assert {leg.kind for leg in world.venue.executed[0].exits} == {
        ExitKind.STOP_LOSS,
        ExitKind.TAKE_PROFIT,
    }
    assert {leg: row["state"] for leg, row in signal.orders.items()} == {
        1: "working",
        3: "accepted",
        4: "accepted",
    }
    assert {row["attached_to"] for leg, row in signal.orders.items() if leg > 1} == {1}


@pytest.mark.parametrize("fault", ["not_sent", "lost", "dropped", "stuck", "busy", "late", "broken"])
async def test_an_entry_with_attached_exits_is_executed_once_whatever_gets_lost(fault: str) -> None:
    world = attaching()
    world.venue.script.append(fault)
    signal = bracket(world)
    await world.run()
    assert signal.status == "done"
    assert len(world.venue.executed) == 1
    assert {signal.orders[leg]["state"] for leg in (3, 4)} == {"accepted"}


@pytest.mark.parametrize(
    ("behaviour", "state"), [("refuse", "refused"), ("cancelled", "cancelled"), ("partial", "accepted")]
)
async def test_attached_exits_end_with_an_entry_that_filled_nothing(behaviour: str, state: str) -> None:
    world = attaching()
    world.venue.script.append(behaviour)
    signal = bracket(world)
    await world.run()
    assert {signal.orders[leg]["state"] for leg in (3, 4)} == {state}


async def test_a_bracket_in_doubt_leaves_its_exits_in_doubt() -> None:
    world = attaching()

    def fall_silent() -> None:
        world.venue.unavailable = 10_000

    world.venue.script.append("lost")
    world.venue.before_permit = fall_silent
    signal = bracket(world)
    await world.run()
    assert signal.status == "review"
    assert {row["state"] for row in signal.orders.values()} == {"unknown"}


async def test_a_bracket_is_adopted_with_its_exits_after_a_crash() -> None:
    for milliseconds in range(1, 40, 3):
        world = attaching()
        signal = bracket(world)
        await world.killed_after(milliseconds / 1000)
        await world.run(step=1.0)
        assert signal.status == "done", milliseconds
        assert len(world.venue.executed) == 1, milliseconds
        assert {signal.orders[leg]["state"] for leg in (3, 4)} == {"accepted"}, milliseconds


async def test_an_attached_exit_of_another_signal_is_cancelled_by_what_finds_it() -> None:
    world = World()
    world.venue.net = Decimal(1)
    entry = world.resting(state="filled")
    stop = world.resting("sell", "stop_loss", attached_to=2)
    signal = world.exit_signal(position={"side": "long", "quantity": "1", "entry_price": "100"})
    await world.run()
    assert signal.status == "done"
    assert entry.orders[1]["state"] == "filled"
    assert stop.orders[1]["state"] == OrderState.CANCELLED
    ref = world.venue.cancel_refs[-1]
    assert (ref.exit_kind, ref.exit_of is not None) == (ExitKind.STOP_LOSS, True)
