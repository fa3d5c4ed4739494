"""The border to a venue: what a write becomes when the adapter is slow, breaks or answers by half."""

import asyncio
from collections.abc import Sequence
from decimal import Decimal

import pytest

from sparky.domain.answers import NotSent, Outcome, Unknown
from sparky.domain.errors import LostClaim
from sparky.domain.identifiers import AccountId, ClientOrderId, SignalId
from sparky.domain.orders import ExitKind, ExitLeg, ExitRequest, OrderRef, PositionSide
from sparky.domain.work_order import Claim
from sparky.engine.leases import Lease
from sparky.engine.open_account import OpenAccount
from sparky.engine.permits import SendingPermit
from sparky.engine.silences import Silences
from sparky.venues.base import AccountAccess, Permit
from tests.unit.engine.fake_venue import FakeVenue
from tests.unit.engine.virtual_loop import START, LoopClock

SECONDS = 5.0
REF = OrderRef(client_order_id=ClientOrderId("sp1"), symbol="BTCUSDT", sent_at=START)


class HalfVenue(FakeVenue):
    """Answers for one exit less than it was asked for."""

    async def place_exits(
        self, access: AccountAccess, request: ExitRequest, permit: Permit
    ) -> Sequence[Outcome]:
        return (await super().place_exits(access, request, permit))[:-1]


class SilentVenue(FakeVenue):
    """Never comes as far as to ask for the permit."""

    async def place_exits(
        self, access: AccountAccess, request: ExitRequest, permit: Permit
    ) -> Sequence[Outcome]:
        await asyncio.sleep(3600)
        return await super().place_exits(access, request, permit)


def account(venue: FakeVenue) -> OpenAccount:
    access = AccountAccess(account_id=AccountId("a"), exchange="paper", environment="paper", credentials={})
    return OpenAccount(venue, access, SECONDS, LoopClock(), Silences(LoopClock()))


def permit(lease_seconds: float = 60.0) -> SendingPermit:
    now = LoopClock().monotonic()
    lease = Lease(Claim(SignalId("s"), 1), now + lease_seconds)
    return SendingPermit(LoopClock(), lease, asked_at=now, venue_timeout_seconds=SECONDS)


def exits(count: int = 2) -> ExitRequest:
    legs = [
        ExitLeg(client_order_id=ClientOrderId(f"sp{n}"), kind=ExitKind.STOP_LOSS, price=Decimal(90 + n))
        for n in range(count)
    ]
    return ExitRequest(
        symbol="BTCUSDT", side=PositionSide.LONG, quantity=Decimal(1), exits=tuple(legs), entry=REF
    )


@pytest.mark.parametrize(("count", "seconds"), [(1, 5), (2, 10), (4, 10)])
async def test_exits_have_up_to_two_time_outs_and_are_all_in_doubt_when_none_was_told(
    count: int, seconds: int
) -> None:
    venue = FakeVenue()
    venue.net = Decimal(4)
    venue.exit_script.append("stuck")
    told = await account(venue).place_exits(exits(count), permit())
    assert [type(one) for one in told] == [Unknown] * count
    assert LoopClock().monotonic() == pytest.approx(seconds, abs=0.1)


async def test_exits_of_which_nothing_left_are_not_sent() -> None:
    venue = SilentVenue()
    told = await account(venue).place_exits(exits(), permit())
    assert [type(one) for one in told] == [NotSent, NotSent]


async def test_an_answer_for_some_exits_only_is_no_answer() -> None:
    venue = HalfVenue()
    venue.net = Decimal(1)
    told = await account(venue).place_exits(exits(), permit())
    assert [type(one) for one in told] == [Unknown, Unknown]


async def test_a_permit_that_is_refused_stops_everything() -> None:
    venue = FakeVenue()
    venue.net = Decimal(1)
    with pytest.raises(LostClaim):
        await account(venue).place_exits(exits(), permit(lease_seconds=0.1))
    with pytest.raises(LostClaim):
        await account(venue).cancel(REF, permit(lease_seconds=0.1))
    assert venue.exits == []
    assert venue.cancels == []


async def test_a_cancel_that_hangs_is_in_doubt() -> None:
    venue = FakeVenue()
    venue.latency = 3600
    assert isinstance(await account(venue).cancel(REF, permit()), Unknown)
    assert LoopClock().monotonic() == pytest.approx(SECONDS)
