"""A plan as a sentence: what a dry run tells, and what `sparky explain` shows."""

from sparky.domain.plan import ExitTerms, Leg, Plan, Protection
from sparky.domain.readable import readable


def plan_in_words(plan: Plan) -> str:
    """Return what a plan sends, in the order in which it does, without a full stop."""
    parts = []
    before = sum(one.after_leg == 0 for one in plan.cancels)
    if before:
        parts.append(f"cancel {_orders(before)}")
    if plan.leverage is not None:
        parts.append(f"set the leverage to {plan.leverage}")
    for leg in plan.legs:
        if leg.attached_to is None:
            parts.append(_leg(leg, [one for one in plan.legs if one.attached_to == leg.number]))
            after = sum(one.after_leg == leg.number for one in plan.cancels)
            if after:
                parts.append(f"cancel {_orders(after)}")
    if plan.protection is not None:
        parts.append(_protection(plan.protection))
    if plan.close_symbols:
        parts.append(f"close {', '.join(plan.close_symbols)} by signals of their own")
    return ", then ".join(parts) or "nothing"


def _orders(count: int) -> str:
    return "1 working order" if count == 1 else f"{count} working orders"


def _leg(leg: Leg, attached: list[Leg]) -> str:
    what = f"{leg.side} {readable(leg.quantity)} {leg.symbol} at {leg.order_type.replace('_', '-')}"
    if leg.stop_price is not None:
        what += f" with stop {readable(leg.stop_price)}"
    if leg.limit_price is not None:
        what += f" {readable(leg.limit_price)}"
    if leg.time_in_force is not None:
        what += f" ({leg.time_in_force})"
    if leg.extended_hours:
        what += " in extended hours"
    if leg.spread:
        what += " as " + " and ".join(
            f"{one.side} {one.ratio} {one.symbol}{' to close' if one.closes else ''}" for one in leg.spread
        )
    what += f" to {leg.purpose}"
    if attached:
        what += " with " + " and ".join(_exit(one) for one in attached)
    return what


def _exit(leg: Leg) -> str:
    name = leg.purpose.replace("_", "-")
    if leg.trail_percent is not None:
        return f"a {name} of {readable(leg.trail_percent)} per cent"
    price = leg.limit_price or leg.stop_price or leg.trail_distance
    return (
        f"a {name} at {readable(price)}" if leg.trail_distance is None else f"a {name} of {readable(price)}"
    )


def _protection(protection: Protection) -> str:
    exits = " and ".join(_terms(one) for one in protection.exits)
    return f"place {exits} once it has filled" if protection.entry else f"place {exits} for what is open"


def _terms(terms: ExitTerms) -> str:
    name = terms.kind.replace("_", "-")
    part = "" if terms.quantity_percent == 100 else f" for {readable(terms.quantity_percent)} per cent of it"  # noqa: PLR2004
    if terms.price is not None:
        return f"a {name} at {readable(terms.price)}{part}"
    if terms.trail_distance is not None:
        return f"a {name} of {readable(terms.trail_distance)}{part}"
    percent = terms.percent or terms.trail_percent
    return f"a {name} of {readable(percent)} per cent{part}"
