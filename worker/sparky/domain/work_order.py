"""A work order: a claimed signal with everything that is needed to execute it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from sparky.domain import fields
from sparky.domain.alert import Action, AlertTerms, parse_alert_terms
from sparky.domain.identifiers import AccountId, ClientOrderId, Lane, SignalId, UserId
from sparky.domain.orders import OrderState, OrderType, PositionSide, Side, SpreadLeg
from sparky.domain.plan import Plan, Protection, Purpose
from sparky.domain.plan_json import plan_from_json, protection_from_json, spread_from_json
from sparky.domain.trade_settings import Limit, Settings, parse_limits, parse_settings


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
class Position:
    """The open position in our books."""

    side: PositionSide
    quantity: Decimal
    entry_price: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlierOrder:
    """An order that was written down, sent or not: by an earlier claim of this signal, or by another signal.

    `begun_at` is when it was written down first, before its first byte; `submitted_at` when it was last.
    """

    signal_id: SignalId
    leg: int
    client_order_id: ClientOrderId
    state: OrderState
    symbol: str
    side: Side
    order_type: OrderType
    purpose: Purpose
    quantity: Decimal
    reduce_only: bool
    limit_price: Decimal | None
    stop_price: Decimal | None
    trail_distance: Decimal | None
    trail_percent: Decimal | None
    reference_price: Decimal | None
    attached_to: int | None
    spread: tuple[SpreadLeg, ...]
    venue_order_id: str | None
    bookmark: str | None
    begun_at: datetime
    submitted_at: datetime
    filled_quantity: Decimal
    average_price: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unprotected:
    """An entry that filled after its signal had ended, and the exits that were asked for with it."""

    entry: EarlierOrder
    protection: Protection


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkOrder:
    """A claimed signal. `plan` and `orders` are there when an earlier claim has begun it.

    `working` are orders of other signals of its lane that the venue may have open. `limits` are the counted
    ones on entries, at the moment of the claim: `begin_orders` decides. `unprotected` is what a signal of
    the action `protect` is for.
    """

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
    working: tuple[EarlierOrder, ...] = ()
    limits: tuple[Limit, ...] = ()
    unprotected: Unprotected | None = None

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
        alert=parse_alert_terms(_child(source, "alert"), f"{_ROOT}.alert"),
        settings=parse_settings(_child(source, "settings"), f"{_ROOT}.settings"),
        account=parse_account(_child(source, "account")),
        position=None if position is None else _parse_position(_child(source, "position")),
        plan=None if plan is None else plan_from_json(plan, f"{_ROOT}.plan"),
        orders=_parse_orders(source, "orders", claim.signal_id),
        working=_parse_orders(source, "working") if source.get("working") is not None else (),
        limits=parse_limits(source, "limits", _ROOT),
        unprotected=_parse_unprotected(source),
    )


_ROOT: Final = "$"


def _child(source: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    return fields.mapping(fields.present(source, name, _ROOT), f"{_ROOT}.{name}")


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


def _parse_orders(
    source: Mapping[str, Any], name: str, signal_id: SignalId | None = None
) -> tuple[EarlierOrder, ...]:
    orders = []
    for index, value in enumerate(fields.items(source, name, _ROOT)):
        path = f"{_ROOT}.{name}[{index}]"
        orders.append(_parse_order(fields.mapping(value, path), path, signal_id))
    return tuple(orders)


def _parse_unprotected(source: Mapping[str, Any]) -> Unprotected | None:
    if source.get("unprotected") is None:
        return None
    path = f"{_ROOT}.unprotected"
    unprotected = fields.mapping(source["unprotected"], path)
    return Unprotected(
        entry=_parse_order(
            fields.mapping(fields.present(unprotected, "entry", path), f"{path}.entry"), f"{path}.entry"
        ),
        protection=protection_from_json(
            fields.present(unprotected, "protection", path), f"{path}.protection"
        ),
    )


def _parse_order(source: Mapping[str, Any], path: str, signal_id: SignalId | None = None) -> EarlierOrder:
    def number(name: str) -> Decimal | None:
        return fields.optional(fields.positive, source, name, path)

    return EarlierOrder(
        signal_id=signal_id or SignalId(fields.identifier(source, "signal_id", path)),
        leg=fields.integer(source, "leg", path, least=1),
        client_order_id=ClientOrderId(fields.text(source, "client_order_id", path)),
        state=fields.choice(source, "state", path, OrderState),
        symbol=fields.text(source, "symbol", path),
        side=fields.choice(source, "side", path, Side),
        order_type=fields.choice(source, "order_type", path, OrderType),
        purpose=fields.choice(source, "purpose", path, Purpose),
        quantity=fields.positive(source, "quantity", path),
        reduce_only=fields.boolean(source, "reduce_only", path),
        # The net price of a spread may be zero.
        limit_price=fields.optional(fields.not_negative, source, "limit_price", path),
        stop_price=number("stop_price"),
        trail_distance=number("trail_distance"),
        trail_percent=number("trail_percent"),
        reference_price=number("reference_price"),
        attached_to=fields.optional(fields.integer, source, "attached_to", path),
        spread=spread_from_json(source, "spread", path),
        venue_order_id=fields.optional(fields.text, source, "venue_order_id", path),
        bookmark=fields.optional(fields.text, source, "bookmark", path),
        begun_at=fields.moment(source, "begun_at", path),
        submitted_at=fields.moment(source, "submitted_at", path),
        filled_quantity=fields.not_negative(source, "filled_quantity", path),
        average_price=fields.optional(fields.not_negative, source, "average_price", path),
    )
