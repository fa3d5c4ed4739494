"""The rows that the worker functions write. Rows are values: a write puts another in their place."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

Json = Mapping[str, Any]

TERMINAL = frozenset({"filled", "cancelled", "expired", "refused"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    id: str
    user_id: str
    exchange: str
    environment: str
    key_version: int = 1
    status: str = "pending"


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    id: str
    seq: int
    user_id: str
    account_id: str
    exchange: str
    environment: str
    symbol: str
    action: str
    is_exit: bool
    alert: Json
    received_at: datetime
    alert_at: datetime | None = None
    status: str = "pending"
    fence: int = 0
    attempt: int = 0
    lease_until: datetime | None = None
    claimed_by: str | None = None
    claimed_at: datetime | None = None
    submitted_at: datetime | None = None
    acknowledged_at: datetime | None = None
    finished_at: datetime | None = None
    entered_at: datetime | None = None
    parent_id: str | None = None
    plan: Json | None = None
    explanation: Json | None = None
    reason_code: str | None = None
    reason: str | None = None

    @property
    def lane(self) -> str:
        return f"{self.account_id}/{self.symbol}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """An order; `written` is what `begin_orders` was given of it."""

    signal_id: str
    user_id: str
    account_id: str
    exchange: str
    leg: int
    client_order_id: str
    symbol: str
    side: str
    written: Json
    bookmark: str | None
    begun_at: datetime
    submitted_at: datetime
    updated_at: datetime
    state: str = "submitting"
    submissions: int = 1
    venue_order_id: str | None = None
    filled_quantity: Decimal = Decimal(0)
    average_price: Decimal | None = None
    reason_code: str | None = None
    reason: str | None = None
    acknowledged_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    user_id: str
    account_id: str
    order: tuple[str, int]
    venue_fill_id: str
    symbol: str
    side: str
    price: Decimal
    quantity: Decimal
    fee: Decimal | None
    filled_at: datetime
    closed_quantity: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    user_id: str
    account_id: str
    symbol: str
    side: str
    quantity: Decimal
    entry_price: Decimal
    entry_time: datetime
    entry_fees: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Trade:
    user_id: str
    account_id: str
    symbol: str
    side: str
    entry_price: Decimal
    entry_time: datetime
    exit_price: Decimal
    exit_time: datetime
    quantity: Decimal
    pnl_usd: Decimal
    fees_usd: Decimal
    order_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """An account's row of private.reconciliations."""

    account_id: str
    due_at: datetime
    fence: int = 0
    claimed_at: datetime | None = None
    lease_until: datetime | None = None
    differences: tuple[Json, ...] = field(default=())
