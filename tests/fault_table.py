"""Prints how writes ended under faults, whether the conformance suite has run here or in pytest's workers."""

import importlib
import sys
from typing import Any

import pytest

_SENT = "writes under faults"
"""What a worker hands over when it ends: venue, write, fault and ending of every one."""
_ended: list[tuple[str, str, str, str]] = []


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Keep what this process has seen, and hand it over where it is a worker of pytest-xdist."""
    faults = sys.modules.get("tests.venues.conformance_faults")
    if faults is not None:
        _ended.extend(
            (venue, write.value, fault.value, end) for (venue, write, fault), end in faults.SEEN.items()
        )
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput[_SENT] = _ended


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take what a worker hands over; one that has crashed hands over nothing."""
    _ended.extend(getattr(node, "workeroutput", {}).get(_SENT, ()))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print how each write ended under each fault, where the conformance suite has run."""
    if not _ended:
        return
    # Imported late: only a run of the suite has imported the cases with their assertions rewritten.
    server = importlib.import_module("tests.venues.fakes.server")
    table = importlib.import_module("tests.venues.conformance_table")
    seen = {
        (venue, server.RequestKind(write), server.Fault(fault)): end for venue, write, fault, end in _ended
    }
    terminalreporter.section("writes under faults")
    terminalreporter.write_line(table.seen_table(seen))
