"""Programs that are measured beside the worker: each a process of its own, told everything by JSON."""

import json
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Self

from scripts.local_stack.project import REPOSITORY

_MOST_SECONDS: Final = 600


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What a contestant is told: so many orders to a venue, so many at once."""

    jobs: int
    concurrency: int
    venue_url: str
    symbol: str
    wallets: int
    database_url: str = ""

    @classmethod
    def read(cls) -> Self:
        """Read the task from standard input."""
        return cls(**json.loads(sys.stdin.read()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Contested:
    """How long a contestant took for its jobs, and the processor's time that it used itself."""

    jobs: int
    seconds: float
    cpu_seconds: float

    @property
    def per_second(self) -> float:
        """Jobs in a second."""
        return self.jobs / self.seconds

    @property
    def cpu_ms(self) -> float:
        """Milliseconds of the contestant's own processor time for a job."""
        return 1000 * self.cpu_seconds / self.jobs

    def say(self) -> None:
        """Write it to standard output, for `run`."""
        print(json.dumps(asdict(self)))


def run(module: str, task: Task) -> Contested:
    """Run a contestant to its end.

    Raises:
        RuntimeError: it failed; the message ends with what it said.
    """
    done = subprocess.run(
        [sys.executable, "-m", module],
        input=json.dumps(asdict(task)),
        capture_output=True,
        text=True,
        cwd=REPOSITORY,
        env=_environment(),
        timeout=_MOST_SECONDS,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{module} failed: {done.stderr[-2000:]}")
    return Contested(**json.loads(done.stdout.splitlines()[-1]))


def _environment() -> dict[str, str]:
    # A worker is installed; contestants find the same modules from the checkout.
    return {"PATH": "/usr/bin:/bin", "PYTHONPATH": f"{Path('worker')}:.", "HOME": str(Path.home())}
