import copy
import json
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparky.domain.alert import Action
from sparky.domain.errors import WorkOrderError
from sparky.domain.orders import OrderState, PositionSide
from sparky.domain.plan import Plan
from sparky.domain.plan_json import plan_to_json
from sparky.domain.planner import make_plan
from sparky.domain.trade_settings import OnOpposite
from sparky.domain.work_order import Claim, WorkOrder, parse_claim, parse_work_order
from tests.unit.domain.work_orders import EARLIER_ORDER, NOW, SIGNAL_ID, snapshot, work_order, work_order_json


def full_work_order() -> dict[str, Any]:
    decision = make_plan(work_order(), snapshot(), NOW)
    assert isinstance(decision, Plan)
    return work_order_json(
        position={"side": "short", "quantity": "1.5", "entry_price": "27000"},
        plan=plan_to_json(decision),
        orders=[EARLIER_ORDER],
    )


def test_a_full_work_order_is_read_exactly() -> None:
    order = parse_work_order(json.loads(json.dumps(full_work_order())))
    assert order.claim == Claim(order.signal_id, 3)
    assert (order.action, order.is_exit, order.symbol) == (Action.BUY, False, "BTCUSDT")
    assert order.alert.quantity == Decimal("1.5")
    assert order.alert.price == Decimal("27000.5")
    assert order.settings.on_opposite is OnOpposite.REVERSE
    assert order.received_at == datetime(2026, 3, 2, 14, 30, 4, 500_000, tzinfo=UTC)
    assert order.position is not None
    assert (order.position.side, order.position.quantity) == (PositionSide.SHORT, Decimal("1.5"))
    assert order.plan == make_plan(work_order(), snapshot(), NOW)
    assert order.orders[0].state is OrderState.UNKNOWN
    assert order.orders[0].submitted_at.tzinfo is UTC


def test_times_in_other_zones_become_utc() -> None:
    order = work_order(received_at="2026-03-02T09:30:04.5-05:00", alert_at=None)
    assert order.received_at == datetime(2026, 3, 2, 14, 30, 4, 500_000, tzinfo=UTC)
    assert order.received_at.utcoffset() == timedelta(0)
    assert order.received_at.tzinfo is not timezone(timedelta(hours=-5))


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-01:00"])
def test_times_that_cannot_be_reckoned_with_are_refused(moment: str) -> None:
    with pytest.raises(WorkOrderError, match="ISO 8601"):
        work_order(received_at=moment)


@pytest.mark.parametrize("status", ["valid", "pending", "invalid", None])
def test_keys_are_proved_while_the_account_is_valid(status: str | None) -> None:
    account = work_order_json()["account"] | {"status": status}
    assert work_order(account=account).account.is_proved is (status == "valid")


@pytest.mark.parametrize("fraction", ["", ".5", ".50000", ".500000"])
def test_times_are_read_with_as_many_digits_as_postgres_writes(fraction: str) -> None:
    order = work_order(received_at=f"2026-03-02T14:30:04{fraction}+00:00")
    assert order.received_at.microsecond == (500_000 if fraction else 0)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("signal_id", "not-a-uuid"),
        ("signal_id", 7),
        ("user_id", None),
        ("fence", 0),
        ("fence", True),
        ("fence", "3"),
        ("attempt", -1),
        ("lane", ""),
        ("now", "2026-03-02T14:30:05"),
        ("now", "2026-03-02"),
        ("now", "yesterday"),
        ("lease_until", None),
        ("received_at", 1_772_461_804),
        ("alert_at", "2026-13-02T14:30:05+00:00"),
        ("exchange", ""),
        ("environment", None),
        ("symbol", None),
        ("action", "hold"),
        ("is_exit", "false"),
        ("alert", None),
        ("alert.quantity", 1.5),
        ("alert.quantity", "1e3"),
        ("alert.quantity", "NaN"),
        ("alert.quantity", "0"),
        ("alert.quantity", "-1"),
        ("alert.quantity", "٣"),
        ("alert.quantity", "1" * 31),
        ("alert.position_size_usd", ""),
        ("alert.price", "0"),
        ("alert.close_percent", "100.1"),
        ("alert.reduce_only", "yes"),
        ("alert.dry_run", 1),
        ("alert.order_type", None),
        ("settings.trading_halted", None),
        ("settings.halt_reason", 1),
        ("settings.enabled", "yes"),
        ("settings.max_signal_age_sec", -1),
        ("settings.max_exit_age_sec", "0"),
        ("settings.on_opposite", "flip"),
        ("settings.pyramiding", None),
        ("settings.allow_short", 0),
        ("account.id", "paper"),
        ("account.key_version", None),
        ("position.side", "flat"),
        ("position.quantity", "0"),
        ("position.entry_price", "-1"),
        ("plan.legs", {}),
        ("orders", None),
    ],
)
def test_what_is_wrong_is_named(path: str, value: Any) -> None:
    source = full_work_order()
    target = source
    *parents, name = path.split(".")
    for parent in parents:
        target = target[parent]
    target[name] = value
    with pytest.raises(WorkOrderError) as caught:
        parse_work_order(source)
    assert caught.value.field == f"$.{path}"
    assert caught.value.reason.startswith(f"work order: $.{path} ")


