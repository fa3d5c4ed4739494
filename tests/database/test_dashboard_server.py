"""The dashboard's server does what its routes need and nothing else."""

import psycopg
import pytest
from psycopg.types.json import Jsonb

from tests.database.world import World, call, connect

SERVER = "dashboard_server"


@pytest.mark.parametrize(
    ("role", "server"),
    [("service_role", True), (SERVER, True), ("authenticated", False), ("anon", False), (None, False)],
)
def test_the_database_knows_a_server_also_within_definer_functions(
    shared: World, role: str | None, *, server: bool
) -> None:
    with psycopg.connect(shared.url) as connection:
        connection.execute("create schema probe")
        connection.execute(
            "create function probe.asks() returns boolean language sql security definer set search_path = ''"
            " as 'select private.caller_is_server()'"
        )
        connection.execute("grant usage on schema probe to public")
        connection.execute("grant execute on function probe.asks() to public")
        if role is not None:
            connection.execute("select set_config('role', %s, true)", (role,))
        assert connection.execute("select probe.asks()").fetchone() == (server,)
        connection.rollback()


def test_the_server_books_a_plan_for_a_trader_by_upsert(world: World) -> None:
    trader = world.sign_up()
    with connect(world.url, SERVER) as server:
        for plan in ("Pro", "Basic"):
            row = server.execute(
                "insert into public.subscriptions (user_id, plan, status, stripe_customer_id, metadata)"
                " values (%s, %s, 'active', 'cus_1', %s) on conflict (user_id) do update set"
                " user_id = excluded.user_id, plan = excluded.plan, status = excluded.status,"
                " stripe_customer_id = excluded.stripe_customer_id, metadata = excluded.metadata returning *",
                (trader, plan, Jsonb({})),
            ).fetchone()
            assert row is not None
            assert call(server, "get_user_subscription_plan_safe", trader) == plan


def test_a_plan_that_does_not_exist_is_refused_and_named(world: World) -> None:
    trader = world.sign_up()
    with connect(world.url, SERVER) as server, pytest.raises(psycopg.errors.ForeignKeyViolation) as caught:
        server.execute("update public.subscriptions set plan = 'Premium' where user_id = %s", (trader,))
    assert 'is not present in table "plans"' in str(caught.value)


@pytest.mark.parametrize("column", ["webhooks_per_hour", "max_exchanges", "max_strategies", "past_due_since"])
def test_the_server_lifts_no_limit(world: World, column: str) -> None:
    trader = world.sign_up()
    with connect(world.url, SERVER) as server, pytest.raises(psycopg.errors.InsufficientPrivilege):
        server.execute(
            psycopg.sql.SQL("update public.subscriptions set {} = null where user_id = {}").format(
                psycopg.sql.Identifier(column), trader
            )
        )


def test_the_server_saves_a_profile_by_upsert(world: World) -> None:
    trader = world.sign_up("ann@example.com")
    with connect(world.url, SERVER) as server:
        row = server.execute(
            "insert into public.user_profiles (id, email, full_name, updated_at)"
            " values (%s, 'ann@example.com', 'Ann', '2020-01-01') on conflict (id) do update set"
            " id = excluded.id, email = excluded.email, full_name = excluded.full_name,"
            " updated_at = excluded.updated_at returning full_name, updated_at > now() - interval '1 minute'",
            (trader,),
        ).fetchone()
    assert row == ("Ann", True)


def test_the_server_makes_no_trader(world: World) -> None:
    nobody = "00000000-0000-0000-0000-00000000dead"
    with connect(world.url, SERVER) as server:
        with pytest.raises(psycopg.errors.ForeignKeyViolation):
            server.execute("insert into public.user_profiles (id) values (%s)", (nobody,))
        with pytest.raises(psycopg.errors.ForeignKeyViolation):
            server.execute("insert into public.subscriptions (user_id) values (%s)", (nobody,))


@pytest.mark.parametrize(
    "statement",
    [
        "select secret_id from public.user_api_keys",
        "select secret_id from public.user_webhook_configs",
        "select raw from public.signals",
        "select 1 from public.orders",
        "select 1 from public.trades",
        "select 1 from public.positions",
        "select 1 from public.audit_log",
        "select 1 from vault.decrypted_secrets",
        "select 1 from auth.users",
        "select 1 from private.webhook_credentials",
        "delete from public.subscriptions",
        "delete from public.user_profiles",
        "update public.signals set status = 'done'",
        "insert into public.trades default values",
        "insert into public.positions default values",
    ],
)
def test_the_server_has_no_other_right(shared: World, statement: str) -> None:
    with connect(shared.url, SERVER) as server, pytest.raises(psycopg.errors.InsufficientPrivilege):
        server.execute(statement)
