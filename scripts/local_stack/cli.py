"""The commands: up, down, status, reset, realtime."""

import argparse
import json
import os
import shutil
import signal
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from scripts.local_stack import account, control, launch
from scripts.local_stack.errors import StackError
from scripts.local_stack.folder_lock import holder, wait_released
from scripts.local_stack.options import DEFAULT_DATA, UpOptions
from scripts.local_stack.project import REPOSITORY
from scripts.local_stack.server_process import is_healthy
from scripts.local_stack.signals import Ended
from scripts.local_stack.state import MARKER, StackState, load

STOP_SECONDS = 40.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0 done, 1 `status` of a stopped stack, 2 told why not."""
    options = _parser().parse_args(arguments)
    options.data = options.data.absolute()
    try:
        code: int = options.run(options)
    except StackError as error:
        launch.tell_parent({"error": str(error)})
        print(error, file=sys.stderr)
        return 2
    except (KeyboardInterrupt, Ended):
        return 130
    return code


def _up(arguments: argparse.Namespace) -> int:
    options = _up_options(arguments)
    running = holder(options.data)
    if running is not None:
        return _already(options.data, running)
    if arguments.fresh:
        throw_away(options.data)
    if arguments.detach:
        state = launch.detached(options)
        show(state)
        return 0
    # Imported here because it brings the database driver, which the other commands do without.
    from scripts.local_stack.foreground import serve  # noqa: PLC0415

    serve(options, show)
    return 0


def _already(data: Path, pid: int) -> int:
    state = load(data)
    if state is None or state.pid is None or not is_healthy(state.port):
        raise StackError(
            f"A stack that does not answer (process {pid}) holds {data}: wait for it, or stop it with `down`."
        )
    print(f"The stack already runs on {data} (process {pid}).")
    show(state)
    return 0


def _down(arguments: argparse.Namespace) -> int:
    print("Stopped." if stop(arguments.data) else f"No stack runs on {arguments.data}.")
    return 0


def _status(arguments: argparse.Namespace) -> int:
    pid = holder(arguments.data)
    state = load(arguments.data)
    running = pid is not None and state is not None
    healthy = running and state is not None and is_healthy(state.port)
    if arguments.json:
        print(
            json.dumps({"running": running, "healthy": healthy} | (asdict(state) if state else {}), indent=2)
        )
    elif state is None or not running:
        print(f"No stack runs on {arguments.data}.")
    else:
        show(state)
        print("healthy" if healthy else "not healthy: see the logs")
    return 0 if running else 1


def _reset(arguments: argparse.Namespace) -> int:
    stop(arguments.data)
    print(
        f"Removed {arguments.data}."
        if throw_away(arguments.data)
        else f"There is nothing at {arguments.data}."
    )
    return 0


def _realtime(arguments: argparse.Namespace) -> int:
    state = load(arguments.data)
    if state is None or holder(arguments.data) is None:
        raise StackError(f"No stack runs on {arguments.data}: start it with `up`.")
    wanted = "stopped" if arguments.action == "stop" else "running"
    control.set_realtime(state.url, state.secret_key, wanted)
    print(f"Realtime is {wanted}.")
    return 0


def stop(data: Path) -> bool:
    """Stop the stack on a data folder; False if none runs."""
    pid = holder(data)
    if not pid:
        return False
    try:
        os.kill(pid, signal.SIGTERM)
    except PermissionError:
        raise StackError(f"The stack on {data} (process {pid}) belongs to another account.") from None
    except ProcessLookupError:
        return False
    if not wait_released(data, STOP_SECONDS):
        raise StackError(
            f"The stack on {data} (process {pid}) does not stop: `kill -KILL {pid}` ends it and its children."
        )
    return True


def throw_away(data: Path) -> bool:
    """Remove a data folder of ours with everything that belongs to it; False if there is none.

    Raises:
        StackError: the folder is not ours.
    """
    account.forget(data)
    if not data.exists():
        return False
    if not (data / MARKER).is_file():
        raise StackError(f"{data} was not made by this stack and is left as it is: remove it yourself.")
    shutil.rmtree(data)
    return True


def show(state: StackState) -> None:
    for title, value in (
        ("API", state.url),
        ("database", state.database_url),
        ("publishable key", state.publishable_key),
        ("secret key", state.secret_key),
        ("all of it", str(Path(state.data) / "stack.json")),
    ):
        print(f"{title:>16}  {value}", flush=True)


def _up_options(arguments: argparse.Namespace) -> UpOptions:
    return UpOptions(
        data=arguments.data,
        port=arguments.port,
        postgres_port=arguments.postgres_port,
        database_url=arguments.database_url,
        env_file=arguments.env_file.absolute() if arguments.env_file else None,
        migrations=not arguments.no_migrations,
        throwaway=arguments.throwaway,
        supabase=arguments.supabase.absolute(),
        environment=launch.environment_from_parent(),
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m scripts.local_stack", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    up = commands.add_parser("up", help="start the stack, in the foreground unless --detach")
    up.add_argument("--port", type=int, help="port of the API (default: the last one, else a free one)")
    up.add_argument("--postgres-port", type=int, help="port of the database")
    up.add_argument("--database-url", help="use this server, as its superuser, instead of an own one")
    up.add_argument("--detach", action="store_true", help="return when it is ready and leave it running")
    up.add_argument("--fresh", action="store_true", help="throw the data away first")
    up.add_argument(
        "--env-file", type=Path, help="environment of the edge functions (default: functions/.env)"
    )
    up.add_argument("--no-migrations", action="store_true", help="do not apply supabase/migrations")
    up.add_argument("--throwaway", action="store_true", help="faster, but a power cut destroys the data")
    up.add_argument(
        "--supabase", type=Path, default=REPOSITORY / "supabase", help="the project's supabase folder"
    )
    up.set_defaults(run=_up)
    down = commands.add_parser("down", help="stop the stack")
    down.set_defaults(run=_down)
    status = commands.add_parser("status", help="tell whether it runs, and its addresses and keys")
    status.add_argument("--json", action="store_true")
    status.set_defaults(run=_status)
    reset = commands.add_parser("reset", help="stop the stack and throw its data away")
    reset.set_defaults(run=_reset)
    realtime = commands.add_parser(
        "realtime", help="stop or start Realtime alone, to see what an outage does"
    )
    realtime.add_argument("action", choices=["stop", "start"])
    realtime.set_defaults(run=_realtime)
    for command in (up, down, status, reset, realtime):
        command.add_argument("--data", type=Path, default=DEFAULT_DATA, help="data folder (default: .stack)")
    return parser
