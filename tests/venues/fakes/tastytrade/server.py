"""The fake tastytrade over HTTP: OAuth, accounts, instruments and orders, as its documentation has them."""

import re
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any, Final
from urllib.parse import unquote

from sparky.runtime.seams import Clock
from tests.venues.fakes.messages import AnsweredEarly
from tests.venues.fakes.server import FakeRequest, FakeResponse, FakeServer, RequestKind, json_response
from tests.venues.fakes.tastytrade.desk import OrderDesk
from tests.venues.fakes.tastytrade.instruments import chain, listed
from tests.venues.fakes.tastytrade.logins import Grant, Logins, accounts_of
from tests.venues.fakes.tastytrade.orders import (
    WireOrder,
    data,
    fill_name,
    read_order,
    refuse,
    shown,
)

_AGENT: Final = re.compile(r"[A-Za-z0-9._-]+/[A-Za-z0-9._-]+")
_UNAUTHORIZED_PAGE: Final = b"<html><head><title>401 Authorization Required</title></head></html>"
_MOST_PER_PAGE: Final = 200


class FakeTastytrade(FakeServer):
    """One environment of tastytrade."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock
        self.logins = Logins(clock)
        self.instruments = listed()
        self.desk = OrderDesk(clock, self.instruments)
        self.book = self.desk.book
        self.closed: list[str] = []
        self.unquoted: set[str] = set()
        self.status: dict[str, Any] = {}
        self.echoes = True
        self.names_source = True
        self.per_page = _MOST_PER_PAGE
        self.counts_pages = True
        self._complexes = 2_000_010_001

    def kind_of(self, request: FakeRequest) -> RequestKind:
        """Tell logins, dry runs and exits from orders."""
        if request.path == "/oauth/token":
            return RequestKind.TOKEN
        if request.path.endswith("/dry-run") or request.method != "POST":
            return RequestKind.QUESTION if request.method != "DELETE" else RequestKind.CANCEL
        body = request.json()
        is_exit = body.get("type") == "OCO" or (
            body.get("time-in-force") == "GTC" and body["legs"][0]["action"].endswith("to Close")
        )
        return RequestKind.EXITS if is_exit else RequestKind.ORDER

    def too_many(self, request: FakeRequest) -> FakeResponse:
        """Word a 429."""
        del request
        return json_response(429, {"error": {"code": "too_many_requests", "message": "Slow down"}})

    def server_error(self, request: FakeRequest, status: int) -> FakeResponse:
        """Word a 5xx."""
        del request
        return json_response(status, {"error": {"code": "internal_error", "message": "Try again"}})

    async def handle(self, request: FakeRequest) -> FakeResponse:
        """Answer a request."""
        if not _AGENT.fullmatch(request.headers.get("user-agent", "")):
            return FakeResponse(401, _UNAUTHORIZED_PAGE, {"Content-Type": "text/html"})
        if request.headers.get("accept") != "application/json":
            raise refuse(406, "not_acceptable", "Not acceptable")
        if request.path == "/oauth/token" and request.method == "POST":
            return self.logins.login(request)
        grant = self.logins.grant_of(request)
        if grant is None:
            raise refuse(401, "token_invalid", "This token is invalid or has expired")
        parts = [unquote(part) for part in request.path.split("/")[1:]]
        if parts == ["customers", "me", "accounts"]:
            return data(200, {"items": accounts_of(grant, self.closed)})
        if parts[0] == "accounts" and len(parts) > 2:
            return self._of_account(request, grant, parts[1], parts[2:])
        return self._listed(request, parts)

    # Instruments

    def _listed(self, request: FakeRequest, parts: list[str]) -> FakeResponse:
        match parts:
            case ["instruments", "equities" | "equity-options" as kind, symbol]:
                found = self.instruments.get(symbol)
                wanted = "Equity" if kind == "equities" else "Equity Option"
                if found is None or found.kind != wanted:
                    raise _not_found()
                return data(200, found.wire)
            case ["instruments", "futures"]:
                return data(200, {"items": self._futures(request)})
            case ["option-chains", symbol, "nested"]:
                if symbol not in self.instruments:
                    raise _not_found()
                return data(200, {"items": chain(symbol)})
            case ["market-data", "by-type"]:
                return data(200, {"items": self._quotes(request)})
        raise _not_found()

    def _futures(self, request: FakeRequest) -> list[dict[str, Any]]:
        wanted = request.param_list()
        if any(name not in {"symbol[]", "product-code[]"} for name, _ in wanted):
            raise refuse(400, "validation_error", "Unknown parameter")
        field = {"symbol[]": "symbol", "product-code[]": "product-code"}
        return [
            one.wire
            for one in self.instruments.values()
            if one.kind == "Future" and all(one.wire[field[name]] == value for name, value in wanted)
        ]

    def _quotes(self, request: FakeRequest) -> list[dict[str, Any]]:
        kinds = {"equity": "Equity", "equity-option": "Equity Option", "future": "Future"}
        asked = request.param_list()
        if any(name not in kinds for name, _ in asked):
            raise refuse(400, "validation_error", "Unknown parameter")
        wanted = [(kinds[name], symbol) for name, listed in asked for symbol in listed.split(",")]
        if not 0 < len(wanted) <= 100:
            raise refuse(400, "validation_error", "At most 100 symbols")
        return [
            self._quote(kind, symbol)
            for kind, symbol in wanted
            if symbol in self.instruments and self.instruments[symbol].kind == kind
        ]

    def _quote(self, kind: str, symbol: str) -> dict[str, Any]:
        shown = {"symbol": symbol, "instrument-type": kind, "mark": None, "bid": None, "ask": None}
        if symbol in self.unquoted:
            return shown
        price = self.book.price(symbol)
        tick = Decimal("0.01")
        prices = {"bid": price - tick, "ask": price + tick, "mark": price, "last": price}
        return {**shown, **{name: format(value, "f") for name, value in prices.items()}}

    # Accounts

    def _of_account(self, request: FakeRequest, grant: Grant, account: str, parts: list[str]) -> FakeResponse:
        if account not in grant.accounts:
            raise refuse(403, "not_permitted", "User not permitted access")
        writes = request.method != "GET"
        if writes and "trade" not in grant.scopes:
            raise refuse(403, "not_permitted", "Token has insufficient scopes for this request")
        answers: dict[tuple[str, str], Callable[[], FakeResponse]] = {
            ("GET", "trading-status"): lambda: data(200, self._trading_status(account)),
            ("GET", "balances"): lambda: data(200, self._balances(account)),
            ("GET", "positions"): lambda: data(200, {"items": self._positions(account)}),
            ("GET", "transactions"): lambda: self._paged(request, self._transactions(request, account)),
            ("GET", "orders"): lambda: self._paged(request, self._search(request, account)),
            ("POST", "orders"): lambda: self._submit(request, account),
            ("POST", "orders/dry-run"): lambda: self._dry_run(request),
            ("POST", "complex-orders"): lambda: self._submit_complex(request, account),
        }
        answer = answers.get((request.method, "/".join(parts)))
        if answer is not None:
            return answer()
        match (request.method, *parts):
            case ("GET", "orders", number):
                return data(200, self._show(self._order(account, number)))
            case ("DELETE", "orders", number):
                return self._cancel(self._order(account, number))
            case ("DELETE", "complex-orders", number):
                return self._cancel_complex(account, number)
        raise _not_found()

    def _trading_status(self, account: str) -> dict[str, Any]:
        return {
            "account-number": account,
            "options-level": "No Restrictions",
            "is-futures-enabled": True,
            "is-closed": False,
            "is-frozen": False,
            "is-closing-only": False,
            "is-in-margin-call": False,
            **self.status,
        }

    def _balances(self, account: str) -> dict[str, Any]:
        available = format(self.book.available(account), "f")
        cash = self.book.cash(account)
        return {
            "account-number": account,
            "currency": "USD",
            "cash-balance": format(abs(cash), "f"),
            "cash-balance-effect": "Debit" if cash < 0 else "Credit",
            "net-liquidating-value": format(self.book.equity(account), "f"),
            "equity-buying-power": available,
            "derivative-buying-power": available,
        }

    def _positions(self, account: str) -> list[dict[str, Any]]:
        return [
            {
                "account-number": account,
                "symbol": symbol,
                "instrument-type": self.instruments[symbol].kind,
                "quantity": format(abs(one.quantity), "f"),
                "quantity-direction": "Long" if one.quantity > 0 else "Short",
                "average-open-price": format(one.entry_price, "f"),
                "multiplier": int(self.instruments[symbol].multiplier),
            }
            for symbol, one in self.book.positions(account).items()
        ]

    def _transactions(self, request: FakeRequest, account: str) -> list[dict[str, Any]]:
        asked = _fields(request, {"start-date", "symbol", "sort", "per-page", "page-offset"})
        since = asked.get("start-date", "")
        found: list[dict[str, Any]] = []
        for fill in reversed(self.book.fills_of(account)):
            order = next(
                one
                for one in self.desk.orders.values()
                for part in one.parts
                if part.order_id == fill.order_id
            )
            leg = next(one for one in order.asked.legs if one.symbol == fill.symbol)
            if asked.get("symbol", fill.symbol) != fill.symbol or f"{fill.at:%Y-%m-%d}" < since:
                continue
            found.append(
                {
                    "id": 1_735_820 + len(found),
                    "account-number": account,
                    "action": leg.action,
                    "transaction-type": "Trade",
                    "transaction-sub-type": leg.action,
                    "instrument-type": leg.listed.kind,
                    "symbol": fill.symbol,
                    "order-id": order.number,
                    "ext-exec-id": fill.execution_id,
                    "exec-id": fill_name(fill.execution_id),
                    "executed-at": fill.at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
                    "price": format(fill.price, "f"),
                    "quantity": format(fill.quantity, "f"),
                    "commission": "0.0",
                    "commission-effect": "None",
                    "clearing-fees": format(fill.fee, "f"),
                    "clearing-fees-effect": "Debit",
                    "is-estimated-fee": True,
                }
            )
        deposit = {"id": 1, "transaction-type": "Money Movement", "transaction-sub-type": "Deposit"}
        return [*found, deposit]

    # Orders

    def _order(self, account: str, number: str) -> WireOrder:
        order = self.desk.orders.get(int(number)) if number.isdigit() else None
        if order is None or order.account != account or not self._is_visible(order):
            raise _not_found()
        return order

    def _is_visible(self, order: WireOrder) -> bool:
        return not order.parts or order.parts[0].visible_at <= self._clock.now()

    def _show(self, order: WireOrder, *, routed: bool = False) -> dict[str, Any]:
        return shown(order, echoes=self.echoes, names_source=self.names_source, routed=routed)

    def _search(self, request: FakeRequest, account: str) -> list[dict[str, Any]]:
        known = {"start-at", "sort", "status[]", "per-page", "page-offset"}
        asked = request.param_list()
        if any(name not in known for name, _ in asked):
            raise refuse(400, "validation_error", "Unknown parameter")
        single = {name: value for name, value in asked if name != "status[]"}
        statuses = [value for name, value in asked if name == "status[]"]
        since = datetime.fromisoformat(single.get("start-at", "2000-01-01T00:00:00+00:00"))
        found = [
            order
            for order in self.desk.orders.values()
            if order.account == account and order.received_at >= since and self._is_visible(order)
        ]
        ordered = sorted(found, key=lambda one: one.number, reverse=single.get("sort", "Desc") == "Desc")
        return [self._show(one) for one in ordered if not statuses or one.status in statuses]

    def _paged(self, request: FakeRequest, items: list[dict[str, Any]]) -> FakeResponse:
        asked = dict(request.param_list())
        size = min(int(asked.get("per-page", "10")), self.per_page)
        page = int(asked.get("page-offset", "0"))
        pagination = {
            "per-page": size,
            "page-offset": page,
            "item-offset": page * size,
            "total-items": len(items),
            "total-pages": -(-len(items) // size),
        }
        shown_now = {"items": items[page * size : (page + 1) * size]}
        return data(200, shown_now, pagination=pagination) if self.counts_pages else data(200, shown_now)

    def _dry_run(self, request: FakeRequest) -> FakeResponse:
        asked = request.json()
        if any(leg["symbol"] == "SPY" for leg in asked["legs"]):
            return data(201, {"order": {"status": "Received"}, "warnings": [], "buying-power-effect": {}})
        read_order(asked, self.instruments)
        return data(201, {"order": {"status": "Received"}, "warnings": []})

    def _submit(self, request: FakeRequest, account: str) -> FakeResponse:
        order = self.desk.place(account, read_order(request.json(), self.instruments))
        return data(201, {"order": self._show(order, routed=True), "warnings": []})

    def _submit_complex(self, request: FakeRequest, account: str) -> FakeResponse:
        body = request.json()
        kind = body.get("type")
        if not set(body) <= {"type", "source", "trigger-order", "orders"} or kind not in {
            "OCO",
            "OTO",
            "OTOCO",
        }:
            raise refuse(400, "validation_error", "Request validation failed")
        if ("trigger-order" in body) == (kind == "OCO") or len(body["orders"]) != (1 if kind == "OTO" else 2):
            raise refuse(400, "validation_error", "Request validation failed")
        exits = [read_order(one, self.instruments) for one in body["orders"]]
        self._complexes += 1
        number = self._complexes
        group = f"group-{number}" if kind != "OTO" else None
        answer: dict[str, Any] = {"id": number, "account-number": account, "type": kind}
        after = None
        if kind != "OCO":
            asked = read_order(body["trigger-order"], self.instruments)
            trigger = self.desk.place(account, asked, tag=f"{kind}::trigger-order", complex_id=number)
            after = trigger.parts[0].order_id
            answer["trigger-order"] = self._show(trigger, routed=True)
        tag = "OTOCO::oco-1-order" if kind == "OTOCO" else f"{kind}::order"
        placed = [
            self.desk.place(account, one, tag=tag, complex_id=number, group=group, after=after)
            for one in exits
        ]
        answer["orders"] = [self._show(one, routed=True) for one in placed]
        return data(201, {"complex-order": answer, "warnings": []})

    def _cancel(self, order: WireOrder) -> FakeResponse:
        if order.is_over:
            raise refuse(422, "cannot_update_order", "the order could not be cancelled")
        self.desk.cancel(order)
        return data(200, {**self._show(order), "status": "Cancel Requested"})

    def _cancel_complex(self, account: str, number: str) -> FakeResponse:
        members = [
            one
            for one in self.desk.orders.values()
            if one.account == account and str(one.complex_id) == number
        ]
        if not members:
            raise _not_found()
        for one in members:
            if not one.is_over:
                self.desk.cancel(one)
        return data(200, {"id": int(number), "orders": [self._show(one) for one in members]})


def _fields(request: FakeRequest, known: set[str]) -> dict[str, str]:
    given = request.params()
    if not set(given) <= known:
        raise refuse(400, "validation_error", "Unknown parameter")
    return given


def _not_found() -> AnsweredEarly:
    return refuse(404, "record_not_found", "Couldn't find the requested record")
