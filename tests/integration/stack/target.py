"""The Supabase under test: the local stack, or any other given on the command line."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar
from uuid import uuid4

import httpx
import jwt
import psycopg
from supabase import Client, ClientOptions, create_client

PASSWORD = "correct horse battery"
SECONDS = 15.0
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Target:
    """`jwt_secret`, `database_url` and `mails` are None where another Supabase does not show them."""

    url: str
    publishable_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    jwt_secret: str | None = field(default=None, repr=False)
    database_url: str | None = field(default=None, repr=False)
    legacy_keys: tuple[str, str] | None = field(default=None, repr=False)
    local: bool = False
    opened: list[httpx.Client] = field(default_factory=list, repr=False)

    def client(self, key: str | None = None) -> Client:
        http = httpx.Client(timeout=30, trust_env=False, follow_redirects=True)
        self.opened.append(http)
        options = ClientOptions(auto_refresh_token=False, persist_session=False, httpx_client=http)
        return create_client(self.url, key or self.publishable_key, options)

    def close(self) -> None:
        for http in self.opened:
            http.close()

    def service(self) -> Client:
        return self.client(self.secret_key)

    def http(self, token: str | None = None, key: str | None = None) -> httpx.Client:
        headers = {"apikey": key or self.publishable_key}
        if token:
            headers["authorization"] = f"Bearer {token}"
        return httpx.Client(base_url=self.url, headers=headers, timeout=30, trust_env=False)

    def sign(self, role: str, seconds: float = 600, secret: str | None = None, **claims: Any) -> str:
        assert self.jwt_secret is not None
        claims |= {"role": role, "exp": int(time.time() + seconds)}
        return jwt.encode(claims, secret or self.jwt_secret, algorithm="HS256")

    def run(self, statements: Sequence[str]) -> None:
        assert self.database_url is not None
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement.encode())


@dataclass(frozen=True, slots=True)
class Trader:
    id: str
    email: str
    client: Client
    token: str = field(repr=False)


def new_email() -> str:
    return f"{uuid4().hex}@example.com"


def new_trader(target: Target) -> Trader:
    email = new_email()
    made = target.service().auth.admin.create_user(
        {"email": email, "password": PASSWORD, "email_confirm": True, "user_metadata": {"name": "Ann"}}
    )
    client = target.client()
    session = client.auth.sign_in_with_password({"email": email, "password": PASSWORD}).session
    assert session is not None
    return Trader(made.user.id, email, client, session.access_token)


def eventually(look: Callable[[], T | None]) -> T:
    """Return the first thing that is not None, looking again until the time is over."""
    deadline = time.monotonic() + SECONDS
    while (found := look()) is None:
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)
    return found
