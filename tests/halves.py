"""Divides the tests into those that share the cores and those that run alone, one after another."""

from pathlib import Path
from typing import Final

import pytest

SHARED: Final = ("unit", "venues")
"""Folders whose tests may run beside one another. All others start stacks or measure times."""
_HERE: Final = Path(__file__).parent


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what runs alone, and keep the tests of the paper venue's book at one server."""
    for item in items:
        if item.path.relative_to(_HERE).parts[0] not in SHARED:
            item.add_marker(pytest.mark.alone)
        elif "admin_url" in getattr(item, "fixturenames", ()):
            # Each worker of pytest-xdist would start a server of its own.
            item.add_marker(pytest.mark.xdist_group("postgres"))
