"""A Supabase to work on: the local stack or any other, with the logins that Sparky needs there."""

import os
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from scripts.local_stack.stack import Stack
from scripts.local_stack.state import StackState
from sparky.cli.tokens import mint_token

_TOKEN_LIFETIME = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Backend:
    """Addresses and keys of one Supabase. `database_url` is None where there is no direct connection."""

    url: str
    publishable_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    worker_token: str = field(repr=False)
    database_url: str | None = field(default=None, repr=False)

    @property
    def webhook_url(self) -> str:
        """Where alerts are posted, without the token."""
        return f"{self.url}/functions/v1/webhook"

    @classmethod
    def of_stack(cls, stack: Stack) -> "Backend":
        """Return the backend of a running local stack."""
        return cls.of_state(stack.state)

    @classmethod
    def of_state(cls, state: StackState) -> "Backend":
        """Return the backend of a local stack, with a worker login of role sparky_worker."""
        return cls(
            url=state.url,
            publishable_key=state.publishable_key,
            secret_key=state.secret_key,
            worker_token=mint_token(state.jwt_secret, "sparky_worker", _TOKEN_LIFETIME),
            database_url=state.database_url,
        )

    @classmethod
    def elsewhere(
        cls, url: str, secret_key: str, worker_token: str, *, publishable_key: str | None = None
    ) -> "Backend":
        """Return another Supabase, which has the migrations and the webhook function already.

        Without a publishable key the secret key names the project. The worker needs a token of its own:
        exchange keys are opened for no other role.
        """
        return cls(
            url=url.rstrip("/"),
            publishable_key=publishable_key or secret_key,
            secret_key=secret_key,
            worker_token=worker_token,
            database_url=os.environ.get("DATABASE_URL"),
        )


def private_folder(path: Path) -> Path:
    """Make a folder that only its owner can read, and return it."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path
