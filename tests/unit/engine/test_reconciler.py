"""The comparison of accounts with their venue."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from sparky.database.accounts import Comparison, DueAccount, Held, OpenEnd
from sparky.domain.errors import DatabaseUnavailable, LostClaim
from sparky.domain.identifiers import AccountId, ClientOrderId, SignalId, UserId
from sparky.domain.identifiers import client_order_id as client_order_id_of
from sparky.domain.orders import (
    OrderRef,
    OrderRequest,
    OrderState,
    PositionSide,
    Side,
)
from sparky.domain.plan import Purpose
from sparky.domain.work_order import parse_work_order
from sparky.engine.reconciler import Reconciler
from sparky.venues.base import AccountAccess
from tests.unit.engine.virtual_loop import START, loop_seams
from tests.unit.engine.world import Worker, World

LONG_ONE = Held(symbol="BTCUSDT", side=PositionSide.LONG, quantity=Decimal(1))


class Queue:
    def __init__(self, *due: DueAccount) -> None:
        self.waiting = list(due)
        self.results: list[Comparison] = []
        self.faults = 0

    async def claim_accounts(self, limit: int, lease_seconds: int) -> Sequence[DueAccount]:
        del lease_seconds
        if self.faults:
            self.faults -= 1
            raise DatabaseUnavailable("claim_accounts: ConnectError", reached=False)
        taken, self.waiting = self.waiting[:limit], self.waiting[limit:]
        return taken

    async def finish_accounts(self, results: Sequence[Comparison]) -> None:
        self.results.extend(results)


def due(world: World, *positions: Held, ends: tuple[OpenEnd, ...] = ()) -> DueAccount:
    order = parse_work_order(world.signal().order)
    return DueAccount(
        fence=1,
        user_id=UserId(order.user_id),
        account=order.account,
        open_ends=ends,
        positions=positions,
    )


def open_end(signal_id: SignalId, leg: int, ref: OrderRef, purpose: Purpose = Purpose.CLOSE) -> OpenEnd:
    return OpenEnd(signal_id=signal_id, leg=leg, ref=ref, purpose=purpose, state=OrderState.WORKING)


async def compared(world: World, queue: Queue) -> Comparison:
    desk = Worker(world.database, world.venue, seed=0, batch=1, most=1).desk
    running = asyncio.create_task(Reconciler(queue, desk, loop_seams()).run())
    await asyncio.sleep(60)
    assert not running.done()
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    return queue.results[-1]


async def test_books_that_agree_show_no_difference() -> None:
    world = World()
    world.venue.net = Decimal(1)
    result = await compared(world, Queue(due(world, LONG_ONE)))
    assert result.differences == []
    assert result.news == ()


async def test_a_position_that_one_side_does_not_have_is_a_difference() -> None:
    world = World()
    world.venue.net = Decimal(-2)
    result = await compared(world, Queue(due(world, LONG_ONE)))
    assert result.differences == [{"symbol": "BTCUSDT", "ours": "1", "venue": "-2"}]


async def test_a_venue_that_does_not_answer_is_not_taken_for_flat() -> None:
    world = World()
    world.venue.unavailable = 100
    result = await compared(world, Queue(due(world, LONG_ONE)))
    assert result.differences is None


async def test_keys_that_are_refused_say_nothing_about_positions_and_are_to_be_validated() -> None:
    world = World()
    world.venue.accepts_keys = False
    result = await compared(world, Queue(due(world, LONG_ONE)))
    assert (result.differences, result.keys_refused) == (None, True)


async def test_a_venue_that_is_away_is_no_reason_to_validate_keys() -> None:
    world = World()
    world.venue.unavailable = 100
    assert not (await compared(world, Queue(due(world)))).keys_refused


async def test_an_order_that_outlived_its_signal_is_brought_to_its_end() -> None:
    world = World()
    signal_id = SignalId(str(world.signal().order["signal_id"]))
    client_order_id = client_order_id_of(signal_id, 1)
    order = OrderRequest(
        client_order_id=client_order_id,
        symbol="BTCUSDT",
        side=Side.BUY,
        quantity=Decimal(1),
        reduce_only=False,
    )
    access = AccountAccess(account_id=AccountId("a"), exchange="paper", environment="paper", credentials={})
    await world.venue.submit(access, order, lambda: None)
    end = OpenEnd(
        signal_id=signal_id,
        leg=1,
        ref=OrderRef(client_order_id=client_order_id, symbol="BTCUSDT", sent_at=START),
        purpose=Purpose.OPEN,
        state=OrderState.WORKING,
    )
    result = await compared(world, Queue(due(world, LONG_ONE, ends=(end,))))
    ((told, news),) = result.news
    assert told == signal_id
    assert news.state is OrderState.FILLED
    assert news.fills


async def test_an_order_is_asked_for_by_what_was_known_when_it_was_sent() -> None:
    world = World()
    ref = OrderRef(
        client_order_id=ClientOrderId("sp1"),
        symbol="BTCUSDT",
        sent_at=START,
        bookmark="6372",
        venue_order_id="v1",
    )
    end = open_end(SignalId(str(world.signal().order["signal_id"])), 1, ref)
    await compared(world, Queue(due(world, ends=(end,))))
    assert world.venue.refs == [ref]


async def test_an_order_that_the_venue_cannot_tell_of_hides_no_other() -> None:
    world = World()
    signal_id = SignalId(str(world.signal().order["signal_id"]))
    refs = [OrderRef(client_order_id=ClientOrderId(f"sp{n}"), symbol="BTCUSDT", sent_at=START) for n in "12"]
    ends = tuple(open_end(signal_id, n, ref) for n, ref in enumerate(refs, 1))
    access = AccountAccess(account_id=AccountId("a"), exchange="paper", environment="paper", credentials={})
    request = OrderRequest(
        client_order_id=refs[1].client_order_id,
        symbol="BTCUSDT",
        side=Side.BUY,
        quantity=Decimal(1),
        reduce_only=False,
    )
    await world.venue.submit(access, request, lambda: None)
    world.venue.unavailable = 1
    result = await compared(world, Queue(due(world, LONG_ONE, ends=ends)))
    assert [news.leg for _, news in result.news] == [2]
    assert result.differences == []


async def test_news_that_came_before_the_venue_fell_silent_are_recorded() -> None:
    world = World()
    signal_id = SignalId(str(world.signal().order["signal_id"]))
    ref = OrderRef(client_order_id=ClientOrderId("sp1"), symbol="BTCUSDT", sent_at=START)
    access = AccountAccess(account_id=AccountId("a"), exchange="paper", environment="paper", credentials={})
    request = OrderRequest(
        client_order_id=ref.client_order_id,
        symbol="BTCUSDT",
        side=Side.BUY,
        quantity=Decimal(1),
        reduce_only=False,
    )
    await world.venue.submit(access, request, lambda: None)
    world.venue.hangs_from = 1
    end = open_end(signal_id, 1, ref)
    result = await compared(world, Queue(due(world, ends=(end, end, end))))
    assert len(result.news) == 1
    assert result.differences is None
    assert len(world.venue.refs) == 2


async def test_open_ends_that_take_too_long_are_left_for_the_next_comparison() -> None:
    world = World()
    world.venue.latency = 4.0
    ref = OrderRef(client_order_id=ClientOrderId("sp1"), symbol="BTCUSDT", sent_at=START)
    end = open_end(SignalId(str(world.signal().order["signal_id"])), 1, ref)
    result = await compared(world, Queue(due(world, ends=(end,) * 50)))
    assert result.differences == []
    # Within the lease of a minute.
    assert len(world.venue.refs) <= 10


async def test_a_venue_that_hangs_is_left_alone_for_a_while_and_costs_the_others_no_turn() -> None:
    world = World()
    world.venue.latency = 3600
    queue = Queue(*(due(world) for _ in range(50)))
    await compared(world, queue)
    assert len(queue.results) == 50
    assert {one.differences for one in queue.results} == {None}
    # Asked once in each of the pauses: all fifty would have taken fifty seconds.
    assert [one.due_in_seconds for one in queue.results].count(300) == 5


async def test_it_goes_on_when_the_database_was_away() -> None:
    world = World()
    queue = Queue(due(world))
    queue.faults = 3
    assert (await compared(world, queue)).differences == []


async def test_a_comparison_whose_lease_ran_out_is_left_alone_and_the_next_one_made() -> None:
    world = World()
    keys, world.database.keys = world.database.keys, LostClaim("no live work")
    queue = Queue(due(world, LONG_ONE))
    with pytest.raises(IndexError):
        await compared(world, queue)
    world.database.keys = keys
    queue.waiting.append(due(world))
    assert (await compared(world, queue)).differences == []


async def test_both_sides_of_one_symbol_are_compared() -> None:
    world = World()
    other = replace(LONG_ONE, side=PositionSide.SHORT, quantity=Decimal(3))
    world.venue.net = Decimal(1)
    result = await compared(world, Queue(due(world, LONG_ONE, other)))
    assert result.differences == [{"symbol": "BTCUSDT", "ours": "1 and -3", "venue": "1"}]


@pytest.mark.parametrize(("unprotected", "seconds"), [(True, 10), (False, 60)])
async def test_an_account_whose_entry_awaits_its_exits_is_compared_again_soon(
    *, unprotected: bool, seconds: int
) -> None:
    world = World()
    ref = OrderRef(client_order_id=ClientOrderId("sp1"), symbol="BTCUSDT", sent_at=START)
    end = open_end(SignalId(str(world.signal().order["signal_id"])), 1, ref, Purpose.OPEN)
    result = await compared(world, Queue(due(world, ends=(replace(end, unprotected=unprotected),))))
    assert result.due_in_seconds == seconds


def left_exit(world: World, *, age: float = 120, purpose: str = "take_profit") -> OpenEnd:
    row = world.resting("sell", purpose)
    order = row.orders[1]
    ref = OrderRef(
        client_order_id=ClientOrderId(order["client_order_id"]),
        symbol="BTCUSDT",
        sent_at=START - timedelta(seconds=age),
    )
    return open_end(SignalId(row.order["signal_id"]), 1, ref, Purpose(purpose))


async def test_an_exit_of_a_position_that_is_closed_is_cancelled() -> None:
    world = World()
    result = await compared(world, Queue(due(world, ends=(left_exit(world),))))
    assert [news.state for _, news in result.news][-1] is OrderState.CANCELLED
    assert len(world.venue.cancels) == 1


@pytest.mark.parametrize("where", ["books", "venue", "young", "entry", "siblings", "attached"])
async def test_an_exit_that_may_still_protect_is_left_alone(where: str) -> None:
    world = World()
    end = left_exit(world, age=30 if where == "young" else 120)
    if where == "entry":
        end = replace(end, purpose=Purpose.OPEN)
    if where == "attached":
        end = replace(end, ref=replace(end.ref, exit_of=ClientOrderId("spE")))
    if where == "siblings":
        world.venue.capabilities = replace(world.venue.capabilities, cancels_siblings=True)
    if where == "venue":
        world.venue.net = Decimal(1)
    held = (LONG_ONE,) if where == "books" else ()
    await compared(world, Queue(due(world, *held, ends=(end,))))
    assert world.venue.cancels == []
