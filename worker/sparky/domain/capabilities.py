"""What a venue can do, as far as planning has to know."""

from collections.abc import Mapping
from dataclasses import dataclass

from sparky.domain.orders import ExitKind, OrderType, TimeInForce


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a venue can do. What it cannot is refused in words, never approximated.

    `attached_exits` maps the types of an entry that can carry exits to the kinds of exits it can carry;
    `separate_exits` are the kinds that can be placed for an open position. `cancels_siblings`: when one exit
    of a position fires, the venue takes the others away itself. `reduces_natively`: the venue itself keeps a
    reduce-only order from opening; elsewhere it is sized from the position right before it is sent.
    `several_targets`: it takes take-profits for parts of a position beside a stop for all of it.
    `market_spreads`: option spreads need no net price.
    """

    order_types: frozenset[OrderType]
    times_in_force: frozenset[TimeInForce]
    attached_exits: Mapping[OrderType, frozenset[ExitKind]]
    separate_exits: frozenset[ExitKind]
    cancels_siblings: bool
    reduces_natively: bool
    can_short: bool = True
    sets_leverage: bool = False
    extended_hours: bool = False
    option_legs: int = 0
    market_spreads: bool = False
    several_targets: bool = False
    futures: bool = False
