"""A worker as an operator's service runs it: a process of its own, with a log file."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from scripts.local_stack import bound
from scripts.testbed.backend import Backend

_START_SECONDS = 20.0
_STOP_SECONDS = 30.0


class WorkerProcess:
    """One `sparky worker`. It is killed when the context ends, unless it was stopped before.

    It never outlives the thread that started it, and a Ctrl-C at the terminal does not reach it.
    """

    def __init__(
        self,
        backend: Backend,
        key_file: Path,
        log: Path,
        *,
        settings: Mapping[str, str] | None = None,
        command: Sequence[str] = ("-m", "sparky.cli.main", "worker"),
    ) -> None:
        self.log = log
        self._backend = backend
        self._key_file = key_file
        self._settings = dict(settings or {})
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None and self._process.poll() is None:
            self.kill()

    def start(self) -> Self:
        """Start the process and return at once."""
        environment = worker_environment(self._backend, self._key_file, self._settings)
        with self.log.open("ab") as log:
            self._process = bound.start(
                [sys.executable, *self._command],
                on_parent_death=signal.SIGKILL,
                log=log,
                folder=Path.cwd(),
                env=environment,
            )
        return self

    @property
    def pid(self) -> int:
        """The process id."""
        return self._running().pid

    @property
    def exit_code(self) -> int | None:
        """The exit code, or None while it runs."""
        return self._running().poll()

    def kill(self) -> None:
        """SIGKILL: nothing of the process gets a chance to tidy up."""
        self._running().kill()
        self._running().wait(_STOP_SECONDS)

    def stop(self) -> int:
        """SIGTERM, and return the exit code."""
        self._running().send_signal(signal.SIGTERM)
        return self._running().wait(_STOP_SECONDS)

    def pause(self) -> None:
        """SIGSTOP: the process stands still and does not know it."""
        self._running().send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT."""
        self._running().send_signal(signal.SIGCONT)

    def events(self) -> Iterator[dict[str, Any]]:
        """Yield the log's entries so far."""
        for line in self.log.read_text("utf-8").splitlines():
            if line.startswith("{"):
                yield json.loads(line)

    def await_event(self, event: str, *, count: int = 1, seconds: float = _START_SECONDS) -> None:
        """Wait until the log holds `event` that often.

        Raises:
            TimeoutError: it did not come, or the process has ended; the message shows the log's last lines.
        """
        deadline = time.monotonic() + seconds
        while sum(entry.get("event") == event for entry in self.events()) < count:
            if time.monotonic() > deadline or self._running().poll() is not None:
                tail = "\n".join(self.log.read_text("utf-8").splitlines()[-5:])
                raise TimeoutError(f"the worker did not say {event}; its last lines:\n{tail}")
            time.sleep(0.02)

    def _running(self) -> "subprocess.Popen[bytes]":
        if self._process is None:
            raise RuntimeError("the worker was not started")
        return self._process


def worker_environment(backend: Backend, key_file: Path, settings: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a worker: ours without other settings of Sparky, and those given."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("SPARKY_")}
    return {
        **inherited,
        "SPARKY_SUPABASE_URL": backend.url,
        "SPARKY_SUPABASE_KEY": backend.publishable_key,
        "SPARKY_WORKER_TOKEN": backend.worker_token,
        "SPARKY_SEALING_KEY_FILES": str(key_file),
        **{f"SPARKY_{name.upper()}": value for name, value in settings.items()},
    }
