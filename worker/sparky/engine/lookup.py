"""What became of an order that may or may not have reached the venue: asked, never guessed."""

from dataclasses import dataclass
from typing import Final

import structlog

from sparky.domain.answers import VenueOrder
from sparky.domain.backoff import Backoff
from sparky.domain.errors import VenueUnavailable
from sparky.domain.orders import OrderRef
from sparky.engine.leases import Lease, LeaseKeeper
from sparky.engine.open_account import OpenAccount
from sparky.runtime.seams import Seams

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
        account: OpenAccount,
        ref: OrderRef,
        *,
        lease: Lease,
        silent_since: float,
    ) -> LookUp:
        """Ask until the venue shows the order, or until none can appear any more.

        `silent_since` is the moment on the monotonic clock after which certainly no byte of the order
        left; it may lie ahead.

        Raises:
            CredentialsInvalid: the venue does not accept the keys any more.
            LostClaim: somebody else looks after this signal now.
        """
        visible_at = silent_since + account.visibility_seconds
        give_up_at = max(self._now(), visible_at) + _PATIENCE_SECONDS
        failures = 0
        while True:
            await self._leases.require(lease, _ROOM_SECONDS)
            asked_at = self._now()
            try:
                order = await account.find_order(ref)
            except VenueUnavailable as error:
                _log.warning("look_up_failed", error=str(error), client_order_id=ref.client_order_id)
                if asked_at > give_up_at:
                    return CannotTell(str(error))
            else:
                if order is not None:
                    return Found(order)
                # Only a look-up that began after the window proves absence.
                if asked_at > visible_at:
                    return Absent()
            failures += 1
            pause = _BACKOFF.delay(failures, self._seams.random.uniform)
            # Not past the window's end: the first look-up behind it is the one that settles.
            await self._seams.sleeper.sleep(min(pause, max(visible_at - self._now(), _BACKOFF.first)))

    def _now(self) -> float:
        return self._seams.clock.monotonic()
