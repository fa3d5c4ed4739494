"""Signals that the database makes itself: of a close_all, and of an entry that fills after its signal."""

from typing import Any

import pytest

from sparky.domain.work_order import parse_work_order
from tests.database.world import Trader, World, call, fill, filled, held, order

PROTECTION = {
    "entry": 1,
    "side_closed_by": "sell",
    "quantity": None,
    "exits": [
        {"number": 3, "kind": "stop_loss", "percent": "2", "quantity_percent": "100"},
    ],
}
PLAN: dict[str, Any] = {
    "legs": [],
    "notes": [],
    "protection": PROTECTION,
    "cancels": [],
    "leverage": None,
    "close_symbols": [],
    "checks": [],
}


def close_all(world: World, trader: Trader) -> str:
    """Put a close_all of the trader's account in the queue, as ingest does."""
    return str(
        world.value(
            "insert into public.signals (user_id, account_id, webhook_id, exchange, environment, symbol,"
            " action, is_exit, alert) values (%s, %s, %s, 'paper', 'paper', '*', 'close_all', true,"
            ' \'{"order_type": "market"}\') returning id',
            trader.id,
            trader.account,
            trader.webhook,
        )
    )


def bought(world: World, trader: Trader, symbol: str) -> None:
    world.accept(trader, symbol=symbol)
    claimed = world.claim_one()
    assert world.begin(order(claimed))[0]["ok"]
    news = [filled(fills=[fill(f"open/{symbol}")])]
    assert world.finish(held(claimed) | {"status": "done", "news": news})[0]["ok"]


def working(world: World, trader: Trader, symbol: str, **begun: Any) -> dict[str, Any]:
    """Leave an entry at the venue whose signal has ended, and return the claim that it had."""
    world.accept(trader, symbol=symbol)
    claimed = world.claim_one()
    wanted = order(claimed, order_type="limit", limit_price="90")
    assert world.begin(wanted | begun)[0]["ok"]
    news = [{"leg": 1, "state": "working", "venue_order_id": "v1"}]
    assert world.finish(held(claimed) | {"status": "done", "news": news})[0]["ok"]
    return claimed


def children(world: World, parent: str) -> dict[str, dict[str, Any]]:
    found = world.rows("select to_jsonb(s) from public.signals s where parent_id = %s", parent)
    return {row["symbol"]: row for (row,) in found}


def test_close_all_closes_what_is_open_works_or_was_on_its_way(world: World) -> None:
    trader, other = world.trader(), world.trader()
    bought(world, trader, "OURS")
    working(world, trader, "WORKING")
    bought(world, other, "THEIRS")
    world.accept(trader, symbol="WAITING")
    world.accept(trader, symbol="LEAVING", action="close")
    parent = close_all(world, trader)
    world.accept(trader, symbol="LATER")
    claimed = {one["symbol"]: one for one in world.claim()}
    assert set(claimed) == {"WAITING", "LEAVING", "*"}
    result = held(claimed["*"]) | {"status": "done", "close_symbols": ["SHOWN", "OURS"]}
    assert world.finish(result)[0]["ok"]
    made = children(world, parent)
    assert set(made) == {"OURS", "WORKING", "WAITING", "SHOWN"}
    for child in made.values():
        assert (child["action"], child["is_exit"], child["status"]) == ("close", True, "pending")
        assert (child["user_id"], child["account_id"]) == (trader.id, trader.account)
    # Nothing of them is executed out of turn: the lane of WAITING is still busy.
    assert {one["symbol"] for one in world.claim()} == {"OURS", "WORKING", "SHOWN", "LATER"}


def test_a_close_all_that_is_finished_again_makes_nothing_twice(world: World) -> None:
    trader = world.trader()
    parent = close_all(world, trader)
    claimed = world.claim_one()
    result = held(claimed) | {"status": "done", "close_symbols": ["A"]}
    assert world.finish(result)[0]["ok"] is True
    assert world.finish(result)[0]["ok"] is False
    first = children(world, parent)["A"]["id"]
    world.run(
        "update public.signals set status = 'executing', finished_at = null, lease_until = now() + '1 minute'"
        " where id = %s",
        parent,
    )
    assert world.finish(result | {"close_symbols": ["A", "B"]})[0]["ok"] is True
    assert children(world, parent)["A"]["id"] == first
    assert set(children(world, parent)) == {"A", "B"}


@pytest.mark.parametrize("status", ["failed", "rejected", "review"])
def test_a_close_all_that_did_not_succeed_makes_nothing(world: World, status: str) -> None:
    parent = close_all(world, world.trader())
    world.finish(held(world.claim_one()) | {"status": status, "close_symbols": ["A"]})
    assert children(world, parent) == {}


