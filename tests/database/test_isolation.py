"""No trader sees or touches what belongs to another, in any table, by any verb, in any role."""

# ruff: noqa: S608 - the names of tables in statements are this file's own

from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from psycopg import sql

from tests.database.world import Trader, World, connect, fill, filled, held, order

OWNER_COLUMN = {"user_profiles": "id"}
TABLES = [
    *(
        "plans",
        "user_profiles",
        "subscriptions",
        "usage_logs",
        "audit_log",
        "user_api_keys",
        "user_webhook_configs",
    ),
    *("signals", "orders", "fills", "positions", "trades"),
]
READABLE_COLUMNS = {
    "user_api_keys": "id, user_id, exchange, environment, label, hint, key_version, status",
    "user_webhook_configs": "id, user_id, name, active, require_signature, allowed_sources, hint",
}
# What authenticated may do beside reading: table → (column to update, may delete).
WRITABLE = {"user_profiles": ("full_name", False), "user_webhook_configs": ("name", True)}


@dataclass(frozen=True, slots=True)
class Two:
    world: World
    one: Trader
    other: Trader


@pytest.fixture(scope="module")
def two(shared: World) -> Two:
    """Return two traders who both have rows in every table."""
    traders = [shared.trader(), shared.trader()]
    for trader in traders:
        for number, action in enumerate(("buy", "sell", "buy")):
            signal_id = shared.accept(trader, action=action)
            claimed = next(one for one in shared.claim() if one["signal_id"] == signal_id)
            shared.begin(order(claimed, side=action))
            news = filled(fills=[fill(f"{trader.id}{number}", "1")])
            assert shared.finish(held(claimed) | {"status": "done", "news": [news]})[0]["ok"] is True
    return Two(shared, *traders)


def run(connection: psycopg.Connection[tuple[Any, ...]], statement: str, *parameters: Any) -> int | str:
    """Return how many rows a statement touched, or the code it was refused with."""
    try:
        return connection.execute(statement, parameters).rowcount
    except psycopg.Error as error:
        return error.sqlstate or ""


DENIED = "42501"


@pytest.mark.parametrize("table", TABLES)
def test_the_fixture_filled_every_table_for_both(two: Two, table: str) -> None:
    if table == "plans":
        return
    owner = OWNER_COLUMN.get(table, "user_id")
    query = sql.SQL("select count(distinct {}) from public.{}").format(
        sql.Identifier(owner), sql.Identifier(table)
    )
    assert two.world.admin.execute(query).fetchone() == (2,)


@pytest.mark.parametrize("table", TABLES)
def test_a_trader_reads_his_own_rows_only(two: Two, table: str) -> None:
    owner = OWNER_COLUMN.get(table, "user_id")
    columns = READABLE_COLUMNS.get(table, "*")
    for me, them in ((two.one, two.other), (two.other, two.one)):
        with two.world.signed_in(me.id) as connection:
            if table == "plans":
                assert run(connection, "select * from public.plans") == 4
                continue
            mine = run(connection, f"select {columns} from public.{table} where {owner} = %s", me.id)
            assert isinstance(mine, int)
            assert mine > 0
            assert run(connection, f"select {columns} from public.{table}") == mine
            assert run(connection, f"select {columns} from public.{table} where {owner} = %s", them.id) == 0


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("whose", ["own", "others", "all"])
def test_a_trader_changes_nothing_but_what_is_granted(two: Two, table: str, whose: str) -> None:
    owner = {"plans": "name"}.get(table) or OWNER_COLUMN.get(table, "user_id")
    column, may_delete = WRITABLE.get(table, (owner, False))
    where = {
        "own": f"{owner}::text = '{two.one.id}'",
        "others": f"{owner}::text = '{two.other.id}'",
        "all": "true",
    }[whose]
    with two.world.signed_in(two.one.id) as connection:
        connection.execute("begin")
        updated = run(connection, f"update public.{table} set {column} = {column} where {where}")
        connection.execute("rollback")
        connection.execute("begin")
        deleted = run(connection, f"delete from public.{table} where {where}")
        connection.execute("rollback")
    touched = 0 if whose == "others" else 1
    assert updated == (touched if table in WRITABLE else DENIED)
    assert deleted == (touched if may_delete else DENIED)


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("role", ["authenticated", "anon", "sparky_worker", "sparky_edge"])
def test_no_api_role_inserts(two: Two, table: str, role: str) -> None:
    with two.world.signed_in(two.one.id, role) as connection:
        assert run(connection, f"insert into public.{table} default values") == DENIED
        owner = {"plans": "name"}.get(table) or OWNER_COLUMN.get(table, "user_id")
        assert run(connection, f"insert into public.{table} ({owner}) values (%s)", two.one.id) == DENIED


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("role", ["anon", "sparky_worker", "sparky_edge"])
def test_other_roles_reach_no_table(two: Two, table: str, role: str) -> None:
    with two.world.signed_in(two.one.id, role) as connection:
        for statement in (
            f"select 1 from public.{table}",
            f"update public.{table} set created_at = now()",
            f"delete from public.{table}",
            f"truncate public.{table}",
        ):
            assert run(connection, statement) in {DENIED, "42703"}, statement


