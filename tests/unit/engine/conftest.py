import asyncio
from collections.abc import Callable, Iterator, MutableMapping
from typing import Any, NoReturn

import pytest
import structlog

from tests.unit.engine.virtual_loop import VirtualLoop


@pytest.hookimpl
def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    del config, item
    return {"virtual": VirtualLoop}


@pytest.fixture(autouse=True)
def silent_logs() -> Iterator[None]:
    """Drop what is logged, unless a test captures it."""

    def drop(_logger: Any, _method: str, _event: MutableMapping[str, Any]) -> NoReturn:
        raise structlog.DropEvent

    structlog.configure(processors=[drop])
    yield
    structlog.reset_defaults()
