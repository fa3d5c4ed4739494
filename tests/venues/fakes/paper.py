"""The paper venue for the conformance suite: its real book in Postgres, and the faults of a call to it."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import replace
from decimal import Decimal
from itertools import count
from typing import Any, Final, Self

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from sparky.domain.errors import DatabaseContractError, DatabaseUnavailable, VenueUnavailable
from sparky.domain.identifiers import AccountId, SignalId
from sparky.domain.orders import OrderRequest, TimeInForce
from sparky.keys.secret import Secret
from sparky.runtime.seams import Sleeper
from sparky.venues.base import AccountAccess
from sparky.venues.paper.adapter import PaperAdapter
from sparky.venues.paper.client import PaperClient
from tests.database.world import Trader, World
from tests.venues.fakes.moving_time import MovingTime
from tests.venues.fakes.server import Fault, RequestKind
from tests.venues.harness import Harness
from tests.venues.subjects import Subject

KEY: Final = "paper-key-of-a-trader"
_numbers: Final = count(1)
_BROKEN: Final = frozenset({Fault.DROP_REQUEST, Fault.LATE, Fault.ERROR_500, Fault.ERROR_503})
_LOST: Final = frozenset({Fault.DROP_REPLY, Fault.ERROR_503_EXECUTED})
_NOT_JSON: Final = frozenset({Fault.HTML, Fault.CUT, Fault.EMPTY})
_PAGES: Final = frozenset({Fault.REDIRECT, Fault.LOST_ROUTE, Fault.FIREWALL})
_STRANGE: Final[Mapping[Fault, Any]] = {
    Fault.GARBAGE: {"what": "is this"},
    Fault.NULL: None,
    Fault.LIST: [],
    Fault.BARE: {},
}
_BUSY: Final = frozenset({Fault.TOO_MANY, Fault.BANNED})


_KINDS: Final[Mapping[str, RequestKind]] = {
    "paper_submit": RequestKind.ORDER,
    "paper_place_exits": RequestKind.EXITS,
    "paper_cancel": RequestKind.CANCEL,
}


class MovingFeed:
    """A feed of one symbol, whose price a test sets."""

    def __init__(self, symbol: str, price: Decimal) -> None:
        self.prices = {symbol: price}
        self.is_down = False

    async def price(self, symbol: str) -> Decimal | None:
        if self.is_down:
            raise VenueUnavailable("the price feed did not answer")
        return self.prices.get(symbol)


class Connections:
    """Connections as the worker's role, each for one call at a time, and kept for the next."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._idle: list[psycopg.Connection[Any]] = []

    @contextmanager
    def one(self) -> Iterator[psycopg.Connection[Any]]:
        connection = self._idle.pop() if self._idle else self._opened()
        try:
            yield connection
        finally:
            self._idle.append(connection)

    def close(self) -> None:
        for connection in self._idle:
            connection.close()

    def _opened(self) -> psycopg.Connection[Any]:
        connection = psycopg.connect(self._url, autocommit=True)
        connection.execute("set role sparky_worker")
        return connection


