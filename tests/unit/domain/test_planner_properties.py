import json
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction

from hypothesis import Phase, event, given, settings
from hypothesis import strategies as st

from sparky.domain.alert import Action, MarketPosition
from sparky.domain.answers import VenuePosition
from sparky.domain.case import Case
from sparky.domain.identifiers import ClientOrderId
from sparky.domain.order_terms import OrderTerms
from sparky.domain.orders import PositionSide, Side
from sparky.domain.plan import Leg, NothingToDo, Plan, Purpose, Rejection
from sparky.domain.plan_json import plan_from_json, plan_to_json
from sparky.domain.planner import is_exit, make_plan
from sparky.domain.pricing import price_of
from sparky.domain.reasons import Reason
from sparky.domain.rules import InstrumentRules
from tests.unit.domain.planner_cases import PlannerCase, drawn_case
from tests.unit.domain.work_orders import NOW, snapshot, work_order

STARTS = {"quantity", "paper", "aster", "tradier", "oanda"}
NAMED: dict[Reason, tuple[str, ...]] = {
    Reason.POSITION_EXISTS: ("pyramiding",),
    Reason.OPPOSITE_REJECTED: ("on_opposite",),
    Reason.TRADING_DISABLED: ("enabled",),
    Reason.STRATEGY_INACTIVE: ("Moon",),
    Reason.MAX_TRADES_PER_DAY: ("max_trades_per_day",),
    Reason.MAX_OPEN_POSITIONS: ("max_open_positions",),
    Reason.MAX_DAILY_LOSS: ("max_daily_loss_usd",),
    Reason.COOLDOWN: ("cooldown_sec",),
    Reason.MAX_SLIPPAGE: ("max_slippage_percent",),
    Reason.SIGNAL_TOO_OLD: ("max_signal_age_sec", "max_exit_age_sec"),
    Reason.SHORT_NOT_ALLOWED: ("allow_short", "venue"),
    Reason.NO_SIZE: ("position_size_percent",),
}


STEPS = st.sampled_from([Decimal(text) for text in ("0.00000001", "0.001", "0.1", "0.25", "1", "100")])
MINIMA = st.sampled_from([Decimal(text) for text in ("0", "0.001", "0.3", "1", "7")])
AMOUNTS = st.decimals(min_value=Decimal("0.0001"), max_value=10**6, places=4).map(str)
# A number is drawn and not shrunk: a smaller one is no simpler case.
SEEDS = st.integers(0, 2**40)
MANY = settings(max_examples=500, phases=[Phase.explicit, Phase.reuse, Phase.generate])


@MANY
@given(SEEDS)
def test_planning_keeps_its_promises(seed: int) -> None:
    case = drawn_case(seed)
    decision = case.decide()
    event(type(decision).__name__)
    assert decision == case.decide()
    for check in decision.checks:
        assert check.name
        assert check.value
        assert check.limit != ""
    match decision:
        case Rejection(reason_code, reason, expired):
            event(reason_code)
            assert expired == (reason_code == "signal_too_old")
            assert not decision.checks[-1].ok
            assert any(word in reason for word in NAMED.get(reason_code, (" ",)))
            assert_sentence(reason)
        case NothingToDo(_, note):
            assert_sentence(note)
            assert all(check.ok for check in decision.checks)
            if decision.plan is not None:
                check_plan(decision.plan, case)
        case Plan():
            assert not case.order.alert.dry_run
            check_plan(decision, case)


def assert_sentence(text: str) -> None:
    first, *rest = text.split()
    assert len(rest) >= 3
    # A sentence may start with the name of a field or a venue.
    assert first[0].isupper() or "_" in first or first[0].isdigit() or first in STARTS
    assert text.endswith((".", ")."))
    assert "None" not in text


def check_plan(plan: Plan, case: PlannerCase) -> None:
    order, held = case.order, case.shown.position
    assert plan.legs or plan.cancels or order.action is Action.CANCEL
    assert plan_from_json(json.loads(json.dumps(plan_to_json(plan)))) == plan
    assert all(check.ok for check in plan.checks)
    for note in plan.notes:
        assert_sentence(note)
    trading = [leg for leg in plan.legs if leg.attached_to is None]
    assert [leg.number for leg in trading] == list(range(1, len(trading) + 1))
    assert len({leg.client_order_id for leg in plan.legs}) == len(plan.legs)
    for leg in plan.legs:
        check_leg(leg, case)
    if is_exit(order) or held is None:
        assert len(trading) <= 1
    if len(trading) > 1:
        check_reverse(trading, held)
    if plan.opens:
        check_opening(plan, case)
    if plan.protection is not None and plan.protection.entry == 0:
        assert held is not None
        assert plan.protection.quantity == held.quantity - trading[0].quantity


def check_leg(leg: Leg, case: PlannerCase) -> None:
    held, rules = case.shown.position, case.shown.rules
    assert leg.quantity > 0
    assert leg.reduce_only == (leg.purpose is not Purpose.OPEN)
    if leg.purpose is Purpose.CLOSE:
        assert held is not None
        assert leg.quantity <= held.quantity
        assert leg.side is held.side.closed_by
    elif leg.purpose is Purpose.OPEN:
        step = rules.quantity_step if leg.order_type.has_limit_price else rules.at_market().quantity_step
        assert Fraction(leg.quantity) % Fraction(step) == 0
        assert leg.quantity >= rules.smallest_quantity
        assert rules.max_quantity is None or leg.quantity <= rules.max_quantity
        assert not is_exit(case.order)
    else:
        assert leg.attached_to is not None


