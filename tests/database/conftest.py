"""A PostgreSQL cluster for the session, one template database, a fresh database for each test."""

import itertools
import os
from collections.abc import Callable, Iterator

import psycopg
import pytest
from psycopg import sql

from scripts.local_stack import urls
from scripts.local_stack.bootstrap import prepare_database
from scripts.testbed.database import apply_schema, throwaway_server
from tests.database.world import World

# An existing server to test on instead: a superuser's URL. Its databases test_* and template_* are replaced.
SERVER = "SPARKY_TEST_SERVER"
_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def admin_url() -> Iterator[Callable[[str], str]]:
    """Return a function from a database's name to its superuser's URL, on a cluster made for this session."""
    given = os.environ.get(SERVER)
    if given:
        yield lambda name: urls.with_database(given, name)
        return
    with throwaway_server() as url:
        yield lambda name: urls.with_database(url, name)


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
