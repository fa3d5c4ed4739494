"""Divides the tests into those that share the cores and those that run alone, one after another."""

from pathlib import Path
from typing import Final

import pytest

SHARED: Final = ("unit", "venues", "database")
"""Folders whose tests may run beside one another. All others start stacks or measure times."""
TIMED: Final = ("test_query_plans.py", "test_claim_races.py", "test_strategy_races.py")
"""Files of these folders that measure times or want both cores for themselves."""
_HERE: Final = Path(__file__).parent


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what runs alone, and keep the tests that need a database at one server."""
    for item in items:
        if item.path.relative_to(_HERE).parts[0] not in SHARED or item.path.name in TIMED:
            item.add_marker(pytest.mark.alone)
        elif "admin_url" in getattr(item, "fixturenames", ()):
            # Each worker of pytest-xdist would start a server of its own.
            item.add_marker(pytest.mark.xdist_group("postgres"))
