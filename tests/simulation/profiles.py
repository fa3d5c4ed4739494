"""Venues like the five: what they can do is theirs, how they fail is drawn."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum, unique
from typing import Final

from sparky.domain.capabilities import Capabilities
from sparky.venues.aster.adapter import AsterAdapter
from sparky.venues.oanda.adapter import OandaAdapter
from sparky.venues.paper.adapter import PaperAdapter
from sparky.venues.tastytrade.adapter import TastytradeAdapter
from sparky.venues.tradier.adapter import TradierAdapter


@unique
class Unique(StrEnum):
    """For how long a venue refuses a second order of one client id."""

    FOR_EVER = "for ever"
    WHILE_OPEN = "while open"
    NEVER = "never"


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A kind of venue. `binds_exits`: exits end with the position that they protect."""

    name: str
    capabilities: Capabilities
    client_ids: Unique
    visibility_seconds: float
    symbols: tuple[str, ...]
    step: Decimal
    binds_exits: bool
    keeps_record: bool = False


PROFILES: Final[Mapping[str, Profile]] = {
    one.name: one
    for one in (
        Profile(
            name="paper",
            capabilities=PaperAdapter.capabilities,
            client_ids=Unique.FOR_EVER,
            visibility_seconds=5.0,
            symbols=("BTCUSDT", "ETHUSDT"),
            step=Decimal("0.001"),
            binds_exits=True,
        ),
        Profile(
            name="aster",
            capabilities=AsterAdapter.capabilities,
            client_ids=Unique.WHILE_OPEN,
            visibility_seconds=12.0,
            symbols=("BTCUSDT", "ETHUSDT"),
            step=Decimal("0.001"),
            binds_exits=False,
        ),
        Profile(
            name="oanda",
            capabilities=OandaAdapter.capabilities,
            client_ids=Unique.WHILE_OPEN,
            visibility_seconds=8.0,
            symbols=("EUR_USD", "GBP_USD"),
            step=Decimal(1),
            binds_exits=True,
            keeps_record=True,
        ),
        Profile(
            name="tradier",
            capabilities=TradierAdapter.capabilities,
            client_ids=Unique.NEVER,
            visibility_seconds=10.0,
            symbols=("AAPL", "MSFT"),
            step=Decimal(1),
            binds_exits=False,
        ),
        Profile(
            name="tastytrade",
            capabilities=TastytradeAdapter.capabilities,
            client_ids=Unique.NEVER,
            visibility_seconds=10.0,
            symbols=("AAPL", "MSFT"),
            step=Decimal(1),
            binds_exits=False,
        ),
    )
}
