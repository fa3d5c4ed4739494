"""From a started database to what the server needs to know: bootstrap, migrations, settings."""

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg

from scripts.local_stack import ports, project, urls
from scripts.local_stack.binaries import DENO_VERSION
from scripts.local_stack.bootstrap import SQL, foreign_postgres_role, prepare_database
from scripts.local_stack.errors import StackError
from scripts.local_stack.migrations import apply_migrations, changed_migrations
from scripts.local_stack.options import UpOptions
from scripts.local_stack.server_process import LITE_VERSION
from scripts.local_stack.state import StackState

NEEDED_BYTES = 500_000_000


def check_space(data: Path) -> None:
    free = shutil.disk_usage(data).free
    if free < NEEDED_BYTES:
        raise StackError(
            f"Only {free // 1_000_000} MB are free on the disk of {data}, and 500 MB are needed: "
            "make room, or give --data a folder elsewhere."
        )


def check_project(options: UpOptions) -> None:
    """Read all that the checkout tells, so that a mistake in it is told before anything is started.

    Raises:
        StackError: a file is broken or missing.
    """
    project.functions(options.supabase, project.read_config(options.supabase))
    _given_environment(options)


def prepare(state: StackState, options: UpOptions, say: Callable[[str], None]) -> StackState:
    """Bootstrap the database if its scripts changed, apply migrations, and return the completed state.

    Raises:
        StackError: the database refuses or does not answer, or a migration failed.
    """
    admin = state.admin_database_url
    scripts = _bootstrap_version()
    try:
        if state.versions.get("bootstrap") != scripts or options.database_url is not None:
            prepare_database(admin)
        # On a server of somebody else, role postgres is that server's own superuser and stays as it is.
        ours = not foreign_postgres_role(admin)
        database_url = urls.with_role(admin, "postgres") if ours else admin
        versions = {
            "postgres": _server_version(admin),
            "deno": DENO_VERSION,
            "lite": LITE_VERSION,
            "bootstrap": scripts,
        }
        if options.migrations:
            if options.database_url is None:
                _refuse_changed(database_url, options)
            for name in apply_migrations(database_url, options.supabase / "migrations"):
                say(f"Applied migration {name}")
    except psycopg.OperationalError as error:
        words = str(error).strip().splitlines()[0]
        raise StackError(f"The database does not answer: {words}") from error
    return replace(state, database_url=database_url, versions=versions)


def _refuse_changed(database_url: str, options: UpOptions) -> None:
    # A migration is applied once. On a schema that is not the checkout's, nothing would do what it should.
    changed = changed_migrations(database_url, options.supabase / "migrations")
    if changed:
        raise StackError(
            f"The database in {options.data} was made by another version of {changed[0]}. Throw its data "
            f"away: `make clean`, or `python -m scripts.local_stack reset --data {options.data}`."
        )


def server_settings(state: StackState, options: UpOptions) -> dict[str, Any]:
    """Return what the Deno server is told at its start, keys included."""
    config = project.read_config(options.supabase)
    admin = state.admin_database_url
    return project.auth_settings(config) | {
        "url": state.url,
        "host": ports.HOST,
        "port": state.port,
        "schemas": project.api_schemas(config),
        "jwtSecret": state.jwt_secret,
        "publishableKey": state.publishable_key,
        "secretKey": state.secret_key,
        "adminDatabaseUrl": admin,
        "authDatabaseUrl": urls.with_role(admin, "supabase_auth_admin"),
        "restDatabaseUrl": urls.with_role(admin, "authenticator"),
        "functions": project.functions(options.supabase, config),
        "functionEnvironment": _function_environment(state, options),
    }


def _given_environment(options: UpOptions) -> dict[str, str]:
    path = options.env_file
    default = options.supabase / "functions" / ".env"
    if path is None and default.is_file():
        path = default
    return project.read_env_file(path) if path is not None else {}


def _function_environment(state: StackState, options: UpOptions) -> dict[str, str]:
    own = project.read_env_file(Path(__file__).with_name("functions.env"))
    chosen = {**own, **_given_environment(options), **options.environment}
    return {
        **{name: _resolved(value, state) for name, value in chosen.items()},
        "SUPABASE_URL": state.url,
        "SUPABASE_ANON_KEY": state.anon_jwt,
        "SUPABASE_SERVICE_ROLE_KEY": state.service_role_jwt,
        "SUPABASE_PUBLISHABLE_KEYS": json.dumps({"default": state.publishable_key}),
        "SUPABASE_SECRET_KEYS": json.dumps({"default": state.secret_key}),
        "SUPABASE_DB_URL": state.database_url,
    }


def _bootstrap_version() -> str:
    digest = hashlib.sha256()
    for path in sorted(SQL.glob("*.sql")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _server_version(url: str) -> str:
    with psycopg.connect(url, connect_timeout=10) as connection:
        row = connection.execute("show server_version").fetchone()
    return str(row[0]) if row else "unknown"


def _resolved(value: str, state: StackState) -> str:
    # The secret that signs a login is drawn with the data folder, so no file can hold the login itself.
    prefix, _, role = value.partition("jwt:")
    return state.login(role) if role and not prefix else value
