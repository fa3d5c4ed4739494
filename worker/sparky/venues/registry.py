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
from sparky.venues.budget import Budgets, Limit, Priority
from sparky.venues.http import MayConnect, VenueHttp
from sparky.venues.oanda.adapter import OandaAdapter
from sparky.venues.oanda.client import CONNECTIONS as OANDA_CONNECTIONS
from sparky.venues.oanda.client import HOSTS as OANDA_HOSTS
from sparky.venues.oanda.client import NEW_CONNECTIONS as OANDA_NEW_CONNECTIONS
from sparky.venues.tastytrade.adapter import TastytradeAdapter
from sparky.venues.tastytrade.client import HOSTS as TASTYTRADE_HOSTS
from sparky.venues.tradier.adapter import TradierAdapter
from sparky.venues.tradier.client import HOSTS as TRADIER_HOSTS


@dataclass(frozen=True, slots=True)
class VenueKind:
    """A venue: how it spells itself, its own base URL of each environment, and what builds its adapter.

    `connections` are kept with each environment at most; `new_connections` is the venue's limit of them.
    """

    label: str
    hosts: Mapping[str, str]
    build: Callable[[VenueHttp, Seams], VenueAdapter]
    connections: int = 20
    new_connections: Limit | None = None


VENUES: Final[Mapping[str, VenueKind]] = {
    "aster": VenueKind("Aster", ASTER_HOSTS, AsterAdapter),
    "oanda": VenueKind("OANDA", OANDA_HOSTS, OandaAdapter, OANDA_CONNECTIONS, OANDA_NEW_CONNECTIONS),
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
    async with VenueHttp(
        kind.label,
        {**kind.hosts, **hosts.get(name, {})},
        connections=kind.connections,
        may_connect=limited_to(kind.new_connections, seams),
    ) as http:
        yield kind.build(http, seams), http


def limited_to(new_connections: Limit | None, seams: Seams) -> MayConnect | None:
    """Return what keeps a limit of new connections, each environment for itself; None where there is none."""
    if new_connections is None:
        return None
    budgets, limit = Budgets(seams), new_connections

    async def may_connect(environment: str, within_seconds: float) -> None:
        budget = budgets.of(("connections", environment), limit)
        await budget.spend(priority=Priority.EXIT, within_seconds=within_seconds)

    return may_connect
