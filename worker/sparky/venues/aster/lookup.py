"""What became of orders, and what they executed.

`GET /fapi/v3/order` finds an order by either id. Commissions are told by `GET /fapi/v3/userTrades` alone,
which knows no client ids and reaches over at most seven days a question.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

from sparky.domain.answers import AccountFill, VenueOrder
from sparky.domain.errors import VenueUnavailable
from sparky.domain.orders import OrderRef
from sparky.venues.aster.client import AsterClient, understood
from sparky.venues.aster.credentials import AsterKeys
from sparky.venues.aster.errors import NO_SUCH_ORDER
from sparky.venues.aster.orders import ORDER_PATH, has_number, named
from sparky.venues.aster.parse import (
    OrderAnswer,
    Trade,
    account_fill,
    read_order,
    read_orders,
    read_trades,
)
from sparky.venues.aster.symbols import to_venue
from sparky.venues.budget import Priority

_BEFORE: Final = timedelta(minutes=1)
# An order is created within its signal's age after it was sent first; a week is the most that may be asked.
_CREATED_WITHIN: Final = timedelta(days=1)
_WEEK: Final = timedelta(days=7) - timedelta(milliseconds=1)
_PAGE: Final = 1000
_MOST_PAGES: Final = 20
_MOST_WEEKS: Final = 60
_TRADES_WEIGHT: Final = 5
_ALL_ORDERS_WEIGHT: Final = 5
_ALL_SYMBOLS_WEIGHT: Final = 40
_SLACK: Final = timedelta(seconds=5)
# Younger executions may not be listed yet; older ones that are missing will not come any more.
_LISTED_WITHIN: Final = timedelta(minutes=1)
_REMEMBERED: Final = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Whose orders are asked for, and where."""

    environment: str
    keys: AsterKeys


