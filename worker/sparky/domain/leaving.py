"""Orders that close a position or a part of it, and the working orders that are cancelled around them."""

from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal
from typing import Final

from sparky.domain.answers import VenuePosition
from sparky.domain.asked_size import AskedSize, SizeName, refuse_several, sizes_of
from sparky.domain.asset_kind import AssetKind
from sparky.domain.case import Case
from sparky.domain.identifiers import client_order_id
from sparky.domain.order_terms import OrderTerms
from sparky.domain.orders import OrderType, PositionSide
from sparky.domain.plan import Cancel, Leg, Plan, Purpose
from sparky.domain.pricing import price_of
from sparky.domain.protecting_again import protect_again
from sparky.domain.reasons import Reason
from sparky.domain.rules import InstrumentRules, exact_difference
from sparky.domain.sizing import Basis, money_of, price_for, worth
from sparky.domain.work_order import EarlierOrder

_WHOLE: Final = Decimal(100)
_ZERO: Final = Decimal(0)
_EXITS: Final = (Purpose.TAKE_PROFIT, Purpose.STOP_LOSS, Purpose.TRAILING_STOP)


def plan_close(case: Case, position: VenuePosition, terms: OrderTerms) -> Plan:
    """Return the plan of an exit: the size that the alert gives, never above the position.

    Raises:
        Declined: the size contradicts itself or cannot be reckoned.
    """
    quantity = size_of_exit(case, position, terms)
    if quantity >= position.quantity:
        return close_whole(case, position, terms)
    return close_part(case, position, terms, quantity)


def close_whole(case: Case, position: VenuePosition, terms: OrderTerms) -> Plan:
    """Return the plan that closes all: entries that work are cancelled before, exits after it.

    Where exits bind what is open they are cancelled before as well: the venue would turn the close down. If
    a close at the market comes to nothing they are placed again.
    """
    entries = case.working(Purpose.OPEN)
    exits = not_attached(case.working(*_EXITS, Purpose.CLOSE, side=position.side.closed_by), entries)
    leg = _closing_leg(case, position.side, position.quantity, terms)
    if case.snapshot.capabilities.reduces_natively or not exits:
        return Plan(legs=(leg,), cancels=(*cancels_of(entries), *cancels_of(exits, after_leg=1)))
    waiting = [one for one in exits if one.purpose is not Purpose.CLOSE]
    again = (
        protect_again(case, position, waiting, rest=_ZERO)
        if waiting and terms.order_type is OrderType.MARKET
        else None
    )
    return Plan(legs=(leg,), cancels=cancels_of((*entries, *exits)), protection=again)


def close_part(case: Case, position: VenuePosition, terms: OrderTerms, quantity: Decimal) -> Plan:
    """Return the plan that closes a part. Exits that work stay for the rest.

    A venue that reduces natively keeps them from closing more than is there. Elsewhere they bind what is
    open, so they are cancelled before, and placed again for what is left, whatever became of the close.
    """
    leg = _closing_leg(case, position.side, quantity, terms)
    exits = not_attached(case.working(*_EXITS, side=position.side.closed_by), case.working(Purpose.OPEN))
    if case.snapshot.capabilities.reduces_natively or not exits:
        return Plan(legs=(leg,))
    rest = exact_difference(position.quantity, quantity)
    case.findings.note("The exits that were waiting are cancelled, and placed again for what is left.")
    protection = protect_again(case, position, exits, rest)
    return Plan(legs=(leg,), cancels=cancels_of(exits), protection=protection)


def working_of_closed(case: Case, sides: Iterable[PositionSide]) -> tuple[EarlierOrder, ...]:
    """Return what works to open positions of these sides, or to leave them, where none is open."""
    found: list[EarlierOrder] = []
    for side in sides:
        entries = case.working(Purpose.OPEN, side=side.opened_by)
        exits = case.working(*_EXITS, Purpose.CLOSE, side=side.closed_by)
        found += (*entries, *not_attached(exits, entries))
    return tuple(found)


def cancels_of(orders: Iterable[EarlierOrder], after_leg: int = 0) -> tuple[Cancel, ...]:
    """Return the cancels of working orders."""
    return tuple(Cancel(client_order_id=one.client_order_id, after_leg=after_leg) for one in orders)


def not_attached(exits: Iterable[EarlierOrder], entries: Iterable[EarlierOrder]) -> tuple[EarlierOrder, ...]:
    """Return the exits that do not end by themselves when these entries are cancelled."""
    known = {(one.signal_id, one.leg) for one in entries}
    return tuple(
        one for one in exits if one.attached_to is None or (one.signal_id, one.attached_to) not in known
    )


def without_leftovers(case: Case, plan: Plan) -> Plan:
    """Return a plan that first cancels the exits of a position that is gone, where the venue leaves them.

    When one exit has fired the others still work there, and they would leave the next position too.
    """
    if not plan.opens or case.position is not None or case.snapshot.capabilities.cancels_siblings:
        return plan
    coming = {(one.signal_id, one.leg) for one in case.working(Purpose.OPEN)}
    known = {cancel.client_order_id for cancel in plan.cancels}
    leftovers = [
        one
        for one in case.working(*_EXITS)
        if (one.signal_id, one.attached_to) not in coming and one.client_order_id not in known
    ]
    return replace(plan, cancels=(*cancels_of(leftovers), *plan.cancels))


