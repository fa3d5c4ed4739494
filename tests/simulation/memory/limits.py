"""What 072_entry_limits.sql does: limits on entries that are counted."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Final
from zoneinfo import ZoneInfo

from tests.simulation.memory.rows import Signal
from tests.simulation.memory.store import Store

_NEW_YORK: Final = ZoneInfo("America/New_York")
_MAY_OPEN: Final = frozenset({"submitting", "accepted", "working", "partially_filled", "unknown"})
_ZERO: Final = Decimal(0)


def entry_limits(store: Store, signal: Signal, symbols: tuple[str, ...]) -> list[dict[str, Any]]:
    """Return every counted limit that is set, and what is used of it."""
    here = store.limits.get((signal.user_id, signal.exchange), {})
    everywhere = store.limits.get((signal.user_id, "all"), {})
    exchange = signal.exchange
    found = []
    for scope, limits in ((exchange, here), ("all", everywhere)):
        if limits.get("max_trades_per_day"):
            used = _entries_today(store, signal, None if scope == "all" else exchange)
            found.append(_limit("max_trades_per_day", scope, limits["max_trades_per_day"], Decimal(used)))
    if here.get("max_open_positions"):
        used = _open_positions(store, signal, symbols)
        found.append(_limit("max_open_positions", exchange, here["max_open_positions"], Decimal(used)))
    for scope, limits in ((exchange, here), ("all", everywhere)):
        if limits.get("max_daily_loss_usd"):
            lost = _loss_today(store, signal.user_id, None if scope == "all" else exchange)
            found.append(_limit("max_daily_loss_usd", scope, limits["max_daily_loss_usd"], lost))
    return found + _cooldown(store, signal, symbols, here, everywhere)


def opened_symbol(signal: Signal, plan: Mapping[str, Any] | None) -> str:
    """Return what a signal's plan opens; the symbol of a chosen contract is known only to its plan."""
    legs = () if plan is None else plan.get("legs", ())
    opening = (leg for leg in legs if isinstance(leg, Mapping) and leg.get("purpose") == "open")
    return next((str(leg["symbol"]) for leg in opening), signal.symbol)


def _cooldown(
    store: Store,
    signal: Signal,
    symbols: tuple[str, ...],
    here: Mapping[str, Decimal],
    everywhere: Mapping[str, Decimal],
) -> list[dict[str, Any]]:
    allowed = max(here.get("cooldown_sec", _ZERO), everywhere.get("cooldown_sec", _ZERO))
    if not allowed:
        return []
    entered = [
        one.entered_at
        for one in store.signals
        if one.entered_at is not None
        and one.account_id == signal.account_id
        and one.symbol in symbols
        and one.id != signal.id
    ]
    used = allowed
    if entered:
        used = min(allowed, Decimal(int((store.clock() - max(entered)).total_seconds())))
    scope = signal.exchange if here.get("cooldown_sec") == allowed else "all"
    return [_limit("cooldown_sec", scope, allowed, used) | {"ok": used >= allowed}]


def _limit(name: str, scope: str, limit: Decimal, used: Decimal) -> dict[str, Any]:
    return {
        "name": name,
        "scope": scope,
        "limit": format(limit, "f"),
        "used": format(used, "f"),
        "ok": used < limit,
    }


def _trading_day(store: Store) -> datetime:
    return store.clock().astimezone(_NEW_YORK).replace(hour=0, minute=0, second=0, microsecond=0)


def _entries_today(store: Store, signal: Signal, exchange: str | None) -> int:
    day = _trading_day(store)
    return sum(
        one.user_id == signal.user_id
        and one.entered_at is not None
        and one.entered_at >= day
        and one.id != signal.id
        and exchange in {None, one.exchange}
        for one in store.signals
    )


def _loss_today(store: Store, user_id: str, exchange: str | None) -> Decimal:
    day = _trading_day(store)
    lost = [
        -round(trade.pnl_usd, 8)
        for trade in store.trades
        if trade.user_id == user_id
        and trade.exit_time >= day
        and exchange in {None, store.accounts[trade.account_id].exchange}
    ]
    return sum(lost, _ZERO)


def _open_positions(store: Store, signal: Signal, symbols: tuple[str, ...]) -> int:
    def counts(account_id: str) -> bool:
        account = store.accounts[account_id]
        return account.user_id == signal.user_id and account.exchange == signal.exchange

    places = {(one.account_id, one.symbol) for one in store.positions if counts(one.account_id)}
    places |= {
        (one.account_id, one.symbol)
        for one in store.orders
        if counts(one.account_id)
        and one.written["purpose"] == "open"
        and one.signal_id != signal.id
        and one.state in _MAY_OPEN
    }
    places |= {
        (one.account_id, opened_symbol(one, one.plan))
        for one in store.signals
        if counts(one.account_id)
        and one.entered_at is not None
        and one.status == "executing"
        and one.id != signal.id
    }
    return sum(not (account == signal.account_id and symbol in symbols) for account, symbol in places)
