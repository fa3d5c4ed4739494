"""How much: from what the alert says to a quantity that the venue takes."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from sparky.domain.alert import AlertTerms
from sparky.domain.answers import VenuePosition
from sparky.domain.plan import Rejection
from sparky.domain.reasons import Reason
from sparky.domain.rules import InstrumentRules, exact_difference, exact_product

_WHOLE: Final = Decimal(100)


@dataclass(frozen=True, slots=True)
class Sized:
    """A quantity above zero, with notes for the trader where it is not what was asked for."""

    quantity: Decimal
    notes: tuple[str, ...] = ()


def size_of_entry(alert: AlertTerms, rules: InstrumentRules) -> Sized | Rejection:
    """Size an opening leg: the asked quantity, or that of the asked value, rounded down to the step."""
    conflict = _size_conflict(alert)
    if conflict is not None:
        return conflict
    asked = _asked_quantity(alert, rules)
    if asked is None:
        return Rejection(
            Reason.NO_SIZE,
            "The alert does not say how much: add quantity or position_size_usd, or set a default size.",
        )
    if isinstance(asked, Rejection):
        return asked
    return _above_minimum(asked, alert, rules) or Sized(asked)


def size_of_exit(alert: AlertTerms, rules: InstrumentRules, position: VenuePosition) -> Sized | Rejection:
    """Size a closing leg, never above the position. Without any size the whole position is closed.

    A part is rounded down to the step, then raised to the smallest order of the venue; where what would
    remain could not be closed by itself, the whole position is closed. The minimum value of an order
    does not count: what is open must always be closable.
    """
    conflict = _size_conflict(alert)
    if conflict is not None:
        return conflict
    if alert.close_percent is not None:
        if alert.close_percent >= _WHOLE:
            return Sized(position.quantity)
        asked: Decimal | Rejection | None
        asked = rules.quantity_of_percent(position.quantity, alert.close_percent)
    else:
        asked = _asked_quantity(alert, rules)
    if asked is None:
        return Sized(position.quantity)
    if isinstance(asked, Rejection):
        return asked
    return _closable_part(asked, rules, position)


def _closable_part(asked: Decimal, rules: InstrumentRules, position: VenuePosition) -> Sized:
    part = max(asked, rules.smallest_quantity)
    if part >= position.quantity:
        note = f"The whole position of {position.quantity:f} is closed."
        return Sized(position.quantity, () if asked == position.quantity else (note,))
    rest = exact_difference(position.quantity, part)
    if rest < rules.smallest_quantity:
        note = (
            f"The whole position of {position.quantity:f} is closed, because the remaining {rest:f} would be "
            f"below the smallest order of {rules.smallest_quantity:f}."
        )
        return Sized(position.quantity, (note,))
    if part > asked:
        return Sized(part, (f"{part:f} is closed, the smallest order of {rules.symbol}.",))
    return Sized(part)


def _size_conflict(alert: AlertTerms) -> Rejection | None:
    sizes = {
        "quantity": alert.quantity,
        "position_size_usd": alert.position_size_usd,
        "close_percent": alert.close_percent,
    }
    given = [f"{name} {value:f}" for name, value in sizes.items() if value is not None]
    if len(given) <= 1:
        return None
    return Rejection(
        Reason.SIZE_CONFLICT,
        f"The alert says how much in more than one way ({', '.join(given)}): keep one of them.",
    )


def _asked_quantity(alert: AlertTerms, rules: InstrumentRules) -> Decimal | Rejection | None:
    if alert.quantity is not None:
        return rules.quantity_down(alert.quantity)
    if alert.position_size_usd is None:
        return None
    if alert.price is None:
        return Rejection(
            Reason.MISSING_FIELD,
            f"position_size_usd {alert.position_size_usd:f} needs the field price to become a quantity: "
            f'add "price": "{{{{close}}}}" to the alert, or send quantity instead.',
        )
    return rules.quantity_for(alert.position_size_usd, alert.price)


def _above_minimum(quantity: Decimal, alert: AlertTerms, rules: InstrumentRules) -> Rejection | None:
    size = (
        f"quantity {alert.quantity:f}"
        if alert.quantity is not None
        else f"position_size_usd {alert.position_size_usd:f}"
    )
    if quantity < rules.smallest_quantity:
        return Rejection(
            Reason.BELOW_MINIMUM,
            f"{size} comes to {quantity:f} {rules.symbol} in steps of {rules.quantity_step:f}, and the "
            f"smallest order is {rules.smallest_quantity:f}: raise the size.",
        )
    # Without a price the value is unknown here, and the venue decides.
    if alert.price is not None and exact_product(quantity, alert.price) < rules.min_notional:
        value = exact_product(quantity, alert.price)
        return Rejection(
            Reason.BELOW_MINIMUM,
            f"{size} comes to {quantity:f} {rules.symbol} worth {value:f} at price {alert.price:f}, and the "
            f"smallest order is worth {rules.min_notional:f}: raise the size.",
        )
    return None
