"""Prices of shares, options and futures, from `GET /market-data/by-type`.

https://developer.tastytrade.com/docs/concepts/market-data/: one parameter for each type of instrument, with
up to a hundred symbols between commas; for holders of funded accounts only, so that keys that are good may
be refused here with 403; there are no delayed quotes. The sandbox answers 502.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote as percent_encoded

from sparky.domain import fields
from sparky.domain.answers import Quote
from sparky.domain.errors import Refusal, VenueUnavailable
from sparky.domain.reasons import Reason
from sparky.venues.budget import Priority
from sparky.venues.quotes import no_price, quote_of
from sparky.venues.tastytrade.client import SUCCESS, Caller, Group, Question, TastytradeClient
from sparky.venues.tastytrade.errors import FORBIDDEN, NOT_FOUND, read_error
from sparky.venues.tastytrade.instruments import Instruments
from sparky.venues.tastytrade.symbols import InstrumentType
from sparky.venues.tastytrade.wire import LABEL, data_items, envelope, number, understood

MOST_SYMBOLS: Final = 100
_PATH: Final = "/market-data/by-type"
_BAD_GATEWAY: Final = 502
_SANDBOX: Final = "sandbox"
_NO_PRICES: Final = "Send a price or a quantity in the alert."
_PARAMETERS: Final[Mapping[InstrumentType, str]] = {
    InstrumentType.EQUITY: "equity",
    InstrumentType.OPTION: "equity-option",
    InstrumentType.FUTURE: "future",
}


async def market_data(
    client: TastytradeClient,
    caller: Caller,
    kind: InstrumentType,
    symbols: Sequence[str],
    priority: Priority = Priority.READ,
) -> Mapping[str, Any]:
    """Return the prices of at most `MOST_SYMBOLS` instruments of one type, in the venue's spelling.

    Raises:
        Refusal: NO_PRICE: the venue shows none to this login, or none in this environment.
        CredentialsInvalid: the keys are not accepted.
        VenueUnavailable: the venue does not say.
    """
    listed = ",".join(percent_encoded(symbol, safe="") for symbol in symbols)
    question = Question(_PATH, Group.MARKET_DATA, f"{_PARAMETERS[kind]}={listed}", priority=priority)
    reply = await client.reply(caller, question)
    body = envelope(reply) if reply.status in SUCCESS else None
    if body is not None and "data" in body:
        return body
    if reply.status == _BAD_GATEWAY and caller.login.environment == _SANDBOX:
        raise Refusal(Reason.NO_PRICE, f"{LABEL}'s sandbox has no prices. {_NO_PRICES}")
    error = read_error(reply)
    if reply.status == FORBIDDEN and error is not None:
        raise Refusal(Reason.NO_PRICE, f"{LABEL} shows this login no prices: {error}. {_NO_PRICES}")
    if reply.status == NOT_FOUND and error is not None:
        return {"data": {"items": []}}
    raise VenueUnavailable(f"{LABEL} answered HTTP {reply.status} to a question for prices.")


async def ask_quote(client: TastytradeClient, instruments: Instruments, caller: Caller, symbol: str) -> Quote:
    """Return what an instrument costs now.

    Raises:
        UnknownSymbol: it is not listed.
        Refusal: NO_PRICE: the venue has none of it, or shows this login none.
        CredentialsInvalid: the keys are not accepted.
        VenueUnavailable: the venue does not say.
    """
    instrument = await instruments.find(caller, symbol)
    body = await market_data(client, caller, instrument.kind, [instrument.symbol], Priority.ENTRY)
    delayed = caller.login.environment == _SANDBOX
    found = understood(
        lambda: _read_quote(body, instrument.symbol, symbol, is_delayed=delayed), "market data"
    )
    if found is None:
        await instruments.rules(caller, symbol)
        raise no_price(LABEL, symbol)
    return found


def _read_quote(body: Mapping[str, Any], theirs: str, symbol: str, *, is_delayed: bool) -> Quote | None:
    for item in data_items(body, "quotes"):
        if fields.text(item, "symbol", "quote") == theirs:
            bid, ask, last = (fields.optional(number, item, name, "quote") for name in ("bid", "ask", "last"))
            return quote_of(LABEL, symbol, bid=bid, ask=ask, last=last, is_delayed=is_delayed)
    return None
