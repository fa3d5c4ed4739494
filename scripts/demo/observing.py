"""Reads Sparky's records as the operator, with the secret key, while things happen."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Final, Self

from supabase import AsyncClient, AsyncClientOptions, acreate_client

from scripts.demo.errors import DemoError
from scripts.demo.evidence import (
    FILL_COLUMNS,
    ORDER_COLUMNS,
    POSITION_COLUMNS,
    SIGNAL_COLUMNS,
    Fill,
    Order,
    Position,
    Records,
    Signal,
)
from scripts.testbed.backend import Backend

_PERIOD_SECONDS: Final = 0.2


class Operator:
    """The one who runs the service: sees the rows of every trader."""

    def __init__(self, client: AsyncClient) -> None:
        self._client = client
        self._user_ids: list[str] = []

    @classmethod
    async def sign_in(cls, backend: Backend) -> Self:
        """Connect with the secret key."""
        options = AsyncClientOptions(auto_refresh_token=False, persist_session=False)
        return cls(await acreate_client(backend.url, backend.secret_key, options))

    def follow(self, user_ids: Mapping[str, str]) -> None:
        """Read the rows of these traders and of nobody else."""
        self._user_ids = list(user_ids.values())

    async def signals(self) -> list[Signal]:
        """Return the signals in order of arrival."""
        return [Signal.read(row) for row in await self._rows("signals", SIGNAL_COLUMNS, "received_at")]

    async def orders(self) -> list[Order]:
        """Return the orders."""
        return [Order.read(row) for row in await self._rows("orders", ORDER_COLUMNS, "submitted_at")]

    async def orders_in_flight(self) -> list[Order]:
        """Return the orders that are written down and not answered yet."""
        query = self._client.table("orders").select(ORDER_COLUMNS).eq("state", "submitting")
        found: Any = (await query.in_("user_id", self._user_ids).execute()).data
        return [Order.read(row) for row in found]

    async def records(self) -> Records:
        """Return everything of these traders."""
        fills = await self._rows("fills", FILL_COLUMNS, "filled_at")
        positions = await self._rows("positions", POSITION_COLUMNS, "entry_time")
        trades = await self._rows("trades", "user_id", "exit_time")
        return Records(
            signals=await self.signals(),
            orders=await self.orders(),
            fills=[Fill.read(row) for row in fills],
            positions=[Position.read(row) for row in positions],
            trades=[str(row["user_id"]) for row in trades],
        )

    async def strangers_accounts(self) -> int:
        """Return how many exchange accounts belong to others than the traders of a demo."""
        accounts: Any = (await self._client.table("user_api_keys").select("user_id").execute()).data
        # RFC 2606 reserves example.com, so nobody else has an address there.
        query = self._client.table("user_profiles").select("id").like("email", "%@example.com")
        ours: Any = (await query.execute()).data
        return len({row["user_id"] for row in accounts} - {row["id"] for row in ours})

    async def remove(self, user_id: str) -> None:
        """Delete a trader with everything that is the trader's."""
        await self._client.auth.admin.delete_user(user_id)

    async def _rows(self, table: str, columns: str, order: str) -> list[dict[str, Any]]:
        query = self._client.table(table).select(columns).in_("user_id", self._user_ids)
        found: Any = (await query.order(order).execute()).data
        return list(found)


class Watch:
    """Reads the signals again and again, hands them to the view, and lets others wait for their end."""

    def __init__(self, operator: Operator, on_change: Callable[[list[Signal]], None]) -> None:
        self._operator = operator
        self._on_change = on_change
        self._looked = asyncio.Condition()
        self.signals: dict[str, Signal] = {}

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            signals = await self._operator.signals()
            self.signals = {signal.id: signal for signal in signals}
            self._on_change(signals)
            async with self._looked:
                self._looked.notify_all()
            await asyncio.sleep(_PERIOD_SECONDS)

    async def until_ended(self, wanted: frozenset[str], seconds: float) -> None:
        """Wait until each of the signals has ended.

        Raises:
            DemoError: they did not, in time.
        """
        try:
            async with asyncio.timeout(seconds), self._looked:
                await self._looked.wait_for(lambda: not self._unended(wanted))
        except TimeoutError:
            left = self._unended(wanted)
            raise DemoError(
                f"{len(left)} of {len(wanted)} signals did not end within {seconds:g} s"
            ) from None

    def _unended(self, wanted: frozenset[str]) -> set[str]:
        return {one for one in wanted if one not in self.signals or self.signals[one].finished_at is None}
