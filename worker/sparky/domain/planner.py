"""From a work order to what is sent: pure, so that the same input always gives the same plan.

Actions (columns) against the position now (rows), for entries:

              buy                      sell
    none      open long                open short, where allowed
    long      pyramiding               on_opposite
    short     on_opposite              pyramiding

`close` closes either side, `close_long` and `close_short` only theirs; a reduce-only buy or sell
closes the other side only. These are the exits: they never open anything and never need a setting.

A signal that may open is an entry as a whole. While the operator has halted trading, or the trader has
switched it off, it is rejected even where it would only have closed: who stops everything must not see
half of a reverse executed, and an alert that means to close says so.
"""

from dataclasses import replace
from datetime import datetime
from typing import Final

from sparky.domain.alert import Action
from sparky.domain.answers import VenuePosition
from sparky.domain.freshness import check_age
from sparky.domain.identifiers import client_order_id
from sparky.domain.orders import PositionSide, Side
from sparky.domain.plan import Decision, Leg, NothingToDo, Plan, Purpose, Rejection
from sparky.domain.reasons import Reason
from sparky.domain.rules import InstrumentRules
from sparky.domain.sizing import Sized, size_of_entry, size_of_exit
from sparky.domain.snapshot import Snapshot
from sparky.domain.trade_settings import OnOpposite
from sparky.domain.work_order import WorkOrder

_ENTRY_SIDES: Final = {Action.BUY: Side.BUY, Action.SELL: Side.SELL}
_SHORT_IMPOSSIBLE: Final = "the venue does not allow short positions in it"
_SHORT_SWITCHED_OFF: Final = "the setting allow_short is false"


def make_plan(order: WorkOrder, snapshot: Snapshot, now: datetime) -> Decision:
    """Decide what one signal sends.

    `snapshot` has what `wanted` asked for, `now` is the time against which the age is measured. An
    entry is planned wholly or rejected wholly: a reverse whose opening leg cannot be sized does not
    close either. Only where going short is not allowed does a reverse become a close, with a note,
    because the alert says that the long position should not stay.

    Raises:
        ValueError: the rules or the position are of another symbol.
    """
    rules, position = snapshot.rules, snapshot.position
    for thing in (rules, position):
        if thing is not None and thing.symbol != order.symbol:
            raise ValueError(f"planning {order.symbol} with the rules or the position of {thing.symbol}")
    exits = is_exit(order)
    too_old = check_age(order, now, exits=exits)
    if too_old is not None:
        return too_old
    if exits:
        decision = _plan_exit(order, rules, position)
    else:
        decision = _switched_off(order) or _plan_entry(order, rules, position)
    if isinstance(decision, Plan) and order.alert.dry_run:
        return NothingToDo(Reason.DRY_RUN, _explain(decision, order.symbol))
    return decision


def is_exit(order: WorkOrder) -> bool:
    """Tell whether the signal may only close, whatever the position."""
    return order.is_exit or order.alert.reduce_only or order.action not in _ENTRY_SIDES


def _plan_exit(order: WorkOrder, rules: InstrumentRules, position: VenuePosition | None) -> Decision:
    if position is None:
        return NothingToDo(
            Reason.NO_POSITION,
            f"Nothing to close: no position in {order.symbol} is open at {order.exchange}.",
        )
    if not _closes(order.action, position.side):
        return NothingToDo(
            Reason.NO_POSITION,
            f"Nothing to close: the position in {order.symbol} is {position.side}, "
            f"and {order.action} as an exit closes only the other side.",
        )
    sized = size_of_exit(order.alert, rules, position)
    if isinstance(sized, Rejection):
        return sized
    return Plan(legs=(_close_leg(order, position, sized),), notes=sized.notes)


def _closes(action: Action, side: PositionSide) -> bool:
    if action is Action.CLOSE:
        return True
    if action is Action.CLOSE_LONG:
        return side is PositionSide.LONG
    if action is Action.CLOSE_SHORT:
        return side is PositionSide.SHORT
    return _ENTRY_SIDES[action] is side.closed_by


def _switched_off(order: WorkOrder) -> Rejection | None:
    if order.settings.trading_halted:
        why = order.settings.halt_reason or "no reason was given"
        return Rejection(
            Reason.PLATFORM_HALTED,
            f"The operator has halted trading ({why}), so nothing was opened; alerts that close still work. "
            f"Send the alert again when trading has been resumed.",
        )
    if not order.settings.enabled:
        return Rejection(
            Reason.TRADING_DISABLED,
            f"You have switched trading off (enabled is false in your settings, for all exchanges or for "
            f"{order.exchange}), so nothing was opened; alerts that close still work. Switch it on and send "
            f"the alert again.",
        )
    return None


