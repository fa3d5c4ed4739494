"""A PostgreSQL cluster for the session, one template database, a fresh database for each test."""

import itertools
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from scripts.local_stack import urls
from scripts.local_stack.account import outside_folder
from scripts.local_stack.bootstrap import prepare_database
from scripts.local_stack.postgres import PostgresServer
from tests.database.world import World

SCHEMA = Path(__file__).parents[2] / "sql" / "schema"
# An existing server to test on instead: a superuser's URL. Its databases test_* and template_* are replaced.
SERVER = "SPARKY_TEST_SERVER"
MEMORY = Path("/dev/shm")  # noqa: S108 - a private folder is made in it
_numbers = itertools.count(1)


def _place() -> Path | None:
    # In memory a database is copied in 30 ms; on a busy disk it takes twenty times as long.
    return MEMORY if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > 2**30 else None


@pytest.fixture(scope="session")
def admin_url() -> Iterator[Callable[[str], str]]:
    """Return a function from a database's name to its superuser's URL, on a cluster made for this session."""
    given = os.environ.get(SERVER)
    if given:
        yield lambda name: urls.with_database(given, name)
        return
    data = Path(tempfile.mkdtemp(prefix="sparky-database-", dir=_place()))
    # The account that serves the cluster must be able to reach it.
    data.chmod(0o755)
    try:
        with PostgresServer(data, throwaway=True) as running:
            yield running.admin_url
    finally:
        shutil.rmtree(data, ignore_errors=True)
        shutil.rmtree(outside_folder(data), ignore_errors=True)


def _create(admin_url: Callable[[str], str], name: str, template: str, owner: str = "postgres") -> None:
    # template1 may be in use by another session, template0 never is.
    with psycopg.connect(admin_url("postgres"), autocommit=True) as connection:
        connection.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)))
        connection.execute(
            sql.SQL("create database {} template {} strategy file_copy owner {}").format(
                sql.Identifier(name), sql.Identifier(template), sql.Identifier(owner)
            )
        )


@pytest.fixture(scope="session")
def bare_template(admin_url: Callable[[str], str]) -> str:
    """Return the name of a database that looks like a new hosted project's."""
    name = "template_bare"
    _create(admin_url, name, "template0", urls.ADMIN)
    prepare_database(admin_url(name))
    return name


@pytest.fixture(scope="session")
def make_database(admin_url: Callable[[str], str]) -> Callable[[str], str]:
    """Return a function that copies a template and returns the superuser's URL of the copy."""

    def make(template: str) -> str:
        name = f"test_{next(_numbers)}"
        _create(admin_url, name, template)
        return admin_url(name)

    return make


def apply_schema(url: str, folder: Path = SCHEMA) -> None:
    """Apply the numbered files in order, in one transaction, as the role that runs migrations when hosted."""
    with psycopg.connect(urls.with_role(url, "postgres")) as connection:
        connection.execute("set client_min_messages = warning")
        for path in sorted(folder.glob("*.sql")):
            connection.execute(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def template(admin_url: Callable[[str], str], bare_template: str) -> str:
    name = "template_sparky"
    _create(admin_url, name, bare_template)
    apply_schema(admin_url(name))
    return name


@pytest.fixture
def world(
    admin_url: Callable[[str], str], template: str, make_database: Callable[[str], str]
) -> Iterator[World]:
    url = make_database(template)
    one = World(url)
    yield one
    one.close()
    with psycopg.connect(admin_url("postgres"), autocommit=True) as connection:
        name = sql.Identifier(url.rpartition("/")[2])
        connection.execute(sql.SQL("drop database if exists {} with (force)").format(name))


@pytest.fixture(scope="module")
def shared(template: str, make_database: Callable[[str], str]) -> Iterator[World]:
    """Return one database for all tests of a module: for those that write nothing."""
    one = World(make_database(template))
    yield one
    one.close()
