"""What lies beside the tables of schema public is closed to the API. test_matrix.py has those tables."""

# ruff: noqa: S608 - the names of tables in statements come from the catalogue

import uuid
from typing import Any

import psycopg
import pytest

from tests.database.populate import Two, populate
from tests.database.world import World

API_ROLES = ("anon", "authenticated", "service_role", "sparky_worker", "sparky_edge", "dashboard_server")
DENIED = "42501"


@pytest.fixture(scope="module")
def two(shared: World) -> Two:
    return populate(shared)


@pytest.fixture(params=API_ROLES)
def role(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def run(connection: psycopg.Connection[tuple[Any, ...]], statement: str, *parameters: Any) -> int | str:
    """Return how many rows a statement touched, or the code it was refused with; nothing stays."""
    try:
        with connection.transaction(force_rollback=True):
            return connection.execute(statement, parameters).rowcount
    except psycopg.Error as error:
        return error.sqlstate or ""


def tables(world: World, schema: str, kinds: str) -> list[tuple[str, str]]:
    """Return name and a column of each table."""
    return world.rows(
        "select format('%%I.%%I', %s::text, c.relname), quote_ident(min(a.attname))"
        " from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped"
        " where relnamespace = %s::regnamespace and relkind = any (%s) group by c.oid",
        schema,
        schema,
        list(kinds),
    )


def every_verb(table: str, column: str) -> list[str]:
    return [
        f"select 1 from {table}",
        f"insert into {table} default values",
        f"update {table} set {column} = null",
        f"delete from {table}",
        f"truncate {table}",
    ]


def test_schema_private_is_closed(two: Two, role: str) -> None:
    found = tables(two.world, "private", "rvmp")
    assert len(found) > 8
    with two.world.signed_in(two.owner.id, role) as connection:
        for table, column in found:
            for statement in every_verb(table, column):
                assert run(connection, statement) == DENIED, statement
        for (name,) in two.world.rows(
            "select oid::regclass::text from pg_class"
            " where relnamespace = 'private'::regnamespace and relkind = 'S'"
        ):
            assert run(connection, f"select nextval('{name}')") == DENIED
        assert run(connection, "select private.parse_alert('x')") == DENIED
        assert run(connection, "select private.claim('x', 1, 1)") == DENIED


def test_vault_is_closed_to_all_but_the_service_key(two: Two, role: str) -> None:
    with two.world.signed_in(two.owner.id, role) as connection:
        for table in ("vault.secrets", "vault.decrypted_secrets"):
            for statement in every_verb(table, "name"):
                # The service key reads and deletes secrets on every hosted project.
                # To truncate a view is an error of another kind.
                if role != "service_role" or not statement.startswith(("select", "delete")):
                    assert run(connection, statement) in {DENIED, "42809"}, statement
        if role != "service_role":
            assert run(connection, "select vault.create_secret('x')") == DENIED


def test_users_are_not_shown(two: Two, role: str) -> None:
    found = tables(two.world, "auth", "rvmp")
    assert any(table == "auth.users" for table, _ in found)
    with two.world.signed_in(two.owner.id, role) as connection:
        for table, column in found:
            for statement in every_verb(table, column):
                assert run(connection, statement) == DENIED, statement


def test_messages_of_realtime_are_not_shown_but_the_wake_up_to_the_worker(two: Two, role: str) -> None:
    two.world.run("select realtime.send('{}', 'wake', 'worker', true)")
    assert two.world.value("select count(*) from realtime.messages where topic = 'worker'") > 0
    write = (
        "insert into realtime.messages (topic, extension, event, private)"
        " values ('worker', 'broadcast', 'wake', true)"
    )
    with two.world.signed_in(two.owner.id, role) as connection:
        connection.execute("select set_config('realtime.topic', 'worker', false)")
        found = run(connection, "select 1 from realtime.messages")
        written = run(connection, write)
    if role == "service_role":
        assert isinstance(found, int)
        assert written == 1
        return
    assert written == DENIED
    if role == "sparky_worker":
        assert isinstance(found, int)
        assert found > 0
    else:
        assert found in {0, DENIED}


@pytest.mark.parametrize("table", ["user_api_keys", "user_webhook_configs"])
def test_the_name_of_a_secret_is_not_shown(two: Two, table: str) -> None:
    with two.world.signed_in(two.owner.id) as connection:
        assert run(connection, f"select secret_id from public.{table}") == DENIED
        assert run(connection, f"select * from public.{table}") == DENIED


def test_a_webhook_cannot_be_given_to_another_trader(two: Two) -> None:
    with two.world.signed_in(two.owner.id) as connection:
        for column, value in (
            ("user_id", two.other.id),
            ("secret_id", two.other.id),
            ("hint", "x"),
            ("id", two.other.id),
        ):
            assert run(connection, f"update public.user_webhook_configs set {column} = %s", value) == DENIED


@pytest.mark.parametrize("column", ["id", "user_id", "secret_id"])
def test_nor_does_the_service_key_give_one_to_a_trader_who_then_has_it_shown(two: Two, column: str) -> None:
    spare = two.world.sign_up()
    value = two.owner.id if column == "user_id" else str(uuid.uuid4())
    statement = f"update public.user_webhook_configs set {column} = %s where user_id = %s"
    with two.world.signed_in(spare, "service_role") as connection:
        assert run(connection, statement, value, spare) == DENIED
    assert run(two.world.admin, statement, value, spare) == DENIED


@pytest.mark.parametrize("table", ["trade_settings_global", "trade_settings_exchange"])
def test_nobody_learns_whether_another_has_a_row_of_an_id(two: Two, table: str) -> None:
    theirs = two.world.value(f"select id from public.{table} where user_id = %s limit 1", two.other.id)
    with two.world.signed_in(two.owner.id) as connection:
        for guess in (theirs, uuid.uuid4()):
            assert run(connection, f"insert into public.{table} (id) values (%s)", guess) == DENIED
            assert run(connection, f"update public.{table} set id = %s", guess) == DENIED


def test_rows_refer_to_rows_of_the_same_trader_only(two: Two) -> None:
    their_strategy = two.world.value("select id from public.strategies where user_id = %s", two.other.id)
    statements = {
        "insert into public.signals (user_id, account_id, symbol) values (%s, %s, 'X')": two.other.account,
        "insert into public.signals (user_id, webhook_id, status, finished_at) values (%s, %s,"
        " 'rejected', now())": two.other.webhook,
        "insert into public.signals (user_id, strategy_id, status, finished_at) values (%s, %s,"
        " 'rejected', now())": their_strategy,
        "insert into public.positions (user_id, account_id, symbol, side, quantity, entry_price,"
        " entry_time, position_size_usd)"
        " values (%s, %s, 'Q', 'BUY', 1, 1, now(), 1)": two.other.account,
    }
    for statement, foreign in statements.items():
        assert run(two.world.admin, statement, two.owner.id, foreign) == "23503"
