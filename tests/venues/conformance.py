"""What every venue adapter must do, whatever it speaks. A new venue is done when this is green for it.

Subclass `VenueConformance` and give it a fixture `venue` that returns a `Harness`: the adapter on a
fresh account of a fake or sandbox venue, that venue's truth, and its faults.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal

import pytest

from sparky.domain.answers import (
    Accepted,
    NotSent,
    Outcome,
    Refused,
    Unknown,
    VenueOrder,
)
from sparky.domain.errors import CredentialsInvalid, LostClaim, Refusal, VenueUnavailable
from sparky.domain.identifiers import SignalId, client_order_id
from sparky.domain.orders import (
    OrderRef,
    OrderRequest,
    OrderState,
    PositionSide,
    Side,
)
from sparky.venues.base import AccountAccess, VenueAdapter

Fault = Literal["down", "dropped", "lost", "garbage", "busy", "hang"]
"""What happens to the next request, or with `down` and `busy` to all of them until `heal`.

down     no connection can be made
dropped  the request leaves and is never executed; the connection breaks
lost     the request is executed, and its answer is lost
garbage  the request is executed, and the answer is not of the venue's language
busy     the venue answers that it cannot answer now
hang     the request is executed, and no answer ever comes
"""


class Harness(ABC):
    """An adapter on a fresh account, and what only the venue knows."""

    adapter: VenueAdapter
    access: AccountAccess
    wrong_access: AccountAccess
    symbol: str
    quantity: Decimal
    price: Decimal
    # Far more than the account can pay for.
    too_much: Decimal

    @abstractmethod
    async def executions(self, client_order_id: str) -> int:
        """Return how often an order of this id was executed, by the venue's own books."""

    @abstractmethod
    def fault(self, fault: Fault) -> None:
        """Arm a fault."""

    @abstractmethod
    def heal(self) -> None:
        """Take every fault away."""

    def order(self, number: int = 1, side: Side = Side.BUY, **changes: Any) -> OrderRequest:
        """Return an order; the number makes its client id."""
        request = OrderRequest(
            client_order_id=client_order_id(SignalId("0b6c1d5e-8a54-4f0e-9a53-0d8c3a1f2b4c"), number),
            symbol=self.symbol,
            side=side,
            quantity=self.quantity,
            reduce_only=False,
            reference_price=self.price,
        )
        return replace(request, **changes)

    def ref(self, order: OrderRequest) -> OrderRef:
        """Return what finds an order again."""
        sent_at = datetime.now(UTC) - timedelta(minutes=5)
        return OrderRef(client_order_id=order.client_order_id, symbol=order.symbol, sent_at=sent_at)

    async def submit(self, order: OrderRequest, permit: Callable[[], None] = lambda: None) -> Outcome:
        """Send an order."""
        return await self.adapter.submit(self.access, order, permit)

    async def find(self, order: OrderRequest) -> VenueOrder | None:
        """Look an order up until the venue shows it, or its visibility window has passed."""
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + min(self.adapter.visibility_seconds, 2.0)
        while True:
            found = await self.adapter.find_order(self.access, self.ref(order))
            if found is not None or loop.time() > give_up_at:
                return found
            await asyncio.sleep(0.05)

    async def side(self) -> tuple[PositionSide, Decimal] | None:
        """Return what is open."""
        position = await self.adapter.position(self.access, self.symbol)
        return None if position is None else (position.side, position.quantity)


def accepted(outcome: Outcome) -> VenueOrder:
    assert isinstance(outcome, Accepted), outcome
    return outcome.order