def plan_cancel(case: Case) -> Plan:
    """Return the plan that cancels the working orders of the lane, but for exits of an open position.

    Exits of the options of an underlying stay with its own: what they are for was not looked at.

    Raises:
        Declined: none works.
    """
    live = [one for one in case.order.working if one.state.may_be_live]
    entries = tuple(one for one in live if not one.purpose.is_exit)
    exits = not_attached([one for one in live if one.purpose.is_exit], entries)
    if case.position is None:
        entries = (*entries, *(one for one in exits if one.symbol == case.order.symbol))
        exits = tuple(one for one in exits if one.symbol != case.order.symbol)
    kept = (
        f"The exits that protect the open position were left working ({len(exits)}); close it to end them."
        if exits
        else ""
    )
    if not entries:
        case.findings.nothing(
            Reason.NOTHING_TO_CANCEL,
            f"Nothing to cancel: no order for {case.order.symbol} at {case.order.exchange} that Sparky sent "
            f"is working. {kept}".rstrip(),
        )
    if kept:
        case.findings.note(kept)
    return Plan(cancels=cancels_of(entries))


def size_of_exit(case: Case, position: VenuePosition, terms: OrderTerms) -> Decimal:
    """Size a closing leg, never above the position. Without any size the whole position is closed.

    A part is rounded down to the step, then raised to the smallest order of the venue; where what would
    remain could not be closed by itself, the whole position is closed. The minimum value of an order
    does not count: what is open must always be closable.

    Raises:
        Declined: the size contradicts itself or cannot be reckoned.
    """
    refuse_several(case.alert, case.findings)
    asked = next(iter(sizes_of(case.alert)), None)
    rules = case.rules_of(terms.order_type)
    if asked is None or (asked.name is SizeName.CLOSE_PERCENT and asked.value >= _WHOLE):
        case.findings.passed("size", f"the whole position of {position.quantity:f}")
        return position.quantity
    part = _reckoned(case, asked, position, terms, rules)
    quantity = _closable_part(case, part, rules, position)
    case.findings.passed(asked.name, f"{asked} = {quantity:f} of {position.quantity:f}")
    return quantity


def _reckoned(
    case: Case, asked: AskedSize, position: VenuePosition, terms: OrderTerms, rules: InstrumentRules
) -> Decimal:
    if asked.name is SizeName.CLOSE_PERCENT:
        return rules.quantity_of_percent(position.quantity, asked.value)
    if asked.name is SizeName.QUANTITY:
        return rules.quantity_down(asked.value)
    if asked.name.is_risk:
        case.findings.refuse(
            asked.name,
            f"{asked.value:f}",
            None,
            Reason.UNKNOWN_FIELD_COMBINATION,
            f"{asked} sizes an entry by its stop, and this alert closes: send close_percent or quantity, or "
            f"no size to close everything.",
        )
    side = position.side.closed_by
    basis = Basis(side=side, price=price_of(case, side, terms), exits=(), rules=rules)
    money, _ = money_of(case, asked)
    return rules.quantity_for(money, worth(case, basis, price_for(case, basis, asked).amount, asked))


def _closable_part(case: Case, asked: Decimal, rules: InstrumentRules, position: VenuePosition) -> Decimal:
    part = max(asked, rules.smallest_quantity)
    if part >= position.quantity:
        if asked != position.quantity:
            case.findings.note(f"The whole position of {position.quantity:f} is closed.")
        return position.quantity
    rest = exact_difference(position.quantity, part)
    if rest < rules.smallest_quantity:
        case.findings.note(
            f"The whole position of {position.quantity:f} is closed, because the remaining {rest:f} would be "
            f"below the smallest order of {rules.smallest_quantity:f}."
        )
        return position.quantity
    if part > asked:
        case.findings.note(f"{part:f} is closed, the smallest order of {rules.symbol}.")
    return part


def _closing_leg(case: Case, side: PositionSide, quantity: Decimal, terms: OrderTerms) -> Leg:
    # Of what venues take outside regular hours, only limit orders of shares can close anything; whatever
    # else closes waits there for the session, because getting out late is better than not at all.
    extended = terms.extended_hours and terms.order_type is OrderType.LIMIT and case.kind is AssetKind.SHARES
    return Leg(
        number=1,
        client_order_id=client_order_id(case.order.signal_id, 1),
        symbol=case.symbol,
        side=side.closed_by,
        quantity=quantity,
        purpose=Purpose.CLOSE,
        reduce_only=True,
        order_type=terms.order_type,
        limit_price=terms.limit_price,
        stop_price=terms.stop_price,
        time_in_force=terms.time_in_force,
        extended_hours=extended,
        reference_price=terms.reference_price,
    )
