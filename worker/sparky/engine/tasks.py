"""Works off the task queue: so far, the validation of saved keys."""

from collections.abc import Sequence
from typing import Final, Protocol

import structlog

from sparky.database.gateway import Task, TaskResult
from sparky.domain.backoff import Backoff
from sparky.domain.errors import Refusal, Retryable
from sparky.domain.work_order import parse_account
from sparky.engine.access import AccountDesk
from sparky.engine.queues import Pace, work_off
from sparky.runtime.seams import Seams

_LEASE_SECONDS: Final = 60
_PACE: Final = Pace(batch=10, idle_seconds=2.0)
_RETRY: Final = Backoff(first=2.0, longest=3600.0)

_log = structlog.get_logger(__name__)


class TaskStore(Protocol):
    """Where tasks come from and results go."""

    async def claim_tasks(self, limit: int, lease_seconds: int) -> Sequence[Task]:
        """Take up to `limit` due tasks."""
        ...

    async def finish_tasks(self, results: Sequence[TaskResult]) -> None:
        """Record how they ended."""
        ...


class TaskRunner:
    """Claims due tasks and runs them, one after another."""

    def __init__(self, store: TaskStore, desk: AccountDesk, seams: Seams) -> None:
        self._store = store
        self._desk = desk
        self._seams = seams

    async def run(self) -> None:
        """Work tasks off for ever."""
        await work_off("tasks", self._work_batch, _PACE, self._seams)

    async def _work_batch(self) -> int:
        tasks = await self._store.claim_tasks(_PACE.batch, _LEASE_SECONDS)
        for task in tasks:
            with structlog.contextvars.bound_contextvars(task_id=task.task_id, user_id=task.user_id):
                # One at a time, and recorded at once: a crash repeats one validation at most.
                await self._store.finish_tasks([await self._work(task)])
        return len(tasks)

    async def _work(self, task: Task) -> TaskResult:
        try:
            if task.kind == "validate_key":
                return await self._validate_key(task)
            return _failed(task, f"unknown kind {task.kind!r}", retry=None)
        except Retryable as error:
            seconds = round(_RETRY.delay(task.attempt, self._seams.random.uniform)) + 1
            return _failed(task, str(error), retry=seconds)
        except Exception as error:  # noqa: BLE001 - the border of one task: logged and recorded in its row
            _log.exception("task_failed")
            return _failed(task, type(error).__name__, retry=round(_RETRY.longest))

    async def _validate_key(self, task: Task) -> TaskResult:
        if task.user_id is None or task.account is None:
            return _failed(task, "the account is gone", retry=None)
        account = parse_account(task.account)
        try:
            await self._desk.open(task.user_id, account).validate()
        except Refusal as refusal:
            self._desk.forget(account)
            _log.info("key_invalid", account_id=account.id, reason=refusal.reason)
            return TaskResult(
                task_id=task.task_id,
                fence=task.fence,
                ok=True,
                account_status="invalid",
                status_reason=refusal.reason,
            )
        _log.info("key_valid", account_id=account.id)
        return TaskResult(task_id=task.task_id, fence=task.fence, ok=True, account_status="valid")


def _failed(task: Task, error: str, *, retry: int | None) -> TaskResult:
    return TaskResult(task_id=task.task_id, fence=task.fence, ok=False, error=error, retry_in_seconds=retry)
