"""What a trader gives for an OANDA account: a personal access token, and the account's number.

A token is made on OANDA's page "Manage API Access", one for practice and one for live accounts; it does not
expire, and it always allows everything (https://developer.oanda.com/rest-live-v20/introduction).
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from sparky.domain.errors import CredentialsInvalid
from sparky.keys.secret import Secret
from sparky.venues.base import AccountAccess

# Whatever else a token may be, these are the characters that a header can carry.
_TOKEN: Final = re.compile(r"[\x21-\x7e]{20,256}", re.ASCII)
_NUMBER: Final = re.compile(r"[0-9]{3}-[0-9]{3}-[0-9]{1,12}-[0-9]{3,6}", re.ASCII)
_TOKEN_FIELDS: Final = ("api_key", "token")
_NUMBER_FIELDS: Final = ("account_id", "account_number")


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """A token in an environment. `fingerprint` stands for it in caches; `number` is the account asked for."""

    environment: str
    token: Secret
    fingerprint: str = field(repr=False)
    number: str | None = None


def read_login(access: AccountAccess) -> Login:
    """Read the credential fields `api_key` or `token`, and the account's number where one is given.

    Raises:
        CredentialsInvalid: there is no token, or one of the two is not of OANDA's form.
    """
    token = _first(access.credentials, _TOKEN_FIELDS)
    if not _TOKEN.fullmatch(token):
        raise CredentialsInvalid(
            "An OANDA account needs api_key: the personal access token of at least 20 characters that "
            'OANDA\'s page "Manage API Access" makes.'
        )
    number = (access.account_number or _first(access.credentials, _NUMBER_FIELDS)).strip()
    if number and not _NUMBER.fullmatch(number):
        raise CredentialsInvalid(
            "The number of an OANDA v20 account looks like 001-011-5838423-001: give it as OANDA shows it, "
            "or leave it out when the token has one account only."
        )
    return Login(
        environment=access.environment,
        token=Secret(token),
        fingerprint=hashlib.sha256(token.encode()).hexdigest(),
        number=number or None,
    )


def _first(credentials: Mapping[str, Secret], names: tuple[str, ...]) -> str:
    given = (credentials[name].reveal().strip() for name in names if name in credentials)
    return next((value for value in given if value), "")
