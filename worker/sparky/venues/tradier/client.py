"""Requests to Tradier, with its limits kept and every answer said for what it is."""

import re
from collections.abc import Mapping, Sequence
from enum import StrEnum, unique
from typing import Any, Final
from urllib.parse import quote, urlencode

from sparky.domain.answers import NotSent, Unknown
from sparky.domain.errors import VenueUnavailable
from sparky.runtime.seams import Clock, Seams
from sparky.venues.base import Permit
from sparky.venues.budget import Budget, Budgets, Limit, Priority
from sparky.venues.http import Reply, Request, VenueHttp
from sparky.venues.tradier.credentials import Login
from sparky.venues.tradier.errors import Heard, Kind, hear, question_failed

HOSTS: Final[Mapping[str, str]] = {
    "production": "https://api.tradier.com",
    "sandbox": "https://sandbox.tradier.com",
}
_MINUTE: Final = 60.0
_MS: Final = 1000
_COUNT: Final = re.compile(r"\d{1,15}", re.ASCII)


@unique
class Group(StrEnum):
    """What Tradier counts requests by, per token and minute.

    Source: https://documentation.tradier.com/brokerage-api/overview/rate-limiting.
    """

    STANDARD = "standard"
    MARKET_DATA = "market data"
    ORDERS = "orders"

    def limit(self, environment: str) -> Limit:
        """Return the limit on a host: 60, and on the production host 120 for all but orders."""
        doubled = environment == "production" and self is not Group.ORDERS
        return Limit(120 if doubled else 60, _MINUTE)


class TradierClient:
    """Speaks to Tradier for any number of tokens."""

    def __init__(self, http: VenueHttp, seams: Seams) -> None:
        self._http = http
        self._budgets = Budgets(seams)
        self._clock: Clock = seams.clock

    async def ask(
        self, login: Login, path: str, query: Mapping[str, str] = {}, group: Group = Group.STANDARD
    ) -> Any:
        """Return the JSON of a question's answer.

        Raises:
            VenueUnavailable: no answer, none in Tradier's language, or no turn in time.
            CredentialsInvalid: the token is not accepted, or not for this account.
        """
        heard = await self.hear(login, path, query, group)
        if heard.kind is not Kind.GOOD:
            raise question_failed(heard, f"GET {path}")
        return heard.answer

    async def hear(
        self, login: Login, path: str, query: Mapping[str, str] = {}, group: Group = Group.STANDARD
    ) -> Heard:
        """Ask a question and say what the answer is.

        Raises:
            VenueUnavailable: no answer, or no turn in time.
        """
        return await self._asked(login, _request(login, "GET", path, query=urlencode(query)), group)

    async def preview(self, login: Login, path: str, form: Sequence[tuple[str, str]]) -> Heard:
        """Ask what an order would do: with `preview` Tradier creates none, so this is a question."""
        content = urlencode([*form, ("preview", "true")]).encode()
        return await self._asked(login, _request(login, "POST", path, content=content), Group.ORDERS)

    async def write(
        self,
        login: Login,
        method: str,
        path: str,
        form: Sequence[tuple[str, str]],
        permit: Permit,
        *,
        closes: bool,
    ) -> Heard | NotSent | Unknown:
        """Send a write, once, and say what the answer is. Those that `closes` go before the others."""
        budget = self._budget(login, Group.ORDERS)
        try:
            await budget.spend(priority=Priority.EXIT if closes else login.priority)
        except VenueUnavailable as error:
            return NotSent(str(error))
        content = urlencode(form).encode() if form else None
        reply = await self._http.write(
            login.environment, _request(login, method, path, content=content), permit
        )
        if not isinstance(reply, Reply):
            return reply
        heard = hear(reply)
        self._correct(budget, reply, heard)
        return heard

    async def _asked(self, login: Login, request: Request, group: Group) -> Heard:
        budget = self._budget(login, group)
        await budget.spend(priority=login.priority)
        reply = await self._http.ask(login.environment, request)
        heard = hear(reply)
        self._correct(budget, reply, heard)
        return heard

    def _budget(self, login: Login, group: Group) -> Budget:
        key = (login.environment, login.fingerprint, group)
        return self._budgets.of(key, group.limit(login.environment))

    def _correct(self, budget: Budget, reply: Reply, heard: Heard) -> None:
        available = _count(reply.headers.get("x-ratelimit-available"))
        expiry = _count(reply.headers.get("x-ratelimit-expiry"))
        seconds = _MINUTE
        if expiry is not None:
            seconds = min(max(expiry / _MS - self._clock.now().timestamp(), 0.0), _MINUTE)
        if heard.kind is Kind.QUOTA:
            budget.block(seconds, "Tradier's limit of requests is reached.")
        elif available is not None and expiry is not None:
            budget.told_available(available, seconds)


def account_path(number: str, rest: str = "") -> str:
    """Return the path of something of an account."""
    return f"/v1/accounts/{quote(number, safe='')}{rest}"


def _request(
    login: Login, method: str, path: str, *, query: str = "", content: bytes | None = None
) -> Request:
    headers = {"Authorization": f"Bearer {login.token.reveal()}", "Accept": "application/json"}
    if content is not None:
        headers["Content-Type"] = "application/x-www-form-urlencoded"
    return Request(method, path, query, headers, content)


def _count(text: str | None) -> int | None:
    return int(text) if text is not None and _COUNT.fullmatch(text) else None
