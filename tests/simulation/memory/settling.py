"""What 157_review.sql does: an operator settles what is under review."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any, Final

from tests.simulation.memory.outcomes import Outcomes
from tests.simulation.memory.rows import Order, Signal
from tests.simulation.memory.store import Store

_UNSETTLED: Final = frozenset({"submitting", "unknown", "absent"})


class Settling:
    """The verdicts of operators. Those that the SQL refuses are not for this one."""

    def __init__(self, store: Store, outcomes: Outcomes) -> None:
        self._store = store
        self._outcomes = outcomes

    def unsettled(self, signal: Signal) -> list[Order]:
        """Return the orders of a signal of which nobody knows what became, by leg."""
        return [one for one in self._store.orders_of(signal.id) if one.state in _UNSETTLED]

    def settle(self, signal_id: str, fills: Sequence[Mapping[str, Any]]) -> str:
        """End a signal under review by what was filled, or by nothing; return its status."""
        store = self._store
        signal = store.signals[signal_id]
        told = {int(one["leg"]): one for one in fills}
        for order in self.unsettled(signal):
            if store.orders[order.signal_id, order.leg].state in _UNSETTLED:
                self._settle_order(signal, order, told.get(order.leg))
        status = "done" if fills else "failed"
        signal = store.signals[signal_id]
        store.signals.put(
            signal_id,
            replace(
                signal,
                status=status,
                reason_code=signal.reason_code if fills else "outcome_unknown",
                reason=f"{signal.reason} An operator looked at the venue.",
                fence=signal.fence + 1,
            ),
        )
        store.log(signal_id, "signal.settled", {"verdict": "executed" if fills else "not_executed"})
        store.notify(signal.user_id, "signal_review", signal_id)
        store.wants_hint = True
        return status

    def _settle_order(self, signal: Signal, order: Order, fill: Mapping[str, Any] | None) -> None:
        if fill is None:
            news = {"leg": order.leg, "state": "cancelled", "reason_code": "outcome_unknown"}
            self._outcomes.record_late(signal, news)
            return
        whole = _quantity(order) <= _quantity(fill)
        self._outcomes.record_late(
            signal,
            {
                "leg": order.leg,
                "state": "filled" if whole else "cancelled",
                "filled_quantity": fill["quantity"],
                "average_price": fill["price"],
                "fills": [
                    {
                        "venue_fill_id": f"settled/{order.client_order_id}",
                        "price": fill["price"],
                        "quantity": fill["quantity"],
                        "fee": "0",
                        "filled_at": order.submitted_at.isoformat(),
                    }
                ],
            },
        )
        for one in self._store.orders_of(order.signal_id):
            if one.written.get("attached_to") == order.leg and one.state in _UNSETTLED:
                self._store.orders.put((one.signal_id, one.leg), replace(one, state="accepted"))


def _quantity(one: Order | Mapping[str, Any]) -> Decimal:
    """Return the quantity of an order or of a fill."""
    return Decimal(one.written["quantity"] if isinstance(one, Order) else one["quantity"])
