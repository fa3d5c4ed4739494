"""What each trader sees, signed in anew with the password: row-level security decides."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final

from supabase import AsyncClient, AsyncClientOptions, acreate_client

from scripts.demo.evidence import Seen
from scripts.demo.leaks import UsedSecrets
from scripts.testbed.backend import Backend
from scripts.testbed.trader import Trader

# Tables and the columns that are shown; numbers as text, because JSON's would lose digits.
TABLES: Final[Mapping[str, str]] = {
    "signals": "user_id,symbol,action,status,reason_code,received_at",
    "orders": "user_id,symbol,side,quantity::text,state,average_price::text",
    "fills": "user_id,symbol,side,quantity::text,price::text",
    "positions": "user_id,symbol,side,quantity::text,entry_price::text",
    "trades": "user_id,symbol,side,quantity::text,pnl_usd::text",
}
_ORDER: Final = {
    "signals": "received_at",
    "orders": "submitted_at",
    "fills": "filled_at",
    "positions": "symbol",
    "trades": "exit_time",
}


async def look_as(trader: Trader, backend: Backend, others: Sequence[str], used: UsedSecrets) -> Seen:
    """Sign in as the trader and read everything; also ask outright for the rows of `others`."""
    options = AsyncClientOptions(auto_refresh_token=False, persist_session=False)
    client = await acreate_client(backend.url, backend.publishable_key, options)
    await client.auth.sign_in_with_password({"email": trader.email, "password": trader.password})
    await used.add_session(f"{trader.name}'s second session", client)
    tables = {table: await _rows(client, table, columns, _ORDER[table]) for table, columns in TABLES.items()}
    asked: list[Any] = await asyncio.gather(
        *(client.table(table).select("user_id").in_("user_id", list(others)).execute() for table in TABLES)
    )
    accounts: Any = (await client.table("user_api_keys").select("status").execute()).data
    return Seen(
        trader=trader.name,
        user_id=trader.user_id,
        tables=tables,
        others_asked_for=sum(len(answer.data) for answer in asked),
        key_status=", ".join(str(row["status"]) for row in accounts),
    )


async def _rows(client: AsyncClient, table: str, columns: str, order: str) -> list[dict[str, Any]]:
    found: Any = (await client.table(table).select(columns).order(order).execute()).data
    return list(found)
