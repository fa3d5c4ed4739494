"""Keeps claims alive while they are worked on, and tells at once when one is lost."""

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from typing import Final, Protocol

import structlog

from sparky.domain.errors import DatabaseContractError, DatabaseUnavailable, LostClaim
from sparky.domain.identifiers import SignalId
from sparky.domain.work_order import Claim
from sparky.runtime.seams import Seams

# After a renewal that failed, the next one comes soon: another third of the lease might be too late.
_AGAIN_SECONDS: Final = 1.0

_log = structlog.get_logger(__name__)


class LeaseStore(Protocol):
    """Where leases are renewed."""

    async def extend(self, claims: Iterable[Claim]) -> AbstractSet[SignalId]:
        """Renew and return whose leases were renewed; a claim that is missing is lost."""
        ...


class Lease:
    """One claim in hand. Its end is kept on the monotonic clock, never later than the database's."""

    def __init__(self, claim: Claim, until: float) -> None:
        self.claim = claim
        self.until = until
        self.lost = False


class LeaseKeeper:
    """All claims in hand, renewed together a third of the way through their time."""

    def __init__(self, store: LeaseStore, seams: Seams, lease_seconds: int) -> None:
        self._store = store
        self._seams = seams
        self._lease_seconds = lease_seconds
        self._held: dict[SignalId, Lease] = {}

    def __len__(self) -> int:
        return len(self._held)

    def hold(self, claim: Claim, asked_at: float) -> Lease:
        """Keep a claim that was asked for at `asked_at` on the monotonic clock.

        The database counted from later than that, so the end is never believed too late.
        """
        lease = Lease(claim, asked_at + self._lease_seconds)
        self._held[claim.signal_id] = lease
        return lease

    def drop(self, lease: Lease) -> None:
        """Stop keeping a claim: it is finished, given back or left to run out."""
        if self._held.get(lease.claim.signal_id) is lease:
            del self._held[lease.claim.signal_id]

    def claims(self) -> tuple[Claim, ...]:
        """Return every claim in hand that is not known to be lost."""
        return tuple(lease.claim for lease in self._held.values() if not lease.lost)

    async def require(self, lease: Lease, seconds: float) -> None:
        """Return when at least `seconds` of the lease are left, renewing it if need be.

        Raises:
            LostClaim: the claim is not ours any more, or that cannot be made sure of.
        """
        if not lease.lost and self._left(lease) < seconds:
            await self._renew((lease,))
        if lease.lost or self._left(lease) < seconds:
            raise LostClaim("the lease has run out")

    async def run(self) -> None:
        """Renew all claims for ever."""
        renewed = True
        while True:
            await self._seams.sleeper.sleep(self._lease_seconds / 3 if renewed else _AGAIN_SECONDS)
            renewed = await self._renew(tuple(lease for lease in self._held.values() if not lease.lost))

    def _left(self, lease: Lease) -> float:
        return lease.until - self._seams.clock.monotonic()

    async def _renew(self, leases: tuple[Lease, ...]) -> bool:
        if not leases:
            return True
        asked_at = self._seams.clock.monotonic()
        try:
            renewed = await self._store.extend(lease.claim for lease in leases)
        except (DatabaseUnavailable, DatabaseContractError) as error:
            # The leases run on; whoever needs more time than is left gives its claim up.
            _log.warning("leases_not_renewed", error=str(error), claims=len(leases))
            return False
        for lease in leases:
            signal_id = lease.claim.signal_id
            if signal_id in renewed:
                lease.until = asked_at + self._lease_seconds
            else:
                lease.lost = True
                # One that was finished while it was asked for is not missed.
                if self._held.get(signal_id) is lease:
                    _log.warning("claim_lost", signal_id=signal_id)
        return True
