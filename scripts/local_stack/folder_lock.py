"""One supervisor per data folder: a lock that the kernel drops when its holder dies, however it dies."""

import fcntl
import os
import time
from pathlib import Path
from typing import IO

from scripts.local_stack.errors import StackError


class FolderLock:
    def __init__(self, data: Path) -> None:
        self._path = data / "lock"
        self._file: IO[str] | None = None

    @property
    def pid(self) -> int | None:
        return os.getpid() if self._file is not None else None

    def acquire(self) -> bool:
        """Take the lock and write our pid into it; False if another process has it."""
        file = self._path.open("a+", encoding="ascii")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            return False
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        self._file = file
        return True

    def release(self) -> None:
        if self._file is not None:
            self._file.truncate(0)
            self._file.close()
            self._file = None


def holder(data: Path) -> int | None:
    """Return the pid of the supervisor that runs on a data folder, or None."""
    try:
        with (data / "lock").open("r+", encoding="ascii") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                text = file.read().strip()
                return int(text) if text.isdecimal() else 0
    except (FileNotFoundError, NotADirectoryError):
        return None
    except PermissionError:
        raise StackError(
            f"{data} belongs to another account: run as the one that started the stack."
        ) from None
    return None


def wait_released(data: Path, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while holder(data) is not None:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True
