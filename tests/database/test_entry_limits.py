"""Counted limits on entries: what is counted, who is let in, and that two at once never pass together."""

from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from tests.database.races import at_once
from tests.database.world import Trader, World, call, fill, filled, held, order

# The row of an exchange allows three open positions from its beginning.
NO_LIMIT = {"max_open_positions": 0}


def limit(world: World, trader: Trader, exchange: str | None = "paper", **settings: Any) -> None:
    """Set the settings of an exchange, or of all of them."""
    names = ", ".join(settings)
    values = [Jsonb(value) if isinstance(value, dict) else value for value in settings.values()]
    if exchange is None:
        changes = ", ".join(f"{name} = %s" for name in settings)
        world.admin.execute(
            f"update public.trade_settings_global set {changes} where user_id = %s",  # noqa: S608
            [*values, trader.id],
        )
        return
    settings = NO_LIMIT | settings
    names = ", ".join(settings)
    values = [Jsonb(value) if isinstance(value, dict) else value for value in settings.values()]
    world.admin.execute(
        f"insert into public.trade_settings_exchange (user_id, exchange, {names})"  # noqa: S608
        f" values (%s, %s, {', '.join(['%s'] * len(values))})",
        [trader.id, exchange, *values],
    )


def entry(work_order: dict[str, Any], **changes: Any) -> dict[str, Any]:
    symbol = work_order["symbol"]
    plan = {"legs": [{"leg": 1, "purpose": "open", "symbol": symbol}]}
    return order(work_order, **changes) | {"plan": plan}


def enter(world: World, trader: Trader, symbol: str = "BTCUSDT", **fields: Any) -> dict[str, Any]:
    """Take one entry as far as its begun order, and return what begin_orders answered beside the claim."""
    world.accept(trader, symbol=symbol, **fields)
    claimed = world.claim_one()
    return {"claim": claimed, **world.begin(entry(claimed))[0]}


def traded(world: World, trader: Trader, symbol: str = "BTCUSDT", price: str = "100") -> None:
    done = enter(world, trader, symbol)
    assert done["ok"], done
    news = [filled(fills=[fill(f"open/{done['signal_id']}", price=price)])]
    assert world.finish(held(done["claim"]) | {"status": "done", "news": news})[0]["ok"]


def close(world: World, trader: Trader, symbol: str = "BTCUSDT", price: str = "100") -> None:
    world.accept(trader, symbol=symbol, action="close")
    claimed = world.claim_one()
    wanted = order(claimed, side="sell", purpose="close") | {"plan": {"legs": [{"purpose": "close"}]}}
    assert world.begin(wanted)[0]["ok"]
    at = world.value("select to_jsonb(clock_timestamp()) #>> '{}'")
    news = [filled(fills=[fill(f"close/{claimed['signal_id']}", price=price) | {"filled_at": at}])]
    assert world.finish(held(claimed) | {"status": "done", "news": news})[0]["ok"]


def obstacle(answer: dict[str, Any]) -> tuple[str, str, str, str]:
    assert answer["ok"] is False, answer
    found = answer["obstacle"]
    assert found["ok"] is False
    return found["name"], found["scope"], found["limit"], found["used"]


def test_without_limits_nothing_is_counted_but_the_entry_is_marked(world: World) -> None:
    trader = world.trader()
    world.accept(trader)
    claimed = world.claim_one()
    assert claimed["limits"] == []
    assert world.begin(entry(claimed))[0]["ok"]
    assert world.signal(claimed["signal_id"])["entered_at"] is not None


def test_an_entry_over_the_day_s_number_is_kept_out_and_nothing_is_written(world: World) -> None:
    trader = world.trader()
    limit(world, trader, max_trades_per_day=1)
    traded(world, trader)
    kept_out = enter(world, trader, "ETHUSDT")
    assert obstacle(kept_out) == ("max_trades_per_day", "paper", "1", "1")
    signal = world.signal(kept_out["signal_id"])
    assert (signal["status"], signal["plan"], signal["entered_at"]) == ("executing", None, None)
    assert world.value("select count(*) from public.orders where signal_id = %s", signal["id"]) == 0
    # The claim has told it before.
    assert kept_out["claim"]["limits"] == [kept_out["obstacle"]]


