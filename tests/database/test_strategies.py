"""A trader's strategies: his own rows, and counters that follow his trades."""

import itertools
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import sql

from tests.database.world import Trader, World, call, fill, filled, held, order

COUNTERS = "total_trades, winning_trades, losing_trades, success_rate, avg_profit, total_pnl_usd"
_numbers = itertools.count(1)


def make(world: World, trader: Trader, name: str | None = None, strategy_id: str | None = None) -> str:
    return str(
        world.value(
            "insert into public.strategies (user_id, name, id)"
            " values (%s, %s, coalesce(%s::uuid, gen_random_uuid())) returning id",
            trader.id,
            name or f"s{next(_numbers)}",
            strategy_id,
        )
    )


def counters(world: World, strategy_id: str) -> tuple[Any, ...]:
    query = sql.SQL("select {} from public.strategies where id = %s").format(sql.SQL(COUNTERS))
    row = world.admin.execute(query, (strategy_id,)).fetchone()
    assert row is not None
    return row


def claim_for(
    world: World, trader: Trader, strategy_id: str | None, side: str, symbol: str
) -> dict[str, Any]:
    """Ingest, put under a strategy, claim and begin one order."""
    signal_id = world.accept(trader, symbol=symbol, action=side)
    world.run("update public.signals set strategy_id = %s where id = %s", strategy_id, signal_id)
    one = next(found for found in world.claim(50) if found["signal_id"] == signal_id)
    assert world.begin(order(one, side=side))[0]["ok"] is True
    return one


def some(quantity: str, price: str) -> dict[str, Any]:
    return fill(f"f{next(_numbers)}", quantity, price)


def execute(
    world: World,
    trader: Trader,
    strategy_id: str | None,
    side: str,
    *fills: dict[str, Any],
    symbol: str = "BTCUSDT",
) -> None:
    one = claim_for(world, trader, strategy_id, side, symbol)
    assert world.finish(held(one) | {"status": "done", "news": [filled(fills=fills)]})[0]["ok"] is True


def write_trade(world: World, trader: Trader, strategy_id: str | None, pnl: str) -> str:
    return str(
        world.value(
            "insert into public.trades (user_id, strategy_id, symbol, side, entry_price, entry_time,"
            " exit_price, exit_time, quantity, position_size_usd, pnl_usd, pnl_percent, is_winner, order_id)"
            " values (%s, %s, 'X', 'BUY', 1, now(), 1, now(), 1, 1, %s, 0, %s, %s) returning id",
            trader.id,
            strategy_id,
            pnl,
            Decimal(pnl) > 0,
            f"o{next(_numbers)}",
        )
    )


def refused(connection: psycopg.Connection[tuple[Any, ...]], statement: str, *parameters: Any) -> str:
    with pytest.raises(psycopg.Error) as error:
        connection.execute(statement, parameters)
    return error.value.sqlstate or ""


def test_a_trader_creates_changes_and_deletes_without_naming_himself(world: World) -> None:
    trader = world.trader()
    with world.signed_in(trader.id) as connection:
        row = connection.execute(
            "insert into public.strategies (name, description, asset_class, notes, take_profit_percent,"
            " stop_loss_percent, status) values ('Breakout', 'd', 'crypto', 'ASSET_CLASSES:crypto,forex',"
            " null, 0, 'inactive') returning user_id::text,"
            " total_trades, winning_trades, success_rate, avg_profit"
        ).fetchone()
        assert row == (trader.id, 0, 0, None, None)
        changed = "update public.strategies set status = 'active' returning notes, updated_at > created_at"
        assert connection.execute(changed).fetchone() == ("ASSET_CLASSES:crypto,forex", True)
        assert connection.execute("delete from public.strategies returning name").fetchall() == [
            ("Breakout",)
        ]


def test_a_name_is_once_per_trader(world: World) -> None:
    trader, other = world.trader(), world.trader()
    for one in (trader, other):
        make(world, one, "Breakout")
    make(world, trader, "breakout")
    with world.signed_in(trader.id) as connection:
        assert refused(connection, "insert into public.strategies (name) values ('Breakout')") == "23505"


