"""Positions and trades follow fills."""

import itertools
import uuid
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.database.world import Trader, World, fill, filled, held, order

_ids = itertools.count(1)


def trade(world: World, trader: Trader, side: str, *fills: dict[str, Any], symbol: str = "BTCUSDT") -> str:
    """Execute one order with these fills and return its client order id."""
    signal_id = world.accept(trader, symbol=symbol, action=side)
    one = next(found for found in world.claim() if found["signal_id"] == signal_id)
    wanted = order(one, side=side)
    assert world.begin(wanted)[0]["ok"] is True
    assert world.finish(held(one) | {"status": "done", "news": [filled(fills=fills)]})[0]["ok"] is True
    return str(wanted["orders"][0]["client_order_id"])


def some(quantity: str, price: str, fee: str = "0", minute: int = 0) -> dict[str, Any]:
    return fill(f"f{next(_ids)}", quantity, price, fee, minute)


def position(world: World, trader: Trader) -> tuple[Any, ...] | None:
    found = world.rows(
        "select side, trim_scale(quantity), trim_scale(entry_price), trim_scale(entry_fees),"
        " position_size_usd"
        " from public.positions where user_id = %s",
        trader.id,
    )
    return found[0] if found else None


def trades(world: World, trader: Trader) -> list[tuple[Any, ...]]:
    return world.rows(
        "select side, trim_scale(quantity), trim_scale(entry_price), trim_scale(exit_price),"
        " pnl_usd, is_winner, order_id"
        " from public.trades where user_id = %s order by created_at",
        trader.id,
    )


def test_a_fill_opens_a_position(world: World) -> None:
    trader = world.trader()
    trade(world, trader, "buy", some("2", "100", "0.5"))
    assert position(world, trader) == ("BUY", 2, 100, Decimal("0.5"), 200)
    assert trades(world, trader) == []


def test_adding_averages_the_entry(world: World) -> None:
    trader = world.trader()
    trade(world, trader, "sell", some("1", "100", "1"), some("2", "110", "2"))
    trade(world, trader, "sell", some("1", "140", "1"))
    assert position(world, trader) == ("SELL", 4, 115, 4, 460)


def test_a_partial_close_leaves_the_rest_and_its_fees(world: World) -> None:
    trader = world.trader()
    trade(world, trader, "buy", some("4", "100", "4"))
    closing = trade(world, trader, "sell", some("1", "110", "1"))
    assert position(world, trader) == ("BUY", 3, 100, 3, 300)
    assert trades(world, trader) == [("BUY", 1, 100, 110, 8, True, closing)]


def test_a_full_close_in_several_fills_is_one_trade(world: World) -> None:
    trader = world.trader()
    trade(world, trader, "buy", some("4", "100", "4"))
    closing = trade(world, trader, "sell", some("1", "90", "1", 3), some("3", "110", "1", 1))
    assert position(world, trader) is None
    assert trades(world, trader) == [("BUY", 4, 100, 105, 14, True, closing)]
    assert world.value("select pnl_percent from public.trades") == Decimal("3.5")
    assert world.value("select extract(minute from exit_time)::int from public.trades") == 3


def test_a_loss_of_a_short_is_no_winner(world: World) -> None:
    trader = world.trader()
    trade(world, trader, "sell", some("2", "100"))
    closing = trade(world, trader, "buy", some("2", "103"))
    assert trades(world, trader) == [("SELL", 2, 100, 103, -6, False, closing)]


def test_a_fill_across_zero_closes_and_opens(world: World) -> None:
    trader = world.trader()
    trade(world, trader, "buy", some("2", "100", "2"))
    crossing = trade(world, trader, "sell", some("5", "110", "5"))
    assert position(world, trader) == ("SELL", 3, 110, 3, 330)
    assert trades(world, trader) == [("BUY", 2, 100, 110, 16, True, crossing)]


def test_positions_are_apart_by_symbol_and_trader(world: World) -> None:
    trader, other = world.trader(), world.trader()
    trade(world, trader, "buy", some("1", "100"))
    trade(world, trader, "sell", some("1", "50"), symbol="ETHUSDT")
    trade(world, other, "sell", some("1", "100"))
    assert len(world.rows("select 1 from public.positions")) == 3
    assert trades(world, trader) == []


