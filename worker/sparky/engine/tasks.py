"""Works off the task queue: validates saved keys, and keeps the database at the tasks that it does itself."""

from collections.abc import Sequence
from typing import Final, Protocol

import structlog

from sparky.database.gateway import BatchDone, Task, TaskResult
from sparky.domain.backoff import Backoff
from sparky.domain.errors import LostClaim, Refusal, Retryable, VenueUnavailable
from sparky.domain.work_order import parse_account
from sparky.engine.access import AccountDesk
from sparky.engine.queues import Pace, all_of, work_off
from sparky.runtime.seams import Seams

_LEASE_SECONDS: Final = 60
_PACE: Final = Pace(batch=10, idle_seconds=2.0)
_RETRY: Final = Backoff(first=2.0, longest=3600.0)
# What the database does itself, batch after batch. Not longer than a turn at once: keys are waiting.
_DATABASE_KINDS: Final = frozenset(
    {"seal_audit", "retention", "retire_audit", "export_data", "delete_account", "provision_trader"}
)
_TURN_SECONDS: Final = 2.0
_VALIDATION: Final = "validate_key"
# Fewer than the database allows before it calls a task dead.
_PATIENT_ATTEMPTS: Final = 8
_AWAY_SECONDS: Final = 600

_log = structlog.get_logger(__name__)


class TaskStore(Protocol):
    """Where tasks come from and results go."""

    async def claim_tasks(self, limit: int, lease_seconds: int) -> Sequence[Task]:
        """Take up to `limit` due tasks."""
        ...

    async def work_task(self, task: Task) -> BatchDone:
        """Let the database do one batch of a task."""
        ...

    async def finish_tasks(self, results: Sequence[TaskResult]) -> None:
        """Record how they ended."""
        ...


class TaskRunner:
    """Claims due tasks and runs them: validations at once, what the database does one after another."""

    def __init__(self, store: TaskStore, desk: AccountDesk, seams: Seams) -> None:
        self._store = store
        self._desk = desk
        self._seams = seams

    async def run(self) -> None:
        """Work tasks off for ever."""
        await work_off("tasks", self._work_batch, _PACE, self._seams)

    async def _work_batch(self) -> int:
        tasks = await self._store.claim_tasks(_PACE.batch, _LEASE_SECONDS)
        # A venue that hangs keeps one validation waiting, and not those of other venues. What the database
        # does itself is done one after another.
        validations = [task for task in tasks if task.kind == _VALIDATION]
        others = [task for task in tasks if task.kind != _VALIDATION]
        await all_of([self._work_all(others), *(self._work_all([task]) for task in validations)])
        return len(tasks)

    async def _work_all(self, tasks: Sequence[Task]) -> None:
        for task in tasks:
            with structlog.contextvars.bound_contextvars(task_id=task.task_id, user_id=task.user_id):
                # Recorded at once: a crash repeats what is in hand, and no more.
                result = await self._work(task)
                if result is not None:
                    await self._store.finish_tasks([result])

    async def _work(self, task: Task) -> TaskResult | None:
        """Return how it ended, or None when it is somebody else's by now."""
        try:
            if task.kind in _DATABASE_KINDS:
                return await self._take_turn(task)
            if task.kind == _VALIDATION:
                return await self._validate_key(task)
            return _failed(task, f"unknown kind {task.kind!r}", retry=None)
        except VenueUnavailable as error:
            return self._put_off(task, error)
        except (LostClaim, Retryable) as error:
            return _failed(task, str(error), retry=self._later(task))
        except Exception as error:  # noqa: BLE001 - the border of one task: logged and recorded in its row
            _log.exception("task_failed")
            return _failed(task, type(error).__name__, retry=round(_RETRY.longest))

    def _put_off(self, task: Task, error: VenueUnavailable) -> TaskResult:
        # Nothing was learnt about the keys. A venue may be away for longer than a task may fail.
        if task.attempt < _PATIENT_ATTEMPTS:
            return _failed(task, str(error), retry=self._later(task))
        return TaskResult(
            task_id=task.task_id,
            fence=task.fence,
            ok=True,
            again=True,
            error=str(error),
            retry_in_seconds=_AWAY_SECONDS,
        )

    def _later(self, task: Task) -> int:
        return round(_RETRY.delay(task.attempt, self._seams.random.uniform)) + 1

    async def _take_turn(self, task: Task) -> TaskResult | None:
        end = self._seams.clock.monotonic() + _TURN_SECONDS
        while True:
            done = await self._store.work_task(task)
            if not done.held:
                _log.warning("task_lost", kind=task.kind)
                return None
            if done.error is not None:
                _log.error("task_failed", kind=task.kind, error=done.error)
                return _failed(task, done.error, retry=self._later(task))
            if not done.more or self._seams.clock.monotonic() >= end:
                return TaskResult(task_id=task.task_id, fence=task.fence, ok=True, again=done.more)

    async def _validate_key(self, task: Task) -> TaskResult:
        if task.user_id is None or task.account is None:
            return _failed(task, "the account is gone", retry=None)
        account = parse_account(task.account)
        try:
            # First, so that plain keys are sealed soon, at venues that this worker does not serve too.
            await self._desk.open_keys(task.user_id, account)
            if self._desk.is_silent(account.exchange, account.environment):
                raise VenueUnavailable(f"{account.exchange} did not answer others a moment ago")
            opened = await self._desk.open(task.user_id, account)
            check = await opened.validate()
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
        return TaskResult(
            task_id=task.task_id, fence=task.fence, ok=True, account_status="valid", check=check
        )


def _failed(task: Task, error: str, *, retry: int | None) -> TaskResult:
    return TaskResult(task_id=task.task_id, fence=task.fence, ok=False, error=error, retry_in_seconds=retry)
