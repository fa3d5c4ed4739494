"""Aster's orders: what is sent, in both position modes, and what is made of each of its refusals."""

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from sparky.domain.answers import Accepted, NotSent
from sparky.domain.errors import CredentialsInvalid, Refusal, UnknownSymbol
from sparky.domain.orders import (
    ExitKind,
    ExitLeg,
    OrderState,
    OrderType,
    PositionSide,
    Side,
    TimeInForce,
)
from sparky.venues.survivors import cancel_survivors
from tests.venues.fakes.aster.harness import AsterHarness
from tests.venues.fakes.server import FakeRequest, FakeResponse, Fault, RequestKind, json_response
from tests.venues.harness import accepted, allow, refused, says_what_to_do

STOP, PROFIT, TRAIL = ExitKind.STOP_LOSS, ExitKind.TAKE_PROFIT, ExitKind.TRAILING_STOP


def last_form(venue: AsterHarness) -> dict[str, str]:
    posted = [one for one in venue.server.log if one.method == "POST"]
    form = posted[-1].form()
    return {name: form[name] for name in form if name not in {"nonce", "user", "signer", "signature"}}


async def test_one_way_mode_closes_by_reduce_only_and_names_no_side() -> None:
    async with AsterHarness.open() as venue:
        await venue.enter(1)
        assert "positionSide" not in last_form(venue)
        await venue.enter(2, side=Side.SELL, reduce_only=True)
        form = last_form(venue)
        assert (form["reduceOnly"], "positionSide" in form) == ("true", False)


async def test_hedge_mode_names_the_side_and_never_reduces_more_than_is_open() -> None:
    async with AsterHarness.open() as venue:
        venue.wallet.hedged = True
        await venue.enter(1)
        assert last_form(venue)["positionSide"] == "LONG"
        await venue.enter(2, side=Side.SELL, reduce_only=True, quantity=venue.quantity * 3)
        form = last_form(venue)
        assert (form["positionSide"], form["quantity"], "reduceOnly" in form) == ("LONG", "0.5", False)
        assert await venue.side() is None
        refused(await venue.submit(venue.order(3, Side.SELL, reduce_only=True)), "no_position")
        await venue.enter(4, side=Side.SELL)
        assert await venue.side() == (PositionSide.SHORT, venue.quantity)
        await venue.enter(5, reduce_only=True)
        assert (await venue.side(), last_form(venue)["positionSide"]) == (None, "SHORT")


async def test_a_long_and_a_short_at_once_are_two_positions_and_none_of_both() -> None:
    async with AsterHarness.open() as venue:
        venue.wallet.hedged = True
        await venue.enter(1)
        await venue.enter(2, side=Side.SELL)
        held = await venue.adapter.positions(venue.access)
        assert {(one.symbol, one.side) for one in held} == {
            (venue.symbol, PositionSide.LONG),
            (venue.symbol, PositionSide.SHORT),
        }
        with pytest.raises(Refusal) as caught:
            await venue.side()
        says_what_to_do(caught.value.reason)


@pytest.mark.parametrize("side", PositionSide)
@pytest.mark.parametrize("kind", [STOP, PROFIT, TRAIL])
async def test_hedge_mode_places_exits_on_the_positions_side(side: PositionSide, kind: ExitKind) -> None:
    async with AsterHarness.open() as venue:
        venue.wallet.hedged = True
        await venue.enter(1, side=side.opened_by)
        falls = (side is PositionSide.LONG) == (kind is not PROFIT)
        price = None if kind is TRAIL else venue.at(-5 if falls else 5)
        leg = ExitLeg(
            client_order_id=venue.client_id(11),
            kind=kind,
            price=price,
            trail_percent=Decimal(2) if kind is TRAIL else None,
        )
        (outcome,) = await venue.adapter.place_exits(venue.access, venue.exits(leg, side=side), allow)
        accepted(outcome)
        form = last_form(venue)
        assert (form["positionSide"], "reduceOnly" in form) == (side.upper(), False)
        await venue.set_price(venue.at(-7 if falls else 7))
        assert await venue.side() is None


async def test_a_mode_that_was_changed_is_read_anew_and_the_order_may_be_sent_again() -> None:
    async with AsterHarness.open() as venue:
        await venue.enter(1)
        await venue.enter(2, side=Side.SELL, reduce_only=True)
        venue.wallet.hedged = True
        outcome = refused(await venue.submit(venue.order(3)))
        assert (outcome.try_again, outcome.venue_code) == (True, "-4061")
        accepted(await venue.submit(venue.order(3)))


