"""Cancels around a signal: what was in the way, what is left over, and what filled a moment before."""

from dataclasses import replace
from decimal import Decimal

import pytest

from sparky.domain.orders import ExitKind
from sparky.domain.trade_settings import Limit
from tests.unit.engine.fake_database import Row
from tests.unit.engine.world import World

LONG = {"side": "long", "quantity": "1", "entry_price": "100"}


def cancel_signal(world: World) -> Row:
    return world.signal(action="cancel", is_exit=True, alert={})


def id_of(row: Row) -> str:
    return str(row.orders[1]["client_order_id"])


async def test_a_cancel_cancels_the_working_entry_and_records_it() -> None:
    world = World()
    resting = world.resting()
    signal = cancel_signal(world)
    await world.run()
    assert signal.status == "done"
    assert signal.reason.startswith("The limit order to buy 1 BTCUSDT is cancelled.")
    assert resting.orders[1]["state"] == "cancelled"
    assert signal.orders == {}
    assert world.database.calls.count("begin") == 0


async def test_a_cancel_without_anything_to_cancel_is_done_with_a_note() -> None:
    world = World()
    signal = cancel_signal(world)
    await world.run()
    assert signal.status == "done"
    assert world.venue.cancels == []


async def test_an_order_that_filled_before_it_could_be_cancelled_is_told_and_recorded() -> None:
    world = World()
    resting = world.resting()
    world.venue.cancel_script.append("filled")
    signal = cancel_signal(world)
    await world.run()
    assert signal.status == "done"
    assert "was filled before it could be cancelled" in signal.reason
    assert resting.orders[1]["state"] == "filled"
    assert resting.fills


@pytest.mark.parametrize("fault", ["busy", "not_sent", "lost", "dropped", "stuck", "pending"])
async def test_an_order_is_cancelled_whatever_gets_lost(fault: str) -> None:
    world = World()
    resting = world.resting()
    world.venue.cancel_script.append(fault)
    signal = cancel_signal(world)
    await world.run()
    assert signal.status == "done"
    assert resting.orders[1]["state"] == "cancelled"


async def test_an_order_that_the_venue_does_not_show_is_nothing_to_cancel() -> None:
    world = World()
    world.resting()
    world.venue.cancel_script.append("gone")
    signal = cancel_signal(world)
    await world.run()
    assert signal.status == "done"
    assert "shows no limit order to buy 1 BTCUSDT any more" in signal.reason


async def test_a_cancel_that_the_venue_refuses_has_failed() -> None:
    world = World()
    world.resting()
    world.venue.cancel_script.append("refuse")
    signal = cancel_signal(world)
    await world.run()
    assert (signal.status, signal.reason_code) == ("failed", "venue_refused")
    assert "could not be cancelled (The venue refused it" in signal.reason
    assert signal.reason.endswith("cancel it by hand.")


async def test_a_venue_that_never_confirms_a_cancel_is_told_by_name() -> None:
    world = World()
    world.resting()
    world.venue.cancel_script.extend(["not_sent"] * 100)
    signal = cancel_signal(world)
    await world.run()
    assert (signal.status, signal.reason_code) == ("failed", "venue_unavailable")
    assert "could not be cancelled (connection refused)" in signal.reason


async def test_a_close_cancels_entries_first_and_exits_after_it() -> None:
    world = World()
    world.venue.net = Decimal(1)
    entry, stop = world.resting(), world.resting("sell", "stop_loss")
    signal = world.exit_signal(position=LONG)
    done: list[tuple[int, int]] = []
    world.venue.before_permit = lambda: done.append((len(world.venue.submitted), len(world.venue.cancels)))
    await world.run()
    assert signal.status == "done"
    assert world.venue.net == 0
    assert done == [(0, 0), (0, 1), (1, 1)]
    assert world.venue.cancels == [id_of(entry), id_of(stop)]
    assert stop.orders[1]["state"] == "cancelled"


async def test_a_close_that_filled_in_part_leaves_the_exits() -> None:
    world = World()
    world.venue.net = Decimal(1)
    world.resting("sell", "stop_loss")
    world.venue.script.append("partial")
    signal = world.exit_signal(position=LONG)
    await world.run()
    assert signal.status == "done"
    assert "Its exits stay" in signal.reason
    assert world.venue.cancels == []


