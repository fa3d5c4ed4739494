"""Chains of options on shares and indices.

`GET /option-chains/{symbol}/nested`: by root, expiration and strike
(https://developer.tastytrade.com/docs/concepts/instruments-and-symbology). Adjusted contracts, whose
deliverable is not the plain number of shares, are left out. Prices come from `GET /market-data/by-type`, a
hundred symbols at a time; the sandbox has none, and a chain without prices is still a chain.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from functools import partial
from typing import Any, Final

from sparky.domain import fields
from sparky.domain.errors import Refusal, UnknownSymbol, VenueUnavailable, WorkOrderError
from sparky.domain.options import OptionContract, Right, parse_option
from sparky.venues.tastytrade.client import Caller, Group, Question, TastytradeClient
from sparky.venues.tastytrade.quotes import MOST_SYMBOLS, market_data
from sparky.venues.tastytrade.symbols import InstrumentType, to_venue
from sparky.venues.tastytrade.wire import data_items, number, understood

_STANDARD: Final = "Standard"


@dataclass(frozen=True, slots=True)
class _Quote:
    bid: Decimal | None
    ask: Decimal | None


async def expirations(client: TastytradeClient, caller: Caller, underlying: str) -> Sequence[date]:
    """Return the days on which options of an underlying expire, soonest first.

    Raises:
        UnknownSymbol: it has no options, or is not listed.
        CredentialsInvalid: the keys are not accepted.
        VenueUnavailable: the venue does not say.
    """
    body = await _chain(client, caller, underlying)
    return understood(lambda: sorted({day for day, _, _ in _expirations(body)}), "option chains")


async def option_chain(
    client: TastytradeClient, caller: Caller, underlying: str, expiration: date
) -> Sequence[OptionContract]:
    """Return the contracts of one expiration, by strike, calls before puts.

    Raises:
        UnknownSymbol: it has no options, or is not listed.
        CredentialsInvalid: the keys are not accepted.
        VenueUnavailable: the venue does not say.
    """
    body = await _chain(client, caller, underlying)
    contracts = understood(
        lambda: [
            contract
            for day, root, source in _expirations(body)
            if day == expiration
            for contract in _contracts(underlying, root, source)
        ],
        "option chains",
    )
    quotes = await _quotes(client, caller, [contract.symbol for contract in contracts])
    quoted = [
        replace(contract, bid=quotes[contract.symbol].bid, ask=quotes[contract.symbol].ask)
        if contract.symbol in quotes
        else contract
        for contract in contracts
    ]
    return sorted(quoted, key=lambda one: (one.strike, one.right is Right.PUT, one.symbol))


async def _chain(client: TastytradeClient, caller: Caller, underlying: str) -> Mapping[str, Any]:
    instrument = to_venue(underlying)
    if instrument is None or instrument.kind is not InstrumentType.EQUITY:
        raise UnknownSymbol(f"Tastytrade lists options of shares and indices; {underlying[:40]!r} is none.")
    path = f"/option-chains/{instrument.in_path}/nested"
    body = await client.ask(caller, Question(path, Group.CHAINS))
    if body is None or not understood(lambda: data_items(body, "chain"), "option chains"):
        raise UnknownSymbol(f"Tastytrade lists no options of {underlying[:40]!r}. Check the symbol.")
    return body


async def _quotes(client: TastytradeClient, caller: Caller, symbols: Sequence[str]) -> dict[str, _Quote]:
    found: dict[str, _Quote] = {}
    for start in range(0, len(symbols), MOST_SYMBOLS):
        options = [parse_option(symbol) for symbol in symbols[start : start + MOST_SYMBOLS]]
        padded = [option.padded for option in options if option is not None]
        try:
            body = await market_data(client, caller, InstrumentType.OPTION, padded)
            found |= understood(partial(_read_quotes, body), "quotes")
        except (VenueUnavailable, Refusal):
            # What can be traded is the answer; what it costs is told where the venue tells it.
            return found
    return found


def _read_quotes(body: Mapping[str, Any]) -> dict[str, _Quote]:
    found = {}
    for item in data_items(body, "quotes"):
        option = parse_option(fields.text(item, "symbol", "quote"))
        if option is not None:
            bid = fields.optional(number, item, "bid", "quote")
            found[option.compact] = _Quote(bid, fields.optional(number, item, "ask", "quote"))
    return found


def _expirations(body: Mapping[str, Any]) -> list[tuple[date, Mapping[str, Any], Mapping[str, Any]]]:
    found = []
    for root in data_items(body, "chain"):
        if root.get("option-chain-type", _STANDARD) != _STANDARD:
            continue
        for item in fields.items(root, "expirations", "chain"):
            source = fields.mapping(item, "expiration")
            found.append((_day(source), root, source))
    return found


def _day(source: Mapping[str, Any]) -> date:
    try:
        return date.fromisoformat(fields.text(source, "expiration-date", "expiration"))
    except ValueError:
        raise WorkOrderError("expiration.expiration-date", "is no date") from None


def _contracts(
    underlying: str, root: Mapping[str, Any], expiration: Mapping[str, Any]
) -> list[OptionContract]:
    multiplier = number(root, "shares-per-contract", "chain")
    found = []
    for item in fields.items(expiration, "strikes", "expiration"):
        strike = fields.mapping(item, "strike")
        for name in ("call", "put"):
            symbol = parse_option(fields.text(strike, name, "strike"))
            if symbol is None:
                raise WorkOrderError(f"strike.{name}", "is no OCC symbol")
            found.append(
                OptionContract(
                    symbol=symbol.compact,
                    underlying=underlying,
                    expiration=symbol.expiration,
                    right=symbol.right,
                    strike=symbol.strike,
                    multiplier=multiplier,
                )
            )
    return found
