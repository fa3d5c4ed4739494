"""What 140_claims.sql does: claims, leases, giving back."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final

from tests.simulation.memory.limits import entry_limits
from tests.simulation.memory.rows import Order, Signal
from tests.simulation.memory.store import Store

_HOPELESS: Final = 20
_OF_INGEST: Final = frozenset(
    {
        *("id", "exchange", "environment", "symbol", "action", "timestamp"),
        *("strategy", "strategy_id", "option_symbol"),
    }
)
_MAY_BE_OPEN: Final = frozenset({"submitting", "accepted", "working", "partially_filled", "unknown"})


class Claims:
    """The functions about claims. `one_executing_per_lane` is the unique index, and what obeys it."""

    one_executing_per_lane = True

    def __init__(self, store: Store) -> None:
        self._store = store

    def claim(self, worker: str, limit: int, lease_seconds: int) -> list[dict[str, Any]]:
        """Take up to `limit` signals: abandoned ones, and the oldest that may go of each free lane."""
        self._retire_hopeless()
        now = self._store.clock()
        live = [one for one in self._store.signals if one.status in {"pending", "executing", "review"}]
        abandoned = [one for one in live if one.status == "executing" and _ran_out(one, self._store)]
        abandoned.sort(key=lambda one: (one.lease_until, one.seq))
        chosen = sorted((*abandoned[:limit], *self._waiting(live)[:limit]), key=lambda one: one.seq)[:limit]
        taken = [
            self._store.signals.put(
                one.id,
                replace(
                    one,
                    status="executing",
                    claimed_by=worker,
                    claimed_at=now,
                    attempt=one.attempt + 1,
                    fence=one.fence + 1,
                    lease_until=now + timedelta(seconds=lease_seconds),
                ),
            )
            for one in chosen
        ]
        return [self._work_order(one) for one in taken]

    def extend(self, claims: Sequence[Mapping[str, Any]], lease_seconds: int) -> list[dict[str, Any]]:
        """Renew the leases of claims that still hold."""
        until = self._store.clock() + timedelta(seconds=lease_seconds)
        renewed = []
        for claim in claims:
            held = self._store.held(claim)
            if held is not None and held.status == "executing":
                self._store.signals.put(held.id, replace(held, lease_until=until))
                renewed.append({"signal_id": held.id, "lease_until": until.isoformat()})
        return renewed

    def release(self, claims: Sequence[Mapping[str, Any]]) -> list[str]:
        """Give claims back; what was begun stays in its lane, to be taken at once."""
        given = []
        for claim in claims:
            held = self._store.held(claim)
            if held is None or held.status != "executing":
                continue
            begun = bool(self._store.orders_of(held.id))
            self._store.signals.put(
                held.id,
                replace(
                    held,
                    status="executing" if begun else "pending",
                    lease_until=self._store.clock() if begun else None,
                    claimed_by=held.claimed_by if begun else None,
                    fence=held.fence + 1,
                ),
            )
            given.append(held.id)
        return given

    def _retire_hopeless(self) -> None:
        for one in [s for s in self._store.signals if s.status == "executing"]:
            if one.attempt >= _HOPELESS and _ran_out(one, self._store):
                self._store.signals.put(
                    one.id,
                    replace(
                        one,
                        status="review",
                        reason_code="internal_error",
                        lease_until=None,
                        finished_at=self._store.clock(),
                        fence=one.fence + 1,
                        reason="Execution was begun 20 times and never came to an end; an operator has to "
                        "look at it.",
                    ),
                )
                self._store.log(one.id, "signal.finished", {"status": "review"})
                self._store.notify(one.user_id, "signal_review", one.id)

    def _waiting(self, live: Sequence[Signal]) -> list[Signal]:
        busy = (
            {one.lane for one in live if one.status == "executing"} if self.one_executing_per_lane else set()
        )
        in_review = {one.lane for one in live if one.status == "review"}
        closing = _closing_all(live)
        first: dict[str, Signal] = {}
        for one in sorted((s for s in live if s.status == "pending"), key=lambda s: s.seq):
            if one.lane not in busy and (one.is_exit or one.lane not in in_review):
                first.setdefault(one.lane, one)
        free = [one for one in first.values() if one.seq <= closing.get(one.account_id, one.seq)]
        return sorted(free, key=lambda one: one.seq)

    def _work_order(self, signal: Signal) -> dict[str, Any]:
        store = self._store
        held = store.positions.get((signal.account_id, signal.symbol))
        assert signal.lease_until is not None
        return {
            "signal_id": signal.id,
            "user_id": signal.user_id,
            "fence": signal.fence,
            "attempt": signal.attempt,
            "lane": signal.lane,
            "now": store.clock().isoformat(),
            "lease_until": signal.lease_until.isoformat(),
            "received_at": signal.received_at.isoformat(),
            "alert_at": None if signal.alert_at is None else signal.alert_at.isoformat(),
            "exchange": signal.exchange,
            "environment": signal.environment,
            "symbol": signal.symbol,
            "action": signal.action,
            "is_exit": signal.is_exit,
            "alert": {name: value for name, value in signal.alert.items() if name not in _OF_INGEST},
            "settings": store.settings[signal.account_id],
            "account": account_for_worker(store, signal.account_id),
            "position": None
            if held is None
            else {
                "side": "long" if held.side == "BUY" else "short",
                "quantity": plain(held.quantity),
                "entry_price": plain(held.entry_price),
            },
            "plan": signal.plan,
            "orders": [order_for_worker(one) for one in store.orders_of(signal.id)],
            "working": [order_for_worker(one) for one in self._working(signal)],
            "limits": []
            if signal.is_exit or signal.entered_at is not None
            else entry_limits(store, signal, (signal.symbol,)),
            "unprotected": self._unprotected(signal),
        }

    def _working(self, signal: Signal) -> list[Order]:
        store = self._store
        found = [
            one
            for one in store.orders
            if one.account_id == signal.account_id
            and one.signal_id != signal.id
            and one.state in _MAY_BE_OPEN
            and signal.symbol in {one.symbol, store.signals[one.signal_id].symbol}
        ]
        return sorted(found, key=lambda one: (one.begun_at, one.signal_id, one.leg))

    def _unprotected(self, signal: Signal) -> dict[str, Any] | None:
        if signal.action != "protect" or signal.parent_id is None:
            return None
        protection = (self._store.signals[signal.parent_id].plan or {})["protection"]
        entry = self._store.orders[signal.parent_id, protection["entry"]]
        return {"entry": order_for_worker(entry), "protection": protection}


def account_for_worker(store: Store, account_id: str) -> dict[str, Any]:
    """Return an account as work orders and comparisons carry it."""
    account = store.accounts[account_id]
    return {
        "id": account.id,
        "user_id": account.user_id,
        "exchange": account.exchange,
        "environment": account.environment,
        "key_version": account.key_version,
        "status": account.status,
        "form": "sealed",
        "account_number": None,
    }


def order_for_worker(order: Order) -> dict[str, Any]:
    """Return an order as work orders and comparisons carry it."""
    written = order.written
    return {
        "signal_id": order.signal_id,
        "leg": order.leg,
        "client_order_id": order.client_order_id,
        "state": order.state,
        "symbol": order.symbol,
        "side": order.side,
        "order_type": written["order_type"],
        "purpose": written["purpose"],
        "quantity": written["quantity"],
        "reduce_only": written["reduce_only"],
        "limit_price": written.get("limit_price"),
        "stop_price": written.get("stop_price"),
        "trail_distance": written.get("trail_distance"),
        "trail_percent": written.get("trail_percent"),
        "reference_price": written.get("reference_price"),
        "attached_to": written.get("attached_to"),
        "spread": written.get("spread") or [],
        "venue_order_id": order.venue_order_id,
        "submitted_at": order.submitted_at.isoformat(),
        "filled_quantity": plain(order.filled_quantity),
        "average_price": None if order.average_price is None else plain(order.average_price),
        "bookmark": order.bookmark,
        "begun_at": order.begun_at.isoformat(),
    }


def plain(value: Decimal) -> str:
    """Write a number as trim_scale and ::text do, to the 18 decimals of a column."""
    text = format(round(value, 18), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _closing_all(live: Sequence[Signal]) -> Mapping[str, int]:
    """Return from where on the signals of an account wait for its oldest close_all."""
    oldest: dict[str, int] = {}
    for one in live:
        if one.action == "close_all" and one.status != "review":
            oldest[one.account_id] = min(one.seq, oldest.get(one.account_id, one.seq))
    return oldest


def _ran_out(signal: Signal, store: Store) -> bool:
    return signal.lease_until is not None and signal.lease_until < store.clock()
