"""tastytrade against its fake: the conformance suite."""

from tests.venues.conformance import VenueConformance
from tests.venues.fakes.tastytrade.harness import TastytradeHarness


class TestTastytrade(VenueConformance):
    harness = TastytradeHarness
