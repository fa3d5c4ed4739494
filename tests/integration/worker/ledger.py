"""Our rows and the paper venue's book in the same words, so that they can be compared."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from scripts.testbed.records import Records
from scripts.testbed.trader import Trader

Row = Mapping[str, Any]
_EIGHT = Decimal("0.00000001")


@dataclass(frozen=True, slots=True)
class Ledger:
    """Orders and fills by client order id, positions by account and symbol, trades by closing order."""

    orders: Mapping[str, tuple[Any, ...]]
    fills: Mapping[str, tuple[Any, ...]]
    positions: Mapping[tuple[str, str], tuple[Decimal, Decimal]]
    trades: Mapping[str, tuple[Any, ...]]


def assert_rows_equal_book(records: Records, traders: Sequence[Trader]) -> None:
    """Every order arrived at the venue once, and what we wrote down is what the venue did."""
    accounts = [trader.account_id for trader in traders]
    placed = _placed(records, accounts)
    assert [row["client_order_id"] for row in placed if row["arrivals"] != 1] == []
    rows, book = _rows(records, accounts), _book(records, accounts, placed)
    assert rows.orders == book.orders
    assert rows.fills == book.fills
    assert rows.positions == book.positions
    assert rows.trades == book.trades


def paper_orders(records: Records, traders: Sequence[Trader]) -> Sequence[Row]:
    """Return what the paper venue has of these traders, in the order of execution."""
    return _placed(records, [trader.account_id for trader in traders])


def _placed(records: Records, accounts: list[str]) -> Sequence[Row]:
    return records.rows(
        "select o.*, a.account_id from private.paper_orders o"
        " join private.paper_accounts a on a.id = o.paper_account_id"
        " where a.account_id = any(%s::uuid[]) order by o.id",
        accounts,
    )


def _book(records: Records, accounts: list[str], placed: Sequence[Row]) -> Ledger:
    held = records.rows(
        "select p.*, a.account_id from private.paper_positions p"
        " join private.paper_accounts a on a.id = p.paper_account_id where a.account_id = any(%s::uuid[])",
        accounts,
    )
    return Ledger(
        orders={row["client_order_id"]: (str(row["id"]), *_terms(row), row["price"]) for row in placed},
        fills={
            row["client_order_id"]: (
                str(row["id"]),
                *_terms(row),
                row["price"],
                row["fee"],
                row["executed_at"],
            )
            for row in placed
        },
        positions={
            (str(row["account_id"]), row["symbol"]): (row["quantity"], row["entry_price"]) for row in held
        },
        trades=_trades(placed),
    )


def _rows(records: Records, accounts: list[str]) -> Ledger:
    # An order that was refused or never sent is none of the venue's.
    orders = records.rows(
        "select *, filled_quantity as quantity from public.orders"
        " where account_id = any(%s::uuid[]) and state not in ('refused', 'absent')",
        accounts,
    )
    fills = records.rows(
        "select f.*, o.client_order_id from public.fills f join public.orders o on o.id = f.order_id"
        " where f.account_id = any(%s::uuid[])",
        accounts,
    )
    positions = records.rows("select * from public.positions where account_id = any(%s::uuid[])", accounts)
    trades = records.rows("select * from public.trades where account_id = any(%s::uuid[])", accounts)
    assert len({row["client_order_id"] for row in fills}) == len(fills)
    return Ledger(
        orders={
            row["client_order_id"]: (row["venue_order_id"], *_terms(row), row["average_price"])
            for row in orders
        },
        fills={
            row["client_order_id"]: (
                *(row["venue_fill_id"], *_terms(row), row["price"], row["fee"], row["filled_at"]),
            )
            for row in fills
        },
        positions={
            (str(row["account_id"]), row["symbol"]): (
                row["quantity"] if row["side"] == "BUY" else -row["quantity"],
                row["entry_price"],
            )
            for row in positions
        },
        trades={
            row["order_id"]: (
                row["side"],
                row["quantity"],
                row["entry_price"],
                row["exit_price"],
                row["pnl_usd"],
            )
            for row in trades
        },
    )


def _terms(row: Row) -> tuple[Any, ...]:
    return row["symbol"], row["side"], row["quantity"]


@dataclass(slots=True)
class _Held:
    signed: Decimal = Decimal(0)
    entry: Decimal = Decimal(0)
    fees: Decimal = Decimal(0)


def _trades(placed: Iterable[Row]) -> dict[str, tuple[Any, ...]]:
    """Work out every round trip from what the venue executed; no position here is ever added to."""
    held: dict[tuple[Any, str], _Held] = {}
    trades = {}
    for row in placed:
        now = held.setdefault((row["account_id"], row["symbol"]), _Held())
        quantity, price, fee = row["quantity"], row["price"], row["fee"]
        direction = 1 if row["side"] == "buy" else -1
        assert now.signed * direction <= 0, "this ledger knows no averaging"
        closing = min(abs(now.signed), quantity)
        if closing:
            entry_fee = now.fees * closing / abs(now.signed)
            profit = (price - now.entry) * closing * -direction - entry_fee - fee * closing / quantity
            trades[row["client_order_id"]] = (
                "BUY" if now.signed > 0 else "SELL",
                closing,
                now.entry,
                price,
                profit.quantize(_EIGHT, ROUND_HALF_UP),
            )
            now.fees -= entry_fee
            now.signed += closing * direction
        if quantity > closing:
            opening = quantity - closing
            now.signed, now.entry, now.fees = opening * direction, price, fee * opening / quantity
    return trades
