"""Exits of an entry: which it gets, whether they go with it or follow it, and what they become when it fills.

What the venue cannot do is refused before anything is sent: an entry without the stop that was asked for is
worse than none. Percents are of the real fill price, or of the limit or stop price where the venue takes the
exits together with an entry at a price.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from sparky.domain.asked_exits import asked_exits
from sparky.domain.capabilities import Capabilities
from sparky.domain.exit_legs import exit_leg
from sparky.domain.exit_obstacles import beyond_zero, lacking_exit, timed_exit, trail_out_of_reach, wrong_side
from sparky.domain.exit_sizes import shares_of_targets
from sparky.domain.identifiers import SignalId, client_order_id
from sparky.domain.orders import ExitKind, PositionSide, Side
from sparky.domain.plan import (
    EMERGENCY_LEG,
    FIRST_EXIT_LEG,
    ExitTerms,
    Leg,
    Protection,
    Purpose,
    Rejection,
)
from sparky.domain.readable import readable
from sparky.domain.rules import InstrumentRules
from sparky.domain.snapshot import Snapshot
from sparky.domain.work_order import WorkOrder

_WHOLE: Final = Decimal(100)


@dataclass(frozen=True, slots=True)
class EntryProtection:
    """The exits of one entry: `legs` go with it, `protection` follows it. `notes` are for the trader."""

    legs: tuple[Leg, ...] = ()
    protection: Protection | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ResolvedExits:
    """The exits to place for what was filled, stops first. `notes` say what became of a small target."""

    legs: tuple[Leg, ...] = ()
    notes: tuple[str, ...] = ()


def exits_wanted(
    order: WorkOrder, snapshot: Snapshot, side: PositionSide
) -> tuple[ExitTerms, ...] | Rejection:
    """Return the exits of an entry that opens `side`, numbered; a rejection where one cannot be had."""
    asked = asked_exits(order.alert, order.settings, snapshot.rules)
    if isinstance(asked, Rejection):
        return asked
    rejection = (
        timed_exit(order)
        or lacking_exit(order, asked, snapshot.capabilities)
        or beyond_zero(asked, side)
        or wrong_side(order, snapshot, asked, side)
        or trail_out_of_reach(order, snapshot, asked, side)
    )
    if rejection is not None:
        return rejection
    return tuple(
        ExitTerms(
            number=number,
            kind=one.kind,
            price=one.price,
            percent=one.percent,
            trail_distance=one.trail_distance,
            trail_percent=one.trail_percent,
            quantity_percent=one.quantity_percent,
        )
        for number, one in enumerate(asked, start=FIRST_EXIT_LEG)
    )


def protect_entry(
    order: WorkOrder, snapshot: Snapshot, entry: Leg, terms: Sequence[ExitTerms]
) -> EntryProtection:
    """Let exits go with their entry where the venue takes them so and their prices are known, else after it.

    All go the same way, so that the venue knows them as one group.
    """
    if not terms:
        return EntryProtection()
    if _goes_with(entry, terms, snapshot.capabilities):
        legs = tuple(
            exit_leg(
                order.signal_id,
                entry.symbol,
                one,
                side=entry.side.opposite,
                quantity=entry.quantity,
                base=_known_price(entry),
                rules=snapshot.rules,
                attached_to=entry.number,
            )
            for one in terms
        )
        shown = ", ".join(_shown_leg(leg) for leg in legs)
        return EntryProtection(legs=legs, notes=(f"Sent together with the entry: {shown}.",))
    protection = Protection(entry=entry.number, side_closed_by=entry.side.opposite, exits=tuple(terms))
    shown = ", ".join(_shown(one) for one in terms)
    return EntryProtection(protection=protection, notes=(f"Placed when the entry has filled: {shown}.",))


def resolve_exits(
    signal_id: SignalId,
    symbol: str,
    protection: Protection,
    *,
    quantity: Decimal,
    average_price: Decimal,
    rules: InstrumentRules,
) -> ResolvedExits:
    """Turn the exits of a protection into orders for `quantity`, filled at `average_price`.

    A stop is for all of it. Targets share it by their percents, in steps; the last one takes the rest, and
    one below the venue's smallest order is left out and its share goes to the next.
    """
    targets = [one for one in protection.exits if one.kind is ExitKind.TAKE_PROFIT]
    shares = shares_of_targets(targets, quantity, rules)
    legs = []
    for one in protection.exits:
        size = quantity if one.kind is not ExitKind.TAKE_PROFIT else shares.quantities.get(one.number)
        if size is not None:
            legs.append(
                exit_leg(
                    signal_id,
                    symbol,
                    one,
                    side=protection.side_closed_by,
                    quantity=size,
                    base=average_price,
                    rules=rules,
                )
            )
    return ResolvedExits(tuple(legs), shares.notes)


def emergency_close(signal_id: SignalId, symbol: str, side: Side, quantity: Decimal) -> Leg:
    """Return the order of `side` that closes what an entry has opened and whose stop was refused."""
    return Leg(
        number=EMERGENCY_LEG,
        client_order_id=client_order_id(signal_id, EMERGENCY_LEG),
        symbol=symbol,
        side=side,
        quantity=quantity,
        purpose=Purpose.CLOSE,
        reduce_only=True,
    )


def _goes_with(entry: Leg, terms: Sequence[ExitTerms], capabilities: Capabilities) -> bool:
    kinds = {one.kind for one in terms}
    if not kinds <= capabilities.attached_exits.get(entry.order_type, frozenset()):
        return False
    # Orders outside regular hours last for one session and carry no exits.
    if entry.extended_hours or any(one.quantity_percent != _WHOLE for one in terms):
        return False
    at_price = _known_price(entry) is not None
    return len(kinds) == len(terms) and all(
        at_price or (one.percent is None and one.trail_percent is None) for one in terms
    )


def _known_price(entry: Leg) -> Decimal | None:
    return entry.limit_price if entry.limit_price is not None else entry.stop_price


def _shown_leg(leg: Leg) -> str:
    name = leg.purpose.replace("_", "-")
    price = leg.limit_price or leg.stop_price
    if price is not None:
        return f"a {name} at {readable(price)}"
    if leg.trail_distance is not None:
        return f"a {name} {readable(leg.trail_distance)} behind the price"
    return f"a {name} {readable(leg.trail_percent)} % behind the price"


def _shown(terms: ExitTerms) -> str:
    name = terms.kind.replace("_", "-")
    share = "" if terms.quantity_percent == _WHOLE else f" for {readable(terms.quantity_percent)} %"
    if terms.price is not None:
        return f"a {name} at {readable(terms.price)}{share}"
    if terms.percent is not None:
        return f"a {name} {readable(terms.percent)} % from the fill price{share}"
    if terms.trail_distance is not None:
        return f"a {name} {readable(terms.trail_distance)} behind the price"
    return f"a {name} {readable(terms.trail_percent)} % behind the price"
