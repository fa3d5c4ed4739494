"""Exits on paper, from an alert to the books of the trader: they wait, one fills, and the rows follow."""

from typing import Any

from scripts.testbed.trader import Trader
from tests.integration.worker.world import World, until

BUY = {"symbol": "BTCUSDT", "action": "buy", "quantity": "2", "price": "100"}
EXITS = {"take_profit_price": "110", "stop_loss_price": "95"}
CLOSE = {"symbol": "BTCUSDT", "action": "close", "price": "111"}


def orders(world: World, trader: Trader) -> dict[str, tuple[Any, ...]]:
    rows = world.records.rows(
        "select purpose, state, filled_quantity from public.orders where user_id = %s", trader.user_id
    )
    return {row["purpose"]: (row["state"], row["filled_quantity"]) for row in rows}


def open_positions(world: World, trader: Trader) -> int:
    return int(
        world.records.value("select count(*) from public.positions where user_id = %s", trader.user_id)
    )


async def test_a_price_beyond_the_target_closes_the_position_and_the_rows_follow(world: World) -> None:
    trader = await world.trader()
    world.worker(poll_interval_seconds="1").await_event("wake_ups_connected")
    (entry,) = await world.finished([await world.accept(trader, BUY | EXITS)])
    assert entry["status"] == "done", entry["reason"]
    found = orders(world, trader)
    assert {found["take_profit"][0], found["stop_loss"][0]} <= {"accepted", "working"}
    # The close brings the price that the target waits for, so that there is nothing left for it to close.
    (close,) = await world.finished([await world.accept(trader, CLOSE)])
    assert close["reason_code"] == "no_position", close["reason"]
    world.records.run(
        "update private.reconciliations set due_at = clock_timestamp() where account_id = %s",
        trader.account_id,
    )
    await until(lambda: orders(world, trader)["take_profit"] == ("filled", 2), 20)
    await until(lambda: open_positions(world, trader) == 0, 20)
    assert orders(world, trader)["stop_loss"] == ("cancelled", 0)
    paid = world.records.value("select sum(pnl_usd) from public.trades where user_id = %s", trader.user_id)
    assert paid == 20
