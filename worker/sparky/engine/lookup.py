"""What became of an order that may or may not have reached the venue: asked, never guessed."""

from dataclasses import dataclass
from typing import Final

import structlog

from sparky.domain.backoff import Backoff
from sparky.domain.errors import VenueUnavailable
from sparky.domain.identifiers import ClientOrderId
from sparky.domain.orders import VenueOrder
from sparky.engine.leases import Lease, LeaseKeeper
from sparky.runtime.seams import Seams
from sparky.venues.base import AccountAccess, VenueAdapter

_BACKOFF: Final = Backoff(first=0.1, longest=5.0)
# After the visibility window, a venue that does not answer at all is asked for this long.
_PATIENCE_SECONDS: Final = 60.0
_ROOM_SECONDS: Final = 1.0

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Found:
    """The venue has the order."""

    order: VenueOrder


@dataclass(frozen=True, slots=True)
class Absent:
    """The venue does not have the order, and it can no longer appear."""


@dataclass(frozen=True, slots=True)
class CannotTell:
    """The venue did not answer for as long as we may ask."""

    reason: str


LookUp = Found | Absent | CannotTell


class LookUps:
    """Looks orders up with back-off, for as long as their claims hold."""

    def __init__(self, seams: Seams, leases: LeaseKeeper) -> None:
        self._seams = seams
        self._leases = leases

    async def look_up(
        self,
        adapter: VenueAdapter,
        access: AccountAccess,
        symbol: str,
        client_order_id: ClientOrderId,
        *,
        lease: Lease,
        age: float,
    ) -> LookUp:
        """Ask until the venue shows the order, or until none can appear any more.

        `age` is how many seconds ago the order was written down: it was sent no earlier.

        Raises:
            CredentialsInvalid: the venue does not accept the keys any more.
            LostClaim: somebody else looks after this signal now.
        """
        started = self._seams.clock.monotonic() - age
        failures = 0
        while True:
            await self._leases.require(lease, _ROOM_SECONDS)
            asked = self._seams.clock.monotonic() - started
            try:
                order = await adapter.find_order(access, symbol, client_order_id)
            except VenueUnavailable as error:
                _log.warning("look_up_failed", error=str(error))
                if asked > max(age, adapter.visibility_seconds) + _PATIENCE_SECONDS:
                    return CannotTell(str(error))
            else:
                if order is not None:
                    return Found(order)
                # Only a look-up that began after the window proves absence.
                if asked > adapter.visibility_seconds:
                    return Absent()
            failures += 1
            await self._seams.sleeper.sleep(_BACKOFF.delay(failures, self._seams.random.uniform))
