"""The order that opens or adds to a position, with everything that is checked before it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal

from sparky.domain.asset_kind import AssetKind
from sparky.domain.case import Case
from sparky.domain.contracts import option_entry_limit
from sparky.domain.fitting import Misfit, fit
from sparky.domain.hours import closed_now, in_session
from sparky.domain.identifiers import client_order_id
from sparky.domain.leverage import leverage_of
from sparky.domain.limits import check_limits
from sparky.domain.options import parse_option
from sparky.domain.order_terms import OrderTerms, terms_of
from sparky.domain.orders import OrderType, PositionSide, Side
from sparky.domain.plan import ExitTerms, Leg, Plan, Purpose, Rejection
from sparky.domain.pricing import check_slippage, price_of
from sparky.domain.protection import exits_wanted, protect_entry
from sparky.domain.reasons import Reason
from sparky.domain.shorting import check_short
from sparky.domain.sizing import Basis, size_of_entry

SizeOf = Callable[[Basis], Decimal]
"""How much to open, once it is known by what it is reckoned."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """An entry that may be made, but for its size."""

    side: Side
    terms: OrderTerms
    leverage: int | None
    exits: tuple[ExitTerms, ...]
    basis: Basis


def plan_open(case: Case, side: Side, held: Decimal = Decimal(0), number: int = 1) -> Plan:
    """Return the plan that opens a position, or adds to the `held` quantity of one, as leg `number`.

    Raises:
        Declined: something does not allow it.
    """
    prepared = prepare_entry(case, side)
    return open_with(case, prepared, size_of_entry(case, prepared.basis, held), number)


def prepare_entry(case: Case, side: Side) -> Prepared:
    """Check everything about an entry but its size.

    Raises:
        Declined: something does not allow it.
        ValueError: the alert describes an option, and none was chosen.
    """
    check_opening(case)
    check_short(case, side)
    if case.alert.right is not None and parse_option(case.symbol) is None:
        raise ValueError(f"opening an option on {case.symbol} without a contract")
    terms = _on_tick(case, side, _option_terms(case, side, terms_of(case)))
    leverage = leverage_of(case)
    check_slippage(case, side, terms)
    exits = _exits(case, side)
    basis = Basis(
        side=side, price=price_of(case, side, terms), exits=exits, rules=case.rules_of(terms.order_type)
    )
    return Prepared(side=side, terms=terms, leverage=leverage, exits=exits, basis=basis)


def check_opening(case: Case) -> None:
    """Let a signal pass that opens: trading hours, weekends and the counted limits allow it.

    Raises:
        Declined: one of them does not.
    """
    moment = f"{case.now:%A %H:%M} UTC"
    hours = ", ".join(f"{one.preset} ({one.source})" for one in case.settings.hours) or "always"
    if not case.settings.allow_weekends:
        hours += ", not on weekends"
    closed = closed_now(case.order, case.kind, case.now)
    if closed is not None:
        case.findings.reject("trading_hours", moment, closed, hours)
    case.findings.passed("trading_hours", moment, hours)
    check_limits(case)


def open_with(case: Case, prepared: Prepared, quantity: Decimal, number: int = 1) -> Plan:
    """Return the plan of a prepared entry: its leg, made to fit the venue, and its exits.

    Raises:
        Declined: the venue's rules do not allow it.
    """
    terms = prepared.terms
    leg = Leg(
        number=number,
        client_order_id=client_order_id(case.order.signal_id, number),
        symbol=case.symbol,
        side=prepared.side,
        quantity=quantity,
        purpose=Purpose.OPEN,
        reduce_only=False,
        order_type=terms.order_type,
        limit_price=terms.limit_price,
        stop_price=terms.stop_price,
        time_in_force=terms.time_in_force,
        extended_hours=terms.extended_hours,
        reference_price=terms.reference_price,
        depends_on_previous=number > 1,
    )
    leg = _fitted(case, leg)
    protected = protect_entry(case.order, case.snapshot, leg, prepared.exits)
    case.findings.note(*protected.notes)
    return Plan(legs=(leg, *protected.legs), protection=protected.protection, leverage=prepared.leverage)


def _on_tick(case: Case, side: Side, terms: OrderTerms) -> OrderTerms:
    # As `fit` does; a size has to be reckoned by the price that is sent.
    if terms.price is None:
        return terms
    rules = case.snapshot.rules
    rounded = rules.price_down if side is Side.BUY else rules.price_up
    limit, stop = (
        None if price is None else rounded(price) or price for price in (terms.limit_price, terms.stop_price)
    )
    return replace(terms, limit_price=limit, stop_price=stop)


def _option_terms(case: Case, side: Side, terms: OrderTerms) -> OrderTerms:
    # The spread of an option is wide, and an order at the market pays all of it and more.
    if case.kind is not AssetKind.OPTIONS or terms.order_type is not OrderType.MARKET:
        return terms
    if not in_session(case.now):
        # As a limit order it would wait for the next session, with a price of this one.
        case.findings.refuse(
            "order_type",
            f"{case.now:%A %H:%M} UTC",
            "09:30 to 16:00 New York time",
            Reason.MARKET_CLOSED,
            f"Options trade from 09:30 to 16:00 New York time on days on which the exchange is open, so "
            f"{case.symbol} has no price to enter at now: send the alert again then, or a limit order with a "
            f"price.",
        )
    limit = option_entry_limit(case.order, case.snapshot, side)
    if isinstance(limit, Rejection):
        case.findings.reject("entry_limit_offset_percent", "no price", limit)
    offset = f"{case.settings.entry_limit_offset_percent:f}"
    near = "ask, raised" if side is Side.BUY else "bid, lowered"
    case.findings.passed("entry_limit_offset_percent", f"limit {limit:f}", offset)
    case.findings.note(
        f"Sent as a limit order at {limit:f}: the {near} by the setting entry_limit_offset_percent {offset}."
    )
    return replace(terms, order_type=OrderType.LIMIT, limit_price=limit)


def _exits(case: Case, side: Side) -> tuple[ExitTerms, ...]:
    position = PositionSide.LONG if side is Side.BUY else PositionSide.SHORT
    exits = exits_wanted(case.order, case.snapshot, position)
    if isinstance(exits, Rejection):
        case.findings.reject("exits", "not possible", exits)
    case.findings.passed("exits", ", ".join(one.kind for one in exits) or "none")
    return exits


def _fitted(case: Case, leg: Leg) -> Leg:
    fitted = fit(leg.request(), case.snapshot.rules)
    if isinstance(fitted, Misfit):
        case.findings.reject("venue_rules", f"{leg.quantity:f}", Rejection(fitted.reason_code, fitted.reason))
    return replace(
        leg, quantity=fitted.quantity, limit_price=fitted.limit_price, stop_price=fitted.stop_price
    )