class LookUp:
    """Questions about orders and executions."""

    def __init__(self, client: AsterClient) -> None:
        self._client = client
        # Whose client id an order number has never changes.
        self._client_ids: OrderedDict[tuple[str, str, str], str | None] = OrderedDict()

    async def find(
        self, account: Account, ref: OrderRef, priority: Priority = Priority.READ
    ) -> VenueOrder | None:
        """Return an order with its fills; None when neither the look-up nor the list has it."""
        body = await self._client.ask(
            account.environment,
            account.keys,
            ORDER_PATH,
            named(ref),
            priority=priority,
            absent=NO_SUCH_ORDER,
        )
        if body is None:
            answer = await self._listed(account, ref, priority)
        else:
            answer = understood(read_order, body)
            if not is_meant(answer, ref):
                raise VenueUnavailable("Aster answered about another order than the one that was asked for.")
        return None if answer is None else await self.with_fills(account, answer, priority)

    async def with_fills(
        self, account: Account, answer: OrderAnswer, priority: Priority = Priority.EXIT
    ) -> VenueOrder:
        """Return an order with its fills.

        Raises:
            VenueUnavailable: it has ended, and its executions are not all listed yet.
        """
        order = answer.order
        if not order.filled_quantity:
            return order
        trades = await self._trades_of(account, answer, priority)
        complete = sum((trade.fill.quantity for trade in trades), Decimal(0)) >= order.filled_quantity
        if order.state.is_terminal and not complete:
            now = _from_ms(await self._client.venue_milliseconds(account.environment))
            if now - answer.updated_at < _LISTED_WITHIN:
                raise VenueUnavailable("Aster has executed the order, and does not list its trades yet.")
        return replace(order, fills=tuple(trade.fill for trade in trades))

    async def open_orders(self, account: Account, symbol: str | None) -> Sequence[VenueOrder]:
        """Return the orders that work."""
        body = await self._client.ask(
            account.environment,
            account.keys,
            "/fapi/v3/openOrders",
            [] if symbol is None else [("symbol", to_venue(symbol))],
            weight=_ALL_SYMBOLS_WEIGHT if symbol is None else 1,
        )
        return [answer.order for answer in understood(read_orders, body)]

    async def fills(
        self, account: Account, symbol: str, since: datetime, pnl_currency: str | None
    ) -> Sequence[AccountFill]:
        """Return the executions in a symbol since a moment, oldest first, with their orders' client ids."""
        until = _from_ms(await self._client.venue_milliseconds(account.environment)) + _SLACK
        trades = await self._trades(account, symbol, since, until, Priority.READ, _never)
        found = []
        for trade in trades:
            client_id = await self._client_id_of(account, trade)
            found.append(account_fill(trade, client_id, pnl_currency))
        return found

    async def _listed(self, account: Account, ref: OrderRef, priority: Priority) -> OrderAnswer | None:
        """Look through the orders that were created after an order was sent."""
        since = ref.sent_at - _BEFORE
        params = [
            ("symbol", to_venue(ref.symbol)),
            ("startTime", _to_ms(since)),
            ("endTime", _to_ms(since + _CREATED_WITHIN)),
            ("limit", str(_PAGE)),
        ]
        for _ in range(_MOST_PAGES):
            body = await self._client.ask(
                account.environment,
                account.keys,
                "/fapi/v3/allOrders",
                params,
                weight=_ALL_ORDERS_WEIGHT,
                priority=priority,
            )
            page = understood(read_orders, body)
            found = next((answer for answer in page if is_meant(answer, ref)), None)
            if found is not None or len(page) < _PAGE:
                return found
            last = max(int(answer.order.venue_order_id) for answer in page)
            params = [("symbol", to_venue(ref.symbol)), ("orderId", str(last + 1)), ("limit", str(_PAGE))]
        raise VenueUnavailable("Aster lists more orders than can be looked through.")

    async def _trades_of(self, account: Account, answer: OrderAnswer, priority: Priority) -> Sequence[Trade]:
        order = answer.order
        # The answer to a write does not say when the order was created; it was just now.
        since = (answer.created_at or answer.updated_at - _BEFORE) - _SLACK
        until = answer.updated_at + _SLACK

        def of_the_order(trades: Iterable[Trade]) -> list[Trade]:
            return [trade for trade in trades if trade.order_id == order.venue_order_id]

        def enough(trades: Iterable[Trade]) -> bool:
            executed = (trade.fill.quantity for trade in of_the_order(trades))
            return sum(executed, Decimal(0)) >= order.filled_quantity

        return of_the_order(await self._trades(account, answer.symbol, since, until, priority, enough))

    async def _trades(
        self,
        account: Account,
        symbol: str,
        since: datetime,
        until: datetime,
        priority: Priority,
        enough: Callable[[Iterable[Trade]], bool],
    ) -> Sequence[Trade]:
        """Return the executions of a span of time, oldest first, asked for week by week from its end."""
        found: dict[int, Trade] = {}
        end = until
        for _ in range(_MOST_WEEKS):
            start = max(since, end - _WEEK)
            for trade in await self._week(account, symbol, start, end, priority):
                found[trade.number] = trade
            if start <= since or enough(found.values()):
                return [found[number] for number in sorted(found)]
            end = start - timedelta(milliseconds=1)
        raise VenueUnavailable("Aster's list of executions is longer than can be looked through.")

    async def _week(
        self, account: Account, symbol: str, start: datetime, end: datetime, priority: Priority
    ) -> Sequence[Trade]:
        span = [("startTime", _to_ms(start)), ("endTime", _to_ms(end))]
        found: list[Trade] = []
        for _ in range(_MOST_PAGES):
            body = await self._client.ask(
                account.environment,
                account.keys,
                "/fapi/v3/userTrades",
                [("symbol", to_venue(symbol)), *span, ("limit", str(_PAGE))],
                weight=_TRADES_WEIGHT,
                priority=priority,
            )
            page = understood(read_trades, body)
            found += [one for one in page if start <= one.fill.filled_at <= end]
            if len(page) < _PAGE or max(one.fill.filled_at for one in page) > end:
                return found
            # Aster takes a trade's number or a span of time, not both.
            span = [("fromId", str(max(one.number for one in page) + 1))]
        raise VenueUnavailable("Aster's list of executions is longer than can be looked through.")

    async def _client_id_of(self, account: Account, trade: Trade) -> str | None:
        key = (account.environment, account.keys.user, f"{trade.symbol}/{trade.order_id}")
        if key in self._client_ids:
            return self._client_ids[key]
        body = await self._client.ask(
            account.environment,
            account.keys,
            ORDER_PATH,
            [("symbol", to_venue(trade.symbol)), ("orderId", trade.order_id)],
            absent=NO_SUCH_ORDER,
        )
        if body is None:
            return None
        answer = understood(read_order, body)
        self._client_ids[key] = answer.order.client_order_id
        if len(self._client_ids) > _REMEMBERED:
            self._client_ids.popitem(last=False)
        return answer.order.client_order_id


def _never(trades: Iterable[Trade]) -> bool:
    del trades
    return False


def is_meant(answer: OrderAnswer, ref: OrderRef) -> bool:
    """Tell whether an answer is about the order of a reference."""
    if has_number(ref):
        return answer.order.venue_order_id == ref.venue_order_id
    return answer.order.client_order_id == ref.client_order_id


def _to_ms(moment: datetime) -> str:
    return str((moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1))


def _from_ms(milliseconds: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds)
