"""Alerts that mean options: what is open of the one they describe, and spreads."""

from dataclasses import replace
from typing import NoReturn

from sparky.domain.case import Case
from sparky.domain.contracts import open_contract
from sparky.domain.entries import check_opening
from sparky.domain.findings import Declined
from sparky.domain.options import parse_option
from sparky.domain.plan import NothingToDo, Plan, Rejection
from sparky.domain.spreads import plan_spread
from sparky.domain.switches import check_switches


def of_the_option(case: Case) -> Case:
    """Return the case with the position of the option that the alert describes, never of its underlying.

    Raises:
        Declined: several open options fit, and the alert has to say which it means.
    """
    if case.alert.right is None or case.alert.legs or parse_option(case.symbol) is not None:
        return case
    meant = open_contract(case.order, case.snapshot.positions)
    if isinstance(meant, Rejection):
        case.findings.reject("right", case.alert.right, meant)
    # Nothing of the sort is open: a position in the shares is not what the alert is about.
    return replace(case, snapshot=replace(case.snapshot, position=None))


def plan_legs(case: Case, *, exits: bool) -> Plan:
    """Return the plan of an alert with `legs`.

    Raises:
        Declined: something does not allow it, or nothing is to be done.
    """
    if not exits:
        check_switches(case)
    decision = plan_spread(case.order, case.snapshot, case.now)
    if not isinstance(decision, Plan):
        _decline(case, decision)
    for check in decision.checks:
        case.findings.add(check)
    if decision.opens:
        check_opening(case)
    return decision


def _decline(case: Case, decision: Rejection | NothingToDo) -> NoReturn:
    for check in decision.checks:
        case.findings.add(check)
    if isinstance(decision, Rejection):
        case.findings.reject("legs", len(case.alert.legs), decision)
    case.findings.passed("legs", len(case.alert.legs))
    raise Declined(decision)
