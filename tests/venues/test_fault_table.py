"""What a worker of pytest-xdist has seen of writes under faults reaches the table of the run."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests import fault_table
from tests.venues import conformance_faults
from tests.venues.fakes.server import Fault, RequestKind


class Terminal:
    def __init__(self) -> None:
        self.lines: list[str] = []

    def section(self, title: str) -> None:
        self.lines.append(title)

    def write_line(self, text: str) -> None:
        self.lines += text.splitlines()


def printed() -> list[str]:
    terminal = Terminal()
    fault_table.pytest_terminal_summary(cast("Any", terminal))
    return terminal.lines


def test_what_each_worker_has_seen_is_in_one_table(monkeypatch: pytest.MonkeyPatch) -> None:
    handed_over = []
    for venue in ("oanda", "paper"):
        monkeypatch.setattr(fault_table, "_ended", [])
        monkeypatch.setattr(conformance_faults, "SEEN", {(venue, RequestKind.ORDER, Fault.CUT): "unknown"})
        worker = SimpleNamespace(workeroutput={})
        fault_table.pytest_sessionfinish(cast("Any", SimpleNamespace(config=worker)))
        handed_over.append(worker)
    monkeypatch.setattr(fault_table, "_ended", [])
    assert printed() == []
    for worker in (*handed_over, SimpleNamespace()):
        fault_table.pytest_testnodedown(worker)
    title, head, row = printed()
    assert title == "writes under faults"
    assert head.split() == ["fault", "write", "oanda", "paper"]
    assert row.split() == ["cut", "order", "unknown", "unknown"]
