"""OANDA behind the port."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any, Final

from sparky.domain import fields
from sparky.domain.answers import (
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
from sparky.domain.errors import Refusal, VenueUnavailable
from sparky.domain.fitting import fit
from sparky.domain.options import OptionContract
from sparky.domain.orders import ExitRequest, OrderRef, OrderRequest, OrderType, PositionSide, TimeInForce
from sparky.domain.reasons import Reason
from sparky.domain.rules import InstrumentRules
from sparky.runtime.seams import Seams
from sparky.venues.base import AccountAccess, Permit
from sparky.venues.budget import Priority
from sparky.venues.http import VenueHttp
from sparky.venues.oanda import cancelling, exits, parse, quotes
from sparky.venues.oanda.account import Account
from sparky.venues.oanda.accounts import Accounts
from sparky.venues.oanda.capabilities import CAPABILITIES, NO_LEVERAGE, NO_OPTIONS, refusal_of
from sparky.venues.oanda.client import Answer, OandaClient
from sparky.venues.oanda.history import account_fill, executions
from sparky.venues.oanda.lookup import OandaLookup
from sparky.venues.oanda.orders import close_to_oanda, order_to_oanda
from sparky.venues.oanda.record import read_from, transaction_number
from sparky.venues.oanda.rules import Instruments
from sparky.venues.oanda.symbols import to_venue
from sparky.venues.refusals import misfit_refusal, refused_by

# Look-ups have been seen to miss an order for half a second. A request that was given up may still be on its
# way for as long as a gateway keeps it: nobody tells how long, and sending again too soon would double it.
_VISIBILITY_SECONDS: Final = 30.0
_NO_EXPIRY_NOTE: Final = (
    "An OANDA token does not expire, and it allows all trading in every account of its login; it cannot "
    "withdraw money."
)
_HEDGING_NOTE: Final = (
    "This OANDA account may hold a long and a short side of one symbol at once; Sparky takes them as one "
    "position, their difference."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Prepared:
    """A write that is ready to be sent; `prefix` begins the names of what its answer holds."""

    account: Account
    method: str
    path: str
    body: Mapping[str, Any]
    prefix: str = "order"


class OandaAdapter:
    """Each entry is a trade of its own there; positions are what trades of one side add up to."""

    name: Final = "oanda"
    capabilities: Final = CAPABILITIES
    visibility_seconds: Final = _VISIBILITY_SECONDS

    def __init__(self, http: VenueHttp, seams: Seams) -> None:
        self._client = OandaClient(http, seams)
        self._sleeper = seams.sleeper
        self._accounts = Accounts(self._client, seams.clock)
        self._instruments = Instruments(self._client, seams.clock)
        self._lookup = OandaLookup(self._client)

    async def validate(self, access: AccountAccess) -> KeyCheck:
        """Find the account that the token and the number mean, and show its money."""
        account = await self._accounts.open_anew(access)
        balance = await self._accounts.balance(account)
        notes = (_NO_EXPIRY_NOTE, _HEDGING_NOTE) if account.hedges else (_NO_EXPIRY_NOTE,)
        return KeyCheck(balance=balance, account_number=account.number, notes=notes)

    async def balance(self, access: AccountAccess) -> Balance:
        """Return the account's net asset value, and the margin that is free."""
        return await self._accounts.balance(await self._accounts.open(access))

    async def rules(self, access: AccountAccess, symbol: str) -> InstrumentRules:
        """Return the rules of an instrument, for this account."""
        account = await self._accounts.open(access)
        return (await self._instruments.get(account, symbol)).rules

    async def quote(self, access: AccountAccess, symbol: str) -> Quote:
        """Return bid and ask for this account, and what the currency of the price is worth in its own."""
        account = await self._accounts.open(access, priority=Priority.ENTRY)
        await self._instruments.get(account, symbol, priority=Priority.ENTRY)
        query = quotes.query_of(to_venue(symbol))
        answer = await self._client.ask(
            account.login, account.path("pricing"), query, priority=Priority.ENTRY
        )
        with parse.understanding("price"):
            return quotes.read_quote(answer.body, symbol, account.currency)

    async def bookmark(self, access: AccountAccess) -> str | None:
        """Return the newest transaction that OANDA has named for the account, in whatever answer."""
        account = await self._accounts.open(access)
        newest = self._client.newest_transaction(account.login.environment, account.number)
        if newest is None:
            answer = await self._client.ask(account.login, account.path("summary"))
            with parse.understanding("summary"):
                return str(transaction_number(fields.text(answer.body, "lastTransactionID", "summary")))
        return str(newest)

    async def submit(self, access: AccountAccess, order: OrderRequest, permit: Permit) -> Outcome:
        """Send an order. What closes at the market goes to the position, which cannot be closed twice."""
        try:
            ready = refusal_of(order) or await self._prepare(access, order)
        except Refusal as error:
            return refused_by(error)
        except VenueUnavailable as error:
            return NotSent(str(error))
        if isinstance(ready, Refused):
            return ready
        account = ready.account
        answer = await self._client.write(
            account.login, ready.method, ready.path, ready.body, permit=permit, priority=_priority(order)
        )
        if not isinstance(answer, Answer):
            return answer
        return parse.read_submission(answer, order.client_order_id, account.currency, ready.prefix)

    async def place_exits(
        self, access: AccountAccess, request: ExitRequest, permit: Permit
    ) -> Sequence[Outcome]:
        """Place exits for the trade of a position, all in one write."""
        no: Outcome
        try:
            account = await self._accounts.open(access, priority=Priority.EXIT)
            instrument = await self._instruments.get(account, request.symbol, priority=Priority.EXIT)
            return await exits.place_exits(
                self._client, self._sleeper, account, request, instrument=instrument, permit=permit
            )
        except Refusal as error:
            no = refused_by(error)
        except VenueUnavailable as error:
            no = NotSent(str(error))
        return [no for _ in request.exits]

    async def cancel(self, access: AccountAccess, ref: OrderRef, permit: Permit) -> Outcome:
        """Cancel an order, an exit of a trade included."""
        try:
            account = await self._accounts.open(access, priority=Priority.EXIT)
            return await cancelling.cancel(self._client, self._lookup, account, ref, permit)
        except Refusal as error:
            return refused_by(error)
        except VenueUnavailable as error:
            return NotSent(str(error))

    async def find_order(self, access: AccountAccess, ref: OrderRef) -> VenueOrder | None:
        """Return an order, found directly, in the record or through its trade."""
        return await self._lookup.find(await self._accounts.open(access), ref)

    async def open_orders(self, access: AccountAccess, symbol: str | None = None) -> Sequence[VenueOrder]:
        """Return what works; an exit has the quantity of its trade."""
        return await self._lookup.open_orders(await self._accounts.open(access), symbol)

    async def fills(self, access: AccountAccess, symbol: str, since: datetime) -> Sequence[AccountFill]:
        """Return the executions in a symbol since a moment, from the record."""
        account = await self._accounts.open(access)
        record = await read_from(self._client, account, since)
        with parse.understanding("record"):
            return [
                account_fill(one, account.currency) for one in executions(record, symbol) if one.at >= since
            ]

    async def position(self, access: AccountAccess, symbol: str) -> VenuePosition | None:
        """Return what is open in a symbol: of a hedged one, the difference of its sides."""
        return next((one for one in await self.positions(access) if one.symbol == symbol), None)

    async def positions(self, access: AccountAccess) -> Sequence[VenuePosition]:
        """Return everything that is open."""
        account = await self._accounts.open(access)
        answer = await self._client.ask(account.login, account.path("openPositions"))
        with parse.understanding("list of positions"):
            return parse.read_positions(answer.body)

    async def set_leverage(self, access: AccountAccess, symbol: str, leverage: int) -> None:  # noqa: ARG002 - the port's shape
        """Refuse: leverage is a setting of the account."""
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

    async def _prepare(self, access: AccountAccess, order: OrderRequest) -> _Prepared | Refused:
        priority = _priority(order)
        account = await self._accounts.open(access, priority=priority)
        instrument = await self._instruments.get(account, order.symbol, priority=priority)
        near = order.limit_price or order.stop_price or order.reference_price
        turned = exits.trails_in_price(order.exits, near, instrument)
        if isinstance(turned, Refused):
            return turned
        fitted = fit(replace(order, exits=turned), instrument.rules)
        if not isinstance(fitted, OrderRequest):
            return misfit_refusal(fitted)
        misfit = exits.trail_misfit(fitted.exits, instrument)
        if misfit is not None:
            return misfit
        if _closes_at_the_market(fitted):
            return await self._close(account, fitted)
        return _Prepared(
            account=account, method="POST", path=account.path("orders"), body=order_to_oanda(fitted)
        )

    async def _close(self, account: Account, order: OrderRequest) -> _Prepared:
        side = PositionSide.LONG if order.side is PositionSide.LONG.closed_by else PositionSide.SHORT
        answer = await self._client.ask(account.login, account.path("openPositions"), priority=Priority.EXIT)
        with parse.understanding("list of positions"):
            units = parse.units_of_side(answer.body, order.symbol, side)
        # OANDA may not show yet what was opened a moment ago: it is left to say that there is nothing.
        whole = 0 < units <= order.quantity
        return _Prepared(
            account=account,
            method="PUT",
            path=account.path(f"positions/{order.symbol}/close"),
            body=close_to_oanda(order.client_order_id, side, None if whole else order.quantity),
            prefix=f"{side.value}Order",
        )


def _priority(order: OrderRequest) -> Priority:
    return Priority.EXIT if order.reduce_only else Priority.ENTRY


def _closes_at_the_market(order: OrderRequest) -> bool:
    at_once = order.time_in_force in {None, TimeInForce.FOK}
    return order.reduce_only and order.order_type is OrderType.MARKET and at_once
