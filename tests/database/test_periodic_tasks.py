"""Tasks that come by themselves, and those that the database does in batches."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from tests.database.world import World, call, connect

PERIODIC = ["retention", "retire_audit", "seal_audit"]


def claim(world: World, worker: str = "w1") -> list[dict[str, Any]]:
    return list(call(world.worker, "claim_tasks", worker, 10, 60))


def held(task: dict[str, Any]) -> dict[str, Any]:
    return {"task_id": task["task_id"], "fence": task["fence"]}


def work(world: World, task: dict[str, Any]) -> dict[str, Any]:
    return dict(call(world.worker, "work_task", task["task_id"], task["fence"]))


def finish(world: World, **result: Any) -> None:
    assert call(world.worker, "finish_tasks", [result])[0]["ok"]


def time_passes(world: World) -> None:
    world.run("update private.periodic_tasks set next_run_at = next_run_at - interval '2 hours'")


def one_task(world: World, kind: str = "seal_audit") -> dict[str, Any]:
    return next(task for task in claim(world) if task["kind"] == kind)


def test_what_is_due_is_claimed_and_comes_again_after_its_interval(world: World) -> None:
    first = claim(world)
    assert sorted(task["kind"] for task in first) == PERIODIC
    assert claim(world) == []
    for task in first:
        finish(world, **held(task), ok=True)
    assert claim(world) == []
    world.run("update private.periodic_tasks set next_run_at = next_run_at - interval '1 minute'")
    assert [task["kind"] for task in claim(world)] == ["seal_audit"]


def test_a_slow_one_is_not_joined_by_a_second(world: World) -> None:
    assert len(claim(world)) == len(PERIODIC)
    time_passes(world)
    assert claim(world) == []
    assert world.value("select count(*) from private.tasks") == len(PERIODIC)


def test_a_dead_one_is_followed_by_the_next(world: World) -> None:
    task = one_task(world)
    finish(world, **held(task), ok=False, error="a person has to look")
    time_passes(world)
    assert [task["kind"] for task in claim(world)] == ["seal_audit"]


def test_many_workers_at_once_enqueue_one_of_each_kind(world: World) -> None:
    gate = threading.Barrier(8)

    def one(number: int) -> list[dict[str, Any]]:
        with connect(world.url, "sparky_worker") as connection:
            gate.wait(30)
            return list(call(connection, "claim_tasks", f"w{number}", 10, 60))

    with ThreadPoolExecutor(8) as pool:
        claimed = [task["kind"] for tasks in pool.map(one, range(8)) for task in tasks]
    # The last to ask may be the only one to see what the first committed, and nobody has asked since.
    assert sorted(claimed + [task["kind"] for task in claim(world)]) == PERIODIC
    assert world.value("select count(*) from private.tasks") == len(PERIODIC)


def test_a_batch_extends_the_lease_and_tells_whether_there_is_more(world: World) -> None:
    for _ in range(3):
        world.trader()
    world.run(
        "insert into public.audit_log (actor, action) select 'test', 'test' from generate_series(1, 1100)"
    )
    task = one_task(world)
    world.run("update private.tasks set lease_until = clock_timestamp() + interval '1 second'")
    assert work(world, task) == {"ok": True, "more": True}
    assert world.value(
        "select lease_until > clock_timestamp() + interval '50 seconds' from private.tasks where id = %s",
        task["task_id"],
    )
    assert work(world, task) == {"ok": True, "more": False}
    assert world.value("select count(*) from private.audit_chain") == world.value(
        "select count(*) from public.audit_log"
    )


def test_a_late_worker_does_no_batch(world: World) -> None:
    world.trader()
    task = one_task(world)
    world.run("update private.tasks set lease_until = clock_timestamp() - interval '1 second'")
    again = one_task(world)
    assert again["fence"] == task["fence"] + 1
    assert work(world, task) == {"ok": False, "more": False}
    assert world.value("select count(*) from private.audit_chain") == 0
    assert work(world, again)["ok"] is True
    finish(world, **held(again), ok=True)
    assert work(world, again)["ok"] is False


@pytest.mark.parametrize("arguments", [(None, None), (0, 1), (10**15, 1)])
def test_a_task_that_is_not_there_is_not_held(world: World, arguments: tuple[Any, ...]) -> None:
    assert call(world.worker, "work_task", *arguments) == {"ok": False, "more": False}


def test_an_error_is_answered_and_what_the_batch_did_is_undone(world: World) -> None:
    world.trader()
    task = next(task for task in claim(world) if task["kind"] == "validate_key")
    answer = work(world, task)
    assert answer["error"] == "tasks of kind validate_key are not done in the database (0A000)"
    assert (answer["ok"], answer["more"]) == (True, False)


def test_a_task_given_back_waits_behind_the_others_with_all_its_attempts(world: World) -> None:
    world.run("delete from private.periodic_tasks where kind <> 'seal_audit'")
    world.trader()
    task = one_task(world)
    world.run("update private.tasks set attempt = 9 where id = %s", task["task_id"])
    world.run("update private.tasks set state = 'pending', lease_until = null where kind = 'validate_key'")
    finish(world, **held(task), ok=True, again=True)
    assert world.row(
        "select state, attempt, finished_at from private.tasks where id = %s", task["task_id"]
    ) == ("pending", 0, None)
    first = call(world.worker, "claim_tasks", "w1", 1, 60)
    assert [one["kind"] for one in first] == ["validate_key"]
    assert [one["kind"] for one in claim(world)] == ["seal_audit"]


def test_again_without_ok_is_a_failure(world: World) -> None:
    task = one_task(world)
    finish(world, **held(task), ok=False, again=True)
    assert world.value("select state from private.tasks where id = %s", task["task_id"]) == "dead"


def test_no_trader_works_tasks(world: World) -> None:
    trader = world.trader()
    with world.signed_in(trader.id) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        call(connection, "work_task", 1, 1)