async def test_what_filled_while_it_was_cancelled_is_closed_with_the_rest() -> None:
    world = World()
    world.venue.net = Decimal(1)
    world.resting()
    world.venue.cancel_script.append("filled")
    signal = world.exit_signal(position=LONG)
    await world.run()
    assert signal.status == "done"
    assert [order.quantity for order in world.venue.executed] == [Decimal(2)]
    assert world.venue.net == 0


async def test_a_close_does_not_wait_for_a_cancel_for_ever() -> None:
    world = World()
    world.venue.net = Decimal(1)
    world.resting()
    world.venue.cancel_script.extend(["not_sent"] * 100)
    signal = world.exit_signal(position=LONG)
    await world.run()
    assert signal.status == "done"
    assert "could not be cancelled" in signal.reason
    assert world.venue.net == 0


async def test_an_entry_is_not_sent_while_an_order_of_the_other_side_may_fill() -> None:
    world = World()
    world.resting("sell")
    world.venue.cancel_script.extend(["not_sent"] * 100)
    signal = world.signal()
    await world.run()
    assert (signal.status, signal.reason_code) == ("failed", "venue_unavailable")
    assert signal.reason.endswith("Nothing was opened: send the alert again when that order is gone.")
    assert world.venue.submitted == []


async def test_exits_that_bind_a_position_are_placed_again_for_what_a_partial_close_leaves() -> None:
    world = partly_closing()
    signal = world.exit_signal(alert={"price": "100", "close_percent": "25"}, position=LONG)
    await world.run()
    assert signal.status == "done"
    assert [(quantity, price) for _, _, quantity, price in world.venue.exits] == [
        (Decimal("0.75"), Decimal(90))
    ]


@pytest.mark.parametrize(("close", "left"), [("refuse", "1"), ("cancelled", "1"), ("partial", "0.875")])
async def test_exits_are_placed_again_though_the_close_came_to_nothing(close: str, left: str) -> None:
    world = partly_closing()
    world.venue.script.append(close)
    signal = world.exit_signal(alert={"price": "100", "close_percent": "25"}, position=LONG)
    await world.run()
    assert signal.status == ("done" if close == "partial" else "failed")
    assert "The stop-loss of " in signal.reason
    assert [quantity for _, _, quantity, _ in world.venue.exits] == [Decimal(left)]


async def test_a_worker_killed_at_any_moment_of_a_partial_close_leaves_the_rest_protected_once() -> None:
    for milliseconds in range(1, 80, 3):
        world = partly_closing()
        signal = world.exit_signal(alert={"price": "100", "close_percent": "25"}, position=LONG)
        await world.killed_after(milliseconds / 1000)
        await world.run(step=1.0)
        assert signal.status == "done", (milliseconds, signal.reason)
        assert world.venue.net == Decimal("0.75"), milliseconds
        assert [quantity for _, _, quantity, _ in world.venue.exits] == [Decimal("0.75")], milliseconds


def partly_closing() -> World:
    world = World()
    world.venue.capabilities = replace(world.venue.capabilities, reduces_natively=False)
    world.venue.net = Decimal(1)
    world.resting("sell", "stop_loss")
    return world


async def test_an_entry_that_finds_out_about_a_position_while_cancelling_is_planned_again() -> None:
    world = World()
    world.resting("sell")
    world.venue.cancel_script.append("filled")
    signal = world.signal()
    await world.run()
    assert signal.status == "done"
    assert [order.reduce_only for order in world.venue.executed] == [True, False]
    assert world.venue.net == 1


async def test_a_target_that_filled_while_exits_were_cancelled_does_not_cost_the_stop() -> None:
    world = partly_closing()
    world.venue.net = Decimal(2)
    world.resting("sell", "take_profit")
    world.venue.cancel_script.extend(["cancel", "filled"])
    signal = world.exit_signal(
        alert={"price": "100", "close_percent": "50"}, position=LONG | {"quantity": "2"}
    )
    await world.run()
    assert signal.status == "done"
    assert [(kind, quantity) for _, kind, quantity, _ in world.venue.exits] == [
        (ExitKind.STOP_LOSS, Decimal("0.5"))
    ]
    assert signal.reason.count("The stop-loss order to sell 1 BTCUSDT is cancelled.") == 1
    assert world.venue.net == Decimal("0.5")


