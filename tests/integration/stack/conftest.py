"""Fixtures of the stack's own tests. They use a small project of their own, not the repository's."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.local_stack.postgres import PostgresServer
from scripts.local_stack.stack import Stack
from tests.integration.stack.target import Target, Trader, eventually, new_trader

HERE = Path(__file__).parent
DROP = """
do $$
declare r record;
begin
  for r in select oid::regprocedure as f from pg_proc
    where proname like 'conformance\\_%' and pronamespace = 'public'::regnamespace
  loop execute format('drop function %s', r.f); end loop;
end $$;
drop table if exists public.conformance_notes, public.conformance_authors, public.conformance_vault;
"""


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("supabase", "run the conformance suite against another Supabase")
    group.addoption("--supabase-url", help="its API URL")
    group.addoption("--supabase-key", help="its secret key")
    group.addoption("--supabase-publishable-key", help="its publishable key; without it nobody is anonymous")
    group.addoption(
        "--supabase-database-url", help="its database, as role postgres; without it SQL is skipped"
    )


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the test project, so that a test may change its files."""
    copy = tmp_path_factory.mktemp("project") / "supabase"
    shutil.copytree(HERE / "project", copy)
    return copy


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory, project: Path) -> Iterator[Stack]:
    """A fresh stack without any of Sparky's schema."""
    data = tmp_path_factory.mktemp("stack")
    with Stack(data, throwaway=True, supabase=project, env={"GIVEN": "by the test"}) as running:
        yield running


@pytest.fixture(scope="session")
def target(request: pytest.FixtureRequest) -> Iterator[Target]:
    url = request.config.getoption("--supabase-url", default=None)
    found = _ours(request) if url is None else _another(request, url)
    yield found
    found.close()


def _ours(request: pytest.FixtureRequest) -> Target:
    stack: Stack = request.getfixturevalue("stack")
    state = stack.state
    return Target(
        state.url,
        state.publishable_key,
        state.secret_key,
        state.jwt_secret,
        state.database_url,
        (state.anon_jwt, state.service_role_jwt),
        local=True,
    )


def _another(request: pytest.FixtureRequest, url: str) -> Target:
    key = request.config.getoption("--supabase-key")
    if key is None:
        pytest.exit("--supabase-url needs --supabase-key: the secret key of that project", returncode=2)
    database = request.config.getoption("--supabase-database-url")
    publishable = request.config.getoption("--supabase-publishable-key")
    return Target(url.rstrip("/"), publishable or key, key, database_url=database)


@pytest.fixture(scope="session")
def schema(target: Target) -> Iterator[None]:
    """The suite's tables and functions."""
    if target.database_url is None:
        pytest.skip("needs SQL on that Supabase: give --supabase-database-url")
    target.run([DROP, (HERE / "schema.sql").read_text(encoding="utf-8")])
    # Functions come last in the script: when the last is known, the schema cache is fresh.
    with target.http(key=target.secret_key) as http:
        eventually(lambda: http.post("/rest/v1/rpc/conformance_whoami", json={}).is_success or None)
        eventually(lambda: http.get("/rest/v1/conformance_notes?limit=1").is_success or None)
    yield
    target.run([DROP])


@pytest.fixture(scope="session")
def ann(target: Target) -> Trader:
    """A trader that all tests share, because making one costs two password hashes."""
    return new_trader(target)


@pytest.fixture(scope="session")
def ben(target: Target) -> Trader:
    return new_trader(target)


@pytest.fixture
def newcomer(target: Target) -> Trader:
    """A trader of this test alone, who may be changed, banned or deleted."""
    return new_trader(target)


@pytest.fixture
def empty(request: pytest.FixtureRequest, target: Target, ann: Trader, ben: Trader) -> None:
    """The shared traders have no rows."""
    request.getfixturevalue("schema")
    target.service().table("conformance_notes").delete().in_("owner", [ann.id, ben.id]).execute()


@pytest.fixture
def publishable(target: Target) -> None:
    if target.publishable_key == target.secret_key:
        pytest.skip("needs a key without rights: give --supabase-publishable-key")


@pytest.fixture
def jwt_target(target: Target) -> Target:
    if target.jwt_secret is None:
        pytest.skip("needs the JWT secret, which another Supabase does not show")
    return target


@pytest.fixture
def local(target: Target) -> Target:
    if not target.local:
        pytest.skip("looks into the local stack")
    return target


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """A bare PostgreSQL without any of the stack in it."""
    with PostgresServer(tmp_path_factory.mktemp("cluster"), throwaway=True) as server:
        yield server


@pytest.fixture
def as_root() -> None:
    if os.geteuid() != 0:
        pytest.skip("tells what happens for root only")
