"""Finding orders again: directly, in the record, and through the trade they opened."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Final
from urllib.parse import quote

from sparky.domain import fields
from sparky.domain.answers import VenueOrder
from sparky.domain.errors import WorkOrderError
from sparky.domain.identifiers import ClientOrderId
from sparky.domain.orders import OrderRef
from sparky.venues.oanda.account import Account
from sparky.venues.oanda.client import TRANSACTION_NUMBER, OandaClient
from sparky.venues.oanda.errors import NO_SUCH_ORDER, is_duplicate, refused
from sparky.venues.oanda.history import History, rejected_order, tell, venue_order
from sparky.venues.oanda.parse import understanding
from sparky.venues.oanda.record import read_from, read_since, transaction_number
from sparky.venues.oanda.trades import Trade, find_trade, open_trades
from sparky.venues.oanda.transactions import (
    Cancelled,
    Created,
    Filled,
    Rejected,
    Transaction,
    read_created,
    read_transaction,
)

_PLACE: Final = "order"
_CLOCKS_APART: Final = timedelta(minutes=1)
_PARTS_OF_OTHERS: Final = ("replacesOrderID", "replacedByOrderID")


class OandaLookup:
    """Questions about orders. Each raises VenueUnavailable or CredentialsInvalid."""

    def __init__(self, client: OandaClient) -> None:
        self._client = client

    async def find(self, account: Account, ref: OrderRef) -> VenueOrder | None:
        """Return an order with its fills; None if OANDA shows it nowhere.

        The direct question is the quick one. Just after an order was created it may answer that there is
        none, so what counts is the record: from the bookmark on or, without one, from when it was sent.
        An order that OANDA turned down for a moment only may have been sent again with the same id: what it
        was turned down for is not what became of it.
        """
        found: History | Rejected | None = await self._directly(account, ref)
        if found is None or (ref.venue_order_id is None and _was_turned_down_for_now(found)):
            found = await self._in_record(account, ref)
        if found is None:
            found = await self._by_trade(account, ref.client_order_id)
        if found is None or (ref.venue_order_id is None and _was_turned_down_for_now(found)):
            return None
        if isinstance(found, Rejected):
            return rejected_order(found, ref.client_order_id)
        return await self._complete(account, found)

    async def open_orders(self, account: Account, symbol: str | None) -> Sequence[VenueOrder]:
        """Return what works, exits of trades included."""
        answer = await self._client.ask(account.login, account.path("pendingOrders"))
        with understanding("list of orders"):
            items = fields.items(answer.body, "orders", _PLACE)
            orders = [read_created(one) for one in items]
        bound = any(one.quantity is None for one in orders)
        # Asked after the orders: an exit whose trade is no longer open has ended with it meanwhile.
        trades = await open_trades(self._client, account) if bound else {}
        told = [_working(one, trades.get(one.trade_id or "")) for one in orders]
        return [one for one in told if one is not None and symbol in {None, one.symbol}]

    async def _directly(self, account: Account, ref: OrderRef) -> History | None:
        specifier = order_specifier(ref.client_order_id, ref.venue_order_id)
        answer = await self._client.ask(account.login, account.path(f"orders/{specifier}"))
        if answer.code in NO_SUCH_ORDER:
            return None
        with understanding("order"):
            source = fields.mapping(fields.present(answer.body, "order", _PLACE), _PLACE)
            created = read_created(source)
            parts = [fields.optional(fields.text, source, name, _PLACE) for name in _PARTS_OF_OTHERS]
            ending_ids = [
                fields.optional(fields.text, source, name, _PLACE)
                for name in ("fillingTransactionID", "cancellingTransactionID")
            ]
        if created.client_id == ref.client_order_id and any(parts):
            return None
        about = [await self._transaction(account, one) for one in ending_ids if one is not None]
        cancelled = next((one for one in about if isinstance(one, Cancelled)), None)
        if cancelled is not None and is_duplicate(cancelled.reason):
            return None
        return History(
            created=created,
            venue_order_id=created.order_id,
            fills=tuple(one for one in about if isinstance(one, Filled)),
            cancelled=cancelled,
        )

    async def _in_record(self, account: Account, ref: OrderRef) -> History | Rejected | None:
        if ref.bookmark is not None and TRANSACTION_NUMBER.fullmatch(ref.bookmark):
            record = await read_since(self._client, account, int(ref.bookmark))
        else:
            record = await read_from(self._client, account, ref.sent_at - _CLOCKS_APART)
        with understanding("record"):
            return tell(record, ref.client_order_id)

    async def _by_trade(self, account: Account, client_id: ClientOrderId) -> History | None:
        # Sent a second time, an entry is stopped by the trade of the first one, which may be older than
        # the bookmark. A trade has the number of the transaction that opened it.
        trade = await find_trade(self._client, account, f"@{client_id}")
        opened = None if trade is None else await self._transaction(account, trade.trade_id)
        if not isinstance(opened, Filled):
            return None
        with understanding("record"):
            first = transaction_number(opened.order_id)
        record = await read_since(self._client, account, first - 1)
        with understanding("record"):
            found = tell(record, client_id)
        return found if isinstance(found, History) else None

    async def _transaction(self, account: Account, transaction_id: str) -> Transaction | None:
        with understanding("transaction"):
            number = transaction_number(transaction_id)
        answer = await self._client.ask(account.login, account.path(f"transactions/{number}"))
        with understanding("transaction"):
            return read_transaction(fields.present(answer.body, "transaction", _PLACE))

    async def _complete(self, account: Account, history: History) -> VenueOrder:
        quantity = history.created.quantity
        if quantity is not None:
            return venue_order(history, quantity, account.currency)
        if history.fills:
            filled = sum((one.quantity for one in history.fills), Decimal(0))
            return venue_order(history, filled, account.currency)
        trade = await find_trade(self._client, account, history.created.trade_id or "")
        with understanding("exit"):
            if trade is None:
                raise WorkOrderError(_PLACE, "is bound to a trade that is not there")
        told = venue_order(history, trade.units or trade.first_units, account.currency)
        return replace(told, symbol=trade.symbol, side=trade.side.closed_by)


def order_specifier(client_id: ClientOrderId, venue_id: str | None) -> str:
    """Return what names an order in a path: OANDA's number of it or, without one, `@` and the client id."""
    known = venue_id is not None and venue_id.isascii() and venue_id.isdigit()
    return venue_id if venue_id is not None and known else f"@{quote(client_id, safe='')}"


def _was_turned_down_for_now(found: History | Rejected) -> bool:
    if isinstance(found, Rejected):
        return refused(found.reason).try_again
    return found.cancelled is not None and not found.fills and refused(found.cancelled.reason).try_again


def _working(order: Created, trade: Trade | None) -> VenueOrder | None:
    history = History(created=order, venue_order_id=order.order_id)
    if order.quantity is not None:
        return venue_order(history, order.quantity, "")
    if trade is None:
        return None
    told = venue_order(history, trade.units, "")
    return replace(told, symbol=trade.symbol, side=trade.side.closed_by)
