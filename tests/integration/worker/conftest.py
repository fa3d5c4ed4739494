"""The running stack with Sparky's schema, and a sealing key that every worker of these tests holds."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from scripts.local_stack.stack import Stack
from scripts.testbed.backend import Backend
from scripts.testbed.records import Records
from sparky.keys.keyfile import generate_key_file, load_key_file
from tests.integration.worker.world import World


@pytest.fixture(scope="session")
def backend(stack: Stack) -> Backend:
    return Backend.of_stack(stack)


@pytest.fixture(scope="session")
def key_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("worker-keys") / "sealing.pem"
    generate_key_file(path)
    return path


@pytest.fixture
async def world(stack: Stack, backend: Backend, key_file: Path, tmp_path: Path) -> AsyncIterator[World]:
    with Records(stack.admin_database_url) as records:
        async with httpx.AsyncClient(timeout=10) as http:
            public_key = load_key_file(key_file).public
            made = World(stack, backend, records, http, key_file, public_key, tmp_path)
            try:
                yield made
            finally:
                for worker in made.workers:
                    # A worker that a test has stopped or killed stays so.
                    worker.__exit__(None, None, None)
                for trader in made.traders:
                    await trader.close()
                records.run(
                    "delete from auth.users where id = any(%s::uuid[])",
                    [trader.user_id for trader in made.traders],
                )
