"""Whose account is traded, and what a login may do with it.

https://developer.tastytrade.com/docs/concepts/accounts-and-customers: a login sees one or more accounts. The
scopes of its token are told nowhere; that it may trade is proved by a dry run, which creates no order.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sparky.domain import fields
from sparky.domain.answers import Balance, KeyCheck, VenuePosition
from sparky.domain.errors import CredentialsInvalid, VenueUnavailable
from sparky.runtime.seams import Seams
from sparky.venues.base import AccountAccess
from sparky.venues.budget import Priority
from sparky.venues.cached import Cached
from sparky.venues.tastytrade.client import SUCCESS, Caller, Group, Question, TastytradeClient
from sparky.venues.tastytrade.credentials import HOW_TO, read_login
from sparky.venues.tastytrade.errors import FORBIDDEN, read_error
from sparky.venues.tastytrade.orders import SOURCE
from sparky.venues.tastytrade.parse import Account, read_accounts, read_balance, read_positions
from sparky.venues.tastytrade.shared import Shared
from sparky.venues.tastytrade.wire import LABEL, flag, understood

_ACCOUNTS_SECONDS: Final = 300.0
_MOST_LOGINS: Final = 10_000
_FIRST_SERVER_ERROR: Final = 500
# Far from any market: even if it were sent it would not fill.
_PROBE: Final[Mapping[str, Any]] = {
    "source": SOURCE,
    "automated-source": True,
    "order-type": "Limit",
    "time-in-force": "Day",
    "price": "0.01",
    "price-effect": "Debit",
    "legs": [{"instrument-type": "Equity", "symbol": "SPY", "quantity": 1, "action": "Buy to Open"}],
}
_NO_WITHDRAWALS: Final = "Tastytrade's keys cannot withdraw: there is no scope for it."
_STATES: Final[Mapping[str, str]] = {
    "is-frozen": "The account is frozen: tastytrade takes no orders until its support has released it.",
    "is-closing-only": "The account may only close positions.",
    "is-risk-reducing-only": "The account may only reduce its risk.",
    "is-in-margin-call": "The account is in a margin call.",
    "is-futures-closing-only": "The account may only close futures.",
}


class Accounts:
    """Asks for accounts, their money and their positions."""

    def __init__(self, client: TastytradeClient, seams: Seams) -> None:
        self._client = client
        self._numbers: Cached[str, str] = Cached(_ACCOUNTS_SECONDS, seams.clock, most=_MOST_LOGINS)
        self._asked: Shared[Mapping[str, Any]] = Shared()

    async def number(self, caller: Caller) -> str:
        """Return the number of the account that is traded.

        Raises:
            CredentialsInvalid: the trader has to say which one it is.
            VenueUnavailable: the venue does not say.
        """
        given = caller.login.account_number
        if given:
            return _checked(given)
        return await self._numbers.get(caller.login.key, lambda: self._only(caller))

    async def check(self, access: AccountAccess) -> KeyCheck:
        """Prove that the keys work, see the account and may trade with it.

        Raises:
            CredentialsInvalid: they do not.
            VenueUnavailable: the venue does not say.
        """
        caller = Caller(access, read_login(access))
        account = _choose(await self._list(caller), caller.login.account_number)
        status = await self._status(caller, account.number)
        await self._prove_trading(caller, account.number)
        return KeyCheck(
            balance=await self.balance(caller, account.number),
            account_number=account.number,
            permissions=_permissions(status),
            notes=(*_notes(status, account), _NO_WITHDRAWALS),
        )

    async def balance(self, caller: Caller, account: str) -> Balance:
        """Return an account's money.

        Raises:
            CredentialsInvalid: the keys are not accepted, or not for this account.
            VenueUnavailable: the venue does not say.
        """
        body = await self._of_account(caller, account, "balances", Group.BALANCES)
        return understood(lambda: read_balance(body), "balances")

    async def positions(
        self, caller: Caller, account: str, priority: Priority = Priority.READ
    ) -> Sequence[VenuePosition]:
        """Return everything that is open in an account.

        Raises:
            CredentialsInvalid: the keys are not accepted, or not for this account.
            VenueUnavailable: the venue does not say.
        """
        # One a second is allowed: many closes at once, each sized by the positions, share two answers.
        body = await self._asked.get(
            (caller.access.account_id, caller.login.key, account),
            lambda: self._of_account(caller, account, "positions", Group.POSITIONS, priority),
        )
        return understood(lambda: read_positions(body), "positions")

    async def _only(self, caller: Caller) -> str:
        return _choose(await self._list(caller), None).number

    async def _list(self, caller: Caller) -> Sequence[Account]:
        body = await self._client.ask(caller, Question("/customers/me/accounts", Group.ACCOUNTS))
        if body is None:
            raise VenueUnavailable(f"{LABEL} does not list the accounts of a login.")
        return understood(lambda: read_accounts(body), "accounts")

    async def _status(self, caller: Caller, account: str) -> Mapping[str, Any]:
        body = await self._of_account(caller, account, "trading-status", Group.STATUS)
        return understood(lambda: _read_status(body), "trading statuses")

    async def _prove_trading(self, caller: Caller, account: str) -> None:
        question = Question(f"/accounts/{account}/orders/dry-run", Group.ORDERS, body=_PROBE)
        reply = await self._client.reply(caller, question)
        error = read_error(reply)
        if reply.status == FORBIDDEN and error is not None:
            raise CredentialsInvalid(
                f"These keys may read the account, and not trade with it: {error}. {HOW_TO} again."
            )
        # A refusal for another reason, such as money or hours, came after the right to trade was found.
        if reply.status >= _FIRST_SERVER_ERROR or (reply.status not in SUCCESS and error is None):
            raise VenueUnavailable(f"{LABEL} answered a dry run with HTTP {reply.status}.")

    async def _of_account(
        self, caller: Caller, account: str, what: str, group: Group, priority: Priority = Priority.READ
    ) -> Mapping[str, Any]:
        question = Question(f"/accounts/{account}/{what}", group, priority=priority)
        body = await self._client.ask(caller, question)
        if body is None:
            raise CredentialsInvalid(
                f"Tastytrade does not show an account {account} to these keys. Check the account's number."
            )
        return body


def _checked(number: str) -> str:
    if not number.isascii() or not number.isalnum():
        raise CredentialsInvalid("The account's number has letters and digits only, such as 5WT00001.")
    return number


def _choose(accounts: Sequence[Account], wanted: str | None) -> Account:
    usable = [account for account in accounts if not account.is_closed]
    named = ", ".join(account.number for account in usable) or "none"
    if wanted:
        found = next((account for account in accounts if account.number == wanted), None)
        if found is None:
            raise CredentialsInvalid(
                f"The account {_checked(wanted)} is not among those of these keys: {named}. Save the right "
                "account number."
            )
        if found.is_closed:
            raise CredentialsInvalid(f"The account {wanted} is closed. Save another account number.")
        return found
    if len(usable) != 1:
        problem = "no open account" if not usable else f"several accounts: {named}"
        raise CredentialsInvalid(f"These keys see {problem}. Save the number of the one to trade with.")
    return usable[0]


def _read_status(body: Mapping[str, Any]) -> Mapping[str, Any]:
    status = fields.mapping(body.get("data"), "trading-status")
    for name in ("is-closed", "is-futures-enabled", *_STATES):
        flag(status, name, missing=False)
    return status


def _permissions(status: Mapping[str, Any]) -> tuple[str, ...]:
    level = status.get("options-level")
    options = (f"options level {level}",) if isinstance(level, str) and level else ()
    futures = ("futures",) if status.get("is-futures-enabled") else ()
    return ("read", "trade", *options, *futures)


def _notes(status: Mapping[str, Any], account: Account) -> tuple[str, ...]:
    notes = [sentence for name, sentence in _STATES.items() if status.get(name)]
    if not account.owned:
        notes.append("The login is not the account's owner; a dry run has shown that it may trade.")
    return tuple(notes)
