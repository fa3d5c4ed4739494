"""The options of a spread: as the alert writes them, and what can be said of them without the venue."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final

from sparky.domain.alert import OptionLeg
from sparky.domain.answers import VenuePosition
from sparky.domain.capabilities import Capabilities
from sparky.domain.contracts import is_on
from sparky.domain.options import OptionSymbol, Right, parse_option
from sparky.domain.orders import PositionSide, Side, SpreadLeg
from sparky.domain.plan import Rejection
from sparky.domain.reasons import Reason
from sparky.domain.rules import exact_difference, exact_product
from sparky.domain.work_order import WorkOrder

_LEAST_LEGS: Final = 2
_ZERO: Final = Decimal(0)
_SIGNS: Final = {Side.BUY: 1, Side.SELL: -1}


@dataclass(frozen=True, slots=True)
class Held:
    """How many whole spreads the account shows: with the sides that the alert writes, and with all turned."""

    written: int = 0
    turned: int = 0


def spread_legs(
    order: WorkOrder, capabilities: Capabilities, today: date
) -> tuple[SpreadLeg, ...] | Rejection:
    """Return the options of an alert with `legs` by their symbols; a rejection where they are no spread.

    `today` is the day in New York.
    """
    problem = _unfit(order, capabilities) or _expired(order.alert.legs, today)
    if problem is not None:
        return problem
    legs = []
    for one in order.alert.legs:
        symbol = _symbol(order.symbol, one)
        if symbol is None:
            return Rejection(
                Reason.INVALID_VALUE,
                f"There is no option on {order.symbol} with strike {one.strike:f}: a strike is below 100000 "
                f"and has at most three decimals.",
            )
        legs.append(SpreadLeg(symbol=symbol, side=one.action, ratio=one.ratio))
    if len({leg.symbol for leg in legs}) < len(legs):
        return Rejection(
            Reason.INVALID_VALUE,
            "The legs name the same option twice: put its contracts into the ratio of one leg.",
        )
    return tuple(legs)


def held_spreads(underlying: str, legs: Sequence[OptionLeg], positions: Iterable[VenuePosition]) -> Held:
    """Count the whole spreads that the positions show."""
    open_now = _signed(underlying, positions)
    written: list[int] = []
    reverse: list[int] = []
    for leg in legs:
        each = int(open_now.get((leg.right, leg.strike, leg.expiration), _ZERO)) * _SIGNS[leg.action]
        written.append(max(each, 0) // leg.ratio)
        reverse.append(max(-each, 0) // leg.ratio)
    return Held(written=min(written), turned=min(reverse))


def _signed(
    underlying: str, positions: Iterable[VenuePosition]
) -> Mapping[tuple[Right, Decimal, date], Decimal]:
    found: dict[tuple[Right, Decimal, date], Decimal] = {}
    for position in positions:
        option = parse_option(position.symbol)
        if option is None or not is_on(option, underlying):
            continue
        key = (option.right, option.strike, option.expiration)
        size = position.quantity if position.side is PositionSide.LONG else -position.quantity
        found[key] = found.get(key, _ZERO) + size
    return found


def _symbol(underlying: str, leg: OptionLeg) -> str | None:
    try:
        return OptionSymbol(
            root=underlying.replace(".", ""), expiration=leg.expiration, right=leg.right, strike=leg.strike
        ).compact
    except ValueError:
        return None


def _unfit(order: WorkOrder, capabilities: Capabilities) -> Rejection | None:
    count, most = len(order.alert.legs), capabilities.option_legs
    if most == 0:
        return Rejection(
            Reason.NOT_SUPPORTED,
            f"{order.exchange} has no option spreads, and the alert has legs: use an account at Tradier or "
            f"tastytrade.",
        )
    if count > most:
        return Rejection(
            Reason.NOT_SUPPORTED,
            f"{order.exchange} takes spreads of at most {most} legs, and the alert has {count}: send fewer.",
        )
    if count < _LEAST_LEGS:
        return Rejection(
            Reason.INVALID_VALUE,
            "A spread has at least two legs: send a single option by right, strike and expiration.",
        )
    return None


def _expired(legs: Sequence[OptionLeg], today: date) -> Rejection | None:
    for leg in legs:
        if leg.expiration < today:
            return Rejection(
                Reason.INVALID_VALUE,
                f"The {leg.right} at {leg.strike:f} expired on {leg.expiration}: send legs that have not.",
            )
    return None


def is_credit(legs: Sequence[OptionLeg]) -> bool:
    """Tell whether the legs as written can never be worth anything to who holds them.

    Nobody pays for that: such a spread is opened for a credit. The value at expiration is linear between
    strikes, so that the strikes, zero and the slope beyond the last one tell all of it. Legs of different
    days are taken to cost something.
    """
    if len({leg.expiration for leg in legs}) > 1:
        return False
    slope = sum(_SIGNS[leg.action] * leg.ratio for leg in legs if leg.right is Right.CALL)
    prices = [_ZERO, *(leg.strike for leg in legs)]
    values = [_value(legs, price) for price in prices]
    worth_nothing = slope == 0 and not any(values)
    return slope <= 0 and max(values) <= 0 and not worth_nothing


def _value(legs: Sequence[OptionLeg], price: Decimal) -> Decimal:
    total = _ZERO
    for leg in legs:
        inside = exact_difference(price, leg.strike)
        payoff = max(inside if leg.right is Right.CALL else -inside, _ZERO)
        total += exact_product(payoff, Decimal(_SIGNS[leg.action] * leg.ratio))
    return total
