"""Prices of a feed, told to the book: it has no other way to learn that what waits can be executed."""

from collections.abc import Iterable
from decimal import Decimal

from sparky.domain.errors import VenueUnavailable
from sparky.domain.identifiers import AccountId
from sparky.venues.paper.client import PaperClient
from sparky.venues.paper.credentials import PaperTerms
from sparky.venues.paper.feed import PriceFeed


class Market:
    """A feed, or none: then the book knows only the prices of the orders that it is sent."""

    def __init__(self, client: PaperClient, feed: PriceFeed | None) -> None:
        self._client = client
        self._feed = feed

    @property
    def is_known(self) -> bool:
        """There is a feed to ask."""
        return self._feed is not None

    async def price(self, symbol: str) -> Decimal | None:
        """Return the feed's price; None without a feed, or when it does not know the symbol.

        Raises:
            VenueUnavailable: the feed does not answer.
        """
        return None if self._feed is None else await self._feed.price(symbol)

    async def price_if_told(self, symbol: str) -> Decimal | None:
        """Return the feed's price; None also when it does not answer."""
        try:
            return await self.price(symbol)
        except VenueUnavailable:
            # What waits goes on waiting, as it would if nobody had asked.
            return None

    async def tell(self, account: AccountId, terms: PaperTerms, symbols: Iterable[str]) -> None:
        """Tell the book what symbols cost now.

        Raises:
            VenueUnavailable: the book does not answer.
        """
        for symbol in symbols:
            price = await self.price_if_told(symbol)
            if price is not None:
                await self._client.mark(account, terms, symbol, price)
