"""What is too old goes, in small batches and by index; what is young or live stays."""

from typing import Any, LiteralString

import pytest
from psycopg import sql

from tests.database.world import Trader, World, call, held

# rule → a statement that makes one row of the age %(age)s, an interval; %(trader)s is a trader's id.
ROWS: dict[str, LiteralString] = {
    "alert_keys.repeatable": "insert into private.alert_keys (user_id, key, signal_id, expires_at)"
    " values (%(trader)s, sha256(gen_random_uuid()::text::bytea), gen_random_uuid(),"
    " now() - %(age)s::interval)",
    "alert_keys.lasting": "insert into private.alert_keys (user_id, key, signal_id, expires_at, created_at)"
    " values (%(trader)s, sha256(gen_random_uuid()::text::bytea), gen_random_uuid(), 'infinity',"
    " now() - %(age)s::interval)",
    "signals.refused": "insert into public.signals (user_id, status, received_at, finished_at)"
    " values (%(trader)s, 'rejected', now(), now() - %(age)s::interval)",
    "signals.without_orders": "insert into public.signals (user_id, status, received_at, finished_at)"
    " values (%(trader)s, 'done', now(), now() - %(age)s::interval)",
    "notifications": "insert into public.notifications (user_id, kind, severity, title, body, created_at)"
    " values (%(trader)s, 'signal_review', 'info', 't', 'b', now() - %(age)s::interval)",
    "usage_logs": "insert into public.usage_logs (user_id, hour, kind, count)"
    " values (%(trader)s, now() - %(age)s::interval, 'accepted', 1)",
    "data_exports": "insert into public.data_exports (user_id, status, finished_at, expires_at)"
    " values (%(trader)s, 'ready', now(), now() - %(age)s::interval)",
    "stripe_events": "insert into private.stripe_events"
    " (id, type, livemode, created_at, payload, received_at)"
    " values (gen_random_uuid()::text, 't', false, now(), '{}', now() - %(age)s::interval)",
    "tasks.done": "insert into private.tasks (kind, state, finished_at)"
    " values ('validate_key', 'done', now() - %(age)s::interval)",
    "tasks.dead": "insert into private.tasks (kind, state, finished_at)"
    " values ('validate_key', 'dead', now() - %(age)s::interval)",
    "workers": "insert into private.workers (worker, version, seen_at)"
    " values (gen_random_uuid()::text, '1', now() - %(age)s::interval)",
}
MINUTE = "1 minute"


def rules(world: World) -> dict[str, tuple[str, str]]:
    rows = world.rows("select rule, relation::text, keep::text from private.retention where keep is not null")
    return {rule: (relation, keep) for rule, relation, keep in rows}


def count(world: World, relation: str) -> int:
    row = world.admin.execute(sql.SQL("select count(*) from {}").format(sql.SQL(relation))).fetchone()
    assert row is not None
    return int(row[0])


def add(world: World, rule: str, trader: Trader, keep: str, difference: str) -> None:
    age = world.value("select (%s::interval + %s::interval)::text", keep, difference)
    world.admin.execute(ROWS[rule], {"trader": trader.id, "age": age})


def clean(world: World, limit: int = 1000) -> bool:
    return bool(world.value("select private.retention_batch(%s)", limit))


def test_every_table_has_a_period_or_a_reason_to_stay(shared: World) -> None:
    missing = shared.rows(
        "select c.oid::regclass::text from pg_class c where c.relkind in ('r', 'p')"
        " and c.relnamespace in ('public'::regnamespace, 'private'::regnamespace)"
        " and not exists (select from private.retention r where r.relation = c.oid)"
    )
    assert missing == []


def test_these_tests_know_every_rule(shared: World) -> None:
    assert set(rules(shared)) - {"audit_log"} == set(ROWS)


@pytest.mark.parametrize("rule", ROWS)
def test_what_is_too_old_goes_and_what_is_a_minute_younger_stays(world: World, rule: str) -> None:
    trader = world.trader()
    relation, keep = rules(world)[rule]
    add(world, rule, trader, keep, f"-{MINUTE}")
    before = count(world, relation)
    assert clean(world) is False
    assert count(world, relation) == before
    add(world, rule, trader, keep, MINUTE)
    add(world, rule, trader, keep, "3 hours")
    assert count(world, relation) == before + 2
    clean(world)
    assert count(world, relation) == before


@pytest.mark.parametrize("rule", ROWS)
def test_a_batch_takes_no_more_than_it_may(world: World, rule: str) -> None:
    trader = world.trader()
    relation, keep = rules(world)[rule]
    before = count(world, relation)
    for number in range(5):
        add(world, rule, trader, keep, f"{number + 2} hours")
    assert clean(world, 2) is True
    assert count(world, relation) == before + 3
    assert clean(world, 2) is True
    assert clean(world, 2) is False
    assert count(world, relation) == before


def test_nothing_that_lives_or_had_an_order_is_touched(world: World) -> None:
    trader = world.trader()
    waiting, executing, executed, reviewed = (world.accept(trader, symbol=f"S{n}") for n in range(4))
    world.claim(1)
    assert world.signal(waiting)["status"] == "executing"
    waiting, executing = executing, waiting
    world.run("set session_replication_role = replica")
    world.run("update public.signals set received_at = now() - interval '9 years'")
    for signal, status, submitted in ((executed, "done", True), (reviewed, "review", False)):
        world.run(
            "update public.signals set status = %s, finished_at = now() - interval '9 years',"
            " submitted_at = case when %s then now() end where id = %s",
            status,
            submitted,
            signal,
        )
    world.run("update private.tasks set created_at = now() - interval '9 years'")
    world.run("set session_replication_role = origin")
    tasks = count(world, "private.tasks")
    clean(world)
    assert {row[0] for row in world.rows("select id::text from public.signals")} == {
        waiting,
        executing,
        executed,
        reviewed,
    }
    assert count(world, "private.tasks") == tasks > 0


