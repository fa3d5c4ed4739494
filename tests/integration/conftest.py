"""The running stack that integration tests talk to."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.local_stack.stack import Stack


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A fresh stack with the project's migrations and edge functions, thrown away at the end."""
    with Stack(tmp_path_factory.mktemp("stack"), throwaway=True) as running:
        yield running


@pytest.fixture(scope="session")
def repository() -> Path:
    return Path(__file__).resolve().parents[2]
