from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from sparky.domain.answers import Quote
from sparky.domain.orders import ExitKind, OrderType, TimeInForce
from sparky.domain.plan import Check, Plan, Rejection
from sparky.domain.plan_json import plan_from_json, plan_to_json
from sparky.domain.planner import make_plan
from sparky.domain.reasons import Reason
from sparky.domain.rules import InstrumentRules
from tests.unit.domain.planning import (
    assert_rejected,
    check,
    held,
    idle,
    legs,
    planned,
    priced,
    rejected,
    working,
)
from tests.unit.domain.work_orders import CAN_ALL, NOW, snapshot, work_order

ONE = {"quantity": "1"}
CLOSED = {"hours": [{"source": "global", "preset": "custom", "begins": "01:00", "ends": "02:00"}]}
MARKET_ONLY = replace(
    CAN_ALL,
    order_types=frozenset({OrderType.MARKET, OrderType.LIMIT}),
    times_in_force=frozenset({TimeInForce.GTC, TimeInForce.IOC}),
    attached_exits={},
    sets_leverage=False,
    can_short=False,
)


def limit(name: str, scope: str = "all", **changes: Any) -> dict[str, Any]:
    return {"name": name, "scope": scope, "limit": "5.00", "used": "5", "ok": False} | changes


@pytest.mark.parametrize(
    ("name", "code", "words"),
    [
        ("max_trades_per_day", Reason.MAX_TRADES_PER_DAY, ["is 5 for all exchanges together", "5 entries"]),
        ("max_open_positions", Reason.MAX_OPEN_POSITIONS, ["is 5", "close one"]),
        ("max_daily_loss_usd", Reason.MAX_DAILY_LOSS, ["is 5", "loss since 00:00 in New York is 5"]),
        ("cooldown_sec", Reason.COOLDOWN, ["5 s ago", "cooldown_sec is 5"]),
    ],
)
def test_a_counted_limit_without_room_is_told_with_its_numbers(
    name: str, code: Reason, words: list[str]
) -> None:
    decision = rejected(alert=ONE, limits=[limit("max_trades_per_day", used="1", ok=True), limit(name)])
    assert_rejected(decision, code, name, *words)
    assert Check(name, False, "5", "5") == decision.checks[-1]  # noqa: FBT003
    assert check(decision, "max_trades_per_day") == Check("max_trades_per_day", True, "1", "5")  # noqa: FBT003


def test_the_checks_tell_what_was_found_and_what_it_was_held_against() -> None:
    hours = [{"source": "global", "preset": "24/5", "begins": "00:00", "ends": "23:59"}]
    plan = planned(held("long"), action="sell", alert=ONE, settings={"hours": hours})
    shown = {one.name: (one.value, one.limit) for one in plan.checks}
    assert shown["max_signal_age_sec"] == ("1.0 s", "60 s")
    assert shown["position"] == ("long with 2", None)
    assert shown["trading_hours"] == ("Monday 14:30 UTC", "24/5 (global)")
    assert shown["on_opposite"] == ("reverse", None)
    assert list(shown).index("position") < list(shown).index("trading_hours") < list(shown).index("quantity")


def test_the_limit_of_an_exchange_names_it() -> None:
    decision = rejected(alert=ONE, limits=[limit("max_trades_per_day", "aster")])
    assert_rejected(decision, Reason.MAX_TRADES_PER_DAY, "is 5 for aster")
    assert decision.checks[-1].name == "max_trades_per_day of aster"


def test_a_limit_of_a_name_that_is_new_here_holds_back_all_the_same() -> None:
    assert_rejected(rejected(alert=ONE, limits=[limit("max_luck")]), Reason.ABOVE_MAXIMUM, "max_luck is 5")


def test_limits_and_hours_hold_back_nothing_that_only_closes() -> None:
    full = {"limits": [limit("max_trades_per_day")], "settings": CLOSED | {"on_opposite": "close"}}
    assert legs(planned(held("long"), action="close", alert={}, **full)) == ["close sell 2"]
    assert legs(planned(held("long"), action="sell", alert=ONE, **full)) == ["close sell 2"]
    assert_rejected(rejected(alert=ONE, **full), Reason.OUTSIDE_TRADING_WINDOW, "01:00", "02:00")


def test_a_reverse_that_may_not_open_now_does_not_close_either() -> None:
    decision = rejected(held("long"), action="sell", alert=ONE, limits=[limit("max_open_positions")])
    assert decision.reason_code is Reason.MAX_OPEN_POSITIONS


