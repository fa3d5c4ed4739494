from decimal import Decimal, localcontext
from typing import Any

import pytest

from sparky.domain.plan import Plan, Rejection
from sparky.domain.planner import make_plan
from sparky.domain.reasons import Reason
from sparky.domain.rules import InstrumentRules
from tests.unit.domain.work_orders import NOW, RULES, position, snapshot, work_order


def opened(alert: dict[str, Any], rules: InstrumentRules = RULES) -> Decimal | Rejection:
    decision = make_plan(work_order(alert=alert), snapshot(None, rules), NOW)
    if isinstance(decision, Plan):
        return decision.legs[0].quantity
    assert isinstance(decision, Rejection)
    return decision


def closed(held: str, alert: dict[str, Any], rules: InstrumentRules = RULES) -> tuple[Decimal, str]:
    decision = make_plan(
        work_order(action="close", alert=alert), snapshot(position("long", held), rules), NOW
    )
    assert isinstance(decision, Plan)
    return decision.legs[0].quantity, " ".join(decision.notes)


@pytest.mark.parametrize(
    ("alert", "expected"),
    [
        ({"quantity": "1.5"}, "1.5"),
        ({"quantity": "1.5009"}, "1.5"),
        ({"quantity": "0.002", "price": "27000"}, "0.002"),
        ({"position_size_usd": "100", "price": "27000.5"}, "0.003"),
        ({"position_size_usd": "81", "price": "27000"}, "0.003"),
        ({"position_size_usd": "0.03", "price": "0.01", "quantity": None}, "3"),
    ],
)
def test_an_entry_is_rounded_down_to_the_step(alert: dict[str, Any], expected: str) -> None:
    rules = InstrumentRules(symbol="BTCUSDT", quantity_step=Decimal("0.001"), price_tick=Decimal("0.01"))
    assert opened(alert, rules) == Decimal(expected)


def test_a_size_that_fits_exactly_is_not_rounded_below() -> None:
    rules = InstrumentRules(symbol="BTCUSDT", quantity_step=Decimal("0.1"), price_tick=Decimal("0.01"))
    assert opened({"position_size_usd": "0.3", "price": "3"}, rules) == Decimal("0.1")


def test_sizing_does_not_depend_on_the_decimal_context_of_the_caller() -> None:
    alert = {"position_size_usd": "123456789.12", "price": "1.0001"}
    with localcontext(prec=3):
        low = opened(alert)
    assert low == opened(alert) == Decimal("123444444.675")


@pytest.mark.parametrize(
    ("alert", "words"),
    [
        ({"quantity": "0.0019"}, ["quantity 0.0019", "0.001", "smallest order is 0.002", "raise"]),
        (
            {"position_size_usd": "10", "price": "27000"},
            ["position_size_usd 10", "0.000", "smallest order is 0.002"],
        ),
        (
            {"quantity": "0.002", "price": "100"},
            ["quantity 0.002", "worth 0.200 at price 100", "smallest order is worth 5"],
        ),
    ],
)
def test_an_entry_below_the_minimum_is_refused_with_the_numbers(
    alert: dict[str, Any], words: list[str]
) -> None:
    decision = opened(alert)
    assert isinstance(decision, Rejection)
    assert decision.reason_code is Reason.BELOW_MINIMUM
    for word in words:
        assert word in decision.reason


def test_without_a_price_the_venue_judges_the_value_of_a_quantity() -> None:
    assert opened({"quantity": "0.002"}) == Decimal("0.002")


def test_a_size_in_money_needs_a_price() -> None:
    decision = opened({"position_size_usd": "100"})
    assert isinstance(decision, Rejection)
    assert decision.reason_code is Reason.MISSING_FIELD
    assert "field price" in decision.reason


def test_no_size_is_refused() -> None:
    decision = opened({"price": "27000"})
    assert isinstance(decision, Rejection)
    assert decision.reason_code is Reason.NO_SIZE


@pytest.mark.parametrize("action", ["buy", "close"])
def test_two_sizes_are_refused(action: str) -> None:
    order = work_order(action=action, alert={"quantity": "1", "position_size_usd": "100", "price": "27000"})
    decision = make_plan(order, snapshot(position("short")), NOW)
    assert isinstance(decision, Rejection)
    assert decision.reason_code is Reason.SIZE_CONFLICT
    assert "quantity 1, position_size_usd 100" in decision.reason


@pytest.mark.parametrize(
    ("held", "alert", "expected", "note"),
    [
        ("2", {}, "2", ""),
        ("2", {"close_percent": "100"}, "2", ""),
        ("2", {"close_percent": "50"}, "1", ""),
        ("1.001", {"close_percent": "50"}, "0.5", ""),
        ("2", {"close_percent": "0.1"}, "0.002", ""),
        ("1", {"close_percent": "0.1"}, "0.002", "0.002 is closed, the smallest order of BTCUSDT."),
        ("2", {"close_percent": "99.96"}, "2", "because the remaining 0.001 would be below"),
        ("0.003", {"close_percent": "50"}, "0.003", "because the remaining 0.001 would be below"),
        ("0.002", {"close_percent": "10"}, "0.002", "The whole position of 0.002 is closed."),
        ("0.0005", {}, "0.0005", ""),
        ("0.0005", {"close_percent": "50"}, "0.0005", "The whole position of 0.0005 is closed."),
        ("2", {"quantity": "0.5"}, "0.5", ""),
        ("2", {"quantity": "2"}, "2", ""),
        ("2", {"quantity": "9"}, "2", "The whole position of 2 is closed."),
        ("2", {"position_size_usd": "27000", "price": "27000"}, "1", ""),
    ],
)
def test_a_close_takes_its_part_of_the_position(
    held: str, alert: dict[str, Any], expected: str, note: str
) -> None:
    quantity, notes = closed(held, alert)
    assert quantity == Decimal(expected)
    assert note in notes
    assert bool(note) == bool(notes)


def test_the_minimum_value_of_an_order_never_keeps_a_position_open() -> None:
    assert closed("0.002", {"price": "0.01"})[0] == Decimal("0.002")