def test_exits_are_never_counted_nor_held_back(world: World) -> None:
    trader = world.trader()
    limit(world, trader, max_trades_per_day=1, max_open_positions=1)
    traded(world, trader)
    close(world, trader)
    assert world.value("select count(*) from public.signals where entered_at is not null") == 1


def test_the_global_row_counts_all_exchanges_and_a_row_of_an_exchange_its_own(world: World) -> None:
    trader = world.trader()
    limit(world, trader, "aster", max_trades_per_day=1)
    traded(world, trader)
    traded(world, trader, "ETHUSDT")
    limit(world, trader, None, max_trades_per_day=2)
    assert obstacle(enter(world, trader, "SOLUSDT")) == ("max_trades_per_day", "all", "2", "2")


def test_a_day_begins_at_midnight_in_new_york(world: World) -> None:
    trader = world.trader()
    limit(world, trader, max_trades_per_day=1)
    traded(world, trader)
    midnight = "date_trunc('day', now() at time zone 'America/New_York') at time zone 'America/New_York'"
    world.admin.execute(
        f"update public.signals set entered_at = {midnight} - interval '1 millisecond'"  # noqa: S608
    )
    second = enter(world, trader, "ETHUSDT")
    assert second["ok"]
    world.admin.execute(
        f"update public.signals set entered_at = {midnight} where symbol = 'BTCUSDT'"  # noqa: S608
    )
    assert obstacle(enter(world, trader, "SOLUSDT")) == ("max_trades_per_day", "paper", "1", "2")


def test_an_entry_of_which_nothing_was_opened_counts_no_more(world: World) -> None:
    trader = world.trader()
    limit(world, trader, max_trades_per_day=1)
    first = enter(world, trader)
    refused = [{"leg": 1, "state": "refused", "reason_code": "venue_refused", "reason": "No."}]
    world.finish(held(first["claim"]) | {"status": "failed", "news": refused})
    assert world.signal(first["signal_id"])["entered_at"] is None
    assert enter(world, trader, "ETHUSDT")["ok"]


@pytest.mark.parametrize("state", ["accepted", "working", "unknown"])
def test_an_entry_that_may_still_open_something_counts(world: World, state: str) -> None:
    trader = world.trader()
    limit(world, trader, max_trades_per_day=1)
    first = enter(world, trader)
    status = "review" if state == "unknown" else "done"
    world.finish(held(first["claim"]) | {"status": status, "news": [{"leg": 1, "state": state}]})
    assert obstacle(enter(world, trader, "ETHUSDT"))[3] == "1"


def test_open_positions_are_those_of_the_exchange_and_those_about_to_open(world: World) -> None:
    trader = world.trader()
    limit(world, trader, max_open_positions=2)
    traded(world, trader)
    working = enter(world, trader, "ETHUSDT")
    world.finish(held(working["claim"]) | {"status": "done", "news": [{"leg": 1, "state": "working"}]})
    third = enter(world, trader, "SOLUSDT")
    assert obstacle(third) == ("max_open_positions", "paper", "2", "2")
    world.finish(held(third["claim"]) | {"status": "rejected"})
    # To add to a position is no further one.
    assert enter(world, trader)["ok"]


