"""The exits of an entry: placed when it has filled, or it is closed again. Whatever gets lost on the way."""

from decimal import Decimal

import pytest

from sparky.domain.identifiers import SignalId, client_order_id
from sparky.domain.orders import ExitKind, OrderRef, OrderType, Side
from sparky.domain.plan import Leg, Purpose
from tests.unit.engine.fake_database import Row
from tests.unit.engine.plans import begun_row
from tests.unit.engine.world import World

BRACKET = {"quantity": "1", "price": "100", "stop_loss_percent": "2", "take_profit_percent": "4"}
STOP, TARGET = ExitKind.STOP_LOSS, ExitKind.TAKE_PROFIT


def bracket(world: World, **changes: object) -> Row:
    return world.signal(alert=BRACKET | changes)


def placed(world: World) -> list[tuple[ExitKind, Decimal, Decimal | None]]:
    return [(kind, quantity, price) for _, kind, quantity, price in world.venue.exits]


def one_of_each(world: World) -> None:
    assert placed(world) == [(STOP, Decimal(1), Decimal(98)), (TARGET, Decimal(1), Decimal(104))]


async def test_exits_are_placed_at_prices_of_the_real_fill_stop_first() -> None:
    world = World()
    signal = bracket(world)
    await world.run()
    assert signal.status == "done"
    assert signal.reason.startswith(
        "Bought 1 at 100. The stop-loss of 1 is placed at 98. The take-profit of 1 is placed at 104."
    )
    one_of_each(world)
    assert {leg: row["state"] for leg, row in signal.orders.items()} == {
        1: "filled",
        3: "working",
        4: "working",
    }
    request = world.venue.exit_requests[0]
    assert isinstance(request.entry, OrderRef)
    assert request.entry.client_order_id == signal.orders[1]["client_order_id"]
    assert request.reference_price == 100


async def test_exits_are_written_down_together_before_the_first_leaves() -> None:
    world = World()
    signal = bracket(world)
    seen: list[set[int]] = []
    world.venue.before_permit = lambda: seen.append(set(signal.orders))
    await world.run()
    assert seen == [{1}, {1, 3, 4}, {1, 3, 4}]
    assert world.database.calls.count("begin") == 2


async def test_a_partial_fill_is_protected_for_what_was_filled() -> None:
    world = World()
    world.venue.script.append("partial")
    signal = bracket(world)
    await world.run()
    assert signal.status == "done"
    assert {quantity for _, quantity, _ in placed(world)} == {Decimal("0.5")}


async def test_several_targets_share_what_was_filled_and_the_stop_is_for_all() -> None:
    world = World()
    targets = [
        {"percent": "2", "quantity_percent": "50"},
        {"percent": "4", "quantity_percent": "50"},
    ]
    signal = world.signal(
        alert={"quantity": "1", "price": "100", "stop_loss_percent": "2", "take_profits": targets}
    )
    await world.run()
    assert signal.status == "done"
    assert placed(world) == [
        (STOP, Decimal(1), Decimal(98)),
        (TARGET, Decimal("0.5"), Decimal(102)),
        (TARGET, Decimal("0.5"), Decimal(104)),
    ]


@pytest.mark.parametrize("first", ["busy", "not_sent", "lost", "dropped", "stuck", "early"])
@pytest.mark.parametrize("second", ["place", "busy", "not_sent", "lost", "dropped", "stuck"])
async def test_each_exit_is_placed_once_whatever_gets_lost(first: str, second: str) -> None:
    world = World()
    world.venue.exit_script.extend([first, *(["place"] if first not in {"lost", "stuck"} else []), second])
    signal = bracket(world)
    await world.run()
    assert (signal.status, signal.reason_code) == ("done", None)
    one_of_each(world)


@pytest.mark.parametrize("fault", ["down", "lost", "slow"])
async def test_a_failed_beginning_of_the_exits_places_them_once(fault: str) -> None:
    world = World()
    world.database.faults["begin"].extend(["", fault])
    signal = bracket(world)
    await world.run()
    assert signal.status == "done"
    one_of_each(world)


