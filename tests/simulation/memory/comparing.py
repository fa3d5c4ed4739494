"""What 155_reconciliation.sql does: accounts due for a comparison, leased and fenced."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

from tests.simulation.memory.claims import account_for_worker, order_for_worker, plain
from tests.simulation.memory.outcomes import Outcomes
from tests.simulation.memory.rows import Json, Order
from tests.simulation.memory.store import DataProblem, Store

_OPEN: Final = frozenset({"accepted", "working", "partially_filled"})
_LIVE: Final = frozenset({"pending", "executing"})
_LATE_FEES: Final = timedelta(minutes=15)
_MOST_LATE_FEES: Final = 10


class Comparing:
    """Claims of accounts, and what was found."""

    def __init__(self, store: Store, outcomes: Outcomes) -> None:
        self._store = store
        self._outcomes = outcomes

    def claim(self, limit: int, lease_seconds: int) -> list[dict[str, Any]]:
        """Take up to `limit` accounts that are due."""
        now = self._store.clock()
        due = [
            one
            for one in self._store.comparisons
            if one.due_at <= now and (one.lease_until is None or one.lease_until < now)
        ]
        answer = []
        for one in sorted(due, key=lambda row: row.due_at)[:limit]:
            taken = self._store.comparisons.put(
                one.account_id,
                replace(
                    one,
                    fence=one.fence + 1,
                    claimed_at=now,
                    lease_until=now + timedelta(seconds=lease_seconds),
                ),
            )
            answer.append(
                {
                    "fence": taken.fence,
                    "account": account_for_worker(self._store, taken.account_id),
                    "orders": [self._open_end(order) for order in self._open_ends(taken.account_id)],
                    "positions": self._positions(taken.account_id),
                }
            )
        return answer

    def finish(self, result: Mapping[str, Any]) -> dict[str, Any]:
        """Record what one comparison found."""
        try:
            with self._store.savepoint():
                return self._finish(result)
        except DataProblem as problem:
            return {
                "account_id": result["account_id"],
                "ok": False,
                "error": str(problem),
                "sqlstate": problem.sqlstate,
            }

    def _finish(self, result: Mapping[str, Any]) -> dict[str, Any]:
        store = self._store
        account = store.accounts[str(result["account_id"])]
        held = store.comparisons[account.id]
        if held.fence != result["fence"] or held.lease_until is None:
            return {"account_id": account.id, "ok": False}
        for news in result.get("news") or ():
            signal = store.signals.get(str(news["signal_id"]))
            if signal is not None and signal.account_id == account.id and signal.status not in _LIVE:
                self._outcomes.record_late(signal, news)
        found = held.differences
        if result.get("differences") is not None:
            found = self._undisturbed(result["differences"], account.id)
        if list(found) != list(held.differences):
            store.log(account.id, "account.compared", {"differences": list(found)})
            store.notify(account.user_id, "account_differs", account.id)
        store.comparisons.put(
            account.id,
            replace(
                held,
                differences=found,
                lease_until=None,
                due_at=store.clock() + timedelta(seconds=float(result["due_in_seconds"])),
            ),
        )
        return {"account_id": account.id, "ok": True}

    def _undisturbed(self, differences: list[Json], account_id: str) -> tuple[Json, ...]:
        claimed_at = self._store.comparisons[account_id].claimed_at
        assert claimed_at is not None
        disturbed = {
            one.symbol
            for one in self._store.signals
            if one.account_id == account_id
            and (one.status == "executing" or (one.finished_at and one.finished_at >= claimed_at))
        }
        return tuple(
            one for one in sorted(differences, key=lambda d: d["symbol"]) if one["symbol"] not in disturbed
        )

    def _open_ends(self, account_id: str) -> list[Order]:
        store = self._store
        ends = {
            (one.signal_id, one.leg)
            for one in store.orders
            if one.account_id == account_id and one.state in _OPEN
        }
        late = [
            fill
            for fill in store.fills
            if fill.account_id == account_id
            and fill.fee is None
            and fill.filled_at > store.clock() - _LATE_FEES
        ]
        late.sort(key=lambda fill: fill.filled_at, reverse=True)
        ends.update(fill.order for fill in late[:_MOST_LATE_FEES])
        orders = [store.orders[key] for key in ends if store.signals[key[0]].status not in _LIVE]
        return sorted(orders, key=lambda one: (one.updated_at, one.signal_id, one.leg))

    def _open_end(self, order: Order) -> dict[str, Any]:
        plan = self._store.signals[order.signal_id].plan or {}
        opens = order.written["purpose"] == "open"
        # As SQL has it: true and null is null.
        known = "protection" in plan or not opens
        unprotected = (opens and isinstance(plan.get("protection"), dict)) if known else None
        return order_for_worker(order) | {"unprotected": unprotected}

    def _positions(self, account_id: str) -> list[dict[str, Any]]:
        return [
            {
                "symbol": one.symbol,
                "side": "long" if one.side == "BUY" else "short",
                "quantity": plain(one.quantity),
            }
            for one in sorted(self._store.positions, key=lambda row: row.symbol)
            if one.account_id == account_id
        ]
