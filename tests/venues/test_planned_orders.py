"""From an alert to a venue's books, through the planner and every real adapter: what is planned is taken."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from sparky.domain.options import parse_option
from sparky.domain.orders import ExitKind, ExitRequest, OrderState, OrderType, PositionSide
from sparky.domain.plan import Leg, Plan, Rejection
from sparky.domain.planner import make_plan
from sparky.domain.protection import resolve_exits
from sparky.domain.snapshot import Snapshot
from sparky.domain.wanted import wanted
from sparky.domain.work_order import WorkOrder
from sparky.engine.open_account import OpenAccount
from sparky.engine.silences import Silences
from sparky.engine.snapshots import take_snapshot
from tests.unit.domain.work_orders import work_order
from tests.venues.harness import Harness, accepted, allow
from tests.venues.harnesses import HARNESSES

BROKERS = ("tastytrade", "tradier")


@pytest.fixture
async def venue(request: pytest.FixtureRequest) -> AsyncIterator[Harness]:
    async with HARNESSES[request.param].open() as harness:
        yield harness


def every(*names: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("venue", names or sorted(HARNESSES), indirect=True)


def alert_at(venue: Harness, symbol: str, **changes: Any) -> WorkOrder:
    """Return a signal that fires now by the venue's clock."""
    order = work_order(
        exchange=venue.adapter.name,
        symbol=symbol,
        **{"signal_id": _signal_id(changes.get("action", "buy")), **changes},
    )
    now = venue.time.now()
    return replace(order, received_at=now, alert_at=None, now=now, lease_until=now + timedelta(seconds=30))


def _signal_id(action: str) -> str:
    return f"0b6c1d5e-8a54-4f0e-9a53-0d8c3a1f2b{'4c' if action == 'buy' else '4d'}"


async def planned(venue: Harness, order: WorkOrder) -> tuple[Plan, Snapshot]:
    """Ask the venue for what the planner wants to know, and plan."""
    clock = venue.time.seams().clock
    account = OpenAccount(venue.adapter, venue.access, 5.0, clock, Silences(clock))
    snapshot = await take_snapshot(account, order, wanted(order), venue.time.now())
    assert not isinstance(snapshot, Rejection), snapshot
    decision = make_plan(order, snapshot, venue.time.now())
    assert isinstance(decision, Plan), decision
    return decision, snapshot


async def send(venue: Harness, plan: Plan) -> Leg:
    """Send the only order of a plan, with what goes with it, and let it fill."""
    leg, *attached = plan.legs
    request = leg.request(
        await venue.adapter.bookmark(venue.access), tuple(one.exit_leg() for one in attached)
    )
    accepted(await venue.adapter.submit(venue.access, request, allow))
    await venue.market_time()
    shown = await venue.shown(request)
    assert shown.state is OrderState.FILLED, shown
    return leg


async def protect(venue: Harness, plan: Plan, snapshot: Snapshot, leg: Leg) -> list[Leg]:
    """Place the exits that follow an entry."""
    assert plan.protection is not None
    seen = await venue.shown(leg.request())
    price = seen.average_price
    if price is None:
        held = await venue.adapter.position(venue.access, leg.symbol)
        assert held is not None
        price = held.entry_price
    exits = resolve_exits(
        work_order().signal_id,
        leg.symbol,
        plan.protection,
        quantity=seen.filled_quantity,
        average_price=price,
        rules=snapshot.rules,
    )
    request = ExitRequest(
        symbol=leg.symbol,
        side=PositionSide.LONG,
        quantity=seen.filled_quantity,
        exits=tuple(one.exit_leg() for one in exits.legs),
        entry=venue.ref(leg.request()),
        reference_price=price,
    )
    for outcome in await venue.adapter.place_exits(venue.access, request, allow):
        accepted(outcome)
    return list(exits.legs)


async def held_by(venue: Harness) -> dict[str, tuple[PositionSide, Decimal]]:
    positions = await venue.adapter.positions(venue.access)
    return {one.symbol: (one.side, one.quantity) for one in positions}


