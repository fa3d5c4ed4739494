"""A trader as the dashboard's browser acts for one: signs up, seals keys, reveals the webhook, reads rows."""

import secrets
import warnings
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final, Self

import httpx
from postgrest import AsyncPostgrestClient
from supabase import AsyncClient, AsyncClientOptions, acreate_client

from scripts.testbed.backend import Backend
from sparky.keys.sealing import SealingContext, SealingPublicKey, seal

_OPTIONS: Final = AsyncClientOptions(auto_refresh_token=False, persist_session=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the webhook answered."""

    http: int
    body: Mapping[str, Any]

    @property
    def signal_id(self) -> str:
        return str(self.body.get("signal_id", ""))


@dataclass(slots=True, kw_only=True)
class Trader:
    """A signed-up trader with a paper account and a webhook."""

    name: str
    email: str
    user_id: str
    client: AsyncClient = field(repr=False)
    backend: Backend = field(repr=False)
    password: str = field(repr=False)
    paper_key: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    secret: str = field(default="", repr=False)
    account_id: str = ""

    @classmethod
    async def sign_up(cls, backend: Backend, name: str) -> Self:
        """Create a trader through the auth API and sign in."""
        email = f"{name.lower()}-{secrets.token_hex(6)}@example.com"
        password = secrets.token_urlsafe(24)
        client = await acreate_client(backend.url, backend.publishable_key, _OPTIONS)
        # The admin creates the trader, so that no confirmation mail stands in the way on a hosted project.
        async with _operator(backend) as admin:
            created = await admin.auth.admin.create_user(
                {
                    "email": email,
                    "password": password,
                    "email_confirm": True,
                    "user_metadata": {"full_name": name},
                }
            )
        await client.auth.sign_in_with_password({"email": email, "password": password})
        _tables(client)
        return cls(
            name=name,
            email=email,
            user_id=created.user.id,
            client=client,
            backend=backend,
            password=password,
        )

    async def save_paper_keys(self, public_key: SealingPublicKey, **terms: str) -> None:
        """Seal paper keys to the worker and save them; terms are those of the paper venue.

        Saving again keeps the key, and with it the paper account, and changes the terms.
        """
        self.paper_key = self.paper_key or f"paper-{secrets.token_urlsafe(24)}"
        context = SealingContext(self.user_id, "paper", "paper")
        sealed = seal(public_key, context, {"api_key": self.paper_key, **terms})
        saved = await self.client.rpc(
            "save_api_key",
            {
                "p_exchange": "paper",
                "p_environment": "paper",
                "p_label": f"{self.name}'s paper account",
                "p_sealed": sealed,
                "p_hint": self.paper_key[-4:],
            },
        ).execute()
        self.account_id = str(saved.data)

    async def reveal_webhook(self) -> None:
        """Remember the token and secret of the webhook that the sign-up made."""
        rows: Any = (await self.client.table("user_webhook_configs").select("id").execute()).data
        (row,) = rows
        shown: Any = (await self.client.rpc("reveal_webhook", {"p_webhook_id": row["id"]}).execute()).data
        self.token, self.secret = str(shown["token"]), str(shown["secret"])

    async def set_plan(self, plan: str) -> None:
        """Put the trader on a plan, as the operator."""
        async with _operator(self.backend) as admin:
            await (
                _tables(admin)
                .table("subscriptions")
                .update({"plan": plan})
                .eq("user_id", self.user_id)
                .execute()
            )

    async def post(
        self, http: httpx.AsyncClient, alert: Mapping[str, Any] | bytes, *, token: str | None = None
    ) -> Answer:
        """Post an alert to the URL with the token; bytes go as they are."""
        url = f"{self.backend.webhook_url}/{self.token if token is None else token}"
        return await post_alert(http, url, alert)

    async def post_with_secret(self, http: httpx.AsyncClient, alert: Mapping[str, Any]) -> Answer:
        """Post an alert to the URL without a token; the secret goes in the body."""
        return await post_alert(http, self.backend.webhook_url, {"secret": self.secret, **alert})

    async def rows(self, table: str) -> list[dict[str, Any]]:
        """Return what the trader sees of a table, through row-level security."""
        found: Any = (await self.client.table(table).select("*").execute()).data
        return list(found)

    async def close(self) -> None:
        """Close the connections; the trader stays."""
        await _close(self.client)


async def post_alert(http: httpx.AsyncClient, url: str, alert: Mapping[str, Any] | bytes) -> Answer:
    """Post an alert and return the parsed answer."""
    response = (
        await http.post(url, content=alert) if isinstance(alert, bytes) else await http.post(url, json=alert)
    )
    return Answer(http=response.status_code, body=response.json())


@asynccontextmanager
async def _operator(backend: Backend) -> AsyncIterator[AsyncClient]:
    admin = await acreate_client(backend.url, backend.secret_key, _OPTIONS)
    try:
        yield admin
    finally:
        await _close(admin)


def _tables(client: AsyncClient) -> AsyncPostgrestClient:
    with warnings.catch_warnings():
        # After each sign-in supabase 2.34.1 makes its client of PostgREST anew, with deprecated arguments.
        warnings.filterwarnings("ignore", "The '(timeout|verify|proxy)' parameter", DeprecationWarning)
        return client.postgrest


async def _close(client: AsyncClient) -> None:
    await _tables(client).aclose()
    await client.auth.close()
