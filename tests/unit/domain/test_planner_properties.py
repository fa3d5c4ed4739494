import json
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

from hypothesis import event, given, settings
from hypothesis import strategies as st

from sparky.domain.answers import VenuePosition
from sparky.domain.identifiers import ClientOrderId
from sparky.domain.orders import PositionSide, Side
from sparky.domain.plan import Leg, NothingToDo, Plan, Purpose, Rejection
from sparky.domain.plan_json import plan_from_json, plan_to_json
from sparky.domain.planner import is_exit, make_plan
from sparky.domain.rules import InstrumentRules
from sparky.domain.work_order import WorkOrder
from tests.unit.domain.work_orders import NOW, snapshot, work_order

STEPS = st.sampled_from([Decimal(text) for text in ("0.00000001", "0.001", "0.1", "0.25", "1", "100")])
MINIMA = st.sampled_from([Decimal(text) for text in ("0", "0.001", "0.3", "1", "7")])
AMOUNTS = st.decimals(min_value=Decimal("0.0001"), max_value=10**6, places=4).map(str)
PERCENTS = st.decimals(min_value=Decimal("0.1"), max_value=100, places=1).map(str)
# Drawn unevenly, so that most cases get as far as a plan.
SELDOM = st.sampled_from([False, False, False, False, True])


@st.composite
def instrument_rules(draw: st.DrawFn) -> InstrumentRules:
    return InstrumentRules(
        symbol="BTCUSDT",
        quantity_step=draw(STEPS),
        price_tick=Decimal("0.1"),
        min_quantity=draw(MINIMA),
        min_notional=draw(MINIMA),
        can_short=draw(st.booleans()),
    )


@st.composite
def orders(draw: st.DrawFn) -> WorkOrder:
    sizes = {
        "quantity": draw(AMOUNTS),
        "position_size_usd": draw(AMOUNTS),
        "close_percent": draw(PERCENTS),
    }
    kept = draw(st.sampled_from([(), *[(name,) for name in sizes] * 3, ("quantity", "close_percent")]))
    alert: dict[str, Any] = {
        **{name: sizes[name] for name in kept},
        "price": None if draw(SELDOM) else draw(AMOUNTS),
        "reduce_only": draw(SELDOM),
        "dry_run": draw(SELDOM),
    }
    return work_order(
        action=draw(st.sampled_from(["buy", "sell", "close", "close_long", "close_short"])),
        is_exit=draw(SELDOM),
        alert=alert,
        settings={
            "trading_halted": draw(SELDOM),
            "halt_reason": draw(st.sampled_from([None, "maintenance"])),
            "enabled": not draw(SELDOM),
            "on_opposite": draw(st.sampled_from(["reverse", "close", "reject"])),
            "pyramiding": draw(st.booleans()),
            "allow_short": draw(st.booleans()),
            "max_signal_age_sec": draw(st.sampled_from([0, 60, 60])),
            "max_exit_age_sec": draw(st.sampled_from([0, 0, 60])),
        },
    )


@st.composite
def cases(draw: st.DrawFn) -> tuple[WorkOrder, InstrumentRules, VenuePosition | None, datetime]:
    rules = draw(instrument_rules())
    held = None
    if draw(st.booleans()):
        held = VenuePosition(
            symbol="BTCUSDT",
            side=draw(st.sampled_from(PositionSide)),
            quantity=rules.quantity_step * draw(st.integers(1, 10**6)),
            entry_price=Decimal(100),
        )
    age = timedelta(seconds=draw(st.sampled_from([0, 0, 0, 0, 59, 61, 10**6])))
    return draw(orders()), rules, held, NOW + age


@settings(max_examples=500)
@given(cases())
def test_planning_keeps_its_promises(
    case: tuple[WorkOrder, InstrumentRules, VenuePosition | None, datetime],
) -> None:
    order, rules, held, now = case
    decision = make_plan(order, snapshot(held, rules), now)
    event(type(decision).__name__)
    assert decision == make_plan(order, snapshot(held, rules), now)
    match decision:
        case Rejection(reason_code, reason, expired):
            assert expired == (reason_code == "signal_too_old")
            assert_sentence(reason)
        case NothingToDo(_, note):
            assert_sentence(note)
        case Plan():
            assert not order.alert.dry_run
            check_plan(decision, order, rules, held)


def assert_sentence(text: str) -> None:
    first, *rest = text.split()
    assert len(rest) >= 3
    # A sentence may start with the name of a field.
    assert first[0].isupper() or "_" in first or first[0].isdigit() or first == "quantity"
    assert text.endswith(".")
    assert "None" not in text


def check_plan(plan: Plan, order: WorkOrder, rules: InstrumentRules, held: VenuePosition | None) -> None:
    assert plan.legs
    assert is_exit(order) or (order.settings.enabled and not order.settings.trading_halted)
    assert [leg.number for leg in plan.legs] == list(range(1, len(plan.legs) + 1))
    assert len({leg.client_order_id for leg in plan.legs}) == len(plan.legs)
    for note in plan.notes:
        assert_sentence(note)
    for leg in plan.legs:
        assert leg.quantity > 0
        assert Fraction(leg.quantity) % Fraction(rules.quantity_step) == 0
        assert leg.reduce_only == (leg.purpose is Purpose.CLOSE)
        if leg.purpose is Purpose.CLOSE:
            assert held is not None
            assert leg.quantity <= held.quantity
            assert leg.side is held.side.closed_by
        else:
            assert leg.quantity >= rules.smallest_quantity
            assert not is_exit(order)
    if is_exit(order):
        assert len(plan.legs) == 1
    if len(plan.legs) > 1:
        check_reverse(plan, held)


def check_reverse(plan: Plan, held: VenuePosition | None) -> None:
    event("reverse")
    assert held is not None
    first, second = plan.legs
    assert (first.purpose, second.purpose) == (Purpose.CLOSE, Purpose.OPEN)
    assert first.quantity == held.quantity
    assert first.side is second.side
    assert (first.depends_on_previous, second.depends_on_previous) == (False, True)


@given(instrument_rules(), st.sampled_from(PositionSide), AMOUNTS.map(Decimal), st.integers(0, 10**9))
def test_a_plain_close_always_closes_the_whole_position(
    rules: InstrumentRules, side: PositionSide, quantity: Decimal, age: int
) -> None:
    held = VenuePosition(symbol="BTCUSDT", side=side, quantity=quantity, entry_price=Decimal(1))
    order = work_order(action="close", alert={})
    decision = make_plan(order, snapshot(held, rules), NOW + timedelta(seconds=age))
    assert isinstance(decision, Plan)
    assert [(leg.quantity, leg.side) for leg in decision.legs] == [(quantity, side.closed_by)]


LEGS = st.builds(
    Leg,
    number=st.integers(1, 9),
    client_order_id=st.text(min_size=1).map(ClientOrderId),
    symbol=st.text(min_size=1),
    side=st.sampled_from(Side),
    quantity=AMOUNTS.map(Decimal),
    purpose=st.sampled_from(Purpose),
    reduce_only=st.booleans(),
    reference_price=st.none() | AMOUNTS.map(Decimal),
    depends_on_previous=st.booleans(),
)


@given(st.builds(Plan, st.lists(LEGS, max_size=3).map(tuple), st.lists(st.text(), max_size=2).map(tuple)))
def test_any_plan_survives_its_storage(plan: Plan) -> None:
    stored = plan_to_json(plan)
    assert plan_from_json(json.loads(json.dumps(stored))) == plan
    assert plan_to_json(plan_from_json(stored)) == stored
