"""What Tradier is asked about accounts, instruments and the market, with what may be kept for a while."""

from collections.abc import Sequence
from datetime import date
from typing import Any, Final

from sparky.domain.answers import Balance, Quote
from sparky.domain.errors import CredentialsInvalid, VenueUnavailable
from sparky.domain.options import OptionContract
from sparky.runtime.seams import Seams
from sparky.venues.cached import Cached
from sparky.venues.tradier import account, options, quotes, rules, wire
from sparky.venues.tradier.account import Account, Held
from sparky.venues.tradier.client import HOSTS, Group, TradierClient, account_path
from sparky.venues.tradier.credentials import Login
from sparky.venues.tradier.errors import Kind, question_failed
from sparky.venues.tradier.fees import Charged, read_charges
from sparky.venues.tradier.reading import read
from sparky.venues.tradier.rules import Instrument
from sparky.venues.tradier.symbols import from_venue, is_option, to_venue

_PROFILE_SECONDS: Final = 300.0
_MOST_ACCOUNTS: Final = 10_000
_INSTRUMENT_SECONDS: Final = 3600.0
_CLOCK_SECONDS: Final = 10.0
_LIVE: Final = "production"
_PROFILE: Final = "/v1/user/profile"
_MARKETS: Final = "/v1/markets"
_PREVIEWED: Final = (
    ("class", "equity"),
    ("symbol", "SPY"),
    ("side", "buy"),
    ("quantity", "1"),
    ("type", "limit"),
    ("price", "1.00"),
    ("duration", "day"),
)


