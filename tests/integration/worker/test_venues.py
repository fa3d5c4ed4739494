"""The worker at real venues' fakes: alerts become positions there, and a crash in between doubles nothing."""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Any

import pytest

from scripts.testbed.trader import Trader
from sparky.domain.orders import PositionSide
from tests.integration.worker.venue_accounts import save_keys
from tests.integration.worker.world import SHORT_LEASE, World, until
from tests.venues.fakes.server import Fault, RequestKind
from tests.venues.harness import Harness
from tests.venues.harnesses import HARNESSES
from tests.venues.real_time import hosts_of, in_real_time


@pytest.fixture
async def venues() -> AsyncIterator[Sequence[Harness]]:
    async with AsyncExitStack() as resources:
        yield [await resources.enter_async_context(in_real_time(each)) for each in HARNESSES.values()]


async def test_an_alert_becomes_a_position_at_each_venue_and_a_crash_doubles_nothing(
    world: World, venues: Sequence[Harness]
) -> None:
    trader = await world.trader()
    for venue in venues:
        await save_keys(world, trader, venue)
    hosts = {name: hosts for venue in venues for name, hosts in hosts_of(venue).items()}
    worker = world.worker(**SHORT_LEASE, venue_hosts=json.dumps(hosts))
    await until(lambda: _statuses(world, trader) == {venue.name: "valid" for venue in venues}, 30)

    opened = await world.finished([await world.accept(trader, _alert(venue, "buy")) for venue in venues])
    assert [(row["status"], row["reason_code"]) for row in opened] == [("done", None)] * len(venues)
    await until(lambda: len(_positions(world, trader)) == len(venues), 30)
    for venue in venues:
        assert await venue.side() == (PositionSide.LONG, venue.quantity), venue.name
        assert _positions(world, trader)[venue.name] == venue.quantity

    for venue in venues:
        venue.fault(Fault.DELAY, RequestKind.ORDER, seconds=2)
    before = {venue.name: venue.sent(RequestKind.ORDER) for venue in venues}
    closing = [await world.accept(trader, _alert(venue, "close")) for venue in venues]
    await until(
        lambda: all(venue.sent(RequestKind.ORDER) > before[venue.name] for venue in venues), 20, 0.005
    )
    # All four closes are at their venues, and no answer has come.
    worker.kill()
    worker.start()
    closed = await world.finished(closing)
    assert [(row["status"], row["reason_code"]) for row in closed] == [("done", None)] * len(venues)
    assert {row["attempt"] for row in closed} == {2}
    for venue in venues:
        assert await venue.side() is None, venue.name
        ids = _client_ids(world, trader, venue)
        assert [await venue.executions(each) for each in ids] == [1, 1], venue.name
    await until(lambda: _positions(world, trader) == {}, 30)


def _alert(venue: Harness, action: str) -> Mapping[str, Any]:
    size = {"quantity": f"{venue.quantity:f}"} if action == "buy" else {}
    where = {"exchange": venue.name, "environment": venue.access.environment, "symbol": venue.symbol}
    return {**where, **size, "action": action, "price": f"{venue.price:f}"}


def _statuses(world: World, trader: Trader) -> Mapping[str, str]:
    rows = world.records.rows(
        "select exchange, status from public.user_api_keys where user_id = %s and exchange <> 'paper'",
        trader.user_id,
    )
    return {row["exchange"]: row["status"] for row in rows}


def _positions(world: World, trader: Trader) -> Mapping[str, Any]:
    rows = world.records.rows(
        "select k.exchange, p.quantity from public.positions p"
        " join public.user_api_keys k on k.id = p.account_id where p.user_id = %s",
        trader.user_id,
    )
    return {row["exchange"]: row["quantity"] for row in rows}


def _client_ids(world: World, trader: Trader, venue: Harness) -> list[str]:
    rows = world.records.rows(
        "select o.client_order_id from public.orders o join public.user_api_keys k on k.id = o.account_id"
        " where o.user_id = %s and k.exchange = %s order by o.client_order_id",
        trader.user_id,
        venue.name,
    )
    return [row["client_order_id"] for row in rows]
