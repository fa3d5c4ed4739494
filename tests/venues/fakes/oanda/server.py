"""OANDA's v20 interface over HTTP, on a ledger for each account.

What OANDA does not write down can be set: whether an order that has ended is still found by its client id
(`finds_ended`), and what it says of an instrument that it does not list (`names_unknown`).
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from decimal import Decimal
from typing import Any

from sparky.runtime.seams import Clock
from tests.venues.fakes.oanda.checks import (
    Malformed,
    exit_reason,
    exit_schema,
    extensions,
    reject_reason,
    schema,
)
from tests.venues.fakes.oanda.instruments import INSTRUMENTS, PRICES
from tests.venues.fakes.oanda.ledger import EXITS, Ledger, Order, Trade
from tests.venues.fakes.oanda.market import meet
from tests.venues.fakes.oanda.shapes import (
    conversion_json,
    currencies,
    order_json,
    position_json,
    price_json,
    summary_json,
    trade_json,
)
from tests.venues.fakes.server import (
    AnsweredEarly,
    FakeRequest,
    FakeResponse,
    FakeServer,
    RequestKind,
    json_response,
)

_PAGE = 1000
_BAD_TOKEN = "Insufficient authorization to perform request."


class FakeOanda(FakeServer):
    """One environment. A token opens its accounts."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock
        self.prices = dict(PRICES)
        self.tokens: dict[str, list[str]] = {}
        self.ledgers: dict[str, Ledger] = {}
        self.finds_ended = True
        self.names_unknown = True
        self.page = _PAGE
        self.repeats_page = False
        self.shows_positions = True
        self.unlisted: set[str] = set()
        self.unquoted: set[str] = set()

    def open_account(self, token: str, number: str, balance: Decimal = Decimal(100_000)) -> Ledger:
        """Put an account behind a token."""
        self.tokens.setdefault(token, []).append(number)
        self.ledgers[number] = Ledger(number, self._clock, self.prices, balance)
        return self.ledgers[number]

    def set_price(self, instrument: str, price: Decimal) -> None:
        """Move a market; what waits for the price is executed, in the order in which it was created."""
        self.prices[instrument] = price
        for ledger in self.ledgers.values():
            for order in ledger.pending():
                named = order.terms.get("instrument")
                if order.trade_id is not None:
                    named = ledger.trades[order.trade_id].instrument
                if named == instrument and order.state == "PENDING":
                    meet(ledger, order, price, first=False)

    def fill_rest(self) -> None:
        """Fill what was created for the rest of partly filled orders."""
        for ledger in self.ledgers.values():
            for order in ledger.pending():
                if order.marks.get("waits"):
                    price = self.prices[order.terms["instrument"]]
                    ledger.fill(order, order.units, price, f"{order.kind}_ORDER")

    def kind_of(self, request: FakeRequest) -> RequestKind:
        if request.method == "GET":
            return RequestKind.QUESTION
        if request.path.endswith("/cancel"):
            return RequestKind.CANCEL
        return RequestKind.EXITS if "/trades/" in request.path else RequestKind.ORDER

    def too_many(self, request: FakeRequest) -> FakeResponse:
        del request
        return FakeResponse(
            429, b"<html><body>429 Too Many Requests</body></html>", {"Content-Type": "text/html"}
        )

    def server_error(self, request: FakeRequest, status: int) -> FakeResponse:
        del request
        return json_response(status, {"errorMessage": "Internal Server Error"})

    async def handle(self, request: FakeRequest) -> FakeResponse:
        if request.headers.get("accept-datetime-format") != "RFC3339":
            return _no(400, "Invalid value specified for 'Accept-Datetime-Format'")
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        if token not in self.tokens:
            return _no(401, _BAD_TOKEN)
        parts = request.path.strip("/").split("/")
        if parts == ["v3", "accounts"]:
            return json_response(200, {"accounts": [self._listed(one) for one in self.tokens[token]]})
        if parts[:2] != ["v3", "accounts"] or parts[2] not in self.tokens[token]:
            return _no(403, "The provided request was forbidden.")
        try:
            return self._route(request, self.ledgers[parts[2]], parts[3:])
        except Malformed as error:
            return _no(400, str(error))

    def _listed(self, number: str) -> dict[str, Any]:
        linked = self.ledgers[number].mt4
        return {"id": number, "tags": [], **({} if linked is None else {"mt4AccountID": linked})}

    def _route(self, request: FakeRequest, ledger: Ledger, tail: list[str]) -> FakeResponse:
        questions: dict[str, Callable[[Ledger, Mapping[str, str]], dict[str, Any]]] = {
            "summary": lambda one, _: summary_json(one),
            "instruments": self._instruments,
            "openPositions": self._positions,
            "openTrades": self._trades,
            "pendingOrders": self._pending,
            "pricing": self._pricing,
            "transactions": self._pages,
            "transactions/sinceid": self._since,
        }
        name = "/".join(tail)
        if request.method == "GET" and name in questions:
            return _answer(200, questions[name](ledger, request.params()), ledger.last_shown)
        return self._one(request, ledger, tail)

    def _one(self, request: FakeRequest, ledger: Ledger, tail: list[str]) -> FakeResponse:
        if request.method != "GET":
            return self._changed(request, ledger, tail)
        match tail:
            case ("orders", specifier):
                order = self._order(ledger, specifier, shown=True)
                return _answer(200, {"order": order_json(ledger, order)}, ledger.last_shown)
            case ("trades", specifier):
                trade = self._trade(ledger, specifier)
                return _answer(200, {"trade": trade_json(trade)}, ledger.last_shown)
            case ("transactions", number):
                return self._transaction(ledger, number)
        return _no(405, "Method not allowed")

    def _changed(self, request: FakeRequest, ledger: Ledger, tail: list[str]) -> FakeResponse:
        body = request.json()
        match (request.method, *tail):
            case ("POST", "orders"):
                return self._create(ledger, body)
            case ("PUT", "orders", specifier, "cancel"):
                return self._cancel(ledger, specifier)
            case ("PUT", "positions", instrument, "close"):
                return self._close(ledger, instrument, body)
            case ("PUT", "trades", specifier, "orders"):
                return self._bind(ledger, specifier, body)
        return _no(405, "Method not allowed")

    # Questions

    def _instruments(self, ledger: Ledger, params: Mapping[str, str]) -> dict[str, Any]:
        del ledger
        names = params.get("instruments", ",".join(INSTRUMENTS)).split(",")
        if self.names_unknown and set(names) - set(INSTRUMENTS):
            raise Malformed("Invalid value specified for 'instruments'")
        return {"instruments": [INSTRUMENTS[one].to_json() for one in names if one in INSTRUMENTS]}

    def _pricing(self, ledger: Ledger, params: Mapping[str, str]) -> dict[str, Any]:
        if set(params) - {"instruments", "includeHomeConversions"}:
            raise Malformed("Invalid value specified for a parameter")
        names = params["instruments"].split(",")
        if set(names) - set(INSTRUMENTS):
            raise Malformed("Invalid value specified for 'instruments'")
        converts = params.get("includeHomeConversions")
        prices = [self._price(ledger, one, converts=converts is None) for one in names]
        answer: dict[str, Any] = {"time": "2026-11-22T20:00:00.000000000Z", "prices": prices}
        if converts == "true":
            answer["homeConversions"] = [
                conversion_json(code, self.prices, ledger.currency) for code in currencies(names)
            ]
        return answer

    def _price(self, ledger: Ledger, name: str, *, converts: bool) -> dict[str, Any]:
        price = None if name in self.unquoted else self.prices[name]
        factors = conversion_json(name.rpartition("_")[2], self.prices, ledger.currency)
        return price_json(name, price, tradeable=not ledger.halted, factors=factors if converts else None)

    def _positions(self, ledger: Ledger, params: Mapping[str, str]) -> dict[str, Any]:
        assert not params
        if not self.shows_positions:
            return {"positions": []}
        held = [one for one in INSTRUMENTS if any(ledger.side(one, sign)[0] for sign in (1, -1))]
        return {"positions": [position_json(ledger, one, self.prices[one]) for one in held]}

    def _trades(self, ledger: Ledger, params: Mapping[str, str]) -> dict[str, Any]:
        assert not params
        return {"trades": [trade_json(one) for one in ledger.shown_trades() if one.is_open]}

    def _pending(self, ledger: Ledger, params: Mapping[str, str]) -> dict[str, Any]:
        assert not params
        shown = [one for one in ledger.shown_orders() if one.state == "PENDING"]
        return {"orders": [order_json(ledger, one) for one in shown]}

    def _pages(self, ledger: Ledger, params: Mapping[str, str]) -> dict[str, Any]:
        assert set(params) == {"from", "pageSize"}
        since = params["from"][:26]
        found = [one["id"] for one in ledger.shown() if one["time"][:26] >= since]
        starts = found[:: int(params["pageSize"])]
        base = f"https://api-fxpractice.oanda.com/v3/accounts/{ledger.number}/transactions/idrange"
        return {
            "from": params["from"],
            "pageSize": int(params["pageSize"]),
            "count": len(found),
            "pages": [f"{base}?from={one}&to={found[-1]}" for one in starts],
        }

    def _since(self, ledger: Ledger, params: Mapping[str, str]) -> dict[str, Any]:
        after = 0 if self.repeats_page else int(params["id"])
        newer = [one for one in ledger.shown() if int(one["id"]) > after]
        return {"transactions": newer[: self.page]}

    def _transaction(self, ledger: Ledger, number: str) -> FakeResponse:
        found = [one for one in ledger.shown() if one["id"] == number]
        if not found:
            return _no(404, "The transaction ID specified does not exist", "NO_SUCH_TRANSACTION", ledger)
        return _answer(200, {"transaction": found[0]}, ledger.last_shown)

    def _order(self, ledger: Ledger, specifier: str, *, shown: bool) -> Order:
        orders = ledger.shown_orders() if shown else list(ledger.orders.values())
        if specifier.startswith("@"):
            found = [
                one
                for one in orders
                if one.client_id == specifier[1:] and (self.finds_ended or one.state == "PENDING")
            ]
        else:
            found = [one for one in orders if one.order_id == specifier]
        if not found:
            raise AnsweredEarly(_no(404, "The order ID specified does not exist", "NO_SUCH_ORDER", ledger))
        return found[-1]

    def _trade(self, ledger: Ledger, specifier: str) -> Trade:
        found = [
            one
            for one in ledger.shown_trades()
            if specifier in {one.trade_id, None if one.client_id is None else f"@{one.client_id}"}
        ]
        if not found:
            raise AnsweredEarly(_no(404, "The trade ID specified does not exist", "NO_SUCH_TRADE", ledger))
        return found[-1]

    # Writes

    def _create(self, ledger: Ledger, body: Any) -> FakeResponse:
        if not isinstance(body, Mapping) or set(body) != {"order"}:
            raise Malformed("The request was missing required data")
        terms = schema(body["order"])
        reason = reject_reason(ledger, terms)
        if terms["instrument"] in self.unlisted:
            reason = "INSTRUMENT_NOT_TRADEABLE"
        content = {name: value for name, value in terms.items() if name != "type"}
        if reason is not None:
            rejected = ledger.write(f"{terms['type']}_ORDER_REJECT", **content, rejectReason=reason)
            return _rejected(ledger, {"orderRejectTransaction": rejected}, reason)
        order, created = ledger.create(terms["type"], content, reason="CLIENT_ORDER")
        told = meet(ledger, order, self.prices[terms["instrument"]], first=True)
        return _answer(201, {"orderCreateTransaction": created, **_named("order", told)}, ledger.last)

    def _cancel(self, ledger: Ledger, specifier: str) -> FakeResponse:
        order = None
        with suppress(AnsweredEarly):
            order = self._order(ledger, specifier, shown=False)
        if order is None or order.state != "PENDING":
            body = ledger.write("ORDER_CANCEL_REJECT", rejectReason="ORDER_DOESNT_EXIST")
            return _rejected(ledger, {"orderCancelRejectTransaction": body}, "ORDER_DOESNT_EXIST", 404)
        return _answer(200, {"orderCancelTransaction": ledger.cancel(order, "CLIENT_REQUEST")}, ledger.last)

    def _close(self, ledger: Ledger, instrument: str, body: Any) -> FakeResponse:
        side = next((one for one in ("long", "short") if f"{one}Units" in body), None)
        if side is None or set(body) - {f"{side}Units", f"{side}ClientExtensions"}:
            raise Malformed("Invalid value specified for 'longUnits'")
        extensions(body.get(f"{side}ClientExtensions", {}))
        sign = 1 if side == "long" else -1
        held, _ = ledger.side(instrument, sign)
        asked = body[f"{side}Units"]
        units = held if asked == "ALL" else Decimal(asked)
        terms = {
            "instrument": instrument,
            "units": f"{-sign * units:f}",
            "timeInForce": "FOK",
            "positionFill": "REDUCE_ONLY",
            f"{side}PositionCloseout": {"instrument": instrument, "units": asked},
            "clientExtensions": body.get(f"{side}ClientExtensions", {}),
        }
        reason = None if held else "CLOSEOUT_POSITION_DOESNT_EXIST"
        if held and units > held:
            reason = "CLOSEOUT_POSITION_UNITS_EXCEED_POSITION_SIZE"
        if reason is not None:
            rejected = ledger.write("MARKET_ORDER_REJECT", **terms, rejectReason=reason)
            return _rejected(ledger, {f"{side}OrderRejectTransaction": rejected}, reason)
        order, created = ledger.create("MARKET", terms, reason="POSITION_CLOSEOUT")
        told = meet(ledger, order, self.prices[instrument], first=True)
        return _answer(
            200, {f"{side}OrderCreateTransaction": created, **_named(f"{side}Order", told)}, ledger.last
        )

    def _bind(self, ledger: Ledger, specifier: str, body: Any) -> FakeResponse:
        if not isinstance(body, Mapping) or not body or set(body) - set(EXITS):
            raise Malformed("The request was missing required data")
        for name, terms in body.items():
            exit_schema(name, terms)
        trade = self._trade(ledger, specifier)
        listed = INSTRUMENTS[trade.instrument]
        for name, terms in body.items():
            reason = exit_reason(name, terms, listed, "") if trade.is_open else "TRADE_DOESNT_EXIST"
            if reason is not None:
                rejected = ledger.write(f"{EXITS[name][0]}_ORDER_REJECT", **terms, rejectReason=reason)
                return _rejected(ledger, {f"{name}OrderRejectTransaction": rejected}, reason)
        told: dict[str, Any] = {}
        for name, terms in body.items():
            before = ledger.exit_of(trade, name)
            if before is not None:
                told[f"{name}OrderCancelTransaction"] = ledger.cancel(before, "CLIENT_REQUEST_REPLACED")
            told[f"{name}OrderTransaction"] = ledger.bind_exit(trade, name, terms, "CLIENT_ORDER")
        return _answer(200, told, ledger.last)


def _named(prefix: str, told: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    return {f"{prefix}{name}": body for name, body in told.items()}


def _answer(status: int, body: Mapping[str, Any], last: str) -> FakeResponse:
    related = [one["id"] for one in body.values() if isinstance(one, dict) and "batchID" in one]
    extra: dict[str, Any] = {"relatedTransactionIDs": related} if related else {}
    return json_response(status, {**body, **extra, "lastTransactionID": last}, {"RequestID": f"r{last}"})


def _rejected(ledger: Ledger, body: Mapping[str, Any], reason: str, status: int = 400) -> FakeResponse:
    words = {"errorCode": reason, "errorMessage": f"The request was rejected: {reason.lower()}"}
    return _answer(status, {**body, **words}, ledger.last)


def _no(status: int, words: str, code: str | None = None, ledger: Ledger | None = None) -> FakeResponse:
    body: dict[str, Any] = {"errorMessage": words}
    if code is not None:
        body["errorCode"] = code
    if ledger is not None:
        body["lastTransactionID"] = ledger.last_shown
    return json_response(status, body)
