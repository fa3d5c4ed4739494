"""Aster for the conformance suite: two hosts, one for each environment, and two traders."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from decimal import Decimal
from itertools import count
from typing import ClassVar, Self

from sparky.domain.identifiers import AccountId
from sparky.domain.orders import OrderType, Side, TimeInForce
from sparky.keys.secret import Secret
from sparky.venues.aster.adapter import AsterAdapter
from sparky.venues.aster.signing import AgentKey
from sparky.venues.base import AccountAccess
from sparky.venues.http import VenueHttp
from tests.venues.fakes.aster.server import FakeAster
from tests.venues.fakes.aster.wallets import Wallet
from tests.venues.fakes.book import Execution, NewOrder
from tests.venues.fakes.moving_time import MovingTime
from tests.venues.fakes.server import Fault
from tests.venues.harness import Harness
from tests.venues.subjects import Subject

_READS = 1690
_NUMBERS = count(1001)
_NO_OPTIONS = "Aster has perpetual futures only."


def secret(number: int) -> str:
    """Return the private key of an agent; none of them holds anything anywhere."""
    return f"{number:064x}"


def wallet(number: int) -> str:
    """Return the address of a trader's wallet."""
    return f"0x{number:040x}"


def agent(number: int) -> str:
    """Return the address of an agent."""
    return AgentKey(bytes.fromhex(secret(number))).address


def access(number: int, *, user: int | None = None, environment: str = "production") -> AccountAccess:
    """Return a trader's account with his keys."""
    return AccountAccess(
        account_id=AccountId(f"00000000-0000-4000-8000-{number:012d}"),
        exchange="aster",
        environment=environment,
        credentials={
            "api_key": Secret(wallet(number if user is None else user)),
            "api_secret": Secret(f"0x{secret(number)}"),
        },
    )


class AsterHarness(Harness):
    """A fresh Aster."""

    name = "aster"
    # The wallets that may sign: none.
    speaks: ClassVar = frozenset({Fault.LIST})
    cannot: ClassVar = {
        Subject.ATTACHED_EXITS: "Aster attaches no exits to an order; they are placed for the open position.",
        Subject.EXTENDED_HOURS: "Aster trades around the clock.",
        Subject.OPTIONS: _NO_OPTIONS,
        Subject.SPREADS: _NO_OPTIONS,
        Subject.FUTURES: "Aster's perpetuals have no expiry, so no futures symbols.",
        Subject.IDEMPOTENT: "Aster refuses a client id only while an order with it is open.",
        Subject.TOKEN_EXPIRY: "Aster has no access tokens: each request is signed.",
        Subject.SEVERAL_ACCOUNTS: "An API wallet of Aster signs for the one wallet that the trader names.",
    }

    symbol = "BTCUSDT"
    quantity = Decimal("0.5")
    price = Decimal(100)
    tick = Decimal("0.10")
    too_much = Decimal(4000)
    too_small = Decimal("0.0004")
    too_large = Decimal(200_000)
    unknown_symbol = "BTCUSD"
    nearest = "BTCUSDT"

    def __init__(self, time: MovingTime, server: FakeAster, testnet: FakeAster) -> None:
        self.time = time
        self.server: FakeAster = server
        self.testnet = testnet
        # Agents of their own: the process counts the nonces of each, and time begins anew with each harness.
        mine, other, misplaced, wrong = (next(_NUMBERS) for _ in range(4))
        self.address, self.agent = wallet(mine), agent(mine)
        server.add_wallet(self.address, self.agent)
        server.add_wallet(wallet(other), agent(other))
        testnet.add_wallet(wallet(misplaced), agent(misplaced))
        self.access, self.other_access = access(mine), access(other)
        self.wrong_access, self.misplaced_access = access(wrong, user=mine), access(misplaced)

    @classmethod
    @asynccontextmanager
    async def open(cls) -> AsyncIterator[Self]:
        """Start both hosts, and two adapters."""
        time = MovingTime()
        async with AsyncExitStack() as resources:
            server = await resources.enter_async_context(FakeAster(time))
            testnet = await resources.enter_async_context(FakeAster(time, "sandbox"))
            venue = cls(time, server, testnet)
            hosts = {"production": server.url, "sandbox": testnet.url}
            for name, seconds in (("adapter", 5.0), ("impatient", 0.3)):
                http = await resources.enter_async_context(
                    VenueHttp(
                        "Aster", hosts, connect_seconds=2.0 if seconds > 1 else 0.1, read_seconds=seconds
                    )
                )
                setattr(venue, name, AsterAdapter(http, time.seams()))
            yield venue

    @property
    def wallet(self) -> Wallet:
        """The account of `access`."""
        return self.server.wallets[self.address]

    async def executions(self, client_order_id: str) -> int:
        return self.server.book.executions(client_order_id)

    def lasts(self, client_order_id: str) -> TimeInForce:
        return self.server.book.time_in_force(client_order_id)

    async def truth(self) -> Sequence[Execution]:
        return self.server.book.fills_of(self.address)

    async def set_price(self, price: Decimal) -> None:
        self.server.set_price(self.symbol, price)

    def fill_partially(self, fraction: Decimal) -> None:
        self.server.book.fill_fraction(fraction)

    async def fill_rest(self) -> None:
        self.server.book.fill_rest()

    def reject_later(self) -> None:
        self.server.book.reject_later("the engine says no")

    def hide_orders(self, seconds: float) -> None:
        self.server.book.hide_for(seconds)

    def revoke_key(self) -> None:
        self.wallet.agents.clear()

    def expire_key(self) -> None:
        self.wallet.agents[self.agent].expires_ms = self.server.now_ms() - 1

    def allow_withdrawals(self) -> None:
        self.wallet.agents[self.agent].may_withdraw = True

    def close_market(self) -> None:
        self.server.instruments[self.symbol].status = "CLOSE"

    def hide_prices(self) -> None:
        self.server.unquoted.add(self.symbol)

    async def place_by_hand(self, side: Side, limit_price: Decimal) -> str:
        order = self.server.book.place(
            NewOrder(
                account=self.address,
                symbol=self.symbol,
                side=side,
                quantity=self.quantity,
                order_type=OrderType.LIMIT,
                limit_price=limit_price,
                time_in_force=TimeInForce.GTC,
            )
        )
        return order.order_id

    def exhaust_reads(self) -> None:
        self.server.use_up(_READS)