async def test_an_exit_of_the_whole_closes_whatever_is_open_and_one_of_a_part_only_reduces() -> None:
    async with AsterHarness.open() as venue:
        await venue.enter(1)
        await venue.adapter.place_exits(venue.access, venue.exits(venue.leg(STOP, 11)), allow)
        form = last_form(venue)
        assert (form["closePosition"], "quantity" in form, "reduceOnly" in form) == ("true", False, False)
        part = venue.exits(venue.leg(PROFIT, 12), quantity=venue.quantity / 2)
        await venue.adapter.place_exits(venue.access, part, allow)
        form = last_form(venue)
        assert (form.get("closePosition"), form["quantity"], form["reduceOnly"]) == (None, "0.25", "true")


async def test_an_exit_of_the_whole_protects_a_position_of_any_size() -> None:
    async with AsterHarness.open() as venue:
        await venue.enter(1)
        await venue.enter(2)
        one = venue.server.instruments[venue.symbol]
        one.most = one.market_most = venue.quantity
        venue.pass_time(301)
        whole = venue.exits(venue.leg(STOP, 11), quantity=venue.quantity * 2)
        (outcome,) = await venue.adapter.place_exits(venue.access, whole, allow)
        accepted(outcome)
        await venue.set_price(venue.at(-7))
        assert await venue.side() is None


async def test_an_exit_waits_a_moment_for_a_position_that_is_not_shown_yet() -> None:
    async with AsterHarness.open() as venue:
        await venue.enter(1)
        handle = venue.server.handle
        asked: list[FakeRequest] = []

        async def late(request: FakeRequest) -> FakeResponse:
            if request.path == "/fapi/v3/positionRisk":
                asked.append(request)
                if len(asked) == 1:
                    return json_response(200, [])
            return await handle(request)

        venue.server.handle = late  # type: ignore[method-assign]
        (outcome,) = await venue.adapter.place_exits(venue.access, venue.exits(venue.leg(STOP, 11)), allow)
        accepted(outcome)
        assert len(asked) == 2


async def test_survivors_are_cancelled_when_one_exit_has_fired() -> None:
    async with AsterHarness.open() as venue:
        entry_order = await venue.enter(1)
        legs = [venue.leg(PROFIT, 11), venue.leg(STOP, 12)]
        await venue.adapter.place_exits(venue.access, venue.exits(*legs), allow)
        refs = [venue.exit_ref(entry_order, leg) for leg in legs]
        before = await cancel_survivors(venue.adapter, venue.access, refs, allow)
        assert [one.state for one in before] == [OrderState.WORKING] * 2
        await venue.set_price(venue.at(7))
        after = await cancel_survivors(venue.adapter, venue.access, refs, allow)
        assert [one.state for one in after] == [OrderState.FILLED, OrderState.CANCELLED]
        assert list(await venue.adapter.open_orders(venue.access)) == []


async def test_exits_after_one_that_was_not_taken_are_not_sent() -> None:
    async with AsterHarness.open() as venue:
        await venue.enter(1)
        # The market is past this stop already.
        wrong = ExitLeg(client_order_id=venue.client_id(11), kind=STOP, price=venue.at(5))
        request = venue.exits(wrong, venue.leg(PROFIT, 12))
        first, second = await venue.adapter.place_exits(venue.access, request, allow)
        assert refused(first, "invalid_price").venue_code == "-2021"
        assert isinstance(second, NotSent)
        assert list(await venue.adapter.open_orders(venue.access)) == []


@pytest.mark.parametrize(
    ("trail", "rate"),
    [
        ({"trail_percent": Decimal("0.1")}, "0.1"),
        ({"trail_percent": Decimal("2.57")}, "2.5"),
        ({"trail_percent": Decimal(5)}, "5"),
        ({"trail_distance": Decimal("1.23")}, "1.2"),
    ],
)
async def test_a_trail_becomes_a_rate_that_is_never_wider(trail: dict[str, Decimal], rate: str) -> None:
    async with AsterHarness.open() as venue:
        await venue.enter(1)
        leg = ExitLeg(client_order_id=venue.client_id(11), kind=TRAIL, **trail)
        # Without the alert's price, Aster's mark price turns a distance into per cent.
        request = venue.exits(leg, reference_price=None, quantity=venue.quantity * 3)
        (outcome,) = await venue.adapter.place_exits(venue.access, request, allow)
        accepted(outcome)
        form = last_form(venue)
        # No larger than what is open, however much was asked.
        assert (form["callbackRate"], form["quantity"], form["reduceOnly"]) == (rate, "0.5", "true")


