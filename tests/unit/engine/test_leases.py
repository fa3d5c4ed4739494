"""How long a claim is believed in."""

import asyncio
from collections.abc import Iterable
from collections.abc import Set as AbstractSet

import pytest

from sparky.domain.errors import DatabaseUnavailable, LostClaim
from sparky.domain.identifiers import SignalId
from sparky.domain.work_order import Claim
from sparky.engine.leases import LeaseKeeper
from sparky.engine.permits import SendingPermit
from tests.unit.engine.virtual_loop import LoopClock, loop_seams, stand_still

CLAIM = Claim(SignalId("signal"), 3)


class Store:
    def __init__(self) -> None:
        self.ours = True
        self.faults = 0
        self.asked: list[float] = []
        self.latency = 0.0

    async def extend(self, claims: Iterable[Claim]) -> AbstractSet[SignalId]:
        ids = {claim.signal_id for claim in claims}
        self.asked.append(LoopClock().monotonic())
        await asyncio.sleep(self.latency)
        if self.faults:
            self.faults -= 1
            raise DatabaseUnavailable("extend_leases: ReadTimeout")
        return ids if self.ours else set()


async def test_a_lease_counts_from_before_it_was_asked_for() -> None:
    leases = LeaseKeeper(Store(), loop_seams(), 15)
    stand_still(4)
    assert leases.hold(CLAIM, asked_at=1.0).until == 16.0


async def test_enough_lease_is_not_renewed() -> None:
    store = Store()
    leases = LeaseKeeper(store, loop_seams(), 15)
    await leases.require(leases.hold(CLAIM, 0.0), 6)
    assert store.asked == []


async def test_a_short_lease_is_renewed_before_it_is_used() -> None:
    store = Store()
    store.latency = 2.0
    leases = LeaseKeeper(store, loop_seams(), 15)
    lease = leases.hold(CLAIM, 0.0)
    await asyncio.sleep(10)
    await leases.require(lease, 6)
    assert lease.until == 25.0


async def test_a_lease_that_is_gone_is_lost() -> None:
    store = Store()
    store.ours = False
    leases = LeaseKeeper(store, loop_seams(), 15)
    lease = leases.hold(CLAIM, 0.0)
    await asyncio.sleep(10)
    with pytest.raises(LostClaim):
        await leases.require(lease, 6)
    assert leases.claims() == ()


async def test_a_lease_that_cannot_be_renewed_is_given_up_before_its_end() -> None:
    store = Store()
    store.faults = 1
    leases = LeaseKeeper(store, loop_seams(), 15)
    lease = leases.hold(CLAIM, 0.0)
    await asyncio.sleep(10)
    with pytest.raises(LostClaim):
        await leases.require(lease, 6)
    await leases.require(lease, 4)


async def test_leases_are_renewed_at_a_third_and_sooner_after_a_failure() -> None:
    store = Store()
    leases = LeaseKeeper(store, loop_seams(), 15)
    lease = leases.hold(CLAIM, 0.0)
    keeping = asyncio.create_task(leases.run())
    await asyncio.sleep(5.5)
    store.faults, store.latency = 1, 5.0
    await asyncio.sleep(16)
    keeping.cancel()
    assert store.asked == [5.0, 10.0, 16.0]
    assert lease.until == 31.0


async def test_a_process_that_stood_still_knows_that_its_lease_is_over() -> None:
    store = Store()
    store.ours = False
    leases = LeaseKeeper(store, loop_seams(), 15)
    lease = leases.hold(CLAIM, 0.0)
    stand_still(20)
    with pytest.raises(LostClaim):
        await leases.require(lease, 0)


async def test_a_dropped_claim_is_neither_kept_nor_given_back() -> None:
    store = Store()
    leases = LeaseKeeper(store, loop_seams(), 15)
    leases.drop(leases.hold(CLAIM, 0.0))
    assert len(leases) == 0
    assert leases.claims() == ()


async def test_the_same_signal_claimed_again_is_another_lease() -> None:
    leases = LeaseKeeper(Store(), loop_seams(), 15)
    first = leases.hold(CLAIM, 0.0)
    second = leases.hold(Claim(CLAIM.signal_id, 4), 1.0)
    leases.drop(first)
    assert leases.claims() == (second.claim,)


@pytest.mark.parametrize(
    ("stood_still", "lease_seconds", "allowed"),
    [(9.9, 15, True), (10.1, 15, False), (5.4, 6, True), (5.6, 6, False)],
)
async def test_an_order_may_leave_within_its_window_and_before_the_end_of_the_lease(
    *, stood_still: float, lease_seconds: int, allowed: bool
) -> None:
    lease = LeaseKeeper(Store(), loop_seams(), lease_seconds).hold(CLAIM, 0.0)
    permit = SendingPermit(LoopClock(), lease, asked_at=0.0, venue_timeout_seconds=5.0)
    stand_still(stood_still)
    if allowed:
        permit()
    else:
        with pytest.raises(LostClaim):
            permit()
    assert permit.used is allowed


async def test_an_order_of_a_lost_claim_may_not_leave() -> None:
    lease = LeaseKeeper(Store(), loop_seams(), 15).hold(CLAIM, 0.0)
    lease.lost = True
    with pytest.raises(LostClaim):
        SendingPermit(LoopClock(), lease, asked_at=0.0, venue_timeout_seconds=5.0)()
