"""tastytrade behind the port."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Final

from sparky.domain.answers import (
    AccountFill,
    Balance,
    KeyCheck,
    Outcome,
    Quote,
    VenueOrder,
    VenuePosition,
)
from sparky.domain.errors import CredentialsInvalid, Refusal
from sparky.domain.options import OptionContract
from sparky.domain.orders import ExitRequest, OrderRef, OrderRequest
from sparky.domain.reasons import Reason
from sparky.domain.rules import InstrumentRules
from sparky.runtime.seams import Seams
from sparky.venues.base import AccountAccess, Permit
from sparky.venues.http import VenueHttp
from sparky.venues.refusals import refused_by
from sparky.venues.tastytrade import options, quotes
from sparky.venues.tastytrade.accounts import Accounts
from sparky.venues.tastytrade.cancelling import Canceller
from sparky.venues.tastytrade.capabilities import CAPABILITIES, NO_LEVERAGE
from sparky.venues.tastytrade.client import Caller, TastytradeClient
from sparky.venues.tastytrade.credentials import read_login
from sparky.venues.tastytrade.instruments import Instruments
from sparky.venues.tastytrade.lookup import Orders
from sparky.venues.tastytrade.sending import Sender

# Lists of orders follow submissions within moments; a request whose sender was cut off may come later.
_VISIBILITY_SECONDS: Final = 30.0


class TastytradeAdapter:
    """Shares, options and futures at tastytrade, for all traders and both environments."""

    name: Final = "tastytrade"
    capabilities: Final = CAPABILITIES
    visibility_seconds: Final = _VISIBILITY_SECONDS

    def __init__(self, http: VenueHttp, seams: Seams) -> None:
        self._client = TastytradeClient(http, seams)
        self._accounts = Accounts(self._client, seams)
        self._instruments = Instruments(self._client, seams)
        self._orders = Orders(self._client, seams)
        self._sender = Sender(self._client, self._accounts, self._instruments, self._orders)
        self._canceller = Canceller(self._client, self._accounts, self._orders, seams)

    async def validate(self, access: AccountAccess) -> KeyCheck:
        """Prove that the keys work here, see the account and may trade with it."""
        return await self._accounts.check(access)

    async def balance(self, access: AccountAccess) -> Balance:
        """Return the account's money in dollars."""
        caller = _caller(access)
        return await self._accounts.balance(caller, await self._accounts.number(caller))

    async def rules(self, access: AccountAccess, symbol: str) -> InstrumentRules:
        """Return steps and ticks of a share, an option or a futures contract."""
        return await self._instruments.rules(_caller(access), symbol)

    async def quote(self, access: AccountAccess, symbol: str) -> Quote:
        """Return bid, ask and last price of a share, an option or a futures contract."""
        return await quotes.ask_quote(self._client, self._instruments, _caller(access), symbol)

    async def bookmark(self, access: AccountAccess) -> str | None:  # noqa: ARG002 - the port's shape
        """Return None: look-ups list what was received since an order was sent."""
        return None

    async def submit(self, access: AccountAccess, order: OrderRequest, permit: Permit) -> Outcome:
        """Send an order, with its exits as one complex order."""
        try:
            caller = _caller(access)
        except CredentialsInvalid as error:
            return refused_by(error)
        return await self._sender.submit(caller, order, permit)

    async def place_exits(
        self, access: AccountAccess, request: ExitRequest, permit: Permit
    ) -> Sequence[Outcome]:
        """Send exits in one write: both are placed, or none."""
        try:
            caller = _caller(access)
        except CredentialsInvalid as error:
            return [refused_by(error) for _ in request.exits]
        return await self._sender.place_exits(caller, request, permit)

    async def cancel(self, access: AccountAccess, ref: OrderRef, permit: Permit) -> Outcome:
        """Cancel an order; a trigger that has not filled is cancelled with its exits."""
        try:
            caller = _caller(access)
        except CredentialsInvalid as error:
            return refused_by(error)
        return await self._canceller.cancel(caller, ref, permit)

    async def find_order(self, access: AccountAccess, ref: OrderRef) -> VenueOrder | None:
        """Look an order up, with its fills and their fees."""
        caller = _caller(access)
        account = await self._accounts.number(caller)
        read = await self._orders.find(caller, account, ref)
        return None if read is None else await self._orders.complete(caller, account, read)

    async def open_orders(self, access: AccountAccess, symbol: str | None = None) -> Sequence[VenueOrder]:
        """Return the orders that work or wait."""
        caller = _caller(access)
        orders = await self._orders.open(caller, await self._accounts.number(caller))
        return [order for order in orders if symbol is None or order.symbol == symbol]

    async def fills(self, access: AccountAccess, symbol: str, since: datetime) -> Sequence[AccountFill]:
        """Return the executions in a symbol since a moment, oldest first."""
        caller = _caller(access)
        return await self._orders.fills(caller, await self._accounts.number(caller), symbol, since)

    async def position(self, access: AccountAccess, symbol: str) -> VenuePosition | None:
        """Return what is open in a symbol."""
        return next((one for one in await self.positions(access) if one.symbol == symbol), None)

    async def positions(self, access: AccountAccess) -> Sequence[VenuePosition]:
        """Return everything that is open."""
        caller = _caller(access)
        return await self._accounts.positions(caller, await self._accounts.number(caller))

    async def set_leverage(self, access: AccountAccess, symbol: str, leverage: int) -> None:  # noqa: ARG002 - the port's shape
        """Refuse it: there is none to set."""
        raise Refusal(Reason.NOT_SUPPORTED, NO_LEVERAGE)

    async def expirations(self, access: AccountAccess, underlying: str) -> Sequence[date]:
        """Return the days on which options of an underlying expire, soonest first."""
        return await options.expirations(self._client, _caller(access), underlying)

    async def option_chain(
        self, access: AccountAccess, underlying: str, expiration: date
    ) -> Sequence[OptionContract]:
        """Return the contracts of one expiration, by strike, calls before puts."""
        return await options.option_chain(self._client, _caller(access), underlying, expiration)


def _caller(access: AccountAccess) -> Caller:
    return Caller(access, read_login(access))
