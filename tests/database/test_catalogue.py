"""Rules that every object of the schema keeps."""

import re
from pathlib import Path

from tests.database.world import World

SCHEMA = Path(__file__).parents[2] / "sql" / "schema"


def names(world: World, query: str) -> list[str]:
    return [str(row[0]) for row in world.rows(query)]


def test_every_public_table_has_row_level_security_forced(shared: World) -> None:
    query = (
        "select relname from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p')"
        " and not (relrowsecurity and relforcerowsecurity)"
    )
    assert names(shared, query) == []
    assert len(names(shared, query.replace("not (", "("))) == 21


def test_every_policy_names_its_role_and_its_owner_cheaply(shared: World) -> None:
    rows = shared.rows(
        "select tablename, policyname, roles::text, coalesce(qual, '') || ' ' ||"
        " coalesce(with_check, '') from pg_policies"
        " where schemaname = 'public'"
    )
    for table, policy, roles, condition in rows:
        if roles == "{dashboard_server}":
            # A server acts for every trader; what it may touch is settled by its grants.
            assert policy.startswith("server_"), policy
            continue
        assert roles == "{authenticated}", policy
        if table != "plans":
            # Wrapped in a select, the function runs once and not once a row.
            assert re.search(r"SELECT (auth\.)?uid\(\)", condition), policy
            assert "true" not in condition, policy
    assert len(rows) >= 12


def test_every_function_sets_its_search_path(shared: World) -> None:
    query = (
        "select oid::regprocedure::text from pg_proc where pronamespace in ('public'::regnamespace,"
        " 'private'::regnamespace)"
        ' and not coalesce(proconfig @> \'{"search_path=\\"\\""}\', false)'
    )
    assert names(shared, query) == []


def test_only_functions_that_the_api_calls_and_triggers_are_security_definer(shared: World) -> None:
    query = (
        "select proname from pg_proc where pronamespace = 'private'::regnamespace and prosecdef"
        " and prorettype <> 'trigger'::regtype"
    )
    assert names(shared, query) == []


def test_no_function_is_executable_by_public(shared: World) -> None:
    query = (
        "select oid::regprocedure::text from pg_proc where pronamespace in ('public'::regnamespace,"
        " 'private'::regnamespace)"
        " and exists (select from aclexplode(coalesce(proacl, acldefault('f', proowner))) a where"
        " a.grantee = 0)"
    )
    assert names(shared, query) == []


def test_every_foreign_key_has_an_index_that_leads_with_its_columns(shared: World) -> None:
    query = """
      select c.conrelid::regclass::text || ' ' || pg_get_constraintdef(c.oid)
      from pg_constraint c
      where c.contype = 'f' and c.connamespace in ('public'::regnamespace, 'private'::regnamespace)
        and not exists (
          select from pg_index i
          where i.indrelid = c.conrelid
            -- What a foreign key looks for is never null, so an index without the nulls serves it.
            and (i.indpred is null or exists (
              select from pg_attribute a
              where a.attrelid = c.conrelid and a.attnum = any (c.conkey)
                and pg_get_expr(i.indpred, i.indrelid) = '(' || quote_ident(a.attname) || ' IS NOT NULL)'))
            and (i.indkey::int2[])[0:cardinality(c.conkey) - 1] @> c.conkey
        )
    """
    assert names(shared, query) == []


def test_every_table_has_a_primary_key(shared: World) -> None:
    query = (
        "select t.oid::regclass::text from pg_class t where t.relnamespace in"
        " ('public'::regnamespace, 'private'::regnamespace)"
        " and t.relkind in ('r', 'p') and not exists (select from pg_index i where i.indrelid ="
        " t.oid and i.indisprimary)"
    )
    assert names(shared, query) == []


def test_every_time_has_a_zone_and_no_number_is_a_float(shared: World) -> None:
    query = """
      select attrelid::regclass::text || '.' || attname from pg_attribute
      where attrelid in (
          select oid from pg_class
          where relnamespace in ('public'::regnamespace, 'private'::regnamespace)
            and relkind in ('r', 'p', 'c'))
        and atttypid in ('timestamp'::regtype, 'date'::regtype, 'time'::regtype, 'timetz'::regtype,
          'real'::regtype, 'float8'::regtype, 'money'::regtype)
        -- The day of a contract's end, at the exchange: no instant.
        and not (attrelid = 'public.option_trades'::regclass and attname = 'expiration_date')
    """
    assert names(shared, query) == []


def test_every_tenant_table_belongs_to_a_user_who_may_leave(shared: World) -> None:
    query = """
      select t.relname from pg_class t
      join pg_attribute a on a.attrelid = t.oid and a.attname = 'user_id'
      where t.relnamespace = 'public'::regnamespace and t.relkind = 'r' and t.relname <> 'audit_log'
        and not exists (
          select from pg_constraint c
          where c.conrelid = t.oid and c.confrelid = 'auth.users'::regclass and c.confdeltype = 'c')
    """
    assert names(shared, query) == []


def test_what_the_api_shows_has_a_comment(shared: World) -> None:
    tables = (
        "select relname from pg_class where relnamespace = 'public'::regnamespace and relkind in"
        " ('r', 'v', 'p')"
        " and obj_description(oid, 'pg_class') is null"
    )
    functions = (
        "select proname from pg_proc where pronamespace = 'public'::regnamespace"
        " and obj_description(oid, 'pg_proc') is null"
    )
    assert names(shared, tables) == []
    assert names(shared, functions) == []


def test_nothing_newer_than_postgres_15_is_used() -> None:
    newer = re.compile(
        r"any_value\s*\(|json_table|json_value|json_query|json_exists|merge_action|random_normal|\bis json\b"
        r"|json_arrayagg|json_objectagg|(?<![.\w])(?:0x|0o|0b)[0-9]|[0-9]_[0-9]{3}\b|on_error\s"
        r"|pg_input_is_valid|\bwithout overlaps\b",
        re.IGNORECASE,
    )
    for path in SCHEMA.glob("*.sql"):
        assert newer.findall(path.read_text(encoding="utf-8")) == [], path.name


def test_every_view_asks_with_the_rights_of_its_caller(shared: World) -> None:
    query = (
        "select relname from pg_class where relnamespace = 'public'::regnamespace and relkind = 'v'"
        " and not coalesce(reloptions @> '{security_invoker=true}', false)"
    )
    assert names(shared, query) == []
