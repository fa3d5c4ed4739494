"""Plans as JSON: what the first claim of a signal stores and later claims continue."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from sparky.domain import fields
from sparky.domain.identifiers import ClientOrderId
from sparky.domain.orders import ExitKind, OrderType, Side, SpreadLeg, TimeInForce
from sparky.domain.plan import Cancel, Check, ExitTerms, Leg, Plan, Protection, Purpose

T = TypeVar("T")


def plan_to_json(plan: Plan) -> dict[str, Any]:
    """Return the plan as JSON values, numbers of money and size as text."""
    return {
        "legs": [leg_to_json(leg) for leg in plan.legs],
        "notes": list(plan.notes),
        "protection": None if plan.protection is None else protection_to_json(plan.protection),
        "kept": None if plan.kept is None else protection_to_json(plan.kept),
        "cancels": [
            {"client_order_id": one.client_order_id, "after_leg": one.after_leg} for one in plan.cancels
        ],
        "leverage": plan.leverage,
        "close_symbols": list(plan.close_symbols),
        "checks": checks_to_json(plan.checks),
    }


def plan_from_json(value: Any, path: str = "plan") -> Plan:
    """Read back what `plan_to_json` wrote.

    Raises:
        WorkOrderError: anything is missing, of the wrong type or out of range, named by its path.
    """
    source = fields.mapping(value, path)
    protection, kept = source.get("protection"), source.get("kept")
    return Plan(
        legs=_each(source, "legs", path, _leg_from_json),
        notes=_texts(source, "notes", path),
        protection=None if protection is None else protection_from_json(protection, f"{path}.protection"),
        kept=None if kept is None else protection_from_json(kept, f"{path}.kept"),
        cancels=_each(source, "cancels", path, _cancel_from_json),
        leverage=fields.optional(fields.integer, source, "leverage", path),
        close_symbols=_texts(source, "close_symbols", path),
        checks=_each(source, "checks", path, _check_from_json),
    )


def checks_to_json(checks: tuple[Check, ...]) -> list[dict[str, Any]]:
    """Return checks as JSON values."""
    return [{"name": one.name, "ok": one.ok, "value": one.value, "limit": one.limit} for one in checks]


def leg_to_json(leg: Leg) -> dict[str, Any]:
    """Return a leg as JSON values: in a plan, and as the order row that is written down for it."""
    return {
        "leg": leg.number,
        "client_order_id": leg.client_order_id,
        "symbol": leg.symbol,
        "side": leg.side.value,
        "order_type": leg.order_type.value,
        "quantity": fields.decimal_text(leg.quantity),
        "purpose": leg.purpose.value,
        "reduce_only": leg.reduce_only,
        "limit_price": fields.optional_decimal_text(leg.limit_price),
        "stop_price": fields.optional_decimal_text(leg.stop_price),
        "trail_distance": fields.optional_decimal_text(leg.trail_distance),
        "trail_percent": fields.optional_decimal_text(leg.trail_percent),
        "time_in_force": None if leg.time_in_force is None else leg.time_in_force.value,
        "extended_hours": leg.extended_hours,
        "reference_price": fields.optional_decimal_text(leg.reference_price),
        "spread": [_spread_to_json(one) for one in leg.spread],
        "attached_to": leg.attached_to,
        "depends_on_previous": leg.depends_on_previous,
    }


def protection_to_json(protection: Protection) -> dict[str, Any]:
    """Return the exits to come as JSON values."""
    return {
        "entry": protection.entry,
        "side_closed_by": protection.side_closed_by.value,
        "quantity": fields.optional_decimal_text(protection.quantity),
        "exits": [
            {
                "number": one.number,
                "kind": one.kind.value,
                "price": fields.optional_decimal_text(one.price),
                "percent": fields.optional_decimal_text(one.percent),
                "trail_distance": fields.optional_decimal_text(one.trail_distance),
                "trail_percent": fields.optional_decimal_text(one.trail_percent),
                "quantity_percent": fields.decimal_text(one.quantity_percent),
            }
            for one in protection.exits
        ],
    }


def protection_from_json(value: Any, path: str) -> Protection:
    """Read back what `protection_to_json` wrote.

    Raises:
        WorkOrderError: anything is missing, of the wrong type or out of range, named by its path.
    """
    source = fields.mapping(value, path)
    return Protection(
        entry=fields.integer(source, "entry", path),
        side_closed_by=fields.choice(source, "side_closed_by", path, Side),
        quantity=fields.optional(fields.not_negative, source, "quantity", path),
        exits=_each(source, "exits", path, _terms_from_json),
    )


def spread_from_json(source: Mapping[str, Any], name: str, path: str) -> tuple[SpreadLeg, ...]:
    """Read the options of a spread, an empty list for any other order.

    Raises:
        WorkOrderError: anything is missing, of the wrong type or out of range, named by its path.
    """
    return _each(source, name, path, _spread_leg_from_json)


def _leg_from_json(source: Mapping[str, Any], path: str) -> Leg:
    return Leg(
        number=fields.integer(source, "leg", path, least=1),
        client_order_id=ClientOrderId(fields.text(source, "client_order_id", path)),
        symbol=fields.text(source, "symbol", path),
        side=fields.choice(source, "side", path, Side),
        order_type=fields.choice(source, "order_type", path, OrderType),
        quantity=fields.positive(source, "quantity", path),
        purpose=fields.choice(source, "purpose", path, Purpose),
        reduce_only=fields.boolean(source, "reduce_only", path),
        # The net price of a spread may be zero.
        limit_price=fields.optional(fields.not_negative, source, "limit_price", path),
        stop_price=fields.optional(fields.positive, source, "stop_price", path),
        trail_distance=fields.optional(fields.positive, source, "trail_distance", path),
        trail_percent=fields.optional(fields.positive, source, "trail_percent", path),
        time_in_force=None
        if source.get("time_in_force") is None
        else fields.choice(source, "time_in_force", path, TimeInForce),
        extended_hours=fields.boolean(source, "extended_hours", path),
        reference_price=fields.optional(fields.positive, source, "reference_price", path),
        spread=spread_from_json(source, "spread", path),
        attached_to=fields.optional(fields.integer, source, "attached_to", path),
        depends_on_previous=fields.boolean(source, "depends_on_previous", path),
    )


def _terms_from_json(source: Mapping[str, Any], path: str) -> ExitTerms:
    return ExitTerms(
        number=fields.integer(source, "number", path, least=1),
        kind=fields.choice(source, "kind", path, ExitKind),
        price=fields.optional(fields.positive, source, "price", path),
        percent=fields.optional(fields.positive, source, "percent", path),
        trail_distance=fields.optional(fields.positive, source, "trail_distance", path),
        trail_percent=fields.optional(fields.positive, source, "trail_percent", path),
        quantity_percent=fields.positive(source, "quantity_percent", path),
    )


def _cancel_from_json(source: Mapping[str, Any], path: str) -> Cancel:
    return Cancel(
        client_order_id=ClientOrderId(fields.text(source, "client_order_id", path)),
        after_leg=fields.integer(source, "after_leg", path),
    )


def _check_from_json(source: Mapping[str, Any], path: str) -> Check:
    return Check(
        name=fields.text(source, "name", path),
        ok=fields.boolean(source, "ok", path),
        value=fields.text(source, "value", path),
        limit=fields.optional(fields.text, source, "limit", path),
    )


def _spread_to_json(leg: SpreadLeg) -> dict[str, Any]:
    return {"symbol": leg.symbol, "side": leg.side.value, "ratio": leg.ratio, "closes": leg.closes}


def _spread_leg_from_json(source: Mapping[str, Any], path: str) -> SpreadLeg:
    return SpreadLeg(
        symbol=fields.text(source, "symbol", path),
        side=fields.choice(source, "side", path, Side),
        ratio=fields.integer(source, "ratio", path, least=1),
        closes=fields.boolean(source, "closes", path),
    )


def _each(
    source: Mapping[str, Any], name: str, path: str, read: Callable[[Mapping[str, Any], str], T]
) -> tuple[T, ...]:
    return tuple(
        read(fields.mapping(item, f"{path}.{name}[{index}]"), f"{path}.{name}[{index}]")
        for index, item in enumerate(fields.items(source, name, path))
    )


def _texts(source: Mapping[str, Any], name: str, path: str) -> tuple[str, ...]:
    return tuple(
        fields.as_text(item, f"{path}.{name}[{index}]")
        for index, item in enumerate(fields.items(source, name, path))
    )
