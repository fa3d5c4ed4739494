"""A work order as the database writes it, to be changed by each test."""

import copy
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from sparky.domain.answers import VenuePosition
from sparky.domain.capabilities import Capabilities
from sparky.domain.orders import ExitKind, OrderType, PositionSide, TimeInForce
from sparky.domain.rules import InstrumentRules
from sparky.domain.snapshot import Snapshot
from sparky.domain.work_order import WorkOrder, parse_work_order

SIGNAL_ID = "0b6c1d5e-8a54-4f0e-9a53-0d8c3a1f2b4c"
NOW = datetime(2026, 3, 2, 14, 30, 5, tzinfo=UTC)
RULES = InstrumentRules(
    symbol="BTCUSDT",
    quantity_step=Decimal("0.001"),
    price_tick=Decimal("0.1"),
    min_quantity=Decimal("0.002"),
    min_notional=Decimal(5),
)

CAN_ALL = Capabilities(
    order_types=frozenset(OrderType),
    times_in_force=frozenset(TimeInForce),
    attached_exits=dict.fromkeys(OrderType, frozenset(ExitKind)),
    separate_exits=frozenset(ExitKind),
    cancels_siblings=True,
    reduces_natively=True,
    sets_leverage=True,
    extended_hours=True,
    option_legs=4,
    market_spreads=True,
    several_targets=True,
    futures=True,
)

_WORK_ORDER: dict[str, Any] = {
    "signal_id": SIGNAL_ID,
    "user_id": "6a0c7f3e-52d4-4f5b-9f5b-5d1c64c1c1aa",
    "fence": 3,
    "attempt": 1,
    "lane": "2f6f8a1e-7b43-4a52-8a2e-1f6f5f6f7a7b:BTCUSDT",
    "now": "2026-03-02T14:30:05.000000+00:00",
    "lease_until": "2026-03-02T14:30:20.000000+00:00",
    "received_at": "2026-03-02T14:30:04.500000+00:00",
    "alert_at": "2026-03-02T14:30:04+00:00",
    "exchange": "paper",
    "environment": "paper",
    "symbol": "BTCUSDT",
    "action": "buy",
    "is_exit": False,
    "alert": {"order_type": "market", "quantity": "1.5", "price": "27000.5"},
    "settings": {
        "trading_halted": False,
        "halt_reason": None,
        "enabled": True,
        "max_signal_age_sec": 60,
        "max_exit_age_sec": 0,
        "on_opposite": "reverse",
        "pyramiding": False,
        "allow_short": True,
    },
    "account": {
        "id": "2f6f8a1e-7b43-4a52-8a2e-1f6f5f6f7a7b",
        "exchange": "paper",
        "environment": "paper",
        "key_version": 1,
    },
    "position": None,
    "plan": None,
    "orders": [],
}

EARLIER_ORDER: dict[str, Any] = {
    "symbol": "BTCUSDT",
    "purpose": "open",
    "limit_price": None,
    "stop_price": None,
    "trail_distance": None,
    "trail_percent": None,
    "attached_to": None,
    "spread": [],
    "leg": 1,
    "client_order_id": "spZZZZZZZZZZZZZZZZZZZZZZZZZZ",
    "state": "unknown",
    "side": "buy",
    "order_type": "market",
    "quantity": "1.5",
    "reduce_only": False,
    "reference_price": None,
    "venue_order_id": None,
    "bookmark": None,
    "begun_at": "2026-03-02T14:30:04.900000+00:00",
    "submitted_at": "2026-03-02T14:30:04.900000+00:00",
    "filled_quantity": "0",
    "average_price": None,
}


def work_order_json(**changes: Any) -> dict[str, Any]:
    """Return a valid work order; `alert` and `settings` replace single fields, all else is replaced."""
    value = copy.deepcopy(_WORK_ORDER)
    for name, change in changes.items():
        if name == "settings":
            value[name] |= change
        elif name == "alert":
            value[name] = {"order_type": "market", **change}
        else:
            value[name] = change
    return value


def work_order(**changes: Any) -> WorkOrder:
    return parse_work_order(work_order_json(**changes))


def position(side: PositionSide | str, quantity: str = "2") -> VenuePosition:
    return VenuePosition(
        symbol="BTCUSDT", side=PositionSide(side), quantity=Decimal(quantity), entry_price=Decimal(27000)
    )


def snapshot(
    held: VenuePosition | None = None, /, rules: InstrumentRules = RULES, **changes: Any
) -> Snapshot:
    """Return what a venue that can do everything shows."""
    seen: dict[str, Any] = {"capabilities": CAN_ALL, "rules": rules, "position": held}
    return Snapshot(**seen | changes)


def seconds_ago(seconds: float) -> str:
    return (NOW - timedelta(seconds=seconds)).isoformat()