async def test_exits_are_placed_though_the_signal_has_become_too_old_to_enter() -> None:
    world = World()
    world.venue.exit_script.extend(["dropped"])
    signal = world.signal(alert=BRACKET, age=56)
    await world.run()
    assert signal.status == "done"
    one_of_each(world)


async def test_exits_are_placed_though_the_venue_does_not_tell_the_rules_for_a_while() -> None:
    world = World()
    # After the entry, whose own planning asks for the rules too.
    world.venue.before_permit = lambda: setattr(world.venue, "unavailable", 2)
    signal = world.signal(alert={"quantity": "1", "price": "100", "stop_loss_percent": "2"})
    await world.run()
    assert signal.status == "done"
    assert placed(world) == [(STOP, Decimal(1), Decimal(98))]


async def test_a_refused_target_is_told_and_the_position_stays() -> None:
    world = World()
    world.venue.exit_script.extend(["place", "refuse"])
    signal = bracket(world)
    await world.run()
    assert (signal.status, signal.reason_code) == ("done", "exit_not_placed")
    assert "The take-profit at 104 could not be placed: The venue refused it" in signal.reason
    assert world.venue.net == 1
    assert signal.orders[4]["state"] == "refused"


async def test_a_refused_stop_closes_the_position_again_and_tells_the_trader() -> None:
    world = World()
    world.venue.exit_script.append("refuse")
    signal = bracket(world)
    await world.run()
    assert (signal.status, signal.reason_code) == ("failed", "exit_not_placed")
    assert "The stop-loss at 98 could not be placed: The venue refused it" in signal.reason
    assert signal.reason.endswith("so it is closed again. Closed long 1 at 100.")
    assert world.venue.net == 0
    assert world.venue.executed[-1].reduce_only
    assert (signal.orders[3]["state"], signal.orders[20]["state"]) == ("refused", "filled")
    assert signal.orders[4]["state"] == "absent"


@pytest.mark.parametrize("fault", ["not_sent", "lost", "dropped", "stuck", "late", "working"])
async def test_the_emergency_close_is_executed_once_whatever_gets_lost(fault: str) -> None:
    world = World()
    world.venue.script.extend(["fill", fault])
    world.venue.exit_script.append("refuse")
    signal = bracket(world, price="100")
    await world.run()
    assert (signal.status, signal.reason_code) == ("failed", "exit_not_placed")
    assert world.venue.net == 0
    assert len(world.venue.executed) == 2


async def test_a_position_that_can_neither_be_protected_nor_closed_is_told() -> None:
    world = World()
    world.venue.script.extend(["fill", "refuse"])
    world.venue.exit_script.append("refuse")
    signal = bracket(world)
    await world.run()
    assert signal.status == "failed"
    assert "may be open without its exits: act at the venue by hand." in signal.reason
    assert world.venue.net == 1


async def test_a_position_that_is_gone_needs_no_stop() -> None:
    world = World()

    def close_by_hand() -> None:
        if world.venue.submitted:
            world.venue.net = Decimal(0)

    world.venue.before_permit = close_by_hand
    signal = bracket(world)
    await world.run()
    assert (signal.status, signal.reason_code) == ("done", "exit_not_placed")
    assert signal.reason.count("Nothing is open any more.") == 1
    assert len(world.venue.executed) == 1


async def test_a_stop_that_cannot_be_sent_for_long_closes_the_position() -> None:
    world = World()
    world.venue.exit_script.extend(["not_sent"] * 60)
    signal = bracket(world)
    await world.run()
    assert (signal.status, signal.reason_code) == ("failed", "exit_not_placed")
    assert "could not be placed: connection refused." in signal.reason
    assert world.venue.net == 0


