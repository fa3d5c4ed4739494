"""plpgsql_check on every function of ours, triggers once for each table that they stand on."""

import psycopg

from scripts.database_lints.findings import Finding

UNUSED = "trigger_function_without_trigger"
# A trigger function is checked with the row types and transition tables of each of its triggers.
_CHECK = """
  select n.nspname || '.' || p.proname || coalesce(' on ' || t.name, ''),
    c.level,
    concat_ws(
      '; ', 'line ' || c.lineno, c.statement, c.sqlstate || ' ' || c.message, c.detail, c.hint,
      'in: ' || c.query
    )
  from pg_catalog.pg_proc p
  join pg_catalog.pg_namespace n on n.oid = p.pronamespace
  join pg_catalog.pg_language l on l.oid = p.prolang
  left join lateral (
    select distinct g.tgrelid as relation, r.relnamespace::regnamespace || '.' || r.relname as name,
      g.tgoldtable as old_rows, g.tgnewtable as new_rows
    from pg_catalog.pg_trigger g
    join pg_catalog.pg_class r on r.oid = g.tgrelid
    where g.tgfoid = p.oid and not g.tgisinternal
  ) t on true
  cross join lateral lint.plpgsql_check_function_tb(
    p.oid, coalesce(t.relation, 0), fatal_errors => false, all_warnings => true,
    oldtable => t.old_rows, newtable => t.new_rows
  ) c
  where n.nspname in ('public', 'private') and l.lanname = 'plpgsql'
    and (p.prorettype <> 'trigger'::regtype or t.relation is not null)
"""
_WITHOUT = """
  select n.nspname || '.' || p.proname
  from pg_catalog.pg_proc p
  join pg_catalog.pg_namespace n on n.oid = p.pronamespace
  where n.nspname in ('public', 'private') and p.prorettype = 'trigger'::regtype
    and not exists (select from pg_catalog.pg_trigger g where g.tgfoid = p.oid)
"""
RULES = frozenset(
    {
        "plpgsql_error",
        "plpgsql_warning",
        "plpgsql_warning_extra",
        "plpgsql_performance",
        "plpgsql_security",
        "plpgsql_compatibility",
        UNUSED,
    }
)


def find(admin_url: str) -> list[Finding]:
    """Return every error and warning; the database's server must have the extension."""
    with psycopg.connect(admin_url, autocommit=True) as connection:
        connection.execute("set client_min_messages = warning")
        connection.execute("create schema if not exists lint")
        connection.execute("create extension if not exists plpgsql_check schema lint")
        found = [
            Finding(f"plpgsql_{level.replace(' ', '_')}", subject, detail)
            for subject, level, detail in connection.execute(_CHECK).fetchall()
        ]
        found += [
            Finding(UNUSED, name, "no trigger calls it, so it cannot be checked")
            for (name,) in connection.execute(_WITHOUT).fetchall()
        ]
    return found
