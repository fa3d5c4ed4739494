"""Keys that a venue has given in exchange for those an account was opened with, stored in their place.

The version decides: only whoever rotates what is stored has his keys stored. Another worker that was
slower, or one that still held what the trader has replaced, drops its keys and opens those that are stored.
"""

import asyncio
from dataclasses import dataclass
from typing import Final, Protocol
from weakref import WeakValueDictionary

import structlog

from sparky.domain.backoff import Backoff
from sparky.domain.errors import ConfigurationError, DatabaseContractError, DatabaseUnavailable
from sparky.domain.identifiers import AccountId
from sparky.keys.cache import CredentialCache, Credentials
from sparky.keys.sealing import KeyRing, SealingContext
from sparky.runtime.seams import Seams

_RETRY: Final = Backoff(first=0.2, longest=5.0)
_TRIES: Final = 8
_REMEMBERED: Final = 10_000

_log = structlog.get_logger(__name__)


class RotationStore(Protocol):
    """Where rotated keys go."""

    async def rotate_keys(self, account: AccountId, key_version: int, sealed: str) -> int | None:
        """Put them in the place of those of that version; return theirs, or None when others are stored."""
        ...


@dataclass(frozen=True, slots=True)
class _Line:
    """Versions of which each was made out of the one before it here, so that any of them names the last."""

    first: int
    last: int


class Rotations:
    """Stores rotated keys, those of one account one after another."""

    def __init__(self, store: RotationStore, keys: KeyRing, cache: CredentialCache, seams: Seams) -> None:
        self._store = store
        self._keys = keys
        self._cache = cache
        self._seams = seams
        self._lines: dict[AccountId, _Line] = {}
        self._locks: WeakValueDictionary[AccountId, asyncio.Lock] = WeakValueDictionary()
        self._storing: set[asyncio.Task[None]] = set()

    async def keep(
        self, context: SealingContext, account: AccountId, key_version: int, credentials: Credentials
    ) -> None:
        """Store `credentials`, which the venue gave for those of `key_version`.

        Raises nothing: whoever rotates goes on with what he has. When the caller is cancelled, by a
        time-out for instance, they are stored all the same: the old ones may be worth nothing any more.
        """
        task = asyncio.get_running_loop().create_task(self._keep(context, account, key_version, credentials))
        self._storing.add(task)
        task.add_done_callback(self._storing.discard)
        await asyncio.shield(task)

    async def close(self) -> None:
        """Wait until everything is stored."""
        await asyncio.gather(*self._storing)

    async def _keep(
        self, context: SealingContext, account: AccountId, key_version: int, credentials: Credentials
    ) -> None:
        async with self._locks.setdefault(account, asyncio.Lock()):
            line = self._lines.get(account)
            if line is None or not line.first <= key_version <= line.last:
                line = _Line(key_version, key_version)
            if self._cache.version_of(account) in {None, line.last}:
                self._cache.put(account, line.last, credentials)
            try:
                version = await self._store_soon(account, line.last, self._keys.seal(context, credentials))
            except (ConfigurationError, DatabaseContractError, DatabaseUnavailable) as error:
                # This process goes on with what it holds; after it, the trader has to save new keys.
                _log.error("rotated_keys_not_stored", account_id=account, error=str(error))
                return
            if version is None:
                _log.warning("rotated_keys_came_too_late", account_id=account)
                self._lines.pop(account, None)
                self._cache.forget(account)
                return
            _log.info("rotated_keys_stored", account_id=account, key_version=version)
            self._cache.put(account, version, credentials)
            if len(self._lines) >= _REMEMBERED:
                self._lines.clear()
            self._lines[account] = _Line(line.first, version)

    async def _store_soon(self, account: AccountId, key_version: int, sealed: str) -> int | None:
        failures = 0
        while True:
            try:
                return await self._store.rotate_keys(account, key_version, sealed)
            except DatabaseUnavailable:
                failures += 1
                if failures >= _TRIES:
                    raise
                await self._seams.sleeper.sleep(_RETRY.delay(failures, self._seams.random.uniform))
