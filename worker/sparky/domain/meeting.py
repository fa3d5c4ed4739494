"""What an entry meets: nothing, a position of its own side, or one of the other side.

Entry orders of ours that still work count as a position of their side.
"""

from dataclasses import replace
from decimal import Decimal

from sparky.domain.answers import VenuePosition
from sparky.domain.case import Case
from sparky.domain.entries import plan_open
from sparky.domain.leaving import cancels_of, close_whole
from sparky.domain.order_terms import at_market, terms_of
from sparky.domain.orders import OrderType, PositionSide, Side
from sparky.domain.plan import Plan, Purpose
from sparky.domain.reasons import Reason
from sparky.domain.rules import exact_sum
from sparky.domain.shorting import on_opposite, short_obstacle
from sparky.domain.trade_settings import OnOpposite


def plan_entry(case: Case, side: Side) -> Plan:
    """Return the plan of a buy or sell that may open.

    Raises:
        Declined: something does not allow it.
    """
    position = case.position
    if position is None:
        if case.working(Purpose.OPEN, side=side.opposite):
            return _meet_working_opposite(case, side)
        return plan_more(case, side, held=Decimal(0))
    if position.side.opened_by is side:
        return plan_more(case, side, held=position.quantity)
    return _meet_opposite(case, position)


def plan_more(case: Case, side: Side, held: Decimal) -> Plan:
    """Return the plan that opens a position, or adds to what is held or on its way.

    Raises:
        Declined: something does not allow it, such as `pyramiding`.
    """
    coming = case.on_its_way(position_side(side))
    check_pyramiding(case, side, held, coming)
    return plan_open(case, side, exact_sum(held, coming))


def check_pyramiding(case: Case, side: Side, held: Decimal, coming: Decimal) -> None:
    """Let an entry pass that meets nothing of its own side, or may add to it.

    Raises:
        Declined: something is there, and the setting `pyramiding` is false.
    """
    if not held and not coming:
        return
    word = position_side(side)
    there = f"is already {word} with {held:f}" if held else f"has an order for {coming:f} working"
    if not case.settings.pyramiding:
        case.findings.refuse(
            "pyramiding",
            there,
            "false",
            Reason.POSITION_EXISTS,
            f"{case.symbol} {there}, and the setting pyramiding is false: switch pyramiding on to add to a "
            f"position, or {'close' if held else 'cancel'} it first.",
        )
    case.findings.passed("pyramiding", there, "true")


def reverse(case: Case, position: VenuePosition) -> Plan:
    """Return the plan that closes a position and opens the other side with the size of the alert.

    Where the other side may not be opened, because it is short, it only closes, and says so.

    Raises:
        Declined: the opening cannot be planned; then nothing is closed either.
    """
    side = position.side.closed_by
    obstacle = short_obstacle(case, side)
    if obstacle is not None:
        case.findings.note(f"Closed without opening a short position: {obstacle}.")
        return close_whole(case, position, at_market(case))
    if case.alert.order_type is not OrderType.MARKET:
        kind = case.alert.order_type
        case.findings.refuse(
            "order_type",
            kind,
            OrderType.MARKET,
            Reason.UNKNOWN_FIELD_COMBINATION,
            f"{case.symbol} is {position.side} with {position.quantity:f}, and an order of the order_type "
            f"{kind} cannot close it now and open the other side later: send close first, or send the alert "
            f"with the order_type market.",
        )
    opening = plan_open(case, side, number=2)
    closing = close_whole(case, position, at_market(case))
    return replace(
        opening,
        legs=(*closing.legs, *opening.legs),
        cancels=closing.cancels,
        kept=closing.protection,
    )


def position_side(side: Side) -> PositionSide:
    """Return the side of a position that an order of that side opens."""
    return PositionSide.LONG if side is Side.BUY else PositionSide.SHORT


def _meet_opposite(case: Case, position: VenuePosition) -> Plan:
    chosen = on_opposite(case)
    if chosen is OnOpposite.REJECT:
        case.findings.refuse(
            "on_opposite",
            f"{position.side} with {position.quantity:f}",
            chosen,
            Reason.OPPOSITE_REJECTED,
            f"{case.symbol} is {position.side} with {position.quantity:f}, and the setting on_opposite is "
            f"reject: close the position first, or set on_opposite to close or reverse.",
        )
    if chosen is OnOpposite.CLOSE:
        return close_whole(case, position, terms_of(case))
    return reverse(case, position)


def _meet_working_opposite(case: Case, side: Side) -> Plan:
    working = case.working(Purpose.OPEN, side=side.opposite)
    chosen = on_opposite(case)
    if chosen is OnOpposite.REJECT:
        case.findings.refuse(
            "on_opposite",
            f"{len(working)} working to {side.opposite}",
            chosen,
            Reason.OPPOSITE_REJECTED,
            f"An entry order of yours that would {side.opposite} {case.symbol} is still working, and the "
            f"setting on_opposite is reject: cancel it first, or set on_opposite to close or reverse.",
        )
    case.findings.note("The working entry order of the other side is cancelled.")
    if chosen is OnOpposite.CLOSE:
        return Plan(cancels=cancels_of(working))
    return replace(plan_more(case, side, held=Decimal(0)), cancels=cancels_of(working))
