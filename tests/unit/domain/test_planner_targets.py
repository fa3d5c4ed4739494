from typing import Any

import pytest

from sparky.domain.plan import NothingToDo, Plan, Rejection
from sparky.domain.reasons import Reason
from tests.unit.domain.planning import (
    assert_rejected,
    decide,
    held,
    idle,
    legs,
    planned,
    priced,
    rejected,
    working,
)

NONE: dict[str, Any] = {}
HALTED = {"trading_halted": True, "halt_reason": "maintenance"}


def target(state: str, size: str | None = None, **alert: Any) -> dict[str, Any]:
    return {"market_position": state, "market_position_size": size, "quantity": "1"} | alert


@pytest.mark.parametrize(
    ("now", "alert", "expected"),
    [
        (NONE, target("long"), ["open buy 1.000"]),
        (NONE, target("short"), ["open sell 1.000"]),
        (NONE, target("long", "3"), ["open buy 3.000"]),
        (NONE, target("long", "3", quantity=None), ["open buy 3.000"]),
        (NONE, target("flat"), "no_position"),
        (held("long"), target("long"), "already_there"),
        (held("long"), target("long", "2"), "already_there"),
        (held("long"), target("long", "2.0014"), "already_there"),
        (held("long"), target("long", "1.9985"), "already_there"),
        (held("long"), target("long", "1.5"), ["close sell 0.500"]),
        (held("long"), target("long", "0.001"), ["close sell 2"]),
        (held("long"), target("long", "3"), "position_exists"),
        (held("long"), target("short"), ["close sell 2", "open sell 1.000"]),
        (held("long"), target("short", "3"), ["close sell 2", "open sell 3.000"]),
        (held("long"), target("flat"), ["close sell 2"]),
        (held("short"), target("flat", "0"), ["close buy 2"]),
        (held("short"), target("short", "1"), ["close buy 1.000"]),
        (held("short"), target("long"), ["close buy 2", "open buy 1.000"]),
    ],
)
@pytest.mark.parametrize("action", ["buy", "sell", "close"])
@pytest.mark.parametrize("on_opposite", ["close", "reject", "reverse"])
def test_the_state_decides_and_not_the_action(
    now: dict[str, Any], alert: dict[str, Any], expected: list[str] | str, action: str, on_opposite: str
) -> None:
    decision = decide(now, action=action, alert=alert, settings={"on_opposite": on_opposite})
    if isinstance(decision, Plan):
        assert legs(decision) == expected
    else:
        assert decision.reason_code == expected


def test_more_is_added_where_pyramiding_allows_it() -> None:
    settings = {"pyramiding": True}
    assert legs(planned(held("long"), alert=target("long", "3"), settings=settings)) == ["open buy 1.000"]
    assert_rejected(rejected(held("long"), alert=target("long", "3")), Reason.POSITION_EXISTS, "pyramiding")


def test_a_size_in_money_does_not_follow_the_price() -> None:
    alert = target("long", "3", quantity=None, position_size_usd="100")
    assert idle(held("long") | priced("20000"), alert=alert).reason_code is Reason.ALREADY_THERE
    assert legs(planned(priced("20000"), alert=alert)) == ["open buy 0.005"]


def test_a_limit_cuts_what_is_added_and_never_makes_smaller() -> None:
    settings = {"pyramiding": True, "max_position_size_usd": "25000"}
    seen = priced("10000")
    cut = planned(held("long") | seen, alert=target("long", "3"), settings=settings)
    assert legs(cut) == ["open buy 0.500"]
    assert cut.notes[0] == (
        "The target was cut from 3.000 to 2.500 by the setting max_position_size_usd 25000."
    )
    full = idle(held("long", "2.6") | seen, alert=target("long", "3"), settings=settings)
    assert full.reason_code is Reason.ALREADY_THERE
    assert legs(planned(seen, alert=target("long", "3"), settings=settings)) == ["open buy 2.500"]


def test_flat_and_less_are_exits_and_pass_every_switch() -> None:
    for settings in (HALTED, {"enabled": False}, {"strategy": {"name": "Moon", "active": False}}):
        assert legs(planned(held("long"), alert=target("flat"), settings=settings)) == ["close sell 2"]
        less = planned(held("long"), alert=target("long", "1"), settings=settings)
        assert legs(less) == ["close sell 1.000"]
        for now in (NONE, held("short"), held("long", "0.5")):
            assert isinstance(decide(now, alert=target("long", "1"), settings=settings), Rejection)


