"""From a work order to what is sent: pure, so that the same input always gives the same plan.

Actions (columns) against the position now (rows), for entries:

              buy                      sell
    none      open long                open short, where allowed
    long      pyramiding               on_opposite
    short     on_opposite              pyramiding

`close` closes either side, `close_long` and `close_short` only theirs; a reduce-only buy or sell
closes the other side only. These are the exits: they never open anything and never need a setting.
With `market_position` the state that it names decides instead, and flat is an exit.

A signal that may open is an entry as a whole. While the operator has halted trading, or the trader has
switched it or the strategy off, it is rejected even where it would only have closed: who stops everything
must not see half of a reverse executed, and an alert that means to close says so. Trading hours and limits
hold back only what opens.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Final

from sparky.domain.alert import Action, MarketPosition
from sparky.domain.case import Case
from sparky.domain.findings import Declined
from sparky.domain.freshness import age_of, check_age, in_seconds
from sparky.domain.in_words import plan_in_words
from sparky.domain.leaving import (
    cancels_of,
    close_whole,
    plan_cancel,
    plan_close,
    without_leftovers,
    working_of_closed,
)
from sparky.domain.meeting import plan_entry
from sparky.domain.options_meant import of_the_option, plan_legs
from sparky.domain.order_terms import terms_of
from sparky.domain.orders import PositionSide, Side
from sparky.domain.plan import Decision, NothingToDo, Plan, Protection
from sparky.domain.reasons import Reason
from sparky.domain.snapshot import NO_RULES, Snapshot
from sparky.domain.switches import check_switches
from sparky.domain.targets import note_missed_alert, plan_target
from sparky.domain.work_order import WorkOrder

_ENTRY_SIDES: Final = {Action.BUY: Side.BUY, Action.SELL: Side.SELL}


def make_plan(order: WorkOrder, snapshot: Snapshot, now: datetime) -> Decision:
    """Decide what one signal sends.

    `snapshot` has what `wanted` asked for, `now` is the time against which the age is measured. An
    entry is planned wholly or rejected wholly: a reverse whose opening leg cannot be sized does not
    close either. Only where going short is not allowed does a reverse become a close, with a note,
    because the alert says that the long position should not stay.

    Raises:
        ValueError: the rules or the position are of another symbol, or what `wanted` names is missing.
    """
    case = Case(order=order, snapshot=snapshot, now=now)
    _check_symbols(case)
    try:
        plan = without_leftovers(case, _plan(case))

    except Declined as declined:
        return replace(declined.decision, checks=case.findings.checks)
    plan = replace(plan, notes=(*plan.notes, *case.findings.notes), checks=case.findings.checks)
    if order.alert.dry_run:
        return NothingToDo(Reason.DRY_RUN, _dry_run(plan), checks=plan.checks, plan=plan)
    return plan


def is_exit(order: WorkOrder) -> bool:
    """Tell whether the signal may only close, whatever the position."""
    if order.is_exit or order.alert.reduce_only:
        return True
    if order.alert.market_position is not None:
        return order.alert.market_position is MarketPosition.FLAT
    return order.action not in _ENTRY_SIDES


def _check_symbols(case: Case) -> None:
    # An option that the alert describes is another instrument than the signal's symbol.
    chosen = case.order.unprotected is not None or (case.alert.right is not None and not case.alert.legs)
    known = case.symbol != NO_RULES.symbol
    expected = case.symbol if chosen and known else case.order.symbol
    if known and case.symbol != expected:
        raise ValueError(f"planning {case.order.symbol} with the rules of {case.symbol}")
    if case.position is not None and case.position.symbol != expected and (known or not chosen):
        raise ValueError(f"planning {case.order.symbol} with the position of {case.position.symbol}")


def _plan(case: Case) -> Plan:
    exits = is_exit(case.order)
    _check_age(case, exits=exits)
    special = _SPECIAL.get(case.order.action)
    if special is not None:
        return special(case)
    if case.alert.legs:
        return plan_legs(case, exits=exits)
    case = of_the_option(case)
    position = case.position
    shown = "none" if position is None else f"{position.side} with {position.quantity:f}"
    case.findings.passed("position", shown)
    if case.alert.market_position is not None:
        note_missed_alert(case)
        return _plan_state(case, case.alert.market_position, exits=exits)
    if exits:
        return _plan_exit(case)
    check_switches(case)
    _refuse_close_percent(case)
    return plan_entry(case, _ENTRY_SIDES[case.order.action])


def _check_age(case: Case, *, exits: bool) -> None:
    settings = case.settings
    name, limit = (
        ("max_exit_age_sec", settings.max_exit_age_sec)
        if exits
        else ("max_signal_age_sec", settings.max_signal_age_sec)
    )
    age = f"{in_seconds(age_of(case.order, case.now))} s"
    too_old = check_age(case.order, case.now, exits=exits)
    if too_old is not None:
        case.findings.reject(name, age, too_old, f"{limit} s")
    counts = limit and case.order.action is not Action.PROTECT
    case.findings.passed(name, age, f"{limit} s" if counts else None)


def _plan_state(case: Case, state: MarketPosition, *, exits: bool) -> Plan:
    if state is not MarketPosition.FLAT:
        _refuse_close_percent(case)
        return plan_target(case, state, may_open=not exits)
    position = case.position
    if position is None:
        return _nothing_open(case, list(PositionSide))
    return close_whole(case, position, terms_of(case))


def _plan_exit(case: Case) -> Plan:
    position = case.position
    if position is None:
        return _nothing_open(case, [side for side in PositionSide if _closes(case.order.action, side)])
    if not _closes(case.order.action, position.side):
        case.findings.nothing(
            Reason.NO_POSITION,
            f"Nothing to close: the position in {case.symbol} is {position.side}, and {case.order.action} "
            f"as an exit closes only the other side.",
        )
    return plan_close(case, position, terms_of(case))


def _nothing_open(case: Case, sides: list[PositionSide]) -> Plan:
    working = working_of_closed(case, sides)
    if not working:
        case.findings.nothing(
            Reason.NO_POSITION,
            f"Nothing to close: no position in {case.symbol} is open at {case.order.exchange}.",
        )
    case.findings.note("No position was open; what was still working there is cancelled.")
    return Plan(cancels=cancels_of(working))


def _closes(action: Action, side: PositionSide) -> bool:
    if action is Action.CLOSE_LONG:
        return side is PositionSide.LONG
    if action is Action.CLOSE_SHORT:
        return side is PositionSide.SHORT
    return action not in _ENTRY_SIDES or _ENTRY_SIDES[action] is side.closed_by


def _refuse_close_percent(case: Case) -> None:
    percent = case.alert.close_percent
    if percent is not None:
        case.findings.refuse(
            "close_percent",
            percent,
            None,
            Reason.UNKNOWN_FIELD_COMBINATION,
            f"close_percent {percent} goes with an exit, and this alert is an entry: send close, close_long "
            f"or close_short, or add reduce_only.",
        )


def _plan_close_all(case: Case) -> Plan:
    symbols = sorted({position.symbol for position in case.snapshot.positions})
    case.findings.passed("positions", ", ".join(symbols) or "none")
    return Plan(close_symbols=tuple(symbols))


def _plan_protect(case: Case) -> Plan:
    unprotected = case.order.unprotected
    if unprotected is None:
        raise ValueError("a signal that protects needs the entry to protect")
    entry, protection = unprotected.entry, unprotected.protection
    position = case.position
    if position is None or position.side.closed_by is not protection.side_closed_by:
        case.findings.nothing(
            Reason.NO_POSITION,
            f"Nothing to protect: the position in {case.symbol} that the exits were for is closed.",
        )
    quantity = min(entry.filled_quantity, position.quantity)
    case.findings.passed("position", f"{position.quantity:f}", f"{entry.filled_quantity:f} filled")
    return Plan(
        protection=Protection(
            entry=0,
            side_closed_by=protection.side_closed_by,
            exits=protection.exits,
            quantity=quantity,
        )
    )


def _dry_run(plan: Plan) -> str:
    return " ".join((f"Dry run, nothing was sent. Without dry_run: {plan_in_words(plan)}.", *plan.notes))


_SPECIAL: Final[Mapping[Action, Callable[[Case], Plan]]] = {
    Action.CANCEL: plan_cancel,
    Action.CLOSE_ALL: _plan_close_all,
    Action.PROTECT: _plan_protect,
}
