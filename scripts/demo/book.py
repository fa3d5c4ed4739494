"""The paper venue's own book: by direct SQL, else by asking the venue as the worker does."""

import asyncio
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

import psycopg
from supabase import acreate_client

from scripts.demo.evidence import Book, Order, Position, VenueOrder
from scripts.testbed.backend import Backend
from scripts.testbed.trader import Trader

_AT_ONCE: Final = 8
_ORDERS: Final = """
select k.user_id::text, o.client_order_id, o.quantity, o.arrivals
from private.paper_orders o
join private.paper_accounts a on a.id = o.paper_account_id
join public.user_api_keys k on k.id = a.account_id
where k.user_id = any(%s::uuid[]) order by o.id
"""
_POSITIONS: Final = """
select k.user_id::text, p.symbol, p.quantity
from private.paper_positions p
join private.paper_accounts a on a.id = p.paper_account_id
join public.user_api_keys k on k.id = a.account_id
where k.user_id = any(%s::uuid[]) order by p.symbol
"""


async def read_book(backend: Backend, traders: Mapping[str, Trader], orders: Iterable[Order]) -> Book:
    """Return the venue's book of these traders.

    Without a database URL the venue can only be asked for orders that we know of; `orders` are those.
    """
    if backend.database_url is not None:
        return await _by_sql(backend.database_url, [trader.user_id for trader in traders.values()])
    return await _by_asking(backend, list(traders.values()), list(orders))


async def _by_sql(url: str, user_ids: Sequence[str]) -> Book:
    async with await psycopg.AsyncConnection.connect(url, connect_timeout=10) as connection:
        orders = await (await connection.execute(_ORDERS, (list(user_ids),))).fetchall()
        positions = await (await connection.execute(_POSITIONS, (list(user_ids),))).fetchall()
    return Book(
        orders=[
            VenueOrder(user_id=user, client_order_id=client_id, quantity=quantity, arrivals=arrivals)
            for user, client_id, quantity, arrivals in orders
        ],
        positions=[
            Position(user_id=user, symbol=symbol, quantity=quantity) for user, symbol, quantity in positions
        ],
        whole=True,
    )


async def _by_asking(backend: Backend, traders: Sequence[Trader], orders: Sequence[Order]) -> Book:
    client = await acreate_client(backend.url, backend.secret_key)
    room = asyncio.Semaphore(_AT_ONCE)

    async def ask(function: str, trader: Trader, **more: str) -> Any:
        terms = {"p_account_id": trader.account_id, **more}
        async with room:
            return (await client.rpc(function, terms).execute()).data

    async def find(trader: Trader, order: Order) -> VenueOrder | None:
        found = await ask("paper_find_order", trader, p_client_order_id=order.client_order_id)
        if not found or found.get("client_order_id") is None:
            return None
        return VenueOrder(
            user_id=trader.user_id,
            client_order_id=found["client_order_id"],
            quantity=Decimal(found["quantity"]),
            arrivals=None,
        )

    by_user = {trader.user_id: trader for trader in traders}
    found = await asyncio.gather(*(find(by_user[order.user_id], order) for order in orders))
    positions = [
        Position(user_id=trader.user_id, symbol=row["symbol"], quantity=Decimal(row["quantity"]))
        for trader in traders
        for row in await ask("paper_list_positions", trader, p_key_hash=_key_hash(trader))
    ]
    return Book(orders=[order for order in found if order is not None], positions=positions, whole=False)


def _key_hash(trader: Trader) -> str:
    return hashlib.sha256(trader.paper_key.encode()).hexdigest()
