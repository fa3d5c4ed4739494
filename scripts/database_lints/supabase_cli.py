"""The Supabase CLI that deno.lock pins: one program in an npm package, fetched once into Deno's cache.

Advisors and types need neither Docker nor Node nor an account; the CLI talks to the database it is given.
"""

import json
import os
import platform
import subprocess
import tempfile
from pathlib import Path

from scripts.local_stack.binaries import find_deno
from scripts.local_stack.errors import StackError

HERE = Path(__file__).parent
SECONDS = 120
FETCH_SECONDS = 900
_MACHINES = {"x86_64": "x64", "aarch64": "arm64"}


def run(*arguments: str) -> str:
    """Run the CLI and return what it prints on standard output.

    Raises:
        StackError: it cannot be had, or it fails.
    """
    program = find_cli()
    with tempfile.TemporaryDirectory(prefix="sparky-cli-") as home:
        result = subprocess.run(
            [program, "--agent=no", *arguments],
            cwd=home,
            env=_environment(home),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=SECONDS,
        )
    if result.returncode:
        raise StackError(f"`supabase {' '.join(arguments[:2])}` failed: {result.stderr.strip()}")
    return result.stdout


def find_cli() -> Path:
    """Return the program, after fetching it when it is not in the cache.

    Raises:
        StackError: no version is pinned for this machine, or it cannot be fetched.
    """
    name, version = pinned()
    deno = find_deno()
    found = _cached(deno, name, version)
    if found is None:
        print(f"fetching {name} {version}, 65 MB, once", flush=True)
        _deno(deno, "cache", "--frozen", "--config", str(HERE / "deno.json"), f"npm:{name}@{version}")
        found = _cached(deno, name, version)
    if found is None:
        raise StackError(f"{name} {version} holds no program bin/supabase.")
    return found


def pinned() -> tuple[str, str]:
    """Return name and version of the package for this machine, as deno.lock has them."""
    machine = _MACHINES.get(platform.machine(), platform.machine())
    name = f"@supabase/cli-{platform.system().lower()}-{machine}"
    for package in json.loads((HERE / "deno.lock").read_text(encoding="utf-8"))["npm"]:
        found, _, version = package.rpartition("@")
        if found == name:
            return found, version
    raise StackError(
        f"No Supabase CLI is pinned for this machine ({name}): add it to scripts/database_lints/deno.lock, "
        "or leave these checks out with SPARKY_LINT_SKIP=advisors,types."
    )


def _cached(deno: Path, name: str, version: str) -> Path | None:
    packages = Path(json.loads(_deno(deno, "info", "--json"))["npmCache"])
    return next(packages.glob(f"*/{name}/{version}/bin/supabase"), None)


def _deno(deno: Path, *arguments: str) -> str:
    result = subprocess.run(
        [deno, *arguments],
        cwd=HERE,
        env=os.environ | {"DENO_TLS_CA_STORE": "system", "DENO_NO_UPDATE_CHECK": "1", "NO_COLOR": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=FETCH_SECONDS,
    )
    if result.returncode:
        raise StackError(
            f"The Supabase CLI could not be fetched: is the npm registry reachable? {result.stderr.strip()}"
        )
    return result.stdout


def _environment(home: str) -> dict[str, str]:
    # A home of its own: the CLI reads a login and settings from there, and writes what it counts.
    return {
        "PATH": os.defpath,
        "HOME": home,
        "NO_COLOR": "1",
        "DO_NOT_TRACK": "1",
        "SUPABASE_TELEMETRY_DISABLED": "1",
        "PGSSLMODE": "disable",
    }
