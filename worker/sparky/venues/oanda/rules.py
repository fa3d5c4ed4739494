"""What OANDA allows for an instrument of an account, from GET /accounts/{id}/instruments.

Fields: https://developer.oanda.com/rest-live-v20/primitives-df, Instrument. More decimals than
`displayPrecision` and `tradeUnitsPrecision` are refused there, never rounded.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from sparky.domain import fields
from sparky.domain.errors import WorkOrderError
from sparky.domain.rules import InstrumentRules, TrailBounds
from sparky.runtime.seams import Clock
from sparky.venues.budget import Priority
from sparky.venues.cached import Cached
from sparky.venues.oanda.account import Account
from sparky.venues.oanda.client import OandaClient
from sparky.venues.oanda.parse import understanding
from sparky.venues.oanda.symbols import from_venue, not_listed, to_venue

_PLACE: Final = "instruments"
_MOST_DECIMALS: Final = 12
_MAX_AGE_SECONDS: Final = 900.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrument:
    """The rules of a symbol, and how near and how far a trailing stop may follow, in price units."""

    rules: InstrumentRules
    least_trail: Decimal
    most_trail: Decimal | None


class Instruments:
    """The instruments of accounts, each kept for a quarter of an hour: divisions differ, so accounts do."""

    def __init__(self, client: OandaClient, clock: Clock) -> None:
        self._client = client
        self._kept: Cached[tuple[str, str, str], Instrument] = Cached(_MAX_AGE_SECONDS, clock, most=5000)

    async def get(self, account: Account, symbol: str, *, priority: Priority = Priority.READ) -> Instrument:
        """Return an instrument of an account.

        Raises:
            UnknownSymbol: the account cannot trade it; the nearest that it can are named.
            VenueUnavailable: OANDA did not answer.
            CredentialsInvalid: the token is not let in.
        """
        name = to_venue(symbol)
        key = (account.login.environment, account.number, name)
        return await self._kept.get(key, lambda: self._ask(account, name, priority))

    async def _ask(self, account: Account, name: str, priority: Priority) -> Instrument:
        path = account.path("instruments")
        answer = await self._client.ask(account.login, path, f"instruments={name}", priority=priority)
        if answer.ok:
            with understanding("instrument"):
                found = read_instruments(answer.body).get(name)
            if found is not None:
                return found
        # What OANDA answers for a name that it does not list is not written down: the whole list decides.
        answer = await self._client.ask(account.login, path, priority=priority)
        with understanding("list of instruments"):
            listed = read_instruments(answer.body)
        if name not in listed:
            raise not_listed(name, listed)
        return listed[name]


def read_instruments(answer: Any) -> dict[str, Instrument]:
    """Read the instruments of an answer, by symbol.

    Raises:
        WorkOrderError: the answer is not of OANDA's language.
    """
    items = fields.items(fields.mapping(answer, _PLACE), "instruments", _PLACE)
    read = [_instrument(fields.mapping(item, _PLACE)) for item in items]
    return {one.rules.symbol: one for one in read}


def _instrument(source: Any) -> Instrument:
    least_trail = fields.not_negative(source, "minimumTrailingStopDistance", _PLACE)
    most_trail = _limit(source, "maximumTrailingStopDistance")

    try:
        rules = InstrumentRules(
            symbol=from_venue(fields.text(source, "name", _PLACE)),
            quantity_step=_step(source, "tradeUnitsPrecision"),
            price_tick=_step(source, "displayPrecision"),
            min_quantity=fields.not_negative(source, "minimumTradeSize", _PLACE),
            max_quantity=_limit(source, "maximumOrderUnits"),
            pip=_pip(source),
            trail=TrailBounds(least=least_trail, most=most_trail, in_percent=False),
        )
    except ValueError as error:
        raise WorkOrderError(_PLACE, str(error)) from None
    return Instrument(rules=rules, least_trail=least_trail, most_trail=most_trail)


def _step(source: Any, name: str) -> Decimal:
    decimals = fields.integer(source, name, _PLACE)
    if decimals > _MOST_DECIMALS:
        raise WorkOrderError(f"{_PLACE}.{name}", f"must be at most {_MOST_DECIMALS}, not {decimals}")
    return Decimal(1).scaleb(-decimals)


def _pip(source: Any) -> Decimal | None:
    if source.get("pipLocation") is None:
        return None
    # The exponent of ten: -4 for EUR_USD, 0 for an index.
    place = fields.integer(source, "pipLocation", _PLACE, least=-_MOST_DECIMALS)
    if place > _MOST_DECIMALS:
        raise WorkOrderError(f"{_PLACE}.pipLocation", f"must be at most {_MOST_DECIMALS}, not {place}")
    return Decimal(1).scaleb(place)


def _limit(source: Any, name: str) -> Decimal | None:
    # OANDA writes "0" where there is no limit.
    return fields.not_negative(source, name, _PLACE) or None
