"""What orders are made from: the instruments, the account's position mode, and what is open."""

from collections.abc import Sequence
from typing import Final

from sparky.domain.answers import Quote, Refused
from sparky.domain.orders import PositionSide
from sparky.runtime.seams import Seams
from sparky.venues.aster.account import read_mode
from sparky.venues.aster.client import AsterClient, understood
from sparky.venues.aster.errors import OTHER_MODE, STEPS_CHANGED
from sparky.venues.aster.keys import KeyDesk
from sparky.venues.aster.limits import read_limits
from sparky.venues.aster.lookup import Account
from sparky.venues.aster.parse import OpenPosition, read_positions
from sparky.venues.aster.quotes import read_quote
from sparky.venues.aster.rules import Instrument, Instruments, instrument_of, read_instruments
from sparky.venues.aster.symbols import to_venue
from sparky.venues.budget import Priority
from sparky.venues.cached import Cached

_RULES_SECONDS: Final = 300.0
_MODE_SECONDS: Final = 3600.0
_MOST_MODES: Final = 10_000
# Positions may be shown a moment after the fill that opened them; an exit that was turned down for it would
# leave them without protection.
_SHOWN_WITHIN: Final = (0.2, 0.5)
_MODE_WEIGHT: Final = 30
_POSITIONS_WEIGHT: Final = 5
_CODES_OF_STEPS: Final = frozenset(map(str, STEPS_CHANGED))
_CODES_OF_MODE: Final = frozenset(map(str, OTHER_MODE))


class Markets:
    """Keeps what changes rarely, and asks for the rest."""

    def __init__(self, client: AsterClient, keys: KeyDesk, seams: Seams) -> None:
        self._client = client
        self._keys = keys
        self._sleeper = seams.sleeper
        self._instruments: Cached[str, Instruments] = Cached(_RULES_SECONDS, seams.clock)
        self._hedged: Cached[tuple[str, str, str], bool] = Cached(
            _MODE_SECONDS, seams.clock, most=_MOST_MODES
        )

    async def instrument(
        self, environment: str, symbol: str, priority: Priority = Priority.READ
    ) -> Instrument:
        """Return one instrument.

        Raises:
            UnknownSymbol: Aster does not list it.
            VenueUnavailable: no answer.
        """

        async def load() -> Instruments:
            body = await self._client.ask_publicly(environment, "/fapi/v3/exchangeInfo", priority=priority)
            self._client.learn_limits(environment, read_limits(body))
            return understood(read_instruments, body)

        return instrument_of(await self._instruments.get(environment, load), symbol)

    async def quote(self, environment: str, symbol: str) -> Quote:
        """Return the best bid and ask of a symbol.

        Raises:
            UnknownSymbol: Aster does not list it.
            VenueUnavailable: no answer.
            Refusal: NO_PRICE: nobody bids or asks.
        """
        await self.instrument(environment, symbol, Priority.ENTRY)
        body = await self._client.ask_publicly(
            environment,
            "/fapi/v3/ticker/bookTicker",
            [("symbol", to_venue(symbol))],
            priority=Priority.ENTRY,
        )
        return understood(lambda answer: read_quote(answer, symbol), body)

    async def is_hedged(self, account: Account, priority: Priority = Priority.READ) -> bool:
        """Tell whether the account holds long and short apart."""

        async def load() -> bool:
            body = await self._client.ask(
                account.environment,
                account.keys,
                "/fapi/v3/positionSide/dual",
                weight=_MODE_WEIGHT,
                priority=priority,
            )
            return understood(read_mode, body)

        return await self._hedged.get(_key(account), load)

    async def open_positions(
        self, account: Account, symbol: str | None, priority: Priority = Priority.READ
    ) -> Sequence[OpenPosition]:
        """Return what is open, of one symbol or of all. Nothing is believed of good keys alone."""
        body = await self._client.ask(
            account.environment,
            account.keys,
            "/fapi/v3/positionRisk",
            [] if symbol is None else [("symbol", to_venue(symbol))],
            weight=_POSITIONS_WEIGHT,
            priority=priority,
        )
        found = understood(read_positions, body)
        if not found:
            await self._keys.prove(account)
        return found if symbol is None else [one for one in found if one.position.symbol == symbol]

    async def open_for_exits(self, account: Account, symbol: str, side: PositionSide) -> OpenPosition | None:
        """Return what is open on one side; asked again for a moment when its entry has just filled."""
        found = await self.open_on(account, symbol, side)
        for seconds in _SHOWN_WITHIN:
            if found is not None:
                break
            await self._sleeper.sleep(seconds)
            found = await self.open_on(account, symbol, side)
        return found

    async def open_on(self, account: Account, symbol: str, side: PositionSide) -> OpenPosition | None:
        """Return what is open on one side of a symbol, for an order that reduces it."""
        found = await self.open_positions(account, symbol, Priority.EXIT)
        return next((one for one in found if one.position.side is side), None)

    def learn(self, account: Account, refused: Refused) -> None:
        """Forget what a refusal shows to be out of date."""
        if refused.venue_code in _CODES_OF_STEPS:
            self._instruments.forget(account.environment)
        if refused.venue_code in _CODES_OF_MODE:
            self._hedged.forget(_key(account))


def _key(account: Account) -> tuple[str, str, str]:
    # With the agent: Aster may answer keys that are not the wallet's with a mode that is not the wallet's.
    return account.environment, account.keys.user, account.keys.agent.address
