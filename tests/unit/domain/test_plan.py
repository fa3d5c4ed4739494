import json
from decimal import Decimal

import pytest

from sparky.domain.errors import WorkOrderError
from sparky.domain.identifiers import ClientOrderId
from sparky.domain.orders import OrderType, Side
from sparky.domain.plan import Leg, Plan, Purpose, plan_from_json, plan_to_json
from sparky.domain.reasons import Reason

PLAN = Plan(
    legs=(
        Leg(
            number=1,
            client_order_id=ClientOrderId("sp1"),
            side=Side.SELL,
            quantity=Decimal("1E+2"),
            purpose=Purpose.CLOSE,
            reduce_only=True,
        ),
        Leg(
            number=2,
            client_order_id=ClientOrderId("sp2"),
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


def test_a_plan_is_stored_with_numbers_as_plain_text() -> None:
    assert plan_to_json(PLAN) == {
        "legs": [
            {
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
    assert plan_from_json(json.loads(json.dumps(plan_to_json(PLAN)))) == PLAN


@pytest.mark.parametrize("value", [None, [], {}, {"legs": []}, {"legs": [None], "notes": []}])
def test_what_is_no_plan_is_refused(value: object) -> None:
    with pytest.raises(WorkOrderError, match="plan"):
        plan_from_json(value)


def test_a_stored_plan_of_an_order_type_that_is_not_executed_is_not_supported() -> None:
    value = plan_to_json(PLAN)
    value["legs"][0]["order_type"] = "stop_limit"
    with pytest.raises(WorkOrderError, match="'stop_limit'") as caught:
        plan_from_json(value)
    assert caught.value.reason_code is Reason.NOT_SUPPORTED


def test_a_leg_becomes_the_order_that_is_sent() -> None:
    request = PLAN.legs[1].request("BTCUSDT")
    assert (request.symbol, request.side, request.order_type) == ("BTCUSDT", Side.SELL, OrderType.MARKET)
    assert (request.quantity, request.reduce_only) == (Decimal("0.00000001"), False)
    assert request.client_order_id == "sp2"
    assert request.reference_price == Decimal("27000.50")
