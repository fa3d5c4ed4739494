"""Applying supabase/migrations and recording them as the Supabase CLI does."""

import re
from dataclasses import dataclass
from pathlib import Path

import psycopg

from scripts.local_stack.errors import StackError
from scripts.local_stack.sql_text import Statement, statements

_NAME = re.compile(r"([0-9]+)_(.*)\.sql")
_HISTORY = """
create schema if not exists supabase_migrations;
create table if not exists supabase_migrations.schema_migrations (version text not null primary key);
alter table supabase_migrations.schema_migrations add column if not exists statements text[];
alter table supabase_migrations.schema_migrations add column if not exists name text;
"""
_LOCK = 7_305_115_181


@dataclass(frozen=True, slots=True)
class Migration:
    version: str
    name: str
    path: Path


def find_migrations(folder: Path) -> list[Migration]:
    """Return the folder's migrations, sorted by file name; other files are ignored, as by the CLI."""
    found = []
    for path in sorted(folder.glob("*.sql")):
        match = _NAME.fullmatch(path.name)
        if match is not None:
            found.append(Migration(match[1], match[2], path))
    return found


def apply_migrations(url: str, folder: Path) -> list[str]:
    """Apply what is not recorded yet and return the names of the files applied.

    Each file is one transaction with its record: a file that fails leaves nothing behind.

    Raises:
        StackError: a migration failed; the message has file, line and the server's words.
    """
    applied = []
    with psycopg.connect(url, connect_timeout=10, autocommit=True) as connection:
        connection.execute("select pg_advisory_lock(%s)", (_LOCK,))
        with connection.transaction():
            connection.execute("set local client_min_messages = warning")
            connection.execute(_HISTORY)
        rows = connection.execute("select version from supabase_migrations.schema_migrations").fetchall()
        known = {str(row[0]) for row in rows}
        for migration in find_migrations(folder):
            if migration.version not in known:
                _apply(connection, migration)
                known.add(migration.version)
                applied.append(migration.path.name)
    return applied


def changed_migrations(url: str, folder: Path) -> list[str]:
    """Return the names of the files that are not what was applied under their version."""
    with psycopg.connect(url, connect_timeout=10) as connection:
        history = "supabase_migrations.schema_migrations"
        if connection.execute("select to_regclass(%s)", (history,)).fetchone() == (None,):
            return []
        rows = connection.execute(
            "select version, statements from supabase_migrations.schema_migrations"
        ).fetchall()
    applied = {str(version): texts for version, texts in rows}
    return [
        migration.path.name
        for migration in find_migrations(folder)
        if applied.get(migration.version) is not None and applied[migration.version] != _texts(migration)
    ]


def _texts(migration: Migration) -> list[str]:
    return [part.text for part in statements(migration.path.read_text(encoding="utf-8"))]


def _apply(connection: psycopg.Connection[tuple[object, ...]], migration: Migration) -> None:
    parts = list(statements(migration.path.read_text(encoding="utf-8")))
    with connection.transaction():
        for part in parts:
            try:
                connection.execute(part.text.encode())
            except psycopg.Error as error:
                raise StackError(_where(migration, part, error)) from error
        connection.execute(
            "insert into supabase_migrations.schema_migrations (version, name, statements)"
            " values (%s, %s, %s)",
            (migration.version, migration.name, [part.text for part in parts]),
        )
    # A migration may have changed settings of the session, as `set search_path` in a dump does.
    connection.execute("reset all")


def _where(migration: Migration, part: Statement, error: psycopg.Error) -> str:
    line = part.line
    position = error.diag.statement_position
    if position is not None:
        line += part.text.count("\n", 0, int(position) - 1)
    words = [error.diag.message_primary or str(error).strip()]
    words += [f"{title}: {text}" for title, text in _extras(error) if text]
    return f"Migration {migration.path.name}, line {line}: " + " ".join(words)


def _extras(error: psycopg.Error) -> list[tuple[str, str | None]]:
    return [
        ("Detail", error.diag.message_detail),
        ("Hint", error.diag.message_hint),
        ("SQLSTATE", error.sqlstate),
    ]