@pytest.mark.parametrize(
    ("name", "value"),
    [("leg", 0), ("state", "lost"), ("side", "long"), ("quantity", "0"), ("submitted_at", None)],
)
def test_what_is_wrong_in_an_earlier_order_is_named(name: str, value: Any) -> None:
    source = work_order_json(orders=[EARLIER_ORDER, {**EARLIER_ORDER, name: value}])
    with pytest.raises(WorkOrderError) as caught:
        parse_work_order(source)
    assert caught.value.field == f"$.orders[1].{name}"


def test_an_alert_term_that_is_not_known_is_refused_rather_than_ignored() -> None:
    with pytest.raises(WorkOrderError, match="stop_lose_percent is not a field"):
        work_order(alert={"quantity": "1", "stop_lose_percent": "2"})


def test_a_setting_that_is_not_known_is_refused_rather_than_ignored() -> None:
    with pytest.raises(WorkOrderError, match="max_levers is not a field"):
        work_order(settings={"max_levers": 3})


def test_an_unknown_field_elsewhere_changes_nothing() -> None:
    assert work_order(stage="begun") == work_order()


def test_a_broken_work_order_still_tells_whose_it_is() -> None:
    source = work_order_json(action="hold")
    assert parse_claim(source) == Claim(work_order().signal_id, 3)
    assert str(parse_claim(source).signal_id) == SIGNAL_ID


@pytest.mark.parametrize("value", [None, [], "text", 3, {"signal_id": SIGNAL_ID}])
def test_what_is_no_claim_at_all_is_an_error(value: Any) -> None:
    with pytest.raises(WorkOrderError):
        parse_claim(value)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def paths_of(value: Any, prefix: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    found = [prefix] if prefix else []
    children: dict[Any, Any] = dict(enumerate(value)) if isinstance(value, list) else {}
    if isinstance(value, dict):
        children = value
    for key, child in children.items():
        found += paths_of(child, (*prefix, key))
    return found


def read_or_error(source: Any) -> WorkOrder | WorkOrderError:
    try:
        return parse_work_order(source)
    except WorkOrderError as error:
        return error


PATHS = paths_of(full_work_order())


@given(path=st.sampled_from(PATHS), value=JSON_VALUES)
def test_any_single_change_is_read_or_refused_by_name(path: tuple[str | int, ...], value: Any) -> None:
    source: Any = copy.deepcopy(full_work_order())
    target = source
    for key in path[:-1]:
        target = target[key]
    target[path[-1]] = value
    result = read_or_error(source)
    if isinstance(result, WorkOrderError):
        assert result.field.startswith("$")
        assert result.reason


@given(JSON_VALUES)
def test_anything_else_is_refused_by_name(value: Any) -> None:
    with pytest.raises(WorkOrderError):
        parse_work_order(value)
