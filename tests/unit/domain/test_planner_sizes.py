from decimal import Decimal
from typing import Any

import pytest

from sparky.domain.plan import Plan
from sparky.domain.reasons import Reason
from sparky.domain.rules import InstrumentRules
from tests.unit.domain.planning import (
    assert_rejected,
    check,
    held,
    legs,
    money,
    planned,
    priced,
    rejected,
    working,
)

SEEN = priced("19990", "20000") | money("10000", "4000")
STOP = {"stop_loss_percent": "2"}


def size(plan: Plan) -> Decimal:
    return plan.legs[0].quantity


@pytest.mark.parametrize(
    ("alert", "settings", "expected"),
    [
        ({"quantity": "0.7"}, {}, "0.7"),
        ({"position_size_usd": "1000"}, {}, "0.05"),
        ({"position_size_percent": "10"}, {}, "0.05"),
        ({"risk_usd": "100", **STOP}, {}, "0.25"),
        ({"risk_percent": "1", **STOP}, {}, "0.25"),
        ({"risk_usd": "100", "stop_loss_price": "19000"}, {}, "0.1"),
        ({"risk_usd": "100", "trailing_stop_percent": "4"}, {}, "0.125"),
        ({"risk_usd": "100"}, {"stop_loss_percent": "2"}, "0.25"),
        ({}, {"position_size_percent": "20"}, "0.1"),
        ({"quantity": "0.7"}, {"position_size_percent": "20"}, "0.7"),
    ],
)
def test_an_entry_is_as_large_as_the_alert_says_else_the_settings(
    alert: dict[str, Any], settings: dict[str, Any], expected: str
) -> None:
    assert size(planned(SEEN, alert=alert, settings=settings)) == Decimal(expected)


def test_a_check_tells_how_the_size_was_reckoned() -> None:
    plan = planned(SEEN, alert={"position_size_percent": "10"})
    assert check(plan, "position_size_percent").value == (
        "position_size_percent 10 per cent of the equity 10000 USD = 1000.00 at 20000 (the venue's quote) "
        "= 0.050 BTCUSDT"
    )


def test_a_sale_is_valued_at_the_bid_and_a_limit_order_at_its_limit() -> None:
    seen = priced("10000", "20000")
    assert size(planned(seen, action="sell", alert={"position_size_usd": "1000"})) == Decimal("0.1")
    limit = {"order_type": "limit", "price": "5000", "position_size_usd": "1000"}
    assert size(planned(seen, alert=limit)) == Decimal("0.2")
    stop = {"order_type": "stop", "stop_price": "40000", "price": "1", "position_size_usd": "1000"}
    assert size(planned(seen, alert=stop)) == Decimal("0.025")


def test_the_quote_counts_before_the_price_of_the_alert() -> None:
    alert = {"position_size_usd": "1000", "price": "10000"}
    assert size(planned(SEEN, alert=alert)) == Decimal("0.05")
    assert size(planned(alert=alert)) == Decimal("0.1")


def test_a_price_in_another_currency_is_turned_into_the_money_of_the_account() -> None:
    alert = {"position_size_usd": "1500"}
    assert size(planned(priced("150", rate="0.01"), alert=alert)) == Decimal(1000)
    risk = {"risk_usd": "15", "stop_loss_price": "148.5"}
    assert size(planned(priced("150", rate="0.01"), alert=risk)) == Decimal(1000)


def test_without_a_rate_a_currency_pair_is_not_sized_in_money() -> None:
    pair = {"exchange": "oanda", "alert": {"position_size_usd": "100", "price": "150"}}
    assert_rejected(rejected(**pair), Reason.NO_PRICE, "position_size_usd 100", "quantity instead")


def test_an_option_is_sized_by_buying_power_and_its_multiplier() -> None:
    symbol = "AAPL260417C00200000"
    rules = InstrumentRules(
        symbol=symbol, quantity_step=Decimal(1), price_tick=Decimal("0.05"), multiplier=Decimal(100)
    )
    seen = priced("2.40", "2.50", symbol=symbol) | money("10000", "4000") | {"rules": rules}
    plan = planned(
        seen,
        exchange="tradier",
        symbol=symbol,
        alert={"position_size_percent": "50"},
        settings={"entry_limit_offset_percent": "0"},
    )
    assert size(plan) == Decimal(8)
    assert "buying power 4000" in check(plan, "position_size_percent").value


@pytest.mark.parametrize(
    "alert",
    [
        {"quantity": "1", "position_size_percent": "5"},
        {"risk_usd": "5", "risk_percent": "1", **STOP},
        {"position_size_usd": "5", "risk_usd": "1", **STOP},
    ],
)
def test_two_sizes_contradict_each_other(alert: dict[str, Any]) -> None:
    names = [name for name in alert if name not in STOP]
    assert_rejected(rejected(SEEN, alert=alert), Reason.SIZE_CONFLICT, *names, "keep one")


