from typing import Any

import pytest

from sparky.domain.answers import VenuePosition
from sparky.domain.plan import Decision, NothingToDo, Plan, Rejection
from sparky.domain.planner import make_plan
from sparky.domain.reasons import Reason
from sparky.domain.rules import InstrumentRules
from tests.unit.domain.work_orders import NOW, RULES, position, seconds_ago, snapshot, work_order

SHARES = InstrumentRules(
    symbol="BTCUSDT",
    quantity_step=RULES.quantity_step,
    price_tick=RULES.price_tick,
    can_short=False,
)


def decide(now_open: str, /, rules: InstrumentRules = RULES, **changes: Any) -> Decision:
    held: VenuePosition | None = None if now_open == "none" else position(now_open)
    return make_plan(work_order(**changes), snapshot(held, rules), NOW)


def summary(decision: Decision) -> list[str] | str:
    if not isinstance(decision, Plan):
        return decision.reason_code.value
    return [f"{leg.purpose} {leg.side} {leg.quantity}" for leg in decision.legs]


CLOSE_LONG, CLOSE_SHORT = ["close sell 2"], ["close buy 2"]
OPEN_LONG, OPEN_SHORT = ["open buy 1.500"], ["open sell 1.500"]
TO_SHORT, TO_LONG = CLOSE_LONG + OPEN_SHORT, CLOSE_SHORT + OPEN_LONG


@pytest.mark.parametrize(
    ("now_open", "action", "expected"),
    [
        ("none", "buy", OPEN_LONG),
        ("none", "sell", OPEN_SHORT),
        ("none", "close", "no_position"),
        ("none", "close_long", "no_position"),
        ("none", "close_short", "no_position"),
        ("long", "buy", "position_exists"),
        ("long", "sell", TO_SHORT),
        ("long", "close", CLOSE_LONG),
        ("long", "close_long", CLOSE_LONG),
        ("long", "close_short", "no_position"),
        ("short", "buy", TO_LONG),
        ("short", "sell", "position_exists"),
        ("short", "close", CLOSE_SHORT),
        ("short", "close_long", "no_position"),
        ("short", "close_short", CLOSE_SHORT),
    ],
)
def test_the_action_table(now_open: str, action: str, expected: list[str] | str) -> None:
    alert = {"quantity": "1.5"} if action in {"buy", "sell"} else {}
    assert summary(decide(now_open, action=action, alert=alert)) == expected


@pytest.mark.parametrize("pyramiding", [False, True])
@pytest.mark.parametrize("allow_short", [False, True])
@pytest.mark.parametrize("on_opposite", ["reverse", "close", "reject"])
@pytest.mark.parametrize("now_open", ["none", "long", "short"])
@pytest.mark.parametrize("action", ["close", "close_long", "close_short"])
def test_no_setting_changes_an_exit(
    now_open: str, action: str, on_opposite: str, *, allow_short: bool, pyramiding: bool
) -> None:
    settings = {"on_opposite": on_opposite, "allow_short": allow_short, "pyramiding": pyramiding}
    with_settings = decide(now_open, action=action, alert={}, settings=settings)
    assert with_settings == decide(now_open, action=action, alert={})


@pytest.mark.parametrize(
    ("now_open", "action", "settings", "expected"),
    [
        ("none", "buy", {"allow_short": False}, OPEN_LONG),
        ("none", "sell", {"allow_short": False}, "short_not_allowed"),
        ("long", "buy", {"pyramiding": True}, OPEN_LONG),
        ("long", "buy", {"pyramiding": True, "on_opposite": "reject"}, OPEN_LONG),
        ("long", "sell", {"on_opposite": "close"}, CLOSE_LONG),
        ("long", "sell", {"on_opposite": "reject"}, "opposite_rejected"),
        ("long", "sell", {"on_opposite": "reverse", "pyramiding": True}, TO_SHORT),
        ("long", "sell", {"on_opposite": "reverse", "allow_short": False}, CLOSE_LONG),
        ("long", "sell", {"on_opposite": "close", "allow_short": False}, CLOSE_LONG),
        ("short", "sell", {"pyramiding": True}, OPEN_SHORT),
        ("short", "sell", {"pyramiding": True, "allow_short": False}, "short_not_allowed"),
        ("short", "buy", {"on_opposite": "close"}, CLOSE_SHORT),
        ("short", "buy", {"on_opposite": "reject"}, "opposite_rejected"),
        ("short", "buy", {"on_opposite": "reverse", "allow_short": False}, TO_LONG),
    ],
)
def test_settings_decide_over_entries(
    now_open: str, action: str, settings: dict[str, Any], expected: list[str] | str
) -> None:
    decision = decide(now_open, action=action, alert={"quantity": "1.5"}, settings=settings)
    assert summary(decision) == expected


