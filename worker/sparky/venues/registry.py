"""Which venues there are besides paper, and how their adapters are built."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Final

from sparky.domain.errors import ConfigurationError
from sparky.runtime.seams import Seams
from sparky.runtime.venue_hosts import VenueHosts
from sparky.venues.aster.adapter import AsterAdapter
from sparky.venues.aster.client import HOSTS as ASTER_HOSTS
from sparky.venues.base import VenueAdapter
from sparky.venues.http import VenueHttp
from sparky.venues.oanda.adapter import OandaAdapter
from sparky.venues.oanda.client import HOSTS as OANDA_HOSTS
from sparky.venues.tastytrade.adapter import TastytradeAdapter
from sparky.venues.tastytrade.client import HOSTS as TASTYTRADE_HOSTS
from sparky.venues.tradier.adapter import TradierAdapter
from sparky.venues.tradier.client import HOSTS as TRADIER_HOSTS


@dataclass(frozen=True, slots=True)
class VenueKind:
    """A venue: how it spells itself, its own base URL of each environment, and what builds its adapter."""

    label: str
    hosts: Mapping[str, str]
    build: Callable[[VenueHttp, Seams], VenueAdapter]


VENUES: Final[Mapping[str, VenueKind]] = {
    "aster": VenueKind("Aster", ASTER_HOSTS, AsterAdapter),
    "oanda": VenueKind("OANDA", OANDA_HOSTS, OandaAdapter),
    "tastytrade": VenueKind("Tastytrade", TASTYTRADE_HOSTS, TastytradeAdapter),
    "tradier": VenueKind("Tradier", TRADIER_HOSTS, TradierAdapter),
}
"""By the name that alerts and tables use."""


@asynccontextmanager
async def open_venues(seams: Seams, hosts: VenueHosts) -> AsyncIterator[Mapping[str, VenueAdapter]]:
    """Open the connections of all venues, and close them at the end. `hosts` replace the venues' own.

    Raises:
        ConfigurationError: `hosts` name what is no venue.
    """
    unknown = sorted(set(hosts) - set(VENUES))
    if unknown:
        raise ConfigurationError(f"venue_hosts names {unknown[0]!r}: the venues are {', '.join(VENUES)}.")
    async with AsyncExitStack() as resources:
        adapters = {}
        for name in VENUES:
            adapters[name], _ = await resources.enter_async_context(open_venue(name, seams, hosts))
        yield adapters


@asynccontextmanager
async def open_venue(
    name: str, seams: Seams, hosts: VenueHosts
) -> AsyncIterator[tuple[VenueAdapter, VenueHttp]]:
    """Open the connections of one venue; give its adapter and them."""
    kind = VENUES[name]
    async with VenueHttp(kind.label, {**kind.hosts, **hosts.get(name, {})}) as http:
        yield kind.build(http, seams), http