@pytest.mark.parametrize(
    ("close", "left"), [("fill", []), ("refuse", ["1"]), ("cancelled", ["1"]), ("partial", ["0.5"])]
)
async def test_exits_that_bind_a_position_come_back_for_what_a_whole_close_leaves(
    close: str, left: list[str]
) -> None:
    world = partly_closing()
    world.venue.script.append(close)
    signal = world.exit_signal(position=LONG)
    await world.run()
    assert signal.status == ("done" if close in {"fill", "partial"} else "failed")
    assert [quantity for _, _, quantity, _ in world.venue.exits] == [Decimal(one) for one in left]


@pytest.mark.parametrize(("close", "left"), [("fill", []), ("refuse", ["1"]), ("partial", ["0.5"])])
async def test_a_reverse_that_does_not_close_gives_the_old_position_its_exits_back(
    close: str, left: list[str]
) -> None:
    world = partly_closing()
    world.venue.script.append(close)
    signal = world.reverse_signal()
    await world.run()
    assert signal.status == ("done" if close == "fill" else "failed")
    assert [quantity for _, _, quantity, _ in world.venue.exits] == [Decimal(one) for one in left]


@pytest.mark.parametrize(("close", "left"), [("refuse", "1"), ("cancelled", "1"), ("partial", "0.5")])
async def test_a_reverse_whose_entry_has_exits_to_come_gives_the_old_ones_back_all_the_same(
    close: str, left: str
) -> None:
    world = partly_closing()
    world.venue.script.append(close)
    signal = world.reverse_signal(
        alert={"price": "100", "quantity": "1", "stop_loss_percent": "5", "take_profit_percent": "5"}
    )
    await world.run()
    assert signal.status == "failed"
    assert len(world.venue.submitted) == 1
    assert [(kind, quantity, price) for _, kind, quantity, price in world.venue.exits] == [
        (ExitKind.STOP_LOSS, Decimal(left), Decimal(90))
    ]


async def test_a_reverse_that_a_limit_keeps_out_leaves_the_old_position_its_exits() -> None:
    world = partly_closing()
    world.database.obstacle = Limit("max_trades_per_day", "all", Decimal(1), Decimal(1), ok=False)
    signal = world.reverse_signal(alert={"price": "100", "quantity": "1", "stop_loss_percent": "5"})
    await world.run()
    assert (signal.status, signal.reason_code) == ("failed", "max_trades_per_day"), signal.reason
    assert world.venue.submitted == []
    assert [(quantity, price) for _, _, quantity, price in world.venue.exits] == [(Decimal(1), Decimal(90))]


async def test_a_reverse_that_closes_places_the_exits_of_what_it_opens_and_not_the_old_ones() -> None:
    world = partly_closing()
    signal = world.reverse_signal(alert={"price": "100", "quantity": "1", "stop_loss_percent": "5"})
    await world.run()
    assert signal.status == "done", signal.reason
    assert [(kind, price) for _, kind, _, price in world.venue.exits] == [(ExitKind.STOP_LOSS, Decimal(105))]


@pytest.mark.parametrize(("tries", "stops"), [(100, 1), (3, 1), (0, 1)])
@pytest.mark.parametrize("alert", [{"price": "100"}, {"price": "100", "close_percent": "25"}])
async def test_an_exit_that_may_still_stand_is_not_placed_a_second_time(
    tries: int, stops: int, alert: dict[str, str]
) -> None:
    world = partly_closing()
    world.venue.cancel_script.extend(["not_sent"] * tries)
    world.venue.script.append("refuse")
    signal = world.exit_signal(alert=alert, position=LONG)
    await world.run()
    assert (signal.status, signal.reason_code) == ("failed", "insufficient_funds"), signal.reason
    working = sum(1 for one in world.venue.orders.values() if one.order.state.value == "working")
    assert working == stops
    assert ("it may still stand" in signal.reason) is (tries == 100)
    # Nor is the position closed because of it.
    assert len(world.venue.submitted) == 1
