"""A Tradier that never was: its API over real sockets, on a book of its own.

It answers lists in all three spellings, takes a client id as often as it comes, lists orders of the current
day in New York only, and turns orders down after it has taken them.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import unquote

from sparky.domain.options import parse_option
from sparky.domain.orders import OrderState, TimeInForce
from sparky.runtime.seams import Clock
from tests.venues.fakes.book import Book, BookRefusal, NewOrder
from tests.venues.fakes.messages import AnsweredEarly, FakeRequest, FakeResponse, json_response
from tests.venues.fakes.server import FakeServer, RequestKind
from tests.venues.fakes.tradier import words
from tests.venues.fakes.tradier.checks import check
from tests.venues.fakes.tradier.forms import Form, Leg, read_form
from tests.venues.fakes.tradier.markets import Markets
from tests.venues.fakes.tradier.orders import Taken

_NEW_YORK = timedelta(hours=5)
_PAGE = 25
_FIRST_ID = 228_175
_ORDERS = re.compile(r"/v1/accounts/([A-Z0-9]+)/orders(?:/(\d+))?", re.ASCII)
_LISTS = re.compile(r"/v1/accounts/([A-Z0-9]+)/(balances|positions|history)", re.ASCII)
_GROUPS = {"user": "standard", "accounts": "standard", "markets": "market data"}


@dataclass(slots=True, kw_only=True)
class FakeAccount:
    """An account of the fake."""

    number: str
    kind: str = "margin"
    status: str = "active"
    option_level: int = 4


class FakeTradier(FakeServer):
    """One of Tradier's hosts."""

    def __init__(self, clock: Clock, *, production: bool = False) -> None:
        super().__init__()
        self.clock = clock
        self.production = production
        self.book = Book(clock, pays_in_full=True)
        self.markets = Markets(self.book)
        self.per_page = _PAGE
        self.accounts: dict[str, FakeAccount] = {}
        self.tokens: dict[str, list[str]] = {}
        self.expired: set[str] = set()
        self.taken: list[Taken] = []
        self.keeps: str | None = None
        self.history: list[dict[str, Any]] = []
        self.used: dict[tuple[str, str, int], int] = {}
        self.allowed: int | None = None
        self._next_id = _FIRST_ID

    # Setting up

    def open_account(self, token: str, number: str, cash: Decimal, kind: str = "margin") -> FakeAccount:
        """Add an account behind a token."""
        account = FakeAccount(number=number, kind=kind)
        self.accounts[number] = account
        self.tokens.setdefault(token, []).append(number)
        self.book.open_account(number, cash)
        return account

    def executions(self, client_order_id: str) -> int:
        """Return how many orders of a client id have been taken and not turned down."""
        return sum(one.names(client_order_id) and one.rejected is None for one in self.taken)

    def open_market(self) -> None:
        """Open the market: what waits for it goes to the book."""
        self.markets.state = "open"
        for one in self.taken:
            if not one.parts and one.status == "pending":
                self._to_book(one)

    # Requests

    def kind_of(self, request: FakeRequest) -> RequestKind:
        if request.method == "DELETE":
            return RequestKind.CANCEL
        if request.method != "POST":
            return RequestKind.QUESTION
        form = request.form()
        if form.get("preview") == "true":
            return RequestKind.QUESTION
        closes = form.get("side") in {"sell", "buy_to_cover", "sell_to_close", "buy_to_close"}
        pends = form.get("type") in {"limit", "stop"} and form.get("duration") == "gtc"
        return RequestKind.EXITS if form.get("class") == "oco" or (closes and pends) else RequestKind.ORDER

    def too_many(self, request: FakeRequest) -> FakeResponse:
        del request
        return words.fault(
            429,
            "Rate limit quota violation. Quota limit exceeded.",
            "policies.ratelimit.QuotaViolation",
            {"X-Ratelimit-Available": "0", "X-Ratelimit-Expiry": self._window_end()},
        )

    def server_error(self, request: FakeRequest, status: int) -> FakeResponse:
        del request
        if status == 500:
            return words.plain(500, "Datastore Error")
        return words.fault(
            status, "Execution of ServiceCallout failed", "steps.servicecallout.ExecutionFailed"
        )

    async def handle(self, request: FakeRequest) -> FakeResponse:
        token = self._token(request)
        group = self._group(request)
        headers = self._counted(token, group)
        if int(headers["X-Ratelimit-Used"]) > int(headers["X-Ratelimit-Allowed"]):
            return self.too_many(request)
        try:
            response = self._route(request, token)
        except AnsweredEarly as early:
            response = early.response
        return FakeResponse(response.status, response.body, {**response.headers, **headers})

    def _token(self, request: FakeRequest) -> str:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme != "Bearer" or token not in self.tokens:
            raise AnsweredEarly(
                words.fault(401, "Invalid Access Token", "keymanagement.service.invalid_access_token")
            )
        if token in self.expired:
            raise AnsweredEarly(
                words.fault(500, "Access Token expired", "keymanagement.service.access_token_expired")
            )
        if "application/json" not in request.headers.get("accept", ""):
            raise AnsweredEarly(FakeResponse(200, b"<xml/>", {"Content-Type": "application/xml"}))
        return token

    def _group(self, request: FakeRequest) -> str:
        if request.method != "GET":
            return "orders"
        return _GROUPS.get(request.path.split("/")[2], "standard")

    def _counted(self, token: str, group: str) -> dict[str, str]:
        window = int(self.clock.now().timestamp()) // 60
        key = (token, group, window)
        self.used[key] = self.used.get(key, 0) + 1
        allowed = self.allowed or (120 if self.production and group != "orders" else 60)
        return {
            "X-Ratelimit-Allowed": str(allowed),
            "X-Ratelimit-Used": str(self.used[key]),
            "X-Ratelimit-Available": str(max(allowed - self.used[key], 0)),
            "X-Ratelimit-Expiry": self._window_end(),
        }

    def _window_end(self) -> str:
        return str((int(self.clock.now().timestamp()) // 60 + 1) * 60_000)

    def _route(self, request: FakeRequest, token: str) -> FakeResponse:
        if request.path == "/v1/user/profile" and request.method == "GET":
            return self._profile(token)
        if request.path.startswith("/v1/markets/") and request.method == "GET":
            return self.markets.answer(unquote(request.path), request.params())
        orders = _ORDERS.fullmatch(request.path)
        if orders is not None:
            number, order_id = orders.groups()
            self._owned(token, number)
            return self._orders(request, number, None if order_id is None else int(order_id))
        lists = _LISTS.fullmatch(request.path)
        if lists is not None and request.method == "GET":
            self._owned(token, lists[1])
            return self._list(lists[1], lists[2], request.params())
        return FakeResponse(404, b"<html><body>Not Found</body></html>", {"Content-Type": "text/html"})

    def _owned(self, token: str, number: str) -> None:
        if number not in self.tokens[token]:
            raise words.not_ours(number)

    def _profile(self, token: str) -> FakeResponse:
        accounts = [
            {
                "account_number": one.number,
                "classification": "individual",
                "day_trader": False,
                "option_level": one.option_level,
                "status": one.status,
                "type": one.kind,
            }
            for one in (self.accounts[number] for number in self.tokens[token])
        ]
        person = {"id": "id-abc", "name": "A Trader"}
        shown = accounts[0] if len(accounts) == 1 else accounts
        return json_response(200, {"profile": {**person, "account": shown}})

    def _list(self, number: str, name: str, params: dict[str, str]) -> FakeResponse:
        if name == "balances":
            return json_response(200, {"balances": self._balances(number)})
        if name == "positions":
            return json_response(200, self._positions(number))
        if not self.production:
            return words.plain(400, "History is not available in the sandbox.")
        symbol = params.get("symbol")
        events = [one for one in self.history if one.get("trade", {}).get("symbol") == symbol]
        return json_response(200, words.listed("history", "event", events))

    def _balances(self, number: str) -> dict[str, Any]:
        account = self.accounts[number]
        available = self.book.available(number)
        part = (
            {"cash_available": available, "sweep": 0, "unsettled_funds": 0}
            if account.kind == "cash"
            else {
                "fed_call": 0,
                "stock_buying_power": available,
                "option_buying_power": available,
                "sweep": 0,
            }
        )
        return {
            "account_number": number,
            "account_type": account.kind,
            "total_equity": words.amount(self.book.equity(number)),
            "total_cash": words.amount(self.book.cash(number)),
            "open_pl": words.amount(
                sum((self.book.unrealized(number, one) for one in self.book.positions(number)), Decimal(0))
            ),
            account.kind: part,
        }

    def _positions(self, number: str) -> dict[str, Any]:
        held = [
            {
                "cost_basis": words.amount(
                    one.quantity * one.entry_price * (100 if parse_option(symbol) else 1)
                ),
                "date_acquired": words.stamp(self.clock.now()),
                "id": 130_089 + index,
                "quantity": words.amount(one.quantity),
                "symbol": symbol,
            }
            for index, (symbol, one) in enumerate(self.book.positions(number).items())
        ]
        return words.listed("positions", "position", held)

    # Orders

    def _orders(self, request: FakeRequest, number: str, order_id: int | None) -> FakeResponse:
        if request.method == "POST" and order_id is None:
            return self.take(number, read_form(request.form()))
        if request.method == "DELETE" and order_id is not None:
            return self._cancel(number, order_id)
        if request.method == "GET":
            params = request.params()
            tags = params.get("includeTags") == "true"
            if order_id is None:
                return self._page(number, params, tags=tags)
            return json_response(200, {"order": self._visible(number, order_id).shown(tags=tags)})
        return words.plain(405, "Method Not Allowed")

    def _visible(self, number: str, order_id: int) -> Taken:
        for one in self.taken:
            if one.account == number and one.visible_at <= self.clock.now() and one.order_id == order_id:
                return one
        raise words.not_ours(number)

    def _page(self, number: str, params: dict[str, str], *, tags: bool) -> FakeResponse:
        within = self._span(params)
        found = [
            one.shown(tags=tags)
            for one in self.taken
            if one.account == number and one.visible_at <= self.clock.now() and within(_day(one.created))
        ]
        end = int(params.get("page", "1")) * self.per_page
        return json_response(200, words.listed("orders", "order", found[end - self.per_page : end]))

    def _span(self, params: dict[str, str]) -> Callable[[date], bool]:
        unknown = set(params) - {"includeTags", "page", "limit", "filter", "start", "end"}
        if unknown:
            raise words.refuse(f"Invalid parameter, {min(unknown)}: is not known.")
        if params.get("filter") != "all":
            today = _day(self.clock.now())
            return lambda day: day == today
        start, end = date.fromisoformat(params["start"]), date.fromisoformat(params["end"])
        if end - start > timedelta(days=31):
            raise words.refuse("Invalid parameter, start: the span is longer than a month.")
        return lambda day: start <= day <= end

    def take(self, number: str, form: Form) -> FakeResponse:
        if form.preview:
            return json_response(200, {"order": {"status": "ok", "commission": 0, "cost": 1, "result": True}})
        now = self.clock.now()
        taken = Taken(
            order_id=self._new_id(),
            account=number,
            form=form,
            created=now,
            visible_at=now + self.book.hidden_for,
            leg_ids=[self._new_id() for _ in form.legs],
        )
        taken.rejected = check(self.book, number, form, may_short=self.accounts[number].kind != "cash")
        self.taken.append(taken)
        if taken.rejected is not None:
            taken.status = "rejected"
        elif self.markets.state == "open" or form.legs[0].duration in {"pre", "post"}:
            self._to_book(taken)
        return json_response(
            200, {"order": {"id": taken.order_id, "status": "ok", "partner_id": "3a8bbee1-5184-4ffe"}}
        )

    def _new_id(self) -> int:
        self._next_id += 1
        return self._next_id

    def _to_book(self, taken: Taken) -> None:
        form = taken.form
        taken.status = "open"
        if taken.is_spread and not self.markets.net_is_met(form):
            return
        first = None
        for index, leg in enumerate(form.legs):
            entered = first is not None and self.book.orders[first].state is OrderState.FILLED
            sleeps = first is not None and not entered and form.order_class in {"oto", "otoco"}
            paired = form.order_class == "oco" or (form.order_class == "otoco" and index > 0)
            asked = _asked(taken, leg, after=first if sleeps else None, paired=paired)
            try:
                part = self.book.place(asked)
            except BookRefusal as refusal:
                taken.status, taken.rejected = "rejected", f"{refusal.code}: {refusal.words}"
                return
            if part.state is OrderState.REFUSED:
                taken.rejected = part.reason
            taken.parts.append(part)
            first = first or part.order_id

    def _cancel(self, number: str, order_id: int) -> FakeResponse:
        taken, parts = self._cancellable(number, order_id)
        if self.keeps is not None:
            return words.plain(400, self.keeps)
        if not taken.parts:
            if taken.status not in {"pending", "open"}:
                return words.plain(400, f"order already in finalized state: {taken.status}")
            taken.status = "canceled"
            return json_response(200, {"order": {"id": order_id, "status": "ok"}})
        cancelled = [self.book.cancel(part) for part in parts]
        if cancelled and not any(cancelled):
            return words.plain(400, f"order already in finalized state: {parts[0].state.value}")
        return json_response(200, {"order": {"id": order_id, "status": "ok"}})

    def _cancellable(self, number: str, order_id: int) -> tuple[Taken, list[Any]]:
        for one in self.taken:
            if one.account != number or one.visible_at > self.clock.now():
                continue
            if one.order_id == order_id:
                return one, one.parts
            if one.is_group and order_id in one.leg_ids and one.parts:
                return one, [one.parts[one.leg_ids.index(order_id)]]
        raise words.not_ours(number)


def _asked(taken: Taken, leg: Leg, *, after: str | None, paired: bool) -> NewOrder:
    return NewOrder(
        account=taken.account,
        symbol=leg.symbol,
        side=leg.direction,
        quantity=leg.quantity,
        client_order_id=None if taken.form.tag is None else taken.form.tag.split("-")[0],
        order_type=leg.kind,
        limit_price=leg.price,
        stop_price=leg.stop,
        time_in_force=TimeInForce.GTC if leg.duration == "gtc" else TimeInForce.DAY,
        group=str(taken.order_id) if paired else None,
        after=after,
    )


def _day(moment: datetime) -> date:
    return (moment - _NEW_YORK).date()
