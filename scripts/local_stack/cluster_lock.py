"""postmaster.pid: what a server that was killed leaves behind.

PostgreSQL itself clears the file of a dead server. Two cases are left: the old server is still stopping,
or its process id now belongs to another program of the same account, which PostgreSQL takes for a rival.
"""

import os
import signal
import time
from pathlib import Path

from scripts.local_stack.errors import StackError

STATE_LINE = 8
STOP_SECONDS = 30.0


def lines(cluster: Path) -> list[str]:
    try:
        return (cluster / "postmaster.pid").read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return []


def release(cluster: Path) -> None:
    """Return when no server of an earlier run holds the cluster.

    Raises:
        StackError: such a server does not stop.
    """
    deadline = time.monotonic() + STOP_SECONDS
    asked = False
    while (pid := _pid(cluster)) is not None:
        if not _serves(pid, cluster):
            (cluster / "postmaster.pid").unlink(missing_ok=True)
            return
        if not asked:
            os.kill(pid, signal.SIGINT)
            asked = True
        if time.monotonic() > deadline:
            raise StackError(
                f"An earlier PostgreSQL (process {pid}) still holds {cluster}: end it with `kill -QUIT`."
            )
        time.sleep(0.05)


def _pid(cluster: Path) -> int | None:
    first = lines(cluster)[:1]
    return int(first[0]) if first and first[0].strip().isdecimal() else None


def _serves(pid: int, cluster: Path) -> bool:
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except FileNotFoundError:
        return _alive(pid) and not Path("/proc/self").exists()
    return str(cluster).encode() in command.split(b"\0")


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