@every()
@pytest.mark.parametrize("fires", [-7, 7])
async def test_exits_in_percent_follow_an_entry_at_the_market_and_leave_it(
    venue: Harness, fires: int
) -> None:
    terms = {"stop_loss_percent": "5", "take_profit_percent": "5", "quantity": f"{venue.quantity:f}"}
    plan, snapshot = await planned(venue, alert_at(venue, venue.symbol, alert=terms))
    leg = await send(venue, plan)
    exits = await protect(venue, plan, snapshot, leg)
    assert {one.exit_leg().kind for one in exits} == {ExitKind.STOP_LOSS, ExitKind.TAKE_PROFIT}
    assert await venue.side() == (PositionSide.LONG, venue.quantity)
    await venue.set_price(venue.at(fires))
    assert await venue.side() is None


@every("tastytrade", "tradier", "oanda")
async def test_exits_go_with_an_entry_at_a_price(venue: Harness) -> None:
    terms = {
        "order_type": "limit",
        "price": f"{venue.at(0):f}",
        "stop_loss_percent": "5",
        "take_profit_percent": "5",
        "quantity": f"{venue.quantity:f}",
    }
    plan, _ = await planned(venue, alert_at(venue, venue.symbol, alert=terms))
    assert plan.protection is None
    assert len(plan.legs) == 3
    await send(venue, plan)
    await venue.set_price(venue.at(-7))
    assert await venue.side() is None


@every(*BROKERS)
async def test_a_call_is_chosen_bought_with_its_exits_and_sold_again(venue: Harness) -> None:
    order = alert_at(
        venue,
        venue.underlying,
        alert={"right": "call", "quantity": "2"},
        settings={"take_profit_percent": "5", "stop_loss_percent": "8", "entry_limit_offset_percent": "2"},
    )
    plan, snapshot = await planned(venue, order)
    assert snapshot.contract is not None
    entry = await send(venue, plan)
    assert (entry.symbol, entry.order_type) == (snapshot.contract.symbol, OrderType.LIMIT)
    assert await held_by(venue) == {entry.symbol: (PositionSide.LONG, Decimal(2))}
    working = await venue.adapter.open_orders(venue.access, entry.symbol)
    assert len(working) == 2
    for one in working:
        assert one.client_order_id is not None
        ref = venue.ref(replace(entry.request(), client_order_id=one.client_order_id), one.venue_order_id)
        accepted(await venue.adapter.cancel(venue.access, ref, allow))
    closing = alert_at(venue, venue.underlying, action="close", is_exit=True, alert={"right": "call"})
    plan, _ = await planned(venue, closing)
    await send(venue, plan)
    assert await held_by(venue) == {}


@every(*BROKERS)
async def test_a_spread_is_opened_and_closed_as_one_order(venue: Harness) -> None:
    (expiration, *_) = await venue.adapter.expirations(venue.access, venue.underlying)
    chain = await venue.adapter.option_chain(venue.access, venue.underlying, expiration)
    low, high = [one for one in chain if one.right == "call"][:2]
    assert low.ask is not None
    assert high.bid is not None
    legs = [
        {"action": action, "right": "call", "strike": f"{one.strike:f}", "expiration": f"{expiration}"}
        for action, one in (("buy", low), ("sell", high))
    ]
    terms = {
        "order_type": "limit",
        "price": f"{low.ask - high.bid:f}",
        "legs": [leg | {"ratio": 1} for leg in legs],
    }
    plan, _ = await planned(venue, alert_at(venue, venue.underlying, alert={**terms, "quantity": "2"}))
    await send(venue, plan)
    assert await held_by(venue) == {
        low.symbol: (PositionSide.LONG, Decimal(2)),
        high.symbol: (PositionSide.SHORT, Decimal(2)),
    }
    assert parse_option(plan.legs[0].spread[0].symbol) is not None
    back = terms | {"price": "0.01"}
    closing = alert_at(venue, venue.underlying, action="close", is_exit=True, alert=back)
    plan, _ = await planned(venue, closing)
    await send(venue, plan)
    assert await held_by(venue) == {}
