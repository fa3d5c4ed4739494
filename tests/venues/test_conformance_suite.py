"""The suite of the venues: its table is up to date, and its guards bite."""

from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from sparky.domain.answers import Accepted, Outcome, Refused, Unknown, VenueOrder
from sparky.domain.errors import VenueUnavailable
from sparky.domain.orders import OrderRef, OrderRequest
from sparky.venues.base import AccountAccess, Permit
from sparky.venues.paper.adapter import PaperAdapter
from tests.venues import conformance_faults, conformance_table
from tests.venues.conformance import VenueConformance
from tests.venues.fakes.moving_time import MovingTime
from tests.venues.fakes.paper import Ground, PaperHarness
from tests.venues.fakes.server import Fault
from tests.venues.subjects import Subject

Case = Callable[[PaperHarness], Coroutine[Any, Any, None]]
NOW = MovingTime().now()
CASES = VenueConformance()


def test_the_page_is_what_the_suite_would_write() -> None:
    assert conformance_table.PAGE.read_text("utf-8") == conformance_table.page(), "run: make conformance"


def test_the_suite_has_many_cases_and_each_runs_somewhere() -> None:
    cases = conformance_table.cases()
    assert len(cases) >= 45
    harnesses = conformance_table.venues()
    for sentence, needs in cases.items():
        assert any(not {*needs} & {*one.cannot} for one in harnesses), f"nobody runs: {sentence}"


def test_every_gap_of_a_venue_has_a_fact() -> None:
    for harness in conformance_table.venues():
        for subject, fact in harness.cannot.items():
            assert isinstance(subject, Subject)
            assert fact.endswith("."), (harness.name, subject)


class Sabotaged(PaperAdapter):
    """The paper adapter with one of the mistakes that the suite is there for."""

    @classmethod
    def instead_of(cls, venue: PaperHarness) -> PaperHarness:
        sabotaged = cls.__new__(cls)
        sabotaged.__dict__.update(venue.adapter.__dict__)
        venue.adapter = sabotaged
        return venue


class SendsTwice(Sabotaged):
    """Sends again at once what it got no answer to."""

    async def submit(self, access: AccountAccess, order: OrderRequest, permit: Permit) -> Outcome:
        outcome = await super().submit(access, order, permit)
        return await super().submit(access, order, permit) if isinstance(outcome, Unknown) else outcome


class CallsItRefused(Sabotaged):
    """Takes silence for a no."""

    async def submit(self, access: AccountAccess, order: OrderRequest, permit: Permit) -> Outcome:
        outcome = await super().submit(access, order, permit)
        return Refused("venue_refused", "It did not answer.") if isinstance(outcome, Unknown) else outcome


class CallsItAccepted(Sabotaged):
    """Takes silence for a yes."""

    async def submit(self, access: AccountAccess, order: OrderRequest, permit: Permit) -> Outcome:
        outcome = await super().submit(access, order, permit)
        if not isinstance(outcome, Unknown):
            return outcome
        ref = OrderRef(client_order_id=order.client_order_id, symbol=order.symbol, sent_at=NOW)
        found = await self.find_order(access, ref)
        return outcome if found is None else Accepted(found)


class CallsItAbsent(Sabotaged):
    """Takes silence for absence."""

    async def find_order(self, access: AccountAccess, ref: OrderRef) -> VenueOrder | None:
        try:
            return await super().find_order(access, ref)
        except VenueUnavailable:
            return None


class AsksForNoPermit(Sabotaged):
    """Sends without being allowed to."""

    async def submit(self, access: AccountAccess, order: OrderRequest, permit: Permit) -> Outcome:
        del permit
        return await super().submit(access, order, lambda: None)


def _under(fault: Fault) -> Case:
    return lambda venue: CASES.test_an_order_under_a_fault_ends_as_it_should_and_is_executed_once(
        venue, fault
    )


@pytest.mark.parametrize(
    ("mistake", "case"),
    [
        (CallsItRefused, _under(Fault.DROP_REPLY)),
        (CallsItAccepted, _under(Fault.GARBAGE)),
        (SendsTwice, _under(Fault.ERROR_503)),
        (
            CallsItAbsent,
            lambda venue: CASES.test_a_question_without_an_answer_is_never_answered_by_us(
                venue, Fault.ERROR_503
            ),
        ),
        (AsksForNoPermit, lambda venue: CASES.test_without_a_permit_no_order_leaves(venue, warm=False)),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)
async def test_a_mistake_of_an_adapter_fails_its_case(
    ground: Ground, mistake: type[Sabotaged], case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conformance_faults, "SEEN", {})
    await case(PaperHarness(ground))
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        await case(mistake.instead_of(PaperHarness(ground)))
