"""Many connections at once."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg

from tests.database.world import World, connect

Work = Callable[[psycopg.Connection[tuple[Any, ...]], int], Any]


def at_once(world: World, role: str, count: int, work: Work) -> list[Any]:
    """Run `work` as a role on `count` connections that all start together."""
    gate = threading.Barrier(count)

    def one(number: int) -> Any:
        connection = connect(world.url, role)
        try:
            gate.wait(30)
            return work(connection, number)
        finally:
            connection.close()

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(one, range(count)))
