"""Signals that do more, or less, than trade: close_all, protect, dry runs, limits, leverage, options."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from sparky.domain.identifiers import SignalId, client_order_id
from sparky.domain.trade_settings import Limit
from tests.unit.engine.fake_database import Row
from tests.unit.engine.virtual_loop import START
from tests.unit.engine.world import World

LONG = {"side": "long", "quantity": "1", "entry_price": "100"}


async def test_close_all_names_what_the_venue_shows_and_trades_nothing_itself() -> None:
    world = World()
    world.venue.net = Decimal(2)
    signal = world.signal(action="close_all", is_exit=True, symbol="*", alert={})
    await world.run()
    assert signal.status == "done"
    assert signal.close_symbols == ("BTCUSDT",)
    assert signal.reason.startswith("The venue shows BTCUSDT open; all of that")
    assert world.venue.submitted == []


async def test_only_close_all_names_symbols() -> None:
    world = World()
    signal = world.signal()
    await world.run()
    assert signal.close_symbols is None


def protect_signal(world: World, **entry: Any) -> Row:
    filled = {"state": "filled", "filled_quantity": "1", "average_price": "100"}
    resting = world.resting(**filled | entry)
    protection = {
        "entry": 1,
        "side_closed_by": "sell",
        "quantity": None,
        "exits": [
            {
                "number": 3,
                "kind": "stop_loss",
                "price": None,
                "percent": "2",
                "trail_distance": None,
                "trail_percent": None,
                "quantity_percent": "100",
            }
        ],
    }
    entered = resting.orders[1] | {"signal_id": resting.order["signal_id"]}
    return world.signal(
        action="protect",
        is_exit=True,
        alert={},
        unprotected={"entry": entered, "protection": protection},
    )


async def test_an_entry_that_filled_after_its_signal_ended_is_protected() -> None:
    world = World()
    world.venue.net = Decimal(1)
    signal = protect_signal(world)
    await world.run()
    assert signal.status == "done"
    assert "The stop-loss of 1 is placed at 98." in signal.reason
    ((placed, _, quantity, price),) = world.venue.exits
    assert (quantity, price) == (Decimal(1), Decimal(98))
    assert placed == client_order_id(SignalId(str(signal.order["signal_id"])), 3)
    assert world.venue.exit_requests[0].entry is not None


@pytest.mark.parametrize("known", ["order", "position"])
async def test_a_price_that_was_not_told_with_the_fill_is_asked_for(known: str) -> None:
    world = World()
    signal = protect_signal(world, average_price=None)
    if known == "order":
        world.venue.fill(next(iter(world.venue.orders)))
    else:
        world.venue.net = Decimal(1)
    await world.run()
    assert signal.status == "done"
    assert [price for *_, price in world.venue.exits] == [Decimal(98)]


async def test_an_entry_whose_stop_comes_too_late_is_closed_when_the_venue_refuses_it() -> None:
    world = World()
    world.venue.net = Decimal(1)
    world.venue.exit_script.append("refuse")
    signal = protect_signal(world)
    await world.run()
    assert (signal.status, signal.reason_code) == ("failed", "exit_not_placed")
    assert world.venue.net == 0


async def test_exits_are_placed_at_any_age() -> None:
    world = World()
    world.venue.net = Decimal(1)
    signal = protect_signal(world)
    signal.order["settings"]["max_exit_age_sec"] = 10
    signal.order["received_at"] = (START - timedelta(hours=1)).isoformat()
    await world.run()
    assert signal.status == "done", signal.reason
    assert len(world.venue.exits) == 1


async def test_nothing_is_protected_where_nothing_is_open() -> None:
    world = World()
    signal = protect_signal(world)
    await world.run()
    assert signal.status == "done"
    assert world.venue.exit_requests == []


async def test_a_protection_is_placed_once_whenever_its_worker_is_killed() -> None:
    for milliseconds in range(1, 40, 3):
        world = World()
        world.venue.net = Decimal(1)
        signal = protect_signal(world)
        await world.killed_after(milliseconds / 1000)
        await world.run(step=1.0)
        assert signal.status == "done", milliseconds
        assert len(world.venue.exits) == 1, milliseconds


async def test_a_dry_run_sends_nothing_and_shows_its_plan() -> None:
    world = World()
    signal = world.signal(alert={"quantity": "1", "price": "100", "dry_run": True})
    await world.run()
    assert (signal.status, signal.reason_code) == ("done", "dry_run")
    assert world.venue.submitted == []
    assert signal.explanation is not None
    assert signal.explanation["plan"]["legs"][0]["quantity"] == "1.000"
    assert signal.explanation["checks"]


async def test_a_rejection_is_explained_by_its_checks() -> None:
    world = World()
    signal = world.signal(settings={"enabled": False})
    await world.run()
    assert signal.status == "rejected"
    assert signal.explanation is not None
    assert signal.explanation["plan"] is None
    assert [one["ok"] for one in signal.explanation["checks"]][-1] is False


async def test_a_signal_that_is_too_old_is_explained_without_asking_the_venue() -> None:
    world = World()
    signal = world.signal(age=61.5)
    await world.run()
    assert signal.status == "expired"
    assert signal.explanation is not None
    (check,) = signal.explanation["checks"]
    assert (check["name"], check["ok"], check["limit"]) == ("max_signal_age_sec", False, "60 s")
    assert world.venue.questions == []


async def test_an_executed_signal_is_explained_by_its_checks_and_its_stored_plan() -> None:
    world = World()
    signal = world.signal()
    await world.run()
    assert signal.explanation is not None
    assert signal.explanation["plan"] is None
    assert signal.plan is not None
    assert signal.explanation["checks"] == signal.plan["checks"]


async def test_a_limit_that_is_reached_when_the_order_is_written_down_rejects_it() -> None:
    world = World()
    world.database.obstacle = Limit("max_trades_per_day", "paper", Decimal(3), Decimal(3), ok=False)
    signal = world.signal()
    await world.run()
    assert (signal.status, signal.reason_code) == ("rejected", "max_trades_per_day")
    assert "max_trades_per_day is 3" in signal.reason
    assert world.venue.submitted == []
    assert signal.explanation is not None
    assert signal.explanation["checks"][-1] == {
        "name": "max_trades_per_day of paper",
        "ok": False,
        "value": "3",
        "limit": "3",
    }
    assert signal.explanation["plan"]["legs"]


async def test_a_limit_holds_no_exit_back() -> None:
    world = World()
    world.database.obstacle = Limit("max_trades_per_day", "paper", Decimal(3), Decimal(3), ok=False)
    world.venue.net = Decimal(1)
    signal = world.exit_signal(position=LONG)
    await world.run()
    assert signal.status == "done"


async def test_leverage_is_set_before_the_entry() -> None:
    world = World()
    signal = world.signal(alert={"quantity": "1", "price": "100", "leverage": 5})
    seen: list[list[int]] = []
    world.venue.before_permit = lambda: seen.append(list(world.venue.leverages))
    await world.run()
    assert signal.status == "done"
    assert seen == [[5]]


async def test_leverage_is_asked_for_again_when_the_venue_does_not_answer() -> None:
    world = World()
    signal = world.signal(alert={"quantity": "1", "price": "100", "leverage": 5})
    world.venue.leverage_faults = 2
    await world.run()
    assert signal.status == "done"
    assert world.venue.leverages == [5]


async def test_leverage_that_the_venue_refuses_rejects_the_signal_unsent() -> None:
    world = World()
    signal = world.signal(alert={"quantity": "1", "price": "100", "leverage": 5})
    world.venue.leverage_refusal = "The venue allows at most 3: send less."
    await world.run()
    assert (signal.status, signal.reason) == ("rejected", "The venue allows at most 3: send less.")
    assert world.venue.submitted == []


@pytest.mark.parametrize(
    ("alert", "asked"),
    [
        ({"quantity": "1", "price": "100"}, {"rules"}),
        ({"position_size_usd": "500"}, {"rules", "quote"}),
        ({"position_size_percent": "10"}, {"rules", "quote", "balance"}),
    ],
)
async def test_a_venue_is_asked_only_for_what_the_plan_needs(alert: dict[str, Any], asked: set[str]) -> None:
    world = World()
    signal = world.signal(alert=alert)
    await world.run()
    assert signal.status == "done", signal.reason
    assert set(world.venue.questions) == asked
    assert len(world.venue.questions) == len(asked)
    assert [name for name in world.database.calls if name in {"begin", "finish"}] == ["begin", "finish"]


async def test_what_is_asked_is_asked_at_once() -> None:
    world = World()
    world.venue.latency = 1.0
    signal = world.signal(alert={"position_size_percent": "10"})
    async with world.worker() as worker:
        worker.inbox.hint()
        took = await world.settle()
    assert signal.status == "done"
    # One for the three questions, one for the order.
    assert took < 2.5


async def test_a_question_that_fails_ends_the_others_and_is_asked_again() -> None:
    world = World()
    world.venue.unavailable = 2
    signal = world.signal(alert={"position_size_percent": "10"})
    await world.run()
    assert signal.status == "done"
