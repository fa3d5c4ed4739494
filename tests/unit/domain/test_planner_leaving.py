from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from sparky.domain.orders import ExitKind, OrderType, Side
from sparky.domain.plan import Plan
from sparky.domain.reasons import Reason
from sparky.domain.snapshot import NO_RULES
from tests.unit.domain.planning import check, held, idle, legs, planned, working
from tests.unit.domain.work_orders import CAN_ALL, EARLIER_ORDER

NOT_NATIVE = {"capabilities": replace(CAN_ALL, reduces_natively=False)}
ONE_TARGET = {"capabilities": replace(CAN_ALL, reduces_natively=False, several_targets=False)}
ENTRY: dict[str, Any] = {"side": "buy", "client_order_id": "entry"}
STOP: dict[str, Any] = {
    "client_order_id": "stop",
    "side": "sell",
    "purpose": "stop_loss",
    "order_type": "stop",
    "stop_price": "90",
    "quantity": "2",
}
TARGET: dict[str, Any] = {
    "client_order_id": "target",
    "side": "sell",
    "purpose": "take_profit",
    "order_type": "limit",
    "limit_price": "120",
    "quantity": "1",
}
ATTACHED = STOP | {"client_order_id": "attached", "leg": 3, "attached_to": 1}


def cancels(plan: Plan) -> list[tuple[str, int]]:
    return [(one.client_order_id, one.after_leg) for one in plan.cancels]


def test_a_close_cancels_entries_before_it_and_exits_after_it() -> None:
    orders = working(STOP, ENTRY, TARGET, STOP | {"side": "buy"}, STOP | {"state": "cancelled"})
    plan = planned(held("long"), action="close", alert={}, working=orders)
    assert legs(plan) == ["close sell 2"]
    assert cancels(plan) == [("entry", 0), ("stop", 1), ("target", 1)]


def test_a_reverse_does_the_same_before_it_opens() -> None:
    plan = planned(held("long"), action="sell", alert={"quantity": "1"}, working=working(ENTRY, STOP))
    assert legs(plan) == ["close sell 2", "open sell 1.000"]
    assert cancels(plan) == [("entry", 0), ("stop", 1)]


def test_exits_that_go_with_an_entry_are_not_cancelled_beside_it() -> None:
    plan = planned(held("long"), action="close", alert={}, working=working(ENTRY, ATTACHED))
    assert cancels(plan) == [("entry", 0)]
    plan = planned(held("long"), action="close", alert={}, working=working(ATTACHED))
    assert cancels(plan) == [("attached", 1)]


def test_a_partial_close_leaves_exits_where_the_venue_reduces_natively() -> None:
    orders = working(STOP, TARGET)
    plan = planned(held("long"), action="close", alert={"close_percent": "50"}, working=orders)
    assert (legs(plan), cancels(plan), plan.protection) == (["close sell 1.000"], [], None)


def test_elsewhere_the_exits_are_placed_again_for_what_is_left() -> None:
    orders = working(TARGET, STOP, ENTRY)
    part = {"action": "close", "alert": {"close_percent": "25"}}
    plan = planned(held("long") | NOT_NATIVE, working=orders, **part)
    assert legs(plan) == ["close sell 0.500"]
    assert cancels(plan) == [("target", 0), ("stop", 0)]
    assert plan.protection is not None
    assert (plan.protection.entry, plan.protection.side_closed_by) == (0, Side.SELL)
    assert plan.protection.quantity == Decimal("1.5")
    assert [(one.number, one.kind, one.price, one.quantity_percent) for one in plan.protection.exits] == [
        (3, ExitKind.STOP_LOSS, Decimal(90), Decimal(100)),
        (4, ExitKind.TAKE_PROFIT, Decimal(120), Decimal(50)),
    ]


def test_of_several_stops_the_tightest_is_placed_again() -> None:
    orders = working(
        STOP,
        STOP | {"stop_price": "95"},
        STOP | {"purpose": "trailing_stop", "stop_price": None, "trail_percent": "2"},
        STOP | {"purpose": "trailing_stop", "stop_price": None, "trail_percent": "3"},
        TARGET,
        TARGET | {"limit_price": "110"},
    )
    plan = planned(held("long") | ONE_TARGET, action="close", alert={"quantity": "1"}, working=orders)
    assert plan.protection is not None
    assert [
        (one.kind, one.price, one.trail_percent, one.quantity_percent) for one in plan.protection.exits
    ] == [
        (ExitKind.STOP_LOSS, Decimal(95), None, Decimal(100)),
        (ExitKind.TRAILING_STOP, None, Decimal(2), Decimal(100)),
        (ExitKind.TAKE_PROFIT, Decimal(110), None, Decimal(100)),
    ]