class VenueConformance:
    """The tests."""

    async def test_good_keys_show_a_balance(self, venue: Harness) -> None:
        balance = (await venue.adapter.validate(venue.access)).balance
        assert balance.equity > 0
        assert balance.currency

    async def test_wrong_keys_are_named_as_such(self, venue: Harness) -> None:
        with pytest.raises(CredentialsInvalid) as caught:
            await venue.adapter.validate(venue.wrong_access)
        assert caught.value.reason.endswith(".")
        outcome = await venue.adapter.submit(venue.wrong_access, venue.order(), lambda: None)
        assert isinstance(outcome, Refused)
        assert outcome.reason_code == "credentials_invalid"
        with pytest.raises(CredentialsInvalid):
            await venue.adapter.find_order(venue.wrong_access, venue.ref(venue.order()))
        assert await venue.executions(venue.order().client_order_id) == 0

    async def test_rules_are_of_the_symbol_and_fit_the_order(self, venue: Harness) -> None:
        rules = await venue.adapter.rules(venue.access, venue.symbol)
        assert rules.symbol == venue.symbol
        assert rules.quantity_down(venue.quantity) == venue.quantity
        assert venue.quantity >= rules.smallest_quantity

    async def test_an_accepted_order_is_found_with_its_fills(self, venue: Harness) -> None:
        order = venue.order()
        told = accepted(await venue.submit(order))
        found = await venue.find(order)
        assert found is not None
        assert found.client_order_id == told.client_order_id == order.client_order_id
        assert found.venue_order_id == told.venue_order_id
        assert found.state is OrderState.FILLED
        assert found.filled_quantity == order.quantity == sum(fill.quantity for fill in found.fills)
        assert found.average_price is not None
        assert all(fill.filled_at.tzinfo is not None for fill in found.fills)
        assert len({fill.venue_fill_id for fill in found.fills}) == len(found.fills)
        assert await venue.executions(order.client_order_id) == 1

    async def test_an_order_that_was_never_sent_is_not_found(self, venue: Harness) -> None:
        order = venue.order()
        assert await venue.adapter.find_order(venue.access, venue.ref(order)) is None

    async def test_the_same_client_id_is_never_executed_twice_nor_called_refused(
        self, venue: Harness
    ) -> None:
        order = venue.order()
        first = accepted(await venue.submit(order))
        again = await venue.submit(order)
        assert isinstance(again, Accepted | Unknown)
        if isinstance(again, Accepted):
            assert again.order.venue_order_id == first.venue_order_id
        assert await venue.executions(order.client_order_id) == 1

    async def test_simultaneous_orders_of_one_client_id_are_executed_once(self, venue: Harness) -> None:
        order = venue.order()
        outcomes = await asyncio.gather(*(venue.submit(order) for _ in range(5)))
        assert any(isinstance(outcome, Accepted) for outcome in outcomes)
        assert not any(isinstance(outcome, Refused | NotSent) for outcome in outcomes)
        assert await venue.executions(order.client_order_id) == 1

    async def test_the_position_follows_the_orders(self, venue: Harness) -> None:
        assert await venue.side() is None
        accepted(await venue.submit(venue.order(1)))
        assert await venue.side() == (PositionSide.LONG, venue.quantity)
        assert [one.symbol for one in await venue.adapter.positions(venue.access)] == [venue.symbol]
        accepted(await venue.submit(venue.order(2, Side.SELL, reduce_only=True)))
        assert await venue.side() is None
        assert list(await venue.adapter.positions(venue.access)) == []

    async def test_a_short_position_is_told_as_such(self, venue: Harness) -> None:
        rules = await venue.adapter.rules(venue.access, venue.symbol)
        if rules.can_short:
            accepted(await venue.submit(venue.order(1, Side.SELL)))
            assert await venue.side() == (PositionSide.SHORT, venue.quantity)

    async def test_reduce_only_never_opens(self, venue: Harness) -> None:
        order = venue.order(1, Side.SELL, reduce_only=True)
        assert isinstance(await venue.submit(order), Refused)
        assert await venue.executions(order.client_order_id) == 0
        assert await venue.side() is None

    async def test_reduce_only_never_crosses_zero(self, venue: Harness) -> None:
        accepted(await venue.submit(venue.order(1)))
        await venue.submit(venue.order(2, Side.SELL, reduce_only=True, quantity=venue.quantity * 3))
        assert await venue.side() in (None, (PositionSide.LONG, venue.quantity))

    async def test_an_order_beyond_the_money_is_refused_in_a_sentence(self, venue: Harness) -> None:
        order = venue.order(1, quantity=venue.too_much)
        outcome = await venue.submit(order)
        assert isinstance(outcome, Refused)
        assert outcome.reason_code == "insufficient_funds"
        assert outcome.reason.endswith(".")
        assert await venue.executions(order.client_order_id) == 0

    async def test_a_lost_answer_is_unknown_and_the_look_up_finds_the_order(self, venue: Harness) -> None:
        order = venue.order()
        await venue.adapter.validate(venue.access)
        accepted(await venue.submit(venue.order(9)))
        for fault in ("lost", "garbage"):
            order = venue.order(1 if fault == "lost" else 2)
            venue.fault(fault)
            outcome = await venue.submit(order)
            venue.heal()
            assert isinstance(outcome, Unknown), fault
            found = await venue.find(order)
            assert found is not None, fault
            assert found.state is OrderState.FILLED
            assert await venue.executions(order.client_order_id) == 1

    async def test_a_dropped_request_is_unknown_and_the_look_up_finds_nothing(self, venue: Harness) -> None:
        accepted(await venue.submit(venue.order(9)))
        order = venue.order()
        venue.fault("dropped")
        assert isinstance(await venue.submit(order), Unknown)
        venue.heal()
        assert await venue.find(order) is None
        assert await venue.executions(order.client_order_id) == 0
        accepted(await venue.submit(order))

    async def test_a_venue_that_is_down_takes_nothing_and_answers_nothing(self, venue: Harness) -> None:
        order = venue.order()
        venue.fault("down")
        assert isinstance(await venue.submit(order), NotSent)
        await self._answers_nothing(venue)
        venue.heal()
        assert await venue.executions(order.client_order_id) == 0

    async def test_a_busy_venue_is_never_taken_for_a_refusal_nor_for_absence(self, venue: Harness) -> None:
        order = venue.order()
        accepted(await venue.submit(venue.order(9)))
        venue.fault("busy")
        assert isinstance(await venue.submit(order), Unknown | NotSent)
        await self._answers_nothing(venue)
        venue.heal()
        assert await venue.executions(order.client_order_id) == 0

    async def test_a_question_with_a_strange_answer_is_no_answer(self, venue: Harness) -> None:
        order = venue.order()
        for question in (
            lambda: venue.adapter.validate(venue.access),
            lambda: venue.adapter.find_order(venue.access, venue.ref(order)),
            lambda: venue.adapter.position(venue.access, venue.symbol),
            lambda: venue.adapter.positions(venue.access),
        ):
            venue.fault("garbage")
            with pytest.raises(VenueUnavailable):
                await question()
            venue.heal()

    async def _answers_nothing(self, venue: Harness) -> None:
        with pytest.raises(VenueUnavailable):
            await venue.adapter.validate(venue.access)
        with pytest.raises(VenueUnavailable):
            await venue.adapter.position(venue.access, venue.symbol)
        with pytest.raises(VenueUnavailable):
            await venue.adapter.find_order(venue.access, venue.ref(venue.order()))

    async def test_the_permit_is_asked_before_the_order_leaves(self, venue: Harness) -> None:
        asked: list[None] = []
        accepted(await venue.submit(venue.order(), lambda: asked.append(None)))
        assert len(asked) == 1

    @pytest.mark.parametrize("number", [1, 2])
    async def test_without_a_permit_nothing_leaves(self, venue: Harness, number: int) -> None:
        def forbid() -> None:
            raise LostClaim("too late")

        if number == 2:
            # On a connection that is warm the way to the socket is another one.
            accepted(await venue.submit(venue.order(1)))
        order = venue.order(number)
        with pytest.raises(LostClaim):
            await venue.submit(order, forbid)
        assert await venue.executions(order.client_order_id) == 0
        accepted(await venue.submit(order))

    async def test_a_venue_that_hangs_can_be_given_up_and_asked_again(self, venue: Harness) -> None:
        accepted(await venue.submit(venue.order(9)))
        order = venue.order()
        venue.fault("hang")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await venue.submit(order)
        venue.heal()
        assert await venue.find(order) is not None
        assert await venue.executions(order.client_order_id) == 1

    async def test_keys_show_up_nowhere(self, venue: Harness) -> None:
        secrets = [secret.reveal() for secret in venue.access.credentials.values()]
        shown = [repr(venue.access), repr(venue.adapter), repr(await venue.submit(venue.order()))]
        for fault in ("lost", "busy", "down"):
            venue.fault(fault)
            shown.append(repr(await venue.submit(venue.order(2))))
            try:
                await venue.adapter.validate(venue.wrong_access)
            except (Refusal, VenueUnavailable) as error:
                shown.append(f"{error!r} {error.__cause__!r}")
            venue.heal()
        assert not [text for text in shown for secret in secrets if len(secret) > 7 and secret in text]