async def test_a_stop_in_doubt_ends_in_review() -> None:
    world = World()

    def fall_silent() -> None:
        if world.venue.submitted:
            world.venue.unavailable = 10_000

    world.venue.exit_script.append("lost")
    world.venue.before_permit = fall_silent
    signal = bracket(world)
    await world.run()
    assert (signal.status, signal.reason_code) == ("review", "outcome_unknown")
    assert signal.reason.startswith("Bought 1 at 100. The venue may or may not have order")
    assert signal.orders[3]["state"] == "unknown"


async def test_a_short_entry_is_protected_on_its_other_side() -> None:
    world = World()
    signal = world.signal(action="sell", alert=BRACKET)
    await world.run()
    assert signal.status == "done"
    assert placed(world) == [(STOP, Decimal(1), Decimal(102)), (TARGET, Decimal(1), Decimal(96))]


async def test_the_opening_of_a_reverse_is_protected() -> None:
    world = World()
    signal = world.reverse_signal(alert=BRACKET)
    await world.run()
    assert signal.status == "done"
    assert placed(world) == [(STOP, Decimal(1), Decimal(102)), (TARGET, Decimal(1), Decimal(96))]


@pytest.mark.parametrize("stop", ["place", "refuse", "lost", "dropped"])
async def test_a_worker_that_is_killed_at_any_moment_leaves_one_entry_and_one_of_each_exit(stop: str) -> None:
    for milliseconds in range(1, 70, 3):
        world = World()
        world.venue.exit_script.append(stop)
        # Another worker comes after the lease, which must not cost the entry its age.
        signal = bracket(world)
        await world.killed_after(milliseconds / 1000)
        world.venue.exit_script.clear()
        await world.run(step=1.0)
        assert signal.status in {"done", "failed"}, (milliseconds, signal.reason)
        ids = [order.client_order_id for order in world.venue.executed]
        assert len(ids) == len(set(ids)), milliseconds
        exits = [client_order_id for client_order_id, *_ in world.venue.exits]
        assert len(exits) == len(set(exits)), milliseconds
        # Protected, or nothing is open.
        assert (len(exits) == 2) == (world.venue.net == 1), milliseconds


async def test_no_target_is_sent_before_the_stop_is_there() -> None:
    world = World()
    targets = [{"percent": "2", "quantity_percent": "50"}, {"percent": "4", "quantity_percent": "50"}]
    world.venue.exit_script.append("not_sent")
    world.signal(alert={"quantity": "1", "price": "100", "stop_loss_percent": "2", "take_profits": targets})
    await world.run()
    assert [kind for kind, _, _ in placed(world)] == [STOP, TARGET, TARGET]


async def test_exits_that_were_written_down_are_sent_again_as_they_were() -> None:
    world = World()
    signal = world.begun(bracket(world), "filled")
    world.venue.net = Decimal(1)
    stop = Leg(
        number=3,
        client_order_id=client_order_id(SignalId(str(signal.order["signal_id"])), 3),
        symbol="BTCUSDT",
        side=Side.SELL,
        quantity=Decimal(1),
        purpose=Purpose.STOP_LOSS,
        reduce_only=True,
        order_type=OrderType.STOP,
        stop_price=Decimal("97.5"),
    )
    signal.orders[3] = begun_row(stop, "absent")
    await world.run()
    assert signal.status == "done"
    assert placed(world) == [(STOP, Decimal(1), Decimal("97.5"))]


async def test_a_venue_that_falls_silent_after_the_entry_is_asked_for_its_rules_until_it_answers() -> None:
    world = World()
    world.begun(signal := bracket(world), "filled")
    world.venue.net = Decimal(1)
    world.venue.unavailable = 5
    await world.run()
    assert signal.status == "done"
    one_of_each(world)


async def test_a_venue_that_stays_silent_after_the_entry_leaves_the_trader_with_what_to_do() -> None:
    world = World()
    world.begun(signal := bracket(world), "filled")
    world.venue.unavailable = 10_000
    await world.run()
    assert (signal.status, signal.reason_code) == ("failed", "venue_unavailable")
    assert signal.reason.startswith("Bought 1 at 100. ")
    assert signal.reason.endswith("The position may be open without its exits: act at the venue by hand.")
