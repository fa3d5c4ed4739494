"""What the sweeps let a worker do at each venue, and what must have come of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from sparky.domain.orders import PositionSide


@dataclass(frozen=True, slots=True, kw_only=True)
class SweptPlan:
    """One alert. `orders` is how many of ours the venue must have executed for it, exits not counted.

    `passages` is about how many its way has at a venue; where it has fewer, the worker is stopped at the end.
    """

    name: str
    alert: Mapping[str, str] = field(default_factory=dict)
    sized: bool = False
    leaves: PositionSide | None
    orders: int
    passages: int
    exits: int = 0
    bracketed: bool = False


MARKET: Final = SweptPlan(
    name="market", alert={"action": "buy"}, sized=True, leaves=PositionSide.LONG, orders=1, passages=8
)
REVERSE: Final = SweptPlan(
    name="reverse", alert={"action": "sell"}, sized=True, leaves=PositionSide.SHORT, orders=2, passages=18
)
CLOSE: Final = SweptPlan(name="close", alert={"action": "close"}, leaves=None, orders=1, passages=10)
BRACKET: Final = SweptPlan(
    name="bracket",
    alert={"action": "buy", "stop_loss_percent": "5", "take_profit_percent": "10"},
    sized=True,
    leaves=PositionSide.LONG,
    orders=1,
    passages=16,
    exits=2,
    bracketed=True,
)
CLOSE_BRACKET: Final = SweptPlan(
    name="close of a bracket", alert={"action": "close"}, leaves=None, orders=1, passages=12, bracketed=True
)

ROUND: Final = (MARKET, REVERSE, CLOSE, BRACKET, CLOSE_BRACKET)
"""In this order each one finds the position that it needs, and the last leaves none."""
