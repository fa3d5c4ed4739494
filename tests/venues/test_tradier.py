"""Tradier conforms."""

from tests.venues.conformance import VenueConformance
from tests.venues.fakes.tradier.harness import TradierHarness


class TestTradier(VenueConformance):
    """Every case of the suite against the fake."""

    harness = TradierHarness
