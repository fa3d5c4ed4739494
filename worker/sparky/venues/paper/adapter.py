"""The paper venue behind the port."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from typing import Final

from sparky.domain.answers import (
    AccountFill,
    Balance,
    KeyCheck,
    NotSent,
    Outcome,
    Quote,
    VenueOrder,
    VenuePosition,
)
from sparky.domain.errors import CredentialsInvalid, Refusal, VenueUnavailable
from sparky.domain.fitting import Misfit, fit, fit_exits
from sparky.domain.identifiers import AccountId
from sparky.domain.options import OptionContract
from sparky.domain.orders import ExitRequest, OrderRef, OrderRequest, Side
from sparky.domain.reasons import Reason
from sparky.domain.rules import InstrumentRules
from sparky.runtime.seams import Sleeper
from sparky.venues.base import AccountAccess, Permit
from sparky.venues.paper.capabilities import CAPABILITIES, NO_LEVERAGE, NO_OPTIONS, refusal_of
from sparky.venues.paper.client import PaperClient
from sparky.venues.paper.credentials import PaperTerms, read_terms
from sparky.venues.paper.feed import PriceFeed
from sparky.venues.paper.market import Market
from sparky.venues.paper.orders import trail_misfit
from sparky.venues.paper.parse import read_balance, read_fills, read_open, read_order, read_positions
from sparky.venues.paper.rules import paper_rules
from sparky.venues.quotes import quote_of
from sparky.venues.refusals import misfit_refusal, refused_by

_MS_PER_SECOND: Final = Decimal(1000)
_REMEMBERED: Final = 10_000
# The book shows an order as soon as it has it. A request whose sender is gone may still be on its way; should
# it come after the order was sent again, the book refuses it by its client id.
_VISIBILITY_SECONDS: Final = 1.0


class PaperAdapter:
    """Orders fill at the feed's price, else the alert's, after slippage, a fee and a latency.

    What waits for a price is executed when one is told: by an order for the symbol, and with a feed by every
    question about what it could have changed.
    """

    name: Final = "paper"
    capabilities: Final = CAPABILITIES
    visibility_seconds: Final = _VISIBILITY_SECONDS

    def __init__(self, client: PaperClient, sleeper: Sleeper, *, feed: PriceFeed | None) -> None:
        self._client = client
        self._sleeper = sleeper
        self._market = Market(client, feed)
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
        """Return the feed's price. Without a feed there is none: that of an older alert is not of now."""
        terms = read_terms(access.credentials)
        quote = quote_of("The paper venue", symbol, last=await self._market.price(symbol))
        await self._client.mark(access.account_id, terms, symbol, quote.to_trade(Side.BUY))
        return quote

    async def bookmark(self, access: AccountAccess) -> str | None:  # noqa: ARG002 - the port's shape
        """Return None: the book finds an order by its client id, whenever it was sent."""
        return None

    async def submit(self, access: AccountAccess, order: OrderRequest, permit: Permit) -> Outcome:
        """Send an order; half of the latency passes before the book has it and half after."""
        refusal = refusal_of(order) or trail_misfit(order.exits)
        if refusal is not None:
            return refusal
        fitted = fit(order, paper_rules(order.symbol))
        if isinstance(fitted, Misfit):
            return misfit_refusal(fitted)
        try:
            terms = await self._opened_terms(access)
            price = await self._market.price(order.symbol)
        except CredentialsInvalid as error:
            return refused_by(error)
        except VenueUnavailable as error:
            return NotSent(str(error))
        priced = fitted if price is None else replace(fitted, reference_price=price)
        await self._wait(terms)
        outcome = await self._client.submit(access.account_id, terms, priced, permit)
        await self._wait(terms)
        return outcome

    async def place_exits(
        self, access: AccountAccess, request: ExitRequest, permit: Permit
    ) -> Sequence[Outcome]:
        """Place exits for an open position, all in one write. They take one another away when one fills."""
        fitted = fit_exits(request, paper_rules(request.symbol))
        no: Outcome | None = trail_misfit(request.exits)
        if isinstance(fitted, Misfit):
            no = misfit_refusal(fitted)
        elif no is None:
            try:
                terms = await self._opened_terms(access)
                market = await self._market.price_if_told(request.symbol)
                await self._wait(terms)
                placed = await self._client.place_exits(access.account_id, terms, fitted, market, permit)
                await self._wait(terms)
            except CredentialsInvalid as error:
                no = refused_by(error)
            except VenueUnavailable as error:
                no = NotSent(str(error))
            else:
                return placed
        return [no for _ in request.exits]

    async def cancel(self, access: AccountAccess, ref: OrderRef, permit: Permit) -> Outcome:
        """Cancel an order, unless the price has reached it; an entry takes its waiting exits along."""
        try:
            terms = read_terms(access.credentials)
            await self._tell(access, terms, ref.symbol)
        except CredentialsInvalid as error:
            return refused_by(error)
        except VenueUnavailable as error:
            return NotSent(str(error))
        return await self._client.cancel(access.account_id, ref.client_order_id, permit)

    async def find_order(self, access: AccountAccess, ref: OrderRef) -> VenueOrder | None:
        """Look an order up by its client id."""
        terms = read_terms(access.credentials)
        found = read_order(await self._client.find_order(access.account_id, ref.client_order_id))
        if found is None or found.state.is_terminal or not self._market.is_known:
            return found
        await self._market.tell(access.account_id, terms, [ref.symbol])
        return read_order(await self._client.find_order(access.account_id, ref.client_order_id))

    async def open_orders(self, access: AccountAccess, symbol: str | None = None) -> Sequence[VenueOrder]:
        """Return the orders that work, and the exits that wait for their entry."""
        terms = read_terms(access.credentials)
        await self._tell(access, terms, symbol)
        found = read_open(await self._client.open_orders(access.account_id, terms))
        return [one for one in found if symbol in {None, one.symbol}]

    async def fills(self, access: AccountAccess, symbol: str, since: datetime) -> Sequence[AccountFill]:
        """Return the executions in a symbol since a moment, oldest first."""
        terms = read_terms(access.credentials)
        await self._tell(access, terms, symbol)
        return read_fills(await self._client.fills(access.account_id, terms, symbol, since))

    async def position(self, access: AccountAccess, symbol: str) -> VenuePosition | None:
        """Return what is open in a symbol."""
        return next((one for one in await self._held(access, symbol) if one.symbol == symbol), None)

    async def positions(self, access: AccountAccess) -> Sequence[VenuePosition]:
        """Return everything that is open."""
        return await self._held(access, None)

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

    async def _held(self, access: AccountAccess, symbol: str | None) -> Sequence[VenuePosition]:
        terms = read_terms(access.credentials)
        await self._tell(access, terms, symbol)
        return read_positions(await self._client.positions(access.account_id, terms))

    async def _tell(self, access: AccountAccess, terms: PaperTerms, symbol: str | None) -> None:
        """Tell the book the prices that its open orders wait for, in one symbol or in all."""
        if not self._market.is_known:
            return
        waiting = read_open(await self._client.open_orders(access.account_id, terms))
        symbols = {one.symbol for one in waiting if one.symbol is not None and symbol in {None, one.symbol}}
        await self._market.tell(access.account_id, terms, sorted(symbols))

    async def _opened_terms(self, access: AccountAccess) -> PaperTerms:
        # An alert may come before the task that validates its account has run.
        terms = read_terms(access.credentials)
        key = (access.account_id, terms.key_hash)
        if key not in self._opened:
            await self._client.open(access.account_id, terms)
            if len(self._opened) >= _REMEMBERED:
                self._opened.clear()
            self._opened.add(key)
        return terms

    async def _wait(self, terms: PaperTerms) -> None:
        await self._sleeper.sleep(float(terms.latency_ms / 2 / _MS_PER_SECOND))