@pytest.mark.parametrize(
    "trail",
    [
        {"trail_percent": Decimal("0.05")},
        {"trail_percent": Decimal("5.1")},
        {"trail_distance": Decimal(50)},
    ],
)
async def test_a_trail_outside_of_asters_bounds_is_refused_with_them(trail: dict[str, Decimal]) -> None:
    async with AsterHarness.open() as venue:
        await venue.enter(1)
        leg = ExitLeg(client_order_id=venue.client_id(11), kind=TRAIL, **trail)
        (outcome,) = await venue.adapter.place_exits(venue.access, venue.exits(leg), allow)
        assert "0.1 to 5 per cent" in refused(outcome, "invalid_value").reason


@pytest.mark.parametrize(
    "change",
    [
        {"time_in_force": TimeInForce.DAY},
        {"time_in_force": TimeInForce.FOK},
        {"order_type": OrderType.STOP, "stop_price": Decimal(110), "time_in_force": TimeInForce.IOC},
        {"extended_hours": True},
    ],
)
async def test_what_aster_has_no_order_for_is_refused_before_anything_leaves(change: dict[str, Any]) -> None:
    async with AsterHarness.open() as venue:
        reason = refused(await venue.submit(venue.order(**change)), "not_supported").reason
        assert reason.startswith("Aster")
        assert venue.sent(RequestKind.ORDER) == 0


async def test_market_orders_keep_to_their_own_steps() -> None:
    async with AsterHarness.open() as venue:
        one = venue.server.instruments[venue.symbol]
        one.market_step, one.market_most = Decimal("0.1"), Decimal(3)
        await venue.enter(1, quantity=Decimal("0.57"))
        assert last_form(venue)["quantity"] == "0.5"
        accepted(await venue.submit(venue.resting(2, quantity=Decimal("0.57"))))
        assert last_form(venue)["quantity"] == "0.57"
        refused(await venue.submit(venue.order(3, quantity=Decimal(4))), "above_maximum")


async def test_steps_that_aster_has_changed_are_read_anew_after_its_refusal() -> None:
    async with AsterHarness.open() as venue:
        await venue.enter(1)
        venue.server.instruments[venue.symbol].market_step = Decimal("0.1")
        assert refused(await venue.submit(venue.order(2, quantity=Decimal("0.57")))).venue_code == "-4023"
        await venue.enter(3, quantity=Decimal("0.57"))


async def test_a_symbol_that_is_being_settled_can_still_be_closed() -> None:
    async with AsterHarness.open() as venue:
        await venue.enter(1)
        venue.server.instruments[venue.symbol].status = "PRE_SETTLE"
        venue.pass_time(301)
        refused(await venue.submit(venue.order(2)), "market_closed")
        assert venue.sent(RequestKind.ORDER) == 1
        await venue.submit(venue.order(3, Side.SELL, reduce_only=True))
        assert venue.sent(RequestKind.ORDER) == 2


async def test_an_instrument_that_is_not_understood_does_not_hide_the_others() -> None:
    async with AsterHarness.open() as venue:
        venue.server.instruments["ETHUSDT"].tick = Decimal(0)
        assert (await venue.adapter.rules(venue.access, venue.symbol)).price_tick == Decimal("0.1")
        with pytest.raises(UnknownSymbol):
            await venue.adapter.rules(venue.access, "ETHUSDT")


async def test_leverage_outside_of_asters_bounds_is_not_sent() -> None:
    async with AsterHarness.open() as venue:
        for leverage in (0, -1, 126):
            with pytest.raises(Refusal, match="1 to 125"):
                await venue.adapter.set_leverage(venue.access, venue.symbol, leverage)
        assert venue.sent(RequestKind.LEVERAGE) == 0
        with pytest.raises(Refusal, match="-4028"):
            await venue.adapter.set_leverage(venue.access, venue.symbol, 125)
        await venue.adapter.set_leverage(venue.access, venue.symbol, 7)
        assert venue.wallet.leverage == {venue.symbol: 7}
        with pytest.raises(CredentialsInvalid):
            await venue.adapter.set_leverage(venue.wrong_access, venue.symbol, 7)


async def test_an_order_whose_trades_are_not_listed_yet_is_not_over_yet() -> None:
    async with AsterHarness.open() as venue:
        await venue.enter(1)
        venue.hide_orders(20)
        told = accepted(await venue.submit(venue.order(2)))
        assert (told.state, told.filled_quantity) == (OrderState.ACCEPTED, Decimal(0))
        assert not told.fills
        found = await venue.shown(venue.order(2))
        assert (found.state, found.filled_quantity) == (OrderState.FILLED, venue.quantity)
        assert len(found.fills) == 1


async def test_a_hanging_answer_leaves_nothing_behind_that_stops_the_next() -> None:
    async with AsterHarness.open() as venue:
        await venue.enter(1)
        venue.fault(Fault.HANG, RequestKind.QUESTION, times=1)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await venue.side()
        venue.heal()
        outcome = await venue.submit(venue.order(2))
        assert isinstance(outcome, Accepted)
