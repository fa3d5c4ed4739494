"""The supervisor's own log: one JSON object a line."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

ROTATE_BYTES = 20_000_000
Journal = Callable[..., None]


def open_journal(path: Path) -> Journal:
    """Return `write(event, **fields)`. Fields must not hold secrets: nothing is taken out here."""

    def write(event: str, **fields: object) -> None:
        line = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "event": event, **fields}
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    return write


def rotate(folder: Path) -> None:
    """Put a log aside that has grown big; one older generation is kept."""
    for path in folder.glob("*.log"):
        if path.stat().st_size > ROTATE_BYTES:
            path.replace(path.with_suffix(".log.1"))
