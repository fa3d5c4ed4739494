"""A work order: a claimed signal with everything that is needed to execute it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum, unique
from typing import Any, Final

from sparky.domain import fields
from sparky.domain.errors import WorkOrderError
from sparky.domain.identifiers import AccountId, ClientOrderId, Lane, SignalId, UserId
from sparky.domain.orders import (
    OrderState,
    OrderType,
    PositionSide,
    Side,
)
from sparky.domain.plan import Plan, executed_type, plan_from_json


@unique
class Action(StrEnum):
    """What an alert asks for, after its aliases are resolved."""

    BUY = "buy"
    SELL = "sell"
    CLOSE = "close"
    CLOSE_LONG = "close_long"
    CLOSE_SHORT = "close_short"


@unique
class OnOpposite(StrEnum):
    """What an entry does when a position of the other side is open."""

    REVERSE = "reverse"
    CLOSE = "close"
    REJECT = "reject"


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to execute one signal: valid while nobody holds a higher fence."""

    signal_id: SignalId
    fence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """The trader's login. Its keys are asked for apart, where they are used.

    `account_number` is the venue's own, as the trader gave it or a validation found it. `is_proved`: the
    venue has accepted these keys at their last validation.
    """

    id: AccountId
    exchange: str
    environment: str
    key_version: int
    account_number: str | None = None
    is_proved: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertTerms:
    """What the alert says about the order. `price` of a market order is a reference, not a limit."""

    order_type: OrderType = OrderType.MARKET
    quantity: Decimal | None = None
    position_size_usd: Decimal | None = None
    price: Decimal | None = None
    close_percent: Decimal | None = None
    reduce_only: bool = False
    dry_run: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What counts for this signal: the trader's settings, already narrowed, and the operator's switch.

    Ages are in seconds; 0 means no limit.
    """

    trading_halted: bool
    halt_reason: str | None
    enabled: bool
    max_signal_age_sec: int
    max_exit_age_sec: int
    on_opposite: OnOpposite
    pyramiding: bool
    allow_short: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """The open position in our books."""

    side: PositionSide
    quantity: Decimal
    entry_price: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlierOrder:
    """An order that an earlier claim of this signal wrote down, sent or not.

    `begun_at` is when it was written down first, before its first byte; `submitted_at` when it was last.
    """

    leg: int
    client_order_id: ClientOrderId
    state: OrderState
    side: Side
    order_type: OrderType
    quantity: Decimal
    reduce_only: bool
    reference_price: Decimal | None
    venue_order_id: str | None
    bookmark: str | None
    begun_at: datetime
    submitted_at: datetime
    filled_quantity: Decimal
    average_price: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkOrder:
    """A claimed signal. `plan` and `orders` are there when an earlier claim has begun it."""

    signal_id: SignalId
    user_id: UserId
    fence: int
    attempt: int
    lane: Lane
    now: datetime
    lease_until: datetime
    received_at: datetime
    alert_at: datetime | None
    exchange: str
    environment: str
    symbol: str
    action: Action
    is_exit: bool
    alert: AlertTerms
    settings: Settings
    account: Account
    position: Position | None
    plan: Plan | None
    orders: tuple[EarlierOrder, ...]

    @property
    def claim(self) -> Claim:
        return Claim(self.signal_id, self.fence)


def parse_claim(value: Any) -> Claim:
    """Read only who the work order is for, so that one that cannot be read can be finished as failed.

    Raises:
        WorkOrderError: not even that is there.
    """
    source = fields.mapping(value, _ROOT)
    return Claim(
        signal_id=SignalId(fields.identifier(source, "signal_id", _ROOT)),
        fence=fields.integer(source, "fence", _ROOT, least=1),
    )


def parse_work_order(value: Any) -> WorkOrder:
    """Read a work order as the database writes it.

    A field of `alert` or `settings` that is not known here is an error, because the order would be
    executed without it; an unknown field elsewhere is ignored.

    Raises:
        WorkOrderError: anything is missing, of the wrong type or out of range, named by its path.
    """
    source = fields.mapping(value, _ROOT)
    claim = parse_claim(source)
    position = source.get("position")
    plan = source.get("plan")
    return WorkOrder(
        signal_id=claim.signal_id,
        user_id=UserId(fields.identifier(source, "user_id", _ROOT)),
        fence=claim.fence,
        attempt=fields.integer(source, "attempt", _ROOT, least=1),
        lane=Lane(fields.text(source, "lane", _ROOT)),
        now=fields.moment(source, "now", _ROOT),
        lease_until=fields.moment(source, "lease_until", _ROOT),
        received_at=fields.moment(source, "received_at", _ROOT),
        alert_at=fields.optional(fields.moment, source, "alert_at", _ROOT),
        exchange=fields.text(source, "exchange", _ROOT),
        environment=fields.text(source, "environment", _ROOT),
        symbol=fields.text(source, "symbol", _ROOT),
        action=fields.choice(source, "action", _ROOT, Action),
        is_exit=fields.boolean(source, "is_exit", _ROOT),
        alert=_parse_alert(_child(source, "alert")),
        settings=_parse_settings(_child(source, "settings")),
        account=parse_account(_child(source, "account")),
        position=None if position is None else _parse_position(_child(source, "position")),
        plan=None if plan is None else plan_from_json(plan, f"{_ROOT}.plan"),
        orders=_parse_orders(source),
    )


_ROOT: Final = "$"
_ALERT_FIELDS: Final = frozenset(AlertTerms.__dataclass_fields__)
_SETTINGS_FIELDS: Final = frozenset(Settings.__dataclass_fields__)
_HUNDRED: Final = Decimal(100)


def _child(source: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    return fields.mapping(fields.present(source, name, _ROOT), f"{_ROOT}.{name}")


def _parse_alert(source: Mapping[str, Any]) -> AlertTerms:
    path = f"{_ROOT}.alert"
    fields.refuse_unknown(source, _ALERT_FIELDS, path)
    close_percent = fields.optional(fields.positive, source, "close_percent", path)
    if close_percent is not None and close_percent > _HUNDRED:
        raise WorkOrderError(f"{path}.close_percent", f"must be at most 100, not {close_percent}")
    return AlertTerms(
        order_type=executed_type(source, path),
        quantity=fields.optional(fields.positive, source, "quantity", path),
        position_size_usd=fields.optional(fields.positive, source, "position_size_usd", path),
        price=fields.optional(fields.positive, source, "price", path),
        close_percent=close_percent,
        reduce_only=fields.optional(fields.boolean, source, "reduce_only", path) or False,
        dry_run=fields.optional(fields.boolean, source, "dry_run", path) or False,
    )


def _parse_settings(source: Mapping[str, Any]) -> Settings:
    path = f"{_ROOT}.settings"
    fields.refuse_unknown(source, _SETTINGS_FIELDS, path)
    return Settings(
        trading_halted=fields.boolean(source, "trading_halted", path),
        halt_reason=fields.optional(fields.text, source, "halt_reason", path),
        enabled=fields.boolean(source, "enabled", path),
        max_signal_age_sec=fields.integer(source, "max_signal_age_sec", path),
        max_exit_age_sec=fields.integer(source, "max_exit_age_sec", path),
        on_opposite=fields.choice(source, "on_opposite", path, OnOpposite),
        pyramiding=fields.boolean(source, "pyramiding", path),
        allow_short=fields.boolean(source, "allow_short", path),
    )


def parse_account(source: Mapping[str, Any]) -> Account:
    """Read an account as work orders and tasks carry it.

    Raises:
        WorkOrderError: anything is missing or of the wrong type.
    """
    path = f"{_ROOT}.account"
    return Account(
        id=AccountId(fields.identifier(source, "id", path)),
        exchange=fields.text(source, "exchange", path),
        environment=fields.text(source, "environment", path),
        key_version=fields.integer(source, "key_version", path),
        account_number=fields.optional(fields.text, source, "account_number", path),
        is_proved=fields.optional(fields.text, source, "status", path) == "valid",
    )


def _parse_position(source: Mapping[str, Any]) -> Position:
    path = f"{_ROOT}.position"
    return Position(
        side=fields.choice(source, "side", path, PositionSide),
        quantity=fields.positive(source, "quantity", path),
        entry_price=fields.not_negative(source, "entry_price", path),
    )


def _parse_orders(source: Mapping[str, Any]) -> tuple[EarlierOrder, ...]:
    orders = []
    for index, value in enumerate(fields.items(source, "orders", _ROOT)):
        path = f"{_ROOT}.orders[{index}]"
        orders.append(_parse_order(fields.mapping(value, path), path))
    return tuple(orders)


def _parse_order(source: Mapping[str, Any], path: str) -> EarlierOrder:
    return EarlierOrder(
        leg=fields.integer(source, "leg", path, least=1),
        client_order_id=ClientOrderId(fields.text(source, "client_order_id", path)),
        state=fields.choice(source, "state", path, OrderState),
        side=fields.choice(source, "side", path, Side),
        order_type=fields.choice(source, "order_type", path, OrderType),
        quantity=fields.positive(source, "quantity", path),
        reduce_only=fields.boolean(source, "reduce_only", path),
        reference_price=fields.optional(fields.positive, source, "reference_price", path),
        venue_order_id=fields.optional(fields.text, source, "venue_order_id", path),
        bookmark=fields.optional(fields.text, source, "bookmark", path),
        begun_at=fields.moment(source, "begun_at", path),
        submitted_at=fields.moment(source, "submitted_at", path),
        filled_quantity=fields.not_negative(source, "filled_quantity", path),
        average_price=fields.optional(fields.not_negative, source, "average_price", path),
    )
