"""Starting the launcher as a person does, and looking at what runs."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.integration.stack.target import eventually

REPOSITORY = Path(__file__).resolve().parents[3]
SECONDS = 60


def run(*arguments: str | Path, env: dict[str, str] | None = None) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "scripts.local_stack", *map(str, arguments)],
        cwd=REPOSITORY,
        env=os.environ | (env or {}),
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


def start(*arguments: str | Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "scripts.local_stack", "up", *map(str, arguments)],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        process_group=0,
    )


def state(data: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((data / "stack.json").read_text(encoding="utf-8"))
    return found


def ready(data: Path, process: "subprocess.Popen[str]") -> dict[str, Any]:
    """Wait for the stack of a process, and return its state. A killed run leaves its own pids behind."""

    def look() -> dict[str, Any] | None:
        if not (data / "stack.json").exists():
            return None
        found = state(data)
        return found if found["deno_pid"] and found["pid"] == process.pid else None

    return eventually(look)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def await_gone(*pids: int) -> None:
    eventually(lambda: True if not any(map(alive, pids)) else None)


def end(process: "subprocess.Popen[str]", how: signal.Signals = signal.SIGTERM) -> int:
    process.send_signal(how)
    code = process.wait(SECONDS)
    if process.stdout is not None:
        process.stdout.close()
    return code
