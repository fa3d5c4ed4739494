"""The paper venue keeps its book in Postgres, so its tests share the databases of the schema's tests."""

import importlib
import sys
from collections.abc import Iterator

import pytest

from tests.database.conftest import admin_url, bare_template, make_database, shared, template, world
from tests.database.world import World
from tests.venues.fakes.paper import Ground

__all__ = ["admin_url", "bare_template", "make_database", "shared", "template", "world"]

pytest.register_assert_rewrite(
    *(
        f"tests.venues.conformance_{part}"
        for part in ("exits", "faults", "keys", "lookup", "options", "orders", "reading", "writes")
    ),
)


@pytest.fixture(scope="module")
def ground(shared: World) -> Iterator[Ground]:
    """Return what the cases of a module share to trade on paper."""
    one = Ground(shared)
    yield one
    one.connections.close()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print how each write ended under each fault, where the conformance suite has run."""
    faults = sys.modules.get("tests.venues.conformance_faults")
    if faults is not None and faults.SEEN:
        # Imported late: only a run of the suite has imported the cases with their assertions rewritten.
        table = importlib.import_module("tests.venues.conformance_table")
        terminalreporter.section("writes under faults")
        terminalreporter.write_line(table.seen_table(faults.SEEN))
