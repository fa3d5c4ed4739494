"""The worker functions of the database, typed. One method each, one round trip each."""

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sparky.database.rpc import RpcClient
from sparky.domain import fields
from sparky.domain.answers import KeyCheck
from sparky.domain.errors import DatabaseContractError, WorkOrderError
from sparky.domain.identifiers import SignalId, UserId, WorkerId
from sparky.domain.news import OrderNews
from sparky.domain.plan import Leg, Plan
from sparky.domain.plan_json import leg_to_json, plan_to_json
from sparky.domain.trade_settings import Limit, parse_limit
from sparky.domain.work_order import Claim


@dataclass(frozen=True, slots=True, kw_only=True)
class Beginning:
    """Legs to be written down before they are sent together, with what became of the legs before them."""

    claim: Claim
    plan: Plan
    legs: tuple[Leg, ...]
    news: tuple[OrderNews, ...] = ()
    bookmark: str | None = None


@dataclass(frozen=True, slots=True)
class Begun:
    """Whether the leg may be sent, and how many seconds of the lease were left when it was written.

    `obstacle` is the trader's limit on entries that is reached: nothing was written down. Not ok without an
    error or an obstacle: the claim is no longer ours, or a leg stands written down already.
    """

    ok: bool
    lease_left: float = 0.0
    error: str | None = None
    obstacle: Limit | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """How a signal ended.

    `explanation` is what was checked, and what was planned where no order was begun. `close_symbols` are
    closed by signals of their own, which the database writes; None where the signal asks for none.
    """

    claim: Claim
    status: str
    reason_code: str | None = None
    reason: str | None = None
    news: tuple[OrderNews, ...] = ()
    explanation: Mapping[str, Any] | None = None
    close_symbols: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Finished:
    """Whether a result was recorded. Not ok without an error: the claim was no longer ours."""

    ok: bool
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A unit of work from the task queue; `account` is as in a work order."""

    task_id: int
    kind: str
    fence: int
    attempt: int
    user_id: UserId | None
    account: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskResult:
    """How a task ended. Not ok without `retry_in_seconds` ends it for good.

    `again` gives back a task that goes well and is not at its end yet, to be taken up after
    `retry_in_seconds`. `check` is what the venue said of keys that it accepts.
    """

    task_id: int
    fence: int
    ok: bool
    again: bool = False
    error: str | None = None
    retry_in_seconds: int | None = None
    account_status: str | None = None
    status_reason: str | None = None
    check: KeyCheck | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchDone:
    """What came of one batch. Not held: the task is no longer ours. Without `more` or an error it is done."""

    held: bool
    more: bool = False
    error: str | None = None


class WorkerDatabase:
    """Everything a worker asks of the database. Work orders come unparsed: one bad one spoils no batch.

    Every method raises DatabaseUnavailable and DatabaseContractError (see `RpcClient.call`).
    """

    def __init__(self, rpc: RpcClient, worker: WorkerId, lease_seconds: int) -> None:
        self._rpc = rpc
        self._worker = worker
        self._lease_seconds = lease_seconds

    async def claim(self, limit: int) -> Sequence[Mapping[str, Any]]:
        """Take up to `limit` work orders."""
        answer = await self._rpc.call(
            "claim_signals",
            {"p_worker": self._worker, "p_limit": limit, "p_lease_seconds": self._lease_seconds},
        )
        return _mappings(answer)

    async def begin(self, beginnings: Sequence[Beginning]) -> Sequence[Begun]:
        """Write legs down in state submitting; the answers are in the order of the question."""
        answer = await self._rpc.call("begin_orders", {"p_claims": [_beginning(item) for item in beginnings]})
        return [_begun(item) for item in _same_length(_mappings(answer), beginnings)]

    async def finish(
        self, results: Sequence[Result], claim_limit: int
    ) -> tuple[Sequence[Finished], Sequence[Mapping[str, Any]]]:
        """Record results, in their order, and take up to `claim_limit` further work orders."""
        answer = await self._rpc.call(
            "finish_signals",
            {
                "p_results": [_result(item) for item in results],
                "p_worker": self._worker,
                "p_limit": claim_limit,
                "p_lease_seconds": self._lease_seconds,
            },
        )
        if not isinstance(answer, dict):
            raise DatabaseContractError("finish_signals answered something else than an object")
        finished = _same_length(_mappings(answer.get("finished")), results)
        return (
            [Finished(item.get("ok") is True, item.get("error")) for item in finished],
            _mappings(answer.get("claims")),
        )

    async def extend(self, claims: Iterable[Claim]) -> AbstractSet[SignalId]:
        """Renew leases and return whose they were; a claim that is missing is lost."""
        answer = await self._rpc.call(
            "extend_leases", {"p_claims": _claims(claims), "p_lease_seconds": self._lease_seconds}
        )
        return {SignalId(str(item.get("signal_id"))) for item in _mappings(answer)}

    async def release(self, claims: Iterable[Claim]) -> None:
        """Give claims back, for another worker to take at once."""
        await self._rpc.call("release_signals", {"p_claims": _claims(claims)})

    async def heartbeat(self, version: str, counters: Mapping[str, int], ping: str | None) -> None:
        """Tell that the worker is alive; `ping` comes back over the wake-up channel."""
        await self._rpc.call(
            "worker_heartbeat",
            {"p_worker": self._worker, "p_version": version, "p_counters": counters, "p_ping": ping},
        )

    async def claim_tasks(self, limit: int, lease_seconds: int) -> Sequence[Task]:
        """Take up to `limit` due tasks."""
        answer = await self._rpc.call(
            "claim_tasks", {"p_worker": self._worker, "p_limit": limit, "p_lease_seconds": lease_seconds}
        )
        return [_task(item) for item in _mappings(answer)]

    async def work_task(self, task: Task) -> BatchDone:
        """Let the database do one batch of a task; the lease is extended."""
        answer = await self._rpc.call("work_task", {"p_task_id": task.task_id, "p_fence": task.fence})
        if not isinstance(answer, dict):
            raise DatabaseContractError("work_task answered something else than an object")
        return BatchDone(
            held=answer.get("ok") is True, more=answer.get("more") is True, error=answer.get("error")
        )

    async def finish_tasks(self, results: Sequence[TaskResult]) -> None:
        """Record how tasks ended, where their lease is still held."""
        await self._rpc.call(
            "finish_tasks",
            {
                "p_results": [_task_result(item) for item in results],
            },
        )


def _claims(claims: Iterable[Claim]) -> list[dict[str, Any]]:
    return [{"signal_id": claim.signal_id, "fence": claim.fence} for claim in claims]


def _beginning(item: Beginning) -> dict[str, Any]:
    return {
        "signal_id": item.claim.signal_id,
        "fence": item.claim.fence,
        "plan": plan_to_json(item.plan),
        "news": [news.to_json() for news in item.news],
        "orders": [leg_to_json(leg) | {"bookmark": item.bookmark} for leg in item.legs],
    }


def _begun(item: Mapping[str, Any]) -> Begun:
    left = item.get("lease_left_ms")
    # A number with a fraction comes as Decimal, one without as int.
    seconds = float(left) / 1000 if isinstance(left, int | Decimal) else 0.0
    obstacle = item.get("obstacle")
    try:
        limit = None if obstacle is None else parse_limit(fields.mapping(obstacle, "obstacle"), "obstacle")
    except WorkOrderError as error:
        raise DatabaseContractError(f"begin_orders: {error.reason}") from error
    return Begun(item.get("ok") is True, seconds, item.get("error"), limit)


def _result(item: Result) -> dict[str, Any]:
    result: dict[str, Any] = {
        "signal_id": item.claim.signal_id,
        "fence": item.claim.fence,
        "status": item.status,
        "reason_code": item.reason_code,
        "reason": item.reason,
        "news": [news.to_json() for news in item.news],
    }
    if item.explanation is not None:
        result["explanation"] = item.explanation
    if item.close_symbols is not None:
        result["close_symbols"] = list(item.close_symbols)
    return result


def _task_result(item: TaskResult) -> dict[str, Any]:
    result: dict[str, Any] = {
        "task_id": item.task_id,
        "fence": item.fence,
        "ok": item.ok,
        "again": item.again,
        "error": item.error,
        "retry_in_seconds": item.retry_in_seconds,
        "account_status": item.account_status,
        "status_reason": item.status_reason,
    }
    if item.check is not None:
        expires_at = item.check.expires_at
        result |= {
            "account_number": item.check.account_number,
            "permissions": item.check.permissions,
            "expires_at": None if expires_at is None else expires_at.isoformat(),
            "notes": item.check.notes,
        }
    return result


def _task(source: Mapping[str, Any]) -> Task:
    user_id = source.get("user_id")
    try:
        return Task(
            task_id=fields.integer(source, "task_id", "task"),
            kind=fields.text(source, "kind", "task"),
            fence=fields.integer(source, "fence", "task"),
            attempt=fields.integer(source, "attempt", "task"),
            user_id=None if user_id is None else UserId(str(user_id)),
            account=source.get("account"),
        )
    except WorkOrderError as error:
        raise DatabaseContractError(f"claim_tasks: {error.reason}") from error


def _mappings(answer: Any) -> Sequence[Mapping[str, Any]]:
    if not isinstance(answer, list) or not all(isinstance(item, dict) for item in answer):
        raise DatabaseContractError("a worker function answered something else than a list of objects")
    return answer


def _same_length(
    answer: Sequence[Mapping[str, Any]], question: Sequence[object]
) -> Sequence[Mapping[str, Any]]:
    if len(answer) != len(question):
        raise DatabaseContractError(f"{len(question)} items were sent and {len(answer)} came back")
    return answer
