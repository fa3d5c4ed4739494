"""Opened exchange keys: asked for once, kept for a while, and sealed where they lie plain."""

import asyncio
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

import structlog

from sparky.database.keys import StoredKeys
from sparky.domain.errors import ConfigurationError, DatabaseContractError, DatabaseUnavailable, Retryable
from sparky.domain.identifiers import AccountId, UserId
from sparky.domain.work_order import Account
from sparky.engine.rotation import Rotations, RotationStore
from sparky.keys.cache import CredentialCache, Credentials
from sparky.keys.sealing import KeyRing, SealingContext, read_fields
from sparky.runtime.seams import Seams
from sparky.venues.base import KeepCredentials

_log = structlog.get_logger(__name__)

_Failure = DatabaseUnavailable | None


class KeyStore(RotationStore, Protocol):
    """Where stored keys come from."""

    async def open_keys(self, account: AccountId) -> StoredKeys:
        """Return the keys of an account on which there is live work."""
        ...

    async def reseal_keys(self, account: AccountId, key_version: int, sealed: str) -> bool:
        """Put sealed text in the place of plain keys."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedKeys:
    """The opened keys of an account; `keep` stores others in their place when the venue has rotated them."""

    credentials: Credentials
    keep: KeepCredentials = field(repr=False)


class CredentialDesk:
    """Opens keys. However many ask for one account at a time, the database is asked once."""

    def __init__(self, store: KeyStore, keys: KeyRing, cache: CredentialCache, seams: Seams) -> None:
        self._store = store
        self._keys = keys
        self._cache = cache
        self._rotations = Rotations(store, keys, cache, seams)
        self._opening: dict[AccountId, asyncio.Future[_Failure]] = {}

    async def open(self, user_id: UserId, account: Account) -> OpenedKeys:
        """Return the opened keys of an account, of the version of `account` or a later one.

        Raises:
            SealError: they do not open.
            LostClaim: no worker holds a lease on any work of the account.
            DatabaseUnavailable: the database did not answer.
            DatabaseContractError: the database does not hand them out to this worker.
        """
        while True:
            held = self._cache.get(account.id, account.key_version)
            version = self._cache.version_of(account.id)
            if held is not None and version is not None:
                return self._opened(user_id, account, version, held)
            other = self._opening.get(account.id)
            if other is None:
                return await self._open_for_all(user_id, account)
            failure = await asyncio.shield(other)
            if failure is not None:
                raise DatabaseUnavailable(str(failure), reached=failure.reached)
            # Any other failure was about the work of him who asked: ours may be there by now.

    def forget(self, account: Account) -> None:
        """Drop opened keys: the venue does not accept them."""
        self._cache.forget(account.id)

    def forget_expired(self) -> None:
        """Drop opened keys that are past their time."""
        self._cache.forget_expired()

    async def close(self) -> None:
        """Wait until rotated keys are stored."""
        await self._rotations.close()

    def _opened(
        self, user_id: UserId, account: Account, key_version: int, credentials: Credentials
    ) -> OpenedKeys:
        keep = partial(self._rotations.keep, _context(user_id, account), account.id, key_version)
        return OpenedKeys(credentials=credentials, keep=keep)

    async def _open_for_all(self, user_id: UserId, account: Account) -> OpenedKeys:
        done: asyncio.Future[_Failure] = asyncio.get_running_loop().create_future()
        self._opening[account.id] = done
        failure: _Failure = None
        try:
            return await self._open(user_id, account)
        except DatabaseUnavailable as error:
            failure = error
            raise
        finally:
            del self._opening[account.id]
            done.set_result(failure)

    async def _open(self, user_id: UserId, account: Account) -> OpenedKeys:
        context = _context(user_id, account)
        stored = await self._store.open_keys(account.id)
        if stored.is_sealed:
            credentials = self._keys.open(stored.text.reveal(), context)
        else:
            credentials = read_fields(stored.text.reveal())
        self._cache.put(account.id, stored.key_version, credentials)
        if not stored.is_sealed:
            await self._reseal(account, stored.key_version, context, credentials)
        return self._opened(user_id, account, stored.key_version, credentials)

    async def _reseal(
        self, account: Account, key_version: int, context: SealingContext, credentials: Credentials
    ) -> None:
        # Never in the way of an order: what is not sealed now is sealed at the next opening.
        try:
            sealed = self._keys.seal(context, credentials)
            done = await self._store.reseal_keys(account.id, key_version, sealed)
        except (ConfigurationError, DatabaseContractError, Retryable) as error:
            _log.warning("keys_not_sealed", account_id=account.id, error=str(error))
            return
        _log.info("keys_sealed" if done else "keys_were_replaced", account_id=account.id)


def _context(user_id: UserId, account: Account) -> SealingContext:
    return SealingContext(user_id=user_id, exchange=account.exchange, environment=account.environment)