def test_where_the_venue_cannot_short_a_sell_without_position_is_refused() -> None:
    decision = decide("none", SHARES, action="sell", alert={"quantity": "1"})
    assert isinstance(decision, Rejection)
    assert decision.reason_code is Reason.SHORT_NOT_ALLOWED
    assert "venue" in decision.reason


def test_where_short_is_not_allowed_a_reverse_only_closes_and_says_so() -> None:
    decision = decide("long", SHARES, action="sell", alert={"quantity": "1"})
    assert isinstance(decision, Plan)
    assert summary(decision) == CLOSE_LONG
    assert decision.notes == (
        "Closed without opening a short position: the venue does not allow short positions in it.",
    )


def test_a_reverse_closes_first_and_opens_only_after_the_fill() -> None:
    decision = decide("long", action="sell", alert={"quantity": "1.5", "price": "27000.5"})
    assert isinstance(decision, Plan)
    first, second = decision.legs
    assert (first.number, first.reduce_only, first.depends_on_previous) == (1, True, False)
    assert (second.number, second.reduce_only, second.depends_on_previous) == (2, False, True)
    assert first.client_order_id != second.client_order_id
    assert second.reference_price == first.reference_price == work_order().alert.price


def test_a_reverse_that_cannot_open_does_not_close_either() -> None:
    assert summary(decide("long", action="sell", alert={})) == "no_size"
    assert summary(decide("long", action="sell", alert={"quantity": "0.0001"})) == "below_minimum"


@pytest.mark.parametrize(
    ("now_open", "action", "expected"),
    [
        ("none", "buy", "no_position"),
        ("none", "sell", "no_position"),
        ("long", "buy", "no_position"),
        ("long", "sell", CLOSE_LONG),
        ("short", "buy", CLOSE_SHORT),
        ("short", "sell", "no_position"),
    ],
)
def test_a_reduce_only_alert_only_closes_the_other_side(
    now_open: str, action: str, expected: list[str] | str
) -> None:
    assert summary(decide(now_open, action=action, alert={"reduce_only": True})) == expected


def test_a_signal_that_passed_as_an_exit_never_opens() -> None:
    decision = decide("none", action="buy", is_exit=True, alert={"quantity": "1"})
    assert isinstance(decision, NothingToDo)


def test_a_reduce_only_quantity_above_the_position_closes_the_position() -> None:
    decision = decide("long", action="sell", alert={"reduce_only": True, "quantity": "5"})
    assert summary(decision) == CLOSE_LONG
    assert isinstance(decision, Plan)
    assert decision.notes == ("The whole position of 2 is closed.",)


@pytest.mark.parametrize("action", ["buy", "sell"])
def test_close_percent_on_an_entry_is_a_contradiction(action: str) -> None:
    assert summary(decide("long", action=action, alert={"close_percent": "50"})) == (
        "unknown_field_combination"
    )


@pytest.mark.parametrize(("action", "now_open"), [("buy", "none"), ("close", "long")])
def test_a_dry_run_says_what_would_be_sent(action: str, now_open: str) -> None:
    alert = {"dry_run": True} | ({"quantity": "1.5"} if action == "buy" else {})
    decision = decide(now_open, action=action, alert=alert)
    assert isinstance(decision, NothingToDo)
    assert decision.reason_code is Reason.DRY_RUN
    what = "buy 1.5 BTCUSDT at market to open" if action == "buy" else "sell 2 BTCUSDT at market to close"
    assert what in decision.note


def test_a_dry_run_of_a_reverse_names_both_orders() -> None:
    decision = decide("long", action="sell", alert={"dry_run": True, "quantity": "1.5"})
    assert isinstance(decision, NothingToDo)
    assert "sell 2 BTCUSDT at market to close, then sell 1.5 BTCUSDT at market to open." in decision.note


