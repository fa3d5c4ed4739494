"""Which account of a token is traded, and what has to be known of it."""

from dataclasses import dataclass
from typing import Any, Final

from sparky.domain import fields
from sparky.domain.errors import CredentialsInvalid
from sparky.venues.oanda.credentials import Login

_PLACE: Final = "accounts"
_MOST_LISTED: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One account with the login that reaches it. `currency` is its home currency, that of fees and profit.

    `hedges`: a position may have a long and a short side at once.
    """

    login: Login
    number: str
    currency: str
    hedges: bool

    def path(self, tail: str) -> str:
        """Return the path of a resource of this account."""
        return account_path(self.number, tail)


def account_path(number: str, tail: str) -> str:
    """Return the path of a resource of an account; the form of the number was checked."""
    return f"/v3/accounts/{number}/{tail}"


def choose_account(answer: Any, login: Login) -> str:
    """Return the number of the account to trade, from the answer to GET /accounts.

    Accounts that are linked to MetaTrader are not usable over this interface and are passed over
    (https://developer.oanda.com/rest-live-v20/account-df, `mt4AccountID`).

    Raises:
        CredentialsInvalid: none is meant, or it is not clear which one.
        WorkOrderError: the answer is not of OANDA's language.
    """
    items = fields.items(fields.mapping(answer, _PLACE), "accounts", _PLACE)
    listed = [fields.mapping(item, _PLACE) for item in items]
    linked = {fields.text(one, "id", _PLACE) for one in listed if one.get("mt4AccountID") is not None}
    usable = [number for one in listed if (number := fields.text(one, "id", _PLACE)) not in linked]
    if login.number is None:
        return _only(usable, linked)
    if login.number in linked:
        raise CredentialsInvalid(
            f"The OANDA account {login.number} is linked to MetaTrader, and OANDA allows no orders for it "
            "over its own interface: open a v20 account without MetaTrader, and save its number."
        )
    if login.number not in usable:
        raise CredentialsInvalid(
            f"The OANDA token does not reach the account {login.number}. It reaches {_names(usable)}: save "
            "one of these numbers, or a token of the other login."
        )
    return login.number


def _only(usable: list[str], linked: set[str]) -> str:
    if len(usable) == 1:
        return usable[0]
    if usable:
        raise CredentialsInvalid(
            f"The OANDA token reaches several accounts, {_names(usable)}: save the number of the one to "
            "trade as account_id."
        )
    why = "only accounts that are linked to MetaTrader" if linked else "no account"
    raise CredentialsInvalid(
        f"The OANDA token reaches {why}: open a v20 account, and make a token for its login."
    )


def _names(numbers: list[str]) -> str:
    shown = ", ".join(numbers[:_MOST_LISTED])
    return f"{shown} and more" if len(numbers) > _MOST_LISTED else shown or "none"