def test_what_came_after_a_close_all_waits_for_it_and_comes_after_its_closes(world: World) -> None:
    trader, other = world.trader(), world.trader()
    bought(world, trader, "BTCUSDT")
    parent = close_all(world, trader)
    later = world.accept(trader)
    world.accept(other)
    first = {one["symbol"]: one for one in world.claim() if one["user_id"] == trader.id}
    assert set(first) == {"*"}
    assert world.claim() == []
    world.finish(held(first["*"]) | {"status": "done", "close_symbols": []})
    closing = world.claim_one()
    assert closing["signal_id"] == children(world, parent)["BTCUSDT"]["id"]
    world.finish(held(closing) | {"status": "done"})
    assert world.claim_one()["signal_id"] == later


def test_what_the_database_makes_is_no_alert_and_no_plan_limits_it(world: World) -> None:
    trader = world.trader("Free")
    for number in range(5):
        world.accept(trader, symbol=f"S{number}")
    claims = world.claim()
    parent = close_all(world, trader)
    world.finish(held(world.claim_one()) | {"status": "done", "close_symbols": ["A", "B", "C"]})
    assert len(children(world, parent)) == 8
    assert len(claims) == 5
    # Ten an hour: five and the close_all were used.
    for number in range(4):
        world.accept(trader, symbol=f"S{number}", action="buy")
    assert world.ingest(trader, {"symbol": "X", "action": "buy", "quantity": "1"})["http"] == 429
    assert world.value("select sum(count) from public.usage_logs where kind = 'accepted'") == 9
    with world.signed_in(trader.id) as connection:
        shown = connection.execute("select count(*) from public.webhook_requests").fetchone()
        assert call(connection, "my_plan")["limits"]["webhooks_per_hour"]["used"] == 10
    assert shown == (11,)


def test_a_stranger_s_signal_is_no_parent(world: World) -> None:
    parent = close_all(world, world.trader())
    child = world.accept(world.trader())
    with pytest.raises(Exception, match="violates foreign key constraint"):
        world.run("update public.signals set parent_id = %s where id = %s", parent, child)


def compared(world: World, trader: Trader, *news: dict[str, Any]) -> None:
    """Let a comparison of the trader's account tell news."""
    world.run("update private.reconciliations set due_at = now(), lease_until = null")
    due = next(
        one
        for one in call(world.worker, "claim_accounts", "w1", 10, 60)
        if one["account"]["id"] == trader.account
    )
    result = {
        "account_id": trader.account,
        "fence": due["fence"],
        "differences": [],
        "due_in_seconds": 60,
        "news": list(news),
    }
    assert call(world.worker, "finish_accounts", [result])[0]["ok"] is True


def test_an_entry_that_fills_later_gets_a_signal_that_places_its_exits(world: World) -> None:
    trader = world.trader()
    entry = working(world, trader, "BTCUSDT", plan=PLAN)
    late = filled(fills=[fill("late")], filled_quantity="1", average_price="89.5")
    for _ in range(2):
        compared(world, trader, late | {"signal_id": entry["signal_id"]})
    child = children(world, entry["signal_id"])["BTCUSDT"]
    assert (child["action"], child["is_exit"], child["lane"]) == ("protect", True, entry["lane"])
    claimed = world.claim_one()
    assert claimed["signal_id"] == child["id"]
    unprotected = parse_work_order(claimed).unprotected
    assert unprotected is not None
    assert unprotected.entry.signal_id == entry["signal_id"]
    assert (str(unprotected.entry.filled_quantity), str(unprotected.entry.average_price)) == ("1", "89.5")
    assert [one.number for one in unprotected.protection.exits] == [3]
    assert world.claim() == []


def test_what_was_filled_of_a_cancelled_entry_is_protected_too(world: World) -> None:
    trader = world.trader()
    entry = working(world, trader, "BTCUSDT", plan=PLAN)
    part = {"leg": 1, "state": "partially_filled", "filled_quantity": "0.4", "fills": [fill("a", "0.4")]}
    compared(world, trader, part | {"signal_id": entry["signal_id"]})
    # More may come: its exits are placed once, for all of it.
    assert children(world, entry["signal_id"]) == {}
    ended = {"leg": 1, "state": "cancelled", "filled_quantity": "0.4"}
    compared(world, trader, ended | {"signal_id": entry["signal_id"]})
    assert set(children(world, entry["signal_id"])) == {"BTCUSDT"}


@pytest.mark.parametrize(
    ("plan", "news"),
    [
        (PLAN, {"state": "cancelled", "filled_quantity": "0"}),
        (PLAN | {"protection": None}, {"state": "filled", "filled_quantity": "1"}),
        (PLAN | {"protection": PROTECTION | {"entry": 2}}, {"state": "filled", "filled_quantity": "1"}),
    ],
)
def test_nothing_is_made_where_nothing_is_to_be_protected(
    world: World, plan: dict[str, Any], news: dict[str, Any]
) -> None:
    trader = world.trader()
    entry = working(world, trader, "BTCUSDT", plan=plan)
    compared(world, trader, {"leg": 1, "signal_id": entry["signal_id"], **news})
    assert children(world, entry["signal_id"]) == {}


