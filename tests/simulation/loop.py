"""An event loop of several processes in virtual time. A seed decides which of them runs next.

Every callback belongs to the process in whose context it was made, or to the world between them: networks,
venues, the database. A process that is paused runs nothing, whatever becomes due; one that is killed never
runs again, not even to clean up. Within a process callbacks run in their order, as asyncio promises.
"""

import asyncio
import contextvars
import heapq
import itertools
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, Final, TypeVar, TypeVarTuple, cast

from sparky.runtime.seams import Seams, SystemSleeper

START: Final = datetime(2026, 3, 2, 14, 30, tzinfo=UTC)

Answer = TypeVar("Answer")
Arguments = TypeVarTuple("Arguments")


@dataclass(slots=True, eq=False)
class Process:
    """One process, or the world between them."""

    name: str
    ready: deque[asyncio.Handle] = field(default_factory=deque)
    stands_still: bool = False
    context: contextvars.Context = field(init=False)

    def __post_init__(self) -> None:
        self.context = contextvars.Context()
        self.context.run(_PROCESS.set, self)


_PROCESS: Final[contextvars.ContextVar[Process]] = contextvars.ContextVar("process")


class SimulationLoop(asyncio.BaseEventLoop):
    """The loop; `outside` is the world between the processes."""

    def __init__(self, random: Random) -> None:
        super().__init__()
        self._random = random
        self._elapsed = 0.0
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._numbers = itertools.count()
        self.outside = Process("outside")
        self._processes = [self.outside]

    def time(self) -> float:
        return self._elapsed

    def add_process(self, name: str) -> Process:
        process = Process(name)
        self._processes.append(process)
        return process

    def now(self) -> datetime:
        """Return the true time of day."""
        return START + timedelta(seconds=self._elapsed)

    def current(self) -> Process:
        """Return the process that is running."""
        return _PROCESS.get(self.outside)

    def start(self, process: Process, work: Coroutine[Any, Any, Answer]) -> asyncio.Task[Answer]:
        """Begin a task of a process."""
        return self.create_task(work, context=process.context)

    def later(
        self, seconds: float, callback: Callable[[*Arguments], object], *arguments: *Arguments
    ) -> asyncio.TimerHandle:
        """Call something of the world between the processes after a while."""
        return self.call_at(self._elapsed + seconds, callback, *arguments, context=self.outside.context)

    def call_soon(
        self,
        callback: Callable[[*Arguments], object],
        *args: *Arguments,
        context: contextvars.Context | None = None,
    ) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)
        self._process_of(handle).ready.append(handle)
        return handle

    call_soon_threadsafe = call_soon

    def call_later(
        self,
        delay: float,
        callback: Callable[[*Arguments], object],
        *args: *Arguments,
        context: contextvars.Context | None = None,
    ) -> asyncio.TimerHandle:
        return self.call_at(self._elapsed + delay, callback, *args, context=context)

    def call_at(
        self,
        when: float,
        callback: Callable[[*Arguments], object],
        *args: *Arguments,
        context: contextvars.Context | None = None,
    ) -> asyncio.TimerHandle:
        timer = asyncio.TimerHandle(when, callback, args, self, context)
        heapq.heappush(self._timers, (when, next(self._numbers), timer))
        return timer

    def stand_still(self, seconds: float) -> None:
        """Let the process that is running stop right where it is, as SIGSTOP does, while all else goes on."""
        process, task = self.current(), asyncio.current_task(self)
        until = self._elapsed + seconds
        self.later(seconds, lambda: None)
        process.stands_still = True
        # The task stays where it is on our stack while others run above it.
        asyncio.tasks._leave_task(self, cast("Any", task))
        try:
            while self._elapsed < until and not self._is_stopping():
                self._run_once()
        finally:
            asyncio.tasks._enter_task(self, cast("Any", task))
            process.stands_still = False

    def end(self, main: asyncio.Task[Any]) -> None:
        """Let every other task be cancelled and end, also those of killed processes."""
        for process in self._processes:
            process.stands_still = False
        for task in asyncio.all_tasks(self):
            if task is not main:
                task.cancel()

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        del handle

    def _is_stopping(self) -> bool:
        return bool(cast("Any", self)._stopping)

    def _write_to_self(self) -> None:
        pass  # nobody waits in a selector

    def _process_of(self, handle: asyncio.Handle) -> Process:
        context: contextvars.Context = cast("Any", handle)._context
        return context.get(_PROCESS, self.outside)

    def _run_once(self) -> None:
        able = [one for one in self._processes if one.ready and not one.stands_still]
        if not able:
            if not self._is_stopping():
                self._pass_time()
            return
        chosen = able[0] if len(able) == 1 else self._random.choice(able)
        handle = chosen.ready.popleft()
        if not handle._cancelled:
            handle._run()

    def _pass_time(self) -> None:
        while self._timers:
            when, _, timer = heapq.heappop(self._timers)
            if not timer._cancelled:
                self._elapsed = max(self._elapsed, when)
                self._process_of(timer).ready.append(timer)
                return
        raise RuntimeError("every task waits for something that will never happen")


class ProcessClock:
    """A process's clocks: the wall clock may be off, the monotonic one began anywhere, both run alike."""

    def __init__(self, loop: SimulationLoop, *, wall_off: float, began: float) -> None:
        self._loop = loop
        self._wall_off = wall_off
        self._began = began

    def monotonic(self) -> float:
        return self._loop.time() + self._began

    def now(self) -> datetime:
        return self._loop.now() + timedelta(seconds=self._wall_off)


class ProcessRandom:
    """The draws of a process."""

    def __init__(self, random: Random) -> None:
        self._random = random

    def uniform(self) -> float:
        return self._random.random()

    def hexadecimal(self, digits: int) -> str:
        return f"{self._random.getrandbits(4 * digits):0{digits}x}"


def process_seams(loop: SimulationLoop, random: Random) -> Seams:
    """Return the seams of a new process."""
    clock = ProcessClock(loop, wall_off=random.uniform(-300, 300), began=random.uniform(0, 1e6))
    return Seams(clock=clock, sleeper=SystemSleeper(), random=ProcessRandom(Random(random.random())))


def run_simulated(
    random: Random, scenario: Callable[[SimulationLoop], Coroutine[Any, Any, Answer]]
) -> Answer:
    """Run a scenario on a loop of its own, and leave nothing of it behind."""
    loop = SimulationLoop(random)
    loop.set_exception_handler(lambda _loop, _context: None)

    async def whole() -> Answer:
        main = asyncio.current_task()
        assert main is not None
        try:
            return await scenario(loop)
        finally:
            for _ in range(_ROUNDS_TO_END):
                loop.end(main)
                if len(asyncio.all_tasks(loop)) == 1:
                    break
                await asyncio.sleep(1.0)

    try:
        return loop.run_until_complete(whole())
    finally:
        loop.close()


_ROUNDS_TO_END: Final = 100
