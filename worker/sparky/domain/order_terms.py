"""How an order is sent: its type, prices and time in force, as far as the venue has them."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Final

from sparky.domain.capabilities import Capabilities
from sparky.domain.case import Case
from sparky.domain.hours import is_extended
from sparky.domain.orders import OrderType, TimeInForce
from sparky.domain.reasons import Reason

_NEAREST: Final = {
    OrderType.STOP_LIMIT: (OrderType.STOP, OrderType.LIMIT, OrderType.MARKET),
    OrderType.STOP: (OrderType.STOP_LIMIT, OrderType.LIMIT, OrderType.MARKET),
    OrderType.LIMIT: (OrderType.STOP_LIMIT, OrderType.MARKET),
    OrderType.MARKET: (OrderType.LIMIT,),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderTerms:
    """Type, prices and time in force of one order. `reference_price` is what the alert saw."""

    order_type: OrderType = OrderType.MARKET
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    time_in_force: TimeInForce | None = None
    extended_hours: bool = False
    reference_price: Decimal | None = None

    @property
    def price(self) -> Decimal | None:
        """The price that the order itself names."""
        return self.limit_price or self.stop_price


def terms_of(case: Case) -> OrderTerms:
    """Return how the alert wants its order sent.

    Raises:
        Declined: the venue has no such orders, or a price that the type needs is missing.
    """
    alert = case.alert
    _check_type(case)
    _check_time_in_force(case)
    _check_prices(case)
    limited = alert.order_type.has_limit_price
    return OrderTerms(
        order_type=alert.order_type,
        limit_price=alert.price if limited else None,
        stop_price=alert.stop_price if alert.order_type.has_stop_price else None,
        time_in_force=alert.time_in_force,
        extended_hours=_is_extended(case),
        reference_price=None if limited else alert.price,
    )


def at_market(case: Case) -> OrderTerms:
    """Return how an order leaves at the market, whatever the alert says of its own."""
    return OrderTerms(extended_hours=_is_extended(case), reference_price=case.alert.price)


def _is_extended(case: Case) -> bool:
    # Where there are no such hours, as at the paper venue, the order simply leaves.
    able = case.snapshot.capabilities.extended_hours
    return able and is_extended(case.order, case.kind, case.now)


def _check_type(case: Case) -> None:
    able: Capabilities = case.snapshot.capabilities
    asked = case.alert.order_type
    has = _listed(able.order_types)
    if asked not in able.order_types:
        nearest = next((each for each in _NEAREST[asked] if each in able.order_types), None)
        case.findings.refuse(
            "order_type",
            asked,
            has,
            Reason.NOT_SUPPORTED,
            f"The order_type {asked} is not one that {case.order.exchange} has; it has {has}"
            + (f", and the nearest is {nearest}." if nearest is not None else "."),
        )
    case.findings.passed("order_type", asked, has)


def _check_time_in_force(case: Case) -> None:
    able: Capabilities = case.snapshot.capabilities
    asked = case.alert.time_in_force
    if asked is None:
        return
    has = _listed(able.times_in_force) or "none"
    if asked not in able.times_in_force:
        case.findings.refuse(
            "time_in_force",
            asked,
            has,
            Reason.NOT_SUPPORTED,
            f"The time_in_force {asked} is not one that {case.order.exchange} has; it has {has}: send one of "
            f"them, or leave time_in_force out.",
        )
    case.findings.passed("time_in_force", asked, has)


def _check_prices(case: Case) -> None:
    alert = case.alert
    kind = alert.order_type
    for name, needed, price in (
        ("price", kind.has_limit_price, alert.price),
        ("stop_price", kind.has_stop_price, alert.stop_price),
    ):
        if needed and price is None:
            case.findings.refuse(
                name,
                "none",
                None,
                Reason.MISSING_FIELD,
                f"An order of the order_type {kind} needs the field {name}: add it to the alert.",
            )


def _listed(values: frozenset[StrEnum]) -> str:
    return ", ".join(sorted(values))
