"""Access tokens: fetched by the refresh grant, renewed ahead of time, shared by all who use the same keys.

https://developer.tastytrade.com/docs/authentication/oauth2: an access token lives 15 minutes; refresh tokens
do not expire, but OAuth lets a server rotate them with any answer (RFC 6749, section 6). Repeated bad logins
block our address for hours, for every trader: keys that were refused are not tried again until they change.
"""

import asyncio
import json
from collections import OrderedDict, deque
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from sparky.domain.errors import CredentialsInvalid, SparkyError, VenueUnavailable
from sparky.keys.secret import Secret
from sparky.runtime.seams import Clock
from sparky.venues.base import AccountAccess
from sparky.venues.http import Reply, Request, VenueHttp, plain_words
from sparky.venues.tastytrade.credentials import Login, login_key, whose
from sparky.venues.tastytrade.wire import envelope

_PATH: Final = "/oauth/token"
_REFUSED: Final = frozenset({400, 401})
_LIFE_USED: Final = 0.8
_SHORTEST_LIFE: Final = 10.0
_LONGEST_LIFE: Final = 3600.0
# While an old token still holds, a venue that does not renew it is not asked more often than this.
_PAUSE_SECONDS: Final = 5.0
_MOST_GRANTS: Final = 10_000
_MOST_BAD_LOGINS: Final = 5
_BAD_LOGIN_SECONDS: Final = 600.0


@dataclass(frozen=True, slots=True)
class _Answer:
    token: Secret
    seconds: float
    refresh_token: Secret | None


@dataclass(frozen=True, slots=True)
class _No:
    """Why there is no token; `final` when the keys themselves were refused."""

    why: str
    final: bool


@dataclass(slots=True)
class _Grant:
    refresh_token: Secret
    token: Secret | None = None
    renew_at: float = 0.0
    ends_at: float = 0.0
    refused: str | None = None
    # The venue has rotated the refresh token, and the new one is not stored yet.
    unsaved: bool = False
    renewal: "asyncio.Task[_No | None] | None" = None


