"""What an alert says about its order, as ingest has understood it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum, unique
from typing import Any, Final, TypeVar

from sparky.domain import fields
from sparky.domain.errors import WorkOrderError
from sparky.domain.options import Right
from sparky.domain.orders import OrderType, Side, TimeInForce


@unique
class Action(StrEnum):
    """What an alert asks for, after its aliases are resolved. `protect` is asked for by the service alone."""

    BUY = "buy"
    SELL = "sell"
    CLOSE = "close"
    CLOSE_LONG = "close_long"
    CLOSE_SHORT = "close_short"
    CANCEL = "cancel"
    CLOSE_ALL = "close_all"
    PROTECT = "protect"


@unique
class MarketPosition(StrEnum):
    """TradingView's state of a strategy."""

    LONG = "long"
    SHORT = "short"
    FLAT = "flat"


@unique
class ExitStrategy(StrEnum):
    """When an option is left."""

    FIXED_TP_SL = "fixed_tp_sl"
    TIME_1H = "time_1h"
    TIME_2H = "time_2h"
    EOD = "eod"


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeProfit:
    """One of several targets, by percent of the fill price or by price, for a share of what was filled."""

    percent: Decimal | None = None
    price: Decimal | None = None
    quantity_percent: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionLeg:
    """One option of a spread, as the alert names it."""

    action: Side
    right: Right
    strike: Decimal
    expiration: date
    ratio: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertTerms:
    """What the alert says about the order. `price` of a market order is a reference, not a limit.

    Percents are such that 1 is one per cent. `expiration` and `dte` (days to expiry) are never both set.
    """

    order_type: OrderType = OrderType.MARKET
    price: Decimal | None = None
    stop_price: Decimal | None = None
    time_in_force: TimeInForce | None = None
    quantity: Decimal | None = None
    position_size_usd: Decimal | None = None
    position_size_percent: Decimal | None = None
    risk_percent: Decimal | None = None
    risk_usd: Decimal | None = None
    leverage: int | None = None
    stop_loss_percent: Decimal | None = None
    take_profit_percent: Decimal | None = None
    stop_loss_price: Decimal | None = None
    take_profit_price: Decimal | None = None
    take_profits: tuple[TakeProfit, ...] = ()
    trailing_stop_percent: Decimal | None = None
    trailing_stop_pips: Decimal | None = None
    use_trailing_stop: bool = False
    close_percent: Decimal | None = None
    reduce_only: bool = False
    market_position: MarketPosition | None = None
    prev_market_position: MarketPosition | None = None
    market_position_size: Decimal | None = None
    right: Right | None = None
    strike: Decimal | None = None
    expiration: date | None = None
    dte: int | None = None
    exit_strategy: ExitStrategy | None = None
    legs: tuple[OptionLeg, ...] = ()
    dry_run: bool = False


E = TypeVar("E", bound=StrEnum)

_FIELDS: Final = frozenset(AlertTerms.__dataclass_fields__)
_HUNDRED: Final = Decimal(100)


def parse_alert_terms(source: Mapping[str, Any], path: str) -> AlertTerms:
    """Read what ingest wrote.

    A field that is not known here is an error, because the order would be executed without it.

    Raises:
        WorkOrderError: anything is of the wrong type or out of range, named by its path.
    """
    fields.refuse_unknown(source, _FIELDS, path)

    def number(name: str) -> Decimal | None:
        return fields.optional(fields.positive, source, name, path)

    def switch(name: str) -> bool:
        return fields.optional(fields.boolean, source, name, path) or False

    return AlertTerms(
        order_type=fields.choice(source, "order_type", path, OrderType),
        price=number("price"),
        stop_price=number("stop_price"),
        time_in_force=_choice(source, "time_in_force", path, TimeInForce),
        quantity=number("quantity"),
        position_size_usd=number("position_size_usd"),
        position_size_percent=_percent(source, "position_size_percent", path),
        risk_percent=_percent(source, "risk_percent", path),
        risk_usd=number("risk_usd"),
        leverage=fields.optional(fields.integer, source, "leverage", path),
        stop_loss_percent=number("stop_loss_percent"),
        take_profit_percent=number("take_profit_percent"),
        stop_loss_price=number("stop_loss_price"),
        take_profit_price=number("take_profit_price"),
        take_profits=_take_profits(source, path),
        trailing_stop_percent=_percent(source, "trailing_stop_percent", path),
        trailing_stop_pips=number("trailing_stop_pips"),
        use_trailing_stop=switch("use_trailing_stop"),
        close_percent=_percent(source, "close_percent", path),
        reduce_only=switch("reduce_only"),
        market_position=_choice(source, "market_position", path, MarketPosition),
        prev_market_position=_choice(source, "prev_market_position", path, MarketPosition),
        # Flat has the size 0.
        market_position_size=fields.optional(fields.not_negative, source, "market_position_size", path),
        right=_choice(source, "right", path, Right),
        strike=number("strike"),
        expiration=_day(source, "expiration", path),
        dte=fields.optional(fields.integer, source, "dte", path),
        exit_strategy=_choice(source, "exit_strategy", path, ExitStrategy),
        legs=_option_legs(source, path),
        dry_run=switch("dry_run"),
    )


def _choice(source: Mapping[str, Any], name: str, path: str, kind: type[E]) -> E | None:
    return None if source.get(name) is None else fields.choice(source, name, path, kind)


def _percent(source: Mapping[str, Any], name: str, path: str) -> Decimal | None:
    value = fields.optional(fields.positive, source, name, path)
    if value is not None and value > _HUNDRED:
        raise WorkOrderError(f"{path}.{name}", f"must be at most 100, not {value}")
    return value


def _day(source: Mapping[str, Any], name: str, path: str) -> date | None:
    return None if source.get(name) is None else fields.day(source, name, path)


def _take_profits(source: Mapping[str, Any], path: str) -> tuple[TakeProfit, ...]:
    if source.get("take_profits") is None:
        return ()
    found = []
    for index, item in enumerate(fields.items(source, "take_profits", path)):
        here = f"{path}.take_profits[{index}]"
        target = fields.mapping(item, here)
        found.append(
            TakeProfit(
                percent=fields.optional(fields.positive, target, "percent", here),
                price=fields.optional(fields.positive, target, "price", here),
                quantity_percent=fields.positive(target, "quantity_percent", here),
            )
        )
    return tuple(found)


def _option_legs(source: Mapping[str, Any], path: str) -> tuple[OptionLeg, ...]:
    if source.get("legs") is None:
        return ()
    found = []
    for index, item in enumerate(fields.items(source, "legs", path)):
        here = f"{path}.legs[{index}]"
        leg = fields.mapping(item, here)
        found.append(
            OptionLeg(
                action=fields.choice(leg, "action", here, Side),
                right=fields.choice(leg, "right", here, Right),
                strike=fields.positive(leg, "strike", here),
                expiration=fields.day(leg, "expiration", here),
                ratio=fields.integer(leg, "ratio", here, least=1),
            )
        )
    return tuple(found)