def test_the_quantity_of_an_alert_that_wants_flat_is_no_part() -> None:
    alert = target("flat", quantity="0.5", position_size_percent="5", close_percent="10")
    assert legs(planned(held("long"), action="sell", alert=alert)) == ["close sell 2"]


def test_an_alert_that_may_only_close_opens_nothing_in_any_state() -> None:
    only = {"is_exit": True}
    assert idle(alert=target("long"), **only).reason_code is Reason.NO_POSITION
    assert legs(planned(held("long"), alert=target("short"), **only)) == ["close sell 2"]
    assert idle(held("long"), alert=target("long", "3"), **only).reason_code is Reason.ALREADY_THERE
    assert legs(planned(held("long"), alert=target("long", "1"), **only)) == ["close sell 1.000"]
    reduce_only = planned(held("long"), alert=target("short", reduce_only=True))
    assert legs(reduce_only) == ["close sell 2"]


def test_where_short_is_not_allowed_the_other_side_is_closed_with_a_note() -> None:
    plan = planned(held("long"), alert=target("short"), settings={"allow_short": False})
    assert legs(plan) == ["close sell 2"]
    assert "allow_short is false" in " ".join(plan.notes)
    assert_rejected(
        rejected(alert=target("short"), settings={"allow_short": False}), Reason.SHORT_NOT_ALLOWED
    )


@pytest.mark.parametrize("before", ["long", "flat"])
def test_a_state_before_that_is_not_ours_is_a_missed_alert(before: str) -> None:
    alert = target("long", "1", prev_market_position=before)
    note = f"The strategy was {before} before this alert and the position was short"
    assert note in " ".join(planned(held("short"), alert=alert).notes)
    missed = idle(held("long", "1"), alert=target("long", "1", prev_market_position="short"))
    assert "an alert may have been missed" in missed.note
    as_known = planned(alert=target("long", "1", prev_market_position="flat"))
    assert as_known.notes == ()


def test_a_reversal_by_quantity_alone_says_what_tradingview_counts() -> None:
    plan = planned(held("long", "1"), alert=target("short", quantity="2"))
    assert legs(plan) == ["close sell 1", "open sell 2.000"]
    assert "{{strategy.market_position_size}}" in " ".join(plan.notes)
    assert planned(held("long", "1"), alert=target("short", "1")).notes == ()


def test_a_working_entry_of_the_side_is_on_its_way() -> None:
    orders = working({"side": "buy", "quantity": "1"})
    done = idle(alert=target("long", "1"), working=orders)
    assert done.reason_code is Reason.ALREADY_THERE
    assert "an order for 1 more is working" in done.note
    settings = {"pyramiding": True}
    more = planned(held("long"), alert=target("long", "4"), working=orders, settings=settings)
    assert legs(more) == ["open buy 1.000"]
    less = planned(held("long"), alert=target("long", "1.5"), working=orders)
    assert (legs(less), [one.client_order_id for one in less.cancels]) == (["close sell 0.500"], ["sp1"])


def test_a_working_entry_of_the_other_side_is_cancelled_first() -> None:
    plan = planned(alert=target("short"), working=working({"side": "buy"}))
    assert legs(plan) == ["open sell 1.000"]
    assert [(one.client_order_id, one.after_leg) for one in plan.cancels] == [("sp1", 0)]


def test_a_side_of_the_size_0_is_a_contradiction() -> None:
    decision = rejected(alert=target("long", "0"))
    assert_rejected(decision, Reason.UNKNOWN_FIELD_COMBINATION, "market_position_size", "flat")


def test_close_percent_does_not_go_with_a_state() -> None:
    decision = rejected(held("long"), alert=target("short", quantity=None, close_percent="5"))
    assert_rejected(decision, Reason.UNKNOWN_FIELD_COMBINATION, "close_percent 5")


def test_nothing_to_do_is_a_sentence_with_the_position() -> None:
    done = idle(held("long"), alert=target("long"))
    assert isinstance(done, NothingToDo)
    assert done.note == "Nothing to do: BTCUSDT is long with 2, as the alert wants it."
