"""A venue's prices as a quote, or the refusal that there is none."""

from decimal import Decimal
from typing import Final

from sparky.domain.answers import Quote
from sparky.domain.errors import Refusal
from sparky.domain.reasons import Reason

_SAME_CURRENCY: Final = Decimal(1)


def quote_of(
    label: str,
    symbol: str,
    *,
    bid: Decimal | None = None,
    ask: Decimal | None = None,
    last: Decimal | None = None,
    account_rate: Decimal = _SAME_CURRENCY,
    is_delayed: bool = False,
) -> Quote:
    """Return a quote of the prices that are there; venues write zero for a side on which nobody is.

    Raises:
        Refusal: NO_PRICE: none of them is above zero.
    """
    bid, ask, last = (price if price is not None and price > 0 else None for price in (bid, ask, last))
    if bid is None and ask is None and last is None:
        raise no_price(label, symbol)
    return Quote(symbol=symbol, bid=bid, ask=ask, last=last, account_rate=account_rate, is_delayed=is_delayed)


def no_price(label: str, symbol: str) -> Refusal:
    """Return the refusal of a question for a price, where the venue has none now."""
    return Refusal(
        Reason.NO_PRICE,
        f"{label} has no price of {symbol[:40]} now: send the alert again when its market is open, or send "
        "a price or a quantity in it.",
    )
