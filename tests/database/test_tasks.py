"""The small durable queue."""

from typing import Any

import psycopg
import pytest

from tests.database.world import SEALED, Trader, World, call


@pytest.fixture(autouse=True)
def _no_periodic_tasks(world: World) -> None:
    world.run("delete from private.periodic_tasks")


def claim(world: World, worker: str = "w1") -> list[dict[str, Any]]:
    return list(call(world.worker, "claim_tasks", worker, 10, 60))


def finish(world: World, *results: dict[str, Any]) -> list[dict[str, Any]]:
    return list(call(world.worker, "finish_tasks", list(results)))


def one_task(world: World) -> tuple[Trader, dict[str, Any]]:
    trader = world.trader()
    tasks = claim(world)
    assert len(tasks) == 1
    return trader, tasks[0]


def held(task: dict[str, Any]) -> dict[str, Any]:
    return {"task_id": task["task_id"], "fence": task["fence"]}


def state(world: World) -> tuple[Any, ...]:
    return world.row("select state, attempt, last_error from private.tasks")


def account(world: World, trader: Trader) -> tuple[Any, ...]:
    return world.row("select status, status_reason from public.user_api_keys where id = %s", trader.account)


def due(world: World) -> None:
    world.run("update private.tasks set run_at = now() - interval '1 minute'")


def abandon(world: World) -> None:
    world.run("update private.tasks set lease_until = now() - interval '1 second' where state = 'running'")


def test_saving_keys_queues_their_validation(world: World) -> None:
    trader, task = one_task(world)
    assert (task["kind"], task["fence"], task["attempt"], task["user_id"]) == (
        "validate_key",
        1,
        1,
        trader.id,
    )
    assert task["account"]["id"] == trader.account
    assert "sealed" not in task["account"]
    assert claim(world) == []


def test_a_result_ends_the_task_and_sets_the_account(world: World) -> None:
    trader, task = one_task(world)
    result = held(task) | {"ok": True, "account_status": "invalid", "status_reason": "no"}
    assert finish(world, result) == [{"task_id": task["task_id"], "ok": True}]
    assert state(world) == ("done", 1, None)
    assert account(world, trader) == ("invalid", "no")
    assert finish(world, result) == [{"task_id": task["task_id"], "ok": False}]
    assert world.value("select count(*) from public.audit_log where action = 'api_key.validated'") == 1


def test_a_failure_with_a_time_is_tried_again_then(world: World) -> None:
    _, task = one_task(world)
    finish(world, held(task) | {"ok": False, "retry_in_seconds": 30, "error": "try later"})
    assert state(world) == ("pending", 1, "try later")
    assert claim(world) == []
    due(world)
    again = claim(world)[0]
    assert (again["fence"], again["attempt"]) == (2, 2)


@pytest.mark.parametrize("result", [{"ok": False, "error": "never"}, {"error": "no word of ok"}])
def test_a_failure_without_a_time_is_a_dead_letter(world: World, result: dict[str, Any]) -> None:
    _, task = one_task(world)
    finish(world, held(task) | result)
    assert state(world)[0] == "dead"
    due(world)
    assert claim(world) == []


def test_ten_failures_are_a_dead_letter(world: World) -> None:
    world.trader()
    for attempt in range(10):
        due(world)
        task = claim(world)[0]
        assert task["attempt"] == attempt + 1
        finish(world, held(task) | {"ok": False, "retry_in_seconds": 0})
    assert state(world)[:2] == ("dead", 10)


def test_ten_workers_that_died_over_it_are_a_dead_letter(world: World) -> None:
    world.trader()
    for _ in range(10):
        assert len(claim(world)) == 1
        abandon(world)
    assert claim(world) == []
    assert state(world)[:2] == ("dead", 10)


def test_a_late_worker_changes_nothing(world: World) -> None:
    trader, task = one_task(world)
    abandon(world)
    assert claim(world, "w2")[0]["fence"] == 2
    assert finish(world, held(task) | {"ok": True, "account_status": "valid"})[0]["ok"] is False
    assert state(world)[0] == "running"
    assert account(world, trader) == ("pending", None)


def test_a_result_for_keys_that_were_replaced_meanwhile_does_not_count(world: World) -> None:
    trader, task = one_task(world)
    with world.signed_in(trader.id) as connection:
        call(connection, "save_api_key", "paper", "paper", None, SEALED.replace("A", "B"))
    assert finish(world, held(task) | {"ok": True, "account_status": "valid"})[0]["ok"] is True
    assert account(world, trader) == ("pending", None)
    newer = claim(world)[0]
    assert newer["account"]["key_version"] == 2
    finish(world, held(newer) | {"ok": True, "account_status": "valid"})
    assert account(world, trader) == ("valid", None)


def test_saving_again_and_again_leaves_one_validation_waiting(world: World) -> None:
    trader, running = one_task(world)
    with world.signed_in(trader.id) as connection:
        for letter in "BCD":
            call(connection, "save_api_key", "paper", "paper", None, SEALED.replace("A", letter))
    (waiting,) = claim(world)
    assert waiting["account"]["key_version"] == 4
    assert finish(world, held(running) | {"ok": True, "account_status": "invalid"})[0]["ok"] is True
    assert account(world, trader) == ("pending", None)
    finish(world, held(waiting) | {"ok": True, "account_status": "valid"})
    assert account(world, trader) == ("valid", None)


@pytest.mark.parametrize(
    "bad",
    [
        {"ok": "maybe"},
        {"ok": True, "account_status": "nonsense"},
        {"ok": False, "retry_in_seconds": "NaN"},
        {"ok": False, "retry_in_seconds": "soon"},
    ],
)
def test_a_result_that_does_not_fit_is_answered_and_undoes_no_other(
    world: World, bad: dict[str, Any]
) -> None:
    world.trader()
    world.trader()
    first, second = claim(world)
    answers = finish(world, held(first) | bad, held(second) | {"ok": True})
    assert [one["ok"] for one in answers] == [False, True]
    assert answers[0]["sqlstate"]
    assert world.value("select state from private.tasks where id = %s", first["task_id"]) == "running"


@pytest.mark.parametrize("results", ["text", 1, {"a": 1}])
def test_results_that_are_no_list_are_refused(world: World, results: Any) -> None:
    for function in ("finish_tasks", "finish_signals", "begin_orders"):
        with pytest.raises(psycopg.Error) as refusal:
            world.worker.execute(f"select public.{function}(%s::jsonb)", (psycopg.types.json.Jsonb(results),))
        assert refusal.value.sqlstate == "22023"


def test_a_deleted_account_takes_its_tasks_along(world: World) -> None:
    trader, task = one_task(world)
    with world.signed_in(trader.id) as connection:
        call(connection, "delete_api_key", trader.account)
    assert finish(world, held(task) | {"ok": True})[0]["ok"] is False
