"""OANDA against the conformance suite, over a socket to a fake that keeps OANDA's record."""

from tests.venues.conformance import VenueConformance
from tests.venues.fakes.oanda.harness import OandaHarness


class TestOanda(VenueConformance):
    harness = OandaHarness
