"""A strict Aster: it checks signatures, nonces, parameters, steps and limits, and keeps true books."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final

from sparky.domain.orders import OrderState
from tests.venues.fakes.aster.instruments import Instrument
from tests.venues.fakes.aster.limits import BAN_SECONDS, WEIGHT_LIMIT, Meter, Verdict
from tests.venues.fakes.aster.requests import book_symbol, read_new_order
from tests.venues.fakes.aster.rows import order_row, position_row, to_ms, trade_row
from tests.venues.fakes.aster.wallets import CHAIN_IDS, Agent, Gate, Wallet, refuse
from tests.venues.fakes.book import Book, BookOrder, BookRefusal
from tests.venues.fakes.moving_time import MovingTime
from tests.venues.fakes.server import FakeRequest, FakeResponse, FakeServer, RequestKind, json_response

_TAKER: Final = Decimal("0.00035")
_LEVERAGE: Final = Decimal(20)
_WEEK_MS: Final = 7 * 86_400_000
_REFUSALS: Final[Mapping[str, tuple[int, str]]] = {
    "unknown_symbol": (-1121, "Invalid symbol."),
    "market_closed": (-4141, "Symbol is closed"),
    "nothing_to_reduce": (-2022, "ReduceOnly Order is rejected."),
    "insufficient_funds": (-2019, "Margin is insufficient."),
}
_LISTED: Final = (
    ("BTCUSDT", "100.00"),
    ("ETHUSDT", "50.00"),
    ("SOLUSDT", "20.00"),
    ("ASTERUSDT", "1.00"),
)

Params = Mapping[str, str]


def taker_fee(quantity: Decimal, price: Decimal) -> Decimal:
    """Charge what takers pay."""
    return quantity * price * _TAKER


class FakeAster(FakeServer):
    """One host of Aster. `skew` seconds are what its clock is ahead of the shared time."""

    def __init__(self, time: MovingTime, environment: str = "production") -> None:
        super().__init__()
        self.book = Book(time, fee=taker_fee, leverage=_LEVERAGE)
        self.skew = 0.0
        self.instruments = {name: Instrument(symbol=name, price=Decimal(price)) for name, price in _LISTED}
        # What some users report: a signature that is wrong gets an answer full of zeros.
        self.answers_strangers_with_zeros = False
        self.serves_agents = True
        self.unquoted: set[str] = set()
        self._time = time
        self._gate = Gate(CHAIN_IDS[environment])
        self._meter = Meter()
        for name, instrument in self.instruments.items():
            for held_side in ("BOTH", "LONG", "SHORT"):
                self.book.list_symbol(book_symbol(name, held_side), instrument.price)

    # What tests set up.

    @property
    def wallets(self) -> dict[str, Wallet]:
        """The accounts by their address."""
        return self._gate.wallets

    def add_wallet(self, address: str, agent: str, cash: Decimal = Decimal(10_000)) -> Wallet:
        """Open an account with one agent."""
        wallet = Wallet(address=address, agents={agent: Agent(address=agent)})
        self.wallets[address] = wallet
        self.book.open_account(address, cash, "USDT")
        return wallet

    def set_price(self, symbol: str, price: Decimal) -> None:
        """Move the market."""
        for held_side in ("BOTH", "LONG", "SHORT"):
            self.book.set_price(book_symbol(symbol, held_side), price)

    def use_up(self, weight: int) -> None:
        """Let the address have used at least so much of this minute."""
        self._meter.use_up(weight, self.now_ms())

    # The server.

    def kind_of(self, request: FakeRequest) -> RequestKind:
        """Tell exits from orders, and leverage from both."""
        if request.path == "/fapi/v3/leverage":
            return RequestKind.LEVERAGE
        if request.method == "POST" and (b"closePosition" in request.body or _is_exit(request.body)):
            return RequestKind.EXITS
        return super().kind_of(request)

    def too_many(self, request: FakeRequest) -> FakeResponse:
        """Word a 429."""
        del request
        words = "Too many requests; current limit is 2400 requests per minute."
        return json_response(429, {"code": -1003, "msg": words}, {"Retry-After": "5"})

    def banned(self, request: FakeRequest) -> FakeResponse:
        """Word a 418."""
        del request
        until = self.now_ms() + BAN_SECONDS * 1000
        words = f"Way too many requests; IP banned until {until}. Please use the websocket for live updates."
        return json_response(418, {"code": -1003, "msg": words}, {"Retry-After": str(BAN_SECONDS)})

    def server_error(self, request: FakeRequest, status: int) -> FakeResponse:
        """Word a 5xx."""
        del request
        code, words = (-1000, "An unknown error occured while processing the request.")
        if status == 503:
            code, words = (-1007, "Timeout waiting for response from backend server.")
        return json_response(status, {"code": code, "msg": words})

    def now_ms(self) -> int:
        """Return the venue's time."""
        return to_ms(self._time.now()) + round(self.skew * 1000)

    async def handle(self, request: FakeRequest) -> FakeResponse:
        """Answer one request."""
        verdict = self._meter.count(request, self.now_ms())
        if verdict is not Verdict.GO_ON:
            return self.banned(request) if verdict is Verdict.BANNED else self.too_many(request)
        public = _PUBLIC.get((request.method, request.path))
        if public is not None:
            return self._with_headers(json_response(200, public(self, request.params())))
        private = _PRIVATE.get((request.method, request.path))
        if private is None or (request.path == "/fapi/v3/agent" and not self.serves_agents):
            return FakeResponse(404, b"<html><body>404 page not found</body></html>")
        if self.answers_strangers_with_zeros and request.path in _ZEROS:
            return self._with_headers(json_response(200, _ZEROS[request.path]))
        wallet, agent, params = self._gate.enter(request, self.now_ms() * 1000)
        if request.method != "GET" and not agent.may_trade:
            raise refuse(401, -2015, "Invalid API-key, IP, or permissions for action.")
        if request.method == "POST" and request.path == "/fapi/v3/order":
            self._meter.count_order(wallet.address)
        answer = private(self, wallet, params)
        return self._with_headers(json_response(200, answer), wallet, request.method)

    def _with_headers(
        self, response: FakeResponse, wallet: Wallet | None = None, method: str = "GET"
    ) -> FakeResponse:
        headers = {**response.headers, "X-MBX-USED-WEIGHT-1M": str(self._meter.weight)}
        if wallet is not None and method == "POST":
            headers["X-MBX-ORDER-COUNT-1M"] = str(self._meter.orders[wallet.address])
        return FakeResponse(response.status, response.body, headers)

    # Public questions.

    def server_time(self, params: Params) -> Any:
        """Answer GET time."""
        _only(params)
        return {"serverTime": self.now_ms()}

    def exchange_info(self, params: Params) -> Any:
        """Answer GET exchangeInfo."""
        _only(params)
        return {
            "timezone": "UTC",
            "serverTime": self.now_ms(),
            "rateLimits": [{"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "limit": WEIGHT_LIMIT}],
            "symbols": [instrument.row() for instrument in self.instruments.values()],
        }

    def book_ticker(self, params: Params) -> Any:
        """Answer GET ticker/bookTicker of one symbol."""
        _only(params, "symbol")
        instrument = self._instrument(params)
        price = self.book.price(instrument.symbol)
        bid, ask = (price - instrument.tick, price + instrument.tick)
        if instrument.symbol in self.unquoted:
            bid = ask = Decimal(0)
        return {
            "symbol": instrument.symbol,
            "bidPrice": _text(bid),
            "bidQty": "431.00000000",
            "askPrice": _text(ask),
            "askQty": "9.00000000",
            "time": self.now_ms(),
        }

    # Questions about an account.

    def agents(self, wallet: Wallet, params: Params) -> Any:
        """Answer GET agent."""
        _only(params)
        return [agent.row() for agent in wallet.agents.values()]

    def balances(self, wallet: Wallet, params: Params) -> Any:
        """Answer GET balance."""
        _only(params)
        cash, equity = self.book.cash(wallet.address), self.book.equity(wallet.address)
        row = {
            "accountAlias": "SgsR",
            "asset": "USDT",
            "balance": _text(cash),
            "crossWalletBalance": _text(cash),
            "crossUnPnl": _text(equity - cash),
            "availableBalance": _text(self.book.available(wallet.address)),
            "maxWithdrawAmount": _text(self.book.available(wallet.address)),
            "marginAvailable": True,
            "updateTime": self.now_ms(),
        }
        zero = dict.fromkeys(
            ("balance", "crossWalletBalance", "crossUnPnl", "availableBalance", "maxWithdrawAmount"),
            "0.00000000",
        )
        return [{**row, "asset": "ASTER", **zero}, row]

    def mode(self, wallet: Wallet, params: Params) -> Any:
        """Answer GET positionSide/dual."""
        _only(params)
        return {"dualSidePosition": wallet.hedged}

    def position_risk(self, wallet: Wallet, params: Params) -> Any:
        """Answer GET positionRisk: every symbol, with or without a position."""
        _only(params, "symbol")
        names = [self._instrument(params).symbol] if "symbol" in params else list(self.instruments)
        sides = ("LONG", "SHORT") if wallet.hedged else ("BOTH",)
        rows = []
        for name in names:
            for held_side in sides:
                symbol = book_symbol(name, held_side)
                rows.append(
                    position_row(
                        name,
                        held_side,
                        self.book.position(wallet.address, symbol),
                        self.book.price(symbol),
                        self.book.unrealized(wallet.address, symbol),
                        wallet.leverage.get(name, 20),
                    )
                )
        return rows

    def find_order(self, wallet: Wallet, params: Params) -> Any:
        """Answer GET order."""
        _only(params, "symbol", "orderId", "origClientOrderId")
        return order_row(self._found(wallet, params, self.book.visible(wallet.address), -2013))

    def open_orders(self, wallet: Wallet, params: Params) -> Any:
        """Answer GET openOrders."""
        _only(params, "symbol")
        return [
            order_row(order)
            for order in self.book.visible(wallet.address)
            if order.works and ("symbol" not in params or _is_of(order, params["symbol"]))
        ]

    def all_orders(self, wallet: Wallet, params: Params) -> Any:
        """Answer GET allOrders."""
        _only(params, "symbol", "orderId", "startTime", "endTime", "limit")
        start, end = self._span(params)
        first = int(params.get("orderId", 0))
        rows = [
            order_row(order)
            for order in self.book.visible(wallet.address)
            if _is_of(order, self._instrument(params).symbol)
            and int(order.order_id) >= first
            and (first or start <= to_ms(order.created_at) <= end)
        ]
        return rows[: int(params.get("limit", 500))]

    def user_trades(self, wallet: Wallet, params: Params) -> Any:
        """Answer GET userTrades."""
        _only(params, "symbol", "startTime", "endTime", "fromId", "limit")
        if "fromId" in params and ("startTime" in params or "endTime" in params):
            raise refuse(400, -1128, "Combination of optional parameters invalid.")
        start, end = self._span(params)
        first = int(params.get("fromId", 0))
        visible = {order.order_id for order in self.book.visible(wallet.address)}
        rows = [
            trade_row(one, self.book.orders[one.order_id])
            for one in self.book.fills_of(wallet.address)
            if one.symbol.partition("/")[0] == self._instrument(params).symbol
            and one.order_id in visible
            and int(one.execution_id) >= first
            and (first or start <= to_ms(one.at) <= end)
        ]
        return rows[: int(params.get("limit", 500))]

    # Writes.

    def new_order(self, wallet: Wallet, params: Params) -> Any:
        """Answer POST order."""
        instrument = self._instrument(params)
        if instrument.status != "TRADING":
            raise refuse(400, -4141, "Symbol is closed")
        asked = read_new_order(params, wallet, instrument, self.book.price(instrument.symbol))
        # "Unique among open orders", and nothing more: the id of one that has ended is taken again.
        if any(
            order.works and order.asked.client_order_id == asked.client_order_id
            for order in self.book.orders.values()
            if order.asked.account == wallet.address
        ):
            raise refuse(400, -2010, "Duplicate order sent.")
        try:
            order = self.book.place(asked)
        except BookRefusal as refusal:
            code, words = _REFUSALS.get(refusal.code, (0, ""))
            raise refuse(400, code or int(refusal.code), words or refusal.words) from None
        order.extra |= {"type": params["type"], "closePosition": params.get("closePosition") == "true"}
        row = order_row(order, answers_write=True)
        if params.get("newOrderRespType") != "RESULT":
            row |= {
                "status": "NEW",
                "avgPrice": "0.00000",
                "executedQty": "0",
                "cumQty": "0",
                "cumQuote": "0",
            }
        if order.state is OrderState.REFUSED:
            # The engine says no a moment after the gateway has said yes.
            row["status"] = "NEW"
        return row

    def cancel_order(self, wallet: Wallet, params: Params) -> Any:
        """Answer DELETE order."""
        _only(params, "symbol", "orderId", "origClientOrderId")
        orders = [order for order in self.book.visible(wallet.address) if order.works]
        order = self._found(wallet, params, orders, -2011)
        order.extra["by_user"] = True
        self.book.cancel(order)
        return order_row(order, answers_write=True)

    def set_leverage(self, wallet: Wallet, params: Params) -> Any:
        """Answer POST leverage."""
        _only(params, "symbol", "leverage")
        symbol, leverage = self._instrument(params).symbol, int(params["leverage"])
        if not 1 <= leverage <= 100:
            raise refuse(400, -4028, f"Leverage {leverage} is not valid")
        wallet.leverage[symbol] = leverage
        return {"leverage": leverage, "maxNotionalValue": "1000000", "symbol": symbol}

    # Parts.

    def _instrument(self, params: Params) -> Instrument:
        found = self.instruments.get(params.get("symbol", ""))
        if found is None:
            raise refuse(400, -1121, "Invalid symbol.")
        return found

    def _found(self, wallet: Wallet, params: Params, orders: list[BookOrder], code: int) -> BookOrder:
        del wallet
        symbol = self._instrument(params).symbol
        if "orderId" not in params and "origClientOrderId" not in params:
            raise refuse(
                400, -1102, "Param 'origClientOrderId' or 'orderId' must be sent, but both were empty/null!"
            )
        matching = [
            order
            for order in orders
            if _is_of(order, symbol)
            and (
                order.order_id == params["orderId"]
                if "orderId" in params
                else order.asked.client_order_id == params["origClientOrderId"]
            )
        ]
        if not matching:
            raise refuse(400, code, "Unknown order sent." if code == -2011 else "Order does not exist.")
        return matching[-1]

    def _span(self, params: Params) -> tuple[int, int]:
        end = int(params.get("endTime", self.now_ms() + 1))
        start = int(params.get("startTime", end - _WEEK_MS + 1))
        if end - start >= _WEEK_MS:
            raise refuse(400, -4165, "Maximum time interval is 7 days")
        return start, end


def _only(params: Params, *known: str) -> None:
    unknown = sorted(set(params) - set(known))
    if unknown:
        raise refuse(400, -1104, f"Not all sent parameters were read; '{unknown[0]}' was not.")


def _is_of(order: BookOrder, symbol: str) -> bool:
    return order.asked.symbol.partition("/")[0] == symbol


def _is_exit(body: bytes) -> bool:
    return any(kind in body for kind in (b"type=TAKE_PROFIT", b"type=TRAILING")) or (
        b"type=STOP_MARKET" in body and b"reduceOnly=true" in body
    )


def _text(value: Decimal) -> str:
    return format(round(value, 8), "f")


_ZEROS: Final[Mapping[str, Any]] = {
    "/fapi/v3/balance": [],
    "/fapi/v3/positionRisk": [],
    "/fapi/v3/openOrders": [],
    "/fapi/v3/allOrders": [],
    "/fapi/v3/userTrades": [],
}
_PUBLIC: Final[Mapping[tuple[str, str], Callable[[FakeAster, Params], Any]]] = {
    ("GET", "/fapi/v3/time"): FakeAster.server_time,
    ("GET", "/fapi/v3/exchangeInfo"): FakeAster.exchange_info,
    ("GET", "/fapi/v3/ticker/bookTicker"): FakeAster.book_ticker,
}
_PRIVATE: Final[Mapping[tuple[str, str], Callable[[FakeAster, Wallet, Params], Any]]] = {
    ("GET", "/fapi/v3/agent"): FakeAster.agents,
    ("GET", "/fapi/v3/balance"): FakeAster.balances,
    ("GET", "/fapi/v3/positionSide/dual"): FakeAster.mode,
    ("GET", "/fapi/v3/positionRisk"): FakeAster.position_risk,
    ("GET", "/fapi/v3/order"): FakeAster.find_order,
    ("GET", "/fapi/v3/openOrders"): FakeAster.open_orders,
    ("GET", "/fapi/v3/allOrders"): FakeAster.all_orders,
    ("GET", "/fapi/v3/userTrades"): FakeAster.user_trades,
    ("POST", "/fapi/v3/order"): FakeAster.new_order,
    ("DELETE", "/fapi/v3/order"): FakeAster.cancel_order,
    ("POST", "/fapi/v3/leverage"): FakeAster.set_leverage,
}
