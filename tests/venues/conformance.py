"""What every venue adapter must do, whatever it speaks. A new venue is done when this is green for it.

A venue's test file holds a `Harness` (tests/venues/harness.py says what that gives) and

    class TestAster(VenueConformance):
        harness = AsterHarness

Each case is a sentence, and `docs/venues/conformance.md` lists them for every venue. A case that needs
something that a venue cannot is skipped with the fact of the harness; what the adapter's capabilities say
is possible cannot be skipped.
"""

from collections.abc import AsyncIterator
from typing import ClassVar

import pytest

from tests.venues.conformance_exits import ExitCases
from tests.venues.conformance_faults import FaultCases
from tests.venues.conformance_keys import KeyCases
from tests.venues.conformance_lookup import LookupCases
from tests.venues.conformance_options import FutureCases, OptionCases
from tests.venues.conformance_orders import OrderCases, PositionCases
from tests.venues.conformance_quotes import QuoteCases
from tests.venues.conformance_reading import ReadingCases
from tests.venues.conformance_writes import CancelCases, ConcurrencyCases, PermitCases
from tests.venues.harness import Harness, accepted, allow, refused, says_what_to_do
from tests.venues.subjects import Subject, needs_of, told

__all__ = [
    "Harness",
    "Subject",
    "VenueConformance",
    "accepted",
    "allow",
    "refused",
    "says_what_to_do",
]


class VenueConformance(
    KeyCases,
    ReadingCases,
    QuoteCases,
    OrderCases,
    PositionCases,
    ExitCases,
    CancelCases,
    PermitCases,
    ConcurrencyCases,
    LookupCases,
    FaultCases,
    OptionCases,
    FutureCases,
):
    """The cases."""

    harness: ClassVar[type[Harness]]

    @pytest.fixture(autouse=True)
    def _only_what_the_venue_can(self, request: pytest.FixtureRequest) -> None:
        for subject in needs_of(request.function):
            if subject in self.harness.cannot:
                pytest.skip(self.harness.cannot[subject])

    @pytest.fixture
    async def venue(self) -> AsyncIterator[Harness]:
        """Return the harness of this class, anew for each case."""
        async with self.harness.open() as venue:
            yield venue

    async def test_what_is_skipped_is_what_the_venue_cannot(self, venue: Harness) -> None:
        can = venue.adapter.capabilities
        for subject in Subject:
            possible = told(subject, can)
            fact = venue.cannot.get(subject)
            assert possible is None or possible == (fact is None), (subject, possible, fact)
            if fact is not None:
                says_what_to_do(fact)