def test_a_row_that_somebody_holds_waits_for_nobody(world: World) -> None:
    trader = world.trader()
    add(world, "signals.refused", trader, "90 days", MINUTE)
    with world.signed_in(trader.id, "postgres") as other, other.transaction():
        other.execute("select from public.signals for update")
        world.run("set statement_timeout = '2s'")
        assert clean(world) is False
        assert count(world, "public.signals") == 1
    clean(world)
    assert count(world, "public.signals") == 0


def test_an_operator_may_change_a_period(world: World) -> None:
    trader = world.trader()
    add(world, "notifications", trader, "10 days", MINUTE)
    clean(world)
    assert count(world, "public.notifications") == 1
    world.run("update private.retention set keep = '10 days' where rule = 'notifications'")
    clean(world)
    assert count(world, "public.notifications") == 0


PAST: tuple[LiteralString, ...] = (
    """
    insert into public.signals (user_id, status, received_at, submitted_at, finished_at)
    select %(trader)s, case n %% 50 when 0 then 'rejected' else 'done' end, now(),
      case n %% 50 when 0 then null else now() end, now() - make_interval(mins => n)
    from generate_series(1, 50000) n
    """,
    """
    insert into private.alert_keys (user_id, key, signal_id, expires_at)
    select %(trader)s, sha256(n::text::bytea), gen_random_uuid(), 'infinity' from generate_series(1, 50000) n
    """,
    """
    insert into public.notifications (user_id, kind, severity, title, body, created_at)
    select %(trader)s, 'signal_review', 'info', 't', 'b', now() - make_interval(mins => n)
    from generate_series(1, 50000) n
    """,
    """
    insert into public.usage_logs (user_id, hour, kind, count)
    select %(trader)s, now() - make_interval(hours => n), 'accepted', 1 from generate_series(1, 19000) n
    """,
    """
    insert into private.tasks (kind, state, finished_at)
    select 'validate_key', 'done', now() - make_interval(secs => n) from generate_series(1, 50000) n
    """,
    """
    insert into private.stripe_events (id, type, livemode, created_at, payload, received_at)
    select n::text, 't', false, now(), '{}', now() - make_interval(mins => n) from generate_series(1, 50000) n
    """,
)


@pytest.fixture(scope="module")
def old(shared: World) -> World:
    trader = shared.trader()
    shared.run("set session_replication_role = replica")
    for statement in PAST:
        shared.admin.execute(statement, {"trader": trader.id})
    shared.run("set session_replication_role = origin")
    shared.run("vacuum analyze")
    return shared


def scans(plan: dict[str, Any]) -> list[str]:
    own = [f"{plan['Node Type']} {plan['Relation Name']}"] if plan["Node Type"] == "Seq Scan" else []
    return own + [name for part in plan.get("Plans", []) for name in scans(part)]


@pytest.mark.parametrize("rule", sorted(set(ROWS) - {"workers", "data_exports"}))
def test_no_rule_scans_the_past(old: World, rule: str) -> None:
    statement, keep = old.row(
        "select private.retention_statement(r), r.keep from private.retention r where r.rule = %s", rule
    )
    old.run("set plan_cache_mode = force_generic_plan")
    old.admin.execute(f"prepare one (timestamptz, integer) as {statement}")
    try:
        row = old.admin.execute(
            sql.SQL("explain (format json) execute one (now() - {}::interval, 1000)").format(
                sql.Literal(str(keep))
            )
        ).fetchone()
    finally:
        old.run("deallocate one")
    assert row is not None
    assert scans(row[0][0]["Plan"]) == []


def test_the_periodic_task_does_it_through_the_worker_function(world: World) -> None:
    trader = world.trader()
    for number in range(1100):
        add(world, "tasks.done", trader, "7 days", f"{number + 1} minutes")
    tasks = {task["kind"]: task for task in call(world.worker, "claim_tasks", "w", 50, 60)}
    more = [
        call(world.worker, "work_task", *(tasks["retention"][key] for key in ("task_id", "fence")))
        for _ in range(2)
    ]
    assert more == [{"ok": True, "more": True}, {"ok": True, "more": False}]
    assert world.value("select count(*) from private.tasks where state = 'done'") == 0


def test_the_oldest_of_the_audit_log_goes_and_the_chain_holds(world: World) -> None:
    trader = world.trader()
    world.run("set session_replication_role = replica")
    world.run("update public.audit_log set at = now() - interval '2 years 1 day'")
    world.run("set session_replication_role = origin")
    old = count(world, "public.audit_log")
    world.run("select private.seal_audit(1000)")
    signal = world.accept(trader)
    claimed = world.claim_one()
    world.finish(held(claimed) | {"status": "rejected"})
    assert world.signal(signal)["status"] == "rejected"
    world.run("select private.seal_audit(1000)")
    young = count(world, "public.audit_log") - old
    assert young > 0
    tasks = {task["kind"]: task for task in call(world.worker, "claim_tasks", "w", 50, 60)}
    answer = call(world.worker, "work_task", *(tasks["retire_audit"][key] for key in ("task_id", "fence")))
    assert answer == {"ok": True, "more": False}
    assert count(world, "public.audit_log") == young
    with world.signed_in(trader.id, "service_role") as connection:
        assert call(connection, "verify_audit")["ok"] is True
