"""Prices of an instrument for an account, from `GET /accounts/{id}/pricing`.

Fields: https://developer.oanda.com/rest-live-v20/pricing-df, ClientPrice and HomeConversions. A list of bids
or asks may be empty; then the close-out price of the side is what there is. The factors in the price itself,
`quoteHomeConversionFactors`, are deprecated, and left out where `includeHomeConversions` is asked for; they
are read where OANDA has nothing else.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from sparky.domain import fields
from sparky.domain.answers import Quote
from sparky.domain.errors import WorkOrderError
from sparky.venues.oanda.errors import LABEL
from sparky.venues.oanda.symbols import from_venue
from sparky.venues.quotes import quote_of

_PLACE: Final = "pricing"
_ONE: Final = Decimal(1)


def query_of(name: str) -> str:
    """Return the query that asks for one instrument's price and for what its currency is worth."""
    return f"instruments={name}&includeHomeConversions=true"


def read_quote(answer: Any, symbol: str, account_currency: str) -> Quote:
    """Read the price of a symbol. One that cannot be traded now is told as not of this moment.

    Raises:
        WorkOrderError: the answer is not of OANDA's language, or about another symbol.
        Refusal: NO_PRICE: neither side has one.
    """
    body = fields.mapping(answer, _PLACE)
    price = _price(body, symbol)
    return quote_of(
        LABEL,
        symbol,
        bid=_side(price, "bids", "closeoutBid"),
        ask=_side(price, "asks", "closeoutAsk"),
        account_rate=_rate(body, price, symbol.rpartition("_")[2], account_currency),
        is_delayed=fields.optional(fields.boolean, price, "tradeable", _PLACE) is False,
    )


def _price(body: Mapping[str, Any], symbol: str) -> Mapping[str, Any]:
    for item in fields.items(body, "prices", _PLACE):
        price = fields.mapping(item, _PLACE)
        if from_venue(fields.text(price, "instrument", _PLACE)) == symbol:
            return price
    raise WorkOrderError(f"{_PLACE}.prices", "do not name the instrument")


def _side(price: Mapping[str, Any], side: str, close_out: str) -> Decimal | None:
    # The first bucket has the best price.
    for bucket in fields.items(price, side, _PLACE):
        return fields.not_negative(fields.mapping(bucket, _PLACE), "price", _PLACE)
    return fields.optional(fields.not_negative, price, close_out, _PLACE)


def _rate(body: Mapping[str, Any], price: Mapping[str, Any], currency: str, home: str) -> Decimal:
    if currency == home:
        return _ONE
    for item in fields.items(body, "homeConversions", _PLACE) if "homeConversions" in body else ():
        conversion = fields.mapping(item, _PLACE)
        if fields.text(conversion, "currency", _PLACE) == currency:
            return fields.positive(conversion, "positionValue", _PLACE)
    factors = fields.mapping(fields.present(price, "quoteHomeConversionFactors", _PLACE), _PLACE)
    return fields.positive(factors, "positiveUnits", _PLACE)
