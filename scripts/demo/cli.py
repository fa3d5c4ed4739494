"""`make demo`: options, exit codes, and one sentence for whatever goes wrong."""

import argparse
import asyncio
import io
import os
import signal
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Final

import httpx
import psycopg
from postgrest.exceptions import APIError
from rich.console import Console
from rich.text import Text
from supabase import AuthError

from scripts.demo.checks import all_hold, run_checks
from scripts.demo.errors import DemoError
from scripts.demo.evidence import Evidence
from scripts.demo.leaks import UsedSecrets
from scripts.demo.performance import Performance, Place
from scripts.demo.places import empty_folder, other_supabase, own_stack
from scripts.demo.scenario import SCENARIO, Scenario
from scripts.demo.summary import show_checks, show_seen, show_summary
from scripts.demo.view import View
from scripts.local_stack.errors import StackError
from scripts.local_stack.project import REPOSITORY
from scripts.testbed.backend import Backend
from sparky.domain.errors import SparkyError

_DATA: Final = REPOSITORY / ".stack" / "demo"
_SOMETHING_WRONG: Final = 1
_FAILED: Final = 2
_INTERRUPTED: Final = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo: 0 every check holds, 1 one does not, 2 a step failed, 130 interrupted."""
    options = _parser().parse_args(arguments)
    options.data = options.data.absolute()
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A terminal that cannot show ✓ gets a ? and no error.
        sys.stdout.reconfigure(errors="replace")
    console = Console(highlight=False, markup=False, emoji=False, soft_wrap=False)
    used = UsedSecrets()
    with View(console, live=console.is_terminal and not options.plain) as view:
        try:
            with _interrupted_by_sigterm():
                return _run(options, view, used)
        except KeyboardInterrupt:
            view.settle()
            view.note("Interrupted; everything that was started has ended.", style="yellow")
            return _INTERRUPTED
        except Exception as error:  # noqa: BLE001 - the border of the program: told in a sentence, traced in the log
            view.settle()
            view.note(_sentence(error, view.doing, options.data, used), style="bold red")
            _write_trace(error, options.data, used)
            return _FAILED


def _run(options: argparse.Namespace, view: View, used: UsedSecrets) -> int:
    logs = empty_folder(options.data)
    with ExitStack() as resources:
        view.write_to(resources.enter_context((logs / "demo.log").open("a", encoding="utf-8")))
        view.step("Using the given Supabase" if options.url else "Starting a Supabase of its own")
        place = resources.enter_context(_place(options, used))
        performance = Performance(SCENARIO, place, view, used)
        evidence = asyncio.run(performance.run(keep=options.keep))
        view.settle()
        code = conclude(view, SCENARIO, evidence)
    view.note(f"The logs are in {logs}.", style="dim")
    if options.keep and not options.url:
        command = f"python -m scripts.local_stack up --data {options.data}"
        view.note(f"The data is kept: `{command}` starts it again.", style="dim")
    return code


def conclude(view: View, scenario: Scenario, evidence: Evidence) -> int:
    """Print what was seen, the checks and the numbers, and return the exit code."""
    checks = run_checks(scenario, evidence)
    show_seen(view, evidence.seen)
    show_checks(view, checks)
    show_summary(view, scenario, evidence)
    view.print(Text())
    if all_hold(checks):
        view.note(f"All {len(checks)} checks hold.", style="bold green")
        return 0
    view.note("At least one check does not hold: see ✗ above.", style="bold red")
    return _SOMETHING_WRONG


def _place(options: argparse.Namespace, used: UsedSecrets) -> AbstractContextManager[Place]:
    if not options.url:
        return own_stack(options.data, used, keep=options.keep)
    token = os.environ.get("SPARKY_WORKER_TOKEN")
    if not token:
        raise DemoError(
            "the variable SPARKY_WORKER_TOKEN is not set: mint the worker's login with "
            "`sparky token --role sparky_worker`"
        )
    backend = Backend.elsewhere(options.url, options.key, token, publishable_key=options.publishable_key)
    return other_supabase(backend, options.data, used)


def _sentence(error: BaseException, doing: str, data: Path, used: UsedSecrets) -> str:
    what = used.scrub(_words(_innermost(error))).rstrip(".")
    return f"The demo failed while it was at “{doing}”: {what}. The logs are in {data / 'logs'}."


def _words(cause: BaseException) -> str:
    match cause:
        case DemoError() | StackError() | SparkyError():
            return str(cause)
        case httpx.HTTPError():
            return f"the Supabase did not answer over HTTP ({type(cause).__name__})"
        case APIError() | AuthError():
            return f"the Supabase refused: {cause.message}"
        case psycopg.Error():
            return f"the database did not do as it was asked ({type(cause).__name__})"
        case _:
            return f"unexpected {type(cause).__name__}"


def _innermost(error: BaseException) -> BaseException:
    # A task group wraps what its tasks raise; the first is the cause, the others were cancelled for it.
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _write_trace(error: BaseException, data: Path, used: UsedSecrets) -> None:
    folder = data / "logs"
    if folder.is_dir():
        with (folder / "demo.log").open("a", encoding="utf-8") as log:
            log.write(used.scrub("".join(traceback.format_exception(error))))


@contextmanager
def _interrupted_by_sigterm() -> Iterator[None]:
    """Let SIGTERM and a closed terminal end the demo as Ctrl-C does, so that nothing it started is left."""
    numbers = (signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, *numbers)}
    # A shell without job control has what it starts in the background ignore Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in numbers:
        signal.signal(number, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument(
        "--url", help="run on this Supabase, which has the migrations and the webhook function"
    )
    parser.add_argument("--key", metavar="SECRET_KEY", help="its secret key (sb_secret_… or service_role)")
    parser.add_argument(
        "--publishable-key", metavar="KEY", help="its publishable key (default: the secret key)"
    )
    parser.add_argument("--plain", action="store_true", help="lines only, no part that changes in place")
    parser.add_argument(
        "--keep", action="store_true", help="leave the data: the stack's folder, or the traders"
    )
    parser.add_argument("--data", type=Path, default=_DATA, help="folder of the stack and the logs")
    return parser
