"""The fake venue as a process of its own, and what it saw."""

import signal
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import httpx

from scripts.local_stack import bound
from scripts.local_stack.project import REPOSITORY

_START_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True)
class Arrivals:
    """When each order came, by its client id, in seconds of this machine's clock; and how many came twice."""

    seconds: Mapping[str, float]
    repeated: int


class VenueProcess:
    """`scripts.benchmarks.aster_fake` on a free port; it ends with the context."""

    def __init__(self, folder: Path, latency_ms: float) -> None:
        self._log = folder / "venue.log"
        self._latency_ms = latency_ms
        self.url = ""

    def __enter__(self) -> Self:
        command = [
            sys.executable,
            "-m",
            "scripts.benchmarks.aster_fake",
            "--latency-ms",
            str(self._latency_ms),
        ]
        with self._log.open("wb") as log:
            self._process = bound.start(command, on_parent_death=signal.SIGKILL, log=log, folder=REPOSITORY)
        deadline = time.monotonic() + _START_SECONDS
        while not (said := self._log.read_text("utf-8")).endswith("\n"):
            if time.monotonic() > deadline or self._process.poll() is not None:
                raise RuntimeError(f"the fake venue did not start: {said}")
            time.sleep(0.02)
        self.url = f"http://127.0.0.1:{int(said)}"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def arrivals(self) -> Arrivals:
        """Return what has come so far."""
        body: Any = httpx.get(f"{self.url}/arrivals", timeout=30).json()
        return Arrivals(body["arrivals"], body["repeated"])
