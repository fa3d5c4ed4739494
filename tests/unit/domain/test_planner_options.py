"""Alerts for single options and spreads, from the work order to the plan."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from sparky.domain.answers import Balance, Quote, VenuePosition
from sparky.domain.options import OptionContract, Right, parse_option
from sparky.domain.orders import ExitKind, OrderType, PositionSide, Side
from sparky.domain.plan import Decision, NothingToDo, Plan, Purpose, Rejection
from sparky.domain.planner import make_plan
from sparky.domain.reasons import Reason
from sparky.domain.rules import InstrumentRules
from sparky.domain.snapshot import NO_RULES, Snapshot
from sparky.domain.wanted import wanted
from sparky.domain.work_order import WorkOrder
from tests.unit.domain.planning import working
from tests.unit.domain.work_orders import CAN_ALL, NOW, snapshot, work_order

CALL, PUT = "AAPL260417C00200000", "AAPL260417P00200000"
# What Tradier can do.
BROKER = replace(
    CAN_ALL,
    attached_exits={OrderType.LIMIT: frozenset({ExitKind.TAKE_PROFIT, ExitKind.STOP_LOSS})},
    separate_exits=frozenset({ExitKind.TAKE_PROFIT, ExitKind.STOP_LOSS}),
    several_targets=False,
    reduces_natively=False,
)
SHARES = InstrumentRules(symbol="AAPL", quantity_step=Decimal(1), price_tick=Decimal("0.01"))
OPTION = InstrumentRules(
    symbol=CALL, quantity_step=Decimal(1), price_tick=Decimal("0.01"), multiplier=Decimal(100)
)
LEGS = [
    {"action": "buy", "right": "call", "strike": "200", "expiration": "2026-04-17", "ratio": 1},
    {"action": "sell", "right": "call", "strike": "210", "expiration": "2026-04-17", "ratio": 1},
]


def alert_for(action: str = "buy", settings: dict[str, Any] | None = None, **alert: Any) -> WorkOrder:
    return work_order(
        exchange="tradier",
        symbol="AAPL",
        action=action,
        alert={"right": "call", "quantity": "2", **alert},
        settings={"allow_short": None, "on_opposite": "default", **(settings or {})},
    )


def held(symbol: str, side: str = "long", quantity: str = "5") -> VenuePosition:
    return VenuePosition(
        symbol=symbol, side=PositionSide(side), quantity=Decimal(quantity), entry_price=Decimal(2)
    )


def chosen(**changes: Any) -> Snapshot:
    """Return what the venue shows once a call was chosen from its chain."""
    option = parse_option(CALL)
    assert option is not None
    contract = OptionContract(
        symbol=CALL,
        underlying="AAPL",
        expiration=option.expiration,
        right=Right.CALL,
        strike=option.strike,
        multiplier=Decimal(100),
    )
    seen: dict[str, Any] = {
        "capabilities": BROKER,
        "contract": contract,
        "quote": Quote(symbol=CALL, bid=Decimal("1.90"), ask=Decimal("2.00")),
        "underlying_quote": Quote(symbol="AAPL", last=Decimal(201)),
    }
    return snapshot(rules=OPTION, **seen | changes)


def underlying(*positions: VenuePosition) -> Snapshot:
    """Return what the venue shows where no option was chosen."""
    shares = next((one for one in positions if one.symbol == "AAPL"), None)
    return snapshot(shares, rules=SHARES, capabilities=BROKER, positions=positions)


def plan_of(decision: Decision) -> Plan:
    assert isinstance(decision, Plan), decision
    return decision


def test_a_call_is_bought_with_a_limit_above_the_ask_and_says_so() -> None:
    plan = plan_of(make_plan(alert_for(), chosen(), NOW))
    (leg,) = plan.legs
    assert (leg.symbol, leg.side, leg.quantity, leg.purpose) == (CALL, Side.BUY, Decimal(2), Purpose.OPEN)
    assert (leg.order_type, leg.limit_price) == (OrderType.LIMIT, Decimal("2.02"))
    assert any("entry_limit_offset_percent 1" in note for note in plan.notes)


@pytest.mark.parametrize(("hours", "opens"), [(0, True), (6, True), (6.5, False), (-1, False), (20, False)])
def test_an_option_is_entered_at_the_market_only_while_it_trades(hours: float, *, opens: bool) -> None:
    """Sent as a limit order outside the session it would wait there, at a price of yesterday."""
    now = NOW + timedelta(hours=hours)
    order = replace(alert_for(), received_at=now, alert_at=now)
    decision = make_plan(order, chosen(), now)
    if opens:
        assert isinstance(decision, Plan)
        return
    assert isinstance(decision, Rejection)
    assert decision.reason_code is Reason.MARKET_CLOSED
    limit = alert_for(order_type="limit", price="2")
    assert isinstance(make_plan(replace(limit, received_at=now, alert_at=now), chosen(), now), Plan)


def test_exits_of_a_call_are_by_its_premium_and_go_with_the_limit_order() -> None:
    order = alert_for(settings={"take_profit_percent": "5", "stop_loss_percent": "8"})
    entry, stop, target = plan_of(make_plan(order, chosen(), NOW)).legs
    assert entry.limit_price == Decimal("2.02")
    assert (stop.stop_price, target.limit_price) == (Decimal("1.86"), Decimal("2.13"))
    assert {stop.attached_to, target.attached_to} == {1}
    assert {stop.symbol, target.symbol} == {CALL}


def test_money_buys_contracts_of_a_hundred() -> None:
    balance = Balance(currency="USD", equity=Decimal(90000), available=Decimal(5000))
    order = alert_for(quantity=None, position_size_percent="10")
    (leg,) = plan_of(make_plan(order, chosen(balance=balance), NOW)).legs
    assert leg.quantity == Decimal(2)


def test_a_close_for_an_option_never_touches_the_shares() -> None:
    decision = make_plan(alert_for("close", quantity=None), underlying(held("AAPL")), NOW)
    assert isinstance(decision, NothingToDo)
    assert decision.reason_code is Reason.NO_POSITION
    decision = make_plan(alert_for("sell"), underlying(held("AAPL"), held(PUT)), NOW)
    assert isinstance(decision, Rejection)
    assert decision.reason_code is Reason.SHORT_NOT_ALLOWED
    assert "options" in decision.reason


def test_a_close_that_may_mean_two_options_is_rejected() -> None:
    seen = underlying(held("AAPL"), held(CALL), held("AAPL260417C00210000"))
    decision = make_plan(alert_for("close", quantity=None), seen, NOW)
    assert isinstance(decision, Rejection)
    assert decision.reason_code is Reason.UNKNOWN_FIELD_COMBINATION
    assert decision.checks[-1].name == "right"


def test_a_close_closes_the_option_that_is_open() -> None:
    seen = snapshot(held(CALL), rules=OPTION, capabilities=BROKER, positions=[held(CALL), held("AAPL")])
    (leg,) = plan_of(make_plan(alert_for("close", quantity=None), seen, NOW)).legs
    assert (leg.symbol, leg.side, leg.quantity, leg.reduce_only) == (CALL, Side.SELL, Decimal(5), True)


def test_what_an_option_alert_asks_of_the_venue() -> None:
    entry = wanted(alert_for())
    assert (entry.chain, entry.quote, entry.position, entry.positions) == (True, True, True, False)
    for order in (alert_for("close"), alert_for("sell")):
        assert (wanted(order).chain, wanted(order).positions) == (False, True)
    spread = wanted(alert_for(right=None, legs=LEGS, position_size_percent="10", quantity=None))
    assert (spread.positions, spread.balance, spread.chain) == (True, True, False)


def spread_alert(action: str = "buy", settings: dict[str, Any] | None = None, **alert: Any) -> WorkOrder:
    terms = {"right": None, "legs": LEGS, "order_type": "limit", "price": "2.5"}
    return alert_for(action, settings, **terms | alert)


def test_a_spread_is_planned_as_one_order() -> None:
    (leg,) = plan_of(make_plan(spread_alert(), underlying(held("AAPL")), NOW)).legs
    assert [one.symbol for one in leg.spread] == [CALL, "AAPL260417C00210000"]
    assert (leg.quantity, leg.limit_price, leg.symbol) == (Decimal(2), Decimal("2.5"), "AAPL")


def test_switches_hours_and_limits_hold_spreads_back_and_never_their_closes() -> None:
    opened = underlying(held(CALL), held("AAPL260417C00210000", "short"))
    closed_hours = [{"source": "global", "preset": "x", "begins": "03:00", "ends": "03:01"}]
    limits = [{"name": "max_trades_per_day", "scope": "all", "limit": "1", "used": "1", "ok": False}]
    cases: list[tuple[dict[str, Any], dict[str, Any], Reason]] = [
        ({"enabled": False}, {}, Reason.TRADING_DISABLED),
        ({"hours": closed_hours}, {}, Reason.OUTSIDE_TRADING_WINDOW),
        ({}, {"limits": limits}, Reason.MAX_TRADES_PER_DAY),
    ]
    for settings, more, reason in cases:
        order = work_order(
            exchange="tradier",
            symbol="AAPL",
            alert={"legs": LEGS, "order_type": "limit", "price": "2.5", "quantity": "1"},
            settings=settings,
            **more,
        )
        decision = make_plan(order, underlying(), NOW)
        assert isinstance(decision, Rejection)
        assert decision.reason_code is reason
    closing = spread_alert("close", {"enabled": False, "hours": closed_hours}, quantity=None)
    (leg,) = plan_of(make_plan(closing, opened, NOW)).legs
    assert leg.purpose is Purpose.CLOSE


def test_a_spread_that_cannot_be_planned_says_why_with_its_check() -> None:
    decision = make_plan(spread_alert(stop_loss_percent="5"), underlying(), NOW)
    assert isinstance(decision, Rejection)
    assert [check.name for check in decision.checks if not check.ok] == ["legs"]
    nothing = make_plan(spread_alert("close"), underlying(), NOW)
    assert isinstance(nothing, NothingToDo)


def test_a_dry_run_shows_the_spread_and_sends_nothing() -> None:
    decision = make_plan(spread_alert(dry_run=True), underlying(), NOW)
    assert isinstance(decision, NothingToDo)
    assert decision.reason_code is Reason.DRY_RUN
    assert decision.plan is not None
    assert decision.plan.legs[0].spread


@pytest.mark.parametrize(
    ("action", "order_type", "expected"),
    [("buy", "market", True), ("buy", "limit", True), ("close", "market", False), ("close", "limit", True)],
)
def test_outside_regular_hours_entries_and_limited_exits_are_sent_as_extended(
    action: str, order_type: str, *, expected: bool
) -> None:
    order = work_order(
        exchange="tradier",
        symbol="AAPL",
        action=action,
        alert={"quantity": "1", "order_type": order_type, "price": "200"},
        settings={
            "hours": [{"source": "global", "preset": "market-hours", "begins": "00:00", "ends": "23:59"}]
        },
        received_at="2026-03-02T13:00:00+00:00",
        alert_at=None,
    )
    seen = snapshot(held("AAPL") if action == "close" else None, rules=SHARES, capabilities=BROKER)
    early = NOW - timedelta(minutes=90, seconds=5)
    (leg,) = plan_of(make_plan(order, seen, early)).legs
    assert leg.extended_hours is expected


def standing(*orders: dict[str, Any]) -> list[dict[str, Any]]:
    exit_ = {"purpose": "stop_loss", "side": "sell", "order_type": "stop", "stop_price": "1.5"}
    return working(*(exit_ | one for one in orders))


OF_ALL = ({"symbol": "AAPL", "stop_price": "150"}, {"symbol": CALL}, {"symbol": PUT})


@pytest.mark.parametrize("percent", [None, "50"])
def test_a_close_of_shares_leaves_the_stops_of_their_options_alone(percent: str | None) -> None:
    order = work_order(
        exchange="tradier",
        symbol="AAPL",
        action="close",
        alert={"close_percent": percent},
        working=standing(*OF_ALL),
    )
    plan = plan_of(make_plan(order, underlying(held("AAPL"), held(CALL), held(PUT)), NOW))
    assert [one.client_order_id for one in plan.cancels] == ["sp1"]
    assert plan.protection is not None
    assert [one.price for one in plan.protection.exits] == [Decimal(150)]


def test_a_close_of_a_call_leaves_the_stops_of_the_put_and_of_the_shares_alone() -> None:
    order = replace(alert_for("close", quantity=None), working=work_order(working=standing(*OF_ALL)).working)
    seen = snapshot(held(CALL), rules=OPTION, capabilities=BROKER, positions=[held(CALL), held(PUT)])
    plan = plan_of(make_plan(order, seen, NOW))
    assert [one.client_order_id for one in plan.cancels] == ["sp2"]


def test_a_close_of_a_call_that_is_not_open_leaves_what_the_put_has_alone() -> None:
    entry = {"purpose": "open", "side": "buy", "order_type": "limit", "limit_price": "1", "stop_price": None}
    orders = standing(OF_ALL[0], OF_ALL[2], entry | {"symbol": PUT}, entry | {"symbol": CALL})
    order = replace(alert_for("close", quantity=None), working=work_order(working=orders).working)
    plan = plan_of(make_plan(order, underlying(held("AAPL"), held(PUT)), NOW))
    assert [one.client_order_id for one in plan.cancels] == ["sp4"]


def test_a_cancel_leaves_the_exits_of_options_working() -> None:
    order = work_order(
        exchange="tradier", symbol="AAPL", action="cancel", is_exit=True, alert={}, working=standing(*OF_ALL)
    )
    plan = plan_of(make_plan(order, snapshot(rules=NO_RULES, capabilities=BROKER), NOW))
    assert [one.client_order_id for one in plan.cancels] == ["sp1"]
    assert any("left working (2)" in note for note in plan.notes)


def test_an_entry_in_shares_does_not_count_a_working_option_as_theirs() -> None:
    entry = {"purpose": "open", "side": "buy", "order_type": "limit", "limit_price": "1", "stop_price": None}
    order = work_order(
        exchange="tradier",
        symbol="AAPL",
        alert={"quantity": "1", "price": "200"},
        working=standing(entry | {"symbol": CALL}),
    )
    plan = plan_of(make_plan(order, underlying(held(CALL)), NOW))
    assert [(leg.symbol, leg.purpose) for leg in plan.legs] == [("AAPL", Purpose.OPEN)]
