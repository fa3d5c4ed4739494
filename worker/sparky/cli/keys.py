"""`sparky keys`: make the worker's sealing key, show its public half, seal credentials."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any
from uuid import UUID

from sparky.domain.errors import ConfigurationError
from sparky.keys.keyfile import generate_key_file, load_key_file
from sparky.keys.sealing import SealingContext, SealingPublicKey, seal


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the commands of this module."""
    group = commands.add_parser("keys", help="sealing keys").add_subparsers(required=True, metavar="COMMAND")

    generate = group.add_parser("generate", help="write a new private key to FILE and print its public half")
    generate.add_argument("file", type=Path)
    generate.set_defaults(run=_generate)

    public = group.add_parser("public", help="print the public half of the private key in FILE")
    public.add_argument("file", type=Path)
    public.set_defaults(run=_public)

    sealing = group.add_parser(
        "seal", help="seal credentials (a JSON object on standard input) to a public key"
    )
    sealing.add_argument("--to", required=True, metavar="PUBLIC_KEY")
    sealing.add_argument("--user", required=True, metavar="USER_ID")
    sealing.add_argument("--exchange", required=True)
    sealing.add_argument("--environment", required=True)
    sealing.set_defaults(run=_seal)


def _generate(options: argparse.Namespace) -> int:
    print(generate_key_file(options.file).public.to_text())  # noqa: T201 - the command's answer
    return 0


def _public(options: argparse.Namespace) -> int:
    print(load_key_file(options.file).public.to_text())  # noqa: T201 - the command's answer
    return 0


def _seal(options: argparse.Namespace) -> int:
    try:
        # The database writes ids in lower case, and the seal is bound to the very text.
        context = SealingContext(str(UUID(options.user)), options.exchange, options.environment)
    except ValueError as error:
        raise ConfigurationError(f"--user, --exchange or --environment is wrong: {error}") from error
    try:
        public_key = SealingPublicKey.from_text(options.to)
    except ValueError as error:
        raise ConfigurationError(f"--to is wrong: {error}") from error
    print(seal(public_key, context, _read_fields()))  # noqa: T201 - the command's answer
    return 0


def _read_fields() -> dict[str, str]:
    try:
        given: Any = json.loads(sys.stdin.read())
    except ValueError:
        given = None
    if not isinstance(given, dict) or not all(isinstance(value, str) for value in given.values()):
        # The text is not repeated: it holds credentials.
        raise ConfigurationError("standard input is not a JSON object whose values are strings")
    return given
