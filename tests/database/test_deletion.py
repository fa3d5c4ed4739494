"""A trader who leaves leaves nothing behind but audit rows that nobody can tell are his."""

from itertools import pairwise
from typing import Any

import psycopg
import pytest
from psycopg import sql

from tests.database.populate import populate
from tests.database.world import SEALED, Trader, World, call, filled, held, order

ROWS = 2_500


def email_of(world: World, trader: str) -> str:
    return str(world.value("select email from auth.users where id = %s", trader))


def leave(world: World, trader: Trader, confirm: str | None = None) -> dict[str, Any]:
    with world.signed_in(trader.id) as connection:
        answer = call(connection, "delete_my_account", confirm or email_of(world, trader.id))
    assert isinstance(answer, dict)
    return answer


def traces(world: World, *needles: str) -> list[str]:
    """Return every table and column of ours, of Vault and of auth that holds one of the texts."""
    columns = world.rows(
        "select n.nspname, c.relname, a.attname from pg_attribute a join pg_class c on c.oid = a.attrelid"
        " join pg_namespace n on n.oid = c.relnamespace where c.relkind = 'r' and a.attnum > 0"
        " and not a.attisdropped and n.nspname in ('public', 'private', 'vault', 'auth')"
    )
    found = []
    for schema, table, column in columns:
        query = sql.SQL("select count(*) from {}.{} t where strpos(t.{}::text, %s) > 0").format(
            *(sql.Identifier(name) for name in (schema, table, column))
        )
        for needle in needles:
            row = world.admin.execute(query, (needle,)).fetchone()
            if row is not None and row[0]:
                found.append(f"{schema}.{table}.{column}")
    return sorted(set(found))


def everything_of(world: World, trader: Trader) -> list[str]:
    needles = [
        trader.id,
        email_of(world, trader.id),
        trader.account,
        trader.webhook,
        trader.token,
        trader.secret,
    ]
    secrets = world.rows(
        "select id::text from vault.secrets where name like '%%' || %s or name like '%%' || %s",
        trader.account,
        trader.webhook,
    )
    assert len(secrets) == 2
    return [*needles, *(secret for (secret,) in secrets)]


@pytest.fixture
def two(world: World) -> tuple[Trader, Trader]:
    """Return two traders with rows in every table, and events at Stripe about both."""
    both = populate(world)
    for number, trader in enumerate((both.owner, both.other)):
        customer = f"cus_{number}"
        world.run(
            "update public.subscriptions set stripe_customer_id = %s where user_id = %s", customer, trader.id
        )
        for event, value in (
            ("a", {"id": "sub_1", "metadata": {"user_id": trader.id}}),
            ("b", {"id": "in_1", "customer": customer}),
            ("c", {"id": customer, "email": email_of(world, trader.id)}),
        ):
            stored = {
                "id": f"evt_{number}{event}",
                "type": "t",
                "livemode": False,
                "created": 1,
                "data": {"object": value},
            }
            with psycopg.connect(world.url, autocommit=True) as connection:
                assert call(connection, "store_stripe_event", stored)
    return both.owner, both.other


def rows_of(world: World, trader: Trader) -> dict[str, int]:
    tables = world.rows(
        "select a.attrelid::regclass::text from pg_attribute a join pg_class c on c.oid = a.attrelid"
        " where a.attname = 'user_id' and c.relkind = 'r'"
        " and c.relnamespace in ('public'::regnamespace, 'private'::regnamespace)"
    )
    return {
        table: int(
            world.admin.execute(
                sql.SQL("select count(*) from {} where user_id = %s").format(sql.SQL(table)), (trader.id,)
            ).fetchone()[0]  # type: ignore[index]
        )
        for (table,) in tables
    }


