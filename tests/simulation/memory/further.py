"""What 145_further_signals.sql does: signals that the database makes itself, each once."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Final
from uuid import UUID

from tests.simulation.memory.rows import Order, Signal
from tests.simulation.memory.store import Store

_MAY_OPEN: Final = frozenset({"submitting", "accepted", "working", "partially_filled", "unknown"})
_STANDS: Final = _MAY_OPEN | {"filled"}
_LIVE: Final = frozenset({"pending", "executing"})
_ENDED: Final = frozenset({"filled", "cancelled", "expired", "refused"})
_EXITS: Final = frozenset({"take_profit", "stop_loss", "trailing_stop"})


def close_each(store: Store, signal: Signal, symbols: Sequence[str]) -> None:
    """Make a signal for each symbol that a close_all closes."""
    account = signal.account_id
    wanted = {
        *symbols,
        *(one.symbol for one in store.positions if one.account_id == account),
        *(
            one.symbol
            for one in store.orders
            if one.account_id == account and one.written["purpose"] == "open" and one.state in _MAY_OPEN
        ),
        *(
            one.symbol
            for one in store.signals
            if one.account_id == account and one.seq < signal.seq and one.status in _LIVE and not one.is_exit
        ),
    }
    for symbol in sorted(wanted):
        _add(store, signal, symbol, "close", symbol)


def after_late_news(store: Store, signal: Signal, order: Order) -> None:
    """See to what an order has opened, or not, whose signal nobody executes any more."""
    signal = store.signals[signal.id]
    purpose = order.written["purpose"]
    if purpose != "open" or signal.status in _LIVE or order.state not in _ENDED:
        return
    if not entry_stands(store, signal) and signal.entered_at is not None:
        signal = store.signals.put(signal.id, replace(signal, entered_at=None))
    protection = (signal.plan or {}).get("protection")
    if not isinstance(protection, dict) or protection.get("entry") != order.leg:
        return
    placed = any(
        one.written["purpose"] in _EXITS and one.written.get("attached_to") is None
        for one in store.orders_of(signal.id)
    )
    if (order.filled_quantity > 0 or order.state == "filled") and not placed:
        _add(store, signal, signal.symbol, "protect", f"protect/{order.leg}")


def entry_stands(store: Store, signal: Signal) -> bool:
    """Tell whether something of an entry was opened, or may still be."""
    return any(
        one.written["purpose"] == "open" and (one.filled_quantity > 0 or one.state in _STANDS)
        for one in store.orders_of(signal.id)
    )


def _add(store: Store, parent: Signal, symbol: str, action: str, key: str) -> None:
    digest = hashlib.md5(f"{parent.id}/{key}".encode(), usedforsecurity=False).hexdigest()
    signal_id = str(UUID(digest))
    if signal_id in store.signals:
        return
    store.signals.put(
        signal_id,
        Signal(
            id=signal_id,
            seq=parent.seq,
            user_id=parent.user_id,
            account_id=parent.account_id,
            exchange=parent.exchange,
            environment=parent.environment,
            symbol=symbol,
            action=action,
            is_exit=True,
            alert={"order_type": "market"},
            received_at=store.clock(),
            parent_id=parent.id,
        ),
    )
    store.wants_hint = True
