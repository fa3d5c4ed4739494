"""What the processes of a benchmark use of the processors, as Linux counts it."""

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from scripts.benchmarks.ground import Ground
from scripts.testbed.worker_process import WorkerProcess

_TICKS: Final = os.sysconf("SC_CLK_TCK")
_OF_TICKS: Final = 1000 / _TICKS


class ProcessorTime:
    """Counts from its making on: workers, the venue, and what serves the stack."""

    def __init__(self, ground: Ground, workers: Sequence[WorkerProcess]) -> None:
        self._named = {ground.venue.pid: "venue", **{worker.pid: "worker" for worker in workers}}
        state = ground.stack.state
        if state.deno_pid is not None:
            self._named[state.deno_pid] = "server"
        self._postgres = state.postgres_pid
        self._before = self._ticks()

    def used_ms(self) -> dict[str, float]:
        """Return milliseconds by kind of process; what has ended meanwhile is not counted."""
        used: Counter[str] = Counter()
        for pid, (name, ticks) in self._ticks().items():
            used[name] += ticks - self._before.get(pid, (name, 0))[1]
        return {name: ticks * _OF_TICKS for name, ticks in sorted(used.items())}

    def _ticks(self) -> dict[int, tuple[str, int]]:
        found = {}
        for path in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = path.read_text("utf-8").rpartition(")")[2].split()
            except OSError:
                continue
            pid, parent, ticks = int(path.parent.name), int(fields[1]), int(fields[11]) + int(fields[12])
            name = self._named.get(pid)
            if name is None and self._postgres in {pid, parent}:
                name = "postgres"
            if name is not None:
                found[pid] = (name, ticks)
        return found
