"""What tastytrade lists: looked up when needed, kept for a quarter of an hour."""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

from sparky.domain import fields
from sparky.domain.errors import UnknownSymbol, VenueUnavailable
from sparky.domain.rules import InstrumentRules
from sparky.runtime.seams import Seams
from sparky.venues.cached import Cached
from sparky.venues.tastytrade.client import Caller, Group, Question, TastytradeClient
from sparky.venues.tastytrade.rules import future_rules, option_rules, share_rules, spread_rules
from sparky.venues.tastytrade.symbols import Instrument, InstrumentType, futures_product, to_venue
from sparky.venues.tastytrade.wire import LABEL, data_items, understood

_SECONDS: Final = 900.0
_MOST_NAMED: Final = 6
_HOW_SPELT: Final = "Shares are AAPL or BRK.B, options AAPL260417C00200000, futures /ESZ6"

_Source = Mapping[str, Any]


class Instruments:
    """The instruments of each environment."""

    def __init__(self, client: TastytradeClient, seams: Seams) -> None:
        self._client = client
        self._kept: Cached[tuple[str, str], _Source] = Cached(_SECONDS, seams.clock, most=5000)

    async def find(self, caller: Caller, symbol: str) -> Instrument:
        """Return the instrument of one of our symbols, whether it is listed or not.

        Raises:
            UnknownSymbol: it names none; for a continuous future the listed contracts are named.
            VenueUnavailable: the venue does not say which contracts those are.
        """
        instrument = to_venue(symbol)
        if instrument is not None:
            return instrument
        if futures_product(symbol) is not None:
            raise await self._no_contract(caller, symbol)
        raise UnknownSymbol(f"Tastytrade trades nothing called {symbol[:40]!r}. {_HOW_SPELT}.")

    async def rules(self, caller: Caller, symbol: str) -> InstrumentRules:
        """Return the rules of an instrument.

        Raises:
            UnknownSymbol: it is not listed.
            CredentialsInvalid: the keys are not accepted.
            VenueUnavailable: the venue does not say.
        """
        instrument = await self.find(caller, symbol)
        if instrument.kind is InstrumentType.FUTURE:
            future = await self._future(caller, symbol, instrument)
            return understood(lambda: future_rules(symbol, future), "futures")
        if instrument.kind is InstrumentType.OPTION:
            option = await self._single(caller, symbol, instrument, "equity-options")
            underlying = await self._underlying(caller, option)
            return understood(lambda: option_rules(symbol, option, underlying), "options")
        share = await self._single(caller, symbol, instrument, "equities")
        return understood(lambda: share_rules(symbol, share), "shares")

    async def spread_rules(self, caller: Caller, underlying: str) -> InstrumentRules:
        """Return the rules of option spreads on an underlying.

        Raises:
            UnknownSymbol: it is not listed.
            CredentialsInvalid: the keys are not accepted.
            VenueUnavailable: the venue does not say.
        """
        instrument = await self.find(caller, underlying)
        source = await self._single(caller, underlying, instrument, "equities")
        return understood(lambda: spread_rules(underlying, source), "shares")

    async def _underlying(self, caller: Caller, option: _Source) -> _Source:
        name = understood(lambda: fields.text(option, "underlying-symbol", "option"), "options")
        return await self._single(caller, name, Instrument(name, InstrumentType.EQUITY), "equities")

    async def _single(self, caller: Caller, symbol: str, instrument: Instrument, kind: str) -> _Source:
        async def load() -> _Source:
            question = Question(f"/instruments/{kind}/{instrument.in_path}", Group.INSTRUMENT)
            body = await self._client.ask(caller, question)
            if body is None:
                raise UnknownSymbol(f"Tastytrade does not list {symbol[:40]!r}. {_HOW_SPELT}.")
            return understood(lambda: fields.mapping(body.get("data"), kind), kind)

        return await self._kept.get((caller.login.environment, instrument.symbol), load)

    async def _future(self, caller: Caller, symbol: str, instrument: Instrument) -> _Source:
        async def load() -> _Source:
            listed = await self._futures(caller, f"symbol[]={instrument.in_path}")
            found = next((one for one in listed if one.get("symbol") == instrument.symbol), None)
            if found is None:
                raise await self._no_contract(caller, symbol)
            return found

        return await self._kept.get((caller.login.environment, instrument.symbol), load)

    async def _futures(self, caller: Caller, query: str) -> list[_Source]:
        encoded = query.replace("[", "%5B").replace("]", "%5D")
        body = await self._client.ask(caller, Question("/instruments/futures", Group.FUTURES, encoded))
        if body is None:
            raise VenueUnavailable(f"{LABEL} does not list its futures.")
        return understood(lambda: data_items(body, "futures"), "futures")

    async def _no_contract(self, caller: Caller, symbol: str) -> UnknownSymbol:
        product = futures_product(symbol) or ""
        listed = await self._futures(caller, f"product-code[]={quote(product, safe='')}")
        active = [one for one in listed if one.get("active") is not False]
        names = [
            str(one["symbol"])
            for one in sorted(active, key=lambda one: str(one.get("expiration-date", "")))
            if isinstance(one.get("symbol"), str)
        ]
        if not names:
            return UnknownSymbol(f"Tastytrade lists no futures contract {symbol[:40]!r}. {_HOW_SPELT}.")
        return UnknownSymbol(
            f"Tastytrade trades single contracts, not {symbol[:40]!r}. Listed are "
            f"{', '.join(names[:_MOST_NAMED])}: name one of them."
        )