class Desk:
    """Questions to Tradier."""

    def __init__(self, client: TradierClient, seams: Seams) -> None:
        self._client = client
        self._accounts: Cached[tuple[str, str, str | None], Account] = Cached(
            _PROFILE_SECONDS, seams.clock, most=_MOST_ACCOUNTS
        )
        self._instruments: Cached[tuple[str, str], Instrument] = Cached(_INSTRUMENT_SECONDS, seams.clock)
        self._states: Cached[str, str] = Cached(_CLOCK_SECONDS, seams.clock)

    async def account(self, login: Login, *, fresh: bool = False) -> Account:
        """Return the account of a login.

        Raises:
            CredentialsInvalid: the token is not accepted, or the account cannot be told or used.
        """
        key = (login.environment, login.fingerprint, login.account_number)
        if fresh:
            self._accounts.forget(key)
        return await self._accounts.get(key, lambda: self._load_account(login))

    async def _load_account(self, login: Login) -> Account:
        heard = await self._client.hear(login, _PROFILE)
        if heard.kind is Kind.BAD_TOKEN:
            await self._tell_environment(login)
        if heard.kind is not Kind.GOOD:
            raise question_failed(heard, f"GET {_PROFILE}")
        return account.choose(read(account.read_accounts, heard.answer, "the profile"), login.account_number)

    async def _tell_environment(self, login: Login) -> None:
        # A token of the other host is the most frequent mistake, and looks like a bad one from here.
        for environment in HOSTS:
            if environment == login.environment:
                continue
            other = Login(environment=environment, token=login.token, fingerprint=login.fingerprint)
            try:
                heard = await self._client.hear(other, _PROFILE)
            except VenueUnavailable:
                # Its silence says nothing about the token; the refusal of this host stands.
                continue
            if heard.kind is Kind.GOOD:
                raise CredentialsInvalid(
                    f"This is a token of Tradier's {environment}, and the account is set to "
                    f"{login.environment}: choose {environment}, or give a token of {login.environment}."
                )

    async def balance(self, login: Login, number: str) -> Balance:
        """Return the account's money."""
        answer = await self._client.ask(login, account_path(number, "/balances"))
        return read(account.read_balance, answer, "the balances")

    async def held(self, login: Login, number: str) -> Held:
        """Return what the account holds now."""
        answer = await self._client.ask(login, account_path(number, "/positions"))
        return read(account.read_positions, answer, "the positions")

    async def instrument(self, login: Login, symbol: str) -> Instrument:
        """Return a symbol's rules.

        Raises:
            UnknownSymbol: Tradier does not list it.
        """
        return await self._instruments.get(
            (login.environment, symbol), lambda: self._load_instrument(login, symbol)
        )

    async def _load_instrument(self, login: Login, symbol: str) -> Instrument:
        answer = await self._quotes(login, symbol)
        found = read(lambda quotes: rules.read_instrument(quotes, symbol), answer, "the symbol")
        if found is not None:
            return found
        raise rules.unknown_symbol(symbol, await self._nearest(login, symbol))

    async def quote(self, login: Login, symbol: str) -> Quote:
        """Return what a symbol costs now.

        Raises:
            UnknownSymbol: Tradier does not list it.
            Refusal: NO_PRICE: nobody bids, asks or has traded.
        """
        answer = await self._quotes(login, symbol)
        delayed = login.environment != _LIVE
        found = read(lambda body: quotes.read_quote(body, symbol, is_delayed=delayed), answer, "the prices")
        if found is not None:
            return found
        raise rules.unknown_symbol(symbol, await self._nearest(login, symbol))

    async def _quotes(self, login: Login, symbol: str) -> Any:
        query = {"symbols": to_venue(symbol), "greeks": "false"}
        return await self._client.ask(login, f"{_MARKETS}/quotes", query, Group.MARKET_DATA)

    async def _nearest(self, login: Login, symbol: str) -> tuple[str, ...]:
        if is_option(symbol):
            return ()
        # Tradier finds what begins with the text, and a mistake is seldom in the first letters.
        query = {"q": to_venue(symbol)[: max(len(symbol) - 1, 1)], "types": "stock,etf"}
        answer = await self._client.ask(login, f"{_MARKETS}/lookup", query, Group.MARKET_DATA)
        return read(rules.read_nearest, answer, "symbols")

    async def market_state(self, login: Login) -> str:
        """Return `open`, `premarket`, `postmarket` or `closed`."""
        return await self._states.get(login.environment, lambda: self._load_state(login))

    async def _load_state(self, login: Login) -> str:
        answer = await self._client.ask(login, f"{_MARKETS}/clock", {}, Group.MARKET_DATA)
        return read(
            lambda clock: wire.text(wire.mapping(clock, "clock"), "state").lower(), answer, "the clock"
        )

    async def expirations(self, login: Login, underlying: str) -> Sequence[date]:
        """Return the days on which options expire."""
        await self.instrument(login, underlying)
        query = {"symbol": to_venue(underlying), "includeAllRoots": "true", "strikes": "false"}
        path = f"{_MARKETS}/options/expirations"
        answer = await self._client.ask(login, path, query, Group.MARKET_DATA)
        return read(options.read_expirations, answer, "the expirations")

    async def chain(self, login: Login, underlying: str, expiration: date) -> Sequence[OptionContract]:
        """Return the contracts of one expiration."""
        await self.instrument(login, underlying)
        query = {"symbol": to_venue(underlying), "expiration": expiration.isoformat(), "greeks": "false"}
        path = f"{_MARKETS}/options/chains"
        answer = await self._client.ask(login, path, query, Group.MARKET_DATA)
        return read(
            lambda chain: options.read_chain(chain, from_venue(to_venue(underlying))), answer, "the chain"
        )

    async def charges(
        self, login: Login, number: str, symbol: str, start: date, end: date
    ) -> tuple[Charged, ...]:
        """Return the trades of the history; the sandbox keeps none."""
        if login.environment != _LIVE:
            return ()
        query = {
            "type": "trade",
            "symbol": to_venue(symbol),
            "start": start.isoformat(),
            "end": end.isoformat(),
            "limit": "1000",
        }
        answer = await self._client.ask(login, account_path(number, "/history"), query)
        return read(read_charges, answer, "the history")

    async def previewed(self, login: Login, number: str) -> str | None:
        """Return why Tradier would not take an order of this account, or None.

        A preview creates nothing. It is one share at 1 dollar, which every account could pay for.
        """
        heard = await self._client.preview(login, account_path(number, "/orders"), _PREVIEWED)
        if heard.kind is Kind.GOOD:
            return None
        if heard.kind in {Kind.BAD_TOKEN, Kind.NOT_OURS}:
            raise question_failed(heard, "a preview")
        said = f": {heard.words}" if heard.words else ""
        return f"Tradier did not preview a test order, so it is not proved that the token may trade{said}."