@pytest.mark.parametrize("role", ["authenticated", "anon", "service_role", "sparky_worker", "sparky_edge"])
def test_no_api_role_reaches_schema_private(two: Two, role: str) -> None:
    tables = two.world.rows(
        "select relname from pg_class where relnamespace = 'private'::regnamespace and relkind in ('r', 'S')"
    )
    assert len(tables) > 8
    with two.world.signed_in(two.one.id, role) as connection:
        for (table,) in tables:
            assert run(connection, f"select 1 from private.{table}") == DENIED
        assert run(connection, "select private.parse_alert('x')") == DENIED
        assert run(connection, "select private.claim('x', 1, 1)") == DENIED


@pytest.mark.parametrize("role", ["authenticated", "anon", "sparky_worker", "sparky_edge"])
def test_no_trader_or_worker_reads_vault(two: Two, role: str) -> None:
    with two.world.signed_in(two.one.id, role) as connection:
        for view in ("vault.secrets", "vault.decrypted_secrets"):
            assert run(connection, f"select 1 from {view}") == DENIED


@pytest.mark.parametrize("column", ["secret_id"])
@pytest.mark.parametrize("table", ["user_api_keys", "user_webhook_configs"])
def test_the_name_of_a_secret_is_not_shown(two: Two, table: str, column: str) -> None:
    with two.world.signed_in(two.one.id) as connection:
        assert run(connection, f"select {column} from public.{table}") == DENIED
        assert run(connection, f"select * from public.{table}") == DENIED


def test_a_webhook_cannot_be_given_to_another_trader(two: Two) -> None:
    with two.world.signed_in(two.one.id) as connection:
        for column, value in (
            ("user_id", two.other.id),
            ("secret_id", two.other.id),
            ("hint", "x"),
            ("id", two.other.id),
        ):
            assert run(connection, f"update public.user_webhook_configs set {column} = %s", value) == DENIED


def test_rows_refer_to_rows_of_the_same_trader_only(two: Two) -> None:
    statements = {
        "insert into public.signals (user_id, account_id, symbol) values (%s, %s, 'X')": two.other.account,
        "insert into public.signals (user_id, webhook_id, status, finished_at) values (%s, %s,"
        " 'rejected', now())": two.other.webhook,
        "insert into public.positions (user_id, account_id, symbol, side, quantity, entry_price,"
        " entry_time, position_size_usd)"
        " values (%s, %s, 'Q', 'BUY', 1, 1, now(), 1)": two.other.account,
    }
    for statement, foreign in statements.items():
        assert run(two.world.admin, statement, two.one.id, foreign) == "23503"


def test_a_token_without_a_subject_sees_nothing(two: Two) -> None:
    with connect(two.world.url, "authenticated") as connection:
        for table in TABLES[1:]:
            columns = READABLE_COLUMNS.get(table, "*")
            assert run(connection, f"select {columns} from public.{table}") == 0


def test_the_service_key_reads_all(two: Two) -> None:
    with connect(two.world.url, "service_role") as connection:
        for table in TABLES:
            count = run(connection, f"select * from public.{table}")
            assert isinstance(count, int)
            assert count >= 2