class PaperBook:
    """The functions of the book, called as the worker's role, and what may happen to a call."""

    def __init__(self, connections: Connections, *, patience: float = 3600.0) -> None:
        self._connections = connections
        self._patience = patience
        self._armed: Fault | None = None
        self._at: RequestKind | None = None
        self._left = 0
        self._seconds = 0.0
        self._late: list[tuple[str, Mapping[str, Any]]] = []

    def arm(
        self,
        fault: Fault | None,
        at: RequestKind | None = None,
        *,
        times: int | None = 1,
        seconds: float = 0.0,
    ) -> None:
        self._armed, self._at, self._seconds = fault, at, seconds
        self._left = 1_000_000 if times is None or fault is Fault.DOWN else times

    async def call(
        self, function: str, params: Mapping[str, Any], *, before_sending: Callable[[], None] = lambda: None
    ) -> Any:
        fault = self._next_fault(function)
        if fault is Fault.DOWN:
            raise DatabaseUnavailable(f"{function}: ConnectError", reached=False)
        before_sending()
        if fault is Fault.LATE:
            self._late.append((function, params))
        if fault in _BROKEN | _BUSY:
            raise DatabaseUnavailable(f"{function}: HTTP 503")
        if fault in _PAGES:
            raise DatabaseContractError(f"{function}: HTTP 404")
        answer = await asyncio.to_thread(self._execute, function, params)
        return await self._returned(function, params, answer, fault)

    async def everything_late(self) -> None:
        late, self._late = self._late, []
        for function, params in late:
            await asyncio.to_thread(self._execute, function, params)

    async def _returned(
        self, function: str, params: Mapping[str, Any], answer: Any, fault: Fault | None
    ) -> Any:
        if fault is Fault.DUPLICATE:
            await asyncio.to_thread(self._execute, function, params)
        if fault is Fault.DELAY:
            await asyncio.sleep(self._seconds)
        if fault is Fault.HANG:
            await asyncio.sleep(self._patience)
        if fault in _LOST or fault is Fault.HANG:
            raise DatabaseUnavailable(f"{function}: ReadError")
        if fault in _NOT_JSON:
            raise DatabaseContractError(f"{function}: the answer is not JSON")
        return answer if fault is None else _STRANGE.get(fault, answer)

    def _next_fault(self, function: str) -> Fault | None:
        kind = _KINDS.get(function, RequestKind.QUESTION)
        if self._left == 0 or self._at not in {None, kind}:
            return None
        self._left -= 1
        return self._armed

    def _execute(self, function: str, params: Mapping[str, Any]) -> Any:
        statement = sql.SQL("select public.{}({})").format(
            sql.Identifier(function),
            sql.SQL(", ").join(
                sql.SQL("{} => {}").format(sql.Identifier(name), sql.Placeholder()) for name in params
            ),
        )
        values = [Jsonb(_plain(v)) if isinstance(v, Mapping) else v for v in params.values()]
        with self._connections.one() as connection:
            try:
                row = connection.execute(statement, values).fetchone()
            except psycopg.Error as error:
                raise DatabaseContractError(f"{function}: {error.sqlstate}") from error
        assert row is not None
        return row[0]


