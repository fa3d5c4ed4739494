"""Aster behind the port."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Final, NoReturn

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
from sparky.domain.fitting import Misfit, fit
from sparky.domain.options import OptionContract
from sparky.domain.orders import (
    ExitKind,
    ExitRequest,
    OrderRef,
    OrderRequest,
    OrderType,
    PositionSide,
    TimeInForce,
)
from sparky.domain.reasons import Reason
from sparky.domain.rules import InstrumentRules
from sparky.runtime.seams import Seams
from sparky.venues.aster import signing
from sparky.venues.aster.client import HOSTS, AsterClient, Write
from sparky.venues.aster.credentials import read_keys
from sparky.venues.aster.exits import exit_write
from sparky.venues.aster.keys import KeyDesk
from sparky.venues.aster.lookup import Account, LookUp
from sparky.venues.aster.markets import Markets
from sparky.venues.aster.orders import entry, not_supported
from sparky.venues.aster.writes import Writer
from sparky.venues.base import AccountAccess, Permit
from sparky.venues.budget import Priority
from sparky.venues.http import VenueHttp
from sparky.venues.refusals import misfit_refusal, refused_by

_CAPABILITIES: Final = Capabilities(
    order_types=frozenset(OrderType),
    times_in_force=frozenset({TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK}),
    attached_exits={},
    separate_exits=frozenset(ExitKind),
    cancels_siblings=False,
    reduces_natively=True,
    sets_leverage=True,
    several_targets=True,
)
# As long as Aster's documentation lets a nonce be taken: what was on its way until then is refused.
_VISIBILITY_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Prepared:
    account: Account
    write: Write


class AsterAdapter:
    """Perpetual futures. One adapter serves all accounts of the process, so that a ban stops all of them."""

    name: Final = "aster"
    capabilities: Final = _CAPABILITIES
    visibility_seconds: Final = _VISIBILITY_SECONDS

    def __init__(self, http: VenueHttp, seams: Seams) -> None:
        signing.load()
        client = AsterClient(http, seams)
        self._keys = KeyDesk(client, seams.clock)
        self._look_up = LookUp(client)
        self._markets = Markets(client, self._keys, seams)
        self._writer = Writer(client, self._look_up, self._markets)

    async def validate(self, access: AccountAccess) -> KeyCheck:
        """Prove that the keys work here, may trade perpetuals, and may not withdraw."""
        return await self._keys.check(_account(access))

    async def balance(self, access: AccountAccess) -> Balance:
        """Return the money of the currency that perpetuals are settled in."""
        return await self._keys.balance(_account(access))

    async def rules(self, access: AccountAccess, symbol: str) -> InstrumentRules:
        """Return steps, minima and maxima; they are at most five minutes old."""
        return (await self._markets.instrument(access.environment, symbol)).rules

    async def quote(self, access: AccountAccess, symbol: str) -> Quote:
        """Return the best bid and ask, which anybody may ask for."""
        return await self._markets.quote(access.environment, symbol)

    async def bookmark(self, access: AccountAccess) -> str | None:
        """Return None: Aster finds orders by their ids."""
        del access
        return None

    async def submit(self, access: AccountAccess, order: OrderRequest, permit: Permit) -> Outcome:
        """Send an order, once. What it executed at once comes with the answer, if Aster lists it by then."""
        try:
            prepared = await self._prepared(access, order)
        except VenueUnavailable as error:
            return NotSent(str(error))
        except Refusal as refusal:
            return refused_by(refusal)
        if isinstance(prepared, Refused):
            return prepared
        return await self._writer.place(prepared.account, prepared.write, order.client_order_id, permit)

    async def place_exits(
        self, access: AccountAccess, request: ExitRequest, permit: Permit
    ) -> Sequence[Outcome]:
        """Place exits one after the other, up to the first that Aster does not take."""
        try:
            account = _account(access)
            instrument = await self._markets.instrument(access.environment, request.symbol, Priority.EXIT)
            hedged = await self._markets.is_hedged(account, Priority.EXIT)
            open_now = await self._markets.open_for_exits(account, request.symbol, request.side)
        except VenueUnavailable as error:
            return [NotSent(str(error)) for _ in request.exits]
        except Refusal as refusal:
            return [refused_by(refusal) for _ in request.exits]
        if open_now is None:
            return [_nothing_open(request.symbol, request.side) for _ in request.exits]
        outcomes: list[Outcome] = []
        for leg in request.exits:
            if outcomes and not isinstance(outcomes[-1], Accepted):
                outcomes.append(NotSent("The exit before it was not placed, so this one was not sent."))
                continue
            write = exit_write(leg, request, instrument.rules, open_now, hedged=hedged)
            if isinstance(write, Refused):
                outcomes.append(write)
            else:
                outcomes.append(await self._writer.place(account, write, leg.client_order_id, permit))
        return outcomes

    async def cancel(self, access: AccountAccess, ref: OrderRef, permit: Permit) -> Outcome:
        """Cancel an order; when Aster says no, what it shows of the order decides."""
        try:
            account = _account(access)
        except Refusal as refusal:
            return refused_by(refusal)
        return await self._writer.cancel(account, ref, permit)

    async def find_order(self, access: AccountAccess, ref: OrderRef) -> VenueOrder | None:
        """Return the order; None only when the keys are known to be good."""
        account = _account(access)
        found = await self._look_up.find(account, ref)
        if found is None:
            await self._keys.prove(account)
        return found

    async def open_orders(self, access: AccountAccess, symbol: str | None = None) -> Sequence[VenueOrder]:
        """Return the orders that work, exits among them."""
        account = _account(access)
        found = await self._look_up.open_orders(account, symbol)
        if not found:
            await self._keys.prove(account)
        return found

    async def fills(self, access: AccountAccess, symbol: str, since: datetime) -> Sequence[AccountFill]:
        """Return the executions in a symbol since a moment."""
        account = _account(access)
        instrument = await self._markets.instrument(access.environment, symbol)
        found = await self._look_up.fills(account, symbol, since, instrument.margin_asset)
        if not found:
            await self._keys.prove(account)
        return found

    async def position(self, access: AccountAccess, symbol: str) -> VenuePosition | None:
        """Return what is open in a symbol.

        Raises:
            Refusal: a long and a short are open at once, which only a person can mean.
        """
        found = [one.position for one in await self._markets.open_positions(_account(access), symbol)]
        if len(found) > 1:
            raise Refusal(
                Reason.NOT_SUPPORTED,
                f"Aster holds a long and a short of {symbol} at once: close one of them by hand, or switch "
                "the account to one-way mode.",
            )
        return found[0] if found else None

    async def positions(self, access: AccountAccess) -> Sequence[VenuePosition]:
        """Return everything that is open; a long and a short of one symbol are two."""
        return [one.position for one in await self._markets.open_positions(_account(access), None)]

    async def set_leverage(self, access: AccountAccess, symbol: str, leverage: int) -> None:
        """Set the leverage of a symbol, from 1 to 125 and within what Aster allows for it.

        Raises:
            VenueUnavailable: it may or may not be set: ask again.
            CredentialsInvalid: Aster does not accept the keys.
            Refusal: Aster does not allow it.
        """
        account = _account(access)
        await self._markets.instrument(access.environment, symbol)
        await self._writer.set_leverage(account, symbol, leverage)

    async def expirations(self, access: AccountAccess, underlying: str) -> Sequence[date]:
        """Refuse: Aster has no options."""
        del access
        _no_options(underlying)

    async def option_chain(
        self, access: AccountAccess, underlying: str, expiration: date
    ) -> Sequence[OptionContract]:
        """Refuse: Aster has no options."""
        del access, expiration
        _no_options(underlying)

    async def _prepared(self, access: AccountAccess, order: OrderRequest) -> _Prepared | Refused:
        account = _account(access)
        unsupported = not_supported(order)
        if unsupported is not None:
            return unsupported
        priority = Priority.EXIT if order.reduce_only else Priority.ENTRY
        instrument = await self._markets.instrument(access.environment, order.symbol, priority)
        hedged = await self._markets.is_hedged(account, priority)
        if hedged and order.reduce_only:
            # There is no reduceOnly with long and short apart: the position's own size bounds the order.
            side = PositionSide.LONG if order.side is PositionSide.LONG.closed_by else PositionSide.SHORT
            open_now = await self._markets.open_on(account, order.symbol, side)
            if open_now is None:
                return _nothing_open(order.symbol, side)
            order = replace(order, quantity=min(order.quantity, open_now.position.quantity))
        fitted = fit(order, instrument.rules)
        if isinstance(fitted, Misfit):
            return misfit_refusal(fitted)
        return _Prepared(account=account, write=entry(fitted, hedged=hedged))


def _account(access: AccountAccess) -> Account:
    if access.environment not in HOSTS:
        raise Refusal(
            Reason.NOT_SUPPORTED,
            f"Aster has no environment {access.environment[:40]!r}: save it as production or sandbox.",
        )
    return Account(environment=access.environment, keys=read_keys(access.credentials, access.account_number))


def _nothing_open(symbol: str, side: PositionSide) -> Refused:
    return Refused(
        Reason.NO_POSITION, f"Aster shows no {side} position in {symbol}: there is nothing to close."
    )


def _no_options(underlying: str) -> NoReturn:
    raise Refusal(
        Reason.NOT_SUPPORTED, f"Aster has no options on {underlying[:40]}: its nearest is the perpetual."
    )
