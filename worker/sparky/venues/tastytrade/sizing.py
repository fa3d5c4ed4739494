"""How much of a closing order the position bears: tastytrade's closes are sized, not promised to reduce."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from decimal import Decimal

from sparky.domain.answers import Refused, VenuePosition
from sparky.domain.orders import OrderRequest, PositionSide, Side, SpreadLeg
from sparky.domain.reasons import Reason
from sparky.domain.rules import round_down_to_step


def sized(order: OrderRequest, positions: Sequence[VenuePosition]) -> OrderRequest | Refused:
    """Return a closing order that is no larger than what is open; refused when nothing is."""
    closing = _closing_legs(order)
    if not closing:
        return order
    units = min(
        round_down_to_step(held(positions, leg.symbol, leg.side) / leg.ratio, Decimal(1))
        if order.legs
        else held(positions, leg.symbol, leg.side)
        for leg in closing
    )
    if units <= 0:
        return nothing_open(leg.symbol for leg in closing)
    return replace(order, quantity=min(order.quantity, units))


def held(positions: Sequence[VenuePosition], symbol: str, closed_by: Side) -> Decimal:
    """Return how much is open of what an order of that side closes."""
    side = PositionSide.LONG if closed_by is Side.SELL else PositionSide.SHORT
    found = (one.quantity for one in positions if one.symbol == symbol and one.side is side)
    return sum(found, Decimal(0))


def closes(order: OrderRequest) -> bool:
    """Tell whether an order, or a leg of it, closes something."""
    return bool(_closing_legs(order))


def nothing_open(symbols: Iterable[str]) -> Refused:
    """Return the refusal of a close of what is not open."""
    named = ", ".join(sorted(set(symbols)))
    return Refused(
        Reason.NO_POSITION,
        f"Tastytrade shows no position in {named} that this order would close. Nothing was sent.",
    )


def _closing_legs(order: OrderRequest) -> list[SpreadLeg]:
    if not order.legs:
        single = SpreadLeg(symbol=order.symbol, side=order.side, ratio=1)
        return [single] if order.reduce_only else []
    return [leg for leg in order.legs if leg.closes or order.reduce_only]