def test_nothing_of_him_is_left_and_nothing_of_the_other_is_touched(
    world: World, two: tuple[Trader, Trader]
) -> None:
    leaver, stayer = two
    needles = everything_of(world, leaver)
    before = rows_of(world, stayer)
    assert min(rows_of(world, leaver)[table] for table in ("signals", "trades")) > 0
    pseudonym = world.value("select pseudonym from private.pseudonyms where user_id = %s", leaver.id)
    assert leave(world, leaver) == {"status": "deleted"}
    # Accounts and webhooks were subjects of audit rows: their ids lead nowhere any more.
    assert traces(world, *needles) == ["public.audit_log.subject"]
    assert traces(world, leaver.id, *needles[1:2], *needles[4:]) == []
    assert rows_of(world, stayer) == before
    assert world.value("select count(*) from private.stripe_events") == 3
    kept = world.rows("select user_id, action from public.audit_log where pseudonym = %s", pseudonym)
    assert len(kept) > 5
    assert {user for user, _ in kept} == {None}
    assert ("account.deleted",) in {(action,) for _, action in kept}


def test_the_audit_chain_holds_after_it(world: World, two: tuple[Trader, Trader]) -> None:
    world.run("select private.seal_audit(100000)")
    leave(world, two[0])
    world.run("select private.seal_audit(100000)")
    with world.signed_in(two[1].id, "service_role") as connection:
        answer = call(connection, "verify_audit")
    assert answer["ok"] is True
    assert answer["checked"] > 10


@pytest.mark.parametrize("confirm", ["", "yes", "somebody@example.com", None, "x" * 1_000_000])
def test_a_wrong_confirmation_deletes_nothing(world: World, confirm: str | None) -> None:
    trader = world.trader()
    with (
        world.signed_in(trader.id) as connection,
        pytest.raises(psycopg.Error, match="confirm with") as refused,
    ):
        call(connection, "delete_my_account", confirm)
    assert refused.value.sqlstate == "22023"
    assert world.value("select count(*) from auth.users where id = %s", trader.id) == 1


def test_anothers_address_does_not_delete_him(world: World) -> None:
    one, other = world.trader(), world.trader()
    with world.signed_in(one.id) as connection, pytest.raises(psycopg.Error):
        call(connection, "delete_my_account", email_of(world, other.id))
    assert world.value("select count(*) from auth.users") == 2


def test_the_address_counts_in_any_case(world: World) -> None:
    trader = world.trader()
    assert leave(world, trader, f" {email_of(world, trader.id).upper()} ") == {"status": "deleted"}


def test_a_token_that_outlives_its_trader_is_told_so(world: World) -> None:
    trader = world.trader()
    email = email_of(world, trader.id)
    leave(world, trader)
    with world.signed_in(trader.id) as connection:
        for function, *arguments in (
            ("delete_my_account", email),
            ("save_api_key", "aster", "production", "Mine", SEALED),
            ("create_webhook",),
            ("export_my_data",),
            ("my_plan",),
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege, match="deleted already"):
                call(connection, function, *arguments)


def make_large(world: World, trader: Trader) -> None:
    world.run("set session_replication_role = replica")
    world.run(
        "insert into public.signals (user_id, account_id, symbol, action, status, received_at, finished_at)"
        " select %s, %s, 'S', 'buy', 'done', now(), now() from generate_series(1, %s)",
        trader.id,
        trader.account,
        ROWS,
    )
    world.run(
        "insert into public.audit_log (user_id, pseudonym, actor, action) select p.user_id, p.pseudonym,"
        " 't', 't' from private.pseudonyms p, generate_series(1, %s) where p.user_id = %s",
        ROWS,
        trader.id,
    )
    world.run("set session_replication_role = origin")


def deletion(world: World) -> dict[str, Any]:
    tasks = [
        task for task in call(world.worker, "claim_tasks", "w1", 50, 60) if task["kind"] == "delete_account"
    ]
    assert len(tasks) == 1
    return dict(tasks[0])


def batch(world: World, task: dict[str, Any]) -> bool:
    answer = call(world.worker, "work_task", task["task_id"], task["fence"])
    assert answer["ok"] is True, answer
    assert "error" not in answer, answer
    return bool(answer["more"])


