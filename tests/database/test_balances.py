"""One balance for each account, which goes with it."""

import psycopg
import pytest

from tests.database.world import Trader, World, call


def write(world: World, trader: Trader, account: str, equity: str = "100") -> None:
    world.run(
        "insert into public.account_balances"
        " (user_id, account_id, exchange, environment, currency, equity, as_of)"
        " values (%s, %s, 'paper', 'paper', 'USD', %s, now())"
        " on conflict (account_id) do update set equity = excluded.equity, as_of = excluded.as_of",
        trader.id,
        account,
        equity,
    )


def test_an_account_has_one_balance_and_the_later_one_counts(world: World) -> None:
    trader = world.trader()
    write(world, trader, trader.account, "100")
    write(world, trader, trader.account, "-0.5")
    row = world.row("select equity::text, updated_at > created_at, available from public.account_balances")
    assert row == ("-0.5", True, None)


def test_a_balance_belongs_to_the_trader_of_its_account(world: World) -> None:
    trader, other = world.trader(), world.trader()
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        write(world, trader, other.account)


def test_a_balance_goes_with_its_account(world: World) -> None:
    trader = world.trader()
    write(world, trader, trader.account)
    with world.signed_in(trader.id) as connection:
        assert connection.execute("select count(*) from public.account_balances").fetchone() == (1,)
        call(connection, "delete_api_key", trader.account)
    assert world.value("select count(*) from public.account_balances") == 0


@pytest.mark.parametrize("amount", ["NaN", "Infinity", "-Infinity"])
def test_a_balance_is_a_number(shared: World, amount: str) -> None:
    trader = shared.trader()
    with pytest.raises(psycopg.errors.CheckViolation):
        write(shared, trader, trader.account, amount)
