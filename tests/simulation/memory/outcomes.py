"""What 150_outcomes.sql does: begin and finish, and the news of orders."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from tests.simulation.memory.fills import apply_fill
from tests.simulation.memory.further import after_late_news, close_each, entry_stands
from tests.simulation.memory.limits import entry_limits, opened_symbol
from tests.simulation.memory.rows import TERMINAL, Order, Signal
from tests.simulation.memory.store import DataProblem, Store

_ABSENT_AFTER: Final = frozenset({"submitting", "unknown", "absent"})
_NO_ANSWER: Final = _ABSENT_AFTER
# An order that is sent again is the very same in these.
_SAME: Final = (
    "client_order_id",
    "symbol",
    "quantity",
    "side",
    "order_type",
    "reduce_only",
    "limit_price",
    "stop_price",
    "trail_distance",
    "trail_percent",
    "spread",
)
_NUMBERS: Final = frozenset({"quantity", "limit_price", "stop_price", "trail_distance", "trail_percent"})
_SIDES: Final = frozenset({"buy", "sell"})


class Outcomes:
    """Begin and finish."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def begin(self, claim: Mapping[str, Any]) -> dict[str, Any]:
        """Write the legs of one claim down, all of them or none."""
        try:
            with self._store.savepoint():
                return self._begin(claim)
        except DataProblem as problem:
            return _problem(claim, problem)

    def finish(self, result: Mapping[str, Any]) -> dict[str, Any]:
        """Record one result; without a status the claim is kept."""
        try:
            with self._store.savepoint():
                return self._finish(result)
        except DataProblem as problem:
            return _problem(result, problem)

    def record_late(self, signal: Signal, news: Mapping[str, Any]) -> None:
        """Record the news of an order whose signal has ended, or is somebody else's."""
        after_late_news(self._store, signal, self.record(signal, news))

    def record(self, signal: Signal, news: Mapping[str, Any]) -> Order:
        """Record the news of one order, and return it."""
        key = (signal.id, int(news["leg"]))
        order = self._store.orders.get(key)
        if order is None:
            raise DataProblem("query returned no rows", "P0002")
        if order.state not in TERMINAL and (news["state"] != "absent" or order.state in _ABSENT_AFTER):
            order = self._store.orders.put(key, self._with_news(order, news))
        settled = (order.account_id, order.symbol, f"settled/{order.client_order_id}") in self._store.fills
        for fill in () if settled else news.get("fills") or ():
            apply_fill(self._store, order, fill)
        return order

    def _record_news(self, signal: Signal, news: Mapping[str, Any]) -> None:
        other = news.get("signal_id") or signal.id
        if other == signal.id:
            self.record(signal, news)
            return
        owner = self._store.signals.get(str(other))
        if owner is None or owner.account_id != signal.account_id:
            raise DataProblem("query returned no rows", "P0002")
        self.record_late(owner, news)

    def _with_news(self, order: Order, news: Mapping[str, Any]) -> Order:
        acknowledged = order.acknowledged_at
        if news["state"] not in _NO_ANSWER and acknowledged is None and news.get("elapsed_ms") is not None:
            acknowledged = order.submitted_at + timedelta(milliseconds=news["elapsed_ms"])
        return replace(
            order,
            state=news["state"],
            venue_order_id=_or(news.get("venue_order_id"), order.venue_order_id),
            filled_quantity=_or(_number(news.get("filled_quantity")), order.filled_quantity),
            average_price=_or(_number(news.get("average_price")), order.average_price),
            reason_code=news.get("reason_code"),
            reason=news.get("reason"),
            acknowledged_at=acknowledged,
            updated_at=self._store.clock(),
        )

    def _begin(self, claim: Mapping[str, Any]) -> dict[str, Any]:
        held = self._store.held(claim)
        if held is None:
            return {"signal_id": claim["signal_id"], "ok": False}
        plan = held.plan if held.plan is not None else claim.get("plan")
        entered_at = held.entered_at
        if entered_at is None and not held.is_exit and _opens(plan) and _trades(claim["orders"]):
            obstacle = self._obstacle(held, plan)
            if obstacle is not None:
                return {"signal_id": held.id, "ok": False, "obstacle": obstacle}
            entered_at = self._store.clock()
        for news in claim.get("news") or ():
            self._record_news(held, news)
        mark = self._store.mark()
        for leg in claim["orders"]:
            if not self._write(held, leg):
                self._store.roll_back(mark)
                return {"signal_id": held.id, "ok": False}
        now = self._store.clock()
        held = self._store.signals.put(
            held.id,
            replace(
                held,
                plan=plan,
                entered_at=entered_at,
                submitted_at=held.submitted_at or now,
            ),
        )
        left = 0.0 if held.lease_until is None else (held.lease_until - now).total_seconds()
        return {
            "signal_id": held.id,
            "ok": True,
            "submitted_at": now.isoformat(),
            "lease_left_ms": int(left * 1000 // 1),
        }

    def _obstacle(self, held: Signal, plan: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
        limits = entry_limits(self._store, held, (held.symbol, opened_symbol(held, plan)))
        return next((one for one in limits if not one["ok"]), None)

    def _write(self, held: Signal, leg: Mapping[str, Any]) -> bool:
        now = self._store.clock()
        key = (held.id, int(leg["leg"]))
        before = self._store.orders.get(key)
        if before is not None:
            if before.state != "absent" or not _same(before.written, leg):
                return False
            self._store.orders.put(
                key,
                replace(
                    before,
                    state="submitting",
                    submitted_at=now,
                    updated_at=now,
                    submissions=before.submissions + 1,
                    reason_code=None,
                    reason=None,
                    acknowledged_at=None,
                    bookmark=before.bookmark or leg.get("bookmark"),
                ),
            )
            return True
        self._refuse_bad(leg)
        self._store.orders.put(
            key,
            Order(
                signal_id=held.id,
                user_id=held.user_id,
                account_id=held.account_id,
                exchange=held.exchange,
                leg=int(leg["leg"]),
                client_order_id=leg["client_order_id"],
                symbol=leg["symbol"],
                side=leg["side"],
                written=dict(leg),
                bookmark=leg.get("bookmark"),
                begun_at=now,
                submitted_at=now,
                updated_at=now,
            ),
        )
        return True

    def _refuse_bad(self, leg: Mapping[str, Any]) -> None:
        if any(one.client_order_id == leg["client_order_id"] for one in self._store.orders):
            raise DataProblem("duplicate key value violates unique constraint", "23505")
        quantity = _number(leg["quantity"])
        if leg["side"] not in _SIDES or quantity is None or not quantity > 0:
            raise DataProblem("new row violates a check constraint", "23514")

    def _finish(self, result: Mapping[str, Any]) -> dict[str, Any]:
        held = self._store.held(result)
        if held is None:
            return {"signal_id": result["signal_id"], "ok": False}
        for news in result.get("news") or ():
            self._record_news(held, news)
        if result.get("status") is None:
            return {"signal_id": held.id, "ok": True}
        told = [one.acknowledged_at for one in self._store.orders_of(held.id) if one.acknowledged_at]
        stands = held.entered_at is not None and entry_stands(self._store, held)
        ended = self._store.signals.put(
            held.id,
            replace(
                self._store.signals[held.id],
                entered_at=held.entered_at if stands else None,
                explanation=_or(result.get("explanation"), held.explanation),
                status=result["status"],
                reason_code=result.get("reason_code"),
                reason=result.get("reason"),
                lease_until=None,
                finished_at=self._store.clock(),
                acknowledged_at=min(told, default=None),
            ),
        )
        self._store.log(
            held.id,
            "signal.finished",
            {"status": result["status"], "reason_code": result.get("reason_code")},
        )
        if result["status"] == "review":
            self._store.notify(held.user_id, "signal_review", held.id)
        elif (
            ended.action == "close_all" and ended.status == "done" and result.get("close_symbols") is not None
        ):
            close_each(self._store, ended, result["close_symbols"])
        return {"signal_id": held.id, "ok": True}


def _opens(plan: Mapping[str, Any] | None) -> bool:
    legs = () if plan is None else plan.get("legs", ())
    return any(isinstance(leg, Mapping) and leg.get("purpose") == "open" for leg in legs)


def _trades(orders: Iterable[Mapping[str, Any]]) -> bool:
    return any(order["purpose"] in {"open", "close"} for order in orders)


def _same(written: Mapping[str, Any], leg: Mapping[str, Any]) -> bool:
    return all(_comparable(name, written) == _comparable(name, leg) for name in _SAME)


def _comparable(name: str, leg: Mapping[str, Any]) -> object:
    value = leg.get(name)
    if name == "spread":
        return value or []
    return _number(value) if name in _NUMBERS else value


def _number(value: object) -> Decimal | None:
    if value is None:
        return None
    try:
        return Decimal(str(value))
    except InvalidOperation:
        raise DataProblem(f'invalid input syntax for type numeric: "{value}"', "22P02") from None


def _or(value: Any, otherwise: Any) -> Any:
    return otherwise if value is None else value


def _problem(item: Mapping[str, Any], problem: DataProblem) -> dict[str, Any]:
    return {
        "signal_id": item["signal_id"],
        "ok": False,
        "error": str(problem),
        "sqlstate": problem.sqlstate,
    }