@pytest.mark.parametrize(
    ("column", "value", "sentence"),
    [
        *(("name", value, "name has 1 to 100 characters") for value in (None, "", "  ", "n" * 1_000_000)),
        *(("status", value, "is active, inactive or testing") for value in (None, "running", "Active")),
        ("risk_level", "extreme", "risk level is low, medium or high"),
        *(("stop_loss_percent", value, "stop_loss_percent is a number") for value in ("-1", "NaN")),
        ("take_profit_percent", "-0.5", "take_profit_percent is a number"),
        ("max_position_size_usd", "-1", "max_position_size_usd is a number"),
        *(
            ("exchange", value, "is aster, oanda, tradier")
            for value in ("kraken", "Aster", "tradier_options")
        ),
        ("environment", "live", "is production, sandbox or paper"),
        *(("position_size_percent", value, "from 0 to 100") for value in ("-1", "100.01", "NaN")),
        *(("symbols", value, "at most 200 symbols") for value in (["S"] * 201, ["S" * 10_001])),
        ("description", "d" * 5001, "at most 5000 characters"),
        ("notes", "n" * 10_001, "at most 10000 characters"),
        ("pine_script", "p" * 100_001, "at most 100000 characters"),
        *((column, "x" * 21, "at most 20 characters") for column in ("timeframe", "pine_script_version")),
    ],
)
def test_what_does_not_fit_is_refused_in_words(shared: World, column: str, value: Any, sentence: str) -> None:
    trader = shared.trader()
    kept = make(shared, trader)
    other = sql.Identifier("description" if column == "name" else "name")
    with shared.signed_in(trader.id) as connection:
        for statement in (
            sql.SQL("insert into public.strategies ({}, {}) values (%s, 'Bad')").format(
                sql.Identifier(column), other
            ),
            sql.SQL("update public.strategies set {} = %s").format(sql.Identifier(column)),
        ):
            with pytest.raises(psycopg.errors.InvalidParameterValue, match=sentence) as caught:
                connection.execute(statement, (value,))
            assert caught.value.diag.message_hint
        rows = connection.execute(
            "select id::text, updated_at = created_at from public.strategies"
        ).fetchall()
    assert rows == [(kept, True)]


def test_more_digits_than_a_strategy_has_are_refused(shared: World) -> None:
    with shared.signed_in(shared.trader().id) as connection:
        wrong = "insert into public.strategies (name, take_profit_percent) values ('Bad', 1000)"
        assert refused(connection, wrong) == "22003"


@pytest.mark.parametrize(
    "column",
    [
        *("total_trades", "winning_trades", "total_pnl_usd", "losing_trades", "success_rate", "avg_profit"),
        *("id", "user_id", "created_at", "updated_at"),
    ],
)
def test_a_trader_writes_no_counter_and_no_owner(shared: World, column: str) -> None:
    trader = shared.trader()
    make(shared, trader)
    with shared.signed_in(trader.id) as connection:
        name = sql.Identifier(column)
        for statement in (
            sql.SQL("update public.strategies set {} = default").format(name),
            sql.SQL("insert into public.strategies (name, {}) values ('x', default)").format(name),
        ):
            if column == "user_id" and "insert" in statement.as_string():
                continue
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement)


def test_a_trade_counts_for_the_strategy_that_opened_the_position(world: World) -> None:
    trader = world.trader()
    opened, closed = make(world, trader), make(world, trader)
    execute(world, trader, opened, "buy", some("2", "100"))
    assert world.value("select strategy_id::text from public.positions") == opened
    execute(world, trader, closed, "sell", some("1", "110"))
    execute(world, trader, None, "sell", some("1", "90"))
    assert world.rows("select distinct strategy_id::text from public.trades") == [(opened,)]
    assert counters(world, opened) == (2, 1, 1, Decimal("50.00"), Decimal("0.00"), 0)
    assert counters(world, closed)[0] == 0


def test_adding_keeps_the_strategy_and_crossing_zero_takes_the_new_one(world: World) -> None:
    trader = world.trader()
    first, second = make(world, trader), make(world, trader)
    execute(world, trader, first, "buy", some("1", "100"))
    execute(world, trader, second, "buy", some("1", "100"))
    assert world.value("select strategy_id::text from public.positions") == first
    execute(world, trader, second, "sell", some("3", "120"))
    assert world.value("select strategy_id::text from public.positions") == second
    assert counters(world, first) == (1, 1, 0, Decimal("100.00"), Decimal("40.00"), 40)


def test_a_trade_that_grows_is_counted_once(world: World) -> None:
    trader = world.trader()
    strategy = make(world, trader)
    execute(world, trader, strategy, "buy", some("2", "100"))
    one = claim_for(world, trader, strategy, "sell", "BTCUSDT")
    world.finish(held(one) | {"news": [filled(state="partially_filled", fills=[some("1", "90")])]})
    assert counters(world, strategy) == (1, 0, 1, Decimal("0.00"), Decimal("-10.00"), -10)
    world.finish(held(one) | {"status": "done", "news": [filled(fills=[some("1", "115")])]})
    assert counters(world, strategy) == (1, 1, 0, Decimal("100.00"), Decimal("5.00"), 5)


def test_what_a_venue_tells_of_an_old_order_counts_too(world: World) -> None:
    trader = world.trader()
    strategy = make(world, trader)
    execute(world, trader, strategy, "buy", some("1", "100"))
    one = claim_for(world, trader, strategy, "sell", "BTCUSDT")
    world.finish(held(one) | {"status": "done", "news": [filled(state="working")]})
    claimed = call(world.worker, "claim_accounts", "w1", 10, 60)[0]
    news = filled(fills=[some("1", "130")]) | {"signal_id": one["signal_id"]}
    result = {
        "account_id": trader.account,
        "fence": claimed["fence"],
        "due_in_seconds": 60,
        "news": [news],
        "differences": [],
    }
    assert call(world.worker, "finish_accounts", [result])[0]["ok"] is True
    assert counters(world, strategy) == (1, 1, 0, Decimal("100.00"), Decimal("30.00"), 30)