def test_weekends_may_be_switched_off() -> None:
    order = work_order(alert=ONE, settings={"allow_weekends": False, "max_signal_age_sec": 0})
    saturday = datetime(2026, 3, 7, 14, 30, tzinfo=UTC)
    decision = make_plan(order, snapshot(), saturday)
    assert isinstance(decision, Rejection)
    assert_rejected(decision, Reason.WEEKEND, "allow_weekends")
    assert isinstance(make_plan(order, snapshot(), NOW), Plan)


def test_an_inactive_strategy_opens_nothing_and_closes_all_the_same() -> None:
    settings = {"strategy": {"name": "Moon", "active": False}}
    assert_rejected(rejected(alert=ONE, settings=settings), Reason.STRATEGY_INACTIVE, "Moon", "Activate")
    assert_rejected(
        rejected(held("long"), action="sell", alert=ONE, settings=settings | {"on_opposite": "close"}),
        Reason.STRATEGY_INACTIVE,
    )
    assert legs(planned(held("long"), action="close", alert={}, settings=settings)) == ["close sell 2"]
    active = planned(alert=ONE, settings={"strategy": {"name": "Moon", "active": True}})
    assert check(active, "strategy").value == "Moon is active"


@pytest.mark.parametrize(
    ("alert", "words"),
    [
        ({"order_type": "stop", "stop_price": "5"}, ["order_type stop", "limit, market", "nearest is limit"]),
        ({"order_type": "stop_limit", "stop_price": "5", "price": "5"}, ["order_type stop_limit"]),
        ({"time_in_force": "fok"}, ["time_in_force fok", "gtc, ioc"]),
        ({"leverage": 5}, ["leverage 5", "paper"]),
    ],
)
def test_what_the_venue_has_not_is_refused_with_what_it_has(alert: dict[str, Any], words: list[str]) -> None:
    assert_rejected(rejected({"capabilities": MARKET_ONLY}, alert=ONE | alert), Reason.NOT_SUPPORTED, *words)


@pytest.mark.parametrize(
    ("alert", "missing"),
    [
        ({"order_type": "limit"}, "price"),
        ({"order_type": "stop"}, "stop_price"),
        ({"order_type": "stop_limit", "price": "5"}, "stop_price"),
    ],
)
def test_a_type_without_its_price_is_refused(alert: dict[str, Any], missing: str) -> None:
    assert_rejected(rejected(alert=ONE | alert), Reason.MISSING_FIELD, f"the field {missing}:")


def test_an_order_carries_its_prices_on_the_tick_and_its_time_in_force() -> None:
    alert = {
        "order_type": "stop_limit",
        "stop_price": "27000.56",
        "price": "27001.09",
        "time_in_force": "gtc",
    }
    leg = planned(alert=ONE | alert).legs[0]
    assert (leg.order_type, leg.time_in_force) == (OrderType.STOP_LIMIT, TimeInForce.GTC)
    assert (leg.stop_price, leg.limit_price) == (Decimal("27000.5"), Decimal("27001.0"))


def test_leverage_is_set_before_an_entry_and_capped() -> None:
    assert planned(alert=ONE | {"leverage": 5}).leverage == 5
    capped = planned(alert=ONE | {"leverage": 20}, settings={"max_leverage": "7.5"})
    assert capped.leverage == 7
    assert capped.notes == ("The leverage was cut from 20 to 7 by the setting max_leverage 7.5.",)
    assert planned(held(), action="close", alert={"leverage": 5}).leverage is None
    assert_rejected(rejected(alert=ONE | {"leverage": 0}), Reason.INVALID_VALUE, "leverage 0")
    none_left = rejected(alert=ONE | {"leverage": 2}, settings={"max_leverage": "0.5"})
    assert_rejected(none_left, Reason.ABOVE_MAXIMUM, "max_leverage 0.5")


@pytest.mark.parametrize(
    ("action", "bid", "ask", "passes"),
    [
        ("buy", "1", "101", True),
        ("buy", "1", "101.01", False),
        ("buy", "1", "50", True),
        ("sell", "99", "1000", True),
        ("sell", "98.99", "1000", False),
        ("sell", "150", "1000", True),
    ],
)
def test_a_market_that_is_worse_than_the_alert_by_too_much_is_left_alone(
    action: str, bid: str, ask: str, *, passes: bool
) -> None:
    seen = priced(bid, ask)
    changes: dict[str, Any] = {"action": action, "settings": {"max_slippage_percent": "1"}}
    if passes:
        assert planned(seen, alert=ONE | {"price": "100"}, **changes).opens
    else:
        decision = rejected(seen, alert=ONE | {"price": "100"}, **changes)
        assert_rejected(decision, Reason.MAX_SLIPPAGE, "max_slippage_percent", "1 per cent", "100")