def test_a_large_account_stops_at_once_and_goes_in_batches(world: World, two: tuple[Trader, Trader]) -> None:
    leaver, stayer = two
    needles = everything_of(world, leaver)
    waiting = world.accept(leaver)
    before = rows_of(world, stayer)
    make_large(world, leaver)
    assert leave(world, leaver) == {"status": "deleting"}
    assert world.ingest(leaver, {"symbol": "X", "action": "buy", "quantity": "1"})["http"] == 404
    assert world.signal(waiting)["reason_code"] == "no_account"
    assert waiting not in {one["signal_id"] for one in world.claim()}
    assert (
        world.value(
            "select count(*) from vault.secrets where id = any (select secret_id from public.user_api_keys"
            " where user_id = %s)",
            leaver.id,
        )
        == 0
    )
    # Asked for twice, done once.
    assert leave(world, leaver) == {"status": "deleting"}
    task = deletion(world)
    most = 0
    batches = 0
    while True:
        count = sum(rows_of(world, leaver).values())
        more = batch(world, task)
        batches += 1
        most = max(most, count - sum(rows_of(world, leaver).values()) if more else 0)
        if batches == 3:
            # Its worker dies; another one goes on.
            world.run(
                "update private.tasks set lease_until = now() - interval '1 second' where state = 'running'"
            )
            task = deletion(world)
        if not more:
            break
    assert batches > ROWS // 1000 * 2
    assert most <= 1000
    assert call(
        world.worker, "finish_tasks", [{"task_id": task["task_id"], "fence": task["fence"], "ok": True}]
    )[0]["ok"]
    assert traces(world, *needles) == ["public.audit_log.subject"]
    assert traces(world, leaver.id) == []
    assert rows_of(world, stayer) == before


def test_a_deletion_whose_task_is_dead_begins_anew_when_it_is_asked_for_again(world: World) -> None:
    leaver = world.trader()
    make_large(world, leaver)
    assert leave(world, leaver) == {"status": "deleting"}
    given_up = deletion(world)
    failed = {"task_id": given_up["task_id"], "fence": given_up["fence"], "ok": False, "error": "no"}
    assert call(world.worker, "finish_tasks", [failed])[0]["ok"]
    assert leave(world, leaver) == {"status": "deleting"}
    task = deletion(world)
    while batch(world, task):
        pass
    assert world.value("select count(*) from auth.users where id = %s", leaver.id) == 0


def test_copies_of_a_large_account_go_in_batches_too(world: World) -> None:
    leaver = world.trader()
    make_large(world, leaver)
    with world.signed_in(leaver.id) as connection:
        export = call(connection, "export_my_data")["export_id"]
    world.run("insert into private.export_parts select %s, n, 'x' from generate_series(1001, 1120) n", export)
    leave(world, leaver)
    task = deletion(world)
    parts = [world.value("select count(*) from private.export_parts")]
    while batch(world, task):
        parts.append(world.value("select count(*) from private.export_parts"))
    assert parts[0] >= 120
    assert parts[-1] == 0
    assert max(before - after for before, after in pairwise(parts)) == 50


def test_a_worker_that_holds_his_signal_changes_nothing_any_more(world: World) -> None:
    leaver, stayer = world.trader(), world.trader()
    signal = world.accept(leaver)
    claimed = next(one for one in world.claim() if one["signal_id"] == signal)
    world.begin(order(claimed))
    leave(world, leaver)
    assert world.begin(order(claimed, leg=2))[0]["ok"] is False
    assert world.finish(held(claimed) | {"status": "done", "news": [filled()]})[0]["ok"] is False
    assert world.value("select count(*) from public.orders") == 0
    other = world.accept(stayer)
    assert other in {one["signal_id"] for one in world.claim()}


def test_only_the_signed_in_trader_may_delete_himself(world: World) -> None:
    trader = world.trader()
    for role in ("anon", "service_role", "sparky_worker", "sparky_edge", "dashboard_server"):
        with (
            world.signed_in(trader.id, role) as connection,
            pytest.raises(psycopg.errors.InsufficientPrivilege),
        ):
            call(connection, "delete_my_account", email_of(world, trader.id))
    assert world.value("select count(*) from auth.users") == 1