class Ground:
    """A database with two traders, for all cases of a module."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.traders: tuple[Trader, Trader] = (world.trader(), world.trader())
        self.connections = Connections(world.url)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return f"{value:f}" if isinstance(value, Decimal) else value


class PaperHarness(Harness):
    """Two traders with a paper account each, on a ground that other cases use too."""

    name = "paper"
    cannot = {  # noqa: RUF012 - the port of the harness
        Subject.LEVERAGE: "Leverage is a term of a paper account.",
        Subject.EXTENDED_HOURS: "The paper venue fills at any time.",
        Subject.OPTIONS: "The paper venue has no options.",
        Subject.SPREADS: "The paper venue has no options.",
        Subject.FUTURES: "The paper venue has no futures contracts.",
        Subject.REVOCATION: "A paper account's key is of the trader's own making.",
        Subject.TOKEN_EXPIRY: "The paper venue has no access tokens.",
        Subject.KEY_EXPIRY: "A paper account's key has no last day.",
        Subject.WITHDRAWAL: "There is nothing to withdraw from a paper account.",
        Subject.OTHER_ENVIRONMENT: "The paper venue has one environment.",
        Subject.SEVERAL_ACCOUNTS: "A key opens one paper account.",
        Subject.LISTED_SYMBOLS: "The paper venue trades every symbol.",
        Subject.SMALLEST: "The paper venue has no smallest order.",
        Subject.LARGEST: "The paper venue has no largest order.",
        Subject.MARKET_HOURS: "The paper venue is always open.",
        Subject.PARTIAL_FILLS: "The paper venue fills orders whole.",
        Subject.CUT_SHORT: "The paper venue fills orders whole.",
        Subject.LATER_REJECTION: "The paper venue decides at once.",
        Subject.HIDING: "The paper venue shows an order as soon as it has it.",
        Subject.ACCOUNT_FILLS: "The paper venue's book goes by the database's clock, not by the suite's.",
        Subject.FEES: "The conformance account of the paper venue has no fee.",
        Subject.QUOTES: "The paper venue has one price for buyers and sellers, that of its feed.",
        Subject.BY_HAND: "Nobody can trade a paper account by hand.",
        Subject.RATE_LIMIT: "The paper venue does not count requests.",
        Subject.BUDGET: "The paper venue does not count requests.",
        Subject.HTTP: "The paper venue is asked through the database.",
    }
    # No order, and no position.
    speaks = frozenset({Fault.NULL, Fault.LIST})
    symbol = "BTCUSDT"
    quantity = Decimal("0.5")
    price = Decimal(100)
    tick = Decimal("0.01")
    too_much = Decimal(1_000_000)

    def __init__(
        self, ground: Ground, *, sleeper: Sleeper | None = None, feed: bool = True, **terms: str
    ) -> None:
        self.world = ground.world
        self.time = MovingTime()
        # Keys and client ids of its own give each case paper accounts of its own, at the price of none.
        self.signal = SignalId(f"00000000-0000-0000-0000-{next(_numbers):012}")
        self._key = f"{KEY}-{self.signal}"
        self.trader, self.other_trader = ground.traders
        self.book = PaperBook(ground.connections)
        self._short = PaperBook(ground.connections, patience=0.02)
        pause = sleeper or self.time
        self.feed = MovingFeed(self.symbol, self.price)
        known = self.feed if feed else None
        self.adapter = PaperAdapter(PaperClient(self.book), pause, feed=known)
        self.impatient = PaperAdapter(PaperClient(self._short), pause, feed=known)
        self.access = self.keys(api_key=self._key, **terms)
        self.other_access = replace(
            self.keys(api_key=self._key), account_id=AccountId(self.other_trader.account)
        )
        self.wrong_access = self.keys(api_key="short")

    @classmethod
    def open(cls) -> AbstractAsyncContextManager[Self]:
        raise NotImplementedError("the paper venue needs a database: its tests make the harness themselves")

    def keys(self, **fields: str) -> AccountAccess:
        return AccountAccess(
            account_id=AccountId(self.trader.account),
            exchange="paper",
            environment="paper",
            credentials={name: Secret(value) for name, value in fields.items()},
        )

    async def executions(self, client_order_id: str) -> int:
        return int(
            self.world.value(
                """select count(*) from private.paper_orders as o
                   join private.paper_accounts as a on a.id = o.paper_account_id
                   where o.client_order_id = %s and a.account_id in (%s, %s)""",
                client_order_id,
                self.trader.account,
                self.other_trader.account,
            )
        )

    async def executed(self, client_order_id: str) -> Decimal | None:
        """Return the price at which an order was filled, by the book; None while it was not."""
        found: Decimal | None = self.world.value(
            "select price from private.paper_orders where client_order_id = %s", client_order_id
        )
        return found

    async def set_price(self, price: Decimal) -> None:
        self.feed.prices[self.symbol] = price

    def lasts(self, client_order_id: str) -> TimeInForce:
        return TimeInForce(
            self.world.value(
                "select time_in_force from private.paper_orders where client_order_id = %s", client_order_id
            )
        )

    def fault(
        self, fault: Fault, at: RequestKind | None = None, *, times: int | None = 1, seconds: float = 0.0
    ) -> None:
        for book in (self.book, self._short):
            book.arm(fault, at, times=times, seconds=seconds)

    def heal(self) -> None:
        for book in (self.book, self._short):
            book.arm(None)

    async def everything_late(self) -> None:
        for book in (self.book, self._short):
            await book.everything_late()

    def questions(self, order: OrderRequest | None = None) -> dict[str, Callable[[], Awaitable[object]]]:
        every = super().questions(order)
        # The others are answered without the book.
        asked = ("validate", "balance", "quote", "find_order", "open_orders", "position", "positions")
        return {name: every[name] for name in asked}
