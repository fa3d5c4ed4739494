"""Options traded: what fits, to whom it belongs, what stays of it."""

from typing import Any

import psycopg
import pytest
from psycopg import sql

from tests.database.world import Trader, World

PADDED = "SPY   261218C00600000"


def write(world: World, trader: Trader, **columns: Any) -> str:
    values = {"user_id": trader.id, "underlying_symbol": "SPY", "option_symbol": PADDED} | columns
    statement = sql.SQL("insert into public.option_trades ({}) values ({}) returning id").format(
        sql.SQL(", ").join(map(sql.Identifier, values)), sql.SQL(", ").join(sql.Placeholder() * len(values))
    )
    row = world.admin.execute(statement, list(values.values())).fetchone()
    assert row is not None
    return str(row[0])


def test_a_padded_symbol_is_kept_as_it_is(shared: World) -> None:
    trade = write(shared, shared.trader())
    row = shared.row(
        "select option_symbol, status, contract_size, config_snapshot from public.option_trades"
        " where id = %s",
        trade,
    )
    assert row == (PADDED, "pending", 100, {})


@pytest.mark.parametrize(
    ("column", "value"),
    [
        *(("option_symbol", value) for value in ("", "S" * 22)),
        *(("status", "sold"), ("option_type", "straddle"), ("exchange", "oanda"), ("environment", "paper")),
        *(("strike_price", "0"), ("strike_price", "NaN"), ("quantity_contracts", "-1"), ("contract_size", 0)),
    ],
)
def test_what_is_no_option_trade_is_refused(shared: World, column: str, value: Any) -> None:
    with pytest.raises(psycopg.errors.CheckViolation):
        write(shared, shared.trader(), **{column: value})


@pytest.mark.parametrize(
    "status", ["pending", "open", "closed", "cancelled", "expired", "assigned", "failed"]
)
def test_every_end_has_its_word(shared: World, status: str) -> None:
    write(shared, shared.trader(), status=status)


@pytest.mark.parametrize("column", ["account_id", "strategy_id", "signal_id"])
def test_it_refers_to_rows_of_its_own_trader_and_outlives_them(world: World, column: str) -> None:
    trader, other = world.trader(), world.trader()
    for one in (trader, other):
        world.run("insert into public.strategies (user_id, name) values (%s, 'Wheel')", one.id)
        world.accept(one)
    table = {
        "account_id": "user_api_keys",
        "strategy_id": "strategies",
        "signal_id": "signals",
    }[column]
    find = sql.SQL("select id from public.{} where user_id = %s").format(sql.Identifier(table))
    mine, theirs = ((world.admin.execute(find, (one.id,)).fetchone() or ("",))[0] for one in (trader, other))
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        write(world, trader, **{column: theirs})
    trade = write(world, trader, strategy="Wheel", **{column: mine})
    world.admin.execute(sql.SQL("delete from public.{} where id = %s").format(sql.Identifier(table)), (mine,))
    kept = sql.SQL("select {}, strategy from public.option_trades where id = %s").format(
        sql.Identifier(column)
    )
    assert world.admin.execute(kept, (trade,)).fetchone() == (None, "Wheel")
