"""Every function of schema public, called by every actor: exactly what calls.toml says."""

from collections.abc import Iterator

import psycopg
import pytest

from tests.database.calls import Call, Caller, calls, prepare
from tests.database.matrix import ACTORS
from tests.database.populate import populate
from tests.database.test_privileges import FUNCTIONS
from tests.database.world import World

CALLS = calls()


@pytest.fixture(scope="module")
def caller(shared: World) -> Iterator[Caller]:
    two = populate(shared)
    names = prepare(two)
    with psycopg.connect(shared.url, autocommit=True) as connection:
        yield Caller(two, connection, names)


def test_every_function_is_written_down_and_every_section_is_a_function(shared: World) -> None:
    functions = shared.rows("select proname from pg_proc where pronamespace = 'public'::regnamespace")
    # A list and not a set: two functions of one name cannot be told apart by the API.
    assert sorted(name for (name,) in functions) == sorted(CALLS)


def test_the_call_of_each_function_names_its_arguments(shared: World) -> None:
    for name, call in CALLS.items():
        known = shared.value(
            "select coalesce(proargnames, '{}') from pg_proc"
            " where pronamespace = 'public'::regnamespace and proname = %s",
            name,
        )
        assert set(call.arguments) <= set(known), name


@pytest.mark.parametrize("actor", ACTORS)
def test_denied_is_written_where_no_privilege_is(actor: str) -> None:
    role = ACTORS[actor][0]
    for name, call in CALLS.items():
        assert (call.expected[actor] != "denied") == ((f"public.{name}", role) in FUNCTIONS), name


@pytest.mark.parametrize("name", CALLS)
def test_what_each_actor_gets(caller: Caller, name: str) -> None:
    call = CALLS[name]
    assert {actor: caller.outcome(call, actor) for actor in ACTORS} == call.expected


def test_a_function_that_forgets_to_ask_whose_it_is_is_noticed(caller: Caller) -> None:
    careless = (
        "create function public.careless(p_account_id uuid) returns text language sql security definer"
        " set search_path = '' as $$ update public.user_api_keys set label = 'Taken'"
        " where id = p_account_id returning user_id::text $$"
    )
    written = dict.fromkeys(ACTORS, "denied") | {"owner": "answer", "stranger": "unknown"}
    call = Call("careless", {"p_account_id": "{account}"}, written)
    with caller.connection.transaction(force_rollback=True):
        caller.connection.execute("set local role postgres")
        caller.connection.execute(careless)
        caller.connection.execute("grant execute on function public.careless to authenticated")
        caller.connection.execute("reset role")
        found = {actor: caller.outcome(call, actor) for actor in ACTORS}
    assert found == written | {"stranger": "answer-and-touches-and-tells"}
