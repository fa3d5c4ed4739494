"""What the tests of OANDA stand on: two traders at a fake practice host, and a fake live host."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import ClassVar, Self

from sparky.domain.identifiers import AccountId
from sparky.domain.orders import Side, TimeInForce
from sparky.keys.secret import Secret
from sparky.venues.base import AccountAccess
from sparky.venues.budget import Limit
from sparky.venues.http import VenueHttp
from sparky.venues.oanda.adapter import OandaAdapter
from tests.venues.fakes.book import Execution
from tests.venues.fakes.moving_time import MovingTime
from tests.venues.fakes.oanda.ledger import Ledger
from tests.venues.fakes.oanda.server import FakeOanda
from tests.venues.harness import Harness
from tests.venues.subjects import Subject

TOKEN = "6f2c1d5e8a544f0e9a530d8c3a1f2b4c-0b6c1d5e8a544f0e9a530d8c3a1f2b4c"
OTHER_TOKEN = "1a2c1d5e8a544f0e9a530d8c3a1f2b4c-9b6c1d5e8a544f0e9a530d8c3a1f2b4c"
LIVE_TOKEN = "7e2c1d5e8a544f0e9a530d8c3a1f2b4c-5b6c1d5e8a544f0e9a530d8c3a1f2b4c"
UNKNOWN_TOKEN = "00001d5e8a544f0e9a530d8c3a1f2b4c-00001d5e8a544f0e9a530d8c3a1f2b4c"
NUMBER = "101-004-5838423-001"
OTHER_NUMBER = "101-004-5838424-001"
LIVE_NUMBER = "001-004-5838425-001"


def access_of(token: str, name: str = "mine", number: str | None = None) -> AccountAccess:
    return AccountAccess(
        account_id=AccountId(name),
        exchange="oanda",
        environment="sandbox",
        credentials={"api_key": Secret(token)},
        account_number=number,
    )


class OandaHarness(Harness):
    name = "oanda"
    cannot: ClassVar[Mapping[Subject, str]] = {
        Subject.STOP_LIMIT: "OANDA has no stop-limit orders.",
        Subject.LEVERAGE: "OANDA sets leverage for the whole account.",
        Subject.EXTENDED_HOURS: "OANDA's instruments trade in their own hours.",
        Subject.OPTIONS: "OANDA lists no options to trade.",
        Subject.SPREADS: "OANDA lists no options to trade.",
        Subject.FUTURES: "OANDA lists no futures to trade.",
        Subject.TOKEN_EXPIRY: "OANDA's tokens do not expire.",
        Subject.KEY_EXPIRY: "OANDA's tokens do not expire.",
        Subject.WITHDRAWAL: "OANDA's interface has no withdrawals.",
        Subject.CUT_SHORT: "OANDA fills a market order whole or not at all.",
    }
    symbol = "EUR_USD"
    quantity = Decimal(1000)
    price = Decimal("1.10000")
    tick = Decimal("0.00001")
    too_much = Decimal(90_000_000)
    too_small = Decimal("0.4")
    too_large = Decimal(100_000_001)
    unknown_symbol = "EUR_USX"
    nearest = "EUR_USD"

    def __init__(self, server: FakeOanda, live: FakeOanda, time: MovingTime) -> None:
        self.server: FakeOanda = server
        self.live = live
        self.time = time
        self.ledger = server.open_account(TOKEN, NUMBER)
        self.other_ledger = server.open_account(OTHER_TOKEN, OTHER_NUMBER)
        live.open_account(LIVE_TOKEN, LIVE_NUMBER)
        self.access = access_of(TOKEN)
        self.other_access = access_of(OTHER_TOKEN, "other")
        self.wrong_access = access_of(UNKNOWN_TOKEN)
        self.misplaced_access = access_of(LIVE_TOKEN)

    @classmethod
    @asynccontextmanager
    async def open(cls) -> AsyncIterator[Self]:
        time = MovingTime()
        async with FakeOanda(time) as server, FakeOanda(time) as live:
            hosts = {"sandbox": server.url, "production": live.url}
            async with (
                VenueHttp("OANDA", hosts) as http,
                VenueHttp("OANDA", hosts, read_seconds=0.3) as impatient,
            ):
                harness = cls(server, live, time)
                harness.adapter = OandaAdapter(http, time.seams())
                harness.impatient = OandaAdapter(impatient, time.seams())
                yield harness

    @property
    def _ledgers(self) -> tuple[Ledger, Ledger]:
        return self.ledger, self.other_ledger

    async def executions(self, client_order_id: str) -> int:
        return sum(
            order.client_id == client_order_id
            and not order.stillborn
            and "replacesOrderID" not in order.marks
            for ledger in self._ledgers
            for order in ledger.orders.values()
        )

    def lasts(self, client_order_id: str) -> TimeInForce:
        (order,) = (one for one in self.ledger.orders.values() if one.client_id == client_order_id)
        return TimeInForce({"GFD": "day"}.get(order.terms["timeInForce"], order.terms["timeInForce"].lower()))

    async def truth(self) -> Sequence[Execution]:
        return self.ledger.executions

    async def set_price(self, price: Decimal) -> None:
        self.server.set_price(self.symbol, price)

    def fill_partially(self, fraction: Decimal) -> None:
        self.ledger.fraction = fraction

    async def fill_rest(self) -> None:
        self.server.fill_rest()

    def reject_later(self) -> None:
        self.ledger.stop_next = "INSUFFICIENT_LIQUIDITY"

    def hide_orders(self, seconds: float) -> None:
        for ledger in self._ledgers:
            ledger.hide_for(seconds)

    def revoke_key(self) -> None:
        del self.server.tokens[TOKEN]

    def add_account(self) -> str:
        number = "101-004-5838423-002"
        self.server.open_account(TOKEN, number)
        return number

    def close_market(self) -> None:
        for ledger in self._ledgers:
            ledger.halted = True

    def hide_prices(self) -> None:
        self.server.unquoted.add(self.symbol)

    async def place_by_hand(self, side: Side, limit_price: Decimal) -> str:
        units = self.quantity if side is Side.BUY else -self.quantity
        terms = {
            "instrument": self.symbol,
            "units": f"{units:f}",
            "price": f"{limit_price:f}",
            "timeInForce": "GTC",
            "positionFill": "DEFAULT",
        }
        order, _ = self.ledger.create("LIMIT", terms, reason="CLIENT_ORDER")
        return order.order_id

    def exhaust_reads(self) -> None:
        adapter = self.adapter
        assert isinstance(adapter, OandaAdapter)
        adapter._client._budgets.of(("ip", "sandbox"), Limit(100, 1.0)).told_used(70)