def test_a_dry_run_is_refused_as_the_real_one_would_be() -> None:
    assert summary(decide("none", action="buy", alert={"dry_run": True})) == "no_size"


def test_rules_or_positions_of_another_symbol_are_a_programming_error() -> None:
    with pytest.raises(ValueError, match="ETHUSDT"):
        make_plan(work_order(symbol="ETHUSDT"), snapshot(), NOW)


@pytest.mark.parametrize(
    ("age", "limit", "expected"),
    [(60, 60, OPEN_LONG), (60.1, 60, "signal_too_old"), (86_400, 0, OPEN_LONG), (-30, 60, OPEN_LONG)],
)
def test_entries_expire_after_their_age(age: float, limit: int, expected: list[str] | str) -> None:
    decision = decide(
        "none",
        alert={"quantity": "1.5"},
        alert_at=seconds_ago(age),
        received_at=seconds_ago(0),
        settings={"max_signal_age_sec": limit},
    )
    assert summary(decision) == expected


def test_without_a_time_of_its_own_an_alert_ages_from_its_receipt() -> None:
    decision = decide("none", alert_at=None, received_at=seconds_ago(61))
    assert summary(decision) == "signal_too_old"


def test_a_sender_whose_clock_runs_ahead_does_not_make_its_alerts_young_for_ever() -> None:
    decision = decide("none", alert_at=seconds_ago(-86_400), received_at=seconds_ago(61))
    assert summary(decision) == "signal_too_old"


def test_an_old_entry_names_its_age_and_the_limit_and_is_expired() -> None:
    decision = decide("none", alert_at=seconds_ago(75.25), received_at=seconds_ago(75))
    assert isinstance(decision, Rejection)
    assert decision.expired
    assert "75.2 s old and max_signal_age_sec is 60 s" in decision.reason


def test_exits_do_not_age_unless_the_trader_says_so() -> None:
    old: dict[str, Any] = {"alert_at": seconds_ago(86_400), "received_at": seconds_ago(86_400)}
    assert summary(decide("long", action="close", alert={}, **old)) == CLOSE_LONG
    assert summary(decide("short", action="buy", alert={"reduce_only": True}, **old)) == CLOSE_SHORT
    limited = decide("long", action="close", alert={}, settings={"max_exit_age_sec": 3600}, **old)
    assert isinstance(limited, Rejection)
    assert limited.expired
    assert "max_exit_age_sec is 3600 s" in limited.reason


HALTED = {"trading_halted": True, "halt_reason": "the exchange is down"}


@pytest.mark.parametrize(
    ("settings", "code"), [(HALTED, "platform_halted"), ({"enabled": False}, "trading_disabled")]
)
@pytest.mark.parametrize("now_open", ["none", "long", "short"])
@pytest.mark.parametrize("on_opposite", ["reverse", "close", "reject"])
def test_switched_off_means_that_no_entry_is_executed_not_even_the_close_of_a_reverse(
    now_open: str, on_opposite: str, settings: dict[str, Any], code: str
) -> None:
    for action in ("buy", "sell"):
        decision = decide(now_open, action=action, settings=settings | {"on_opposite": on_opposite})
        assert isinstance(decision, Rejection)
        assert (decision.reason_code.value, decision.expired) == (code, False)


@pytest.mark.parametrize("settings", [HALTED, {"enabled": False}])
def test_exits_pass_a_halt_and_the_traders_own_switch(settings: dict[str, Any]) -> None:
    assert summary(decide("long", action="close", alert={}, settings=settings)) == CLOSE_LONG
    assert summary(decide("short", action="close_short", alert={}, settings=settings)) == CLOSE_SHORT
    assert (
        summary(decide("short", action="buy", alert={"reduce_only": True}, settings=settings)) == CLOSE_SHORT
    )
    assert summary(decide("long", action="sell", is_exit=True, alert={}, settings=settings)) == CLOSE_LONG


def test_a_halt_tells_its_reason_and_comes_before_the_traders_own_switch() -> None:
    decision = decide("none", settings=HALTED | {"enabled": False})
    assert isinstance(decision, Rejection)
    assert decision.reason_code is Reason.PLATFORM_HALTED
    assert "the exchange is down" in decision.reason
    nameless = decide("none", settings={"trading_halted": True, "halt_reason": None})
    assert isinstance(nameless, Rejection)
    assert "None" not in nameless.reason
