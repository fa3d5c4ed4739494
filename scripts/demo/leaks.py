"""Every secret the demo had in its hands, and the search for them in every log."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import quote

from supabase import AsyncClient

from scripts.demo.evidence import Leak, LogSearch
from scripts.local_stack import urls
from scripts.local_stack.bootstrap import LOGIN_ROLES
from scripts.local_stack.state import StackState
from scripts.testbed.backend import Backend
from scripts.testbed.trader import Trader

# Shorter ones, such as the password "postgres" of a development database, would be found by chance.
_SHORTEST: Final = 10
_PLACEHOLDER: Final = "(secret)"


class UsedSecrets:
    """Names and values. Values never leave this object but into a search."""

    def __init__(self) -> None:
        self._values: dict[str, str] = {}
        self._too_short: list[str] = []

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"<UsedSecrets: {len(self)}>"

    def add(self, name: str, value: str) -> None:
        """Remember a secret; one that is too short to be searched for is remembered by name only."""
        if len(value) < _SHORTEST:
            self._too_short.append(name)
        else:
            self._values[name] = value

    def add_backend(self, backend: Backend) -> None:
        """Remember the keys of a Supabase."""
        self.add("secret key", backend.secret_key)
        self.add("worker token", backend.worker_token)
        if backend.database_url is not None:
            self.add("database password", urls.password_of(backend.database_url))

    def add_stack(self, state: StackState) -> None:
        """Remember what a local stack has beyond that."""
        self.add("JWT secret", state.jwt_secret)
        self.add("service role JWT", state.service_role_jwt)
        password = urls.password_of(state.admin_database_url)
        self.add("database superuser's password", password)
        for role in LOGIN_ROLES:
            self.add(f"password of database role {role}", urls.role_password(password, role))

    def add_key_file(self, path: Path) -> None:
        """Remember the base64 text of a private key in PEM form."""
        lines = path.read_text("ascii").splitlines()
        self.add("sealing private key", "".join(line for line in lines if not line.startswith("-----")))

    async def add_trader(self, trader: Trader) -> None:
        """Remember what a trader has."""
        self.add(f"{trader.name}'s password", trader.password)
        self.add(f"{trader.name}'s paper key", trader.paper_key)
        self.add(f"{trader.name}'s webhook token", trader.token)
        self.add(f"{trader.name}'s webhook secret", trader.secret)
        await self.add_session(f"{trader.name}'s session", trader.client)

    async def add_session(self, name: str, client: AsyncClient) -> None:
        """Remember the tokens of a session."""
        session = await client.auth.get_session()
        if session is not None:
            self.add(f"{name}: access token", session.access_token)
            self.add(f"{name}: refresh token", session.refresh_token)

    def search(self, logs: Path) -> LogSearch:
        """Look for every secret in every file below `logs`."""
        files = sorted(path for path in logs.rglob("*") if path.is_file())
        leaks = [leak for file in files for leak in self._leaks_of(file)]
        return LogSearch(secrets=len(self), files=len(files), leaks=leaks, too_short=tuple(self._too_short))

    def scrub(self, text: str) -> str:
        """Return the text with every secret replaced."""
        for value in self._values.values():
            for spelling in sorted(_spellings(value), key=len, reverse=True):
                text = text.replace(spelling, _PLACEHOLDER)
        return text

    def _leaks_of(self, file: Path) -> list[Leak]:
        content = file.read_text("utf-8", errors="replace")
        return [
            Leak(name, file.name)
            for name, spellings in self._spelt().items()
            if any(spelling in content for spelling in spellings)
        ]

    def _spelt(self) -> Mapping[str, frozenset[str]]:
        return {name: _spellings(value) for name, value in self._values.items()}


def _spellings(value: str) -> frozenset[str]:
    """Return the spellings a log may have: plain, in a JSON string, in a URL, and a JWT's signature."""
    spellings = {value, json.dumps(value)[1:-1], quote(value, safe="")}
    parts = value.split(".")
    if value.startswith("eyJ") and len(parts) == 3:  # noqa: PLR2004 - a JWT
        spellings.add(parts[2])
    return frozenset(spellings)
