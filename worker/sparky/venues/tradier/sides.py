"""Which of Tradier's sides an order has: it depends on what is held, and no order may cross zero.

Tradier has no reduce-only orders. A closing order is sized from the position right before it is sent; a plain
one that meets a position of the other side closes a part of it, and is refused when it is larger than that
(the order service's checks LongPositionCrossZero and ShortPositionCrossZero).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from sparky.domain.answers import Refused
from sparky.domain.orders import OrderRequest, Side
from sparky.domain.reasons import Reason
from sparky.venues.tradier.symbols import is_option

_SHARES: Final[Mapping[tuple[Side, bool], str]] = {
    (Side.BUY, False): "buy",
    (Side.SELL, True): "sell",
    (Side.SELL, False): "sell_short",
    (Side.BUY, True): "buy_to_cover",
}
_OPTIONS: Final[Mapping[tuple[Side, bool], str]] = {
    (Side.BUY, False): "buy_to_open",
    (Side.SELL, True): "sell_to_close",
    (Side.SELL, False): "sell_to_open",
    (Side.BUY, True): "buy_to_close",
}


def side_word(symbol: str, side: Side, *, closes: bool) -> str:
    """Return Tradier's word for a side."""
    return (_OPTIONS if is_option(symbol) else _SHARES)[side, closes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """An order's side in Tradier's words, and what it may be sized at most; None is no limit."""

    word: str
    closes: bool
    at_most: Decimal | None = None


def draw(order: OrderRequest, held: Decimal, *, can_short: bool) -> Drawn | Refused:
    """Derive the side from the signed quantity that is held now."""
    closable = max(held if order.side is Side.SELL else -held, Decimal(0))
    if order.reduce_only:
        if not closable:
            return nothing_to_close(order.symbol, order.side)
        return Drawn(word=side_word(order.symbol, order.side, closes=True), closes=True, at_most=closable)
    if closable:
        if order.quantity > closable:
            return _crosses_zero(order, closable)
        return Drawn(word=side_word(order.symbol, order.side, closes=True), closes=True)
    if order.side is Side.SELL and not can_short:
        return Refused(
            Reason.SHORT_NOT_ALLOWED,
            f"Selling {order.symbol} short needs a margin account at Tradier, and this is a cash "
            "account: trade "
            "long only, or use a margin account.",
        )
    return Drawn(word=side_word(order.symbol, order.side, closes=False), closes=False)


def nothing_to_close(symbol: str, side: Side) -> Refused:
    """Return the refusal of a close where nothing of that direction is open."""
    direction = "long" if side is Side.SELL else "short"
    return Refused(
        Reason.NO_POSITION,
        f"No {direction} position in {symbol} is open at Tradier, so nothing was sent: there is "
        "nothing to close.",
    )


def _crosses_zero(order: OrderRequest, closable: Decimal) -> Refused:
    verb, direction = ("sell", "long") if order.side is Side.SELL else ("buy", "short")
    return Refused(
        Reason.NOT_SUPPORTED,
        f"Tradier does not take an order through zero: {closable:f} {order.symbol} are held "
        f"{direction}, and the "
        f"order would {verb} {order.quantity:f}. Close the position first, then open the other side.",
        "LongPositionCrossZero" if order.side is Side.SELL else "ShortPositionCrossZero",
    )
