"""Requests to OANDA: who asks, how much at once, and what an HTTP status says about a write.

Hosts, headers and statuses: https://developer.oanda.com/rest-live-v20/development-guide. Limits: 100 requests
a second on kept connections and two new connections a second, in .../rest-live-v20/best-practices.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sparky.domain.answers import NotSent, Refused, Unknown
from sparky.domain.errors import CredentialsInvalid, VenueUnavailable
from sparky.runtime.seams import Seams
from sparky.venues.base import Permit
from sparky.venues.budget import Budget, Budgets, Limit, Priority
from sparky.venues.http import NotJson, Reply, Request, VenueHttp
from sparky.venues.oanda.credentials import Login
from sparky.venues.oanda.errors import LABEL, NOT_LET_IN, keys_refused, too_many

HOSTS: Final[Mapping[str, str]] = {
    "production": "https://api-fxtrade.oanda.com",
    "sandbox": "https://api-fxpractice.oanda.com",
}
# OANDA answers 429 above 120; it asks for no more than 100.
_LIMIT: Final = Limit(100, 1.0)
NEW_CONNECTIONS: Final = Limit(2, 1.0)
"""As OANDA allows them to an address."""
# Few, so that a burst waits for those that are open rather than for its turn to open more.
CONNECTIONS: Final = 8
_LONGEST_PAUSE: Final = 60.0
_OK: Final = frozenset({200, 201})
_UNDERSTOOD: Final = frozenset({200, 201, 400, 404})
_NO_ENTRY: Final = frozenset({401, 403})
_TOO_MANY: Final = 429
_MOST_BOOKMARKS: Final = 10_000
TRANSACTION_NUMBER: Final = re.compile(r"[0-9]{1,18}", re.ASCII)
"""What OANDA counts an account's transactions by. Longer ones Python would not even read."""
_DEPTH_OF_NUMBER: Final = 3


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer in OANDA's language: the body of a 200 or 201, or what it says with a 400 or 404."""

    status: int
    body: Mapping[str, Any]

    @property
    def ok(self) -> bool:
        """OANDA did what it was asked."""
        return self.status in _OK

    @property
    def code(self) -> str | None:
        """The `errorCode` of a refusal, where it has one."""
        code = self.body.get("errorCode")
        return code if isinstance(code, str) and code else None

    @property
    def words(self) -> str:
        """The `errorMessage` of a refusal."""
        words = self.body.get("errorMessage")
        return words if isinstance(words, str) else ""


class OandaClient:
    """Speaks to OANDA for any number of logins; the limit of requests is one for each environment."""

    def __init__(self, http: VenueHttp, seams: Seams) -> None:
        self._http = http
        self._budgets = Budgets(seams)
        self._newest: dict[tuple[str, str], int] = {}

    def newest_transaction(self, environment: str, number: str) -> int | None:
        """Return the newest transaction of an account that any answer has named; None before the first."""
        return self._newest.get((environment, number))

    async def ask(
        self, login: Login, path: str, query: str = "", *, priority: Priority = Priority.READ
    ) -> Answer:
        """Ask a question. A refusal with status 400 or 404 is an answer.

        Raises:
            VenueUnavailable: no answer in OANDA's language.
            CredentialsInvalid: the token is not let in.
        """
        budget = self._budget(login.environment)
        await budget.spend(priority=priority)
        reply = await self._http.ask(login.environment, _request(login, "GET", path, query))
        if reply.status == _TOO_MANY:
            _slow_down(budget, reply)
            raise VenueUnavailable("OANDA did not answer: too many requests were sent at once.")
        answer = _read(reply)
        if answer is None:
            raise VenueUnavailable(
                f"OANDA did not answer GET {path} in its own language: HTTP status {reply.status}."
            )
        if reply.status in _NO_ENTRY:
            raise CredentialsInvalid(NOT_LET_IN)
        self._hear(login.environment, path, answer)
        return answer

    async def write(
        self,
        login: Login,
        method: str,
        path: str,
        body: Mapping[str, Any],
        *,
        permit: Permit,
        priority: Priority,
    ) -> Answer | Refused | NotSent | Unknown:
        """Send a write, once. Only what `permit` raises passes."""
        budget = self._budget(login.environment)
        try:
            await budget.spend(priority=priority)
        except VenueUnavailable as error:
            return NotSent(str(error))
        request = _request(login, method, path, content=json.dumps(body).encode())
        reply = await self._http.write(login.environment, request, permit)
        if not isinstance(reply, Reply):
            return reply
        if reply.status == _TOO_MANY:
            _slow_down(budget, reply)
            return too_many("")
        answer = _read(reply)
        if answer is None:
            return Unknown(
                f"{LABEL} may have the request: it answered outside of its own language, with HTTP status "
                f"{reply.status}."
            )
        if reply.status in _NO_ENTRY:
            return keys_refused()
        self._hear(login.environment, path, answer)
        return answer

    async def lets_in(self, login: Login, environment: str) -> bool:
        """Tell whether the token opens an environment, by a question that changes nothing."""
        try:
            await self._budget(environment).spend()
            reply = await self._http.ask(environment, _request(login, "GET", "/v3/accounts"))
        except VenueUnavailable:
            return False
        answer = _read(reply)
        return answer is not None and answer.ok

    def _hear(self, environment: str, path: str, answer: Answer) -> None:
        newest = answer.body.get("lastTransactionID")
        # /v3/accounts/{number}/…
        key = (environment, path.split("/")[3] if path.count("/") > _DEPTH_OF_NUMBER else "")
        if not (key[1] and isinstance(newest, str) and TRANSACTION_NUMBER.fullmatch(newest)):
            return
        if key not in self._newest and len(self._newest) >= _MOST_BOOKMARKS:
            self._newest.clear()
        # Answers may come out of order.
        self._newest[key] = max(int(newest), self._newest.get(key, 0))

    def _budget(self, environment: str) -> Budget:
        return self._budgets.of(("ip", environment), _LIMIT)


def _request(login: Login, method: str, path: str, query: str = "", content: bytes | None = None) -> Request:
    return Request(
        method=method,
        path=path,
        query=query,
        headers={
            "Authorization": f"Bearer {login.token.reveal()}",
            "Accept": "application/json",
            "Accept-Datetime-Format": "RFC3339",
            **({} if content is None else {"Content-Type": "application/json"}),
        },
        content=content,
    )


def _read(reply: Reply) -> Answer | None:
    if reply.status not in _UNDERSTOOD | _NO_ENTRY:
        return None
    try:
        body = reply.json()
    except NotJson:
        return None
    if not isinstance(body, Mapping):
        return None
    answer = Answer(reply.status, body)
    # A gateway's 404 says nothing about an order: OANDA's own always has its words.
    return answer if answer.ok or answer.words else None


def _slow_down(budget: Budget, reply: Reply) -> None:
    after = reply.headers.get("retry-after", "")
    if after.isascii() and after.isdigit():
        budget.block(min(float(after), _LONGEST_PAUSE), "OANDA has asked for fewer requests.")
    else:
        budget.told_used(_LIMIT.capacity)
