"""Sparky's schema on a Supabase that has no migrations of it yet."""

from pathlib import Path

import psycopg

_SCHEMA = Path(__file__).resolve().parents[2] / "sql" / "schema"


def ensure_schema(database_url: str) -> bool:
    """Apply sql/schema as one transaction unless it is there, and tell whether that was needed.

    The URL is that of role `postgres`, which owns the objects, as when migrations are applied.
    """
    with psycopg.connect(database_url, connect_timeout=10) as connection:
        found = connection.execute("select to_regclass('public.signals')").fetchone()
        if found is not None and found[0] is not None:
            return False
        connection.execute("set local client_min_messages = warning")
        for path in sorted(_SCHEMA.glob("*.sql")):
            connection.execute(path.read_bytes())
    return True