def test_slippage_that_cannot_be_told_does_not_pass() -> None:
    settings = {"max_slippage_percent": "1"}
    assert_rejected(rejected(alert=ONE | {"price": "9"}, settings=settings), Reason.NO_PRICE, "max_slippage")
    nothing_seen = rejected(priced("9"), alert=ONE, settings=settings)
    assert_rejected(nothing_seen, Reason.MISSING_FIELD, "max_slippage_percent is 1", "{{close}}")
    limited = planned(alert=ONE | {"order_type": "limit", "price": "100"}, settings=settings)
    assert limited.legs[0].limit_price == 100


def test_exits_go_with_an_entry_at_a_price_and_follow_one_at_the_market() -> None:
    exits = {"stop_loss_percent": "1", "take_profit_percent": "2"}
    at_price = planned(alert=ONE | exits | {"order_type": "limit", "price": "100"})
    assert [(leg.number, leg.purpose, leg.attached_to) for leg in at_price.legs[1:]] == [
        (leg.number, leg.purpose, 1) for leg in at_price.legs[1:]
    ]
    assert len(at_price.legs) == 3
    assert at_price.protection is None
    later = planned(alert=ONE | exits)
    assert len(later.legs) == 1
    assert later.protection is not None
    assert {one.kind for one in later.protection.exits} == {ExitKind.STOP_LOSS, ExitKind.TAKE_PROFIT}


def test_exits_of_a_reverse_belong_to_the_order_that_opens() -> None:
    plan = planned(held("long"), action="sell", alert=ONE | {"stop_loss_percent": "1"})
    assert legs(plan) == ["close sell 2", "open sell 1.000"]
    assert plan.protection is not None
    assert plan.protection.entry == 2


def test_exits_that_the_venue_has_not_are_refused_with_the_entry() -> None:
    no_exits = replace(CAN_ALL, attached_exits={}, separate_exits=frozenset())
    decision = rejected({"capabilities": no_exits}, alert=ONE | {"stop_loss_percent": "1"})
    assert_rejected(decision, Reason.NOT_SUPPORTED, "stop_loss_percent")


def test_a_stop_on_the_wrong_side_is_refused() -> None:
    decision = rejected(priced("100"), alert=ONE | {"stop_loss_price": "101"})
    assert_rejected(decision, Reason.INVALID_PRICE, "stop_loss_price")


@pytest.mark.parametrize(
    ("exchange", "symbol", "on_opposite"),
    [("aster", "BTCUSDT", "reverse"), ("tradier", "AAPL", "close"), ("paper", "AAPL", "reverse")],
)
def test_on_opposite_goes_by_what_is_traded_where_no_setting_says(
    exchange: str, symbol: str, on_opposite: str
) -> None:
    rules = InstrumentRules(symbol=symbol, quantity_step=Decimal("0.001"), price_tick=Decimal("0.01"))
    seen = {"rules": rules, "position": replace(held("long")["position"], symbol=symbol)}
    settings = {"on_opposite": "default", "allow_short": None}
    plan = planned(seen, exchange=exchange, symbol=symbol, action="sell", alert=ONE, settings=settings)
    assert plan.opens == (on_opposite == "reverse")
    assert check(plan, "on_opposite").value.startswith(on_opposite)


def test_shares_are_not_sold_short_until_the_setting_says_so() -> None:
    rules = InstrumentRules(symbol="AAPL", quantity_step=Decimal(1), price_tick=Decimal("0.01"))
    shares: dict[str, Any] = {"exchange": "tradier", "symbol": "AAPL", "action": "sell", "alert": ONE}
    seen = {"rules": rules}
    unsaid = rejected(seen, settings={"allow_short": None}, **shares)
    assert_rejected(unsaid, Reason.SHORT_NOT_ALLOWED, "allow_short", "shares")
    assert planned(seen, settings={"allow_short": True}, **shares).opens
    unable = rejected(seen | {"capabilities": MARKET_ONLY}, settings={"allow_short": True}, **shares)
    assert_rejected(unable, Reason.SHORT_NOT_ALLOWED, "venue")


def test_an_order_of_another_type_does_not_reverse() -> None:
    alert = ONE | {"order_type": "limit", "price": "30000"}
    decision = rejected(held("long"), action="sell", alert=alert)
    assert_rejected(decision, Reason.UNKNOWN_FIELD_COMBINATION, "order_type limit", "send close first")