def test_without_exits_a_partial_close_is_one_order_everywhere() -> None:
    plan = planned(held("long") | NOT_NATIVE, action="close", alert={"quantity": "1"})
    assert (legs(plan), plan.cancels, plan.protection) == (["close sell 1.000"], (), None)


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        ("close", [("entry", 0), ("target", 0)]),
        ("close_long", [("entry", 0), ("target", 0)]),
        ("close_short", None),
    ],
)
def test_a_close_without_position_ends_what_still_works(
    action: str, expected: list[tuple[str, int]] | None
) -> None:
    orders = working(ENTRY, ATTACHED, TARGET)
    if expected is None:
        assert idle(action=action, alert={}, working=orders).reason_code is Reason.NO_POSITION
        return
    plan = planned(action=action, alert={}, working=orders)
    assert (legs(plan), cancels(plan)) == ([], expected)
    assert "No position was open" in plan.notes[0]


def test_flat_without_position_ends_what_works_on_either_side() -> None:
    orders = working(ENTRY, ENTRY | {"side": "sell", "client_order_id": "other"})
    plan = planned(action="sell", alert={"market_position": "flat"}, working=orders)
    assert cancels(plan) == [("entry", 0), ("other", 0)]


def test_a_close_may_wait_at_a_price() -> None:
    alert = {"order_type": "limit", "price": "120", "quantity": "1"}
    leg = planned(held("long"), action="close", alert=alert).legs[0]
    assert (leg.order_type, leg.limit_price, leg.reduce_only) == (OrderType.LIMIT, Decimal(120), True)


def test_cancel_ends_entries_and_leaves_the_exits_of_an_open_position() -> None:
    seen = held("long") | {"rules": NO_RULES}
    plan = planned(seen, action="cancel", alert={}, working=working(ENTRY, STOP))
    assert (legs(plan), cancels(plan)) == ([], [("entry", 0)])
    assert plan.notes == (
        "The exits that protect the open position were left working (1); close it to end them.",
    )
    stray = planned({"rules": NO_RULES}, action="cancel", alert={}, working=working(ENTRY, TARGET))
    assert cancels(stray) == [("entry", 0), ("target", 0)]


def test_cancel_without_anything_to_cancel_is_done_with_a_note() -> None:
    done = idle({"rules": NO_RULES}, action="cancel", alert={})
    assert (done.reason_code, done.note) == (
        Reason.NOTHING_TO_CANCEL,
        "Nothing to cancel: no order for BTCUSDT at paper that Sparky sent is working.",
    )
    kept = idle(held("long") | {"rules": NO_RULES}, action="cancel", alert={}, working=working(STOP))
    assert "left working (1)" in kept.note


def test_close_all_names_what_the_venue_shows_and_trades_nothing_itself() -> None:
    position = held("long")["position"]
    seen = {"rules": NO_RULES, "positions": [replace(position, symbol="ETHUSDT"), position]}
    plan = planned(seen, action="close_all", symbol="*", is_exit=True, alert={})
    assert (plan.legs, plan.close_symbols) == ((), ("BTCUSDT", "ETHUSDT"))
    assert check(plan, "positions").value == "BTCUSDT, ETHUSDT"
    empty = planned({"rules": NO_RULES}, action="close_all", symbol="*", is_exit=True, alert={})
    assert empty.close_symbols == ()


def unprotected(filled: str = "1.5") -> dict[str, Any]:
    terms = {"number": 3, "kind": "stop_loss", "percent": "1", "quantity_percent": "100"}
    return {
        "entry": EARLIER_ORDER
        | {
            "signal_id": "9d1f3a52-6c1e-4a3b-8f54-2f0f5e5f1a11",
            "filled_quantity": filled,
            "average_price": "100",
        },
        "protection": {"entry": 1, "side_closed_by": "sell", "exits": [terms]},
    }


@pytest.mark.parametrize(("open_now", "covered"), [("2", "1.5"), ("1", "1")])
def test_protect_places_the_exits_of_an_entry_for_what_of_it_is_open(open_now: str, covered: str) -> None:
    plan = planned(
        held("long", open_now), action="protect", is_exit=True, alert={}, unprotected=unprotected()
    )
    assert plan.legs == ()
    assert plan.protection is not None
    assert (plan.protection.entry, plan.protection.quantity) == (0, Decimal(covered))
    assert [one.kind for one in plan.protection.exits] == [ExitKind.STOP_LOSS]


@pytest.mark.parametrize("now", [{}, held("short")])
def test_protect_of_a_position_that_is_gone_is_done(now: dict[str, Any]) -> None:
    done = idle(now, action="protect", is_exit=True, alert={}, unprotected=unprotected())
    assert done.reason_code is Reason.NO_POSITION


def test_protect_without_an_entry_is_a_programming_error() -> None:
    with pytest.raises(ValueError, match="entry"):
        planned(held(), action="protect", is_exit=True, alert={})