def _plan_entry(order: WorkOrder, rules: InstrumentRules, position: VenuePosition | None) -> Decision:
    if order.alert.close_percent is not None:
        return Rejection(
            Reason.UNKNOWN_FIELD_COMBINATION,
            f"close_percent {order.alert.close_percent} goes with an exit, and {order.action} is an entry: "
            f"send close, close_long or close_short, or add reduce_only.",
        )
    side = _ENTRY_SIDES[order.action]
    if position is None:
        return _plan_open(order, rules, side)
    if position.side.opened_by is side:
        return _plan_same_side(order, rules, position)
    return _plan_opposite(order, rules, position)


def _plan_same_side(order: WorkOrder, rules: InstrumentRules, position: VenuePosition) -> Decision:
    if not order.settings.pyramiding:
        return Rejection(
            Reason.POSITION_EXISTS,
            f"{order.symbol} is already {position.side} with {position.quantity:f}, and the setting "
            f"pyramiding is false: switch pyramiding on to add to a position, or close it first.",
        )
    return _plan_open(order, rules, position.side.opened_by)


def _plan_opposite(order: WorkOrder, rules: InstrumentRules, position: VenuePosition) -> Decision:
    if order.settings.on_opposite is OnOpposite.REJECT:
        return Rejection(
            Reason.OPPOSITE_REJECTED,
            f"{order.symbol} is {position.side} with {position.quantity:f}, and the setting on_opposite is "
            f"reject: close the position first, or set on_opposite to close or reverse.",
        )
    whole = _close_leg(order, position, Sized(position.quantity))
    if order.settings.on_opposite is OnOpposite.CLOSE:
        return Plan(legs=(whole,))
    side = _ENTRY_SIDES[order.action]
    obstacle = _short_obstacle(order, rules) if side is Side.SELL else None
    if obstacle is not None:
        return Plan(legs=(whole,), notes=(f"Closed without opening a short position: {obstacle}.",))
    opening = _plan_open(order, rules, side)
    if not isinstance(opening, Plan):
        return opening
    second = replace(
        opening.legs[0],
        number=2,
        client_order_id=client_order_id(order.signal_id, 2),
        depends_on_previous=True,
    )
    return Plan(legs=(whole, second), notes=opening.notes)


def _plan_open(order: WorkOrder, rules: InstrumentRules, side: Side) -> Plan | Rejection:
    obstacle = _short_obstacle(order, rules) if side is Side.SELL else None
    if obstacle is not None:
        return Rejection(
            Reason.SHORT_NOT_ALLOWED, f"A short position in {order.symbol} cannot be opened: {obstacle}."
        )
    sized = size_of_entry(order.alert, rules)
    if isinstance(sized, Rejection):
        return sized
    leg = Leg(
        number=1,
        client_order_id=client_order_id(order.signal_id, 1),
        symbol=order.symbol,
        side=side,
        quantity=sized.quantity,
        purpose=Purpose.OPEN,
        reduce_only=False,
        reference_price=order.alert.price,
    )
    return Plan(legs=(leg,), notes=sized.notes)


def _close_leg(order: WorkOrder, position: VenuePosition, sized: Sized) -> Leg:
    return Leg(
        number=1,
        client_order_id=client_order_id(order.signal_id, 1),
        symbol=order.symbol,
        side=position.side.closed_by,
        quantity=sized.quantity,
        purpose=Purpose.CLOSE,
        reduce_only=True,
        reference_price=order.alert.price,
    )


def _short_obstacle(order: WorkOrder, rules: InstrumentRules) -> str | None:
    if not rules.can_short:
        return _SHORT_IMPOSSIBLE
    return _SHORT_SWITCHED_OFF if order.settings.allow_short is False else None


def _explain(plan: Plan, symbol: str) -> str:
    legs = ", then ".join(
        f"{leg.side} {leg.quantity:f} {symbol} at {leg.order_type} to {leg.purpose}" for leg in plan.legs
    )
    return " ".join((f"Dry run, nothing was sent. Without dry_run: {legs}.", *plan.notes))
