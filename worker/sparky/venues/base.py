"""The port between the engine and a venue.

The rule for every adapter: a write is tried once and ends in an `Outcome`, never in an exception; a
question may be asked again and raises. No third-party exception crosses this line.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol

from sparky.domain.answers import AccountFill, Balance, KeyCheck, Outcome, Quote, VenueOrder, VenuePosition
from sparky.domain.capabilities import Capabilities
from sparky.domain.identifiers import AccountId
from sparky.domain.options import OptionContract
from sparky.domain.orders import ExitRequest, OrderRef, OrderRequest
from sparky.domain.rules import InstrumentRules
from sparky.keys.secret import Secret

Permit = Callable[[], None]
"""Asked immediately before the first byte of an order leaves; raises LostClaim when it may not any more.

Between it and the socket lies nothing that waits: it is what keeps a worker that was paused, and whose
claim another one has taken meanwhile, from sending (see `runtime.first_byte`).
"""

KeepCredentials = Callable[[Mapping[str, Secret]], Awaitable[None]]
"""Stores credentials in the place of those an account was opened with, sealed: the venue has rotated them."""


async def _keep_nothing(credentials: Mapping[str, Secret]) -> None:
    del credentials


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountAccess:
    """One trader's account with its opened credentials, for the time of one work order.

    `account_number` is the venue's own number of the account, where the trader has given it. `is_proved`: the
    venue has accepted these keys before, so they are no guesses.
    """

    account_id: AccountId
    exchange: str
    environment: str
    credentials: Mapping[str, Secret]
    account_number: str | None = None
    is_proved: bool = False
    keep_credentials: KeepCredentials = _keep_nothing


class VenueAdapter(Protocol):
    """A venue. Every method may be called concurrently, for any number of accounts.

    Symbols are ours (`domain.symbols`), in and out. Questions raise VenueUnavailable (ask again later),
    CredentialsInvalid (the venue does not accept the keys), UnknownSymbol, or a plain Refusal with
    NOT_SUPPORTED for what `capabilities` excludes.
    """

    @property
    def name(self) -> str:
        """The venue's name in alerts and tables."""
        ...

    @property
    def capabilities(self) -> Capabilities:
        """What it can do."""
        ...

    @property
    def visibility_seconds(self) -> float:
        """How long after a write was given up an order may appear that look-ups do not show yet."""
        ...

    async def validate(self, access: AccountAccess) -> KeyCheck:
        """Prove that the keys work in this environment and may trade and not withdraw, as far as told."""
        ...

    async def balance(self, access: AccountAccess) -> Balance:
        """Return the account's money."""
        ...

    async def rules(self, access: AccountAccess, symbol: str) -> InstrumentRules:
        """Return steps, minima and maxima of an instrument."""
        ...

    async def quote(self, access: AccountAccess, symbol: str) -> Quote:
        """Return what an instrument costs now; orders are sized by it, so it goes before other questions.

        Raises a Refusal with NO_PRICE where the venue has no price of it. A closed market may have one.
        """
        ...

    async def bookmark(self, access: AccountAccess) -> str | None:
        """Return where the venue's record stands now, for an OrderRequest; None where it keeps none.

        A look-up reads the record from there on. It is written down with the order before that is sent.
        """
        ...

    async def submit(self, access: AccountAccess, order: OrderRequest, permit: Permit) -> Outcome:
        """Send an order, once, after `permit` has allowed it.

        Never raises for anything the venue or the network does; only what `permit` raises passes.
        """
        ...

    async def place_exits(
        self, access: AccountAccess, request: ExitRequest, permit: Permit
    ) -> Sequence[Outcome]:
        """Place exits for an open position; one outcome for each of `request.exits`, in their order.

        Where the venue takes them in several writes, `permit` is asked before each, and the ones after a
        write that did not end in Accepted are not sent. Raises only what `permit` raises.
        """
        ...

    async def cancel(self, access: AccountAccess, ref: OrderRef, permit: Permit) -> Outcome:
        """Cancel an order. May be repeated: cancelling what has ended changes nothing.

        Accepted carries the order as the venue shows it afterwards; its state tells whether it is cancelled,
        still on its way there, or was filled before. Refused means that the venue shows no such order.
        """
        ...

    async def find_order(self, access: AccountAccess, ref: OrderRef) -> VenueOrder | None:
        """Return the order, with its fills and their fees; None if the venue shows none.

        It is asked for by `venue_order_id` where the reference has one, else by client id.
        """
        ...

    async def open_orders(self, access: AccountAccess, symbol: str | None = None) -> Sequence[VenueOrder]:
        """Return the orders that work, of one symbol or of all, ours or not."""
        ...

    async def fills(self, access: AccountAccess, symbol: str, since: datetime) -> Sequence[AccountFill]:
        """Return the executions in a symbol since a moment, oldest first."""
        ...

    async def position(self, access: AccountAccess, symbol: str) -> VenuePosition | None:
        """Return what is open in a symbol; None if nothing is."""
        ...

    async def positions(self, access: AccountAccess) -> Sequence[VenuePosition]:
        """Return everything that is open."""
        ...

    async def set_leverage(self, access: AccountAccess, symbol: str, leverage: int) -> None:
        """Set the leverage of a symbol's next entries. May be repeated."""
        ...

    async def expirations(self, access: AccountAccess, underlying: str) -> Sequence[date]:
        """Return the days on which options of an underlying expire, soonest first."""
        ...

    async def option_chain(
        self, access: AccountAccess, underlying: str, expiration: date
    ) -> Sequence[OptionContract]:
        """Return the contracts of one expiration, by strike, calls before puts."""
        ...