def test_one_fill_id_in_two_symbols_is_two_fills(world: World) -> None:
    trader = world.trader()
    trade(world, trader, "buy", fill("7"))
    trade(world, trader, "buy", fill("7"), symbol="ETHUSDT")
    assert len(world.rows("select 1 from public.positions where user_id = %s", trader.id)) == 2


def test_one_fill_id_told_with_a_later_order_counts_once(world: World) -> None:
    trader = world.trader()
    trade(world, trader, "buy", fill("7"))
    trade(world, trader, "buy", fill("7"))
    assert position(world, trader) == ("BUY", 1, 100, 0, 100)


@pytest.mark.parametrize(
    ("quantity", "price"),
    [
        ("0.000000000001", "100"),
        ("1", "0.000000000001"),
        ("999999999999999", "999999999999999"),
        ("0.333333333333", "0.000000812345"),
    ],
)
def test_no_size_or_price_that_an_alert_can_name_is_too_small_or_too_large(
    world: World, quantity: str, price: str
) -> None:
    trader = world.trader()
    trade(world, trader, "buy", some(quantity, price))
    found = position(world, trader)
    assert found is not None
    assert found[1:3] == (Decimal(quantity), Decimal(price))
    trade(world, trader, "sell", some(quantity, str(Decimal(price) * 30_000)))
    assert position(world, trader) is None
    assert world.value("select round(pnl_percent) from public.trades") == 2_999_900


def test_a_close_whose_position_grew_between_two_fills_keeps_cost_and_profit_together(world: World) -> None:
    trader = world.trader()
    trade(world, trader, "buy", some("2", "100"))
    signal_id = world.accept(trader, action="sell")
    one = world.claim_one()
    world.begin(order(one, side="sell"))
    world.finish(held(one) | {"news": [filled(state="partially_filled", fills=[some("1", "120")])]})
    world.run("update public.positions set entry_price = 110, quantity = 2 where user_id = %s", trader.id)
    world.finish(held(one) | {"status": "done", "news": [filled(fills=[some("1", "120")])]})
    assert world.signal(signal_id)["status"] == "done"
    row = world.row(
        "select trim_scale(entry_price), trim_scale(exit_price), pnl_usd, pnl_percent from public.trades"
    )
    assert row == (105, 120, 30, Decimal("14.2857"))


amounts = st.integers(1, 10**6).map(lambda n: Decimal(n) / 1000)
prices = st.integers(1, 10**9).map(lambda n: Decimal(n) / 10**4)
fees = st.integers(-100, 1000).map(lambda n: Decimal(n) / 100)
orders = st.tuples(
    st.sampled_from(["buy", "sell"]), st.lists(st.tuples(amounts, prices, fees), min_size=1, max_size=4)
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(plan=st.lists(orders, min_size=1, max_size=6), data=st.data())
def test_profit_and_open_value_are_the_change_of_cash(
    shared: World, plan: list[tuple[str, list[tuple[Decimal, Decimal, Decimal]]]], data: st.DataObject
) -> None:
    trader = shared.trader()
    cash = net = Decimal(0)
    for side, parts in plan:
        sign = 1 if side == "buy" else -1
        fills = [fill(str(uuid.uuid4()), str(q), str(p), str(f)) for q, p, f in parts]
        trade(shared, trader, side, *data.draw(st.permutations(fills)), *fills)
        cash -= sum((sign * q * p + f for q, p, f in parts), Decimal(0))
        net += sum((sign * q for q, _, _ in parts), Decimal(0))
    realised = shared.value(
        "select coalesce(sum(pnl_usd), 0) from public.trades where user_id = %s", trader.id
    )
    open_value = open_fees = open_quantity = Decimal(0)
    found = position(shared, trader)
    if found is not None:
        sign = 1 if found[0] == "BUY" else -1
        open_quantity = sign * found[1]
        open_value, open_fees = open_quantity * found[2], found[3]
    assert open_quantity == net
    assert abs(realised - (cash + open_value + open_fees)) < Decimal("0.00001")
