"""From a work order to a venue and the opened keys of the trader's account there."""

from collections.abc import Mapping

from sparky.domain.errors import Refusal
from sparky.domain.identifiers import UserId
from sparky.domain.reasons import Reason
from sparky.domain.work_order import Account
from sparky.keys.cache import CredentialCache
from sparky.keys.sealing import KeyRing, SealingContext
from sparky.venues.base import AccountAccess, VenueAdapter


class AccountDesk:
    """Knows the venues and opens accounts. Opened keys stay in the cache for its short time only."""

    def __init__(self, venues: Mapping[str, VenueAdapter], keys: KeyRing, cache: CredentialCache) -> None:
        self._venues = venues
        self._keys = keys
        self._cache = cache

    def venue(self, name: str) -> VenueAdapter:
        """Return the adapter of a venue.

        Raises:
            Refusal: this worker does not serve it.
        """
        adapter = self._venues.get(name)
        if adapter is None:
            served = ", ".join(sorted(self._venues))
            raise Refusal(
                Reason.NOT_SUPPORTED, f"Orders at {name} are not executed yet; served are: {served}."
            )
        return adapter

    def open(self, user_id: UserId, account: Account) -> AccountAccess:
        """Open the keys of an account.

        Raises:
            SealError: they were not sealed for this trader, venue and environment, or to another worker.
        """
        context = SealingContext(user_id=user_id, exchange=account.exchange, environment=account.environment)
        credentials = self._cache.get(
            account.id, account.key_version, lambda: self._keys.open(account.sealed, context)
        )
        return AccountAccess(
            account_id=account.id,
            exchange=account.exchange,
            environment=account.environment,
            credentials=credentials,
        )

    def forget(self, account: Account) -> None:
        """Drop opened keys: the venue does not accept them."""
        self._cache.forget(account.id)
