"""Option spreads: several options of one underlying as one order at a net price.

`buy` opens the legs as the alert writes them, `sell` opens each of them turned, and `close` does the opposite
of what the account shows, never more than that. Whether a net price is paid or received follows from the
legs: those that can never be worth anything to their holder, such as a short condor, are opened for a credit.
Exits cannot be placed for a spread: it is closed by an alert.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Final

from sparky.domain.alert import Action
from sparky.domain.exit_obstacles import timed_exit
from sparky.domain.identifiers import client_order_id
from sparky.domain.market_calendar import NEW_YORK
from sparky.domain.orders import OrderType, Side, SpreadLeg
from sparky.domain.plan import Cancel, Decision, Leg, NothingToDo, Plan, Purpose, Rejection
from sparky.domain.reasons import Reason
from sparky.domain.snapshot import Snapshot
from sparky.domain.spread_sizes import size_of_spread
from sparky.domain.spread_terms import Held, held_spreads, is_credit, spread_legs
from sparky.domain.trade_settings import OnOpposite
from sparky.domain.work_order import EarlierOrder, WorkOrder

_ENTRIES: Final = frozenset({Action.BUY, Action.SELL})
_HUNDRED: Final = Decimal(100)


@dataclass(frozen=True, slots=True)
class _Spread:
    """The options as the alert writes them; `side` is buy where opening them so costs a net price."""

    legs: tuple[SpreadLeg, ...]
    side: Side

    def sent(self, *, as_written: bool, closes: bool) -> tuple[SpreadLeg, ...]:
        return tuple(
            replace(leg, side=leg.side if as_written else leg.side.opposite, closes=closes)
            for leg in self.legs
        )

    def side_of(self, *, as_written: bool) -> Side:
        return self.side if as_written else self.side.opposite


def plan_spread(order: WorkOrder, snapshot: Snapshot, now: datetime) -> Decision:
    """Decide what an alert with `legs` sends.

    `snapshot` has all positions, and the balance where a percent of it is the size. The switches and limits
    that hold for every entry are the caller's to check.
    """
    legs = spread_legs(order, snapshot.capabilities, now.astimezone(NEW_YORK).date())
    if isinstance(legs, Rejection):
        return legs
    problem = _unsupported(order, snapshot)
    if problem is not None:
        return problem
    spread = _Spread(legs, Side.SELL if is_credit(order.alert.legs) else Side.BUY)
    held = held_spreads(order.symbol, order.alert.legs, snapshot.positions)
    if order.action not in _ENTRIES or order.is_exit or order.alert.reduce_only:
        return _close(order, spread, held)
    return _enter(order, snapshot, spread, held)


def _enter(order: WorkOrder, snapshot: Snapshot, spread: _Spread, held: Held) -> Decision:
    as_written = order.action is Action.BUY
    if not as_written and spread.side is Side.SELL:
        return Rejection(
            Reason.UNKNOWN_FIELD_COMBINATION,
            f"The legs on {order.symbol} are written as they are sold, and action sell would turn each of "
            f"them: send buy to open them as written, for the net price that you receive.",
        )
    same, opposite = (held.written, held.turned) if as_written else (held.turned, held.written)
    if opposite:
        return _meet_opposite(order, spread, held)
    works = any(one.purpose is Purpose.OPEN for one in _working(order, spread))
    if (same or works) and not order.settings.pyramiding:
        what = f"is open {same} times" if same else "is waiting at the venue to be opened"
        return Rejection(
            Reason.POSITION_EXISTS,
            f"This spread on {order.symbol} {what}, and the setting pyramiding is false: switch pyramiding "
            f"on to add to it, or close it first.",
        )
    side = spread.side_of(as_written=as_written)
    if side is Side.SELL and order.settings.allow_short is False:
        return Rejection(
            Reason.SHORT_NOT_ALLOWED,
            f"This spread on {order.symbol} is sold to open, and the setting allow_short is false: switch it "
            f"on, or send a spread that costs something.",
        )
    sized = size_of_spread(order, snapshot, side)
    if isinstance(sized, Rejection):
        return sized
    legs = spread.sent(as_written=as_written, closes=False)
    leg = _leg(order, side, Decimal(sized.count), legs, Purpose.OPEN)
    return Plan(legs=(leg,), notes=(*sized.notes, *_exits_left_out(order)), checks=sized.checks)


def _meet_opposite(order: WorkOrder, spread: _Spread, held: Held) -> Decision:
    if order.settings.on_opposite is OnOpposite.REJECT:
        return Rejection(
            Reason.OPPOSITE_REJECTED,
            f"The opposite of this spread on {order.symbol} is open, and the setting on_opposite is reject: "
            f"close it first, or set on_opposite to close.",
        )
    closing = _closing_leg(order, spread, held.written or held.turned, opened_as_written=held.written > 0)
    notes = ("The opposite of this spread was open and is closed; spreads are not reversed in one alert.",)
    return Plan(legs=(closing,), notes=notes, cancels=_cancels(order, spread))


def _close(order: WorkOrder, spread: _Spread, held: Held) -> Decision:
    written = held.written if order.action in {Action.CLOSE, Action.CLOSE_LONG, Action.SELL} else 0
    turned = held.turned if order.action in {Action.CLOSE, Action.CLOSE_SHORT, Action.BUY} else 0
    cancels = _cancels(order, spread)
    if not written and not turned:
        note = f"Nothing to close: {order.exchange} shows no whole spread of these legs on {order.symbol}"
        if not cancels:
            return NothingToDo(Reason.NO_POSITION, f"{note}.")
        return Plan(cancels=cancels, notes=(f"{note}; its working entry is cancelled.",))
    count, notes = _part(order, written or turned)
    leg = _closing_leg(order, spread, count, opened_as_written=written > 0)
    return Plan(legs=(leg,), notes=notes, cancels=cancels)


def _part(order: WorkOrder, whole: int) -> tuple[int, tuple[str, ...]]:
    alert = order.alert
    if alert.quantity is not None:
        asked = int(alert.quantity)
    elif alert.close_percent is not None:
        asked = int(whole * alert.close_percent / _HUNDRED)
    else:
        return whole, ()
    count = min(max(asked, 1), whole)
    return count, () if count == asked else (f"{count} of {whole} open spreads are closed.",)


def _closing_leg(order: WorkOrder, spread: _Spread, count: int, *, opened_as_written: bool) -> Leg:
    as_written = not opened_as_written
    legs = spread.sent(as_written=as_written, closes=True)
    return _leg(order, spread.side_of(as_written=as_written), Decimal(count), legs, Purpose.CLOSE)


def _leg(order: WorkOrder, side: Side, count: Decimal, legs: tuple[SpreadLeg, ...], purpose: Purpose) -> Leg:
    price = order.alert.price
    return Leg(
        number=1,
        client_order_id=client_order_id(order.signal_id, 1),
        symbol=order.symbol,
        side=side,
        quantity=count,
        purpose=purpose,
        reduce_only=purpose is Purpose.CLOSE,
        order_type=OrderType.MARKET if price is None else OrderType.LIMIT,
        limit_price=price,
        time_in_force=order.alert.time_in_force,
        spread=legs,
    )


def _cancels(order: WorkOrder, spread: _Spread) -> tuple[Cancel, ...]:
    return tuple(
        Cancel(client_order_id=one.client_order_id)
        for one in _working(order, spread)
        if one.purpose is Purpose.OPEN
    )


def _working(order: WorkOrder, spread: _Spread) -> list[EarlierOrder]:
    """Return our orders for the same options that the venue may have open."""
    symbols = {leg.symbol for leg in spread.legs}
    return [one for one in order.working if {leg.symbol for leg in one.spread} == symbols]


def _unsupported(order: WorkOrder, snapshot: Snapshot) -> Rejection | None:
    alert, venue = order.alert, snapshot.capabilities
    if alert.order_type not in {OrderType.MARKET, OrderType.LIMIT}:
        return Rejection(
            Reason.NOT_SUPPORTED,
            f"A spread is sent at a net price or at the market, and order_type is {alert.order_type}: send "
            f"limit with price.",
        )
    if alert.price is None and (alert.order_type is OrderType.LIMIT or not venue.market_spreads):
        return Rejection(
            Reason.MISSING_FIELD,
            f"{order.exchange} needs the net price of one spread: add price, which a buyer pays at most and "
            f"a seller receives at least.",
        )
    if alert.time_in_force is not None and alert.time_in_force not in venue.times_in_force:
        known = ", ".join(sorted(venue.times_in_force))
        return Rejection(
            Reason.NOT_SUPPORTED,
            f"{order.exchange} has no time_in_force {alert.time_in_force}: leave it out, or send one of "
            f"{known}.",
        )
    return _beyond_spreads(order)


def _beyond_spreads(order: WorkOrder) -> Rejection | None:
    alert = order.alert
    if alert.market_position is not None:
        return Rejection(
            Reason.UNKNOWN_FIELD_COMBINATION,
            f"market_position {alert.market_position} goes with one symbol, and the alert has legs: send "
            f"action buy, sell or close.",
        )
    exits = {
        "stop_loss_percent": alert.stop_loss_percent,
        "stop_loss_price": alert.stop_loss_price,
        "take_profit_percent": alert.take_profit_percent,
        "take_profit_price": alert.take_profit_price,
        "take_profits": alert.take_profits or None,
        "trailing_stop_percent": alert.trailing_stop_percent,
        "trailing_stop_pips": alert.trailing_stop_pips,
        "use_trailing_stop": alert.use_trailing_stop or None,
    }
    given = [name for name, value in exits.items() if value is not None]
    if given:
        return Rejection(
            Reason.NOT_SUPPORTED,
            f"{order.exchange} places no exits for a spread, and the alert has {', '.join(given)}: leave "
            f"them out, and send an alert with close when you want to get out.",
        )
    return timed_exit(order)


def _exits_left_out(order: WorkOrder) -> tuple[str, ...]:
    settings = order.settings
    names = [
        f"{name} {value:f}"
        for name, value in (
            ("take_profit_percent", settings.take_profit_percent),
            ("stop_loss_percent", settings.stop_loss_percent),
        )
        if value > 0
    ]
    if not names:
        return ()
    return (f"The settings {' and '.join(names)} do not reach spreads: close it by an alert.",)
