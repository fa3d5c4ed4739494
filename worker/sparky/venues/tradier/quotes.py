"""Prices of a share or an option, from `GET /v1/markets/quotes`.

Source: https://documentation.tradier.com/brokerage-api/markets/get-quotes. The sandbox's are 15 minutes old
(https://documentation.tradier.com/brokerage-api/overview/endpoints). `bid` and `ask` are 0 or null on a side
on which nobody is.
"""

from typing import Any, Final

from sparky.domain.answers import Quote
from sparky.venues.quotes import quote_of
from sparky.venues.tradier import rules, wire

_LABEL: Final = "Tradier"


def read_quote(answer: Any, symbol: str, *, is_delayed: bool) -> Quote | None:
    """Read the quote of a symbol; None when Tradier says that it lists none of that name.

    Raises:
        wire.NotUnderstood: the answer says neither.
        Refusal: NO_PRICE: nobody bids, asks or has traded.
    """
    source = rules.quote_in(answer, symbol)
    if source is None:
        return None
    return quote_of(
        _LABEL,
        symbol,
        bid=wire.optional_number(source, "bid"),
        ask=wire.optional_number(source, "ask"),
        last=wire.optional_number(source, "last"),
        is_delayed=is_delayed,
    )
