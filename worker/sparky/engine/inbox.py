"""Takes work and sees it through: hints, claims, executions, results."""

import asyncio
from collections import Counter
from collections.abc import Coroutine, Mapping, Sequence
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
from sparky.domain.work_order import Claim, parse_claim, parse_work_order
from sparky.engine import outcomes
from sparky.engine.batching import Batcher
from sparky.engine.equipment import Equipment
from sparky.engine.execution import Execution
from sparky.engine.leases import Lease
from sparky.runtime.seams import Seams

_BACKOFF: Final = Backoff(first=0.2, longest=2.0)
# A second claim after each hint covers what the hint's own transaction or the coalescing of hints left out.
_ECHO_SECONDS: Final = 0.05
_RESULTS_PER_CALL: Final = 50
# Of `max_in_flight`, where most of them wait for a venue that is silent, or for something slow of their own.
_WAITING_TIMES: Final = 5
# What takes longer waits for somebody else: a slow account, an order that works, a look-up.
_SLOW_SECONDS: Final = 3.0

_log = structlog.get_logger(__name__)

RawOrders = Sequence[Mapping[str, Any]]

_Place = tuple[str, str]


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
    """Claims whenever there may be work, and runs one task for each claimed signal.

    A signal counts as in flight from the asking for it until its result is recorded; there are never
    more than `max_in_flight`. Those that wait for a venue that is silent, or are in hand for long already,
    are not counted, up to a few times as many: one venue that hangs, or one account that is slow, must not
    take the room of all others.
    """

    def __init__(self, store: ClaimStore, equipment: Equipment, *, batch: int, max_in_flight: int) -> None:
        self._store = store
        self._equipment = equipment
        self._leases = equipment.leases
        self._seams: Seams = equipment.seams
        self._batch = batch
        self._max_in_flight = max_in_flight
        self._wanted = asyncio.Event()
        self._echo_at: float | None = None
        # What the calls that are under way may still bring.
        self._asked_for = 0
        self._starved = False
        # Since when each signal is worked on, the oldest first.
        self._held: dict[Lease, tuple[_Place, float]] = {}
        self._places: Counter[_Place] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()
        self._results: Batcher[Result, Finished] = Batcher(self._finish_batch, _RESULTS_PER_CALL)
        self._stopping = False
        self._claiming_ended = asyncio.Event()
        self._claiming_ended.set()
        self.poll_seconds = 1.0
        self.counters = {"claimed": 0, "finished": 0, "lost": 0}

    def hint(self) -> None:
        """There may be work. Never raises, never blocks, carries nothing."""
        self._wanted.set()
        self._echo_at = self._seams.clock.monotonic() + _ECHO_SECONDS

    def claim_soon(self) -> None:
        """Claim once, without an echo."""
        self._wanted.set()

    async def run(self) -> None:
        """Claim until stopped."""
        failures = 0
        self._claiming_ended.clear()
        try:
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
        finally:
            self._claiming_ended.set()

    async def stop(self, grace_seconds: float) -> None:
        """Take no more work, finish what is in flight within the time, give the rest back."""
        self._stopping = True
        self._wanted.set()
        # A claim that is under way may still be granted: what it brings is held and given back below.
        await self._claiming_ended.wait()
        if self._tasks:
            _log.info("finishing", signals=len(self._tasks))
            await asyncio.wait(self._tasks, timeout=grace_seconds)
        unfinished = set(self._leases.claims())
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._results.close()
        unfinished.update(self._leases.claims())
        if unfinished:
            _log.info("giving_back", signals=len(unfinished))
            await self._give_back(tuple(unfinished))

    async def _wait_for_work(self) -> None:
        seconds = self.poll_seconds
        if self._echo_at is not None:
            seconds = min(seconds, max(0.0, self._echo_at - self._seams.clock.monotonic()))
        try:
            async with asyncio.timeout(seconds):
                await self._wanted.wait()
        except TimeoutError:
            pass  # the timer: claims happen also when every hint was lost
        self._wanted.clear()
        if self._echo_at is not None and self._echo_at <= self._seams.clock.monotonic():
            # The claim that follows is the echo.
            self._echo_at = None

    def _room(self, freed: int = 0) -> int:
        if self._stopping:
            return 0
        counted = len(self._leases) - min(self._waiting(), (_WAITING_TIMES - 1) * self._max_in_flight)
        return max(0, min(self._batch, self._max_in_flight + freed - counted - self._asked_for))

    def _waiting(self) -> int:
        slow: Counter[_Place] = Counter()
        since = self._seams.clock.monotonic() - _SLOW_SECONDS
        for place, began_at in self._held.values():
            if began_at > since:
                break
            slow[place] += 1
        desk = self._equipment.desk
        silent = sum(
            held - slow[place] for place, held in self._places.items() if held and desk.is_silent(*place)
        )
        return slow.total() + silent

    async def _claim(self) -> None:
        room = self._room()
        if room < 1:
            self._starved = True
            return
        asked_at = self._seams.clock.monotonic()
        self._asked_for += room
        try:
            raw_orders = await self._store.claim(room)
        finally:
            self._asked_for -= room
        self._accept(raw_orders, asked_at, room)

    def _accept(self, raw_orders: RawOrders, asked_at: float, room: int) -> None:
        if room and len(raw_orders) >= room:
            # The batch came back full: there is more.
            self._wanted.set()
        for raw in raw_orders:
            self.counters["claimed"] += 1
            try:
                claim = parse_claim(raw)
            except WorkOrderError as error:
                # Nobody can answer for it: its lease runs out, and the database retires it in the end.
                _log.error("claim_unreadable", field=error.field, problem=error.reason)
                continue
            lease = self._leases.hold(claim, asked_at)
            if not self._stopping:
                self._start(self._work(raw, lease, asked_at))

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            _log.error("task_failed", exc_info=task.exception())

    async def _work(self, raw: Mapping[str, Any], lease: Lease, asked_at: float) -> None:
        claim = lease.claim
        place = (str(raw.get("exchange")), str(raw.get("environment")))
        self._held[lease] = (place, self._seams.clock.monotonic())
        self._places[place] += 1
        with structlog.contextvars.bound_contextvars(
            signal_id=claim.signal_id, user_id=raw.get("user_id"), fence=claim.fence
        ):
            try:
                await self._finish(await self._execute(raw, lease, asked_at), lease)
            except LostClaim as error:
                self.counters["lost"] += 1
                _log.warning("claim_left_alone", why=str(error))
            except DatabaseUnavailable as error:
                _log.warning("execution_interrupted", error=str(error))
                await self._give_back((claim,))
            except DatabaseContractError as error:
                # Given back, it would come again at once: the lease sets the pace of the next tries.
                _log.error("execution_interrupted", error=str(error))
            finally:
                self._leases.drop(lease)
                del self._held[lease]
                self._places[place] -= 1
                if self._starved:
                    self._starved = False
                    self._wanted.set()

    async def _execute(self, raw: Mapping[str, Any], lease: Lease, asked_at: float) -> Result:
        begun = bool(raw.get("orders")) or raw.get("plan") is not None
        try:
            order = parse_work_order(raw)
        except WorkOrderError as error:
            _log.error("work_order_unreadable", field=error.field, problem=error.reason)
            return outcomes.unreadable(lease.claim, error, begun=begun)
        execution = Execution(self._equipment, order, lease, asked_at)
        try:
            return await execution.run()
        except (LostClaim, DatabaseUnavailable, DatabaseContractError):
            raise
        except Exception:  # noqa: BLE001 - the border of one signal: logged, told to its trader, no other is touched
            _log.exception("execution_failed")
            return outcomes.broken(lease.claim, begun=execution.begun, news=execution.news)

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
        # Each result makes room for a claim, in this very call.
        room = self._room(freed=len(results))
        asked_at = self._seams.clock.monotonic()
        self._asked_for += room
        try:
            finished, raw_orders = await self._store.finish(results, room)
        finally:
            self._asked_for -= room
        self._accept(raw_orders, asked_at, room)
        return finished

    async def _give_back(self, claims: Sequence[Claim]) -> None:
        try:
            await self._store.release(claims)
        except (DatabaseUnavailable, DatabaseContractError) as error:
            # Their leases run out, which takes longer and changes nothing else.
            _log.warning("not_given_back", error=str(error), claims=len(claims))
