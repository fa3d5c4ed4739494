"""Aster conforms, and does what only Aster needs."""

from tests.venues.conformance import VenueConformance
from tests.venues.fakes.aster.harness import AsterHarness


class TestAster(VenueConformance):
    """Aster conforms."""

    harness = AsterHarness
