"""What a trader gives for Tradier: an access token, and the number of the account where there are several."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from sparky.domain.errors import CredentialsInvalid
from sparky.keys.secret import Secret
from sparky.venues.base import AccountAccess
from sparky.venues.budget import Priority

_TOKEN_FIELDS: Final = ("access_token", "api_key")
# The dashboard's form has a second field, which Tradier has no use for.
_IGNORED: Final = "api_secret"
_ACCOUNT: Final = "account_id"
_KNOWN: Final = frozenset({*_TOKEN_FIELDS, _IGNORED, _ACCOUNT})
_TOKEN: Final = re.compile(r"[A-Za-z0-9._~+/=-]{8,512}", re.ASCII)
_NUMBER: Final = re.compile(r"[A-Za-z0-9]{4,20}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """A token on one of Tradier's hosts. `fingerprint` tells tokens apart without telling them.

    `account_number` is the one the trader has named, if any. `priority` is that of the work which the
    questions are for: those on the way to an order go with the order.
    """

    environment: str
    token: Secret
    fingerprint: str = field(repr=False)
    account_number: str | None = None
    priority: Priority = Priority.READ


def read_login(access: AccountAccess, priority: Priority = Priority.READ) -> Login:
    """Read the credential fields of a Tradier account.

    Raises:
        CredentialsInvalid: a field is missing, unknown or cannot be what it should be.
    """
    credentials = access.credentials
    unknown = sorted(set(credentials) - _KNOWN)
    if unknown:
        raise CredentialsInvalid(
            f"A Tradier account has no field {unknown[0][:40]!r}: give api_key (the access token) alone."
        )
    token = next((credentials[name] for name in _TOKEN_FIELDS if credentials.get(name)), None)
    if token is None:
        raise CredentialsInvalid(
            "A Tradier account needs api_key: the access token from API Access in Tradier's dashboard."
        )
    shown = token.reveal().strip()
    if _TOKEN.fullmatch(shown) is None:
        raise CredentialsInvalid(
            "The Tradier access token has characters that no token has: copy it again from API Access."
        )
    return Login(
        environment=access.environment,
        token=Secret(shown),
        fingerprint=hashlib.sha256(shown.encode()).hexdigest(),
        account_number=_account_number(access.account_number, credentials),
        priority=priority,
    )


def _account_number(known: str | None, credentials: Mapping[str, Secret]) -> str | None:
    given = credentials.get(_ACCOUNT)
    number = known or (given.reveal() if given else "")
    number = number.strip().upper()
    if not number:
        return None
    # It becomes part of a path: nothing but letters and digits may get there.
    if _NUMBER.fullmatch(number) is None:
        raise CredentialsInvalid("A Tradier account number has letters and digits only, such as 6YA12345.")
    return number
