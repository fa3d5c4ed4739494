"""Turning an empty database into one that looks like a hosted Supabase project's."""

from pathlib import Path
from typing import cast

import psycopg
from psycopg import sql

from scripts.local_stack import urls
from scripts.local_stack.errors import StackError

SQL = Path(__file__).parent / "sql"
LOGIN_ROLES = ("postgres", "authenticator", "supabase_auth_admin")
_LOCK = 7_305_115_180


def prepare_database(admin_url: str) -> None:
    """Create roles, schemas, rights, auth, Vault and Realtime in the database of a superuser's URL.

    Safe to repeat. The login roles get passwords derived from the one in the URL (`urls.with_role`).

    Raises:
        StackError: the server refuses, or the URL is not a superuser's.
    """
    try:
        with psycopg.connect(admin_url, connect_timeout=10) as connection:
            connection.execute("set client_min_messages = warning")
            _check_server(connection)
            # Roles belong to the whole cluster: two databases must not be prepared at once.
            connection.execute("select pg_advisory_xact_lock(%s)", (_LOCK,))
            for script in _scripts(connection):
                connection.execute(script.read_bytes())
            _set_passwords(connection, urls.password_of(admin_url))
            _give_database(connection)
    except psycopg.Error as error:
        raise StackError(f"The database could not be prepared: {_first_line(error)}") from error


def is_prepared(admin_url: str) -> bool:
    with psycopg.connect(admin_url, connect_timeout=10) as connection:
        row = connection.execute("select to_regclass('auth.users') is not null").fetchone()
    return bool(row and row[0])


def foreign_postgres_role(admin_url: str) -> bool:
    """Tell whether role `postgres` is the server's own superuser, which must be left as it is."""
    with psycopg.connect(admin_url, connect_timeout=10) as connection:
        row = connection.execute("select rolsuper from pg_roles where rolname = 'postgres'").fetchone()
    return bool(row and row[0])


def _scripts(connection: psycopg.Connection[tuple[object, ...]]) -> list[Path]:
    scripts = [SQL / "010_roles.sql", SQL / "020_schemas.sql"]
    if (SQL / "realtime.sql").exists():
        scripts.append(SQL / "realtime.sql")
    if _available(connection, "supabase_vault"):
        connection.execute("create extension if not exists supabase_vault cascade")
    else:
        scripts.append(SQL / "vault.sql")
    return [*scripts, SQL / "vault_rights.sql", SQL / "auth.sql", SQL / "030_schema_cache.sql"]


def _available(connection: psycopg.Connection[tuple[object, ...]], extension: str) -> bool:
    query = "select 1 from pg_available_extensions where name = %s"
    return connection.execute(query, (extension,)).fetchone() is not None


def _check_server(connection: psycopg.Connection[tuple[object, ...]]) -> None:
    row = connection.execute(
        "select rolsuper, current_setting('server_version_num')::int, current_setting('wal_level')"
        " from pg_roles where rolname = current_user"
    ).fetchone()
    if row is None or not row[0]:
        raise StackError(
            "The database URL must be a superuser's, because roles and event triggers are made with it."
        )
    if int(cast("int", row[1])) < 150_000:  # noqa: PLR2004 - server_version_num of PostgreSQL 15
        raise StackError("The database server is older than PostgreSQL 15: use a newer one.")
    if row[2] != "logical":
        raise StackError(
            "The database server has wal_level = " + str(row[2]) + ": set it to `logical`, for Realtime."
        )


def _set_passwords(connection: psycopg.Connection[tuple[object, ...]], admin_password: str) -> None:
    for role in LOGIN_ROLES:
        is_super = connection.execute("select rolsuper from pg_roles where rolname = %s", (role,)).fetchone()
        if is_super and is_super[0]:
            continue
        statement = sql.SQL("alter role {} password {}").format(
            sql.Identifier(role), sql.Literal(urls.role_password(admin_password, role))
        )
        connection.execute(statement)


def _give_database(connection: psycopg.Connection[tuple[object, ...]]) -> None:
    statement = sql.SQL("alter database {} owner to postgres").format(sql.Identifier(connection.info.dbname))
    connection.execute(statement)


def _first_line(error: psycopg.Error) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
