"""The paper venue behind the port."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from typing import Final

from sparky.domain.answers import (
    Accepted,
    AccountFill,
    Balance,
    KeyCheck,
    NotSent,
    Outcome,
    Quote,
    Refused,
    VenueOrder,
    VenuePosition,
)
from sparky.domain.errors import CredentialsInvalid, Refusal, VenueUnavailable
from sparky.domain.fitting import Misfit, fit
from sparky.domain.identifiers import AccountId
from sparky.domain.options import OptionContract
from sparky.domain.orders import ExitRequest, OrderRef, OrderRequest
from sparky.domain.reasons import Reason
from sparky.domain.rules import InstrumentRules
from sparky.runtime.seams import Sleeper
from sparky.venues.base import AccountAccess, Permit
from sparky.venues.paper.capabilities import (
    CAPABILITIES,
    NO_EXITS,
    NO_LEVERAGE,
    NO_OPTIONS,
    refusal_of,
    unsupported,
)
from sparky.venues.paper.client import PaperClient
from sparky.venues.paper.credentials import PaperTerms, read_terms
from sparky.venues.paper.feed import PriceFeed
from sparky.venues.paper.parse import read_balance, read_fills, read_order, read_positions
from sparky.venues.paper.rules import paper_rules
from sparky.venues.quotes import quote_of
from sparky.venues.refusals import misfit_refusal, refused_by

_MS_PER_SECOND: Final = Decimal(1000)
_REMEMBERED: Final = 10_000
# The book shows an order as soon as it has it. A request whose sender is gone may still be on its way; should
# it come after the order was sent again, the book refuses it by its client id.
_VISIBILITY_SECONDS: Final = 1.0


class PaperAdapter:
    """Orders fill whole at the feed's price, else the alert's, after slippage, a fee and a latency."""

    name: Final = "paper"
    capabilities: Final = CAPABILITIES
    visibility_seconds: Final = _VISIBILITY_SECONDS

    def __init__(self, client: PaperClient, sleeper: Sleeper, *, feed: PriceFeed | None) -> None:
        self._client = client
        self._sleeper = sleeper
        self._feed = feed
        self._opened: set[tuple[AccountId, str]] = set()

    async def validate(self, access: AccountAccess) -> KeyCheck:
        """Open the paper account of these keys, or find it."""
        return KeyCheck(balance=await self.balance(access))

    async def balance(self, access: AccountAccess) -> Balance:
        """Return the account's money, positions valued at entry; opens the account where it is new."""
        return read_balance(await self._client.open(access.account_id, read_terms(access.credentials)))

    async def rules(self, access: AccountAccess, symbol: str) -> InstrumentRules:  # noqa: ARG002 - the port's shape
        """Return the same rules for every symbol."""
        return paper_rules(symbol)

    async def quote(self, access: AccountAccess, symbol: str) -> Quote:
        """Return the feed's price; without a feed there is none but that of each alert."""
        read_terms(access.credentials)
        price = None if self._feed is None else await self._feed.price(symbol)
        return quote_of("The paper venue", symbol, last=price)

    async def bookmark(self, access: AccountAccess) -> str | None:  # noqa: ARG002 - the port's shape
        """Return None: the book finds an order by its client id, whenever it was sent."""
        return None

    async def submit(self, access: AccountAccess, order: OrderRequest, permit: Permit) -> Outcome:
        """Send an order; half of the latency passes before the book has it and half after."""
        refusal = refusal_of(order)
        if refusal is not None:
            return refusal
        fitted = fit(order, paper_rules(order.symbol))
        if isinstance(fitted, Misfit):
            return misfit_refusal(fitted)
        try:
            terms = read_terms(access.credentials)
            await self._open_once(access.account_id, terms)
            priced = await self._priced(fitted)
        except CredentialsInvalid as error:
            return refused_by(error)
        except VenueUnavailable as error:
            return NotSent(str(error))
        await self._wait(terms)
        outcome = await self._client.submit(access.account_id, terms, priced, permit)
        await self._wait(terms)
        return outcome

    async def place_exits(
        self,
        access: AccountAccess,  # noqa: ARG002 - the port's shape
        request: ExitRequest,
        permit: Permit,  # noqa: ARG002 - the port's shape
    ) -> Sequence[Outcome]:
        """Refuse them: the book knows market orders only."""
        return [unsupported(NO_EXITS) for _ in request.exits]

    async def cancel(self, access: AccountAccess, ref: OrderRef, permit: Permit) -> Outcome:  # noqa: ARG002 - the port's shape
        """Answer with the order, which was filled when it was taken: nothing of it can be cancelled."""
        try:
            order = await self.find_order(access, ref)
        except CredentialsInvalid as error:
            return refused_by(error)
        except VenueUnavailable as error:
            return NotSent(str(error))
        if order is None:
            return Refused(
                Reason.VENUE_REFUSED, "The paper venue shows no such order: there is none to cancel."
            )
        return Accepted(order)

    async def find_order(self, access: AccountAccess, ref: OrderRef) -> VenueOrder | None:
        """Look an order up by its client id."""
        read_terms(access.credentials)
        return read_order(await self._client.find_order(access.account_id, ref.client_order_id))

    async def open_orders(self, access: AccountAccess, symbol: str | None = None) -> Sequence[VenueOrder]:  # noqa: ARG002 - the port's shape
        """Return nothing: an order is filled when it is taken."""
        read_terms(access.credentials)
        return ()

    async def fills(self, access: AccountAccess, symbol: str, since: datetime) -> Sequence[AccountFill]:
        """Return the executions in a symbol since a moment, oldest first."""
        terms = read_terms(access.credentials)
        return read_fills(await self._client.fills(access.account_id, terms, symbol, since))

    async def position(self, access: AccountAccess, symbol: str) -> VenuePosition | None:
        """Return what is open in a symbol."""
        return next((one for one in await self.positions(access) if one.symbol == symbol), None)

    async def positions(self, access: AccountAccess) -> Sequence[VenuePosition]:
        """Return everything that is open."""
        terms = read_terms(access.credentials)
        return read_positions(await self._client.positions(access.account_id, terms))

    async def set_leverage(self, access: AccountAccess, symbol: str, leverage: int) -> None:  # noqa: ARG002 - the port's shape
        """Refuse: leverage is a term of the account."""
        raise Refusal(Reason.NOT_SUPPORTED, NO_LEVERAGE)

    async def expirations(self, access: AccountAccess, underlying: str) -> Sequence[date]:  # noqa: ARG002 - the port's shape
        """Refuse: there are no options."""
        raise Refusal(Reason.NOT_SUPPORTED, NO_OPTIONS)

    async def option_chain(
        self,
        access: AccountAccess,  # noqa: ARG002 - the port's shape
        underlying: str,  # noqa: ARG002 - the port's shape
        expiration: date,  # noqa: ARG002 - the port's shape
    ) -> Sequence[OptionContract]:
        """Refuse: there are no options."""
        raise Refusal(Reason.NOT_SUPPORTED, NO_OPTIONS)

    async def _open_once(self, account: AccountId, terms: PaperTerms) -> None:
        # An alert may come before the task that validates its account has run.
        if (account, terms.key_hash) not in self._opened:
            await self._client.open(account, terms)
            if len(self._opened) >= _REMEMBERED:
                self._opened.clear()
            self._opened.add((account, terms.key_hash))

    async def _priced(self, order: OrderRequest) -> OrderRequest:
        price = None if self._feed is None else await self._feed.price(order.symbol)
        return order if price is None else replace(order, reference_price=price)

    async def _wait(self, terms: PaperTerms) -> None:
        await self._sleeper.sleep(float(terms.latency_ms / 2 / _MS_PER_SECOND))
