"""Orders and exits at Tradier, against the fake over a real socket."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from sparky.domain.answers import Accepted, NotSent, Unknown
from sparky.domain.errors import VenueUnavailable
from sparky.domain.orders import (
    ExitKind,
    ExitLeg,
    OrderRequest,
    OrderState,
    OrderType,
    PositionSide,
    Side,
    SpreadLeg,
    TimeInForce,
)
from tests.venues.fakes.server import Fault, RequestKind
from tests.venues.fakes.tradier.harness import NUMBER, TOKEN, TradierHarness
from tests.venues.harness import accepted, allow, refused

CALL, HIGHER = "AAPL260417C00200000", "AAPL260417C00210000"


@pytest.fixture
async def venue() -> AsyncIterator[TradierHarness]:
    async with TradierHarness.open() as venue:
        yield venue


def last_form(venue: TradierHarness) -> dict[str, str]:
    return venue.server.asked(RequestKind.ORDER)[-1].form()


async def test_ok_is_not_accepted_until_the_order_is_shown(venue: TradierHarness) -> None:
    venue.hide_orders(10)
    order = venue.order(1)
    outcome = await venue.submit(order)
    assert isinstance(outcome, Unknown)
    assert "has not shown it" in outcome.reason
    assert venue.sent(RequestKind.ORDER) == 1
    venue.pass_time(10)
    assert (await venue.shown(order)).state is OrderState.FILLED


async def test_an_order_is_accepted_though_the_first_question_after_it_fails(venue: TradierHarness) -> None:
    await venue.enter(1)
    shows = lambda request: request.method == "GET" and "/orders/" in request.path  # noqa: E731
    venue.server.arm(Fault.ERROR_503, matching=shows, times=2)
    accepted(await venue.submit(venue.order(2)))


async def test_a_token_that_expired_meanwhile_refuses_the_order(venue: TradierHarness) -> None:
    await venue.enter(1)
    venue.server.expired.add(TOKEN)
    outcome = refused(await venue.submit(venue.order(2)), "credentials_invalid")
    assert "API Access" in outcome.reason
    assert venue.server.executions(venue.order(2).client_order_id) == 0


async def test_one_exit_of_a_pair_is_cancelled_alone(venue: TradierHarness) -> None:
    entry = await venue.enter(1)
    profit, stop = venue.both_exits()
    await venue.adapter.place_exits(venue.access, venue.exits(profit, stop, entry=entry), allow)
    told = accepted(await venue.adapter.cancel(venue.access, venue.exit_ref(entry, profit), allow))
    assert told.state is OrderState.CANCELLED
    (left,) = await venue.adapter.open_orders(venue.access)
    assert left.client_order_id == stop.client_order_id


async def test_exits_are_never_larger_than_the_position(venue: TradierHarness) -> None:
    await venue.enter(1)
    request = venue.exits(venue.leg(ExitKind.STOP_LOSS, 11), quantity=Decimal(50))
    (outcome,) = await venue.adapter.place_exits(venue.access, request, allow)
    assert accepted(outcome).quantity == venue.quantity


async def test_two_exits_of_one_kind_are_refused(venue: TradierHarness) -> None:
    await venue.enter(1)
    legs = (venue.leg(ExitKind.TAKE_PROFIT, 11, 3), venue.leg(ExitKind.TAKE_PROFIT, 12, 5))
    for outcome in await venue.adapter.place_exits(venue.access, venue.exits(*legs), allow):
        refused(outcome, "not_supported")


async def test_exits_on_an_order_that_closes_are_refused(venue: TradierHarness) -> None:
    await venue.enter(2, side=Side.SELL)
    order = venue.entry_with(venue.leg(ExitKind.STOP_LOSS, 11))
    refused(await venue.submit(order), "not_supported")
    assert await venue.executions(order.client_order_id) == 0


async def test_a_close_of_all_takes_working_exits_away_and_asks_a_permit_for_each_write(
    venue: TradierHarness,
) -> None:
    entry = await venue.enter(1)
    await venue.adapter.place_exits(venue.access, venue.exits(*venue.both_exits(), entry=entry), allow)
    permits: list[None] = []
    close = venue.order(2, Side.SELL, reduce_only=True)
    accepted(await venue.submit(close, lambda: permits.append(None)))
    assert await venue.side() is None
    assert list(await venue.adapter.open_orders(venue.access)) == []
    # Turned down, two exits cancelled, sent again.
    assert len(permits) == 4
    assert await venue.executions(close.client_order_id) == 1


async def test_a_close_of_a_part_leaves_the_exits_alone(venue: TradierHarness) -> None:
    entry = await venue.enter(1)
    await venue.adapter.place_exits(venue.access, venue.exits(*venue.both_exits(), entry=entry), allow)
    close = venue.order(2, Side.SELL, reduce_only=True, quantity=Decimal(4))
    assert "cancel" in refused(await venue.submit(close), "not_supported").reason
    assert len(await venue.adapter.open_orders(venue.access)) == 2
    assert venue.sent(RequestKind.CANCEL) == 0


async def test_a_close_never_cancels_orders_of_other_origin(venue: TradierHarness) -> None:
    await venue.enter(1)
    venue.take_by_hand(side="sell", type="limit", price="300.00")
    refused(await venue.submit(venue.order(2, Side.SELL, reduce_only=True)), "not_supported")
    assert venue.sent(RequestKind.CANCEL) == 0


@pytest.mark.parametrize("fault", [Fault.DROP_REQUEST, Fault.DROP_REPLY])
async def test_a_close_that_fails_after_its_exits_are_gone_says_so(
    venue: TradierHarness, fault: Fault
) -> None:
    entry = await venue.enter(1)
    await venue.adapter.place_exits(venue.access, venue.exits(*venue.both_exits(), entry=entry), allow)
    sent = len(venue.server.asked(RequestKind.ORDER))
    second = lambda one: one.method == "POST" and len(venue.server.asked(RequestKind.ORDER)) > sent + 1  # noqa: E731
    venue.server.arm(fault, matching=second)
    close = venue.order(2, Side.SELL, reduce_only=True)
    outcome = await venue.submit(close)
    assert isinstance(outcome, Unknown)
    assert "not protected" in outcome.reason
    ref = venue.ref(close)
    if fault is Fault.DROP_REPLY:
        assert (await venue.shown(close)).state is OrderState.FILLED
        return
    # What was turned down is not what became of it, as long as the second try may show up.
    with pytest.raises(VenueUnavailable, match="once more"):
        await venue.adapter.find_order(venue.access, ref)
    venue.pass_time(31)
    found = await venue.adapter.find_order(venue.access, ref)
    assert found is not None
    assert found.state is OrderState.REFUSED


async def test_a_close_leaves_the_exits_of_other_symbols_alone(venue: TradierHarness) -> None:
    entry = await venue.enter(1)
    other = await venue.enter(2, symbol="BRK.B")
    for held, number in ((entry, 11), (other, 12)):
        stop = ExitLeg(client_order_id=venue.client_id(number), kind=ExitKind.STOP_LOSS, price=Decimal(1))
        asked = venue.exits(stop, entry=held, symbol=held.symbol)
        accepted((await venue.adapter.place_exits(venue.access, asked, allow))[0])
    accepted(await venue.submit(venue.order(3, Side.SELL, reduce_only=True)))
    (left,) = await venue.adapter.open_orders(venue.access)
    assert left.symbol == "BRK.B"


async def test_a_close_is_not_sent_again_while_an_exit_may_still_work(venue: TradierHarness) -> None:
    entry = await venue.enter(1)
    await venue.adapter.place_exits(venue.access, venue.exits(*venue.both_exits(), entry=entry), allow)
    sent = venue.sent(RequestKind.ORDER)
    venue.server.arm(Fault.DROP_REQUEST, times=None, matching=RequestKind.CANCEL)
    outcome = await venue.submit(venue.order(2, Side.SELL, reduce_only=True))
    assert "could not all be cancelled" in refused(outcome, "not_supported").reason
    assert venue.sent(RequestKind.ORDER) == sent + 1


async def test_an_order_through_zero_is_held_back(venue: TradierHarness) -> None:
    await venue.enter(1)
    outcome = refused(await venue.submit(venue.order(2, Side.SELL, quantity=Decimal(20))), "not_supported")
    assert outcome.venue_code == "LongPositionCrossZero"
    assert venue.sent(RequestKind.ORDER) == 1


async def test_a_cash_account_does_not_sell_short(venue: TradierHarness) -> None:
    venue.server.accounts[NUMBER].kind = "cash"
    assert not (await venue.adapter.rules(venue.access, "AAPL")).can_short
    refused(await venue.submit(venue.order(1, Side.SELL)), "short_not_allowed")
    assert venue.sent(RequestKind.ORDER) == 0


async def test_class_shares_are_spelt_with_a_slash_there_and_a_dot_here(venue: TradierHarness) -> None:
    order = venue.order(1, symbol="BRK.B")
    told = accepted(await venue.submit(order))
    assert told.symbol == "BRK.B"
    assert last_form(venue)["symbol"] == "BRK/B"
    position = await venue.adapter.position(venue.access, "BRK.B")
    assert position is not None
    assert position.entry_price == 400


@pytest.mark.parametrize(
    ("state", "duration"), [("premarket", "pre"), ("postmarket", "post"), ("open", "day")]
)
async def test_extended_hours_are_those_of_the_clock(
    venue: TradierHarness, state: str, duration: str
) -> None:
    venue.server.markets.state = state
    order = venue.resting(1, extended_hours=True, time_in_force=TimeInForce.DAY)
    accepted(await venue.submit(order))
    assert last_form(venue)["duration"] == duration


async def test_in_a_closed_market_exits_wait_and_entries_are_refused(venue: TradierHarness) -> None:
    await venue.enter(1)
    venue.close_market()
    venue.pass_time(60)
    refused(await venue.submit(venue.order(2)), "market_closed")
    refused(await venue.submit(venue.resting(3, extended_hours=True, time_in_force=None)), "market_closed")
    resting = accepted(await venue.submit(venue.resting(4)))
    close = accepted(await venue.submit(venue.order(5, Side.SELL, reduce_only=True)))
    assert {resting.state, close.state} == {OrderState.ACCEPTED}
    venue.server.open_market()
    assert await venue.side() is None


async def test_an_option_entry_carries_its_exits(venue: TradierHarness) -> None:
    legs = tuple(
        replace(leg, price=price) for leg, price in zip(venue.both_exits(), map(Decimal, (9, 5)), strict=True)
    )
    order = venue.order(
        1,
        symbol=CALL,
        quantity=Decimal(2),
        order_type=OrderType.LIMIT,
        limit_price=Decimal("7.04"),
        exits=legs,
    )
    accepted(await venue.submit(order))
    form = last_form(venue)
    assert (form["class"], form["option_symbol[1]"], form["side[1]"]) == ("otoco", CALL, "sell_to_close")
    assert form["price[0]"] == "7.00"
    position = await venue.adapter.position(venue.access, CALL)
    assert position is not None
    assert (position.quantity, position.entry_price) == (Decimal(2), Decimal(7))


def spread(venue: TradierHarness, number: int, side: Side, ratio: int = 1, **changes: Any) -> OrderRequest:
    closes = bool(changes.get("reduce_only"))
    legs = (
        SpreadLeg(symbol=CALL, side=side, ratio=1, closes=closes),
        SpreadLeg(symbol=HIGHER, side=side.opposite, ratio=ratio, closes=closes),
    )
    return venue.order(number, side, quantity=Decimal(2), legs=legs, **changes)


async def test_a_spread_is_closed_by_no_more_than_is_held(venue: TradierHarness) -> None:
    accepted(await venue.submit(spread(venue, 1, Side.BUY, ratio=2)))
    close = spread(venue, 2, Side.SELL, ratio=2, reduce_only=True)
    accepted(await venue.submit(replace(close, quantity=Decimal(9))))
    assert last_form(venue)["quantity[1]"] == "4"
    assert list(await venue.adapter.positions(venue.access)) == []
    begun = venue.time.now() - timedelta(minutes=1)
    fills = await venue.adapter.fills(venue.access, HIGHER, begun)
    assert [(one.side, one.fill.quantity) for one in fills] == [
        (Side.SELL, Decimal(4)),
        (Side.BUY, Decimal(4)),
    ]
    refused(await venue.submit(replace(close, client_order_id=venue.client_id(3))), "no_position")


async def test_the_leg_of_which_least_is_held_bounds_the_close_of_a_spread(venue: TradierHarness) -> None:
    accepted(await venue.submit(spread(venue, 1, Side.BUY)))
    accepted(await venue.submit(venue.order(2, symbol=CALL, quantity=Decimal(3))))
    close = spread(venue, 3, Side.SELL, reduce_only=True)
    accepted(await venue.submit(replace(close, quantity=Decimal(9))))
    assert (last_form(venue)["quantity[0]"], last_form(venue)["quantity[1]"]) == ("2", "2")


async def test_a_spread_on_two_underlyings_is_refused(venue: TradierHarness) -> None:
    venue.server.book.list_symbol("BRKB260417C00400000", Decimal(5), Decimal(100))
    order = spread(venue, 1, Side.BUY)
    legs = (order.legs[0], replace(order.legs[1], symbol="BRKB260417C00400000"))
    refused(await venue.submit(replace(order, legs=legs)), "invalid_value")


async def test_a_partly_filled_order_tells_how_far_it_is_and_its_fill_at_its_end(
    venue: TradierHarness,
) -> None:
    venue.fill_partially(Decimal("0.3"))
    order = venue.resting(1, limit_price=venue.at(0))
    accepted(await venue.submit(order))
    part = await venue.shown(order)
    assert (part.state, part.filled_quantity, part.fills) == (OrderState.PARTIALLY_FILLED, Decimal(3), ())
    await venue.fill_rest()
    first, second = await venue.shown(order), await venue.shown(order)
    assert first.fills == second.fills
    assert [one.quantity for one in first.fills] == [10]


async def test_the_budget_follows_what_tradier_says_is_left(venue: TradierHarness) -> None:
    await venue.adapter.positions(venue.access)
    window = int(venue.time.now().timestamp()) // 60
    venue.server.used[TOKEN, "standard", window] = 58
    await venue.adapter.positions(venue.access)
    begun = venue.time.monotonic()
    with pytest.raises(VenueUnavailable):
        await venue.adapter.positions(venue.access)
    assert venue.time.monotonic() - begun < 4
    venue.pass_time(60)
    await venue.adapter.positions(venue.access)


async def test_a_closed_limit_of_orders_sends_nothing(venue: TradierHarness) -> None:
    await venue.enter(1)
    venue.fault(Fault.TOO_MANY, RequestKind.ORDER)
    outcome = refused(await venue.submit(venue.order(2)))
    assert outcome.try_again
    sent = venue.sent(RequestKind.ORDER)
    assert isinstance(await venue.submit(venue.order(3)), NotSent)
    assert venue.sent(RequestKind.ORDER) == sent
    venue.pass_time(60)
    assert isinstance(await venue.submit(venue.order(3)), Accepted)
    assert await venue.side() == (PositionSide.LONG, venue.quantity * 2)


async def test_a_cancel_that_is_not_shown_afterwards_is_unknown(venue: TradierHarness) -> None:
    order = venue.resting(1)
    told = accepted(await venue.submit(order))
    after = lambda one: one.method == "GET" and venue.sent(RequestKind.CANCEL) > 0  # noqa: E731
    venue.server.arm(Fault.GARBAGE, matching=after, times=None)
    ref = venue.ref(order, told.venue_order_id)
    outcome = await venue.adapter.cancel(venue.access, ref, allow)
    assert isinstance(outcome, Unknown)
    assert outcome.reason.endswith(".")
    assert venue.sent(RequestKind.CANCEL) == 1


async def test_an_order_that_tradier_keeps_says_where_to_cancel_it(venue: TradierHarness) -> None:
    order = venue.resting(1)
    accepted(await venue.submit(order))
    venue.server.keeps = "This order cannot be canceled now."
    outcome = refused(await venue.adapter.cancel(venue.access, venue.ref(order), allow))
    assert "cannot be canceled now" in outcome.reason
    assert "application" in outcome.reason
    assert not (await venue.shown(order)).state.is_terminal
