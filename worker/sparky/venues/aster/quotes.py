"""Best bid and ask, from `GET /fapi/v3/ticker/bookTicker`, which anybody may ask at a weight of 1.

https://github.com/asterdex/api-docs, V3, "Symbol Order Book Ticker". What Aster answers for a symbol without
orders on a side is not written down; a price of zero is taken for it, as the interface writes prices that
are not there.
"""

from typing import Any

from sparky.domain.answers import Quote
from sparky.venues.aster.errors import LABEL
from sparky.venues.aster.reading import Unreadable, decimal, mapping, text
from sparky.venues.aster.symbols import from_venue
from sparky.venues.quotes import quote_of


def read_quote(body: Any, symbol: str) -> Quote:
    """Read the prices of a symbol.

    The price is in the dollars that the account is in: a coin of dollars other than its own counts as one.

    Raises:
        Unreadable: the answer is not of Aster's language, or about another symbol.
        Refusal: NO_PRICE: nobody bids or asks.
    """
    source = mapping(body, "bookTicker")
    if from_venue(text(source, "symbol")) != symbol:
        raise Unreadable("aster.bookTicker.symbol is another one")
    return quote_of(LABEL, symbol, bid=decimal(source, "bidPrice"), ask=decimal(source, "askPrice"))
