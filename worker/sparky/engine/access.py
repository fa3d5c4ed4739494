"""From a work order to an open account at a venue. Whatever is asked there is bounded in time."""

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

import structlog

from sparky.domain.answers import (
    KeyCheck,
    NotSent,
    Outcome,
    Unknown,
    VenueOrder,
    VenuePosition,
)
from sparky.domain.errors import LostClaim, Refusal, VenueUnavailable
from sparky.domain.identifiers import UserId
from sparky.domain.orders import OrderRef, OrderRequest
from sparky.domain.reasons import Reason
from sparky.domain.rules import InstrumentRules
from sparky.domain.work_order import Account
from sparky.engine.credentials import CredentialDesk
from sparky.engine.permits import SendingPermit
from sparky.engine.silences import Silences
from sparky.runtime.seams import Clock
from sparky.venues.base import AccountAccess, VenueAdapter

Answer = TypeVar("Answer")

_VALIDATION_TIMES: Final = 2

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class OpenAccount:
    """One trader's account at a venue, with its opened keys.

    Questions raise what the port says, and VenueUnavailable when the venue takes too long.
    """

    adapter: VenueAdapter
    access: AccountAccess
    timeout_seconds: float
    clock: Clock
    silences: Silences

    @property
    def visibility_seconds(self) -> float:
        return self.adapter.visibility_seconds

    async def validate(self) -> KeyCheck:
        """Prove that the keys work, and return what the venue says of them."""
        # Nobody waits for it, and it asks for much at once: accounts, permissions, money, a trial order.
        return await self._in_time(self.adapter.validate(self.access), _VALIDATION_TIMES)

    async def rules(self, symbol: str) -> InstrumentRules:
        """Return steps and minima of an instrument."""
        return await self._in_time(self.adapter.rules(self.access, symbol))

    async def position(self, symbol: str) -> VenuePosition | None:
        """Return what is open in a symbol."""
        return await self._in_time(self.adapter.position(self.access, symbol))

    async def positions(self) -> Sequence[VenuePosition]:
        """Return everything that is open."""
        return await self._in_time(self.adapter.positions(self.access))

    async def find_order(self, ref: OrderRef) -> VenueOrder | None:
        """Return the venue's order of that reference."""
        return await self._in_time(self.adapter.find_order(self.access, ref))

    async def bookmark(self) -> str | None:
        """Return where the venue's record stands now; None where it keeps none."""
        return await self._in_time(self.adapter.bookmark(self.access))

    async def submit(self, order: OrderRequest, permit: SendingPermit) -> Outcome:
        """Send an order, once. When this returns or raises, no byte of it leaves any more.

        Raises:
            LostClaim: `permit` did not allow it; nothing was sent.
        """
        try:
            async with asyncio.timeout(self.timeout_seconds):
                return await self.adapter.submit(self.access, order, permit)
        except LostClaim:
            raise
        except TimeoutError:
            why = self._too_slow()
        except Exception:  # noqa: BLE001 - the order may be there whatever went wrong here: it is looked up
            _log.exception("submit_failed", client_order_id=order.client_order_id)
            why = f"the answer of {self.adapter.name} could not be worked on"
        return Unknown(why) if permit.used else NotSent(why)

    async def _in_time(self, question: Awaitable[Answer], times: int = 1) -> Answer:
        asked_at = self.clock.monotonic()
        place = (self.access.exchange, self.access.environment)
        try:
            async with asyncio.timeout(times * self.timeout_seconds):
                answer = await question
        except (TimeoutError, VenueUnavailable) as error:
            self.silences.note_silence(*place, self.clock.monotonic() - asked_at)
            if isinstance(error, VenueUnavailable):
                raise
            raise VenueUnavailable(self._too_slow(times)) from None
        self.silences.note_answer(*place)
        return answer

    def _too_slow(self, times: int = 1) -> str:
        return f"{self.adapter.name} did not answer within {times * self.timeout_seconds:g} s"


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
