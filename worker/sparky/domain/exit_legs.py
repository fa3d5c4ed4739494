"""One exit as an order: its price or trail on the tick.

Prices go to the tick towards the position's protection, as in `fitting`, but never so far that the exit would
leave its side of the entry's price.
"""

from decimal import Decimal
from typing import Final

from sparky.domain.identifiers import SignalId, client_order_id
from sparky.domain.orders import ExitKind, OrderType, Side
from sparky.domain.plan import ExitTerms, Leg, Purpose
from sparky.domain.rules import InstrumentRules, exact_difference, exact_product, round_down_to_step

_HUNDREDTH: Final = Decimal("0.01")
_ONE: Final = Decimal(1)


def exit_leg(
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
    """Return an exit as an order of `side`. `base` is the price that percents are of, where it is known."""
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
