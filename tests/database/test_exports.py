"""A trader's copy of his data: all of it, none of a secret, small ones at once and large ones in batches."""

import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from tests.database.populate import populate
from tests.database.world import SEALED, Trader, World, call, connect

# Tables of traders that no export holds, and why.
NOT_EXPORTED = {
    "public.data_exports": "names the exports themselves; the header tells of this one",
    "private.alert_keys": "hashes of alerts whose text is in signals",
    "private.ingest_state": "one row without content, to be locked",
    "private.paper_accounts": "the paper venue's own book: what it did for the trader is in orders and fills",
    "private.pseudonyms": "stands in each of his rows of audit_log",
    "private.reconciliations": "when an account is compared next",
    "private.tasks": "work that waits; what comes of it shows in the tables",
}


def export(world: World, trader: str) -> dict[str, Any]:
    with world.signed_in(trader) as connection:
        return dict(call(connection, "export_my_data"))


def read(world: World, trader: str, export_id: str, part: int = 1) -> str:
    with world.signed_in(trader) as connection:
        return str(call(connection, "read_export", export_id, part))


def whole(world: World, trader: str, export_id: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return the header and the lines of an export that is ready."""
    parts = world.value("select parts from public.data_exports where id = %s", export_id)
    text = "".join(read(world, trader, export_id, part) for part in range(1, parts + 1))
    header, *lines = [json.loads(line) for line in text.splitlines()]
    return header, lines


def exported(world: World, trader: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    begun = export(world, trader)
    assert begun["status"] == "ready"
    return whole(world, trader, begun["export_id"])


def signals(world: World, trader: Trader, count: int, raw: str = "{}") -> None:
    # Three of each instant: pages end between rows of the same time.
    world.run(
        "insert into public.signals (user_id, status, raw, received_at, finished_at)"
        " select %s, 'rejected', %s, now() - (n / 3) * interval '1 second', now()"
        " from generate_series(1, %s) n",
        trader.id,
        raw,
        count,
    )


def task_of(world: World) -> dict[str, Any]:
    return next(one for one in call(world.worker, "claim_tasks", "w", 50, 60) if one["kind"] == "export_data")


def work(world: World, task: dict[str, Any]) -> dict[str, Any]:
    return dict(call(world.worker, "work_task", task["task_id"], task["fence"]))


def state(world: World, export_id: str) -> tuple[Any, ...]:
    return world.row("select status, parts, rows from public.data_exports where id = %s", export_id)


def refused(world: World, trader: str, function: str, *arguments: Any) -> tuple[str, str]:
    with world.signed_in(trader) as connection, pytest.raises(psycopg.Error) as refusal:
        call(connection, function, *arguments)
    assert refusal.value.diag.message_hint
    return str(refusal.value.sqlstate), f"{refusal.value.diag.message_primary}"


def test_every_table_of_traders_is_exported_or_left_out_for_a_reason(shared: World) -> None:
    tables = shared.rows(
        "select n.nspname || '.' || c.relname from pg_attribute a join pg_class c on c.oid = a.attrelid"
        " join pg_namespace n on n.oid = c.relnamespace"
        " where c.relkind in ('r', 'p') and n.nspname in ('public', 'private')"
        " and (a.attname = 'user_id' or exists (select from pg_constraint f where f.conrelid = c.oid"
        " and f.confrelid = 'auth.users'::regclass and a.attnum = any (f.conkey)))"
    )
    named = shared.rows("select 'public.' || relation from private.export_relations")
    # Those of the paper book hang on an account and have no trader of their own.
    assert {table for (table,) in tables} - {table for (table,) in named} <= set(NOT_EXPORTED)
    assert {table for (table,) in named}.isdisjoint(NOT_EXPORTED)


def test_every_key_tells_rows_apart_and_is_never_null(shared: World) -> None:
    rows = shared.rows(
        "select r.relation, k.name, a.attnotnull from private.export_relations r"
        " cross join unnest(r.key_columns) k (name)"
        " left join pg_attribute a on a.attrelid = ('public.' || r.relation)::regclass and a.attname = k.name"
    )
    assert [row for row in rows if row[2] is not True] == []
    unique = shared.rows(
        "select r.relation from private.export_relations r where not exists ("
        " select from pg_index i where i.indrelid = ('public.' || r.relation)::regclass and i.indisunique"
        " and (select array_agg(a.attname::text) from pg_attribute a where a.attrelid = i.indrelid"
        "   and a.attnum = any (i.indkey)) <@ (r.key_columns || r.owner_column))"
    )
    assert unique == []


def test_an_export_holds_each_row_of_its_trader_and_nobody_elses(world: World) -> None:
    two = populate(world)
    header, lines = exported(world, two.owner.id)
    counts = Counter(line["table"] for line in lines)
    relations = world.rows("select relation, owner_column from private.export_relations")
    for relation, owner in relations:
        count = world.admin.execute(
            psycopg.sql.SQL("select count(*) from {} where {} = %s").format(
                psycopg.sql.Identifier("public", relation), psycopg.sql.Identifier(owner)
            ),
            (two.owner.id,),
        ).fetchone()
        assert count is not None
        # Reading the export is in the log too, and came later.
        expected = count[0] - (relation == "audit_log")
        assert counts[relation] == header["tables"][relation] == expected > 0, relation
        owned = {line["row"][owner] for line in lines if line["table"] == relation}
        assert owned == {two.owner.id}
    assert header["rows"] == len(lines) == sum(counts.values())
    assert two.other.id not in json.dumps(lines)
    assert header["account"]["email"] == f"{two.owner.id}@example.com"
    assert header["format"] == 1


def test_an_export_holds_no_secret(world: World) -> None:
    two = populate(world)
    header, lines = exported(world, two.owner.id)
    text = json.dumps([header, lines])
    ids = world.rows(
        "select secret_id::text from public.user_api_keys union all"
        " select secret_id::text from public.user_webhook_configs union all"
        " select encode(hash, 'hex') from private.webhook_credentials"
    )
    for secret in (two.owner.token, two.owner.secret, SEALED, *(one for (one,) in ids)):
        assert secret not in text
    # The control: what is no secret of the same rows is there.
    assert two.owner.account in text
    assert two.owner.webhook in text


def test_money_is_text_with_every_digit(world: World) -> None:
    two = populate(world)
    world.run(
        "update public.positions set entry_price = 12345678901234567890.123456789012345678"
        " where user_id = %s",
        two.owner.id,
    )
    _, lines = exported(world, two.owner.id)
    position = next(line["row"] for line in lines if line["table"] == "positions")
    assert position["entry_price"] == "12345678901234567890.123456789012345678"
    numbers = {
        (line["table"], column)
        for line in lines
        for column, value in line["row"].items()
        if isinstance(value, float)
    }
    assert numbers == set()


def test_a_large_account_is_exported_by_a_task_in_batches(world: World) -> None:
    trader = world.trader()
    signals(world, trader, 7000)
    begun = export(world, trader.id)
    assert begun["status"] == "pending"
    status, parts, rows = state(world, begun["export_id"])
    assert (status, parts, rows) == ("pending", 5, 5000)
    task = task_of(world)
    answers = [work(world, task) for _ in range(3)]
    assert answers == [
        {"ok": True, "more": True},
        {"ok": True, "more": True},
        {"ok": True, "more": False},
    ]
    header, lines = whole(world, trader.id, begun["export_id"])
    ids = [line["row"]["id"] for line in lines if line["table"] == "signals"]
    assert len(ids) == len(set(ids)) == 7000 == header["tables"]["signals"]
    assert world.value("select count(*) from private.export_progress") == 0


def test_a_batch_that_is_lost_is_done_again_and_no_row_twice(world: World) -> None:
    trader = world.trader()
    signals(world, trader, 6500)
    begun = export(world, trader.id)
    task = task_of(world)
    with connect(world.url, "sparky_worker") as crashing:
        crashing.autocommit = False
        assert call(crashing, "work_task", task["task_id"], task["fence"])["more"]
        crashing.rollback()
    world.run("update private.tasks set lease_until = now() - interval '1 second' where state = 'running'")
    again = task_of(world)
    assert work(world, task)["ok"] is False
    while work(world, again)["more"]:
        pass
    _, lines = whole(world, trader.id, begun["export_id"])
    assert Counter(line["table"] for line in lines)["signals"] == 6500


def test_a_part_is_bounded_by_its_size_too(world: World) -> None:
    trader = world.trader()
    signals(world, trader, 60, raw="x" * 60_000)
    begun = export(world, trader.id)
    sizes = [
        size for (size,) in world.rows("select octet_length(body) from private.export_parts order by part")
    ]
    assert begun["status"] == "ready"
    assert len(sizes) == 4
    assert max(sizes) < 1_100_000
    _, lines = whole(world, trader.id, begun["export_id"])
    assert Counter(line["table"] for line in lines)["signals"] == 60


def test_one_export_at_a_time_and_one_a_day(world: World) -> None:
    trader = world.trader()
    signals(world, trader, 6000)
    begun = export(world, trader.id)
    assert refused(world, trader.id, "export_my_data") == ("PT409", "an export of your data is being written")
    assert refused(world, trader.id, "read_export", begun["export_id"])[0] == "PT409"
    task = task_of(world)
    while work(world, task)["more"]:
        pass
    assert refused(world, trader.id, "export_my_data")[0] == "PT429"
    world.run("update public.data_exports set created_at = created_at - interval '1 day'")
    assert export(world, trader.id)["export_id"] != begun["export_id"]


def test_eight_requests_at_once_begin_one_export(world: World) -> None:
    trader = world.trader()

    def one(_: int) -> str:
        try:
            return str(export(world, trader.id)["status"])
        except psycopg.Error as error:
            return str(error.sqlstate)

    with ThreadPoolExecutor(8) as pool:
        answers = Counter(pool.map(one, range(8)))
    assert answers == {"ready": 1, "PT429": 7}
    assert world.value("select count(*) from public.data_exports") == 1


def test_an_export_whose_task_is_dead_has_failed_and_another_may_begin(world: World) -> None:
    trader = world.trader()
    signals(world, trader, 6000)
    begun = export(world, trader.id)
    task = task_of(world)
    result = {"task_id": task["task_id"], "fence": task["fence"], "ok": False, "error": "no room"}
    assert call(world.worker, "finish_tasks", [result])[0]["ok"]
    assert state(world, begun["export_id"])[0] == "failed"
    code, message = refused(world, trader.id, "read_export", begun["export_id"])
    assert (code, message) == ("PT409", "this export is not there to be read: it is failed")
    assert export(world, trader.id)["status"] == "pending"


def test_nobody_reads_the_export_of_another(world: World) -> None:
    owner, stranger = world.trader(), world.trader()
    begun = export(world, owner.id)
    nobodys = "00000000-0000-0000-0000-000000000000"
    answers = [refused(world, stranger.id, "read_export", one) for one in (begun["export_id"], nobodys)]
    assert answers == [("PT404", "you have no export of this id")] * 2
    assert refused(world, owner.id, "read_export", begun["export_id"], 2)[0] == "22023"
    assert refused(world, owner.id, "read_export", begun["export_id"], None)[0] == "22023"
    assert refused(world, owner.id, "read_export", None)[0] == "PT404"


def test_an_export_is_gone_after_its_time(world: World) -> None:
    trader = world.trader()
    begun = export(world, trader.id)
    world.run("update public.data_exports set expires_at = now() - interval '1 second'")
    assert refused(world, trader.id, "read_export", begun["export_id"])[0] == "PT404"


def test_asking_for_an_export_and_reading_it_are_on_record(world: World) -> None:
    trader = world.trader()
    begun = export(world, trader.id)
    read(world, trader.id, begun["export_id"])
    rows = world.rows(
        "select action, detail from public.audit_log where subject = %s order by id", begun["export_id"]
    )
    assert rows == [("data.exported", {}), ("data.read", {"part": 1})]


def test_a_trader_who_leaves_takes_his_exports_with_him(world: World) -> None:
    trader = world.trader()
    signals(world, trader, 6000)
    export(world, trader.id)
    task = task_of(world)
    world.run("delete from auth.users where id = %s", trader.id)
    assert work(world, task)["ok"] is False
    for table in ("public.data_exports", "private.export_parts", "private.export_progress"):
        assert world.admin.execute(f"select count(*) from {table}").fetchone() == (0,)  # noqa: S608
