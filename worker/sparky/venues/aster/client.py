"""Requests to Aster: signed, within its limits, and with the ending of every write classified.

Limits by https://github.com/asterdex/api-docs, V3, "LIMITS": 2400 weight a minute for an address, 1200 orders
a minute for an account, unless the list of instruments tells others (`rateLimits`); 429 asks to back off, and
going on after it brings 418, a ban of the address from two minutes to three days.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar
from urllib.parse import urlencode

from sparky.domain.answers import NotSent, Refused, Unknown
from sparky.domain.errors import VenueUnavailable
from sparky.domain.reasons import Reason
from sparky.runtime.seams import Seams
from sparky.venues.aster.account import read_time
from sparky.venues.aster.credentials import AsterKeys
from sparky.venues.aster.errors import LABEL, OFF_CLOCK, TOO_MANY_ORDERS, AsterError, read_error
from sparky.venues.aster.limits import WRITTEN_LIMITS, AsterLimits
from sparky.venues.aster.nonce import PROCESS_NONCES, Nonces
from sparky.venues.aster.reading import Unreadable
from sparky.venues.aster.venue_clock import VenueClock
from sparky.venues.base import Permit
from sparky.venues.budget import Budget, Budgets, Priority
from sparky.venues.http import NotJson, Reply, Request, VenueHttp
from sparky.venues.refusals import Advice, refusal

T = TypeVar("T")

HOSTS: Final[Mapping[str, str]] = {
    "production": "https://fapi.asterdex.com",
    "sandbox": "https://fapi.asterdex-testnet.com",
}

Params = Sequence[tuple[str, str]]

_USED_WEIGHT: Final = "x-mbx-used-weight-1m"
_ORDER_COUNT: Final = "x-mbx-order-count-1m"
_FORM: Final = {"Content-Type": "application/x-www-form-urlencoded"}
_TOO_MANY: Final = 429
_BANNED: Final = 418
_UNDERSTOOD: Final = frozenset({400, 404})
_FORBIDDEN: Final = 403
_NOT_FOUND: Final = 404
_SERVER_ERROR: Final = 500
_MOST_DIGITS: Final = 15
_BACK_OFF_SECONDS: Final = 15.0
_SHORTEST_BAN_SECONDS: Final = 120.0
_LONGEST_BAN_SECONDS: Final = 3 * 86400.0
_BANNED_UNTIL: Final = re.compile(r"banned until (\d{13})", re.IGNORECASE)
_LATER: Final = Advice(Reason.VENUE_UNAVAILABLE, "Nothing was done; it is sent again when Aster allows it.")


class NotServed(VenueUnavailable):
    """Aster does not have the path at all, in the environment that was asked."""


@dataclass(frozen=True, slots=True)
class Said:
    """A write was answered with success; what it says is still to be understood."""

    body: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """One write. `counts` is true for what Aster counts as an order."""

    method: str
    path: str
    params: Params
    counts: bool = False
    priority: Priority = Priority.ENTRY


class AsterClient:
    """Speaks to Aster for all accounts of the process."""

    def __init__(self, http: VenueHttp, seams: Seams, nonces: Nonces = PROCESS_NONCES) -> None:
        self._http = http
        self._seams = seams
        self._nonces = nonces
        self._budgets = Budgets(seams)
        self._limits: dict[str, AsterLimits] = {}
        self._clocks: dict[str, VenueClock] = {}

    def learn_limits(self, environment: str, limits: AsterLimits) -> None:
        """Keep from now on to what Aster itself says that it allows."""
        self._limits[environment] = limits

    async def ask_publicly(
        self,
        environment: str,
        path: str,
        params: Params = (),
        *,
        weight: int = 1,
        priority: Priority = Priority.READ,
    ) -> Any:
        """Ask what anybody may ask.

        Raises:
            VenueUnavailable: no answer in Aster's language.
            UnknownSymbol: it does not list the symbol.
        """
        await self._address_budget(environment).spend(weight, priority)
        reply = await self._http.ask(environment, Request("GET", path, urlencode(params)))
        self._heed(environment, None, reply)
        return _answer(path, reply)

    async def ask(
        self,
        environment: str,
        keys: AsterKeys,
        path: str,
        params: Params = (),
        *,
        weight: int = 1,
        priority: Priority = Priority.READ,
        absent: frozenset[int] = frozenset(),
    ) -> Any:
        """Ask about an account; None when the answer is one of the codes in `absent`.

        Raises:
            VenueUnavailable: no answer in Aster's language.
            CredentialsInvalid: Aster does not accept the keys.
            UnknownSymbol: it does not list the symbol.
        """
        reply, error = await self._ask_once(environment, keys, path, params, weight, priority)
        if error is not None and error.code in OFF_CLOCK:
            # The clock is measured anew by now, and a question may be asked twice.
            reply, error = await self._ask_once(environment, keys, path, params, weight, priority)
        # Of a gateway's failure the code says nothing.
        if error is not None and error.code in absent and reply.status in _UNDERSTOOD:
            return None
        return _answer(path, reply)

    async def write(
        self, environment: str, keys: AsterKeys, what: Write, permit: Permit
    ) -> Said | Refused | NotSent | Unknown:
        """Send a write, once. Raises only what `permit` raises."""
        try:
            await self._clock(environment).ready()
            if what.counts:
                await self._order_budget(environment, keys).spend(1, what.priority)
            await self._address_budget(environment).spend(1, what.priority)
        except VenueUnavailable as error:
            return NotSent(str(error))
        # Signed as late as can be: the nonce is of this moment.
        reply = await self._http.write(environment, self._maker(environment, keys, what), permit)
        if not isinstance(reply, Reply):
            return reply
        self._heed(environment, keys, reply)
        return _classify(reply)

    async def venue_milliseconds(self, environment: str) -> int:
        """Return Aster's own time.

        Raises:
            VenueUnavailable: it does not tell it.
        """
        clock = self._clock(environment)
        await clock.ready()
        return clock.microseconds() // 1000

    async def _ask_once(
        self,
        environment: str,
        keys: AsterKeys,
        path: str,
        params: Params,
        weight: int,
        priority: Priority,
    ) -> tuple[Reply, AsterError | None]:
        await self._clock(environment).ready()
        await self._address_budget(environment).spend(weight, priority)
        reply = await self._http.ask(
            environment, Request("GET", path, self._signed(environment, keys, params))
        )
        return reply, self._heed(environment, keys, reply)

    def _maker(self, environment: str, keys: AsterKeys, what: Write) -> Callable[[], Request]:
        def make() -> Request:
            signed = self._signed(environment, keys, what.params)
            if what.method == "DELETE":
                # Aster reads either; not every gateway passes the body of a DELETE on.
                return Request(what.method, what.path, signed)
            return Request(what.method, what.path, headers=_FORM, content=signed.encode("ascii"))

        return make

    def _signed(self, environment: str, keys: AsterKeys, params: Params) -> str:
        nonce = self._nonces.next(environment, keys.agent.address, self._clock(environment).microseconds())
        message = urlencode(
            [*params, ("nonce", str(nonce)), ("user", keys.user), ("signer", keys.agent.address)]
        )
        return f"{message}&signature={keys.agent.sign(environment, message)}"

    def _clock(self, environment: str) -> VenueClock:
        clock = self._clocks.get(environment)
        if clock is None:

            async def ask() -> int:
                body = await self.ask_publicly(environment, "/fapi/v3/time", priority=Priority.EXIT)
                return understood(read_time, body)

            clock = self._clocks[environment] = VenueClock(self._seams.clock, ask)
        return clock

    def _address_budget(self, environment: str) -> Budget:
        return self._budgets.of(("ip", environment), self._limits.get(environment, WRITTEN_LIMITS).weight)

    def _order_budget(self, environment: str, keys: AsterKeys) -> Budget:
        # The wallet alone is what a trader says: no keys of another's may spend or block what is left of it.
        limit = self._limits.get(environment, WRITTEN_LIMITS).orders
        return self._budgets.of(("orders", environment, keys.user, keys.agent.address), limit)

    def _heed(self, environment: str, keys: AsterKeys | None, reply: Reply) -> AsterError | None:
        """Take in what an answer says of limits, bans and the clock; return the error that it is."""
        used = _whole(reply.headers.get(_USED_WEIGHT))
        if used is not None:
            self._address_budget(environment).told_used(used)
        count = _whole(reply.headers.get(_ORDER_COUNT))
        if count is not None and keys is not None:
            self._order_budget(environment, keys).told_used(count)
        error = _error_of(reply)
        if reply.status == _BANNED or (error is not None and _BANNED_UNTIL.search(error.words)):
            self._stop_everything(environment, reply)
        elif reply.status == _TOO_MANY:
            self._back_off(environment, keys, reply, error)
        if error is not None and error.code in OFF_CLOCK:
            self._clock(environment).doubt()
        return error

    def _back_off(
        self, environment: str, keys: AsterKeys | None, reply: Reply, error: AsterError | None
    ) -> None:
        seconds = _whole(reply.headers.get("retry-after")) or _BACK_OFF_SECONDS
        if error is not None and error.code == TOO_MANY_ORDERS and keys is not None:
            self._order_budget(environment, keys).block(
                seconds, "Aster counts too many orders of the account"
            )
        else:
            self._address_budget(environment).block(seconds, "Aster counts too many requests of this server")

    def _stop_everything(self, environment: str, reply: Reply) -> None:
        # The ban is of the address, so of both hosts as far as can be known.
        told = _whole(reply.headers.get("retry-after")) or 0
        until = _BANNED_UNTIL.search(reply.words)
        if until is not None:
            told = max(told, (int(until[1]) - self._milliseconds(environment)) // 1000 + 1)
        seconds = min(float(told) if told > 0 else _SHORTEST_BAN_SECONDS, _LONGEST_BAN_SECONDS)
        for each in HOSTS:
            self._address_budget(each).block(seconds, "Aster has banned this server for a while")

    def _milliseconds(self, environment: str) -> int:
        known = self._clock(environment).milliseconds_if_known()
        return int(self._seams.clock.now().timestamp() * 1000) if known is None else known


def understood(read: Callable[[Any], T], body: Any) -> T:
    """Read the answer to a question.

    Raises:
        VenueUnavailable: it is not of Aster's language; it must not be taken for "nothing".
    """
    try:
        return read(body)
    except Unreadable as error:
        raise VenueUnavailable(f"Aster's answer was not understood: {error}.") from None


def _answer(path: str, reply: Reply) -> Any:
    error = _error_of(reply)
    if reply.status in {_TOO_MANY, _BANNED}:
        raise VenueUnavailable(f"Aster turns requests away for a while: HTTP {reply.status}.")
    if error is not None and reply.status < _SERVER_ERROR:
        raise error.for_a_question()
    if reply.status == _NOT_FOUND:
        raise NotServed(f"Aster has no {path}.")
    if not _is_success(reply):
        raise VenueUnavailable(f"Aster did not answer {path}: HTTP {reply.status}.")
    try:
        return reply.json()
    except NotJson as not_json:
        raise VenueUnavailable(f"Aster did not answer {path}: {not_json}.") from None


def _classify(reply: Reply) -> Said | Refused | Unknown:
    if reply.status in {_TOO_MANY, _BANNED}:
        error = _error_of(reply)
        words = reply.words if error is None else error.words
        code = str(reply.status if error is None else error.code)
        return refusal(LABEL, words, code, _LATER, try_again=True)
    if reply.status >= _SERVER_ERROR:
        return Unknown(f"Aster answered HTTP {reply.status}, and may have executed the request.")
    try:
        body = reply.json()
    except NotJson:
        gate = " (its firewall)" if reply.status == _FORBIDDEN else ""
        return Unknown(f"Aster's answer with HTTP {reply.status}{gate} was not understood.")
    error = read_error(body)
    if _is_success(reply):
        return (
            Said(body)
            if error is None
            else Unknown("Aster's answer was not understood: HTTP 200 and an error.")
        )
    if error is None:
        return Unknown(f"Aster's answer with HTTP {reply.status} was not understood.")
    return error.for_a_write()


def _error_of(reply: Reply) -> AsterError | None:
    if _is_success(reply):
        return None
    try:
        return read_error(reply.json())
    except NotJson:
        return None


def _is_success(reply: Reply) -> bool:
    return 200 <= reply.status < 300  # noqa: PLR2004 - what HTTP calls success


def _whole(text: str | None) -> int | None:
    plain = text is not None and text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS
    return int(text) if text is not None and plain else None
