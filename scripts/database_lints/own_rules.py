"""Rules that the pinned advisors do not have, as queries for (subject, detail)."""

from typing import LiteralString

import psycopg

from scripts.database_lints.findings import Finding

_DEFINER: LiteralString = """
  select n.nspname || '.' || p.proname, 'runs with its owner''s rights and {role} may call it'
  from pg_catalog.pg_proc p
  join pg_catalog.pg_namespace n on n.oid = p.pronamespace
  where n.nspname = 'public' and p.prosecdef
    and pg_catalog.has_function_privilege('{role}', p.oid, 'execute')
"""
QUERIES: dict[str, LiteralString] = {
    "anon_security_definer_function_executable": _DEFINER.replace("{role}", "anon"),
    "authenticated_security_definer_function_executable": _DEFINER.replace("{role}", "authenticated"),
    # The advisors look only at views that anon or authenticated may read.
    "view_with_rights_of_its_owner": """
      select n.nspname || '.' || c.relname, 'is a view without security_invoker'
      from pg_catalog.pg_class c
      join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      where n.nspname = 'public' and c.relkind = 'v'
        and not coalesce(lower(c.reloptions::text) ~ 'security_invoker=(true|on|1|yes)', false)
    """,
    # Whatever a client may write into a column of no fixed size needs a check that names the column.
    "unbounded_input": """
      select n.nspname || '.' || c.relname || '.' || a.attname,
        'can be written by ' || string_agg(r.rolname, ', ' order by r.rolname) || ' and no check bounds it'
      from pg_catalog.pg_class c
      join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
      join pg_catalog.pg_type t on t.oid = a.atttypid
      cross join pg_catalog.pg_roles r
      where n.nspname = 'public' and c.relkind in ('r', 'p') and r.rolname in ('anon', 'authenticated')
        and (t.typlen = -1 and t.typname <> 'numeric' or t.typtype = 'd')
        and (
          pg_catalog.has_column_privilege(r.oid, c.oid, a.attnum, 'insert')
          or pg_catalog.has_column_privilege(r.oid, c.oid, a.attnum, 'update')
        )
        and not exists (
          select from pg_catalog.pg_constraint k
          where k.conrelid = c.oid and k.contype in ('c', 'f') and a.attnum = any (k.conkey)
        )
      group by n.nspname, c.relname, a.attname
    """,
}
RULES = frozenset(QUERIES)


def find(admin_url: str) -> list[Finding]:
    """Return what the queries find."""
    found = []
    with psycopg.connect(admin_url) as connection:
        for rule, query in QUERIES.items():
            found += [
                Finding(rule, subject, detail) for subject, detail in connection.execute(query).fetchall()
            ]
    return found
