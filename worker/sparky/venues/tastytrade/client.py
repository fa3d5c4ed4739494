"""Requests to tastytrade: tokens and headers, budgets, and what every answer counts as.

Limits as tastytrade publishes them in its own server for agents: 50 requests a second, and by endpoint
(https://github.com/tastytrade/tastytrade-mcp, src/safety/rate-limit.ts). Whether they are counted by address
or by login is not said: the 50 are kept for the process and for each login, the others for each login.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from sparky.domain.answers import NotSent, Refused, Unknown
from sparky.domain.errors import CredentialsInvalid, VenueUnavailable
from sparky.keys.secret import Secret
from sparky.runtime.seams import Seams
from sparky.venues.base import AccountAccess, Permit
from sparky.venues.budget import Budget, Budgets, Limit, Priority
from sparky.venues.http import Reply, Request, VenueHttp
from sparky.venues.refusals import refused_by
from sparky.venues.tastytrade.credentials import HOW_TO, Login
from sparky.venues.tastytrade.errors import (
    FORBIDDEN,
    NOT_FOUND,
    TOO_MANY,
    UNAUTHORIZED,
    read_error,
)
from sparky.venues.tastytrade.tokens import Tokens
from sparky.venues.tastytrade.wire import LABEL, envelope

HOSTS: Final[Mapping[str, str]] = {
    "production": "https://api.tastyworks.com",
    "sandbox": "https://api.cert.tastyworks.com",
}
_OVERALL: Final = Limit(50, 1.0)
_PAUSE_SECONDS: Final = 1.0
_LONGEST_PAUSE_SECONDS: Final = 300.0
SUCCESS: Final = range(200, 300)


class Group(Enum):
    """Endpoints that are counted together, with their limits for one account."""

    ACCOUNTS = Limit(1, 1.0), "accounts"
    STATUS = Limit(1, 1.0), "trading-status"
    BALANCES = Limit(1, 1.0), "balances"
    POSITIONS = Limit(1, 1.0), "positions"
    CHAINS = Limit(2, 1.0), "option-chains"
    MARKET_DATA = Limit(2, 1.0), "market-data"
    INSTRUMENT = Limit(3, 1.0), "instrument"
    FUTURES = Limit(1, 1.0), "futures"
    # No limit of its own is published for orders and transactions that are read.
    HISTORY = Limit(10, 1.0), "history"
    ORDERS = Limit(20, 1.0), "orders"

    def __init__(self, limit: Limit, label: str) -> None:
        self.limit = limit
        self.label = label


@dataclass(frozen=True, slots=True)
class Question:
    """A read: path and query as they go out. `body` is only for a dry run, which creates nothing."""

    path: str
    group: Group
    query: str = ""
    body: Any = None
    priority: Priority = Priority.READ


@dataclass(frozen=True, slots=True)
class Caller:
    """Whose request it is."""

    access: AccountAccess
    login: Login


class TastytradeClient:
    """Speaks to tastytrade, for all traders and environments."""

    def __init__(self, http: VenueHttp, seams: Seams) -> None:
        self._http = http
        self._tokens = Tokens(http, seams.clock)
        self._budgets = Budgets(seams)

    async def ask(self, caller: Caller, question: Question) -> Mapping[str, Any] | None:
        """Ask, and return the whole answer; None where the venue says 404.

        Raises:
            CredentialsInvalid: the keys are not accepted, or not for this.
            VenueUnavailable: no answer, or none in the venue's language.
        """
        reply = await self.reply(caller, question)
        if reply.status in SUCCESS:
            body = envelope(reply)
            if body is not None and "data" in body:
                return body
            raise VenueUnavailable(f"{LABEL}'s answer to {question.path} was not understood.")
        error = read_error(reply)
        if reply.status == NOT_FOUND and error is not None:
            return None
        if reply.status == FORBIDDEN and error is not None:
            raise CredentialsInvalid(f"Tastytrade does not let these keys do that: {error}. {HOW_TO} again.")
        raise VenueUnavailable(f"{LABEL} answered HTTP {reply.status}: {error or reply.words or 'nothing'}.")

    async def reply(self, caller: Caller, question: Question) -> Reply:
        """Ask, once more with a new token after a 401, and return whatever is answered.

        Raises:
            CredentialsInvalid: the keys are not accepted.
            VenueUnavailable: no answer.
        """
        token = await self._tokens.get(caller.access, caller.login)
        reply = await self._ask(caller, question, token)
        if reply.status != UNAUTHORIZED:
            return reply
        token = await self._tokens.replace(caller.access, caller.login, token)
        reply = await self._ask(caller, question, token)
        if reply.status != UNAUTHORIZED:
            return reply
        error = read_error(reply)
        if error is None:
            raise VenueUnavailable(f"{LABEL} answered HTTP {UNAUTHORIZED}: {reply.words or 'nothing'}.")
        raise CredentialsInvalid(f"Tastytrade does not accept these keys: {error}. {HOW_TO} again.")

    async def write(
        self, caller: Caller, method: str, path: str, body: Any, permit: Permit, priority: Priority
    ) -> Reply | Refused | NotSent | Unknown:
        """Send a write. After a 401, which has changed nothing, it is sent once more under a new token.

        `permit` is asked before each. Raises only what it raises.
        """
        group = Group.ORDERS
        try:
            token = await self._tokens.get(caller.access, caller.login)
            await self._spend(caller, group, priority)
            reply = await self._write(caller, _request(method, path, "", body, token), permit)
            if not isinstance(reply, Reply) or reply.status != UNAUTHORIZED:
                return reply
            token = await self._tokens.replace(caller.access, caller.login, token)
            await self._spend(caller, group, priority)
            return await self._write(caller, _request(method, path, "", body, token), permit)
        except CredentialsInvalid as error:
            return refused_by(error)
        except VenueUnavailable as error:
            return NotSent(str(error))

    async def _ask(self, caller: Caller, question: Question, token: Secret) -> Reply:
        await self._spend(caller, question.group, question.priority)
        method = "GET" if question.body is None else "POST"
        request = _request(method, question.path, question.query, question.body, token)
        reply = await self._http.ask(caller.login.environment, request)
        self._heed(caller, reply)
        return reply

    async def _write(self, caller: Caller, request: Request, permit: Permit) -> Reply | NotSent | Unknown:
        reply = await self._http.write(caller.login.environment, request, permit)
        if isinstance(reply, Reply):
            self._heed(caller, reply)
        return reply

    async def _spend(self, caller: Caller, group: Group, priority: Priority) -> None:
        key = (caller.access.account_id, group.label)
        await self._budgets.of(key, group.limit).spend(priority=priority)
        await self._of_login(caller).spend(priority=priority)
        await self._budgets.of(caller.login.environment, _OVERALL).spend(priority=priority)

    def _heed(self, caller: Caller, reply: Reply) -> None:
        if reply.status == TOO_MANY:
            wait = reply.headers.get("retry-after", "")
            seconds = float(wait) if wait.isascii() and wait.isdigit() else _PAUSE_SECONDS
            self._of_login(caller).block(
                min(seconds, _LONGEST_PAUSE_SECONDS), f"{LABEL} has asked for a pause (HTTP {TOO_MANY})."
            )

    def _of_login(self, caller: Caller) -> Budget:
        # Named by the account: a budget's name may be logged, and what is made of keys may not.
        return self._budgets.of((caller.access.account_id, "all"), _OVERALL)


def _request(method: str, path: str, query: str, body: Any, token: Secret) -> Request:
    headers = {"Authorization": f"Bearer {token.reveal()}", "Accept": "application/json"}
    if body is None:
        return Request(method, path, query, headers)
    headers["Content-Type"] = "application/json"
    return Request(method, path, query, headers, json.dumps(body).encode())
