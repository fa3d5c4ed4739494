"""The fake tastytrade for the conformance suite: two traders in the sandbox, one in production."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar, Final, Self

from sparky.domain.identifiers import AccountId, ClientOrderId
from sparky.domain.orders import ExitLeg, ExitRequest, OrderRef, OrderRequest, OrderType, Side, TimeInForce
from sparky.keys.secret import Secret
from sparky.venues.base import AccountAccess
from sparky.venues.http import VenueHttp
from sparky.venues.tastytrade.adapter import TastytradeAdapter
from sparky.venues.tastytrade.client import Caller
from sparky.venues.tastytrade.credentials import read_login
from tests.venues.fakes.book import Execution
from tests.venues.fakes.moving_time import MovingTime
from tests.venues.fakes.tastytrade.logins import Grant, refresh_token
from tests.venues.fakes.tastytrade.orders import read_order
from tests.venues.fakes.tastytrade.server import FakeTastytrade
from tests.venues.harness import Harness
from tests.venues.subjects import Subject

ACCOUNT: Final = "5WT00001"
OTHER: Final = "5WT00002"
SECOND: Final = "5WT00003"
CASH: Final = Decimal(1_000_000)
_SANDBOX: Final = "https://api.cert.tastyworks.com"
_PRODUCTION: Final = "https://api.tastyworks.com"
# Seven tenths of the fifty requests a second that a login has.
_READS: Final = 35


class TastytradeHarness(Harness):
    """tastytrade's sandbox and, behind another server, its production."""

    name: ClassVar[str] = "tastytrade"
    cannot: ClassVar[Mapping[Subject, str]] = {
        Subject.TRAILING_STOP: "Tastytrade has no trailing stops: its nearest is a stop at a fixed price.",
        Subject.LEVERAGE: "Tastytrade has no leverage to set: the account's margin type decides.",
        Subject.IDEMPOTENT: "Tastytrade takes the external-identifier for a label, and takes it twice.",
        Subject.REPLAY_SAFE: "Tastytrade cannot tell a repeated request from a second order.",
        Subject.KEY_EXPIRY: "Tastytrade's refresh tokens have no last day; they end with their grant.",
        Subject.WITHDRAWAL: "Tastytrade's scopes have none for withdrawals, so keys cannot carry that right.",
        Subject.LARGEST: "Tastytrade does not tell a largest order; the account's money bounds it.",
    }

    server: FakeTastytrade
    adapter: TastytradeAdapter
    impatient: TastytradeAdapter
    symbol = "AAPL"
    quantity = Decimal(10)
    price = Decimal(200)
    tick = Decimal("0.01")
    too_much = Decimal(100_000)
    too_small = Decimal("0.5")
    unknown_symbol = "ES1!"
    nearest = "/ESH6"
    underlying = "AAPL"
    future = "/ESH6"
    future_price = Decimal(6000)

    def __init__(self, time: MovingTime) -> None:
        self.time = time
        self._sent: dict[ClientOrderId, datetime] = {}
        self.server = FakeTastytrade(time)
        self.production = FakeTastytrade(time)
        self.grant = self._grant(self.server, "first", ACCOUNT, _SANDBOX)
        self.other_grant = self._grant(self.server, "second", OTHER, _SANDBOX)
        self.live_grant = self._grant(self.production, "third", ACCOUNT, _PRODUCTION)
        self.access = account_access(self.grant, "a1")
        self.other_access = account_access(self.other_grant, "a2")
        unknown = Grant(refresh_token("nobody", _SANDBOX), "secret-of-nobody-0000", [ACCOUNT])
        self.wrong_access = account_access(unknown, "a3")
        self.misplaced_access = account_access(self.live_grant, "a4")

    @classmethod
    @asynccontextmanager
    async def open(cls) -> AsyncIterator[Self]:
        """Start both environments, and connect to them."""
        harness = cls(MovingTime())
        async with AsyncExitStack() as stack:
            hosts = {}
            for environment, server in (("sandbox", harness.server), ("production", harness.production)):
                await stack.enter_async_context(server)
                hosts[environment] = server.url
            http = await stack.enter_async_context(VenueHttp("Tastytrade", hosts))
            hasty = await stack.enter_async_context(
                VenueHttp("Tastytrade", hosts, connect_seconds=0.3, read_seconds=0.3)
            )
            harness.adapter = TastytradeAdapter(http, harness.time.seams())
            harness.impatient = TastytradeAdapter(hasty, harness.time.seams())
            yield harness

    @staticmethod
    def _grant(server: FakeTastytrade, name: str, account: str, issuer: str) -> Grant:
        server.book.open_account(account, CASH)
        return server.logins.add(
            Grant(refresh_token(name, issuer), f"secret-of-{name}-0123456789", [account])
        )

    async def executions(self, client_order_id: str) -> int:
        """Count what the desk has taken."""
        return self.server.desk.submissions[client_order_id]

    def lasts(self, client_order_id: str) -> TimeInForce:
        """Ask the book."""
        return self.server.book.time_in_force(client_order_id)

    async def truth(self) -> Sequence[Execution]:
        """Return the fills of the books."""
        return self.server.book.fills_of(ACCOUNT)

    async def set_price(self, price: Decimal) -> None:
        """Move the market of AAPL."""
        self.server.book.set_price(self.symbol, price)

    def fill_partially(self, fraction: Decimal) -> None:
        """Fill a part of the next order."""
        self.server.book.fill_fraction(fraction)

    async def fill_rest(self) -> None:
        """Fill what is left."""
        self.server.book.fill_rest()

    def reject_later(self) -> None:
        """Reject the next order after it was taken."""
        self.server.book.reject_later("Order exceeds the exchange's limits")

    def hide_orders(self, seconds: float) -> None:
        """Hide new orders."""
        self.server.book.hide_for(seconds)

    def revoke_key(self) -> None:
        """Delete the grant."""
        self.server.logins.revoke(self.grant)

    def expire_token(self) -> None:
        """Let access tokens end."""
        self.server.logins.expire_tokens()

    def add_account(self) -> str:
        """Put a second account behind the login."""
        self.server.book.open_account(SECOND, CASH)
        self.grant.accounts.append(SECOND)
        return SECOND

    def close_market(self) -> None:
        """Close the market."""
        self.server.book.market_closed = True

    def hide_prices(self) -> None:
        """Let nobody bid, ask or trade."""
        self.server.unquoted.add(self.symbol)

    async def place_by_hand(self, side: Side, limit_price: Decimal) -> str:
        """Place an order at the desk itself."""
        verb, effect = ("Buy", "Debit") if side is Side.BUY else ("Sell", "Credit")
        leg = {"instrument-type": "Equity", "symbol": "AAPL", "quantity": 10, "action": f"{verb} to Open"}
        body = {
            "order-type": "Limit",
            "time-in-force": "Day",
            "price": format(limit_price, "f"),
            "price-effect": effect,
            "legs": [leg],
        }
        return str(self.server.desk.place(ACCOUNT, read_order(body, self.server.instruments)).number)

    def exhaust_reads(self) -> None:
        """Use up the login's reads of this second."""
        client = self.adapter._client
        client._of_login(Caller(self.access, read_login(self.access))).told_used(_READS)

    def typed(self, order_type: OrderType, number: int = 1, **changes: Any) -> OrderRequest:
        """Return an order that works; a stop order that opens is for the day."""
        if order_type is OrderType.STOP:
            changes = {"time_in_force": TimeInForce.DAY, **changes}
        return super().typed(order_type, number, **changes)

    def ref(self, order: OrderRequest, venue_order_id: str | None = None) -> OrderRef:
        """Return what finds an order that was sent when it was first asked for, however long ago that is."""
        return self._since_sent(super().ref(order, venue_order_id))

    def exit_ref(self, entry: OrderRequest, leg: ExitLeg) -> OrderRef:
        """Return what finds an exit."""
        return self._since_sent(super().exit_ref(entry, leg))

    async def marked(self, order: OrderRequest, access: AccountAccess | None = None) -> OrderRequest:
        """Write down when the order and its exits are sent."""
        for client_id in (order.client_order_id, *(leg.client_order_id for leg in order.exits)):
            self._sent.setdefault(client_id, self.time.now())
        return await super().marked(order, access)

    def exits(self, *legs: ExitLeg, entry: OrderRequest | None = None, **changes: Any) -> ExitRequest:
        """Write down when exits are sent."""
        for leg in legs:
            self._sent.setdefault(leg.client_order_id, self.time.now())
        return super().exits(*legs, entry=entry, **changes)

    def _since_sent(self, ref: OrderRef) -> OrderRef:
        return replace(ref, sent_at=self._sent.setdefault(ref.client_order_id, ref.sent_at))


def account_access(grant: Grant, account_id: str, **changes: Any) -> AccountAccess:
    """Return access with the two fields of the dashboard's form."""
    fields: dict[str, Any] = {
        "account_id": AccountId(account_id),
        "exchange": "Tastytrade",
        "environment": "sandbox",
        "credentials": {"api_key": Secret(grant.refresh_token), "api_secret": Secret(grant.client_secret)},
    }
    return AccountAccess(**{**fields, **changes})