def test_an_entry_whose_exits_are_placed_is_left_alone(world: World) -> None:
    trader = world.trader()
    world.accept(trader)
    claimed = world.claim_one()
    assert world.begin(order(claimed) | {"plan": PLAN})[0]["ok"]
    stop = order(claimed, 3, side="sell", order_type="stop", purpose="stop_loss", stop_price="98")
    assert world.begin(stop | {"plan": PLAN})[0]["ok"]
    news = [{"leg": 1, "state": "working"}, {"leg": 3, "state": "working"}]
    world.finish(held(claimed) | {"status": "done", "news": news})
    late = filled(fills=[fill("late")], filled_quantity="1", average_price="100")
    compared(world, trader, late | {"signal_id": claimed["signal_id"]})
    assert children(world, claimed["signal_id"]) == {}
    # And the position shows the stop that protects it.
    shown = "select stop_loss_price, stop_loss_percent, take_profit_price from public.positions"
    assert [str(value) for value in world.row(shown)] == ["98.000000000000000000", "2.0000", "None"]
    fired = filled(3, fills=[fill("out", price="98", minute=5)])
    compared(world, trader, fired | {"signal_id": claimed["signal_id"]})
    assert world.rows("select 1 from public.positions") == []


def test_an_entry_that_came_to_nothing_later_counts_no_more(world: World) -> None:
    trader = world.trader()
    plan = PLAN | {"legs": [{"leg": 1, "purpose": "open", "symbol": "BTCUSDT"}]}
    entry = working(world, trader, "BTCUSDT", plan=plan)
    assert world.signal(entry["signal_id"])["entered_at"] is not None
    gone = {"leg": 1, "state": "cancelled", "signal_id": entry["signal_id"]}
    compared(world, trader, gone)
    assert world.signal(entry["signal_id"])["entered_at"] is None


def test_a_claim_tells_of_the_orders_of_its_account_that_it_cancelled(world: World) -> None:
    trader = world.trader()
    entry = working(world, trader, "BTCUSDT", plan=PLAN)
    world.accept(trader, action="close")
    closing = world.claim_one()
    assert [one["signal_id"] for one in closing["working"]] == [entry["signal_id"]]
    part = {"leg": 1, "signal_id": entry["signal_id"], "state": "cancelled", "filled_quantity": "0.3"}
    news = [part | {"fills": [fill("half", "0.3")]}]
    assert world.finish(held(closing) | {"status": "done", "news": news})[0]["ok"]
    written = "select state, filled_quantity from public.orders where signal_id = %s"
    assert [str(value) for value in world.row(written, entry["signal_id"])] == ["cancelled", "0.3"]
    assert world.value("select count(*) from public.positions") == 1
    assert set(children(world, entry["signal_id"])) == {"BTCUSDT"}


def test_news_of_another_account_s_orders_are_refused(world: World) -> None:
    trader, other = world.trader(), world.trader()
    theirs = working(world, other, "BTCUSDT")
    world.accept(trader, action="close")
    closing = world.claim_one()
    news = [{"leg": 1, "signal_id": theirs["signal_id"], "state": "cancelled"}]
    answer = world.finish(held(closing) | {"status": "done", "news": news})[0]
    assert answer["ok"] is False
    assert world.signal(closing["signal_id"])["status"] == "executing"
    assert world.value("select state from public.orders") == "working"


def test_a_spread_is_filled_without_a_position_of_its_underlying(world: World) -> None:
    trader = world.trader()
    world.accept(trader, symbol="AAPL")
    claimed = world.claim_one()
    spread = [{"symbol": "AAPL250117C00150000", "side": "buy", "ratio": 1, "closes": False}]
    assert world.begin(order(claimed, spread=spread, order_type="limit", limit_price="0"))[0]["ok"]
    world.finish(held(claimed) | {"status": "done", "news": [filled(fills=[fill("f", price="1.2")])]})
    assert world.value("select count(*) from public.fills") == 1
    assert world.value("select count(*) from public.positions") == 0


def test_a_contract_is_a_position_of_its_own_symbol(world: World) -> None:
    trader = world.trader()
    contract = "AAPL250117C00150000"
    world.accept(trader, symbol="AAPL")
    claimed = world.claim_one()
    assert world.begin(order(claimed, symbol=contract))[0]["ok"]
    world.finish(held(claimed) | {"status": "done", "news": [filled(fills=[fill("f", price="1.2")])]})
    assert world.value("select symbol from public.positions") == contract