def test_without_any_size_the_setting_is_named() -> None:
    assert_rejected(rejected(SEEN, alert={}), Reason.NO_SIZE, "position_size_percent", "quantity")


@pytest.mark.parametrize("name", ["risk_percent", "risk_usd"])
def test_a_risk_needs_a_stop(name: str) -> None:
    assert_rejected(rejected(SEEN, alert={name: "1"}), Reason.MISSING_FIELD, name, "stop_loss_percent")


def test_a_share_of_nothing_is_no_size() -> None:
    seen = SEEN | money("-5")
    assert_rejected(
        rejected(seen, alert={"position_size_percent": "10"}),
        Reason.INSUFFICIENT_FUNDS,
        "position_size_percent 10",
        "-5 USD",
    )


def test_a_share_of_a_balance_that_was_not_asked_for_is_a_programming_error() -> None:
    with pytest.raises(ValueError, match="balance"):
        planned(priced("20000"), alert={"position_size_percent": "10"})


def test_a_larger_entry_is_cut_to_the_largest_position_and_says_so() -> None:
    plan = planned(SEEN, alert={"quantity": "1"}, settings={"max_position_size_usd": "1000"})
    assert size(plan) == Decimal("0.05")
    assert plan.notes == ("The size was cut from 1.000 to 0.050 by the setting max_position_size_usd 1000.",)
    fits = planned(SEEN, alert={"quantity": "0.05"}, settings={"max_position_size_usd": "1000"})
    assert (size(fits), fits.notes) == (Decimal("0.05"), ())


def test_what_is_open_and_on_its_way_counts_to_the_largest_position() -> None:
    settings = {"max_position_size_usd": "20000", "pyramiding": True}
    orders = working({"quantity": "0.3", "filled_quantity": "0.1"})
    plan = planned(SEEN | held("long", "0.5"), alert={"quantity": "1"}, settings=settings, working=orders)
    assert size(plan) == Decimal("0.3")


def test_nothing_is_added_to_a_position_as_large_as_allowed() -> None:
    decision = rejected(
        SEEN | held("long", "0.5"),
        alert={"quantity": "1"},
        settings={"max_position_size_usd": "10000", "pyramiding": True},
    )
    assert_rejected(decision, Reason.ABOVE_MAXIMUM, "max_position_size_usd is 10000", "0.5", "raise it")


def test_a_limit_below_the_smallest_order_names_the_setting() -> None:
    decision = rejected(SEEN, alert={"quantity": "1"}, settings={"max_position_size_usd": "10"})
    assert_rejected(decision, Reason.BELOW_MINIMUM, "max_position_size_usd 10", "smallest order is 0.002")


def test_a_limit_that_cannot_be_held_against_a_price_lets_nothing_pass() -> None:
    decision = rejected(alert={"quantity": "1"}, settings={"max_position_size_usd": "10000"})
    assert_rejected(decision, Reason.NO_PRICE, "max_position_size_usd (10000)", "paper")


def test_a_size_above_the_largest_order_of_the_venue_is_refused() -> None:
    rules = InstrumentRules(
        symbol="BTCUSDT",
        quantity_step=Decimal("0.001"),
        price_tick=Decimal("0.1"),
        max_quantity=Decimal(10),
        max_market_quantity=Decimal(3),
    )
    seen = {"rules": rules}
    assert_rejected(rejected(seen, alert={"quantity": "3.5"}), Reason.ABOVE_MAXIMUM, "3.5", "3")
    limit = {"order_type": "limit", "price": "20000", "quantity": "3.5"}
    assert size(planned(seen, alert=limit)) == Decimal("3.5")


def test_a_symbol_that_is_not_traded_now_is_refused_before_anything_is_closed() -> None:
    rules = InstrumentRules(
        symbol="BTCUSDT", quantity_step=Decimal(1), price_tick=Decimal(1), closing_only=True
    )
    seen = {"rules": rules} | held("long")
    assert_rejected(rejected(seen, action="sell", alert={"quantity": "1"}), Reason.MARKET_CLOSED, "BTCUSDT")
    assert legs(planned(seen, action="close", alert={})) == ["close sell 2"]


@pytest.mark.parametrize("name", ["risk_percent", "risk_usd"])
def test_a_risk_does_not_size_an_exit(name: str) -> None:
    decision = rejected(SEEN | held(), action="close", alert={name: "1"})
    assert_rejected(decision, Reason.UNKNOWN_FIELD_COMBINATION, f"{name} 1", "close_percent")


def test_an_exit_may_be_sized_in_money() -> None:
    plan = planned(SEEN | held("long", "1"), action="close", alert={"position_size_usd": "9995"})
    assert size(plan) == Decimal("0.5")
    plan = planned(SEEN | held("short", "1"), action="close", alert={"position_size_percent": "50"})
    assert size(plan) == Decimal("0.25")
