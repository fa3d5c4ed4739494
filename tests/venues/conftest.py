"""The paper venue keeps its book in Postgres, so its tests share the databases of the schema's tests."""

from collections.abc import Iterator

import pytest

from tests.database.conftest import admin_url, bare_template, make_database, shared, template, world
from tests.database.world import World
from tests.venues.fakes.paper import Ground

__all__ = ["admin_url", "bare_template", "make_database", "shared", "template", "world"]

pytest.register_assert_rewrite(
    *(
        f"tests.venues.conformance_{part}"
        for part in ("exits", "faults", "keys", "lookup", "options", "orders", "quotes", "reading", "writes")
    ),
)


@pytest.fixture(scope="module")
def ground(shared: World) -> Iterator[Ground]:
    """Return what the cases of a module share to trade on paper."""
    one = Ground(shared)
    yield one
    one.connections.close()
