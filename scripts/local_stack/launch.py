"""A supervisor in a process of its own, and what it tells the process that started it.

The starter passes a pipe; the supervisor writes one JSON object a line: `say` while it starts, then `ready`
or `error`. Without a pipe it talks to the terminal.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from scripts.local_stack import bound
from scripts.local_stack.errors import StackError
from scripts.local_stack.options import UpOptions
from scripts.local_stack.project import REPOSITORY
from scripts.local_stack.state import StackState, claim_folder, load

READY_FD = "LOCAL_STACK_READY_FD"
FUNCTION_ENVIRONMENT = "LOCAL_STACK_FUNCTION_ENVIRONMENT"
_pipe: IO[str] | None = None


def has_parent() -> bool:
    return _open_pipe() is not None


def tell_parent(message: dict[str, Any]) -> None:
    pipe = _open_pipe()
    if pipe is not None and not pipe.closed:
        try:
            pipe.write(json.dumps(message) + "\n")
            pipe.flush()
        except BrokenPipeError:
            return  # the starter went away; the stack goes on


def say_or(otherwise: Callable[[str], None]) -> Callable[[str], None]:
    return (lambda text: tell_parent({"say": text})) if has_parent() else otherwise


def environment_from_parent() -> dict[str, str]:
    values: dict[str, str] = json.loads(os.environ.pop(FUNCTION_ENVIRONMENT, "{}"))
    return values


def detached(options: UpOptions) -> StackState:
    """Start a supervisor in a session of its own and return when the stack is ready."""
    return _started(options, in_session)


def bound_to_us(options: UpOptions) -> tuple[StackState, subprocess.Popen[bytes]]:
    """Start a supervisor that ends when the calling thread does."""
    started: list[subprocess.Popen[bytes]] = []

    def start(command: list[str], log: IO[bytes], env: dict[str, str], pipe: int) -> subprocess.Popen[bytes]:
        process = bound.start(
            command, on_parent_death=signal.SIGTERM, log=log, folder=REPOSITORY, env=env, keep=(pipe,)
        )
        started.append(process)
        return process

    return _started(options, start), started[0]


def in_session(command: list[str], log: IO[bytes], env: dict[str, str], pipe: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        cwd=REPOSITORY,
        env=env,
        pass_fds=(pipe,),
        start_new_session=True,
    )


_Start = Callable[[list[str], IO[bytes], dict[str, str], int], subprocess.Popen[bytes]]


def _started(options: UpOptions, start: _Start) -> StackState:
    claim_folder(options.data)
    reader, writer = os.pipe()
    env = os.environ | {READY_FD: str(writer), FUNCTION_ENVIRONMENT: json.dumps(dict(options.environment))}
    with (options.data / "logs" / "supervisor.log").open("ab") as log:
        process = start(_command(options), log, env, writer)
    os.close(writer)
    try:
        _await_ready(reader, options.data)
    except BaseException:
        process.terminate()
        process.wait()
        raise
    state = load(options.data)
    if state is None:
        raise StackError(f"The stack left no state in {options.data}: see its logs.")
    return state


def _await_ready(reader: int, data: Path) -> None:
    with os.fdopen(reader, encoding="utf-8") as lines:
        for line in lines:
            message = json.loads(line)
            if "say" in message:
                print(message["say"], file=sys.stderr, flush=True)
            elif "error" in message:
                raise StackError(message["error"])
            else:
                return
    raise StackError(f"The stack ended while starting: see {data / 'logs' / 'supervisor.log'}.")


def _command(options: UpOptions) -> list[str]:
    command = [sys.executable, "-m", "scripts.local_stack", "up", "--data", str(options.data)]
    command += ["--supabase", str(options.supabase)]
    for name, value in (
        ("--port", options.port),
        ("--postgres-port", options.postgres_port),
        ("--database-url", options.database_url),
        ("--env-file", options.env_file),
    ):
        if value is not None:
            command += [name, str(value)]
    if not options.migrations:
        command.append("--no-migrations")
    if options.throwaway:
        command.append("--throwaway")
    return command


def _open_pipe() -> IO[str] | None:
    global _pipe  # noqa: PLW0603 - one process has one starter
    number = os.environ.pop(READY_FD, None)
    if number is not None:
        os.set_inheritable(int(number), False)  # noqa: FBT003 - the only argument it has
        _pipe = os.fdopen(int(number), "w", encoding="utf-8")
    return _pipe