def test_deleting_a_strategy_keeps_what_came_of_it(world: World) -> None:
    trader = world.trader()
    strategy, other = make(world, trader), make(world, trader)
    execute(world, trader, strategy, "buy", some("2", "100"))
    execute(world, trader, strategy, "sell", some("1", "110"))
    execute(world, trader, other, "buy", some("1", "1"), symbol="ETHUSDT")
    with world.signed_in(trader.id) as connection:
        deleted = connection.execute("delete from public.strategies where id = %s returning id", (strategy,))
        assert len(deleted.fetchall()) == 1
    for table in ("signals", "positions", "trades"):
        query = sql.SQL(
            "select count(*) filter (where user_id = %s), count(*) filter (where strategy_id = %s)"
            " from public.{}"
        ).format(sql.Identifier(table))
        row = world.admin.execute(query, (trader.id, strategy)).fetchone()
        assert row is not None
        assert row[0] > 0
        assert row[1] == 0
    assert world.value("select strategy_id::text from public.positions where symbol = 'ETHUSDT'") == other


def test_a_trade_of_another_traders_strategy_is_impossible(world: World) -> None:
    trader, other = world.trader(), world.trader()
    strategy = make(world, other)
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        write_trade(world, trader, strategy, "1")
    assert counters(world, strategy)[0] == 0


def test_a_trader_with_strategies_and_trades_can_leave(world: World) -> None:
    trader, other = world.trader(), world.trader()
    for one in (trader, other):
        strategy = make(world, one)
        execute(world, one, strategy, "buy", some("2", "100"))
        execute(world, one, strategy, "sell", some("1", "110"))
    assert world.run("delete from auth.users where id = %s", trader.id) == 1
    assert world.rows("select user_id::text, total_trades from public.strategies") == [(other.id, 1)]


def test_deleting_an_account_changes_no_counter(world: World) -> None:
    trader = world.trader()
    strategy = make(world, trader)
    execute(world, trader, strategy, "buy", some("2", "100"))
    execute(world, trader, strategy, "sell", some("1", "110"))
    before = world.row("select xmin::text, total_trades from public.strategies")
    world.run("delete from public.user_api_keys where id = %s", trader.account)
    assert world.row("select xmin::text, total_trades from public.strategies") == before


STEP = st.tuples(
    st.sampled_from(["write", "write", "change", "move", "delete", "move_all", "delete_strategy"]),
    st.integers(0, 3),
    st.integers(-10_000, 10_000).map(lambda cents: str(Decimal(cents) / 100)),
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEP, min_size=1, max_size=25))
def test_counters_always_equal_a_recount(shared: World, steps: list[tuple[str, int, str]]) -> None:
    trader = shared.trader()
    chosen: list[str | None] = [None, *(make(shared, trader) for _ in range(3))]
    written: list[str] = []
    for kind, number, pnl in steps:
        strategy = chosen[number]
        if kind == "write":
            written.append(write_trade(shared, trader, strategy, pnl))
        elif kind == "delete_strategy" and strategy is not None:
            shared.run("delete from public.strategies where id = %s", strategy)
            chosen[number] = make(shared, trader)
        elif kind == "move_all":
            shared.run("update public.trades set strategy_id = %s where user_id = %s", strategy, trader.id)
        elif written:
            _change(shared, kind, written[number % len(written)], strategy, pnl)
    assert _recount_differs(shared, trader) == []


def _change(world: World, kind: str, trade: str, strategy: str | None, pnl: str) -> None:
    if kind == "change":
        world.run(
            "update public.trades set pnl_usd = %s, is_winner = %s where id = %s",
            pnl,
            Decimal(pnl) > 0,
            trade,
        )
    elif kind == "move":
        world.run("update public.trades set strategy_id = %s where id = %s", strategy, trade)
    elif kind == "delete":
        world.run("delete from public.trades where id = %s", trade)


def _recount_differs(world: World, trader: Trader) -> list[tuple[Any, ...]]:
    return world.rows(
        "select s.total_trades, s.winning_trades, s.total_pnl_usd, c.* from public.strategies s"
        " cross join lateral (select count(*) as n, count(*) filter (where t.is_winner) as w,"
        " count(*) filter (where not t.is_winner) as l, coalesce(sum(t.pnl_usd), 0) as pnl,"
        " round(count(*) filter (where t.is_winner) * 100.0 / nullif(count(*), 0), 2) as rate,"
        " round(sum(t.pnl_usd) / nullif(count(*), 0), 2) as average"
        " from public.trades t where t.strategy_id = s.id) c"
        " where s.user_id = %s and (s.total_trades, s.winning_trades, s.losing_trades, s.total_pnl_usd,"
        " s.success_rate, s.avg_profit) is distinct from (c.n, c.w, c.l, c.pnl, c.rate, c.average)",
        trader.id,
    )


def test_a_wrong_counter_would_be_noticed(world: World) -> None:
    trader = world.trader()
    strategy = make(world, trader)
    write_trade(world, trader, strategy, "5")
    assert _recount_differs(world, trader) == []
    world.run("update public.strategies set winning_trades = 0 where id = %s", strategy)
    assert len(_recount_differs(world, trader)) == 1
