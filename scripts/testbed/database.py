"""A throwaway cluster, and a database that holds the schema as sql/schema/ says."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from scripts.local_stack import urls
from scripts.local_stack.account import outside_folder
from scripts.local_stack.binaries import PostgresTree
from scripts.local_stack.bootstrap import prepare_database
from scripts.local_stack.errors import StackError
from scripts.local_stack.postgres import PostgresServer
from scripts.local_stack.project import REPOSITORY

SCHEMA = REPOSITORY / "sql" / "schema"
MEMORY = Path("/dev/shm")  # noqa: S108 - a private folder is made in it


@contextmanager
def throwaway_server(tree: PostgresTree | None = None) -> Iterator[str]:
    """Yield the superuser's URL of a new cluster, served by the pinned PostgreSQL or by the one given."""
    data = Path(tempfile.mkdtemp(prefix="sparky-database-", dir=_place()))
    # The account that serves the cluster must be able to reach it.
    data.chmod(0o755)
    try:
        with PostgresServer(data, throwaway=True, tree=tree) as running:
            yield running.admin_url()
    finally:
        shutil.rmtree(data, ignore_errors=True)
        shutil.rmtree(outside_folder(data), ignore_errors=True)


@contextmanager
def schema_database(tree: PostgresTree | None = None) -> Iterator[str]:
    """Yield the superuser's URL of a database with the finished schema."""
    with throwaway_server(tree) as url:
        prepare_database(url)
        apply_schema(url)
        yield url


def apply_schema(admin_url: str, folder: Path = SCHEMA) -> None:
    """Apply the files of the schema in one transaction, as the role that runs migrations when hosted.

    Raises:
        StackError: the server refuses a file.
    """
    with psycopg.connect(urls.with_role(admin_url, "postgres")) as connection:
        connection.execute("set client_min_messages = warning")
        for path in sorted(folder.glob("*.sql")):
            try:
                connection.execute(path.read_bytes())
            except psycopg.Error as error:
                raise StackError(f"{path.name} could not be applied: {error}") from error


def _place() -> Path | None:
    # In memory a database is copied in 30 ms; on a busy disk it takes twenty times as long.
    return MEMORY if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > 2**30 else None
