"""Debian's PostgreSQL with plpgsql_check, unpacked into a cache folder and installed nowhere.

apt resolves, downloads and verifies with lists and a cache of its own, so it needs no rights, and a fresh
container without lists does too.
"""

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from scripts.local_stack.binaries import PostgresTree
from scripts.local_stack.errors import StackError

# Debian 12 has 15, the oldest that we support; other releases of Debian and Ubuntu have one of the others.
MAJORS = (15, 16, 17)
SECONDS = 900
_SKIP = "or leave this check out with SPARKY_LINT_SKIP=plpgsql_check."
_TIME_ZONES = Path("/usr/share/zoneinfo/UTC")
# The system's own C library fits its loader; the compiler for JIT is 25 MB and off.
_LEFT_OUT = re.compile(r"libc6|libc-bin|libllvm.*|libclang.*|libperl.*|libpq-dev|libc-dev.*")
_FILE = re.compile(r"^'[^']+' (([a-z0-9][a-z0-9.+-]*)_\S+\.deb) ", re.MULTILINE)


def find_debian_postgres() -> PostgresTree:
    """Return the unpacked server, after fetching it when it is not in the cache.

    Raises:
        StackError: there is no apt, or apt offers no version that we support, or it cannot download.
    """
    target = _cache() / f"postgresql-{_release()}"
    if not target.is_dir():
        _fetch(target)
    return _tree(target)


def _fetch(target: Path) -> None:
    for tool in ("apt-get", "dpkg-deb"):
        if shutil.which(tool) is None:
            raise StackError(
                f"plpgsql_check comes from Debian or Ubuntu, and here is no {tool}: lint there, {_SKIP}"
            )
    if not _TIME_ZONES.exists():
        raise StackError(f"Debian's PostgreSQL reads time zones from the system: install tzdata, {_SKIP}")
    print("fetching Debian's PostgreSQL with plpgsql_check, about 20 MB, once", flush=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="unfinished-", dir=target.parent) as folder:
        work = Path(folder)
        tree = work / "tree"
        for package in _download(work):
            _run(["dpkg-deb", "--extract", package, tree], work, f"{package.name} could not be unpacked")
        tree.chmod(0o755)
        try:
            tree.rename(target)
        except OSError:
            # Another process was faster; its tree is as good.
            if not target.is_dir():
                raise


def _download(work: Path) -> list[Path]:
    apt = [*_apt(work), "-qq"]
    _run([*apt, "update"], work, "The package lists could not be fetched: is the package mirror reachable?")
    names = _names(apt, work)
    packages = work / "packages"
    packages.mkdir()
    _run([*apt, "download", *names], packages, "The packages could not be downloaded")
    return sorted(packages.glob("*.deb"))


def _names(apt: list[str], work: Path) -> list[str]:
    # What the server needs and this machine lacks, and the server itself even where it is installed.
    for major in MAJORS:
        result = _start(
            [
                *apt,
                "install",
                "--print-uris",
                "--reinstall",
                "--no-install-recommends",
                f"postgresql-{major}",
                f"postgresql-{major}-plpgsql-check",
            ],
            work,
        )
        if result.returncode == 0:
            names = [name for _, name in _FILE.findall(result.stdout)]
            wanted = re.compile(rf"lib.*|postgresql-{major}.*")
            return [name for name in names if wanted.fullmatch(name) and not _LEFT_OUT.fullmatch(name)]
    raise StackError(
        f"apt offers no plpgsql_check for PostgreSQL {', '.join(map(str, MAJORS))}: add the release's main "
        f"(Ubuntu: universe) repository, {_SKIP}"
    )


def _apt(work: Path) -> list[str]:
    state, cache = work / "state", work / "cache"
    (state / "lists" / "partial").mkdir(parents=True)
    (cache / "archives" / "partial").mkdir(parents=True)
    options = {
        "Dir::State": state,
        "Dir::State::status": "/var/lib/dpkg/status",
        "Dir::Cache": cache,
        "Dir::Log": work,
        # Root would drop to an account that cannot write into our folder.
        "APT::Sandbox::User": "root",
        "Acquire::Languages": "none",
        "Acquire::Retries": "2",
        "Debug::NoLocking": "1",
    }
    return ["apt-get", *(part for name, value in options.items() for part in ("-o", f"{name}={value}"))]


def _tree(target: Path) -> PostgresTree:
    for major in MAJORS:
        folder = target / "usr" / "lib" / "postgresql" / str(major) / "bin"
        if (folder / "postgres").exists():
            libraries = tuple(
                sorted((*target.glob("usr/lib/*-linux-gnu*"), *target.glob("lib/*-linux-gnu*")))
            )
            return PostgresTree(target, folder, major, relocatable=True, libraries=libraries)
    raise StackError(f"{target} holds no PostgreSQL server: remove that folder and lint again.")


def _cache() -> Path:
    given = os.environ.get("XDG_CACHE_HOME")
    return (Path(given) if given else Path.home() / ".cache") / "sparky"


def _release() -> str:
    # Packages of one release do not run on another.
    try:
        release = platform_release()
    except OSError:
        release = "unknown"
    return f"{release}-{os.uname().machine}"


def platform_release() -> str:
    """Return the name of the distribution's release, for example debian-12."""
    text = Path("/etc/os-release").read_text(encoding="utf-8")
    fields = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    return "-".join(fields.get(key, "").strip('"') for key in ("ID", "VERSION_ID"))


def _run(command: list[str | Path], folder: Path, hint: str) -> None:
    result = _start(command, folder)
    if result.returncode:
        raise StackError(f"{hint}. {result.stderr.strip()}")


def _start(command: list[str | Path] | list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=folder,
        env=os.environ | {"LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )
