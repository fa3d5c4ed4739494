"""Legs that an earlier claim has written down."""

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

from sparky.domain.plan import Leg, Plan
from sparky.domain.plan_json import leg_to_json, plan_to_json
from sparky.domain.planner import make_plan
from sparky.domain.rules import InstrumentRules
from sparky.domain.work_order import parse_work_order
from tests.unit.domain.work_orders import position, snapshot
from tests.unit.engine.fake_database import Row
from tests.unit.engine.virtual_loop import START, LoopClock


def plan_of(row: Row) -> Plan:
    """Return the plan that the first claim of a signal makes while the venue has what our books say."""
    order = parse_work_order({**row.order, "fence": 1})
    rules = InstrumentRules(symbol="BTCUSDT", quantity_step=Decimal("0.001"), price_tick=Decimal("0.1"))
    held = None if order.position is None else position(order.position.side, f"{order.position.quantity:f}")
    plan = make_plan(order, snapshot(held, rules), order.received_at)
    assert isinstance(plan, Plan)
    return plan


def write_down(row: Row, states: Sequence[str], ago: float, changes: dict[str, Any]) -> None:
    plan = plan_of(row)
    row.plan = plan_to_json(plan)
    row.status, row.fence, row.attempt = "executing", 1, 1
    now = LoopClock().monotonic()
    row.lease_until = now - 0.001
    for leg, state in zip(plan.legs, states, strict=False):
        row.orders[leg.number] = begun_row(leg, state, ago) | changes


def begun_row(leg: Leg, state: str, ago: float = 20.0) -> dict[str, Any]:
    """Return the row of a leg that was written down a while ago."""
    written = (START + timedelta(seconds=LoopClock().monotonic() - ago)).isoformat()
    return leg_to_json(leg) | {
        "state": state,
        "venue_order_id": None,
        "bookmark": None,
        "begun_at": written,
        "submitted_at": written,
        "filled_quantity": str(leg.quantity) if state == "filled" else "0",
        "average_price": "100" if state == "filled" else None,
    }
