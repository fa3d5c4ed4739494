"""Exits of an entry: which it gets, whether they go with it or follow it, and what they become when it fills.

What the venue cannot do is refused before anything is sent: an entry without the stop that was asked for is
worse than none. Percents are of the real fill price, or of the limit or stop price where the venue takes the
exits together with an entry at a price. Prices go to the tick towards the position's protection, as in
`fitting`, but never so far that the exit would leave its side of the entry's price.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from sparky.domain.alert import ExitStrategy
from sparky.domain.asked_exits import AskedExit, asked_exits
from sparky.domain.asset_kind import AssetKind, asset_kind
from sparky.domain.capabilities import Capabilities
from sparky.domain.exit_sizes import shares_of_targets
from sparky.domain.identifiers import SignalId, client_order_id
from sparky.domain.orders import ExitKind, OrderType, PositionSide, Side
from sparky.domain.plan import (
    EMERGENCY_LEG,
    FIRST_EXIT_LEG,
    ExitTerms,
    Leg,
    Protection,
    Purpose,
    Rejection,
)
from sparky.domain.reasons import Reason
from sparky.domain.rules import InstrumentRules, exact_difference, exact_product, round_down_to_step
from sparky.domain.snapshot import Snapshot
from sparky.domain.work_order import WorkOrder

_HUNDREDTH: Final = Decimal("0.01")
_WHOLE: Final = Decimal(100)
_ONE: Final = Decimal(1)


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
        _timed(order)
        or _lacking(order, asked, snapshot.capabilities)
        or _beyond_zero(asked, side)
        or _wrong_side(order, snapshot, asked, side)
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
            _exit_leg(
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
                _exit_leg(
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


def _timed(order: WorkOrder) -> Rejection | None:
    if order.alert.exit_strategy in {None, ExitStrategy.FIXED_TP_SL}:
        return None
    return Rejection(
        Reason.NOT_SUPPORTED,
        f"exit_strategy {order.alert.exit_strategy} closes by the clock, which is not executed yet, so "
        f"nothing was opened: send fixed_tp_sl, and an alert with close when you want to get out.",
    )


def _lacking(order: WorkOrder, asked: Sequence[AskedExit], capabilities: Capabilities) -> Rejection | None:
    for one in asked:
        if one.kind not in capabilities.separate_exits:
            name = one.kind.replace("_", "-")
            nearest = _nearest(one.kind, capabilities)
            return Rejection(
                Reason.NOT_SUPPORTED,
                f"{order.exchange} has no {name} orders, and {one.origin} asks for one, so nothing was "
                f"opened: {nearest}.",
            )
    targets = [one for one in asked if one.kind is ExitKind.TAKE_PROFIT]
    partial = len(targets) > 1 or any(one.quantity_percent != _WHOLE for one in targets)
    if partial and not capabilities.several_targets:
        return Rejection(
            Reason.NOT_SUPPORTED,
            f"{order.exchange} takes one take-profit for the whole position, and take_profits asks for "
            f"{len(targets)} for parts of it, so nothing was opened: send take_profit_percent or "
            f"take_profit_price.",
        )
    return None


def _nearest(kind: ExitKind, capabilities: Capabilities) -> str:
    if kind is ExitKind.TRAILING_STOP and ExitKind.STOP_LOSS in capabilities.separate_exits:
        return "its nearest is a stop-loss, send stop_loss_percent or stop_loss_price"
    return "leave it out, and send an alert with close when you want to get out"


def _beyond_zero(asked: Sequence[AskedExit], side: PositionSide) -> Rejection | None:
    falling = ExitKind.STOP_LOSS if side is PositionSide.LONG else ExitKind.TAKE_PROFIT
    for one in asked:
        if one.kind is falling and one.percent is not None and one.percent >= _WHOLE:
            return Rejection(
                Reason.INVALID_VALUE,
                f"{one.origin} asks for a {one.kind.replace('_', '-')} {one.percent:f} % below the entry of "
                f"a {side} position, where there is no price: send less than 100.",
            )
    return None


def _wrong_side(
    order: WorkOrder, snapshot: Snapshot, asked: Sequence[AskedExit], side: PositionSide
) -> Rejection | None:
    near = _entry_prices(order, snapshot, side)
    if not near:
        return None
    for one in asked:
        if one.price is None:
            continue
        above = (one.kind is ExitKind.TAKE_PROFIT) == (side is PositionSide.LONG)
        if one.price > max(near) if above else one.price < min(near):
            continue
        edge, word = (max(near), "above") if above else (min(near), "below")
        return Rejection(
            Reason.INVALID_PRICE,
            f"The {one.kind.replace('_', '-')} of a {side} position lies {word} its entry, and {one.origin} "
            f"is not {word} {edge:f}, at which {order.symbol} would be entered, so nothing was opened: "
            f"correct it and send the alert again.",
        )
    return None


def _entry_prices(order: WorkOrder, snapshot: Snapshot, side: PositionSide) -> list[Decimal]:
    """Return the prices at which the entry would trade, as far as they are known."""
    alert = order.alert
    quote = None if snapshot.quote is None else snapshot.quote.to_trade(side.opened_by)
    if alert.order_type is OrderType.MARKET:
        # The price of an alert for an option from the chain is mostly that of its underlying.
        chosen = snapshot.contract is not None
        seen = (
            None if chosen or asset_kind(order.exchange, order.symbol) is AssetKind.OPTIONS else alert.price
        )
        near = quote or seen
        return [] if near is None else [near]
    given = [
        price
        for has, price in (
            (alert.order_type.has_limit_price, alert.price),
            (alert.order_type.has_stop_price, alert.stop_price),
        )
        if has and price is not None
    ]
    if alert.order_type is OrderType.LIMIT and given and quote is not None:
        # A limit beyond the market trades at the market.
        better = min if side is PositionSide.LONG else max
        return [better(given[0], quote)]
    return given


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


def _exit_leg(
    signal_id: SignalId,
    symbol: str,
    terms: ExitTerms,
    *,
    side: Side,
    quantity: Decimal,
    base: Decimal | None,
    rules: InstrumentRules,
    attached_to: int | None = None,
) -> Leg:
    price = None if terms.kind is ExitKind.TRAILING_STOP else _price(terms, side, base, rules)
    is_target = terms.kind is ExitKind.TAKE_PROFIT
    distance = _trail(terms, base, rules, attached=attached_to is not None)
    return Leg(
        number=terms.number,
        client_order_id=client_order_id(signal_id, terms.number),
        symbol=symbol,
        side=side,
        quantity=quantity,
        purpose=Purpose(terms.kind.value),
        reduce_only=True,
        order_type=OrderType.LIMIT if is_target else OrderType.STOP,
        limit_price=price if is_target else None,
        stop_price=None if is_target else price,
        trail_distance=distance,
        trail_percent=terms.trail_percent if distance is None else None,
        reference_price=base,
        attached_to=attached_to,
    )


def _trail(
    terms: ExitTerms, base: Decimal | None, rules: InstrumentRules, *, attached: bool
) -> Decimal | None:
    distance = terms.trail_distance
    if attached and terms.trail_percent is not None and base is not None:
        distance = exact_product(exact_product(base, terms.trail_percent), _HUNDREDTH)
    if distance is None:
        return None
    tick = rules.price_tick if base is None else rules.tick_at(base)
    # Closer protects more, and a stop at no distance at all would fire at once.
    return max(round_down_to_step(distance, tick), tick)


def _price(terms: ExitTerms, side: Side, base: Decimal | None, rules: InstrumentRules) -> Decimal:
    towards, away = (
        (rules.price_down, rules.price_up) if side is Side.BUY else (rules.price_up, rules.price_down)
    )
    if terms.percent is None or base is None:
        assert terms.price is not None  # noqa: S101 - one of price and percent is set, see ExitTerms
        return towards(terms.price) or away(terms.price)
    above = (terms.kind is ExitKind.TAKE_PROFIT) == (side is Side.SELL)
    part = exact_product(terms.percent, _HUNDREDTH)
    exact = exact_product(base, exact_difference(_ONE, -part if above else part))
    for price in (towards(exact), away(exact)):
        if price > 0 and (price > base if above else price < base):
            return price
    # Within a tick of the entry or of zero: the venue says whether it takes that.
    return towards(exact) or away(exact)


def _shown_leg(leg: Leg) -> str:
    name = leg.purpose.replace("_", "-")
    price = leg.limit_price or leg.stop_price
    if price is not None:
        return f"a {name} at {price:f}"
    if leg.trail_distance is not None:
        return f"a {name} {leg.trail_distance:f} behind the price"
    return f"a {name} {leg.trail_percent:f} % behind the price"


def _shown(terms: ExitTerms) -> str:
    name = terms.kind.replace("_", "-")
    share = "" if terms.quantity_percent == _WHOLE else f" for {terms.quantity_percent:f} %"
    if terms.price is not None:
        return f"a {name} at {terms.price:f}{share}"
    if terms.percent is not None:
        return f"a {name} {terms.percent:f} % from the fill price{share}"
    if terms.trail_distance is not None:
        return f"a {name} {terms.trail_distance:f} behind the price"
    return f"a {name} {terms.trail_percent:f} % behind the price"
