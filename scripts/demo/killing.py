"""The demo's workers, one after the other, and the SIGKILL between them."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from scripts.demo.errors import DemoError
from scripts.testbed.backend import Backend
from scripts.testbed.worker_process import WorkerProcess

# Short leases, so that the successor need not wait long; the lease must outlast the venue's time-out by 2 s.
_SETTINGS: Final = {
    "lease_seconds": "4",
    "venue_timeout_seconds": "2",
    "poll_interval_seconds": "1",
    "log_level": "debug",
}
_LOOK_SECONDS: Final = 0.02
_KILL_WITHIN_SECONDS: Final = 20.0


class Crew:
    """The workers that the demo starts. None outlives it."""

    def __init__(self, backend: Backend, key_file: Path, logs: Path) -> None:
        self._backend = backend
        self._key_file = key_file
        self._logs = logs
        self._workers: list[WorkerProcess] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for worker in self._workers:
            if worker.exit_code is None:
                worker.kill()

    @property
    def current(self) -> WorkerProcess:
        """The worker that was started last."""
        return self._workers[-1]

    @property
    def states(self) -> list[str]:
        """One phrase for each worker."""
        return [f"{number} {_describe(worker)}" for number, worker in enumerate(self._workers, start=1)]

    def start(self) -> None:
        """Start the next worker and return at once."""
        log = self._logs / f"worker-{len(self._workers) + 1}.log"
        self._workers.append(WorkerProcess(self._backend, self._key_file, log, settings=_SETTINGS).start())

    async def ready(self) -> None:
        """Wait until the worker hears wake-ups.

        Raises:
            DemoError: it does not get there.
        """
        try:
            await asyncio.to_thread(self.current.await_event, "wake_ups_connected")
        except TimeoutError:
            state = _describe(self.current)
            raise DemoError(
                f"worker {len(self._workers)} did not get ready and now is {state}: see the end of "
                f"{self.current.log.name}"
            ) from None

    async def kill_when(self, ready: Callable[[], Awaitable[bool]]) -> int:
        """Kill the worker as soon as `ready` says so, and return its exit code.

        Raises:
            DemoError: it never said so.
        """
        try:
            async with asyncio.timeout(_KILL_WITHIN_SECONDS):
                while not await ready():  # noqa: ASYNC110 - what it asks is a database
                    await asyncio.sleep(_LOOK_SECONDS)
        except TimeoutError:
            raise DemoError("the worker never had enough orders in flight, so it was not killed") from None
        self.current.kill()
        return self.current.exit_code or 0


def _describe(worker: WorkerProcess) -> str:
    if worker.exit_code is None:
        return f"running (process {worker.pid})"
    return "killed with SIGKILL" if worker.exit_code < 0 else f"ended with exit code {worker.exit_code}"
