"""Exits of an open position: separate orders that only close.

Aster does not promise to cancel the others when one fires, so the caller does (`venues.survivors`).
"""

from dataclasses import replace
from decimal import ROUND_DOWN, Decimal
from typing import Final

from sparky.domain.answers import Refused
from sparky.domain.fitting import Misfit, fit_exits
from sparky.domain.orders import ExitKind, ExitLeg, ExitRequest
from sparky.domain.reasons import Reason
from sparky.domain.rules import InstrumentRules
from sparky.venues.aster.client import Write
from sparky.venues.aster.orders import exit_order, plain
from sparky.venues.aster.parse import OpenPosition
from sparky.venues.aster.rules import LEAST_TRAIL, MOST_TRAIL
from sparky.venues.refusals import misfit_refusal

# Aster gives the bounds and shows tenths; finer ones are not documented, so none are sent.
_TRAIL_STEP: Final = Decimal("0.1")
_HUNDRED: Final = Decimal(100)


def exit_write(
    leg: ExitLeg, request: ExitRequest, rules: InstrumentRules, open_now: OpenPosition, *, hedged: bool
) -> Write | Refused:
    """Return the request for one exit of a position, or why there is none.

    A stop or take-profit for the whole position closes whatever is open when it fires; for a part of it, and
    for a trailing stop, it has a quantity and only reduces.
    """
    held = open_now.position.quantity
    whole = request.quantity >= held and leg.kind is not ExitKind.TRAILING_STOP
    sized = replace(request, exits=(leg,), quantity=min(request.quantity, held))
    fitted = fit_exits(sized, _without_sizes(rules) if whole else rules)
    if isinstance(fitted, Misfit):
        return misfit_refusal(fitted)
    leg = fitted.exits[0]
    percent: Decimal | None = None
    if leg.kind is ExitKind.TRAILING_STOP:
        near = request.reference_price or open_now.mark_price or open_now.position.entry_price
        found = _trail_percent(leg, near)
        if isinstance(found, Refused):
            return found
        percent = found
    quantity = None if whole else fitted.quantity
    return exit_order(leg, request.symbol, request.side, quantity, percent, hedged=hedged)


def _without_sizes(rules: InstrumentRules) -> InstrumentRules:
    # What closes whatever is open has no size of its own, and protects a position of any.
    return replace(
        rules, min_quantity=Decimal(0), max_quantity=None, min_market_quantity=None, max_market_quantity=None
    )


def _trail_percent(leg: ExitLeg, near: Decimal) -> Decimal | Refused:
    asked = leg.trail_percent
    if asked is None and leg.trail_distance is not None and near > 0:
        asked = leg.trail_distance * _HUNDRED / near
    if asked is None:
        return Refused(
            Reason.NO_PRICE, 'Aster trails by per cent, and no price is known: send "price" in the alert.'
        )
    if not LEAST_TRAIL <= asked <= MOST_TRAIL:
        return Refused(
            Reason.INVALID_VALUE,
            f"Aster trails by {LEAST_TRAIL} to {MOST_TRAIL} per cent of the price, not by "
            f"{plain(round(asked, 4))}: send a trail within that.",
        )
    # Closer protects more.
    return asked.quantize(_TRAIL_STEP, rounding=ROUND_DOWN)
