"""One decision of the planner, and what it comes to in short."""

from decimal import Decimal
from typing import Any

from sparky.domain.answers import Balance, Quote, VenuePosition
from sparky.domain.plan import Check, Decision, NothingToDo, Plan, Rejection
from sparky.domain.planner import make_plan
from sparky.domain.reasons import Reason
from tests.unit.domain.work_orders import EARLIER_ORDER, NOW, position, snapshot, work_order

OTHER_SIGNAL = "9d1f3a52-6c1e-4a3b-8f54-2f0f5e5f1a11"


def decide(seen: dict[str, Any] | None = None, /, **changes: Any) -> Decision:
    """Plan a work order with `changes`, while the venue shows `seen`."""
    return make_plan(work_order(**changes), snapshot(None, **(seen or {})), NOW)


def planned(seen: dict[str, Any] | None = None, /, **changes: Any) -> Plan:
    decision = decide(seen, **changes)
    assert isinstance(decision, Plan), decision
    return decision


def rejected(seen: dict[str, Any] | None = None, /, **changes: Any) -> Rejection:
    decision = decide(seen, **changes)
    assert isinstance(decision, Rejection), decision
    assert decision.checks, "a rejection shows the check that failed"
    assert not decision.checks[-1].ok
    return decision


def idle(seen: dict[str, Any] | None = None, /, **changes: Any) -> NothingToDo:
    decision = decide(seen, **changes)
    assert isinstance(decision, NothingToDo), decision
    return decision


def assert_rejected(decision: Rejection, code: Reason, *words: str) -> None:
    assert decision.reason_code is code, decision
    assert decision.reason.endswith(".")
    for word in words:
        assert word in decision.reason, decision.reason


def legs(plan: Plan) -> list[str]:
    return [f"{leg.purpose} {leg.side} {leg.quantity:f}" for leg in plan.legs]


def check(decision: Decision, name: str) -> Check:
    return next(one for one in decision.checks if one.name == name)


def held(side: str = "long", quantity: str = "2") -> dict[str, VenuePosition]:
    return {"position": position(side, quantity)}


def priced(bid: str, ask: str | None = None, rate: str = "1", symbol: str = "BTCUSDT") -> dict[str, Quote]:
    quote = Quote(symbol=symbol, bid=Decimal(bid), ask=Decimal(ask or bid), account_rate=Decimal(rate))
    return {"quote": quote}


def money(equity: str, available: str | None = None) -> dict[str, Balance]:
    balance = Balance(currency="USD", equity=Decimal(equity), available=Decimal(available or equity))
    return {"balance": balance}


def working(*orders: dict[str, Any]) -> list[dict[str, Any]]:
    """Return orders of another signal of the lane, by default a buy of 1.5 that works."""
    plain = EARLIER_ORDER | {"signal_id": OTHER_SIGNAL, "state": "working"}
    return [plain | {"client_order_id": f"sp{number}"} | one for number, one in enumerate(orders, start=1)]
