"""Where the paper venue takes a price from: the alert, or a ticker over HTTP."""

from decimal import Decimal, InvalidOperation
from typing import Final, Protocol
from urllib.parse import quote

import httpx

from sparky.domain.errors import VenueUnavailable

_SECONDS: Final = 2.0
# A limit or a ban is no answer about the symbol.
_UNKNOWN_SYMBOL: Final = frozenset({400, 404})


class PriceFeed(Protocol):
    """Knows prices of symbols."""

    async def price(self, symbol: str) -> Decimal | None:
        """Return the price now; None when the feed does not know the symbol.

        Raises:
            VenueUnavailable: the feed does not answer.
        """
        ...


class HttpPriceFeed:
    """A ticker that answers `{"price": "…"}` under a URL with `{symbol}` in it.

    That is what Aster's `/fapi/v3/ticker/price?symbol={symbol}` answers, among others.
    """

    def __init__(self, url: str, client: httpx.AsyncClient) -> None:
        if "{symbol}" not in url:
            raise ValueError("the URL of a price feed has {symbol} in it")
        self._url = url
        self._client = client

    async def price(self, symbol: str) -> Decimal | None:
        """Ask the ticker."""
        url = self._url.replace("{symbol}", quote(symbol, safe=""))
        try:
            response = await self._client.get(url, timeout=_SECONDS)
            if response.status_code in _UNKNOWN_SYMBOL:
                return None
            response.raise_for_status()
            value = Decimal(str(response.json()["price"]))
        except (httpx.HTTPError, ValueError, KeyError, TypeError, InvalidOperation) as error:
            raise VenueUnavailable(f"the price feed did not answer: {type(error).__name__}") from error
        if not value.is_finite() or value <= 0:
            raise VenueUnavailable("the price feed answered a price that is not above zero")
        return value
