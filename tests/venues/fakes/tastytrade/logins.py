"""OAuth at the fake tastytrade: grants, access tokens, and who may see what."""

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sparky.runtime.seams import Clock
from tests.venues.fakes.messages import FakeRequest, FakeResponse, json_response

_FIELDS: Final = {"grant_type", "refresh_token", "client_secret", "client_id"}


@dataclass(slots=True)
class Grant:
    """A trader's application and grant."""

    refresh_token: str
    client_secret: str
    accounts: list[str]
    scopes: set[str] = field(default_factory=lambda: {"read", "trade"})
    authority: str = "owner"


def refresh_token(name: str, issuer: str) -> str:
    """Return a token of the shape that the venue hands out."""
    parts = ({"alg": "EdDSA", "typ": "rt+jwt"}, {"iss": issuer, "sub": name, "scope": "read trade"})
    encoded = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts]
    return ".".join([*encoded, f"signature-of-{name}"])


class Logins:
    """The grants of one environment."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.grants: list[Grant] = []
        self.life = 900
        self.rotates = False
        self.bad_logins = 0
        self.logins = 0
        self._tokens: dict[str, tuple[Grant, float]] = {}

    def add(self, grant: Grant) -> Grant:
        self.grants.append(grant)
        return grant

    def revoke(self, grant: Grant) -> None:
        """Delete a grant, and with it its tokens."""
        self.grants.remove(grant)
        self._tokens = {token: one for token, one in self._tokens.items() if one[0] is not grant}

    def expire_tokens(self) -> None:
        """Let no access token be good any more."""
        self._tokens.clear()

    def login(self, request: FakeRequest) -> FakeResponse:
        """Answer the refresh grant."""
        is_json = request.headers.get("content-type", "").startswith("application/json")
        given: dict[str, Any] = request.json() if is_json else request.form()
        if "authorization" in request.headers or not set(given) <= _FIELDS:
            return _no("invalid_request", "Unknown parameter")
        if given.get("grant_type") != "refresh_token":
            return _no("unsupported_grant_type", "Unsupported grant type")
        grant = next((one for one in self.grants if one.refresh_token == given.get("refresh_token")), None)
        if grant is None:
            self.bad_logins += 1
            return _no("invalid_grant", "Grant revoked")
        if grant.client_secret != given.get("client_secret"):
            self.bad_logins += 1
            return _no("invalid_client", "Client authentication failed")
        self.logins += 1
        token = f"access-{self.logins}-of-{grant.accounts[0]}"
        self._tokens[token] = (grant, self._clock.monotonic() + self.life)
        answer = {"access_token": token, "token_type": "Bearer", "expires_in": self.life}
        if self.rotates:
            grant.refresh_token = f"rotated-{self.logins}-{grant.client_secret[-4:]}"
            answer["refresh_token"] = grant.refresh_token
        return json_response(200, answer)

    def grant_of(self, request: FakeRequest) -> Grant | None:
        """Return whose request it is; None when its token is not good."""
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        grant, ends_at = self._tokens.get(token, (None, 0.0))
        return grant if kind == "Bearer" and self._clock.monotonic() < ends_at else None


def accounts_of(grant: Grant, closed: Sequence[str]) -> list[dict[str, Any]]:
    """Return the accounts of a login as they are listed."""
    return [
        {
            "account": {
                "account-number": number,
                "nickname": "Individual",
                "margin-or-cash": "Margin",
                "is-closed": number in closed,
            },
            "authority-level": grant.authority,
        }
        for number in grant.accounts
    ]


def _no(code: str, words: str) -> FakeResponse:
    return json_response(400, {"error_code": code, "error_description": words})
