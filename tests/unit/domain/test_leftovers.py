"""Exits that have outlived their position, at a venue that does not take them away itself."""

from dataclasses import replace
from typing import Any

import pytest

from sparky.domain.plan import Plan
from sparky.domain.planner import make_plan
from sparky.domain.wanted import wanted
from tests.unit.domain.work_orders import CAN_ALL, EARLIER_ORDER, NOW, position, snapshot, work_order

ASTER = replace(CAN_ALL, cancels_siblings=False)
SIGNAL = "9a0c7f3e-52d4-4f5b-9f5b-5d1c64c1c1aa"


def earlier(leg: int, purpose: str, **changes: Any) -> dict[str, Any]:
    return EARLIER_ORDER | {
        "signal_id": SIGNAL,
        "leg": leg,
        "client_order_id": f"sp{leg:026d}",
        "state": "working",
        "side": "buy" if purpose == "open" else "sell",
        "purpose": purpose,
        **changes,
    }


STOP, TARGET = earlier(3, "stop_loss"), earlier(4, "take_profit")


def cancelled(held: str | None = None, **changes: Any) -> list[str]:
    order = work_order(**{"alert": {"quantity": "1"}, **changes})
    seen = snapshot(None if held is None else position(held), capabilities=ASTER)
    plan = make_plan(order, seen, NOW)
    assert isinstance(plan, Plan), plan
    assert {cancel.after_leg for cancel in plan.cancels} <= {0}
    return [cancel.client_order_id for cancel in plan.cancels]


@pytest.mark.parametrize("action", ["buy", "sell"])
def test_an_entry_without_a_position_cancels_what_would_leave_it_first(action: str) -> None:
    ended = TARGET | {"state": "filled"}
    assert cancelled(action=action, working=[STOP, ended]) == [STOP["client_order_id"]]
    assert cancelled(action=action, working=[STOP, TARGET]) == [
        STOP["client_order_id"],
        TARGET["client_order_id"],
    ]


def test_a_target_state_does_so_too() -> None:
    alert = {"quantity": "1", "market_position": "long"}
    assert cancelled(alert=alert, working=[STOP]) == [STOP["client_order_id"]]


def test_exits_of_an_open_position_stay_when_it_is_added_to() -> None:
    assert cancelled("long", settings={"pyramiding": True}, working=[STOP, TARGET]) == []


def test_exits_that_wait_for_an_entry_to_fill_stay() -> None:
    entry = earlier(1, "open", order_type="limit", limit_price="20000")
    waiting = STOP | {"attached_to": 1}
    assert cancelled(settings={"pyramiding": True}, working=[entry, waiting]) == []
    assert cancelled(settings={"pyramiding": True}, working=[waiting]) == [STOP["client_order_id"]]


def test_a_venue_that_takes_them_away_itself_is_not_asked_to() -> None:
    plan = make_plan(work_order(working=[STOP]), snapshot(), NOW)
    assert isinstance(plan, Plan)
    assert plan.cancels == ()


def test_the_position_is_asked_for_where_exits_work_and_only_there() -> None:
    assert not wanted(work_order()).position
    assert wanted(work_order(working=[STOP])).position
