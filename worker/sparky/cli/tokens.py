"""`sparky token`: mint the JWT under which a worker, the edge function or the dashboard's server logs in."""

import argparse
import sys
from datetime import timedelta
from typing import Final

import jwt

from sparky.domain.errors import ConfigurationError
from sparky.runtime.seams import SystemClock

_ROLES: Final = ("sparky_worker", "sparky_edge", "dashboard_server")
_LEAST_SECRET_BYTES: Final = 32
_MOST_DAYS: Final = 3650


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the commands of this module."""
    mint = commands.add_parser(
        "token", help="mint a login token; the project's JWT secret comes on standard input"
    )
    mint.add_argument("--role", required=True, choices=_ROLES)
    mint.add_argument("--days", type=int, default=365, help="how long it is valid (default: 365)")
    mint.set_defaults(run=_mint)


def _mint(options: argparse.Namespace) -> int:
    secret = sys.stdin.buffer.read().decode(errors="replace").strip()
    if len(secret.encode()) < _LEAST_SECRET_BYTES:
        raise ConfigurationError(
            f"the JWT secret on standard input has fewer than {_LEAST_SECRET_BYTES} bytes: copy it whole"
        )
    if not 1 <= options.days <= _MOST_DAYS:
        raise ConfigurationError(f"--days must be from 1 to {_MOST_DAYS}")
    print(mint_token(secret, options.role, timedelta(days=options.days)))  # noqa: T201 - the command's answer
    return 0


def mint_token(secret: str, role: str, lifetime: timedelta) -> str:
    """Return a JWT of a role, signed with the project's secret (HS256)."""
    now = SystemClock().now()
    claims = {"role": role, "iss": "sparky", "iat": now, "exp": now + lifetime}
    return jwt.encode(claims, secret, algorithm="HS256")
