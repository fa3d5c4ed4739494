"""The lints of the finished schema find what they are there for."""

from collections.abc import Iterator
from typing import LiteralString

import psycopg
import pytest

from scripts.database_lints import advisors, cli, own_rules, plpgsql, types
from scripts.database_lints.debian_postgres import find_debian_postgres
from scripts.database_lints.findings import Finding
from scripts.testbed.database import schema_database
from tests.database.world import World

# The first of these tests on a machine downloads the tools.
pytestmark = pytest.mark.timeout(900)


def needs(check: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(check in cli.skipped(), reason=f"{cli.SKIP} names {check}")


FAULTS: dict[tuple[str, str], LiteralString] = {
    ("rls_disabled_in_public", "public.open"): """
      create table public.open (id integer primary key);
      grant select on public.open to anon
    """,
    ("policy_exists_rls_disabled", "public.fills"): """
      alter table public.fills disable row level security
    """,
    ("auth_rls_initplan", "public.orders"): """
      create policy slow on public.orders for insert to authenticated with check (auth.uid() = user_id)
    """,
    ("multiple_permissive_policies", "public.orders"): """
      create policy second on public.orders for select to authenticated
      using ((select auth.uid()) = user_id)
    """,
    ("rls_policy_always_true", "public.orders"): """
      create policy anyone on public.orders for insert with check (true)
    """,
    ("function_search_path_mutable", "public.follows_the_caller"): """
      create function public.follows_the_caller() returns integer language sql security definer as 'select 1'
    """,
    ("security_definer_view", "public.all_orders"): """
      create view public.all_orders as select * from public.orders;
      grant select on public.all_orders to authenticated
    """,
    ("auth_users_exposed", "public.people"): """
      create view public.people as select id, email from auth.users;
      grant select on public.people to anon
    """,
    ("unindexed_foreign_keys", "public.notes.notes_user_id_fkey"): """
      create table public.notes (id integer primary key, user_id uuid references auth.users (id));
      alter table public.notes enable row level security
    """,
    ("no_primary_key", "private.heap"): "create table private.heap (id integer)",
    ("duplicate_index", "public.orders"): """
      create index one on public.orders (created_at); create index two on public.orders (created_at)
    """,
    ("extension_in_public", "public.pg_trgm"): "create extension pg_trgm schema public",
}
OWN_FAULTS: dict[tuple[str, str], LiteralString] = {
    ("authenticated_security_definer_function_executable", "public.new_one"): """
      create function public.new_one() returns integer language sql security definer
      set search_path = '' as 'select 1';
      revoke execute on function public.new_one from public, anon, authenticated;
      grant execute on function public.new_one to authenticated
    """,
    ("anon_security_definer_function_executable", "public.for_all"): """
      create function public.for_all() returns integer language sql security definer
      set search_path = '' as 'select 1';
      revoke execute on function public.for_all from public, anon, authenticated;
      grant execute on function public.for_all to anon
    """,
    ("view_with_rights_of_its_owner", "public.every_order"): """
      create view public.every_order as select * from public.orders
    """,
    ("unbounded_input", "public.user_profiles.notes"): """
      alter table public.user_profiles add column notes text;
      grant update (notes) on public.user_profiles to authenticated
    """,
}
FUNCTION_FAULTS: dict[tuple[str, str], LiteralString] = {
    ("plpgsql_error", "private.misspelt"): """
      create function private.misspelt() returns integer language plpgsql set search_path = '' as
      'begin return (select no_such_column from public.orders limit 1); end'
    """,
    ("plpgsql_error", "private.of_another_table on public.orders"): """
      create function private.of_another_table() returns trigger language plpgsql set search_path = '' as
      'begin new.no_such_column := 1; return new; end';
      create trigger of_another_table before update on public.orders
      for each row execute function private.of_another_table()
    """,
    ("plpgsql_error", "private.of_no_search_path"): """
      create function private.of_no_search_path() returns bigint language plpgsql set search_path = '' as
      'begin return (select count(*) from orders); end'
    """,
    ("plpgsql_warning", "private.forgetful"): """
      create function private.forgetful() returns integer language plpgsql set search_path = '' as
      'declare unused integer; begin return 1; end'
    """,
    ("plpgsql_security", "private.injected"): """
      create function private.injected(p_name text) returns void language plpgsql set search_path = '' as
      'begin execute ''drop table '' || p_name; end'
    """,
    ("plpgsql_performance", "private.hidden_cast"): """
      create function private.hidden_cast() returns integer language plpgsql set search_path = '' as
      'declare found integer; begin select count(*) into found from public.orders; return found; end'
    """,
    (plpgsql.UNUSED, "private.never_called"): """
      create function private.never_called() returns trigger language plpgsql set search_path = '' as
      'begin return new; end'
    """,
}


def keys(found: list[Finding]) -> set[tuple[str, str]]:
    return {(finding.rule, finding.subject) for finding in found}


@needs("advisors")
def test_the_advisors_find_each_fault(world: World) -> None:
    before = keys(advisors.find(world.url))
    assert not before & set(FAULTS)
    for statement in FAULTS.values():
        world.run(statement)
    after = keys(advisors.find(world.url))
    assert set(FAULTS) <= after
    assert {rule for rule, _ in after} <= advisors.RULES


def test_our_own_rules_find_each_fault_and_nothing_beside(world: World) -> None:
    before = keys(own_rules.find(world.url))
    for statement in OWN_FAULTS.values():
        world.run(statement)
    assert keys(own_rules.find(world.url)) - before == set(OWN_FAULTS)


def test_a_bounded_column_and_a_view_of_its_reader_pass(world: World) -> None:
    before = keys(own_rules.find(world.url))
    world.run("alter table public.user_profiles add column notes text check (length(notes) < 100)")
    world.run("grant update (notes) on public.user_profiles to authenticated")
    world.run("create view public.mine with (security_invoker = true) as select * from public.orders")
    assert keys(own_rules.find(world.url)) == before


@needs("types")
def test_the_types_change_with_the_schema(world: World) -> None:
    before = types.generate(world.url)
    assert before.startswith("// Generated")
    world.run("alter table public.user_profiles add column shoe_size integer")
    world.run("comment on table public.orders is 'does not show'")
    added = [line.strip() for line in types.generate(world.url).splitlines() if line not in before]
    assert {line.split(":")[0].strip('"?') for line in added} == {"shoe_size"}


@pytest.fixture(scope="module")
def debian_url() -> Iterator[str]:
    with schema_database(find_debian_postgres()) as url:
        yield url


@needs("plpgsql_check")
def test_plpgsql_check_finds_each_fault_and_nothing_beside(debian_url: str) -> None:
    before = keys(plpgsql.find(debian_url))
    with psycopg.connect(debian_url, autocommit=True) as connection:
        for statement in FUNCTION_FAULTS.values():
            connection.execute(statement)
    found = keys(plpgsql.find(debian_url)) - before
    assert set(FUNCTION_FAULTS) <= found
    assert functions(found) == functions(set(FUNCTION_FAULTS))
    assert {rule for rule, _ in found} <= plpgsql.RULES


def functions(found: set[tuple[str, str]]) -> set[str]:
    return {subject.partition(" ")[0] for _, subject in found}


def test_bodies_that_plpgsql_check_does_not_see_were_checked_when_created(shared: World) -> None:
    query = (
        "select distinct l.lanname::text from pg_proc p join pg_language l on l.oid = p.prolang"
        " where p.pronamespace in ('public'::regnamespace, 'private'::regnamespace) order by 1"
    )
    assert [row[0] for row in shared.rows(query)] == ["plpgsql", "sql"]
