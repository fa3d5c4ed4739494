"""`sparky explain` and `sparky signals`: what became of a signal, and what to do with one nobody knows of."""

import argparse
import asyncio
import json
import os
from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final, TypeVar
from uuid import UUID

from sparky.cli.story import review_lines, story_lines
from sparky.database.operator import OperatorDatabase, SeenFill, Verdict
from sparky.database.rpc import RpcClient
from sparky.domain.errors import ConfigurationError
from sparky.runtime.urls import check_url

T = TypeVar("T")

# Names that Supabase itself uses; the worker's own settings name no service key.
_URL_VARIABLE: Final = "SUPABASE_URL"
_KEY_VARIABLE: Final = "SUPABASE_SERVICE_ROLE_KEY"
_TIMEOUT_SECONDS: Final = 30.0
_NOT_THERE: Final = 1


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the commands of this module."""
    environment = f"The service key comes from {_KEY_VARIABLE}, the project's address from {_URL_VARIABLE}."
    explain = commands.add_parser(
        "explain", help="show all that is known of a signal", description=environment
    )
    explain.add_argument("signal", type=_signal_id, metavar="SIGNAL")
    explain.add_argument("--json", action="store_true", help="as the database tells it")
    explain.set_defaults(run=_explain)

    group = commands.add_parser("signals", help="signals that need a person").add_subparsers(
        required=True, metavar="COMMAND"
    )
    review = group.add_parser("review", help="list the signals under review", description=environment)
    review.add_argument("--json", action="store_true", help="as the database tells it")
    review.set_defaults(run=_review)

    settle = group.add_parser(
        "settle",
        help="end a signal under review by what you saw at the venue",
        description=f"{environment} Without --fill the signal was not executed. Orders that are unknown and "
        "not named were not executed.",
    )
    settle.add_argument("signal", type=_signal_id, metavar="SIGNAL")
    settle.add_argument("--operator", required=True, help="your name, for the audit log")
    settle.add_argument("--note", required=True, help="what you saw; the trader reads it")
    settle.add_argument(
        "--fill", type=_fill, action="append", default=[], metavar="LEG:QUANTITY@PRICE", help="repeatable"
    )
    settle.add_argument("--not-executed", action="store_true", help="the venue did nothing")
    settle.set_defaults(run=_settle)


def _explain(options: argparse.Namespace) -> int:
    story = _with_database(lambda database: database.explain(options.signal))
    if story is None:
        print(f"There is no signal {options.signal}.")  # noqa: T201 - the command's answer
        return _NOT_THERE
    _print(story if options.json else story_lines(story))
    return 0


def _review(options: argparse.Namespace) -> int:
    waiting = _with_database(lambda database: database.review())
    _print(waiting if options.json else review_lines(waiting))
    return 0


def _settle(options: argparse.Namespace) -> int:
    if bool(options.fill) == options.not_executed:
        raise ConfigurationError("say either --fill for each order that was filled, or --not-executed")
    verdict = Verdict(operator=options.operator, note=options.note, fills=tuple(options.fill))
    settled = _with_database(lambda database: database.settle(options.signal, verdict))
    print(f"{settled.get('status')}: {settled.get('reason')}")  # noqa: T201 - the command's answer
    return 0


def _print(answer: Any) -> None:
    if isinstance(answer, list) and all(isinstance(line, str) for line in answer):
        text = "\n".join(answer)
    else:
        text = json.dumps(answer, indent=2, default=str)
    print(text)  # noqa: T201 - the command's answer


def _with_database(work: Callable[[OperatorDatabase], Awaitable[T]]) -> T:
    url, key = _login(os.environ)

    async def run() -> T:
        async with RpcClient(url, api_key=key, token=key, timeout_seconds=_TIMEOUT_SECONDS) as rpc:
            return await work(OperatorDatabase(rpc))

    return asyncio.run(run())


def _login(environment: Mapping[str, str]) -> tuple[str, str]:
    url, key = environment.get(_URL_VARIABLE, ""), environment.get(_KEY_VARIABLE, "")
    if not url or not key:
        missing = _KEY_VARIABLE if url else _URL_VARIABLE
        raise ConfigurationError(
            f"{missing} is not set: an operator's commands need the project's service key"
        )
    if not key.isascii() or any(character.isspace() for character in key):
        raise ConfigurationError(f"{_KEY_VARIABLE} must be a key without spaces")
    try:
        return check_url(url, query=False), key
    except ValueError as error:
        raise ConfigurationError(f"{_URL_VARIABLE} {error}") from error


def _signal_id(text: str) -> str:
    try:
        return str(UUID(text))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not the id of a signal") from None


def _fill(text: str) -> SeenFill:
    leg, _, rest = text.partition(":")
    quantity, _, price = rest.partition("@")
    try:
        seen = SeenFill(leg=int(leg), quantity=Decimal(quantity), price=Decimal(price))
    except (ValueError, InvalidOperation):
        seen = None
    if seen is None or not all(value.is_finite() and value > 0 for value in (seen.quantity, seen.price)):
        raise argparse.ArgumentTypeError(f"{text!r} is not LEG:QUANTITY@PRICE, such as 1:0.5@27000")
    return seen
