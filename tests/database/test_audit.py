"""The audit log: append-only, without the name of who has left, and chained so that a change is noticed."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any, LiteralString

import psycopg
import pytest

from tests.database.world import World, call, connect


def write(world: World, count: int, user_id: str | None = None) -> None:
    world.run(
        "select private.audit(%s::uuid, 'test', 'test.' || n, null, jsonb_build_object('n', n, 'x', 1.50))"
        " from generate_series(1, %s) n",
        user_id,
        count,
    )


def seal(world: World, limit: int = 1000) -> int:
    return int(world.value("select private.seal_audit(%s)", limit))


def verify(world: World, **arguments: Any) -> dict[str, Any]:
    query = psycopg.sql.SQL("select public.verify_audit({})").format(
        psycopg.sql.SQL(", ").join(
            psycopg.sql.SQL("{} => %s").format(psycopg.sql.Identifier(name)) for name in arguments
        )
    )
    with connect(world.url, "service_role") as connection:
        row = connection.execute(query, list(arguments.values())).fetchone()
    assert row is not None
    return dict(row[0])


def head(world: World) -> dict[str, Any]:
    with connect(world.url, "service_role") as connection:
        return dict(call(connection, "audit_head"))


def tamper(world: World, *statements: LiteralString) -> None:
    """Do what only a superuser can, who has switched the triggers off."""
    world.run("set session_replication_role = 'replica'")
    for statement in statements:
        assert world.run(statement) > 0, statement
    world.run("reset session_replication_role")


def chained(world: World, count: int = 10) -> None:
    write(world, count)
    assert seal(world) == count
    assert verify(world)["ok"]


def hour_passes(world: World) -> None:
    """Settle every row there is: the watermark goes over all of them."""
    world.run("update private.audit_chain_state set linked_through = (select max(id) from public.audit_log)")


def test_an_empty_chain_holds(world: World) -> None:
    answer = verify(world)
    assert (answer["ok"], answer["checked"], answer["head"]["seq"], answer["unsealed"]) == (True, 0, 0, 0)
    assert seal(world) == 0


def test_rows_are_linked_in_batches_and_then_verified(world: World) -> None:
    trader = world.trader()
    write(world, 25, trader.id)
    rows = world.value("select count(*) from public.audit_log")
    assert verify(world)["unsealed"] == rows
    assert [seal(world, 10) for _ in range(4)] == [10, 10, rows - 20, 0]
    answer = verify(world)
    assert answer == {
        "ok": True,
        "checked": rows,
        "first_bad": None,
        "next_seq": None,
        "head": answer["head"],
        "unsealed": 0,
    }
    assert {key: head(world)[key] for key in ("seq", "hash")} == answer["head"]
    assert answer["head"]["seq"] == rows


def test_the_hash_does_not_depend_on_the_session(world: World) -> None:
    write(world, 3)
    world.run("set timezone = 'Asia/Kathmandu'")
    world.run("set datestyle = 'German, DMY'")
    seal(world)
    assert verify(world)["ok"]


def test_the_walk_goes_on_page_by_page(world: World) -> None:
    chained(world, 25)
    first = verify(world, p_limit=10)
    assert (first["ok"], first["checked"], first["next_seq"]) == (True, 10, 11)
    last = verify(world, p_from_seq=21, p_limit=10)
    assert (last["ok"], last["checked"], last["next_seq"]) == (True, 5, None)
    assert verify(world, p_from_seq=10**9)["ok"]
    tamper(world, "update public.audit_log set actor = 'x' where action = 'test.15'")
    assert verify(world, p_limit=10)["ok"]
    assert verify(world, p_from_seq=11, p_limit=10)["first_bad"]["seq"] == 15
    assert verify(world, p_from_seq=16)["ok"]


@pytest.mark.parametrize(
    ("change", "what", "seq"),
    [
        ("update public.audit_log set detail = '{}' where action = 'test.4'", "changed", 4),
        (
            "update public.audit_log set at = at + interval '1 microsecond' where action = 'test.4'",
            "changed",
            4,
        ),
        ("update public.audit_log set pseudonym = gen_random_uuid() where action = 'test.10'", "changed", 10),
        ("delete from public.audit_log where action = 'test.4'", "removed", 4),
        (
            (
                "with gone as (delete from public.audit_log where action = 'test.4' returning id)"
                " delete from private.audit_chain c using gone where c.audit_id = gone.id"
            ),
            "link removed",
            5,
        ),
        ("update private.audit_chain set hash = sha256('forged') where seq = 4", "link broken", 4),
        (
            (
                "update private.audit_chain c set audit_id = -o.audit_id from private.audit_chain o"
                " where c.seq in (4, 5) and o.seq in (4, 5) and c.seq <> o.seq"
            ),
            "link broken",
            4,
        ),
    ],
)
def test_a_change_is_noticed(world: World, change: LiteralString, what: str, seq: int) -> None:
    chained(world)
    tamper(world, change)
    world.run("update private.audit_chain set audit_id = -audit_id where audit_id < 0")
    answer = verify(world)
    assert not answer["ok"]
    assert (answer["first_bad"]["what"], answer["first_bad"]["seq"]) == (what, seq)


def test_a_row_forged_into_the_past_is_noticed(world: World) -> None:
    chained(world)
    hour_passes(world)
    write(world, 1)
    assert verify(world)["ok"]
    tamper(world, "delete from public.audit_log where action = 'test.4'")
    tamper(
        world,
        "insert into public.audit_log (id, actor, action) overriding system value"
        " select c.audit_id, 'forged', 'test.4' from private.audit_chain c where c.seq = 4",
    )
    assert verify(world)["first_bad"]["what"] == "changed"


def test_a_row_without_a_link_is_noticed_once_it_is_settled(world: World) -> None:
    chained(world)
    tamper(
        world,
        "insert into public.audit_log (id, actor, action) overriding system value values (0, 'forged', 'x')",
    )
    hour_passes(world)
    answer = verify(world)
    assert answer["first_bad"] == {"seq": None, "audit_id": 0, "what": "unlinked"}


def test_a_cut_end_is_noticed_by_a_head_that_was_kept_elsewhere(world: World) -> None:
    chained(world)
    kept = head(world)
    expected = {"p_head_seq": kept["seq"], "p_head_hash": kept["hash"]}
    assert verify(world, **expected)["ok"]
    write(world, 5)
    seal(world)
    assert verify(world, **expected)["ok"]
    tamper(
        world,
        "delete from public.audit_log where id in (select audit_id from private.audit_chain where seq >= 9)",
        "delete from private.audit_chain where seq >= 9",
    )
    # Without it, a chain that is shorter is a chain.
    assert verify(world)["ok"]
    assert verify(world, **expected)["first_bad"] == {"seq": 10, "audit_id": None, "what": "removed"}


def test_a_rewritten_end_is_noticed_by_the_head(world: World) -> None:
    chained(world)
    kept = head(world)
    tamper(
        world,
        "update public.audit_log set actor = 'x' where action = 'test.10'",
        "delete from private.audit_chain where seq = 10",
    )
    assert seal(world) == 1
    assert verify(world)["ok"]
    assert not verify(world, p_head_seq=kept["seq"], p_head_hash=kept["hash"])["ok"]


def test_a_row_that_commits_late_gets_its_link_after_the_others(world: World) -> None:
    late = connect(world.url)
    late.autocommit = False
    late.execute("select private.audit(null, 'late', 'late', null, '{}')")
    chained(world, 5)
    late.commit()
    late.close()
    assert verify(world)["unsealed"] == 1
    assert seal(world) == 1
    assert verify(world)["ok"]
    assert (
        world.value(
            "select a.action from private.audit_chain c join public.audit_log a on a.id = c.audit_id"
            " order by c.seq desc limit 1"
        )
        == "late"
    )


def settled_through(world: World) -> int:
    return int(world.value("select linked_through from private.audit_chain_state"))


def test_the_watermark_stays_an_hour_behind(world: World) -> None:
    chained(world)
    world.run(
        "insert into public.audit_log (actor, action, at) values ('a', 'old', now() - interval '2 hours')"
    )
    write(world, 1)
    assert [seal(world), seal(world)] == [2, 0]
    assert settled_through(world) == 11
    assert verify(world)["ok"]


def test_the_watermark_waits_for_every_transaction_that_may_still_write_below_it(world: World) -> None:
    with connect(world.url) as late:
        late.autocommit = False
        late.execute("select private.audit(null, 'late', 'late', null, '{}')")
        world.run(
            "insert into public.audit_log (actor, action, at)"
            " select 'a', 'old', now() - interval '2 hours' from generate_series(1, 3)"
        )
        assert [seal(world), seal(world), seal(world)] == [3, 0, 0]
        assert settled_through(world) == 0
        late.commit()
    assert seal(world) == 1
    assert settled_through(world) == 4
    assert (verify(world)["ok"], verify(world)["unsealed"]) == (True, 0)


def test_the_watermark_moves_on_in_a_copy_whose_transactions_count_anew(world: World) -> None:
    chained(world)
    world.run(
        "insert into public.audit_log (actor, action, at) values ('a', 'old', now() - interval '2 hours')"
    )
    world.run(
        "update private.audit_chain_state set candidate_id = 3,"
        " candidate_xid = (pg_current_xact_id()::text::bigint + 1000000)::text::xid8"
    )
    assert [seal(world), seal(world)] == [1, 0]
    assert settled_through(world) == 11
    assert verify(world)["ok"]


def test_writers_and_sealers_at_once_lose_nothing_and_link_nothing_twice(world: World) -> None:
    trader = world.trader()
    writing = threading.Event()
    writing.set()

    def write_many(number: int) -> None:
        with connect(world.url) as connection:
            for n in range(50):
                connection.execute(
                    "select private.audit(%s::uuid, 'test', %s, null, '{}')", (trader.id, f"{number}.{n}")
                )

    def seal_until_done(_: int) -> None:
        with connect(world.url) as connection:
            while writing.is_set():
                connection.execute("select private.seal_audit(20)")
                time.sleep(0.001)

    with ThreadPoolExecutor(10) as pool:
        sealers = [pool.submit(seal_until_done, n) for n in range(2)]
        list(pool.map(write_many, range(8)))
        writing.clear()
        for sealer in sealers:
            sealer.result()
    while seal(world):
        pass
    answer = verify(world)
    assert (answer["ok"], answer["unsealed"]) == (True, 0)
    assert answer["checked"] == world.value("select count(*) from public.audit_log") >= 400


def test_writers_do_not_wait_for_the_sealer(world: World) -> None:
    write(world, 5)
    sealer = connect(world.url)
    sealer.autocommit = False
    sealer.execute("select private.seal_audit(100)")
    world.run("set statement_timeout = '2s'")
    write(world, 5)
    sealer.rollback()
    sealer.close()
    assert seal(world) == 10


def test_a_hundred_thousand_rows_are_verified_within_seconds(world: World) -> None:
    world.run("insert into public.audit_log (actor, action) select 'a', 'b' from generate_series(1, 100000)")
    assert seal(world, 100_000) == 100_000
    begun = time.perf_counter()
    assert verify(world)["checked"] == 100_000
    # 2 s on two cores that others use too.
    assert time.perf_counter() - begun < 20


def test_the_oldest_rows_retire_and_the_rest_still_holds(world: World) -> None:
    world.run(
        "insert into public.audit_log (actor, action, at)"
        " select 'old', 'old', now() - interval '800 days' from generate_series(1, 15)"
    )
    write(world, 10)
    seal(world)
    kept = head(world)
    retire = "select private.retire_audit('730 days', 10)"
    assert [world.value(retire) for _ in range(3)] == [10, 5, 0]
    assert world.value("select count(*) from public.audit_log") == 10
    answer = verify(world, p_head_seq=kept["seq"], p_head_hash=kept["hash"])
    assert (answer["ok"], answer["checked"], answer["head"]["seq"]) == (True, 10, 25)
    write(world, 1)
    assert seal(world) == 1
    assert verify(world)["ok"]
    with pytest.raises(psycopg.Error, match="older than what is kept"):
        verify(world, p_head_seq=3, p_head_hash="00")
    tamper(world, "update private.audit_chain_state set anchor_hash = sha256('x')")
    assert verify(world)["first_bad"]["seq"] == 16


def test_a_row_older_than_its_predecessor_does_not_retire_before_it(world: World) -> None:
    write(world, 1)
    world.run(
        "insert into public.audit_log (actor, action, at) values ('o', 'o', now() - interval '800 days')"
    )
    seal(world)
    assert world.value("select private.retire_audit('730 days', 10)") == 0


def test_what_does_not_hold_is_not_retired(world: World) -> None:
    world.run(
        "insert into public.audit_log (actor, action, at)"
        " select 'old', 'old', now() - interval '800 days' from generate_series(1, 5)"
    )
    seal(world)
    tamper(world, "update public.audit_log set actor = 'x' where id = 3")
    with pytest.raises(psycopg.Error, match="does not hold at link 3"):
        world.value("select private.retire_audit('730 days', 10)")
    assert world.value("select count(*) from public.audit_log") == 5


@pytest.mark.parametrize(
    "arguments",
    [
        {"p_limit": 0},
        {"p_limit": None},
        {"p_from_seq": 0},
        {"p_head_seq": 1},
        {"p_head_hash": "00"},
        {"p_head_seq": 1, "p_head_hash": "0" * 1_000_000},
    ],
)
def test_bad_input_to_the_verification_is_refused(world: World, arguments: dict[str, Any]) -> None:
    with pytest.raises(psycopg.Error) as refusal:
        verify(world, **arguments)
    assert refusal.value.sqlstate == "22023"
    assert refusal.value.diag.message_hint


def test_only_the_id_of_who_leaves_is_ever_taken_off(world: World) -> None:
    trader = world.trader()
    stranger = world.trader()
    changes: tuple[LiteralString, ...] = (
        "update public.audit_log set user_id = gen_random_uuid()",
        "update public.audit_log set user_id = null, actor = 'x'",
        "update public.audit_log set user_id = null, pseudonym = null",
        "update public.audit_log set user_id = null, detail = '{}', at = now()",
    )
    for change in changes:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            world.run(change)
    seal(world)
    world.run("delete from auth.users where id = %s", trader.id)
    assert world.value("select count(*) from public.audit_log where user_id = %s", stranger.id) > 0
    assert world.value("select count(*) from private.pseudonyms where user_id = %s", trader.id) == 0
    assert verify(world)["ok"]
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        world.run("update public.audit_log set user_id = %s where user_id is null", stranger.id)


def test_the_log_never_names_the_trader_but_by_his_id(world: World) -> None:
    trader = world.trader()
    world.run(
        "select private.audit(u.id, 'a', 'named', u.id, jsonb_build_object('by', u.id)) from auth.users u"
        " where u.id = %s",
        trader.id,
    )
    subject, detail, pseudonym = world.row(
        "select subject::text, detail, pseudonym::text from public.audit_log where action = 'named'"
    )
    assert (subject, detail) == (pseudonym, {"by": pseudonym})


def test_two_traders_have_two_pseudonyms_and_each_sees_his_own_rows(world: World) -> None:
    one, two = world.trader(), world.trader()
    assert world.value("select count(distinct pseudonym) from public.audit_log") == 2
    with world.signed_in(one.id) as connection:
        seen = connection.execute("select distinct user_id::text from public.audit_log").fetchall()
    assert seen == [(one.id,)]
    assert two.id != one.id


def test_an_audit_row_written_while_its_trader_leaves_loses_his_name(world: World) -> None:
    trader = world.trader()
    writer = connect(world.url)
    writer.autocommit = False
    writer.execute("select private.audit(%s::uuid, 'w', 'meanwhile', null, '{}')", (trader.id,))

    def leave() -> None:
        with connect(world.url) as connection:
            connection.execute("delete from auth.users where id = %s", (trader.id,))

    with ThreadPoolExecutor(1) as pool:
        leaving = pool.submit(leave)
        waiting = (
            "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and query like 'delete%%'"
        )
        while world.value(waiting) == 0:
            assert not leaving.done()
        writer.commit()
        leaving.result(30)
    writer.close()
    assert world.rows("select 1 from public.audit_log where user_id is not null") == []
    assert world.value("select pseudonym from public.audit_log where action = 'meanwhile'") is not None


def test_an_audit_row_of_a_trader_who_has_left_is_written_without_a_name(world: World) -> None:
    trader = world.trader()
    world.run("delete from auth.users where id = %s", trader.id)
    world.run("select private.audit(%s::uuid, 'w', 'afterwards', null, '{}')", trader.id)
    assert world.row("select user_id, pseudonym from public.audit_log where action = 'afterwards'") == (
        None,
        None,
    )
