"""The port between the engine and a venue.

The rule for every adapter: a write is tried once and ends in an `Outcome`, never in an exception; a
question may be asked again and raises. No third-party exception crosses this line.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from sparky.domain.identifiers import AccountId, ClientOrderId
from sparky.domain.orders import Balance, OrderRequest, Outcome, VenueOrder, VenuePosition
from sparky.domain.rules import InstrumentRules
from sparky.keys.secret import Secret

Permit = Callable[[], None]
"""Asked immediately before the first byte of an order leaves; raises LostClaim when it may not any more.

Between it and the socket lies nothing that waits: it is what keeps a worker that was paused, and whose
claim another one has taken meanwhile, from sending (see `runtime.first_byte`).
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountAccess:
    """One trader's account with its opened credentials, for the time of one work order."""

    account_id: AccountId
    exchange: str
    environment: str
    credentials: Mapping[str, Secret]


class VenueAdapter(Protocol):
    """A venue. Every method may be called concurrently, for any number of accounts.

    Questions raise VenueUnavailable (ask again later), CredentialsInvalid (the venue does not accept the
    keys) or UnknownSymbol.
    """

    @property
    def name(self) -> str:
        """The venue's name in alerts and tables."""
        ...

    @property
    def visibility_seconds(self) -> float:
        """How long after a write was given up an order may appear that look-ups do not show yet."""
        ...

    async def validate(self, access: AccountAccess) -> Balance:
        """Prove that the keys work, and return the balance."""
        ...

    async def rules(self, access: AccountAccess, symbol: str) -> InstrumentRules:
        """Return steps and minima of an instrument."""
        ...

    async def submit(self, access: AccountAccess, order: OrderRequest, permit: Permit) -> Outcome:
        """Send an order, once, after `permit` has allowed it.

        Never raises for anything the venue or the network does; only what `permit` raises passes.
        """
        ...

    async def find_order(
        self, access: AccountAccess, symbol: str, client_order_id: ClientOrderId
    ) -> VenueOrder | None:
        """Return the venue's order of that client id, with its fills; None if the venue shows none."""
        ...

    async def position(self, access: AccountAccess, symbol: str) -> VenuePosition | None:
        """Return what is open in a symbol; None if nothing is."""
        ...

    async def positions(self, access: AccountAccess) -> Sequence[VenuePosition]:
        """Return everything that is open."""
        ...
