"""The conformance harness of Tradier."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from decimal import Decimal
from typing import ClassVar, Self

from sparky.domain.identifiers import AccountId
from sparky.domain.orders import ExitKind, ExitLeg, Side, TimeInForce
from sparky.keys.secret import Secret
from sparky.venues.base import AccountAccess
from sparky.venues.http import VenueHttp
from sparky.venues.tradier.adapter import TradierAdapter
from sparky.venues.tradier.client import Group
from sparky.venues.tradier.credentials import read_login
from tests.venues.fakes.book import Execution
from tests.venues.fakes.moving_time import MovingTime
from tests.venues.fakes.tradier.forms import read_form
from tests.venues.fakes.tradier.orders import Taken
from tests.venues.fakes.tradier.server import FakeTradier
from tests.venues.harness import Harness
from tests.venues.subjects import Subject

TOKEN = "sandboxTokenOfTheFirstTrader"
OTHER_TOKEN = "sandboxTokenOfTheOtherTrader"
LIVE_TOKEN = "productionTokenOfTheFirstTrader"
NUMBER, OTHER_NUMBER, SECOND_NUMBER = "VA10000001", "VA10000002", "VA10000003"
STRIKES = ("190", "200", "210")
EXPIRATION = "260417"


def access_of(token: str, account: str = "1", environment: str = "sandbox") -> AccountAccess:
    """Return the access of a trader with a token."""
    return AccountAccess(
        account_id=AccountId(f"00000000-0000-4000-8000-00000000000{account}"),
        exchange="tradier",
        environment=environment,
        credentials={"api_key": Secret(token)},
    )


def list_symbols(fake: FakeTradier) -> None:
    """List two shares, one of a class, and options on the first."""
    fake.book.list_symbol("AAPL", Decimal(200))
    fake.book.list_symbol("BRK/B", Decimal(400))
    for strike in STRIKES:
        for right in "CP":
            symbol = f"AAPL{EXPIRATION}{right}{int(strike) * 1000:08d}"
            fake.book.list_symbol(symbol, Decimal(5) + (210 - int(strike)) / Decimal(5), Decimal(100))


class TradierHarness(Harness):
    """A sandbox with two traders, and a production host with a third token."""

    name: ClassVar[str] = "tradier"
    cannot: ClassVar[Mapping[Subject, str]] = {
        Subject.IOC: "Tradier's durations are day, gtc, pre and post: nothing is immediate or cancelled.",
        Subject.TRAILING_STOP: "Tradier's API has no trailing stops: a stop-loss has a fixed price.",
        Subject.LEVERAGE: "Tradier sets the buying power of a margin account: none is chosen.",
        Subject.FUTURES: "Tradier's brokerage API trades US shares and options, and no futures.",
        Subject.IDEMPOTENT: "Tradier takes the same tag as often as it comes: only a look-up tells.",
        Subject.REPLAY_SAFE: "Tradier cannot tell a repeated request from a second order.",
        Subject.TOKEN_EXPIRY: "Tradier's personal access tokens do not expire, so none is renewed.",
        Subject.KEY_EXPIRY: "Tradier's personal access tokens do not expire and have no last day.",
        Subject.WITHDRAWAL: "Tradier's API tells no rights to withdraw: a token has none to give.",
        Subject.FEES: "Tradier tells commissions on the next day only, and never in the sandbox.",
        Subject.CUT_SHORT: "Tradier's market orders work for the day until the whole of them has filled.",
    }

    adapter: TradierAdapter
    server: FakeTradier
    production: FakeTradier
    symbol = "AAPL"
    quantity = Decimal(10)
    price = Decimal(200)
    tick = Decimal("0.01")
    too_much = Decimal(100_000)
    too_small = Decimal("0.5")
    too_large = Decimal(10_000_001)
    unknown_symbol = "AAPX"
    nearest = "AAPL"
    underlying = "AAPL"

    def __init__(self) -> None:
        self.time = MovingTime()
        self.server = FakeTradier(self.time)
        self.production = FakeTradier(self.time, production=True)
        for fake in (self.server, self.production):
            list_symbols(fake)
        self.server.open_account(TOKEN, NUMBER, Decimal(100_000))
        self.server.open_account(OTHER_TOKEN, OTHER_NUMBER, Decimal(100_000))
        self.production.open_account(LIVE_TOKEN, "6YA10004", Decimal(100_000))
        self.access = access_of(TOKEN)
        self.other_access = access_of(OTHER_TOKEN, "2")
        self.wrong_access = access_of("tokenThatNobodyKnows", "3")
        self.misplaced_access = access_of(LIVE_TOKEN, "4")

    @classmethod
    @asynccontextmanager
    async def open(cls) -> AsyncIterator[Self]:
        harness = cls()
        async with AsyncExitStack() as resources:
            await resources.enter_async_context(harness.server)
            await resources.enter_async_context(harness.production)
            hosts = {"sandbox": harness.server.url, "production": harness.production.url}
            http = await resources.enter_async_context(VenueHttp("Tradier", hosts))
            hasty = await resources.enter_async_context(VenueHttp("Tradier", hosts, read_seconds=0.3))
            harness.adapter = TradierAdapter(http, harness.time.seams())
            harness.impatient = TradierAdapter(hasty, harness.time.seams())
            yield harness

    async def executions(self, client_order_id: str) -> int:
        return self.server.executions(client_order_id)

    def lasts(self, client_order_id: str) -> TimeInForce:
        return self.server.book.time_in_force(client_order_id)

    def lift_limits(self) -> None:
        self.server.allowed = 1_000_000

    async def truth(self) -> Sequence[Execution]:
        return self.server.book.fills_of(NUMBER)

    async def set_price(self, price: Decimal) -> None:
        self.server.book.set_price(self.symbol, price)

    def fill_partially(self, fraction: Decimal) -> None:
        self.server.book.fill_fraction(fraction)

    async def fill_rest(self) -> None:
        self.server.book.fill_rest()

    def reject_later(self) -> None:
        self.server.book.reject_later("The exchange has rejected the order.")

    def hide_orders(self, seconds: float) -> None:
        self.server.book.hide_for(seconds)

    def revoke_key(self) -> None:
        del self.server.tokens[TOKEN]

    def add_account(self) -> str:
        self.server.open_account(TOKEN, SECOND_NUMBER, Decimal(1_000))
        return SECOND_NUMBER

    def close_market(self) -> None:
        self.server.markets.state = "closed"

    def hide_prices(self) -> None:
        self.server.markets.unquoted.add(self.symbol)

    async def place_by_hand(self, side: Side, limit_price: Decimal) -> str:
        taken = self.take_by_hand(side=side.value, type="limit", price=str(limit_price))
        return str(taken.order_id)

    def take_by_hand(self, **changes: str) -> Taken:
        """Take an order in `symbol` that did not come from here, in Tradier's words."""
        form = {"class": "equity", "symbol": self.symbol, "side": "buy", "quantity": str(self.quantity)}
        self.server.take(NUMBER, read_form({**form, "type": "market", "duration": "day", **changes}))
        return self.server.taken[-1]

    def both_exits(self) -> tuple[ExitLeg, ExitLeg]:
        """Return a take-profit and a stop-loss."""
        return (self.leg(ExitKind.TAKE_PROFIT, 11), self.leg(ExitKind.STOP_LOSS, 12))

    def exhaust_reads(self) -> None:
        # Seven tenths of the sandbox's sixty a minute are for questions.
        login = read_login(self.access)
        for group in (Group.STANDARD, Group.MARKET_DATA):
            self.adapter._desk._client._budget(login, group).told_used(42)
