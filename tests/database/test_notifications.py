"""What needs a trader is told to him, once, unless he switched its kind off."""

import re
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from psycopg import sql

from tests.database.test_reconciliation import DIFFERENCE, claim_account, finish
from tests.database.world import SEALED, Trader, World, call, held, order


def told(world: World, trader: Trader) -> list[tuple[Any, ...]]:
    return world.rows(
        "select kind, severity, title, body from public.notifications where user_id = %s order by created_at",
        trader.id,
    )


def notify(
    world: World, trader: str, kind: str = "signal_review", title: str = "Look", body: str = ""
) -> None:
    call(world.admin, "private.notify", trader, kind, "info", title, body, {})


def switch(world: World, trader: Trader, kind: str, *, on: bool) -> None:
    with world.signed_in(trader.id) as connection:
        connection.execute(
            "insert into public.notification_preferences (kind, in_app) values (%s, %s)"
            " on conflict (user_id, kind) do update set kind = excluded.kind, in_app = excluded.in_app",
            (kind, on),
        )


def validate(world: World, trader: Trader, status: str, reason: str = "") -> None:
    tasks = call(world.worker, "claim_tasks", "w1", 10, 60)
    if not tasks:
        world.run(
            "select private.enqueue_task('validate_key', %s::uuid, %s::uuid, '{}')", trader.id, trader.account
        )
        tasks = call(world.worker, "claim_tasks", "w1", 10, 60)
    result = {
        "task_id": tasks[0]["task_id"],
        "fence": tasks[0]["fence"],
        "ok": True,
        "account_status": status,
        "status_reason": reason,
    }
    assert call(world.worker, "finish_tasks", [result])[0]["ok"] is True


def test_a_signal_that_ends_in_review_is_told_with_its_reason(world: World) -> None:
    trader, other = world.trader(), world.trader()
    signal_id = world.accept(trader)
    world.accept(other)
    for one in world.claim():
        status = "review" if one["signal_id"] == signal_id else "done"
        world.finish(held(one) | {"status": status, "reason_code": "unknown", "reason": "Look at the venue."})
    title = "Buy of BTCUSDT needs you: what came of it is not known"
    assert told(world, trader) == [("signal_review", "critical", title, "Look at the venue.")]
    assert world.value("select data ->> 'signal_id' from public.notifications") == signal_id
    assert told(world, other) == []


def test_a_signal_given_up_after_twenty_claims_is_told(world: World) -> None:
    trader = world.trader()
    signal_id = world.accept(trader)
    world.claim_one()
    world.run("update public.signals set attempt = 20")
    world.let_lease_run_out(signal_id)
    assert world.claim() == []
    assert [kind for kind, *_ in told(world, trader)] == ["signal_review"]


def test_keys_that_stop_working_are_told_once(world: World) -> None:
    trader = world.trader()
    validate(world, trader, "valid")
    assert told(world, trader) == []
    validate(world, trader, "invalid", "The venue says: no such key.")
    validate(world, trader, "invalid", "The venue says: no such key.")
    title = "The keys of Paper are invalid: alerts for it cannot be executed"
    assert told(world, trader) == [("keys_invalid", "critical", title, "The venue says: no such key.")]
    validate(world, trader, "valid")
    validate(world, trader, "expired")
    assert [kind for kind, *_ in told(world, trader)] == ["keys_invalid", "keys_expired"]


def test_what_is_known_of_replaced_keys_is_not_told(world: World) -> None:
    trader = world.trader()
    task = call(world.worker, "claim_tasks", "w1", 10, 60)[0]
    with world.signed_in(trader.id) as connection:
        call(connection, "save_api_key", "paper", "paper", "Paper", SEALED, "efgh")
    result = {"task_id": task["task_id"], "fence": task["fence"], "ok": True, "account_status": "invalid"}
    call(world.worker, "finish_tasks", [result])
    assert told(world, trader) == []


def test_a_difference_is_told_when_it_comes_and_when_it_goes(world: World) -> None:
    trader = world.trader()
    for found in ([DIFFERENCE], [DIFFERENCE], []):
        assert finish(world, claim_account(world, trader), differences=found)["ok"] is True
    assert told(world, trader) == [
        (
            *("account_differs", "warning", "Paper differs from our record"),
            "BTCUSDT: we have 0, the venue has 1.",
        ),
        ("account_differs", "info", "Paper agrees with our record again", ""),
    ]


