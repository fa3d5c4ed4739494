"""The pure result of planning: legs, a rejection, or nothing to do."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum, unique
from typing import Any, Final

from sparky.domain import fields
from sparky.domain.errors import WorkOrderError
from sparky.domain.identifiers import ClientOrderId
from sparky.domain.orders import (
    OrderRequest,
    OrderType,
    Side,
)
from sparky.domain.reasons import Reason

_EXECUTED_TYPES: Final = (OrderType.MARKET,)


@unique
class Purpose(StrEnum):
    """What a leg does to the position."""

    OPEN = "open"
    CLOSE = "close"


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """One order we want. A leg that depends on the previous one is sent only after that one filled."""

    number: int
    client_order_id: ClientOrderId
    side: Side
    quantity: Decimal
    purpose: Purpose
    reduce_only: bool
    reference_price: Decimal | None = None
    depends_on_previous: bool = False
    order_type: OrderType = OrderType.MARKET

    def request(self, symbol: str, bookmark: str | None = None) -> OrderRequest:
        """Return the order that this leg sends for `symbol`."""
        return OrderRequest(
            client_order_id=self.client_order_id,
            symbol=symbol,
            side=self.side,
            quantity=self.quantity,
            reduce_only=self.reduce_only,
            order_type=self.order_type,
            reference_price=self.reference_price,
            bookmark=bookmark,
        )


@dataclass(frozen=True, slots=True)
class Plan:
    """What to send, in order. `notes` are sentences for the trader."""

    legs: tuple[Leg, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rejection:
    """Nothing is sent. `expired` tells a signal that came too late from one that may not be executed."""

    reason_code: Reason
    reason: str
    expired: bool = False


@dataclass(frozen=True, slots=True)
class NothingToDo:
    """The signal is done without an order, and the note says why."""

    reason_code: Reason
    note: str


Decision = Plan | Rejection | NothingToDo


def plan_to_json(plan: Plan) -> dict[str, Any]:
    """Return the plan as JSON values, numbers of money and size as text."""
    return {"legs": [_leg_to_json(leg) for leg in plan.legs], "notes": list(plan.notes)}


def plan_from_json(value: Any, path: str = "plan") -> Plan:
    """Read back what `plan_to_json` wrote.

    Raises:
        WorkOrderError: anything is missing, of the wrong type or out of range, named by its path.
    """
    source = fields.mapping(value, path)
    legs = tuple(
        _leg_from_json(fields.mapping(leg, f"{path}.legs[{index}]"), f"{path}.legs[{index}]")
        for index, leg in enumerate(fields.items(source, "legs", path))
    )
    notes = tuple(
        fields.as_text(note, f"{path}.notes[{index}]")
        for index, note in enumerate(fields.items(source, "notes", path))
    )
    return Plan(legs=legs, notes=notes)


def executed_type(source: Mapping[str, Any], path: str) -> OrderType:
    """Read an order type, of those that can be planned; the venues know more.

    Raises:
        WorkOrderError: it is missing or, with NOT_SUPPORTED, another one.
    """
    name = fields.text(source, "order_type", path)
    if name not in _EXECUTED_TYPES:
        problem = f"is {name[:32]!r}, and only {', '.join(_EXECUTED_TYPES)} orders are executed"
        raise WorkOrderError(f"{path}.order_type", problem, reason_code=Reason.NOT_SUPPORTED)
    return OrderType(name)


def _leg_to_json(leg: Leg) -> dict[str, Any]:
    return {
        "leg": leg.number,
        "client_order_id": leg.client_order_id,
        "side": leg.side.value,
        "order_type": leg.order_type.value,
        "quantity": fields.decimal_text(leg.quantity),
        "purpose": leg.purpose.value,
        "reduce_only": leg.reduce_only,
        "reference_price": None if leg.reference_price is None else fields.decimal_text(leg.reference_price),
        "depends_on_previous": leg.depends_on_previous,
    }


def _leg_from_json(source: Mapping[str, Any], path: str) -> Leg:
    return Leg(
        number=fields.integer(source, "leg", path, least=1),
        client_order_id=ClientOrderId(fields.text(source, "client_order_id", path)),
        side=fields.choice(source, "side", path, Side),
        order_type=executed_type(source, path),
        quantity=fields.positive(source, "quantity", path),
        purpose=fields.choice(source, "purpose", path, Purpose),
        reduce_only=fields.boolean(source, "reduce_only", path),
        reference_price=fields.optional(fields.positive, source, "reference_price", path),
        depends_on_previous=fields.boolean(source, "depends_on_previous", path),
    )
