"""Why an entry cannot have the exits that were asked for, so that it is not sent at all."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from sparky.domain.alert import ExitStrategy
from sparky.domain.asked_exits import AskedExit
from sparky.domain.asset_kind import AssetKind, asset_kind
from sparky.domain.capabilities import Capabilities
from sparky.domain.orders import ExitKind, OrderType, PositionSide
from sparky.domain.plan import Rejection
from sparky.domain.reasons import Reason
from sparky.domain.rules import exact_product, share_in_percent
from sparky.domain.snapshot import Snapshot
from sparky.domain.work_order import WorkOrder

_WHOLE: Final = Decimal(100)
_HUNDREDTH: Final = Decimal("0.01")


def timed_exit(order: WorkOrder) -> Rejection | None:
    """Return why an entry that is to be left by the clock is not opened; None where it is not."""
    if order.alert.exit_strategy in {None, ExitStrategy.FIXED_TP_SL}:
        return None
    return Rejection(
        Reason.NOT_SUPPORTED,
        f"exit_strategy {order.alert.exit_strategy} closes by the clock, which is not executed yet, so "
        f"nothing was opened: send fixed_tp_sl, and an alert with close when you want to get out.",
    )


def lacking_exit(
    order: WorkOrder, asked: Sequence[AskedExit], capabilities: Capabilities
) -> Rejection | None:
    """Return which exit the venue does not have; None where it has all."""
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


def beyond_zero(asked: Sequence[AskedExit], side: PositionSide) -> Rejection | None:
    """Return which exit would lie at no price at all; None where none would."""
    falling = ExitKind.STOP_LOSS if side is PositionSide.LONG else ExitKind.TAKE_PROFIT
    for one in asked:
        if one.kind is falling and one.percent is not None and one.percent >= _WHOLE:
            return Rejection(
                Reason.INVALID_VALUE,
                f"{one.origin} asks for a {one.kind.replace('_', '-')} {one.percent:f} % below the entry of "
                f"a {side} position, where there is no price: send less than 100.",
            )
    return None


def wrong_side(
    order: WorkOrder, snapshot: Snapshot, asked: Sequence[AskedExit], side: PositionSide
) -> Rejection | None:
    """Return which price of an exit lies on the wrong side of the entry's; None where none does."""
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


def trail_out_of_reach(
    order: WorkOrder, snapshot: Snapshot, asked: Sequence[AskedExit], side: PositionSide
) -> Rejection | None:
    """Return which trailing stop would follow nearer or farther than the venue lets it; None where none does.

    What cannot be told before the entry has a price is left to the venue.
    """
    bounds = snapshot.rules.trail
    if bounds is None:
        return None
    near = next(iter(_entry_prices(order, snapshot, side)), None)
    for one in asked:
        trail = _trail(one, near, in_percent=bounds.in_percent)
        if trail is None or (trail >= bounds.least and (bounds.most is None or trail <= bounds.most)):
            continue
        unit = " %" if bounds.in_percent else ""
        upper = "" if bounds.most is None else f" and at most {bounds.most:f}{unit}"
        return Rejection(
            Reason.INVALID_VALUE,
            f"At {order.exchange} a trailing stop of {snapshot.rules.symbol} follows at least "
            f"{bounds.least:f}{unit}{upper} behind the price, and {one.origin} asks for {trail:f}{unit}, so "
            f"nothing was opened: change it.",
        )
    return None


def _trail(one: AskedExit, near: Decimal | None, *, in_percent: bool) -> Decimal | None:
    if in_percent:
        if one.trail_distance is None or near is None:
            return one.trail_percent
        return share_in_percent(one.trail_distance, near)
    if one.trail_percent is None or near is None:
        return one.trail_distance
    return exact_product(exact_product(near, one.trail_percent), _HUNDREDTH)


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
