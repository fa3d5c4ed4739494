"""Takes work and sees it through: hints, claims, executions, results."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

import structlog

from sparky.database.gateway import Finished, Result
from sparky.domain.backoff import Backoff
from sparky.domain.errors import (
    DatabaseContractError,
    DatabaseUnavailable,
    LostClaim,
    WorkOrderError,
)
from sparky.domain.work_order import Claim, WorkOrder, parse_claim, parse_work_order
from sparky.engine import outcomes
from sparky.engine.batching import Batcher
from sparky.engine.execution import Equipment, Execution
from sparky.engine.leases import Lease
from sparky.runtime.seams import Seams

_BACKOFF: Final = Backoff(first=0.2, longest=5.0)
# A second claim after each hint covers what the hint's own transaction or the coalescing of hints left out.
_ECHO_SECONDS: Final = 0.05
_RESULTS_PER_CALL: Final = 50

_log = structlog.get_logger(__name__)

RawOrders = Sequence[Mapping[str, Any]]


class ClaimStore(Protocol):
    """Where work comes from and results go."""

    async def claim(self, limit: int) -> RawOrders:
        """Take up to `limit` work orders."""
        ...

    async def finish(
        self, results: Sequence[Result], claim_limit: int
    ) -> tuple[Sequence[Finished], RawOrders]:
        """Record results and take up to `claim_limit` further work orders."""
        ...

    async def release(self, claims: Sequence[Claim]) -> None:
        """Give claims back."""
        ...


class Inbox:
    """Claims whenever there may be work, and runs one task for each claimed signal."""

    def __init__(self, store: ClaimStore, equipment: Equipment, *, batch: int, max_in_flight: int) -> None:
        self._store = store
        self._equipment = equipment
        self._leases = equipment.leases
        self._seams: Seams = equipment.seams
        self._batch = batch
        self._max_in_flight = max_in_flight
        self._wanted = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._results: Batcher[Result, Finished] = Batcher(self._finish_batch, _RESULTS_PER_CALL)
        self._stopping = False
        self.poll_seconds = 1.0
        self.counters = {"claimed": 0, "finished": 0, "lost": 0}

    def hint(self) -> None:
        """There may be work. Never raises, never blocks, carries nothing."""
        self._wanted.set()
        self._start(self._echo())

    def claim_soon(self) -> None:
        """Claim once, without an echo."""
        self._wanted.set()

    @property
    def in_flight(self) -> int:
        """How many claims are held."""
        return len(self._leases)

    async def run(self) -> None:
        """Claim until stopped."""
        failures = 0
        while not self._stopping:
            try:
                await self._claim()
                failures = 0
            except (DatabaseUnavailable, DatabaseContractError) as error:
                failures += 1
                _log.warning("claim_failed", error=str(error), failures=failures)
                await self._seams.sleeper.sleep(_BACKOFF.delay(failures, self._seams.random.uniform))
                self._wanted.set()
            await self._wait_for_work()

    async def stop(self, grace_seconds: float) -> None:
        """Take no more work, finish what is in flight within the time, give the rest back."""
        self._stopping = True
        self._wanted.set()
        if self._tasks:
            _log.info("finishing", signals=self.in_flight)
            await asyncio.wait(self._tasks, timeout=grace_seconds)
        unfinished = self._leases.claims()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if unfinished:
            _log.info("giving_back", signals=len(unfinished))
            await self._store.release(unfinished)

    async def _echo(self) -> None:
        await self._seams.sleeper.sleep(_ECHO_SECONDS)
        self._wanted.set()

    async def _wait_for_work(self) -> None:
        try:
            async with asyncio.timeout(self.poll_seconds):
                await self._wanted.wait()
        except TimeoutError:
            pass  # the timer: claims happen also when every hint was lost
        self._wanted.clear()

    def _room(self) -> int:
        return 0 if self._stopping else min(self._batch, self._max_in_flight - self.in_flight)

    async def _claim(self) -> None:
        room = self._room()
        if room < 1:
            return
        asked_at = self._seams.clock.monotonic()
        self._accept(await self._store.claim(room), asked_at, room)

    def _accept(self, raw_orders: RawOrders, asked_at: float, room: int) -> None:
        if room and len(raw_orders) >= room:
            # The batch came back full: there is more.
            self._wanted.set()
        for raw in raw_orders:
            self.counters["claimed"] += 1
            try:
                order = parse_work_order(raw)
            except WorkOrderError as error:
                self._start(self._refuse_unreadable(raw, error))
            else:
                lease = self._leases.hold(order, asked_at)
                self._start(self._execute(order, lease, asked_at))

    def _start(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            _log.error("task_failed", exc_info=task.exception())

    async def _refuse_unreadable(self, raw: Mapping[str, Any], error: WorkOrderError) -> None:
        _log.error("work_order_unreadable", field=error.field, problem=error.reason)
        claim = parse_claim(raw)
        begun = bool(raw.get("orders")) or raw.get("plan") is not None
        await self._results.submit(outcomes.broken(claim, begun=begun))

    async def _execute(self, order: WorkOrder, lease: Lease, claimed_at: float) -> None:
        execution = Execution(self._equipment, order, lease, claimed_at)
        with structlog.contextvars.bound_contextvars(
            signal_id=order.signal_id, user_id=order.user_id, fence=order.fence
        ):
            try:
                result = await self._run(execution, order)
                if result is not None:
                    await self._finish(result, lease)
            except LostClaim as error:
                self.counters["lost"] += 1
                _log.warning("claim_left_alone", why=str(error))
            finally:
                self._leases.drop(lease)

    async def _run(self, execution: Execution, order: WorkOrder) -> Result | None:
        try:
            return await execution.run()
        except DatabaseUnavailable as error:
            # The lease runs out by itself, and the next claim continues from what is written down.
            _log.warning("execution_interrupted", error=str(error))
            return None
        except LostClaim:
            raise
        except Exception:  # noqa: BLE001 - the border of one signal: logged, told to its trader, no other is touched
            _log.exception("execution_failed")
            return outcomes.broken(order.claim, begun=execution.begun)

    async def _finish(self, result: Result, lease: Lease) -> None:
        failures = 0
        while True:
            try:
                finished = await self._results.submit(result)
            except DatabaseUnavailable as error:
                failures += 1
                _log.warning("finish_failed", error=str(error), failures=failures)
                await self._seams.sleeper.sleep(_BACKOFF.delay(failures, self._seams.random.uniform))
                # Recording twice changes nothing, so it is tried for as long as the claim is ours.
                await self._leases.require(lease, 0)
                continue
            break
        if finished.ok:
            self.counters["finished"] += 1
            _log.info("signal_finished", status=result.status, reason_code=result.reason_code)
        elif finished.error is None:
            raise LostClaim("the result came too late or was recorded before")
        else:
            _log.error("result_refused", error=finished.error, status=result.status)

    async def _finish_batch(self, results: Sequence[Result]) -> Sequence[Finished]:
        room = self._room()
        asked_at = self._seams.clock.monotonic()
        finished, raw_orders = await self._store.finish(results, room)
        self._accept(raw_orders, asked_at, room)
        return finished
