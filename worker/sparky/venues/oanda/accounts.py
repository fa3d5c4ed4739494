"""The accounts that are open here, each asked for once an hour."""

from typing import Final

from sparky.domain import fields
from sparky.domain.answers import Balance
from sparky.domain.errors import CredentialsInvalid
from sparky.runtime.seams import Clock
from sparky.venues.base import AccountAccess
from sparky.venues.budget import Priority
from sparky.venues.cached import Cached
from sparky.venues.oanda.account import Account, account_path, choose_account
from sparky.venues.oanda.client import HOSTS, OandaClient
from sparky.venues.oanda.credentials import Login, read_login
from sparky.venues.oanda.errors import NOT_LET_IN
from sparky.venues.oanda.parse import read_balance, understanding

_MAX_AGE_SECONDS: Final = 3600.0
_MOST_ACCOUNTS: Final = 10_000
_PLACE: Final = "summary"
_WORDS: Final = {
    "production": ("live", "its live host"),
    "sandbox": ("practice", "its practice host"),
}


class Accounts:
    """Turns a trader's access into the account that it means."""

    def __init__(self, client: OandaClient, clock: Clock) -> None:
        self._client = client
        self._kept: Cached[tuple[str, str, str | None], Account] = Cached(
            _MAX_AGE_SECONDS, clock, most=_MOST_ACCOUNTS
        )

    async def open(self, access: AccountAccess, *, priority: Priority = Priority.READ) -> Account:
        """Return the account, asked for or remembered.

        Raises:
            CredentialsInvalid: the token is not let in, or it is not clear which account is meant.
            VenueUnavailable: OANDA did not answer.
        """
        login = read_login(access)
        key = (login.environment, login.fingerprint, login.number)
        return await self._kept.get(key, lambda: self._ask(login, priority))

    async def open_anew(self, access: AccountAccess) -> Account:
        """Return the account, asked for; tell a token of the other environment apart. Raises as `open`."""
        login = read_login(access)
        self._kept.forget((login.environment, login.fingerprint, login.number))
        try:
            return await self.open(access)
        except CredentialsInvalid as error:
            reason = await self._misplaced(login) if error.reason == NOT_LET_IN else error.reason
        raise CredentialsInvalid(reason)

    async def balance(self, account: Account) -> Balance:
        """Return the account's money. Raises as `open`."""
        answer = await self._client.ask(account.login, account.path("summary"))
        with understanding("summary"):
            return read_balance(answer.body)

    async def _ask(self, login: Login, priority: Priority) -> Account:
        listed = await self._client.ask(login, "/v3/accounts", priority=priority)
        with understanding("list of accounts"):
            number = choose_account(listed.body, login)
        summary = await self._client.ask(login, account_path(number, "summary"), priority=priority)
        with understanding("summary"):
            source = fields.mapping(fields.present(summary.body, "account", _PLACE), _PLACE)
            return Account(
                login=login,
                number=number,
                currency=fields.text(source, "currency", _PLACE),
                hedges=fields.boolean(source, "hedgingEnabled", _PLACE),
            )

    async def _misplaced(self, login: Login) -> str:
        here, there = _WORDS.get(login.environment), None
        for other in HOSTS:
            if other != login.environment and await self._client.lets_in(login, other):
                there = other
        if here is None or there is None:
            return NOT_LET_IN
        kind, host = _WORDS[there]
        return (
            f"This is an OANDA {kind} token: it works at {host} and not at {here[1]}. Save it under the "
            f"environment {there}, or make a token of a {here[0]} account."
        )
