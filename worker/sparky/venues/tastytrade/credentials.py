"""What a trader gives for tastytrade: a refresh token and the client secret of his own OAuth application.

https://developer.tastytrade.com/docs/authentication/oauth2: both are made on my.tastytrade.com (or on the
sandbox's developer site) and hold until the grant is deleted or the secret is made anew.
"""

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from sparky.domain.errors import CredentialsInvalid
from sparky.keys.secret import Secret
from sparky.venues.base import AccountAccess

HOW_TO: Final = (
    "On my.tastytrade.com open Manage, My Profile, API, OAuth Applications; make an application with the "
    "scopes read and trade, press Create Grant, and save the refresh token and the client secret"
)
_REFRESH: Final = ("refresh_token", "api_key")
_SECRET: Final = ("client_secret", "api_secret")
_ACCOUNT: Final = ("account_number", "account_id")
_PASSWORDS: Final = frozenset({"username", "login", "password", "remember_token", "session_token"})
_JWT_PARTS: Final = 3
_HOST: Final = re.compile(r"[a-z0-9.-]{1,100}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """One trader's keys in one environment. `key` stands for them where they shall not be, such as in maps.

    `refresh_field` is the name under which the trader gave the refresh token.
    """

    environment: str
    key: str = field(repr=False)
    refresh_token: Secret
    client_secret: Secret
    refresh_field: str
    account_number: str | None


def read_login(access: AccountAccess) -> Login:
    """Read the credential fields of an account.

    Raises:
        CredentialsInvalid: a field is missing, or they are of the old kind, or of the other environment.
    """
    given = access.credentials
    refresh = _first(given, _REFRESH)
    secret = _first(given, _SECRET)
    if refresh is None or secret is None:
        if _PASSWORDS & set(given):
            raise CredentialsInvalid(
                f"Tastytrade no longer takes a username and password. {HOW_TO} instead of them."
            )
        missing = "refresh token (api_key)" if refresh is None else "client secret (api_secret)"
        raise CredentialsInvalid(f"The keys for tastytrade lack the {missing}. {HOW_TO}.")
    issuer = _issuer(given[refresh])
    if access.environment == "production" and issuer is not None and _is_of_the_sandbox(issuer):
        raise CredentialsInvalid(
            "This refresh token was made in tastytrade's sandbox and does not work in production. Save it "
            "for the environment sandbox, or make one on my.tastytrade.com."
        )
    named = _first(given, _ACCOUNT)
    account = access.account_number or (None if named is None else given[named].reveal().strip())
    return Login(
        environment=access.environment,
        key=login_key(access.environment, given[refresh], given[secret]),
        refresh_token=given[refresh],
        client_secret=given[secret],
        refresh_field=refresh,
        account_number=account or None,
    )


def login_key(environment: str, refresh_token: Secret, client_secret: Secret) -> str:
    """Return what names a pair of keys without showing them."""
    parts = (environment, refresh_token.reveal(), client_secret.reveal())
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def whose(login: Login) -> str:
    """Say why keys may have been refused, as far as their issuer tells; ends without a full stop."""
    issuer = _issuer(login.refresh_token)
    if login.environment == "sandbox" and issuer is not None and not _is_of_the_sandbox(issuer):
        return (
            f"They seem to be of production, made at {issuer}: save them for the environment production, or "
            "make keys in tastytrade's sandbox"
        )
    return (
        "The grant was deleted, the client secret was made anew, or they are of the other environment. "
        f"{HOW_TO} again"
    )


def _first(given: Mapping[str, Secret], names: tuple[str, ...]) -> str | None:
    return next((name for name in names if given.get(name)), None)


def _issuer(token: Secret) -> str | None:
    # Read, not verified: it spares a login at the wrong host, and bad logins block our address for hours.
    parts = token.reveal().split(".")
    if len(parts) != _JWT_PARTS:
        return None
    try:
        claims: Any = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (binascii.Error, ValueError):
        return None
    issuer = claims.get("iss") if isinstance(claims, dict) else None
    try:
        host = urlsplit(issuer).hostname if isinstance(issuer, str) else None
    except ValueError:
        return None
    return host if host is not None and _HOST.fullmatch(host) else None


def _is_of_the_sandbox(host: str) -> bool:
    return "cert" in host.split(".")
