"""What 090_positions.sql does: a fill is applied once, position and trade follow."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from decimal import Decimal, localcontext
from typing import Any, Final

from tests.simulation.memory.rows import Fill, Order, Position, Trade
from tests.simulation.memory.store import DataProblem, Store

# More digits than numeric divides to; the columns round.
_PRECISION: Final = 80
_ZERO: Final = Decimal(0)


def apply_fill(store: Store, order: Order, told: Mapping[str, Any]) -> bool:
    """Apply one fill of an order; False when it was applied before."""
    if order.written.get("spread"):
        return _apply_of_spread(store, order, told)
    key = (order.account_id, order.symbol, str(told["venue_fill_id"]))
    if key in store.fills:
        _charge_late_fee(store, order, key, told)
        return False
    price, quantity = _positive(told, "price"), _positive(told, "quantity")
    fee = _ZERO if told.get("fee") is None else Decimal(told["fee"])
    at = datetime.fromisoformat(told["filled_at"])
    held = store.positions.get((order.account_id, order.symbol))
    closing = _ZERO
    if held is not None and held.side != order.side.upper():
        closing = min(quantity, held.quantity)
    store.fills.put(
        key,
        Fill(
            user_id=order.user_id,
            account_id=order.account_id,
            order=(order.signal_id, order.leg),
            venue_fill_id=str(told["venue_fill_id"]),
            symbol=order.symbol,
            side=order.side,
            price=price,
            quantity=quantity,
            fee=None if told.get("fee") is None else fee,
            filled_at=at,
            closed_quantity=closing,
        ),
    )
    with localcontext(prec=_PRECISION):
        if held is not None and closing:
            _close(store, held, order, price=price, quantity=closing, fee=fee * closing / quantity, at=at)
        if quantity > closing:
            rest = quantity - closing
            _open(store, order, price=price, quantity=rest, fee=fee * rest / quantity, at=at)
    return True


def _apply_of_spread(store: Store, order: Order, told: Mapping[str, Any]) -> bool:
    # The position of a spread is in its options, of which its own fills say nothing.
    key = (order.account_id, order.symbol, str(told["venue_fill_id"]))
    if key in store.fills:
        return False
    store.fills.put(
        key,
        Fill(
            user_id=order.user_id,
            account_id=order.account_id,
            order=(order.signal_id, order.leg),
            venue_fill_id=str(told["venue_fill_id"]),
            symbol=order.symbol,
            side=order.side,
            price=Decimal(told["price"]),
            quantity=_positive(told, "quantity"),
            fee=None if told.get("fee") is None else Decimal(told["fee"]),
            filled_at=datetime.fromisoformat(told["filled_at"]),
        ),
    )
    return True


def _close(
    store: Store,
    held: Position,
    order: Order,
    *,
    price: Decimal,
    quantity: Decimal,
    fee: Decimal,
    at: datetime,
) -> None:
    direction = 1 if held.side == "BUY" else -1
    entry_fee = held.entry_fees * quantity / held.quantity
    pnl = (price - held.entry_price) * quantity * direction - entry_fee - fee
    before = store.trades.get(order.client_order_id)
    if before is None:
        trade = Trade(
            user_id=held.user_id,
            account_id=held.account_id,
            symbol=held.symbol,
            side=held.side,
            entry_price=held.entry_price,
            entry_time=held.entry_time,
            exit_price=price,
            exit_time=at,
            quantity=quantity,
            pnl_usd=pnl,
            fees_usd=entry_fee + fee,
            order_id=order.client_order_id,
        )
    else:
        whole = before.quantity + quantity
        trade = replace(
            before,
            entry_price=(before.entry_price * before.quantity + held.entry_price * quantity) / whole,
            entry_time=min(before.entry_time, held.entry_time),
            exit_price=(before.exit_price * before.quantity + price * quantity) / whole,
            exit_time=max(before.exit_time, at),
            quantity=whole,
            pnl_usd=before.pnl_usd + pnl,
            fees_usd=before.fees_usd + entry_fee + fee,
        )
    store.trades.put(order.client_order_id, trade)
    place = (held.account_id, held.symbol)
    if quantity >= held.quantity:
        store.positions.remove(place)
    else:
        rest = replace(held, quantity=held.quantity - quantity, entry_fees=held.entry_fees - entry_fee)
        store.positions.put(place, rest)


def _open(
    store: Store, order: Order, *, price: Decimal, quantity: Decimal, fee: Decimal, at: datetime
) -> None:
    place = (order.account_id, order.symbol)
    held = store.positions.get(place)
    if held is None:
        made = Position(
            user_id=order.user_id,
            account_id=order.account_id,
            symbol=order.symbol,
            side=order.side.upper(),
            quantity=quantity,
            entry_price=price,
            entry_time=at,
            entry_fees=fee,
        )
    else:
        whole = held.quantity + quantity
        made = replace(
            held,
            entry_price=(held.entry_price * held.quantity + price * quantity) / whole,
            quantity=whole,
            entry_fees=held.entry_fees + fee,
        )
    store.positions.put(place, made)


def _charge_late_fee(store: Store, order: Order, key: tuple[str, str, str], told: Mapping[str, Any]) -> None:
    filled = store.fills[key]
    if filled.fee is not None or told.get("fee") is None:
        return
    late = Decimal(told["fee"])
    filled = store.fills.put(key, replace(filled, fee=late))
    if not late:
        return
    with localcontext(prec=_PRECISION):
        opened = late * (filled.quantity - filled.closed_quantity) / filled.quantity
        if filled.closed_quantity:
            _charge_trade(store, store.trades.get(order.client_order_id), late - opened)
        if filled.closed_quantity == filled.quantity:
            return
        place = (order.account_id, order.symbol)
        held = store.positions.get(place)
        if held is not None and held.side == order.side.upper() and held.entry_time <= filled.filled_at:
            store.positions.put(place, replace(held, entry_fees=held.entry_fees + opened))
        else:
            _charge_trade(store, _last_trade(store, order, filled), opened)


def _last_trade(store: Store, order: Order, filled: Fill) -> Trade | None:
    closed = [
        trade
        for trade in store.trades
        if (trade.account_id, trade.symbol, trade.side)
        == (order.account_id, order.symbol, order.side.upper())
        and trade.entry_time <= filled.filled_at <= trade.exit_time
    ]
    return max(closed, key=lambda trade: trade.exit_time, default=None)


def _charge_trade(store: Store, trade: Trade | None, fee: Decimal) -> None:
    if trade is not None:
        charged = replace(trade, pnl_usd=trade.pnl_usd - fee, fees_usd=trade.fees_usd + fee)
        store.trades.put(trade.order_id, charged)


def _positive(told: Mapping[str, Any], name: str) -> Decimal:
    value = Decimal(told[name])
    if not value > 0:
        raise DataProblem(f'new row for relation "fills" violates check constraint "{name}"', "23514")
    return value
