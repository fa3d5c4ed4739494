import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from sparky.domain.errors import WorkOrderError
from sparky.domain.identifiers import ClientOrderId
from sparky.domain.orders import ExitKind, OrderType, Side
from sparky.domain.plan import ExitTerms, Leg, Plan, Protection, Purpose
from sparky.domain.plan_json import plan_from_json, plan_to_json

PLAN = Plan(
    legs=(
        Leg(
            number=1,
            client_order_id=ClientOrderId("sp1"),
            symbol="BTCUSDT",
            side=Side.SELL,
            quantity=Decimal("1E+2"),
            purpose=Purpose.CLOSE,
            reduce_only=True,
        ),
        Leg(
            number=2,
            client_order_id=ClientOrderId("sp2"),
            symbol="BTCUSDT",
            side=Side.SELL,
            quantity=Decimal("0.00000001"),
            purpose=Purpose.OPEN,
            reduce_only=False,
            reference_price=Decimal("27000.50"),
            depends_on_previous=True,
        ),
    ),
    notes=("Two orders.",),
)


NOTHING_ELSE: dict[str, Any] = {
    "symbol": "BTCUSDT",
    "limit_price": None,
    "stop_price": None,
    "trail_distance": None,
    "trail_percent": None,
    "time_in_force": None,
    "extended_hours": False,
    "spread": [],
    "attached_to": None,
}


def test_a_plan_is_stored_with_numbers_as_plain_text() -> None:
    assert plan_to_json(PLAN) == {
        "protection": None,
        "kept": None,
        "cancels": [],
        "leverage": None,
        "close_symbols": [],
        "checks": [],
        "legs": [
            {
                **NOTHING_ELSE,
                "leg": 1,
                "client_order_id": "sp1",
                "side": "sell",
                "order_type": "market",
                "quantity": "100",
                "purpose": "close",
                "reduce_only": True,
                "reference_price": None,
                "depends_on_previous": False,
            },
            {
                **NOTHING_ELSE,
                "leg": 2,
                "client_order_id": "sp2",
                "side": "sell",
                "order_type": "market",
                "quantity": "0.00000001",
                "purpose": "open",
                "reduce_only": False,
                "reference_price": "27000.50",
                "depends_on_previous": True,
            },
        ],
        "notes": ["Two orders."],
    }


def test_a_stored_plan_is_read_back_equal() -> None:
    stop = ExitTerms(number=3, kind=ExitKind.STOP_LOSS, price=Decimal("26000.5"))
    kept = Protection(entry=0, side_closed_by=Side.SELL, exits=(stop,), quantity=Decimal(0))
    for plan in (PLAN, replace(PLAN, kept=kept)):
        assert plan_from_json(json.loads(json.dumps(plan_to_json(plan)))) == plan


@pytest.mark.parametrize("value", [None, [], {}, {"legs": []}, {"legs": [None], "notes": []}])
def test_what_is_no_plan_is_refused(value: object) -> None:
    with pytest.raises(WorkOrderError, match="plan"):
        plan_from_json(value)


def test_a_leg_becomes_the_order_that_is_sent() -> None:
    request = PLAN.legs[1].request()
    assert (request.symbol, request.side, request.order_type) == ("BTCUSDT", Side.SELL, OrderType.MARKET)
    assert (request.quantity, request.reduce_only) == (Decimal("0.00000001"), False)
    assert request.client_order_id == "sp2"
    assert request.reference_price == Decimal("27000.50")
