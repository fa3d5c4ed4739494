"""What production has applied, and what sql/schema/ says, are one and the same."""

import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote, urlsplit

import psycopg
import pytest

from scripts.local_stack import urls
from scripts.local_stack.binaries import find_postgres
from scripts.local_stack.migrations import apply_migrations, find_migrations
from scripts.testbed.database import apply_schema

ROOT = Path(__file__).parents[2]
MIGRATIONS = ROOT / "supabase" / "migrations"
NOISE = re.compile(
    r"^(--.*|\\(un)?restrict .*|SET .*|SELECT pg_catalog\.set_config.*|\s*"
    # Later releases of a server mark each column with a number of their own, which an older pg_dump shows.
    r"|ALTER TABLE ONLY \S+ ALTER COLUMN \S+ SET \(pg_attver=\d+\);)$"
)


def catalogue(url: str) -> list[str]:
    """Return the lines of a dump of the schema: tables, functions, policies, grants, default privileges."""
    parts = urlsplit(url)
    dump = subprocess.run(
        [
            find_postgres().tool("pg_dump"),
            "--schema-only",
            "--exclude-schema=supabase_migrations",
            "--dbname",
            url,
        ],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
        env=os.environ | {"PGPASSWORD": unquote(parts.password or "")},
    ).stdout
    return sorted(line for line in dump.splitlines() if not NOISE.match(line))


@pytest.fixture(scope="module")
def by_migrations(bare_template: str, make_database: Callable[[str], str]) -> str:
    url = make_database(bare_template)
    applied = apply_migrations(urls.with_role(url, "postgres"), MIGRATIONS)
    assert applied == [found.path.name for found in find_migrations(MIGRATIONS)]
    assert applied
    return url


@pytest.fixture(scope="module")
def by_schema(bare_template: str, make_database: Callable[[str], str]) -> str:
    url = make_database(bare_template)
    apply_schema(url)
    return url


def test_migrations_and_schema_make_the_same_catalogue(by_migrations: str, by_schema: str) -> None:
    migrated, written = catalogue(by_migrations), catalogue(by_schema)
    assert [line for line in migrated if line not in set(written)] == []
    assert [line for line in written if line not in set(migrated)] == []
    assert migrated == written
    for word in (
        "CREATE POLICY",
        "GRANT SELECT",
        "ALTER DEFAULT PRIVILEGES",
        "FORCE ROW LEVEL SECURITY",
        "sparky_on_sign_up",
    ):
        assert any(word in line for line in written), word


def test_migrations_and_schema_seed_the_same_plans(by_migrations: str, by_schema: str) -> None:
    found = []
    for url in (by_migrations, by_schema):
        with psycopg.connect(url) as connection:
            query = "select to_jsonb(p) - 'created_at' - 'updated_at' from public.plans p order by position"
            found.append(connection.execute(query).fetchall())
    assert found[0] == found[1]
    assert len(found[0]) == 4


def test_applying_again_changes_nothing(by_migrations: str) -> None:
    assert apply_migrations(urls.with_role(by_migrations, "postgres"), MIGRATIONS) == []


def test_traders_who_signed_up_before_are_taken_in(
    bare_template: str, make_database: Callable[[str], str]
) -> None:
    url = make_database(bare_template)
    with psycopg.connect(url) as connection:
        connection.execute("insert into auth.users (id, email) values (gen_random_uuid(), 'old@example.com')")
    apply_migrations(urls.with_role(url, "postgres"), MIGRATIONS)
    with psycopg.connect(url) as connection:
        query = (
            "select p.email, s.plan from public.user_profiles p join public.subscriptions s on"
            " s.user_id = p.id"
            " join private.ingest_state i on i.user_id = p.id"
        )
        assert connection.execute(query).fetchall() == [("old@example.com", "Free")]