def test_a_reverse_keeps_its_place_between_its_two_orders(world: World) -> None:
    trader = world.trader()
    limit(world, trader, max_open_positions=1)
    traded(world, trader)
    world.accept(trader, action="sell")
    turning = world.claim_one()
    plan = {"legs": [{"purpose": "close", "symbol": "BTCUSDT"}, {"purpose": "open", "symbol": "BTCUSDT"}]}
    closing = order(turning, side="sell", purpose="close") | {"plan": plan}
    assert world.begin(closing)[0]["ok"]
    gone = filled(fills=[fill("gone")])
    assert world.finish(held(turning) | {"news": [gone]})[0]["ok"]
    assert world.value("select count(*) from public.positions") == 0
    assert obstacle(enter(world, trader, "ETHUSDT")) == ("max_open_positions", "paper", "1", "1")
    opening = order(turning, 2, side="sell") | {"plan": plan, "news": [gone]}
    assert world.begin(opening)[0]["ok"]


def test_exits_that_a_kept_out_reverse_places_again_pass(world: World) -> None:
    trader = world.trader()
    limit(world, trader, max_trades_per_day=1)
    traded(world, trader)
    world.accept(trader, action="sell")
    turning = world.claim_one()
    plan = {"legs": [{"purpose": "close", "symbol": "BTCUSDT"}, {"purpose": "open", "symbol": "BTCUSDT"}]}
    closing = order(turning, side="sell", purpose="close") | {"plan": plan}
    assert "obstacle" in world.begin(closing)[0]
    stop = order(turning, 3, side="sell", purpose="stop_loss", order_type="stop", stop_price="90")
    assert world.begin(stop | {"plan": plan})[0]["ok"]
    assert world.signal(turning["signal_id"])["entered_at"] is None
    assert "obstacle" in world.begin(closing)[0]


def test_the_day_s_loss_keeps_entries_out_from_the_limit_on(world: World) -> None:
    trader = world.trader()
    limit(world, trader, extra_settings={"max_daily_loss_usd": 10})
    traded(world, trader)
    close(world, trader, price="90.5")
    traded(world, trader)
    close(world, trader, price="99.5")
    assert obstacle(enter(world, trader)) == ("max_daily_loss_usd", "paper", "10", "10")


def test_a_profit_is_no_loss(world: World) -> None:
    trader = world.trader()
    limit(world, trader, None, extra_settings={"max_daily_loss_usd": 1})
    traded(world, trader)
    close(world, trader, price="150")
    done = enter(world, trader)
    assert done["ok"]
    assert done["claim"]["limits"] == [
        {"name": "max_daily_loss_usd", "scope": "all", "limit": "1", "used": "-50", "ok": True}
    ]


def test_the_longer_pause_between_entries_counts_for_its_symbol(world: World) -> None:
    trader = world.trader()
    limit(world, trader, extra_settings={"cooldown_sec": 30})
    limit(world, trader, None, extra_settings={"cooldown_sec": 600})
    traded(world, trader)
    assert obstacle(enter(world, trader)) == ("cooldown_sec", "all", "600", "0")
    assert enter(world, trader, "ETHUSDT")["ok"]
    world.run("update public.signals set entered_at = entered_at - interval '10 minutes'")
    world.run(
        "update public.signals set status = 'rejected', lease_until = null, finished_at = now()"
        " where status = 'executing'"
    )
    assert enter(world, trader)["ok"]


def test_an_entry_that_is_continued_is_not_counted_against_itself(world: World) -> None:
    trader = world.trader()
    limit(world, trader, max_trades_per_day=1, max_open_positions=1, extra_settings={"cooldown_sec": 60})
    first = enter(world, trader)
    world.finish(held(first["claim"]) | {"news": [{"leg": 1, "state": "absent"}]})
    world.let_lease_run_out(first["signal_id"])
    again = world.claim_one()
    assert again["limits"] == []
    assert world.begin(entry(again))[0]["ok"]


def test_options_and_shares_of_tradier_are_counted_apart(world: World) -> None:
    trader = world.trader()
    for exchange in ("tradier", "tradier_options"):
        limit(world, trader, exchange, max_trades_per_day=1)
    read = "select private.entries_today(%s, %s, null)"
    for symbol in ("AAPL", "AAPL350119C00150000", "MSFT"):
        traded(world, trader, symbol)
    world.run("update public.signals set exchange = 'tradier'")
    world.run("""update public.signals set alert = alert || '{"right": "put"}' where symbol = 'MSFT'""")
    assert world.value(read, trader.id, "tradier") == 1
    assert world.value(read, trader.id, "tradier_options") == 2
    assert world.value(read, trader.id, None) == 3


