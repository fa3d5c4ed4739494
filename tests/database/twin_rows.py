"""What both databases have stored, in one form."""

from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from tests.simulation.memory.database import MemoryDatabase


def number(value: Any) -> Any:
    try:
        return round(Decimal(str(value)), 9).normalize()
    except InvalidOperation:
        return value


def in_order(rows: Sequence[Sequence[Any]]) -> list[list[Any]]:
    return sorted(
        ([number(v) if isinstance(v, Decimal) else v for v in row] for row in rows),
        key=lambda row: [str(value) for value in row],
    )


def tables(memory: MemoryDatabase) -> dict[str, tuple[Any, list[tuple[Any, ...]]]]:
    store = memory.store
    return {
        "signals": (
            """select id::text, status, fence, attempt, reason_code, claimed_by, plan, lease_until is null,
            entered_at is null, parent_id::text, explanation, submitted_at is null, finished_at is null,
            acknowledged_at is null from public.signals""",
            [
                (
                    *(one.id, one.status, one.fence, one.attempt, one.reason_code, one.claimed_by),
                    *(one.plan, one.lease_until is None, one.entered_at is None, one.parent_id),
                    *(one.explanation, one.submitted_at is None, one.finished_at is None),
                    one.acknowledged_at is None,
                )
                for one in store.signals
            ],
        ),
        "orders": (
            """select signal_id::text, leg::int, client_order_id, state, submissions, filled_quantity,
            average_price, venue_order_id, bookmark, reason_code, acknowledged_at is null
            from public.orders""",
            [
                (
                    *(one.signal_id, one.leg, one.client_order_id, one.state, one.submissions),
                    *(one.filled_quantity, one.average_price, one.venue_order_id, one.bookmark),
                    *(one.reason_code, one.acknowledged_at is None),
                )
                for one in store.orders
            ],
        ),
        "fills": (
            """select o.signal_id::text, o.leg::int, f.venue_fill_id, f.symbol, f.side, f.price, f.quantity,
            f.fee, f.filled_at, f.closed_quantity
            from public.fills f join public.orders o on o.id = f.order_id""",
            [
                (
                    *one.order,
                    *(one.venue_fill_id, one.symbol, one.side, one.price, one.quantity, one.fee),
                    *(one.filled_at, one.closed_quantity),
                )
                for one in store.fills
            ],
        ),
        "positions": (
            """select account_id::text, symbol, side, quantity, entry_price, entry_time, entry_fees
            from public.positions""",
            [
                (
                    *(one.account_id, one.symbol, one.side, one.quantity, one.entry_price, one.entry_time),
                    one.entry_fees,
                )
                for one in store.positions
            ],
        ),
        "trades": (
            """select order_id, account_id::text, symbol, side, entry_price, entry_time, exit_price,
            exit_time, quantity, fees_usd from public.trades""",
            [
                (
                    *(one.order_id, one.account_id, one.symbol, one.side, one.entry_price, one.entry_time),
                    *(one.exit_price, one.exit_time, one.quantity, one.fees_usd),
                )
                for one in store.trades
            ],
        ),
        "profit": (
            "select order_id, round(pnl_usd, 6) from public.trades",
            [(one.order_id, round(one.pnl_usd, 6)) for one in store.trades],
        ),
        "notifications": (
            """select user_id::text, kind, coalesce(data ->> 'signal_id', data ->> 'account_id')
            from public.notifications""",
            list(store.notifications),
        ),
        "audit": (
            """select subject::text, action, detail ->> 'status' from public.audit_log a
            where a.action = 'signal.finished' and exists (
              select from public.signals s where s.id = a.subject)""",
            [
                (subject, action, detail.get("status"))
                for subject, action, detail in store.audit
                if action == "signal.finished"
            ],
        ),
    }
