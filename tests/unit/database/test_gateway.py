"""What is asked of the worker functions, and what their answers mean."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, cast

import pytest

from sparky.database.gateway import BatchDone, Beginning, Result, Task, TaskResult, WorkerDatabase
from sparky.database.rpc import RpcClient
from sparky.domain.answers import Balance, KeyCheck
from sparky.domain.errors import DatabaseContractError
from sparky.domain.identifiers import SignalId, WorkerId
from sparky.domain.news import OrderNews
from sparky.domain.orders import OrderState
from sparky.domain.plan import Plan
from sparky.domain.planner import make_plan
from sparky.domain.trade_settings import Limit
from sparky.domain.work_order import Claim
from tests.unit.domain.work_orders import NOW, snapshot, work_order

CLAIM = Claim(SignalId("0b6c1d5e-8a54-4f0e-9a53-0d8c3a1f2b4c"), 3)


class Functions:
    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.calls: list[tuple[str, Mapping[str, Any]]] = []

    async def call(self, function: str, params: Mapping[str, Any]) -> Any:
        self.calls.append((function, params))
        return self.answer


def database(answer: Any) -> tuple[WorkerDatabase, Functions]:
    functions = Functions(answer)
    return WorkerDatabase(cast("RpcClient", functions), WorkerId("w"), 15), functions


def beginning() -> Beginning:
    plan = make_plan(work_order(), snapshot(), NOW)
    assert isinstance(plan, Plan)
    return Beginning(claim=CLAIM, plan=plan, legs=plan.legs[:1], bookmark="6372")


async def test_a_claim_says_who_how_many_and_for_how_long() -> None:
    gateway, functions = database([])
    assert await gateway.claim(7) == []
    assert functions.calls == [("claim_signals", {"p_worker": "w", "p_limit": 7, "p_lease_seconds": 15})]


async def test_a_beginning_is_answered_with_what_is_left_of_the_lease() -> None:
    gateway, functions = database([{"ok": True, "lease_left_ms": 14321}, {"ok": False, "error": "no"}])
    first, second = await gateway.begin([beginning(), beginning()])
    assert (first.ok, first.lease_left) == (True, 14.321)
    assert (second.ok, second.lease_left, second.error) == (False, 0.0, "no")
    order = functions.calls[0][1]["p_claims"][0]["orders"][0]
    assert order["quantity"] == "1.500"
    assert order["client_order_id"].startswith("sp")
    assert order["bookmark"] == "6372"


async def test_a_beginning_without_a_time_left_leaves_none() -> None:
    gateway, _ = database([{"ok": True, "lease_left_ms": "soon"}])
    (begun,) = await gateway.begin([beginning()])
    assert (begun.ok, begun.lease_left) == (True, 0.0)


async def test_results_and_further_claims_go_in_one_call() -> None:
    gateway, functions = database({"finished": [{"ok": True}], "claims": [{"signal_id": "x"}]})
    finished, claims = await gateway.finish([Result(claim=CLAIM, status="done", reason="Bought.")], 4)
    assert ([item.ok for item in finished], claims) == ([True], [{"signal_id": "x"}])
    params = functions.calls[0][1]
    assert (params["p_limit"], params["p_worker"], params["p_lease_seconds"]) == (4, "w", 15)


async def test_a_limit_that_keeps_an_entry_out_comes_typed() -> None:
    obstacle = {"name": "cooldown_sec", "scope": "all", "limit": "60", "used": "12.5", "ok": False}
    gateway, _ = database([{"ok": False, "obstacle": obstacle}])
    (begun,) = await gateway.begin([beginning()])
    assert begun.obstacle == Limit("cooldown_sec", "all", Decimal(60), Decimal("12.5"), ok=False)
    assert (begun.ok, begun.error) == (False, None)


async def test_a_limit_of_another_shape_is_a_contract_error() -> None:
    gateway, _ = database([{"ok": False, "obstacle": {"name": "cooldown_sec"}}])
    with pytest.raises(DatabaseContractError, match="begin_orders"):
        await gateway.begin([beginning()])


async def test_a_result_carries_what_was_checked_and_what_is_to_be_closed() -> None:
    gateway, functions = database({"finished": [{"ok": True}], "claims": []})
    explanation: dict[str, Any] = {"checks": [], "plan": None}
    result = Result(claim=CLAIM, status="done", explanation=explanation, close_symbols=("BTCUSDT",))
    await gateway.finish([result], 0)
    (sent,) = functions.calls[0][1]["p_results"]
    assert (sent["explanation"], sent["close_symbols"]) == (explanation, ["BTCUSDT"])


async def test_a_result_without_them_leaves_both_out() -> None:
    gateway, functions = database({"finished": [{"ok": True}], "claims": []})
    await gateway.finish([Result(claim=CLAIM, status="done")], 0)
    (sent,) = functions.calls[0][1]["p_results"]
    assert not {"explanation", "close_symbols"} & sent.keys()


async def test_news_of_an_order_of_another_signal_name_it() -> None:
    gateway, functions = database({"finished": [{"ok": True}], "claims": []})
    other = SignalId("7d1f7d3c-0c7c-4a4e-9f0a-0a5b3c2d1e0f")
    own = OrderNews(leg=1, state=OrderState.FILLED)
    news = (own, OrderNews(leg=1, state=OrderState.CANCELLED, signal_id=other))
    await gateway.finish([Result(claim=CLAIM, status="done", news=news)], 0)
    first, second = functions.calls[0][1]["p_results"][0]["news"]
    assert "signal_id" not in first
    assert (second["signal_id"], second["state"]) == (other, "cancelled")


async def test_a_renewal_names_those_that_are_still_ours() -> None:
    gateway, _ = database([{"signal_id": CLAIM.signal_id, "lease_until": "2026-01-01T00:00:00Z"}])
    assert await gateway.extend([CLAIM]) == {CLAIM.signal_id}


async def test_tasks_come_typed() -> None:
    gateway, functions = database(
        [{"task_id": 5, "kind": "validate_key", "fence": 1, "attempt": 2, "user_id": None, "account": None}]
    )
    (task,) = await gateway.claim_tasks(10, 60)
    assert (task.task_id, task.attempt, task.account) == (5, 2, None)
    await gateway.finish_tasks([TaskResult(task_id=5, fence=1, ok=True)])
    assert functions.calls[-1][1]["p_results"][0]["task_id"] == 5


async def test_what_a_venue_said_of_keys_goes_with_the_result() -> None:
    gateway, functions = database([])
    money = Balance(currency="USD", equity=Decimal(1), available=Decimal(1))
    check = KeyCheck(balance=money, account_number="7", permissions=("trade",), expires_at=NOW)
    await gateway.finish_tasks([TaskResult(task_id=5, fence=1, ok=True, check=check)])
    sent = functions.calls[-1][1]["p_results"][0]
    assert (sent["account_number"], sent["permissions"], sent["notes"]) == ("7", ("trade",), ())
    assert sent["expires_at"] == NOW.isoformat()


BATCH_TASK = Task(task_id=5, kind="retention", fence=3, attempt=1, user_id=None, account=None)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"ok": True, "more": True}, BatchDone(held=True, more=True)),
        ({"ok": True, "more": False, "error": "no"}, BatchDone(held=True, error="no")),
        ({"ok": False, "more": False}, BatchDone(held=False)),
    ],
)
async def test_a_batch_of_a_task_comes_typed(answer: Any, expected: BatchDone) -> None:
    gateway, functions = database(answer)
    assert await gateway.work_task(BATCH_TASK) == expected
    assert functions.calls[-1] == ("work_task", {"p_task_id": 5, "p_fence": 3})


async def test_a_batch_of_another_shape_is_a_contract_error() -> None:
    gateway, _ = database([])
    with pytest.raises(DatabaseContractError):
        await gateway.work_task(BATCH_TASK)


@pytest.mark.parametrize("answer", [None, 3, {}, ["x"], [{"ok": True}, {"ok": True}]])
async def test_an_answer_of_another_shape_is_a_contract_error(answer: Any) -> None:
    gateway, _ = database(answer)
    with pytest.raises(DatabaseContractError):
        await gateway.begin([beginning()])
    with pytest.raises(DatabaseContractError):
        await gateway.finish([Result(claim=CLAIM, status="done")], 1)


@pytest.mark.parametrize("answer", [None, {"claims": []}, ["x"], [{"task_id": "five"}]])
async def test_tasks_and_claims_of_another_shape_are_contract_errors(answer: Any) -> None:
    gateway, _ = database(answer)
    with pytest.raises(DatabaseContractError):
        await gateway.claim_tasks(1, 60)
    if not (isinstance(answer, list) and isinstance(answer[0], dict)):
        with pytest.raises(DatabaseContractError):
            await gateway.claim(1)
