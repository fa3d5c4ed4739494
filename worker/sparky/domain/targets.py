"""Target mode: the alert says which state the strategy is in, and the position is brought there.

The side decides first. A position of that side is there already, and is changed only where the alert gives
its size (`market_position_size`) and sizes by quantity: money and percent would follow the price with
every alert. A limit cuts what is added and never makes a position smaller.
"""

from decimal import Decimal
from typing import Final, NoReturn

from sparky.domain.alert import MarketPosition
from sparky.domain.answers import VenuePosition
from sparky.domain.asked_size import SizeName, asked_size
from sparky.domain.case import Case
from sparky.domain.entries import open_with, plan_open, prepare_entry
from sparky.domain.leaving import cancels_of, close_part, close_whole
from sparky.domain.meeting import check_pyramiding, position_side, reverse
from sparky.domain.order_terms import at_market
from sparky.domain.orders import Side
from sparky.domain.plan import Plan, Purpose
from sparky.domain.reasons import Reason
from sparky.domain.rules import exact_difference, exact_sum
from sparky.domain.sizing import check_minimum, largest_position, size_asked
from sparky.domain.switches import check_switches

_SIDES: Final = {MarketPosition.LONG: Side.BUY, MarketPosition.SHORT: Side.SELL}
_ZERO: Final = Decimal(0)


def plan_target(case: Case, state: MarketPosition, *, may_open: bool) -> Plan:
    """Return the plan that brings the position to `state`, which is not flat.

    Raises:
        Declined: it is there already, or something does not allow it.
    """
    side = _SIDES[state]
    if case.alert.market_position_size == 0:
        case.findings.refuse(
            "market_position_size",
            "0",
            None,
            Reason.UNKNOWN_FIELD_COMBINATION,
            f"The market_position is {state} and the market_position_size is 0, which contradict each "
            f"other: send flat to close, or the size of the position.",
        )
    position = case.position
    if position is not None and position.side.closed_by is side:
        return _from_the_other_side(case, position, may_open=may_open)
    held = _ZERO if position is None else position.quantity
    coming = case.on_its_way(position_side(side))
    if not held and not coming:
        return _from_flat(case, side, may_open=may_open)
    return _from_the_same_side(case, side, held, coming, may_open=may_open)


def note_missed_alert(case: Case) -> None:
    """Tell the trader when the strategy was in another state before than the position is."""
    before = case.alert.prev_market_position
    if before is None:
        return
    ours = MarketPosition.FLAT if case.position is None else MarketPosition(case.position.side.value)
    case.findings.passed("prev_market_position", ours, before)
    if ours is not before:
        case.findings.note(
            f"The strategy was {before} before this alert and the position was {ours}: an alert may have "
            f"been missed, or somebody traded by hand."
        )


def _from_the_other_side(case: Case, position: VenuePosition, *, may_open: bool) -> Plan:
    if not may_open:
        case.findings.note("Closed without opening the other side, because the alert may only close.")
        return close_whole(case, position, at_market(case))
    check_switches(case)
    if case.alert.market_position_size is None and case.alert.quantity is not None:
        case.findings.note(
            "The new position has the quantity of the alert. TradingView's contracts of a reversal include "
            'what it closes: add "market_position_size": "{{strategy.market_position_size}}" to the alert.'
        )
    return reverse(case, position)


def _from_flat(case: Case, side: Side, *, may_open: bool) -> Plan:
    if not may_open:
        case.findings.nothing(
            Reason.NO_POSITION,
            f"Nothing to close: no position in {case.symbol} is open at {case.order.exchange}.",
        )
    check_switches(case)
    opposite = case.working(Purpose.OPEN, side=side.opposite)
    if opposite:
        case.findings.note("The working entry order of the other side is cancelled.")
    opening = plan_open(case, side)
    return Plan(
        legs=opening.legs,
        protection=opening.protection,
        leverage=opening.leverage,
        cancels=cancels_of(opposite),
    )


def _from_the_same_side(case: Case, side: Side, held: Decimal, coming: Decimal, *, may_open: bool) -> Plan:
    size = asked_size(case.order)
    if size is None or size.name is not SizeName.MARKET_POSITION_SIZE:
        _already_there(case, held, coming)
    rules = case.rules_of(case.alert.order_type)
    target = size.value
    if target < held:
        return _less(case, held, target)
    missing = rules.quantity_down(exact_difference(target, exact_sum(held, coming)))
    if not may_open or missing < rules.smallest_quantity:
        _already_there(case, held, coming)
    check_switches(case)
    check_pyramiding(case, side, held, coming)
    return _more(case, side, exact_sum(held, coming))


def _less(case: Case, held: Decimal, target: Decimal) -> Plan:
    position = case.position
    assert position is not None  # noqa: S101 - less than what is held is wanted
    rules = case.rules_of(case.alert.order_type)
    part = rules.quantity_down(exact_difference(held, target))
    if part < rules.smallest_quantity:
        _already_there(case, held, _ZERO)
    if exact_difference(held, part) < rules.smallest_quantity:
        case.findings.note(
            f"The whole position of {held:f} is closed, because {target:f} is below the smallest order of "
            f"{rules.smallest_quantity:f}."
        )
        return close_whole(case, position, at_market(case))
    case.findings.passed("market_position_size", f"{held:f} held", f"{target:f}")
    plan = close_part(case, position, at_market(case), part)
    entries = cancels_of(case.working(Purpose.OPEN))
    return Plan(legs=plan.legs, cancels=(*entries, *plan.cancels), protection=plan.protection)


def _more(case: Case, side: Side, there: Decimal) -> Plan:
    prepared = prepare_entry(case, side)
    basis = prepared.basis
    asked, target = size_asked(case, basis)
    most = largest_position(case, basis)
    if most is not None and most < target:
        limit = f"{case.settings.max_position_size_usd:f}"
        case.findings.note(
            f"The target was cut from {target:f} to {most:f} by the setting max_position_size_usd {limit}."
        )
        target = most
    missing = basis.rules.quantity_down(max(exact_difference(target, there), _ZERO))
    if missing < basis.rules.smallest_quantity:
        _already_there(case, there, _ZERO)
    check_minimum(case, f"{asked} beyond the {there:f} that are there", missing, basis)
    return open_with(case, prepared, missing)


def _already_there(case: Case, held: Decimal, coming: Decimal) -> NoReturn:
    state = case.alert.market_position
    working = f", and an order for {coming:f} more is working" if coming else ""
    case.findings.passed("market_position", f"{held:f} held{working}", state)
    case.findings.nothing(
        Reason.ALREADY_THERE,
        f"Nothing to do: {case.symbol} is {state} with {held:f}{working}, as the alert wants it.",
    )
