"""stack.json: what a data folder remembers, and how clients reach the stack that runs on it."""

import base64
import hashlib
import hmac
import json
import os
import secrets
import time
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from scripts.local_stack.errors import StackError

MARKER = ".sparky-stack"
_TEN_YEARS = 10 * 365 * 24 * 3600


@dataclass(frozen=True, slots=True)
class StackState:
    """Keys and addresses of one stack. The pids are None while it does not run."""

    url: str
    port: int
    postgres_port: int | None
    data: str
    database_url: str = field(repr=False)
    admin_database_url: str = field(repr=False)
    publishable_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    jwt_secret: str = field(repr=False)
    anon_jwt: str = field(repr=False)
    service_role_jwt: str = field(repr=False)
    pid: int | None = None
    postgres_pid: int | None = None
    deno_pid: int | None = None
    versions: dict[str, str] = field(default_factory=dict)

    @classmethod
    def new(cls, data: Path) -> Self:
        """Return the state of a new data folder, with fresh random keys."""
        secret = secrets.token_urlsafe(48)
        return cls(
            url="",
            port=0,
            postgres_port=None,
            data=str(data),
            database_url="",
            admin_database_url="",
            publishable_key=f"sb_publishable_{secrets.token_urlsafe(24)}",
            secret_key=f"sb_secret_{secrets.token_urlsafe(24)}",
            jwt_secret=secret,
            anon_jwt=_legacy_key("anon", secret),
            service_role_jwt=_legacy_key("service_role", secret),
        )

    def save(self) -> None:
        """Replace stack.json at once, readable by its owner only."""
        path = Path(self.data) / "stack.json"
        draft = path.with_suffix(".tmp")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(asdict(self), file, indent=2)
        draft.replace(path)

    def login(self, role: str) -> str:
        """Return a token under which a client acts as a role of the database."""
        return _legacy_key(role, self.jwt_secret)

    def stopped(self) -> Self:
        return replace(self, pid=None, postgres_pid=None, deno_pid=None)


def load(data: Path) -> StackState | None:
    """Read a data folder's state, or None where there is none.

    Raises:
        StackError: the file is damaged.
    """
    path = data / "stack.json"
    try:
        fields: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return StackState(**fields)
    except FileNotFoundError:
        return None
    except PermissionError:
        raise StackError(
            f"{path} belongs to another account: run as the one that started the stack."
        ) from None
    except (ValueError, TypeError):
        raise StackError(
            f"{path} is damaged: throw the data away with `reset`, or restore that file."
        ) from None


def claim_folder(data: Path) -> None:
    """Make a data folder, or check that the one there is ours.

    Raises:
        StackError: it holds something else, or cannot be written.
    """
    try:
        data.mkdir(mode=0o711, parents=True, exist_ok=True)
        if not (data / MARKER).exists():
            if any(data.iterdir()):
                raise StackError(
                    f"{data} holds other files and was not made by this stack: give --data another folder."
                )
            (data / MARKER).write_text(
                "The data of a local stack. Made and removed by scripts/local_stack.\n"
            )
        (data / "logs").mkdir(mode=0o700, exist_ok=True)
    except NotADirectoryError:
        raise StackError(f"{data} is not a folder: give --data another one.") from None
    except FileExistsError:
        raise StackError(f"{data} is not a folder: give --data another one.") from None
    except PermissionError:
        raise StackError(f"{data} cannot be written: give --data another folder.") from None


def _legacy_key(role: str, secret: str) -> str:
    now = int(time.time())
    claims = {"iss": "supabase", "ref": "local", "role": role, "iat": now, "exp": now + _TEN_YEARS}
    # Signed by hand: importing a JWT library would double the time that every command takes to start.
    parts = [_base64(json.dumps(part).encode()) for part in ({"alg": "HS256", "typ": "JWT"}, claims)]
    signature = hmac.new(secret.encode(), ".".join(parts).encode(), hashlib.sha256).digest()
    return ".".join([*parts, _base64(signature)])


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
