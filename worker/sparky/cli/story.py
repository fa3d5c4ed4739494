"""A signal's story in lines of text."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

_STAGES: Final = ("claimed_at", "entered_at", "submitted_at", "acknowledged_at", "finished_at")

Object = Mapping[str, Any]


def story_lines(story: Object) -> list[str]:
    """Return what `explain_signal` tells: what was checked, planned, sent and executed, and when."""
    lines = [
        _heading(story),
        f"  {story.get('reason_code') or 'no code'}: {story.get('reason') or 'no reason'}",
    ]
    lines += _section("times", _times(story.get("times") or {}))
    lines += _section("warnings", iter(story.get("warnings") or ()))
    lines += _section("checks", map(_check, story.get("checks") or ()))
    plan = story.get("plan") or {}
    lines += _section("plan", _plan(plan))
    for order in story.get("orders") or ():
        lines += _section(f"order {order.get('leg')}", _order(order))
    lines += _section("signals made of it", map(_child, story.get("children") or ()))
    lines += _section("audit", map(_audit, story.get("audit") or ()))
    return lines


def review_lines(waiting: Sequence[Object]) -> list[str]:
    """Return what `review_signals` tells, and how to settle one."""
    if not waiting:
        return ["No signal is under review."]
    lines = []
    for signal in waiting:
        lines.append(_heading({**signal, "status": f"since {signal.get('review_since')}"}))
        lines.append(f"  {signal.get('reason')}")
        lines.append(f"  entries that wait for it: {signal.get('held_back')}")
        for order in signal.get("orders") or ():
            lines += [f"  order {order.get('leg')}: {line}" for line in _order(order)]
    lines.append("Look at the venue, then: sparky signals settle SIGNAL --operator NAME --note TEXT")
    lines.append("  with --fill LEG:QUANTITY@PRICE for each order that was filled, or --not-executed")
    return lines


def _heading(signal: Object) -> str:
    return (
        f"{signal.get('signal_id')}  {signal.get('action')} {signal.get('symbol')} on "
        f"{signal.get('exchange')} ({signal.get('environment')})  {signal.get('status')}"
    )


def _section(title: str, lines: Iterator[str]) -> list[str]:
    found = [f"    {line}" for line in lines]
    return [f"  {title}:", *found] if found else []


def _times(times: Object) -> Iterator[str]:
    received = times.get("received_at")
    if received is None:
        return
    yield f"received {received}" + (f", the alert is of {times['alert_at']}" if times.get("alert_at") else "")
    for stage in _STAGES:
        at = times.get(stage)
        if at is not None:
            later = datetime.fromisoformat(at) - datetime.fromisoformat(received)
            yield f"{stage.removesuffix('_at')} {round(later.total_seconds() * 1000)} ms later"


def _check(check: Object) -> str:
    held = "ok" if check.get("ok") else "NO"
    limit = f" (limit {check['limit']})" if check.get("limit") is not None else ""
    return f"{held} {check.get('name')}: {check.get('value')}{limit}"


def _plan(plan: Object) -> Iterator[str]:
    for cancel in plan.get("cancels") or ():
        yield f"cancel {cancel.get('client_order_id')} after order {cancel.get('after_leg')}"
    if plan.get("leverage") is not None:
        yield f"leverage {plan['leverage']}"
    for leg in plan.get("legs") or ():
        yield f"order {leg.get('leg')}: {_wanted(leg)}"
    for one in (plan.get("protection") or {}).get("exits") or ():
        terms = {
            name: one[name]
            for name in ("price", "percent", "trail_distance", "trail_percent")
            if one.get(name)
        }
        said = ", ".join(f"{name} {value}" for name, value in terms.items())
        yield f"exit {one.get('number')}: {one.get('kind')} at {said}, of {one.get('quantity_percent')}%"
    for symbol in plan.get("close_symbols") or ():
        yield f"close {symbol}"
    yield from plan.get("notes") or ()


def _wanted(order: Object) -> str:
    prices = {
        name: order[name]
        for name in ("limit_price", "stop_price", "trail_distance", "trail_percent")
        if order.get(name)
    }
    words = [str(order.get(name)) for name in ("purpose", "side", "quantity", "symbol", "order_type")]
    return " ".join([*words, *(f"{name} {value}" for name, value in prices.items())])


def _order(order: Object) -> Iterator[str]:
    yield f"{order.get('state')}: {_wanted(order)}, {order.get('client_order_id')}"
    if order.get("reason"):
        yield f"{order.get('reason_code') or ''} {order['reason']}".strip()
    for fill in order.get("fills") or ():
        executed = f"filled {fill.get('quantity')} at {fill.get('price')}"
        yield f"{executed}, fee {fill.get('fee')}, {fill.get('filled_at')}"


def _child(child: Object) -> str:
    return f"{child.get('signal_id')} {child.get('action')} {child.get('symbol')}: {child.get('status')}"


def _audit(row: Object) -> str:
    return f"{row.get('at')} {row.get('actor')} {row.get('action')} {row.get('detail')}"
