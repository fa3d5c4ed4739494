"""Where figures come from: hardware, load, versions and the settings of Postgres that count."""

import os
import platform
import re
from collections.abc import Iterator
from pathlib import Path

from scripts.testbed.records import Records

_SETTINGS = (
    "server_version",
    "fsync",
    "synchronous_commit",
    "full_page_writes",
    "track_commit_timestamp",
    "shared_buffers",
    "max_connections",
    "wal_level",
)


def describe_machine() -> Iterator[tuple[str, str]]:
    """Yield name and value of what the machine is, and how busy."""
    yield "processor", f"{_processor()}, {os.cpu_count()} cores"
    yield "system", f"{platform.system()} {platform.release()}, Python {platform.python_version()}"
    yield from describe_load("load before")


def describe_load(name: str) -> Iterator[tuple[str, str]]:
    """Yield how busy the machine was over the last 1, 5 and 15 minutes."""
    yield name, " ".join(f"{value:.2f}" for value in os.getloadavg())


def describe_postgres(records: Records) -> Iterator[tuple[str, str]]:
    """Yield name and value of the settings that decide how long a commit takes, and what they amount to."""
    found = {name: str(records.value("select current_setting(%s)", name)) for name in _SETTINGS}
    yield "postgres", ", ".join(f"{name}={value}" for name, value in found.items())
    durable = all(found[name] == "on" for name in ("fsync", "synchronous_commit", "full_page_writes"))
    yield "mode", "durable" if durable else "throwaway: a commit does not wait for the disk"


def _processor() -> str:
    try:
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text("utf-8"), re.MULTILINE)
    except OSError:
        found = None
    return found[1] if found else platform.processor() or platform.machine()
