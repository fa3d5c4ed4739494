"""Commissions, from the account's history: the only place where Tradier tells them, and only in production.

History is written over night and names no orders. So a commission is taken for an order's own only where the
day's trades in the symbol and direction add up to exactly what this one order executed; otherwise it stays
untold.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from sparky.domain.answers import AccountFill, Fill
from sparky.domain.orders import Side
from sparky.venues.tradier import wire
from sparky.venues.tradier.symbols import from_venue

_NEW_YORK: Final = timedelta(hours=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Charged:
    """A trade of the history: what of it was bought (above zero) or sold, and what it cost."""

    symbol: str
    day: date
    quantity: Decimal
    commission: Decimal


def read_charges(answer: Any) -> tuple[Charged, ...]:
    """Read the trades of a history."""
    return tuple(
        _charged(event)
        for event in wire.one_or_many(answer, "history", "event")
        if isinstance(event.get("trade"), Mapping)
    )


def _charged(event: Mapping[str, Any]) -> Charged:
    trade = wire.mapping(event, "trade")
    return Charged(
        symbol=from_venue(wire.text(trade, "symbol")),
        day=wire.moment(event, "date").date(),
        quantity=wire.number(trade, "quantity"),
        commission=abs(wire.number(trade, "commission")),
    )


def trading_day(moment: datetime) -> date:
    """Return the day in New York; trading hours are far from where winter and summer time differ in it."""
    return (moment - _NEW_YORK).date()


def with_fees(fills: Sequence[AccountFill], charges: Sequence[Charged]) -> tuple[AccountFill, ...]:
    """Return executions with the commissions that are certainly theirs."""
    return tuple(replace(one, fill=_with_fee(one, fills, charges)) for one in fills)


def _with_fee(one: AccountFill, fills: Sequence[AccountFill], charges: Sequence[Charged]) -> Fill:
    day = trading_day(one.fill.filled_at)
    rivals = [
        other
        for other in fills
        if (other.symbol, other.side) == (one.symbol, one.side) and trading_day(other.fill.filled_at) == day
    ]
    trades = [
        charge
        for charge in charges
        if (charge.symbol, charge.day) == (one.symbol, day)
        and (charge.quantity > 0) == (one.side is Side.BUY)
    ]
    traded = sum((abs(charge.quantity) for charge in trades), Decimal(0))
    if len(rivals) != 1 or traded != one.fill.quantity:
        return one.fill
    return replace(one.fill, fee=sum((charge.commission for charge in trades), Decimal(0)))