class Tokens:
    """The access tokens of all traders, in memory only."""

    def __init__(self, http: VenueHttp, clock: Clock) -> None:
        self._http = http
        self._clock = clock
        self._grants: OrderedDict[str, _Grant] = OrderedDict()
        self._bad_logins: deque[float] = deque(maxlen=_MOST_BAD_LOGINS)

    async def get(self, access: AccountAccess, login: Login) -> Secret:
        """Return a token with enough life left, renewed if it has not.

        Raises:
            CredentialsInvalid: the venue does not accept the keys.
            VenueUnavailable: it does not say.
        """
        grant = self._grant(login)
        if grant.token is not None and self._clock.monotonic() < grant.renew_at:
            return grant.token
        return await self._renewed(access, login, grant)

    async def replace(self, access: AccountAccess, login: Login, rejected: Secret) -> Secret:
        """Return another token than `rejected`, which the venue has just answered with 401.

        Raises:
            CredentialsInvalid: the venue does not accept the keys.
            VenueUnavailable: it does not say.
        """
        grant = self._grant(login)
        if grant.token is rejected:
            grant.token = None
        return await self.get(access, login)

    def _grant(self, login: Login) -> _Grant:
        grant = self._grants.get(login.key)
        if grant is None:
            grant = self._grants[login.key] = _Grant(login.refresh_token)
            while len(self._grants) > _MOST_GRANTS:
                self._grants.popitem(last=False)
        self._grants.move_to_end(login.key)
        return grant

    async def _renewed(self, access: AccountAccess, login: Login, grant: _Grant) -> Secret:
        if grant.refused is not None:
            raise CredentialsInvalid(grant.refused)
        if grant.renewal is None:
            # A task of its own: were it cancelled with the one who asked, a rotated token would be lost.
            grant.renewal = asyncio.create_task(self._renew(access, login, grant))
            grant.renewal.add_done_callback(lambda _: setattr(grant, "renewal", None))
        no = await asyncio.shield(grant.renewal)
        if no is None and grant.token is not None:
            return grant.token
        if no is not None and no.final:
            raise CredentialsInvalid(no.why)
        if grant.token is not None and self._clock.monotonic() < grant.ends_at:
            return grant.token
        raise VenueUnavailable(no.why if no is not None else "Tastytrade's token was withdrawn meanwhile.")

    async def _renew(self, access: AccountAccess, login: Login, grant: _Grant) -> _No | None:
        now = self._clock.monotonic()
        is_new = not access.is_proved and grant.token is None and grant.ends_at == 0.0
        if is_new and self._too_many_bad_logins(now):
            return _No(
                "Several keys were refused by tastytrade shortly before; new ones are tried in ten minutes, "
                "because tastytrade blocks whoever logs in wrongly again and again.",
                final=False,
            )
        answer = await self._ask(login, grant)
        if isinstance(answer, _No):
            grant.renew_at = now + _PAUSE_SECONDS
            if answer.final:
                grant.token, grant.refused = None, answer.why
                self._bad_logins.append(now)
            return answer
        grant.token = answer.token
        grant.renew_at = now + answer.seconds * _LIFE_USED
        grant.ends_at = now + answer.seconds
        if answer.refresh_token is not None and answer.refresh_token != grant.refresh_token:
            grant.refresh_token, grant.unsaved = answer.refresh_token, True
            # Under the new keys too, once they come back from where they are kept.
            self._grants[login_key(login.environment, answer.refresh_token, login.client_secret)] = grant
        if grant.unsaved:
            await self._keep(access, login, grant)
        return None

    def _too_many_bad_logins(self, now: float) -> bool:
        bad = self._bad_logins
        return len(bad) == _MOST_BAD_LOGINS and now - bad[0] < _BAD_LOGIN_SECONDS

    async def _ask(self, login: Login, grant: _Grant) -> _Answer | _No:
        body = {
            "grant_type": "refresh_token",
            "refresh_token": grant.refresh_token.reveal(),
            "client_secret": login.client_secret.reveal(),
        }
        headers = {"Accept": "application/json", "Content-Type": "application/json"}
        request = Request("POST", _PATH, headers=headers, content=json.dumps(body).encode())
        try:
            return _read(await self._http.ask(login.environment, request), login)
        except VenueUnavailable as error:
            return _No(str(error), final=False)

    async def _keep(self, access: AccountAccess, login: Login, grant: _Grant) -> None:
        try:
            await access.keep_credentials({**access.credentials, login.refresh_field: grant.refresh_token})
        except SparkyError as error:
            # The new token is used from memory and stored with the next renewal.
            # A worker has it loaded; for a command it would be a tenth of what all venues take to load.
            import structlog  # noqa: PLC0415

            log = structlog.get_logger(__name__)
            log.warning("credentials_not_kept", account_id=access.account_id, error=str(error))
        else:
            grant.unsaved = False


def _read(reply: Reply, login: Login) -> _Answer | _No:
    body = envelope(reply)
    if body is None:
        return _No(f"Tastytrade's answer to a login was not understood (HTTP {reply.status}).", final=False)
    if reply.status == 200:  # noqa: PLR2004 - OK
        return _read_token(body)
    code, words = _error(body)
    if reply.status not in _REFUSED or not code:
        return _No(f"Tastytrade answered a login with HTTP {reply.status} {code}.", final=False)
    said = plain_words(f"{words} ({code})" if words else code)
    return _No(
        f"Tastytrade does not accept these keys in its {login.environment} environment: {said}. "
        f"{whose(login)}.",
        final=True,
    )


def _read_token(body: Mapping[str, Any]) -> _Answer | _No:
    token, rotated, seconds = body.get("access_token"), body.get("refresh_token"), body.get("expires_in")
    if not isinstance(token, str) or not token or not token.isascii() or not token.isprintable():
        return _No("Tastytrade's answer to a login holds no access token.", final=False)
    life = float(seconds) if isinstance(seconds, int | Decimal) else _SHORTEST_LIFE
    return _Answer(
        Secret(token),
        min(max(life, _SHORTEST_LIFE), _LONGEST_LIFE),
        Secret(rotated) if isinstance(rotated, str) and rotated else None,
    )


def _error(body: Mapping[str, Any]) -> tuple[str, str]:
    # Seen as {"error_code", "error_description"}; OAuth says {"error", "error_description"}; the rest of the
    # venue says {"error": {"code", "message"}}.
    error = body.get("error_code") or body.get("error")
    if isinstance(error, Mapping):
        return str(error.get("code") or ""), str(error.get("message") or "")
    return str(error or ""), str(body.get("error_description") or "")
