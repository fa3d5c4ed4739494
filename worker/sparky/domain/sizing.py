"""How much an entry is: from what the alert or the settings say to a quantity that the venue takes."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, NoReturn

from sparky.domain.asked_size import AskedSize, SizeName, asked_size, refuse_several
from sparky.domain.asset_kind import AssetKind
from sparky.domain.case import Case
from sparky.domain.orders import ExitKind, Side
from sparky.domain.plan import ExitTerms
from sparky.domain.pricing import Price, refuse_without_price
from sparky.domain.reasons import Reason
from sparky.domain.rules import (
    InstrumentRules,
    exact_difference,
    exact_product,
    percent_of,
)

_ZERO: Final = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Basis:
    """What a size is reckoned by: the price of a unit, the exits that the entry brings, and the rules."""

    side: Side
    price: Price | None
    exits: Sequence[ExitTerms]
    rules: InstrumentRules


def size_of_entry(case: Case, basis: Basis, held: Decimal) -> Decimal:
    """Return what to open: the asked size rounded down to the step, cut to `max_position_size_usd`.

    `held` is what the position has already, with what is on its way.

    Raises:
        Declined: no size is given, or more than one, or it cannot be reckoned, or it is out of bounds.
    """
    asked, quantity = size_asked(case, basis)
    most = largest_position(case, basis)
    room = None if most is None else exact_difference(most, held)
    if room is None or quantity <= room:
        check_minimum(case, f"{asked}", quantity, basis)
        return quantity
    limit = f"{case.settings.max_position_size_usd:f}"
    if room <= 0 < held:
        case.findings.refuse(
            "max_position_size_usd",
            f"{held:f} {case.symbol} held",
            limit,
            Reason.ABOVE_MAXIMUM,
            f"The setting max_position_size_usd is {limit}, and {held:f} {case.symbol} are open or on their "
            f"way, which is all of it at {basis.price}: raise it (0 means no limit), or close a part first.",
        )
    cut = basis.rules.quantity_down(room)
    check_minimum(case, f"The setting max_position_size_usd {limit}", cut, basis)
    case.findings.passed("max_position_size_usd", f"{quantity:f} cut to {cut:f}", limit)
    case.findings.note(
        f"The size was cut from {quantity:f} to {cut:f} by the setting max_position_size_usd {limit}."
    )
    return cut


def size_asked(case: Case, basis: Basis) -> tuple[AskedSize, Decimal]:
    """Return the size that counts, and the quantity that it comes to, rounded down to the step.

    Raises:
        Declined: no size is given, or more than one, or it cannot be reckoned.
    """
    refuse_several(case.alert, case.findings)
    asked = asked_size(case.order)
    if asked is None:
        case.findings.refuse(
            "size",
            "none",
            None,
            Reason.NO_SIZE,
            "The alert does not say how much: add quantity or position_size_usd to it, or set a default "
            "with the setting position_size_percent.",
        )
    quantity, how = _reckoned(case, basis, asked)
    case.findings.passed(asked.name, f"{asked}{how} = {quantity:f} {case.symbol}")
    return asked, quantity


def largest_position(case: Case, basis: Basis) -> Decimal | None:
    """Return the quantity that `max_position_size_usd` allows; None where there is no limit.

    Raises:
        Declined: there is no price to hold it against.
    """
    limit = case.settings.max_position_size_usd
    if limit == 0:
        return None
    value = None if basis.price is None else basis.price.in_account(basis.price.amount)
    if value is None:
        refuse_without_price(case, "max_position_size_usd", f"{limit:f}")
    most = basis.rules.quantity_for(limit, value)
    case.findings.passed("max_position_size_usd", f"at most {most:f} at {basis.price}", f"{limit:f}")
    return most


def check_minimum(case: Case, what: str, quantity: Decimal, basis: Basis) -> None:
    """Let a quantity pass that the venue's smallest order is not above.

    Raises:
        Declined: it is too small, in steps or in value. Without a price the venue judges the value.
    """
    rules, price = basis.rules, basis.price
    if quantity < rules.smallest_quantity:
        case.findings.refuse(
            "min_quantity",
            f"{quantity:f}",
            f"{rules.smallest_quantity:f}",
            Reason.BELOW_MINIMUM,
            f"{what} comes to {quantity:f} {rules.symbol} in steps of {rules.quantity_step:f}, and the "
            f"smallest order is {rules.smallest_quantity:f}: raise the size.",
        )
    case.findings.passed("min_quantity", f"{quantity:f}", f"{rules.smallest_quantity:f}")
    if price is None:
        return
    value = exact_product(exact_product(quantity, price.amount), rules.multiplier)
    if value < rules.min_notional:
        case.findings.refuse(
            "min_notional",
            f"{value:f}",
            f"{rules.min_notional:f}",
            Reason.BELOW_MINIMUM,
            f"{what} comes to {quantity:f} {rules.symbol} worth {value:f} at price {price.amount:f}, and the "
            f"smallest order is worth {rules.min_notional:f}: raise the size.",
        )


def money_of(case: Case, asked: AskedSize) -> tuple[Decimal, str]:
    """Return what a size in money comes to in the account's currency, and how.

    Raises:
        Declined: it is a share of an account that has nothing.
        ValueError: the balance was not asked for.
    """
    if not asked.name.is_share:
        return asked.value, ""
    balance = case.snapshot.balance
    if balance is None:
        raise ValueError(f"{asked.name} needs the balance")
    buys_options = asked.name is SizeName.PERCENT and case.kind is AssetKind.OPTIONS
    word, whole = ("buying power", balance.available) if buys_options else ("equity", balance.equity)
    if whole <= 0:
        case.findings.refuse(
            asked.name,
            f"{whole:f}",
            None,
            Reason.INSUFFICIENT_FUNDS,
            f"{asked} is a part of the {word} of the account, which is {whole:f} {balance.currency}: pay "
            f"money in, or send a quantity.",
        )
    money = percent_of(whole, asked.value)
    return money, f" per cent of the {word} {whole:f} {balance.currency} = {money:f}"


def _reckoned(case: Case, basis: Basis, asked: AskedSize) -> tuple[Decimal, str]:
    if not asked.name.is_money:
        return basis.rules.quantity_down(asked.value), ""
    money, how = money_of(case, asked)
    if asked.name.is_risk:
        distance = stop_distance(case, basis, asked)
        per_unit, words = distance, f" at {distance:f} to the stop from {basis.price}"
    else:
        per_unit, words = price_for(case, basis, asked).amount, f" at {basis.price}"
    return basis.rules.quantity_for(money, worth(case, basis, per_unit, asked)), f"{how}{words}"


def price_for(case: Case, basis: Basis, asked: AskedSize) -> Price:
    """Return the price that turns a size in money into a quantity.

    Raises:
        Declined: there is none.
    """
    if basis.price is None:
        _refuse_without_price(case, asked)
    return basis.price


def _refuse_without_price(case: Case, asked: AskedSize) -> NoReturn:
    case.findings.refuse(
        asked.name,
        "no price",
        None,
        Reason.MISSING_FIELD,
        f"{asked} needs the field price to become a quantity, because {case.order.exchange} has no price of "
        f'{case.symbol} now: add "price": "{{{{close}}}}" to the alert, or send quantity instead.',
    )


def worth(case: Case, basis: Basis, per_unit: Decimal, asked: AskedSize) -> Decimal:
    """Return an amount per unit in the account's currency.

    Raises:
        Declined: the rate of the currencies is not known.
    """
    value = price_for(case, basis, asked).in_account(per_unit)
    if value is None:
        case.findings.refuse(
            asked.name,
            "no rate",
            None,
            Reason.NO_PRICE,
            f"{asked} cannot become a quantity, because {case.order.exchange} does not tell what a price of "
            f"{case.symbol} is worth in the money of the account now: send the alert again, or send "
            f"quantity instead.",
        )
    return value


def stop_distance(case: Case, basis: Basis, asked: AskedSize) -> Decimal:
    """Return how far the stop is from the price, in the price's currency.

    Raises:
        Declined: the entry brings no stop, or one that is not on the losing side.
    """
    price = price_for(case, basis, asked).amount
    distances = [_distance(terms, price, basis.side) for terms in basis.exits]
    # Of a stop and a trailing stop the wider one may be what is lost.
    distance = max((one for one in distances if one is not None), default=None)
    if distance is None:
        case.findings.refuse(
            asked.name,
            "no stop",
            None,
            Reason.MISSING_FIELD,
            f"{asked} needs a stop to reckon the size by: add stop_loss_percent, stop_loss_price or a "
            f"trailing stop to the alert.",
        )
    if distance <= 0:
        case.findings.refuse(
            asked.name,
            f"{distance:f}",
            None,
            Reason.INVALID_PRICE,
            f"{asked} needs a stop on the losing side, and the stop is not on that side of {basis.price}: "
            f"correct stop_loss_price.",
        )
    return distance


def _distance(terms: ExitTerms, price: Decimal, side: Side) -> Decimal | None:
    if terms.kind is ExitKind.TAKE_PROFIT:
        return None
    if terms.price is not None:
        away = exact_difference(price, terms.price)
        return away if side is Side.BUY else -away
    percent = terms.percent or terms.trail_percent
    return terms.trail_distance if percent is None else percent_of(price, percent)