def check_reverse(trading: list[Leg], held: VenuePosition | None) -> None:
    event("reverse")
    assert held is not None
    first, second = trading
    assert (first.purpose, second.purpose) == (Purpose.CLOSE, Purpose.OPEN)
    assert first.quantity == held.quantity
    assert first.side is second.side
    assert (first.depends_on_previous, second.depends_on_previous) == (False, True)


def check_opening(plan: Plan, case: PlannerCase) -> None:
    event("opens")
    order, chosen = case.order, case.order.settings
    assert chosen.enabled
    assert not chosen.trading_halted
    assert chosen.strategy is None or chosen.strategy.active
    assert all(limit.ok for limit in order.limits)
    assert not (order.is_exit)
    assert not (order.alert.reduce_only)
    assert sizes_given(case), "never a hidden size"
    opening = next(leg for leg in plan.legs if leg.purpose is Purpose.OPEN)
    if plan.leverage is not None:
        assert chosen.max_leverage == 0 or plan.leverage <= chosen.max_leverage
    if chosen.max_position_size_usd:
        assert worth_after(opening, case) <= chosen.max_position_size_usd


def sizes_given(case: PlannerCase) -> list[Decimal]:
    alert = case.order.alert
    given = (
        alert.quantity,
        alert.position_size_usd,
        alert.position_size_percent,
        alert.risk_usd,
        alert.risk_percent,
        alert.market_position and alert.market_position_size,
        case.order.settings.position_size_percent,
    )
    return [size for size in given if size]


def worth_after(opening: Leg, case: PlannerCase) -> Decimal:
    terms = OrderTerms(
        limit_price=opening.limit_price,
        stop_price=opening.stop_price,
        reference_price=opening.reference_price,
    )
    price = price_of(Case(order=case.order, snapshot=case.asked, now=case.now), opening.side, terms)
    assert price is not None
    assert price.rate is not None
    held = case.shown.position
    same = held.quantity if held is not None and held.side.opened_by is opening.side else Decimal(0)
    return (opening.quantity + same) * price.amount * price.rate * case.shown.rules.multiplier


@MANY
@given(SEEDS, st.sampled_from(MarketPosition))
def test_a_state_that_was_reached_is_left_alone(seed: int, state: MarketPosition) -> None:
    case = drawn_case(seed)
    alert = replace(case.order.alert, market_position=state, close_percent=None, dry_run=False)
    case = replace(case, order=replace(case.order, alert=alert, action=Action.BUY))
    decision = case.decide()
    if not isinstance(decision, Plan):
        return
    event(f"{state}: {', '.join(leg.purpose for leg in decision.legs)}")
    later = case.with_position(filled(decision, case.shown.position))
    gone = {one.client_order_id for one in decision.cancels}
    left = tuple(one for one in later.order.working if one.client_order_id not in gone)
    again = replace(later, order=replace(later.order, working=left)).decide()
    assert not isinstance(again, Plan) or not again.legs


def filled(plan: Plan, held: VenuePosition | None) -> VenuePosition | None:
    """Return the position once every order of the plan that trades has filled."""
    net = Decimal(0)
    if held is not None:
        net = held.quantity if held.side is PositionSide.LONG else -held.quantity
    for leg in plan.legs:
        if not leg.purpose.is_exit:
            net += leg.quantity if leg.side is Side.BUY else -leg.quantity
    if net == 0:
        return None
    side = PositionSide.LONG if net > 0 else PositionSide.SHORT
    return VenuePosition(symbol="BTCUSDT", side=side, quantity=abs(net), entry_price=Decimal(100))


def instrument_rules(step: Decimal, least: Decimal) -> InstrumentRules:
    return InstrumentRules(
        symbol="BTCUSDT", quantity_step=step, price_tick=Decimal("0.1"), min_quantity=least
    )


RULES = st.builds(instrument_rules, STEPS, MINIMA)


@given(RULES, st.sampled_from(PositionSide), AMOUNTS.map(Decimal), st.integers(0, 10**9))
def test_a_plain_close_always_closes_the_whole_position(
    rules: InstrumentRules, side: PositionSide, quantity: Decimal, age: int
) -> None:
    held = VenuePosition(symbol="BTCUSDT", side=side, quantity=quantity, entry_price=Decimal(1))
    order = work_order(action="close", alert={})
    decision = make_plan(order, snapshot(held, rules), NOW + timedelta(seconds=age))
    assert isinstance(decision, Plan)
    assert [(leg.quantity, leg.side) for leg in decision.legs] == [(quantity, side.closed_by)]


@given(
    RULES,
    st.integers(1, 10**6),
    st.lists(st.decimals(min_value=Decimal("0.1"), max_value=100, places=1), min_size=1, max_size=12),
)
def test_partial_closes_come_to_the_whole_position_and_never_to_more(
    rules: InstrumentRules, steps: int, percents: list[Decimal]
) -> None:
    whole = rules.quantity_step * steps
    left, closed = whole, Decimal(0)
    for percent in [*percents, Decimal(100)]:
        if left == 0:
            break
        held = VenuePosition(symbol="BTCUSDT", side=PositionSide.LONG, quantity=left, entry_price=Decimal(1))
        order = work_order(action="close", alert={"close_percent": str(percent)})
        decision = make_plan(order, snapshot(held, rules), NOW)
        assert isinstance(decision, Plan)
        assert decision.legs[0].quantity <= left
        closed += decision.legs[0].quantity
        left -= decision.legs[0].quantity
    assert (closed, left) == (whole, Decimal(0))


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