@pytest.mark.parametrize("begun", [True, False])
def test_an_account_deleted_under_an_order_is_told(world: World, begun: bool) -> None:  # noqa: FBT001
    trader = world.trader()
    world.accept(trader)
    one = world.claim_one()
    if begun:
        assert world.begin(order(one))[0]["ok"] is True
    with world.signed_in(trader.id) as connection:
        assert call(connection, "delete_api_key", trader.account) is True
    assert [kind for kind, *_ in told(world, trader)] == (["signal_failed"] if begun else [])


def test_a_kind_switched_off_is_not_told_and_can_be_switched_on_again(world: World) -> None:
    trader, other = world.trader(), world.trader()
    switch(world, trader, "signal_review", on=False)
    for one in (trader, other):
        notify(world, one.id)
        notify(world, one.id, "keys_invalid")
    assert [kind for kind, *_ in told(world, trader)] == ["keys_invalid"]
    assert len(told(world, other)) == 2
    switch(world, trader, "signal_review", on=True)
    notify(world, trader.id)
    assert [kind for kind, *_ in told(world, trader)] == ["keys_invalid", "signal_review"]


def test_long_words_are_cut_and_an_unknown_trader_is_nobody(world: World) -> None:
    trader = world.trader()
    notify(world, trader.id, title="t" * 1000, body="b" * 10_000)
    assert [(len(title), len(body)) for _, _, title, body in told(world, trader)] == [(200, 2000)]
    notify(world, "00000000-0000-4000-8000-000000000000")
    assert world.value("select count(*) from public.notifications") == 1


def test_an_unknown_kind_is_an_error(world: World) -> None:
    with pytest.raises(psycopg.errors.CheckViolation):
        notify(world, world.trader().id, "weather")


def test_a_trader_marks_as_read_and_deletes_and_changes_nothing_else(world: World) -> None:
    trader = world.trader()
    notify(world, trader.id)
    with world.signed_in(trader.id) as connection:
        assert connection.execute("update public.notifications set read_at = now()").rowcount == 1
        for column in ("title", "body", "kind", "severity", "data", "created_at", "user_id"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(
                    sql.SQL("update public.notifications set {} = default").format(sql.Identifier(column))
                )
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(
                "insert into public.notifications (kind, severity, title, body) values"
                " ('signal_review', 'info', 'x', '')"
            )
        assert connection.execute("delete from public.notifications").rowcount == 1


def test_preferences_name_the_kinds_of_notifications(shared: World) -> None:
    kinds = [
        set(re.findall(r"'(\w+)'::text", text))
        for (text,) in shared.rows(
            "select pg_get_constraintdef(oid) from pg_constraint where contype = 'c' and conrelid in"
            " ('public.notifications'::regclass, 'public.notification_preferences'::regclass)"
            " and pg_get_constraintdef(oid) like '%%kind%%'"
        )
    ]
    assert len(kinds) == 2
    assert kinds[0] == kinds[1]


def test_a_trader_who_leaves_while_he_is_told_something_does_not_deadlock(world: World) -> None:
    trader = world.trader()
    account = trader.account
    gate = threading.Event()

    def leave() -> int:
        with psycopg.connect(world.url, autocommit=True) as connection:
            gate.set()
            return connection.execute("delete from auth.users where id = %s", (trader.id,)).rowcount

    with ThreadPoolExecutor(1) as pool:
        with psycopg.connect(world.url) as writing:
            # A row of the trader is locked before he himself is, as by a claim.
            writing.execute("select from public.user_api_keys where id = %s for update", (account,))
            leaving = pool.submit(leave)
            gate.wait(10)
            _wait_until_blocked(world, writing)
            call(writing, "private.notify", trader.id, "signal_review", "info", "Look", "", {})
        assert leaving.result(20) == 1
    assert world.value("select count(*) from public.notifications") == 0


def _wait_until_blocked(world: World, by: psycopg.Connection[tuple[Any, ...]]) -> None:
    query = "select count(*) from pg_stat_activity where %s = any(pg_blocking_pids(pid))"
    for _ in range(20_000):
        if world.value(query, by.info.backend_pid):
            return
    raise AssertionError("nobody waits")
