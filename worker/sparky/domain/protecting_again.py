"""Exits that worked, as what is placed anew for the rest of a position."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from sparky.domain.answers import VenuePosition
from sparky.domain.case import Case
from sparky.domain.orders import ExitKind, PositionSide
from sparky.domain.plan import FIRST_EXIT_LEG, ExitTerms, Protection, Purpose
from sparky.domain.rules import exact_difference, share_in_percent
from sparky.domain.work_order import EarlierOrder

_WHOLE: Final = Decimal(100)


def protect_again(
    case: Case, position: VenuePosition, exits: Sequence[EarlierOrder], rest: Decimal
) -> Protection:
    """Return the exits to place for the `rest` of a position, like those that worked for all of it.

    A stop is for all that is left, so of several the tightest stays. Targets keep their shares where the
    venue takes several, else the nearest one is for all.
    """
    long = position.side is PositionSide.LONG
    kept = [
        *_tightest(exits, Purpose.STOP_LOSS, highest=long),
        *_tightest(exits, Purpose.TRAILING_STOP, highest=False),
    ]
    if case.snapshot.capabilities.several_targets:
        kept += [one for one in exits if one.purpose is Purpose.TAKE_PROFIT]
    else:
        kept += _tightest(exits, Purpose.TAKE_PROFIT, highest=not long)
    terms = tuple(
        _terms(case, number, one, position.quantity) for number, one in enumerate(kept, start=FIRST_EXIT_LEG)
    )
    return Protection(entry=0, side_closed_by=position.side.closed_by, exits=terms, quantity=rest)


def _tightest(exits: Sequence[EarlierOrder], purpose: Purpose, *, highest: bool) -> list[EarlierOrder]:
    of_kind = sorted((one for one in exits if one.purpose is purpose), key=_price)
    return of_kind[-1:] if highest else of_kind[:1]


def _price(one: EarlierOrder) -> Decimal:
    return one.limit_price or one.stop_price or one.trail_distance or one.trail_percent or Decimal(0)


def _terms(case: Case, number: int, one: EarlierOrder, held: Decimal) -> ExitTerms:
    is_target = one.purpose is Purpose.TAKE_PROFIT
    shared = is_target and case.snapshot.capabilities.several_targets
    waiting = exact_difference(one.quantity, one.filled_quantity)
    return ExitTerms(
        number=number,
        kind=ExitKind(one.purpose.value),
        price=one.limit_price if is_target else one.stop_price,
        trail_distance=one.trail_distance,
        trail_percent=one.trail_percent,
        quantity_percent=share_in_percent(waiting, held) if shared else _WHOLE,
    )
