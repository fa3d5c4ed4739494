"""Of the exits of one position only one may act."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from sparky.domain.answers import Accepted, NotSent, Outcome, Refused, Unknown, VenueOrder
from sparky.domain.errors import LostClaim, VenueUnavailable
from sparky.domain.identifiers import AccountId, ClientOrderId
from sparky.domain.orders import OrderRef, OrderState
from sparky.venues.base import AccountAccess, Permit
from sparky.venues.survivors import cancel_survivors

ACCESS = AccountAccess(account_id=AccountId("a"), exchange="aster", environment="sandbox", credentials={})
FILLED, WORKING, CANCELLED = OrderState.FILLED, OrderState.WORKING, OrderState.CANCELLED
BUSY = Refused("venue_unavailable", "Busy.", try_again=True)
GONE = Refused("venue_refused", "No such order.")


def ref(name: str) -> OrderRef:
    return OrderRef(
        client_order_id=ClientOrderId(name), symbol="BTCUSDT", sent_at=datetime(2026, 3, 2, tzinfo=UTC)
    )


class Exits:
    """A venue with orders of one quantity each, which answers the next cancel as it is told."""

    def __init__(self, **states: OrderState) -> None:
        self.orders = {
            name: VenueOrder(
                client_order_id=ClientOrderId(name),
                venue_order_id=name,
                state=state,
                quantity=Decimal(1),
                filled_quantity=Decimal(state is FILLED),
            )
            for name, state in states.items()
        }
        self.answer: Outcome | None = None
        self.cancels: list[str] = []

    async def find_order(self, access: AccountAccess, ref: OrderRef) -> VenueOrder | None:
        assert access is ACCESS
        return self.orders.get(ref.client_order_id)

    async def cancel(self, access: AccountAccess, ref: OrderRef, permit: Permit) -> Outcome:
        assert access is ACCESS
        permit()
        name = ref.client_order_id
        self.cancels.append(name)
        if self.answer is GONE:
            self.orders.pop(name)
        if self.answer is not None:
            return self.answer
        self.orders[name] = replace(self.orders[name], state=CANCELLED)
        return Accepted(self.orders[name])

    async def sweep(self) -> dict[str, OrderState]:
        orders = await cancel_survivors(self, ACCESS, [ref("tp"), ref("sl"), ref("trail")], lambda: None)
        return {order.venue_order_id: order.state for order in orders}


async def test_when_one_has_filled_the_others_are_cancelled_and_again_changes_nothing() -> None:
    venue = Exits(tp=FILLED, sl=WORKING, trail=WORKING)
    expected = {"tp": FILLED, "sl": CANCELLED, "trail": CANCELLED}
    assert [await venue.sweep(), await venue.sweep()] == [expected, expected]
    assert venue.cancels == ["sl", "trail"]


@pytest.mark.parametrize("state", [WORKING, OrderState.PARTIALLY_FILLED, CANCELLED])
async def test_while_none_has_filled_whole_all_stay(state: OrderState) -> None:
    venue = Exits(tp=state, sl=WORKING)
    assert await venue.sweep() == {"tp": state, "sl": WORKING}
    assert venue.cancels == []


async def test_an_order_that_is_gone_or_never_was_is_fine() -> None:
    venue = Exits(tp=FILLED, sl=WORKING)
    venue.answer = GONE
    assert await venue.sweep() == {"tp": FILLED}


async def test_a_refusal_because_it_ended_meanwhile_is_fine() -> None:
    venue = Exits(tp=FILLED, sl=WORKING)
    venue.answer = Refused("venue_refused", "Too late.")
    with pytest.raises(VenueUnavailable, match=r"could not be cancelled: Too late\."):
        await venue.sweep()
    venue.orders["sl"] = replace(venue.orders["sl"], state=OrderState.EXPIRED)
    assert await venue.sweep() == {"tp": FILLED, "sl": OrderState.EXPIRED}


@pytest.mark.parametrize("answer", [NotSent("No connection."), Unknown("No answer."), BUSY])
async def test_a_survivor_that_may_still_work_is_never_passed_over_in_silence(answer: Outcome) -> None:
    venue = Exits(tp=FILLED, sl=WORKING, trail=WORKING)
    venue.answer = answer
    with pytest.raises(VenueUnavailable, match="could not be cancelled"):
        await venue.sweep()
    assert venue.cancels == ["sl", "trail"]


async def test_what_the_permit_raises_passes() -> None:
    def lost() -> None:
        raise LostClaim("another worker has it")

    with pytest.raises(LostClaim):
        await cancel_survivors(Exits(tp=FILLED, sl=WORKING), ACCESS, [ref("tp"), ref("sl")], lost)
