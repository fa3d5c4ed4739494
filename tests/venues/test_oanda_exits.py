"""Exits at OANDA: bound to a trade, all of it, and trailing by a distance."""

from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal

import pytest

from sparky.domain.orders import ExitKind, ExitLeg, OrderState, PositionSide, Side
from tests.venues.fakes.oanda.harness import OandaHarness
from tests.venues.fakes.server import RequestKind
from tests.venues.harness import accepted, allow, refused


@pytest.fixture
async def venue() -> AsyncIterator[OandaHarness]:
    async with OandaHarness.open() as harness:
        yield harness


def trail(venue: OandaHarness, **trails: Decimal) -> ExitLeg:
    return ExitLeg(client_order_id=venue.client_id(11), kind=ExitKind.TRAILING_STOP, **trails)


async def test_all_exits_of_a_position_go_in_one_write(venue: OandaHarness) -> None:
    entry = await venue.enter(1)
    legs = tuple(venue.leg(kind, number) for number, kind in enumerate(ExitKind, 11))
    outcomes = await venue.adapter.place_exits(venue.access, venue.exits(*legs, entry=entry), allow)
    placed = [accepted(one) for one in outcomes]
    assert [one.client_order_id for one in placed] == [leg.client_order_id for leg in legs]
    assert {(one.state, one.quantity) for one in placed} == {(OrderState.WORKING, venue.quantity)}
    assert venue.sent(RequestKind.EXITS) == 1


async def test_a_percent_becomes_a_distance_between_the_ticks_that_protects_more(
    venue: OandaHarness,
) -> None:
    await venue.enter(1, exits=(trail(venue, trail_percent=Decimal("1.2345")),))
    (order,) = venue.ledger.pending()
    assert order.terms["distance"] == "0.01357"


@pytest.mark.parametrize(
    ("given", "named"), [("0.00049", "0.00050"), ("1.5", "1.00000"), ("0.0000001", "0.00050")]
)
async def test_a_trail_out_of_reach_is_refused_with_the_reach(
    venue: OandaHarness, given: str, named: str
) -> None:
    leg = trail(venue, trail_distance=Decimal(given))
    order = venue.order(1, exits=(leg,))
    assert named in refused(await venue.submit(order), "invalid_price").reason
    assert await venue.executions(order.client_order_id) == 0
    entry = await venue.enter(2)
    (outcome,) = await venue.adapter.place_exits(venue.access, venue.exits(leg, entry=entry), allow)
    assert named in refused(outcome, "invalid_price").reason
    assert venue.sent(RequestKind.EXITS) == 0


async def test_a_percent_without_a_price_is_refused_with_what_to_send(venue: OandaHarness) -> None:
    leg = trail(venue, trail_percent=Decimal(1))
    order = venue.order(1, exits=(leg,), reference_price=None)
    assert "price" in refused(await venue.submit(order), "missing_field").reason
    await venue.enter(2)
    request = venue.exits(leg, reference_price=None)
    (outcome,) = await venue.adapter.place_exits(venue.access, request, allow)
    refused(outcome, "missing_field")


async def test_without_a_known_entry_the_only_trade_is_taken(venue: OandaHarness) -> None:
    await venue.enter(1, side=Side.SELL)
    leg = replace(venue.leg(ExitKind.STOP_LOSS, 11), price=venue.at(5))
    (outcome,) = await venue.adapter.place_exits(
        venue.access, venue.exits(leg, side=PositionSide.SHORT), allow
    )
    accepted(outcome)
    await venue.set_price(venue.at(6))
    assert await venue.side() is None


async def test_a_position_of_several_trades_takes_exits_only_with_its_entries(venue: OandaHarness) -> None:
    first = await venue.enter(1)
    await venue.enter(2)
    leg = venue.leg(ExitKind.STOP_LOSS, 11)
    whole = venue.exits(leg, quantity=venue.quantity * 2)
    (outcome,) = await venue.adapter.place_exits(venue.access, whole, allow)
    assert "2 trades" in refused(outcome, "not_supported").reason
    (outcome,) = await venue.adapter.place_exits(venue.access, replace(whole, entry=venue.ref(first)), allow)
    assert accepted(outcome).quantity == venue.quantity


async def test_a_part_of_a_trade_takes_no_exit(venue: OandaHarness) -> None:
    entry = await venue.enter(1)
    request = venue.exits(venue.leg(ExitKind.STOP_LOSS, 11), entry=entry, quantity=venue.quantity / 2)
    (outcome,) = await venue.adapter.place_exits(venue.access, request, allow)
    assert "1000" in refused(outcome, "not_supported").reason
    assert venue.sent(RequestKind.EXITS) == 0


async def test_two_exits_of_one_kind_are_refused(venue: OandaHarness) -> None:
    entry = await venue.enter(1)
    legs = [venue.leg(ExitKind.STOP_LOSS, number) for number in (11, 12)]
    outcomes = await venue.adapter.place_exits(venue.access, venue.exits(*legs, entry=entry), allow)
    assert [refused(one, "not_supported").reason for one in outcomes]
    assert venue.sent(RequestKind.EXITS) == 0


async def test_exits_without_a_position_are_refused(venue: OandaHarness) -> None:
    request = venue.exits(venue.leg(ExitKind.STOP_LOSS, 11))
    (outcome,) = await venue.adapter.place_exits(venue.access, request, allow)
    refused(outcome, "no_position")


async def test_the_trade_of_a_new_entry_is_waited_for(venue: OandaHarness) -> None:
    await venue.adapter.rules(venue.access, venue.symbol)
    venue.hide_orders(0.5)
    entry = await venue.enter(1)
    request = venue.exits(venue.leg(ExitKind.STOP_LOSS, 11), entry=entry)
    (outcome,) = await venue.adapter.place_exits(venue.access, request, allow)
    accepted(outcome)


async def test_an_exit_that_oanda_rejects_is_refused_with_its_reason(venue: OandaHarness) -> None:
    entry = await venue.enter(1)
    request = venue.exits(venue.leg(ExitKind.STOP_LOSS, 11), entry=entry)

    def close_meanwhile() -> None:
        trade = next(iter(venue.ledger.trades.values()))
        trade.units = Decimal(0)

    (outcome,) = await venue.adapter.place_exits(venue.access, request, close_meanwhile)
    assert refused(outcome, "no_position").venue_code == "TRADE_DOESNT_EXIST"
