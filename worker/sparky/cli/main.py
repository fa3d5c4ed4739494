"""The command `sparky`."""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

from sparky.app import run_worker
from sparky.cli import keys, signals, tokens
from sparky.cli.venue import command as venue
from sparky.domain.errors import SparkyError
from sparky.runtime.logging import configure_logging
from sparky.runtime.redaction import Redactor
from sparky.runtime.seams import Seams
from sparky.runtime.settings import WorkerSettings, load_settings

_USAGE_ERROR = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; failures are one sentence on standard error and exit code 2."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except SparkyError as error:
        sys.stderr.write(f"sparky: {error}\n")
        return _USAGE_ERROR


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="sparky", description="Executes traders' alerts on their accounts.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    worker = commands.add_parser("worker", help="run a worker until SIGTERM")
    worker.add_argument("--config", type=Path, help="TOML file of settings; the environment wins over it")
    worker.set_defaults(run=_run_worker)
    keys.add_commands(commands)
    tokens.add_commands(commands)
    signals.add_commands(commands)
    venue.add_commands(commands)
    return parser


def _run_worker(options: argparse.Namespace) -> int:
    settings = load_settings(options.config)
    seams = Seams()
    configure_logging(
        level=settings.log_level, style=settings.log_format, clock=seams.clock, redactor=_redactor(settings)
    )
    asyncio.run(run_worker(settings, seams))
    return 0


def _redactor(settings: WorkerSettings) -> Redactor:
    redactor = Redactor()
    for secret in (settings.worker_token, settings.supabase_key):
        redactor.register(secret.get_secret_value())
    return redactor


if __name__ == "__main__":
    sys.exit(main())
