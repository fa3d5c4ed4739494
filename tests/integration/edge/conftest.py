"""A trader with a webhook on the running stack, and a client whose answers are all checked for leaks."""

import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from scripts.local_stack.stack import Stack
from scripts.testbed.backend import Backend
from scripts.testbed.records import Records
from scripts.testbed.trader import Trader
from sparky.keys.keyfile import generate_key_file
from sparky.keys.sealing import SealingPublicKey

STACK_TRACE = re.compile(r"\.(?:ts|js|mjs|py):\d+|Traceback|file://|PL/pgSQL")


@pytest.fixture(scope="session")
def backend(stack: Stack) -> Backend:
    return Backend.of_stack(stack)


@pytest.fixture(scope="session")
def public_key(tmp_path_factory: pytest.TempPathFactory) -> SealingPublicKey:
    folder: Path = tmp_path_factory.mktemp("edge-keys")
    return generate_key_file(folder / "sealing.pem").public


@pytest.fixture
def records(stack: Stack) -> Iterator[Records]:
    with Records(stack.admin_database_url) as opened:
        yield opened


@pytest.fixture
async def trader(backend: Backend, records: Records, public_key: SealingPublicKey) -> AsyncIterator[Trader]:
    made = await sign_up(backend, records, public_key, "Alice")
    yield made
    await forget(records, made)


@pytest.fixture
async def other_trader(
    backend: Backend, records: Records, public_key: SealingPublicKey
) -> AsyncIterator[Trader]:
    made = await sign_up(backend, records, public_key, "Bob")
    yield made
    await forget(records, made)


async def sign_up(backend: Backend, records: Records, public_key: SealingPublicKey, name: str) -> Trader:
    """Sign a trader up with a paper account and a webhook, on a plan without limits."""
    made = await Trader.sign_up(backend, name)
    await made.save_paper_keys(public_key)
    await made.reveal_webhook()
    records.run("update public.subscriptions set plan = 'Enterprise' where user_id = %s", made.user_id)
    return made


async def forget(records: Records, trader: Trader) -> None:
    await trader.close()
    records.run("delete from auth.users where id = %s", trader.user_id)


@pytest.fixture
async def http(trader: Trader, stack: Stack) -> AsyncIterator[httpx.AsyncClient]:
    """Return a client; after the test, no answer it got may hold a secret or a stack trace."""
    answers: list[str] = []

    async def keep(response: httpx.Response) -> None:
        await response.aread()
        answers.append("\n".join((response.text, *(f"{n}: {v}" for n, v in response.headers.items()))))

    async with httpx.AsyncClient(timeout=10, event_hooks={"response": [keep]}) as client:
        yield client
    secrets = (trader.token, trader.secret, trader.paper_key, stack.secret_key, stack.jwt_secret)
    for answer in answers:
        assert not STACK_TRACE.search(answer), answer
        assert not [secret for secret in secrets if secret in answer], answer


@pytest.fixture
def url(backend: Backend, trader: Trader) -> str:
    return f"{backend.webhook_url}/{trader.token}"
