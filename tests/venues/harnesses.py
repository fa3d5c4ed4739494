"""The harness of every venue that is reached over HTTP."""

from collections.abc import Mapping
from typing import Final

from tests.venues.fakes.aster.harness import AsterHarness
from tests.venues.fakes.oanda.harness import OandaHarness
from tests.venues.fakes.tastytrade.harness import TastytradeHarness
from tests.venues.fakes.tradier.harness import TradierHarness
from tests.venues.harness import Harness

HARNESSES: Final[Mapping[str, type[Harness]]] = {
    "aster": AsterHarness,
    "oanda": OandaHarness,
    "tastytrade": TastytradeHarness,
    "tradier": TradierHarness,
}
