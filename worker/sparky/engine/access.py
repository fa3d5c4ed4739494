"""Which venues this worker serves, and the opening of a trader's account at one of them."""

from collections.abc import Mapping

from sparky.domain.errors import Refusal
from sparky.domain.identifiers import UserId
from sparky.domain.reasons import Reason
from sparky.domain.work_order import Account
from sparky.engine.credentials import CredentialDesk
from sparky.engine.open_account import OpenAccount
from sparky.engine.silences import Silences
from sparky.runtime.seams import Clock
from sparky.venues.base import AccountAccess, VenueAdapter


class AccountDesk:
    """Knows the venues and opens accounts."""

    def __init__(
        self,
        venues: Mapping[str, VenueAdapter],
        credentials: CredentialDesk,
        *,
        timeout_seconds: float,
        clock: Clock,
    ) -> None:
        self._venues = venues
        self._credentials = credentials
        self._timeout_seconds = timeout_seconds
        self._clock = clock
        self._silences = Silences(clock)

    async def open(self, user_id: UserId, account: Account) -> OpenAccount:
        """Open an account.

        Raises:
            Refusal: this worker does not serve the venue, or (SealError) the keys do not open: they were
                not sealed for this trader, venue and environment, or to another worker.
            LostClaim: no worker holds a lease on any work of the account.
            DatabaseUnavailable: the keys could not be asked for.
            DatabaseContractError: the database does not hand them out to this worker.
        """
        adapter = self._venues.get(account.exchange)
        if adapter is None:
            served = ", ".join(sorted(self._venues))
            raise Refusal(
                Reason.NOT_SUPPORTED,
                f"Orders at {account.exchange} are not executed yet; served are: {served}.",
            )
        keys = await self._credentials.open(user_id, account)
        access = AccountAccess(
            account_id=account.id,
            exchange=account.exchange,
            environment=account.environment,
            credentials=keys.credentials,
            account_number=account.account_number,
            is_proved=account.is_proved,
            keep_credentials=keys.keep,
        )
        return OpenAccount(adapter, access, self._timeout_seconds, self._clock, self._silences)

    def is_silent(self, exchange: str, environment: str) -> bool:
        """Return whether a venue kept somebody waiting in vain a moment ago."""
        return self._silences.lasts(exchange, environment)

    async def open_keys(self, user_id: UserId, account: Account) -> None:
        """Open the keys of an account and, where they lie plain, seal them; the venue need not be served.

        Raises as `open` does, but for the venue.
        """
        await self._credentials.open(user_id, account)

    def forget(self, account: Account) -> None:
        """Drop opened keys: the venue does not accept them."""
        self._credentials.forget(account)

    def forget_expired(self) -> None:
        """Drop opened keys that are past their time."""
        self._credentials.forget_expired()

    async def close(self) -> None:
        """Wait until keys that venues have rotated are stored."""
        await self._credentials.close()
