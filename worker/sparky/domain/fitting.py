"""An order made to fit what a venue allows for its instrument, or the reason why it cannot.

Sizes go down to the step and never above what was asked. Prices of buys go down and of sells up: a limit is
never worse than asked, and the stop of an exit moves towards the position's protection, by less than a tick.
Both prices of a stop-limit move the same way, so the one does not pass the other.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

from sparky.domain.orders import ExitKind, ExitLeg, ExitRequest, OrderRequest, Side
from sparky.domain.reasons import Reason
from sparky.domain.rules import InstrumentRules, common_step, exact_product, round_down_to_step

_ZERO: Final = Decimal(0)
# Beyond it no number of a trader is meant, and arithmetic is not exact any more.
_MOST_DIGITS: Final = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Misfit:
    """Why an order cannot be made to fit: a code, and a sentence that says what to do."""

    reason_code: Reason
    reason: str


@dataclass(frozen=True, slots=True)
class Sizes:
    """The step of sizes, the smallest one and, where there is one, the largest."""

    step: Decimal
    least: Decimal
    most: Decimal | None


class _Misfitted(Exception):  # noqa: N818 - never leaves this module
    def __init__(self, reason_code: Reason, reason: str) -> None:
        super().__init__(reason)
        self.misfit = Misfit(reason_code=reason_code, reason=reason)


def fit(order: OrderRequest, rules: InstrumentRules) -> OrderRequest | Misfit:
    """Return the order as the venue takes it.

    The minimum value of an order is checked where a price is known, and not for reduce-only orders: what is
    open must always be closable.
    """
    try:
        return _fitted(order, rules)
    except _Misfitted as misfitted:
        return misfitted.misfit


def fit_exits(request: ExitRequest, rules: InstrumentRules) -> ExitRequest | Misfit:
    """Return the exits as the venue takes them, each of them on the same quantity."""
    try:
        _check_market(rules, opens=False)
        quantity = _sized(request.quantity, rules, sizes_of_exits(rules))
        exits = _fitted_exits(request.exits, request.side.closed_by, request.reference_price, rules)
    except _Misfitted as misfitted:
        return misfitted.misfit
    return replace(request, quantity=quantity, exits=exits)


def _fitted(order: OrderRequest, rules: InstrumentRules) -> OrderRequest:
    _check_market(rules, opens=not order.reduce_only)
    _check_prices_given(order)
    quantity = _sized(order.quantity, rules, _sizes_of(order, rules))
    fitted = replace(
        order,
        quantity=quantity,
        limit_price=_limit(order, rules),
        stop_price=_priced("stop", order.stop_price, order.side, rules),
        exits=_fitted_exits(
            order.exits, order.side.opposite, order.limit_price or order.reference_price, rules
        ),
    )
    _check_value(fitted, rules)
    return fitted


def _check_market(rules: InstrumentRules, *, opens: bool) -> None:
    if not rules.tradable:
        raise _Misfitted(
            Reason.MARKET_CLOSED,
            f"{rules.symbol} is not traded at the venue now: try again when its market is open.",
        )
    if rules.closing_only and opens:
        raise _Misfitted(
            Reason.MARKET_CLOSED,
            f"The venue takes only closing orders for {rules.symbol}: open your position in another symbol.",
        )


def _check_prices_given(order: OrderRequest) -> None:
    missing = [
        name
        for name, needed, price in (
            ("limit price", order.order_type.has_limit_price, order.limit_price),
            ("stop price", order.order_type.has_stop_price, order.stop_price),
        )
        if needed and price is None
    ]
    if missing:
        kind = order.order_type.value.replace("_", "-")
        raise _Misfitted(Reason.MISSING_FIELD, f"A {kind} order needs a {' and a '.join(missing)}: add it.")


def _sizes_of(order: OrderRequest, rules: InstrumentRules) -> Sizes:
    # A stop becomes a market order when it fires.
    if order.order_type.has_limit_price:
        return Sizes(rules.quantity_step, rules.min_quantity, rules.max_quantity)
    least = rules.min_quantity if rules.min_market_quantity is None else rules.min_market_quantity
    most = rules.max_quantity if rules.max_market_quantity is None else rules.max_market_quantity
    return Sizes(rules.market_quantity_step or rules.quantity_step, least, most)


def sizes_of_exits(rules: InstrumentRules) -> Sizes:
    """Return what the size of an exit has to keep to."""
    # Take-profits are limit orders at some venues and market orders at others: both have to take the size.
    most = [each for each in (rules.max_quantity, rules.max_market_quantity) if each is not None]
    return Sizes(
        common_step(rules.quantity_step, rules.market_quantity_step or rules.quantity_step),
        max(rules.min_quantity, rules.min_market_quantity or _ZERO),
        min(most) if most else None,
    )


def _sized(asked: Decimal, rules: InstrumentRules, sizes: Sizes) -> Decimal:
    if not _is_plain(asked):
        raise _Misfitted(Reason.INVALID_VALUE, f"{asked!s:.40} is no quantity: send a number above zero.")
    quantity = round_down_to_step(asked, sizes.step)
    if quantity <= 0 or quantity < sizes.least:
        least = max(sizes.least, sizes.step)
        raise _Misfitted(
            Reason.BELOW_MINIMUM,
            f"A size of {_shown(asked)} {rules.symbol} comes to {_shown(quantity)} in steps of "
            f"{_shown(sizes.step)}, and the smallest order is {_shown(least)}: raise the size.",
        )
    if sizes.most is not None and quantity > sizes.most:
        raise _Misfitted(
            Reason.ABOVE_MAXIMUM,
            f"A size of {_shown(quantity)} {rules.symbol} is above the largest order of "
            f"{_shown(sizes.most)}: lower the size, or send it in parts.",
        )
    return quantity


def _limit(order: OrderRequest, rules: InstrumentRules) -> Decimal | None:
    if order.legs and order.limit_price == 0:
        return order.limit_price
    return _priced("limit", order.limit_price, order.side, rules, may_be_zero=bool(order.legs))


def _priced(
    name: str, asked: Decimal | None, side: Side, rules: InstrumentRules, *, may_be_zero: bool = False
) -> Decimal | None:
    if asked is None:
        return None
    if not _is_plain(asked):
        raise _Misfitted(Reason.INVALID_PRICE, f"{asked!s:.40} is no {name} price: send a number above zero.")
    price = rules.price_down(asked) if side is Side.BUY else rules.price_up(asked)
    if price == 0 and may_be_zero:
        return price
    least = max(rules.tick_at(_ZERO), rules.min_price or _ZERO)
    if price <= 0 or (rules.min_price is not None and price < rules.min_price):
        raise _Misfitted(
            Reason.INVALID_PRICE,
            f"The {name} price {_shown(asked)} of {rules.symbol} is below the lowest that the venue takes, "
            f"{_shown(least)}: raise it.",
        )
    if rules.max_price is not None and price > rules.max_price:
        raise _Misfitted(
            Reason.INVALID_PRICE,
            f"The {name} price {_shown(asked)} of {rules.symbol} is above the highest that the venue takes, "
            f"{_shown(rules.max_price)}: lower it.",
        )
    return price


def _fitted_exits(
    exits: Iterable[ExitLeg], side: Side, near: Decimal | None, rules: InstrumentRules
) -> tuple[ExitLeg, ...]:
    return tuple(_fitted_exit(each, side, near, rules) for each in exits)


def _fitted_exit(leg: ExitLeg, side: Side, near: Decimal | None, rules: InstrumentRules) -> ExitLeg:
    if leg.kind is not ExitKind.TRAILING_STOP:
        return replace(leg, price=_priced(leg.kind.value.replace("_", "-"), leg.price, side, rules))
    distance = leg.trail_distance
    if distance is None:
        return leg
    if not _is_plain(distance):
        raise _Misfitted(Reason.INVALID_PRICE, f"{distance!s:.40} is no distance: send a number above zero.")
    tick = rules.price_tick if near is None or not _is_plain(near) else rules.tick_at(near)
    # Closer protects more, and a stop at no distance at all would fire at once.
    return replace(leg, trail_distance=max(round_down_to_step(distance, tick), tick))


def _check_value(order: OrderRequest, rules: InstrumentRules) -> None:
    price = _known_price(order)
    if order.reduce_only or order.legs or price is None or not _is_plain(price):
        return
    value = exact_product(exact_product(order.quantity, price), rules.multiplier)
    if value < rules.min_notional:
        raise _Misfitted(
            Reason.BELOW_MINIMUM,
            f"An order of {_shown(order.quantity)} {rules.symbol} is worth {_shown(value)} at price "
            f"{_shown(price)}, and the smallest order is worth {_shown(rules.min_notional)}: raise the size.",
        )


def _known_price(order: OrderRequest) -> Decimal | None:
    return order.limit_price or order.stop_price or order.reference_price


def _is_plain(value: Decimal) -> bool:
    return value.is_finite() and value > 0 and value.adjusted() < _MOST_DIGITS


def _shown(value: Decimal) -> str:
    exponent = value.as_tuple().exponent
    return f"{value:f}" if isinstance(exponent, int) and exponent > -_MOST_DIGITS else f"{value:.6g}"