# Each lets one in, or none where the limit is used up already.
RACES: dict[str, dict[str, Any]] = {
    "max_trades_per_day": {"max_trades_per_day": 1},
    "max_open_positions": {"max_open_positions": 1},
    "cooldown_sec": {"extra_settings": {"cooldown_sec": 600}},
}


@pytest.mark.parametrize("name", RACES)
def test_of_many_entries_at_once_one_is_let_in(world: World, name: str) -> None:
    trader = world.trader()
    limit(world, trader, **RACES[name])
    for number in range(8):
        world.accept(trader, symbol=f"S{number}")
    claims = world.claim()
    assert len(claims) == 8
    if name == "cooldown_sec":
        # A pause is of one symbol, and its lane executes one at a time: other lanes trade the same contract.
        world.run("alter table public.signals drop column lane cascade")
        world.run("alter table public.signals add column lane text")
        world.run("update public.signals set symbol = 'SAME'")

    def begin(connection: psycopg.Connection[tuple[Any, ...]], number: int) -> Any:
        return call(connection, "begin_orders", [entry(claims[number])])[0]

    answers = at_once(world, "sparky_worker", 8, begin)
    assert [answer["ok"] for answer in answers].count(True) == 1, answers
    assert {answer["obstacle"]["name"] for answer in answers if not answer["ok"]} == {name}


def test_a_loss_that_is_being_recorded_keeps_all_out_that_come_after_it(world: World) -> None:
    trader = world.trader()
    limit(world, trader, extra_settings={"max_daily_loss_usd": 1})
    traded(world, trader)
    for number in range(6):
        world.accept(trader, symbol=f"S{number}")
    claims = world.claim()
    close(world, trader, price="98")

    def begin(connection: psycopg.Connection[tuple[Any, ...]], number: int) -> Any:
        return call(connection, "begin_orders", [entry(claims[number])])[0]

    answers = at_once(world, "sparky_worker", 6, begin)
    assert {obstacle(answer) for answer in answers} == {("max_daily_loss_usd", "paper", "1", "2")}


def test_one_call_with_many_entries_of_a_trader_lets_in_what_fits(world: World) -> None:
    trader, free = world.trader(), world.trader()
    limit(world, trader, max_trades_per_day=2)
    for number in range(4):
        world.accept(trader, symbol=f"S{number}")
        world.accept(free, symbol=f"S{number}")
    claims = world.claim()
    answers = world.begin(*(entry(one) for one in claims))
    let_in = [one["user_id"] for one, answer in zip(claims, answers, strict=True) if answer["ok"]]
    assert let_in.count(trader.id) == 2
    assert let_in.count(free.id) == 4


def test_without_the_lock_two_would_be_let_in(world: World) -> None:
    trader = world.trader()
    limit(world, trader, max_trades_per_day=1)
    for number in range(8):
        world.accept(trader, symbol=f"S{number}")
    claims = world.claim()
    world.run(
        "create or replace function private.lock_entries(p_claims jsonb) returns uuid[] language sql"
        " as $$ select array_agg(id) from auth.users $$"
    )
    # Held up, or the first might have committed before the second begins.
    world.run(
        "create function public.tarry() returns trigger language plpgsql as $$"
        " begin perform pg_sleep(0.2); return new; end $$"
    )
    world.run("create trigger tarry before insert on public.orders for each row execute function tarry()")

    def begin(connection: psycopg.Connection[tuple[Any, ...]], number: int) -> Any:
        return call(connection, "begin_orders", [entry(claims[number])])[0]["ok"]

    assert at_once(world, "sparky_worker", 8, begin).count(True) > 1