def test_an_entry_order_that_works_counts_as_a_position_of_its_side() -> None:
    orders = working({"side": "buy", "quantity": "1.5"})
    decision = rejected(alert=ONE, working=orders)
    assert_rejected(
        decision, Reason.POSITION_EXISTS, "has an order for 1.5 working", "pyramiding", "cancel it first"
    )
    assert planned(alert=ONE, working=orders, settings={"pyramiding": True}).opens
    ended = working({"side": "buy", "state": "filled"})
    assert planned(alert=ONE, working=ended).opens


@pytest.mark.parametrize(
    ("on_opposite", "expected"), [("reverse", ["open sell 1.000"]), ("close", []), ("reject", None)]
)
def test_an_entry_order_of_the_other_side_that_works_is_met_by_on_opposite(
    on_opposite: str, expected: list[str] | None
) -> None:
    changes: dict[str, Any] = {
        "action": "sell",
        "alert": ONE,
        "working": working({"side": "buy"}),
        "settings": {"on_opposite": on_opposite},
    }
    if expected is None:
        assert_rejected(rejected(**changes), Reason.OPPOSITE_REJECTED, "still working", "reject")
        return
    plan = planned(**changes)
    assert legs(plan) == expected
    assert [(one.client_order_id, one.after_leg) for one in plan.cancels] == [("sp1", 0)]


OPTION = "AAPL260417C00200000"
OPTION_RULES = InstrumentRules(
    symbol=OPTION, quantity_step=Decimal(1), price_tick=Decimal("0.05"), multiplier=Decimal(100)
)


def test_an_option_is_bought_at_a_limit_above_the_ask() -> None:
    quote = Quote(symbol=OPTION, bid=Decimal("2.40"), ask=Decimal("2.50"))
    order: dict[str, Any] = {"exchange": "tradier", "symbol": OPTION, "alert": ONE}
    settings = {"entry_limit_offset_percent": "2"}
    plan = planned({"rules": OPTION_RULES, "quote": quote}, settings=settings, **order)
    leg = plan.legs[0]
    assert (leg.order_type, leg.limit_price) == (OrderType.LIMIT, Decimal("2.55"))
    assert "entry_limit_offset_percent 2" in plan.notes[0]
    assert_rejected(rejected({"rules": OPTION_RULES}, **order), Reason.NO_PRICE, "ask")


def test_the_contract_that_was_chosen_is_what_is_traded() -> None:
    quote = Quote(symbol=OPTION, bid=Decimal("2.40"), ask=Decimal("2.50"))
    order: dict[str, Any] = {"exchange": "tradier", "symbol": "AAPL", "alert": ONE | {"right": "call"}}
    assert planned({"rules": OPTION_RULES, "quote": quote}, **order).legs[0].symbol == OPTION


@pytest.mark.parametrize("exchange", ["tradier", "paper"])
def test_an_option_that_is_not_held_is_not_sold_in_place_of_its_underlying(exchange: str) -> None:
    rules = InstrumentRules(symbol="AAPL", quantity_step=Decimal(1), price_tick=Decimal("0.01"))
    order: dict[str, Any] = {
        "exchange": exchange,
        "symbol": "AAPL",
        "action": "sell",
        "alert": ONE | {"right": "call"},
    }
    unsaid = rejected({"rules": rules}, settings={"allow_short": None}, **order)
    assert_rejected(unsaid, Reason.SHORT_NOT_ALLOWED, "allow_short", "options")
    with pytest.raises(ValueError, match="contract"):
        planned({"rules": rules}, settings={"allow_short": True}, **order)


def test_a_dry_run_shows_the_plan_its_checks_and_everything_that_would_be_sent() -> None:
    alert = {
        "quantity": "1",
        "order_type": "limit",
        "price": "100",
        "leverage": 3,
        "stop_loss_percent": "1",
        "time_in_force": "gtc",
        "dry_run": True,
    }
    done = idle(action="buy", alert=alert, working=working({"side": "sell"}))
    assert done.reason_code is Reason.DRY_RUN
    assert done.plan is not None
    assert done.plan.checks == done.checks
    assert plan_from_json(plan_to_json(done.plan)) == done.plan
    assert (
        "cancel 1 working order, then set the leverage to 3, then buy 1 BTCUSDT at limit 100 (gtc) "
        "to open with a stop-loss at 99."
    ) in done.note
    follows = idle(alert=ONE | {"dry_run": True, "stop_loss_percent": "1", "take_profit_price": "200"})
    assert "then place a stop-loss of 1 per cent and a take-profit at 200 once it has filled." in follows.note
