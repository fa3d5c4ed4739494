"""Tradier behind the port."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
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
from sparky.domain.capabilities import Capabilities
from sparky.domain.errors import Refusal, VenueUnavailable
from sparky.domain.options import OptionContract
from sparky.domain.orders import ExitRequest, OrderRef, OrderRequest, OrderType
from sparky.domain.reasons import Reason
from sparky.domain.rules import InstrumentRules
from sparky.runtime.seams import Seams
from sparky.venues.base import AccountAccess, Permit
from sparky.venues.budget import Priority
from sparky.venues.http import VenueHttp
from sparky.venues.refusals import refused_by
from sparky.venues.tradier import limits
from sparky.venues.tradier.account import Account
from sparky.venues.tradier.client import TradierClient
from sparky.venues.tradier.closing import Closing, is_bound
from sparky.venues.tradier.credentials import Login, read_login
from sparky.venues.tradier.desk import Desk
from sparky.venues.tradier.fees import trading_day, with_fees
from sparky.venues.tradier.lookup import MOST_DAYS, OrderBook, parse_views
from sparky.venues.tradier.parse import Seen, executions
from sparky.venues.tradier.placing import Placing, outcomes_of
from sparky.venues.tradier.preparing import prepare, prepare_exits
from sparky.venues.tradier.reading import read

# Orders have been listed within 75 ms of the answer; a request whose sender is gone may still be on its way.
_VISIBILITY_SECONDS: Final = 30.0
_CAPABILITIES: Final = Capabilities(
    order_types=frozenset(OrderType),
    times_in_force=limits.TIMES,
    attached_exits=dict.fromkeys(limits.CARRIERS, limits.EXIT_KINDS),
    separate_exits=limits.EXIT_KINDS,
    cancels_siblings=True,
    reduces_natively=False,
    can_short=True,
    extended_hours=True,
    option_legs=limits.MOST_LEGS,
    market_spreads=True,
)


class TradierAdapter:
    """US shares and options. Sizes are whole; closing orders are sized from the position."""

    name: Final = "tradier"
    capabilities: Final = _CAPABILITIES
    visibility_seconds: Final = _VISIBILITY_SECONDS

    def __init__(self, http: VenueHttp, seams: Seams) -> None:
        client = TradierClient(http, seams)
        self._clock = seams.clock
        self._desk = Desk(client, seams)
        self._book = OrderBook(client, seams.clock)
        self._placing = Placing(client, self._book, seams.sleeper)
        self._closing = Closing(self._desk, self._book, self._placing)

    async def validate(self, access: AccountAccess) -> KeyCheck:
        """Ask for the profile, the balances and the preview of an order; tokens do not expire."""
        login = read_login(access)
        account = await self._desk.account(login, fresh=True)
        balance = await self._desk.balance(login, account.number)
        doubt = await self._desk.previewed(login, account.number)
        return KeyCheck(
            balance=balance,
            account_number=account.number,
            permissions=_permissions(account),
            notes=(*_notes(account), *([] if doubt is None else [doubt])),
        )

    async def balance(self, access: AccountAccess) -> Balance:
        """Return the account's money, in US dollars."""
        login, account = await self._account(access)
        return await self._desk.balance(login, account.number)

    async def rules(self, access: AccountAccess, symbol: str) -> InstrumentRules:
        """Return the rules of a share or an option."""
        login, account = await self._account(access)
        instrument = await self._desk.instrument(login, symbol)
        return instrument.for_account(may_short=account.may_short)

    async def quote(self, access: AccountAccess, symbol: str) -> Quote:
        """Return bid, ask and last price of a share or an option; the sandbox's are a quarter hour old."""
        return await self._desk.quote(read_login(access, Priority.ENTRY), symbol)

    async def bookmark(self, access: AccountAccess) -> None:
        """Return None: Tradier's lists have no place to go on from."""
        del access

    async def submit(self, access: AccountAccess, order: OrderRequest, permit: Permit) -> Outcome:
        """Send an order; Accepted is one that Tradier shows."""
        try:
            priority = Priority.EXIT if order.reduce_only else Priority.ENTRY
            login, account = await self._account(access, priority)
            prepared = await prepare(self._desk, login, account, order)
        except Refusal as error:
            return refused_by(error)
        except VenueUnavailable as error:
            return NotSent(str(error))
        if isinstance(prepared, Refused):
            return prepared
        outcome = await self._placing.submit(login, account.number, order, prepared, permit)
        if prepared.closes_all and is_bound(outcome):
            return await self._closing.without_exits(login, account, order, outcome, permit)
        return outcome

    async def place_exits(
        self, access: AccountAccess, request: ExitRequest, permit: Permit
    ) -> Sequence[Outcome]:
        """Place a take-profit, a stop-loss, or both in one write, of which one cancels the other."""
        try:
            login, account = await self._account(access, Priority.EXIT)
            prepared = await prepare_exits(self._desk, login, account, request)
        except Refusal as error:
            return _all(request, refused_by(error))
        except VenueUnavailable as error:
            return _all(request, NotSent(str(error)))
        if isinstance(prepared, Refused):
            return _all(request, prepared)
        placed = await self._placing.place(login, account.number, prepared, permit)
        if not isinstance(placed, Seen):
            return _all(request, placed)
        return outcomes_of(placed, [one.client_order_id for one in request.exits])

    async def cancel(self, access: AccountAccess, ref: OrderRef, permit: Permit) -> Outcome:
        """Cancel an order. Cancelling an entry takes the exits along that wait for it."""
        try:
            login, account = await self._account(access, Priority.EXIT)
            found = await self._book.find(login, account.number, ref)
        except Refusal as error:
            return refused_by(error)
        except VenueUnavailable as error:
            return NotSent(str(error))
        if found is None:
            return Refused(Reason.VENUE_REFUSED, f"Tradier shows no order {ref.client_order_id} to cancel.")
        if found.state.is_terminal:
            return Accepted(found)
        return await self._placing.cancel(login, account.number, found, permit)

    async def find_order(self, access: AccountAccess, ref: OrderRef) -> VenueOrder | None:
        """Look an order up by Tradier's id, or by its tag in the lists of orders."""
        login, account = await self._account(access)
        return await self._book.find(login, account.number, ref)

    async def open_orders(self, access: AccountAccess, symbol: str | None = None) -> Sequence[VenueOrder]:
        """Return the orders that work, of the last 29 days."""
        login, account = await self._account(access)
        return tuple(
            order
            for _, order in parse_views(await self._book.recent(login, account.number))
            if not order.state.is_terminal and symbol in {None, order.symbol}
        )

    async def fills(self, access: AccountAccess, symbol: str, since: datetime) -> Sequence[AccountFill]:
        """Return what orders that have ended executed, one fill for each; of the last 29 days."""
        login, account = await self._account(access)
        now = self._clock.now()
        if now - since > timedelta(days=MOST_DAYS - 1):
            raise VenueUnavailable(
                f"Tradier lists the orders of the last {MOST_DAYS - 1} days, and "
                f"{since:%Y-%m-%d} is longer ago."
            )
        every = read(executions, await self._book.recent(login, account.number), "the orders")
        asked = [one for one in every if one.symbol == symbol and one.fill.filled_at >= since]
        asked.sort(key=lambda one: (one.fill.filled_at, one.fill.venue_fill_id))
        return await self._charged(login, account, symbol, asked)

    async def position(self, access: AccountAccess, symbol: str) -> VenuePosition | None:
        """Return what is open in a symbol."""
        return next((one for one in await self.positions(access) if one.symbol == symbol), None)

    async def positions(self, access: AccountAccess) -> Sequence[VenuePosition]:
        """Return everything that is open."""
        login, account = await self._account(access)
        return (await self._desk.held(login, account.number)).positions

    async def set_leverage(self, access: AccountAccess, symbol: str, leverage: int) -> None:
        """Refuse: a margin account's buying power is Tradier's to set."""
        del access
        raise Refusal(
            Reason.NOT_SUPPORTED,
            f"Tradier has no leverage to set ({symbol}, {leverage}): remove it, and size the order instead.",
        )

    async def expirations(self, access: AccountAccess, underlying: str) -> Sequence[date]:
        """Return the days on which options of an underlying expire."""
        login, _ = await self._account(access)
        return await self._desk.expirations(login, underlying)

    async def option_chain(
        self, access: AccountAccess, underlying: str, expiration: date
    ) -> Sequence[OptionContract]:
        """Return the contracts of one expiration."""
        login, _ = await self._account(access)
        return await self._desk.chain(login, underlying, expiration)

    async def _account(
        self, access: AccountAccess, priority: Priority = Priority.READ
    ) -> tuple[Login, Account]:
        login = read_login(access, priority)
        return login, await self._desk.account(login)

    async def _charged(
        self, login: Login, account: Account, symbol: str, fills: Sequence[AccountFill]
    ) -> Sequence[AccountFill]:
        today = trading_day(self._clock.now())
        days = [day for day in (trading_day(one.fill.filled_at) for one in fills) if day < today]
        if not days:
            return tuple(fills)
        return with_fees(fills, await self._desk.charges(login, account.number, symbol, min(days), max(days)))


def _all(request: ExitRequest, outcome: Outcome) -> Sequence[Outcome]:
    return tuple(outcome for _ in request.exits)


def _permissions(account: Account) -> tuple[str, ...]:
    told = (f"type {account.kind}", f"option_level {account.option_level}", f"status {account.status}")
    return (*told, "day_trader") if account.day_trader else told


def _notes(account: Account) -> tuple[str, ...]:
    notes = []
    if not account.may_short:
        notes.append("This is a cash account: Tradier does not let it sell short.")
    if account.option_level < 1:
        notes.append("Options are not enabled for this account: ask Tradier for an option level.")
    return tuple(notes)
