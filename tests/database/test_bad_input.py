"""Whatever is passed to a function of the API: an answer or a clear error, and then nothing written."""

# ruff: noqa: S608 - the statements hold names of this file and of the catalogue

import json
from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

import psycopg
import pytest
from psycopg import sql

from tests.database.bad_values import MEGABYTE, Arguments, wrong_calls
from tests.database.calls import Call, Caller, calls, export_of, names_of, nobody, prepare
from tests.database.matrix import ACTORS
from tests.database.populate import populate
from tests.database.world import World

CALLS = calls()
# Those whose callers are people or programs that we do not write.
ACTORS_OUTSIDE = ("owner", "dashboard_server", "sparky_edge")
ACTORS_INSIDE = ("sparky_worker", "service_role")
SCHEMAS = "('public', 'private', 'vault', 'auth')"


@pytest.fixture(scope="module")
def caller(shared: World) -> Iterator[Caller]:
    two = populate(shared)
    names = prepare(two)
    with psycopg.connect(shared.url, autocommit=True) as connection:
        connection.execute("set statement_timeout = '10s'")
        yield Caller(two, connection, names)


@pytest.fixture(scope="module")
def everything(shared: World) -> sql.Composed:
    """Return a statement that sums up every row of every table."""
    tables = shared.rows(
        "select n.nspname, c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace"
        f" where c.relkind in ('r', 'p') and n.nspname in {SCHEMAS}"
    )
    assert len(tables) > 25
    statement = sql.SQL(" union all ").join(
        sql.SQL("(select {}, count(*), md5(string_agg(r::text, '' order by r::text)) from {} r)").format(
            sql.Literal(f"{schema}.{table}"), sql.Identifier(schema, table)
        )
        for schema, table in tables
    )
    # Without it a parallel plan answers in any order.
    return statement + sql.SQL(" order by 1")


def arguments_of(world: World, name: str) -> dict[str, str]:
    """Return the arguments of a function and the names of their types."""
    return dict(
        world.rows(
            "select a.name, t.typname from pg_proc p,"
            " unnest(p.proargnames[1:p.pronargs], p.proargtypes::oid[]) as a (name, type)"
            " join pg_type t on t.oid = a.type"
            " where p.pronamespace = 'public'::regnamespace and p.proname = %s",
            name,
        )
    )


def complaint(error: psycopg.Error, *, outside: bool) -> str | None:
    """Return what is wrong with an error, or None when it is clear."""
    state = error.sqlstate or "none"
    diagnostic = error.diag
    if state[:2] not in {"22", "23", "42", "54", "PT"} or (state[:2] == "42" and state != "42501"):
        return f"{state} {diagnostic.message_primary}"
    if not outside or "function" not in (diagnostic.context or ""):
        # A value that does not fit the type of its argument never reached the function.
        return None
    if diagnostic.source_function != "exec_stmt_raise":
        return f"not our words: {state} {diagnostic.message_primary}"
    if not diagnostic.message_hint:
        return f"no hint: {state} {diagnostic.message_primary}"
    return None


def is_refusal(answer: Any) -> bool:
    """Tell whether an answer says that nothing was done."""
    if isinstance(answer, dict):
        return answer.get("ok") is False or (
            "finished" in answer and is_refusal(answer["finished"]) and not answer["claims"]
        )
    return answer in (False, []) or (isinstance(answer, list) and all(map(is_refusal, answer)))


def attempt(caller: Caller, actor: str, call: Call, arguments: Arguments) -> psycopg.Error | Any:
    try:
        with caller.acting_as(actor):
            return caller.run(call.name, arguments)[0][0]
    except psycopg.Error as error:
        return error


def variants(caller: Caller, call: Call) -> Iterator[tuple[str, Arguments]]:
    two = caller.two
    other = names_of(two.other) | {
        key: caller.names[key] for key in ("key_hash", "signal", "reviewed", "task")
    }
    other["export"] = export_of(two.world, two.other)
    foreign = {"another trader": other, "nobody": nobody(caller.names)}
    return wrong_calls(call, arguments_of(two.world, call.name), caller.names, foreign)


def actors_of(call: Call) -> list[str]:
    """Return who tries the wrong calls: all outside who may, or else one inside."""
    allowed = [actor for actor, word in call.expected.items() if word != "denied"]
    return [actor for actor in ACTORS_OUTSIDE if actor in allowed] or [
        next(actor for actor in ACTORS_INSIDE if actor in allowed)
    ]


@pytest.mark.parametrize("name", CALLS)
def test_a_wrong_call_is_answered_or_refused_in_clear_words_and_then_writes_nothing(
    caller: Caller, everything: sql.Composed, name: str
) -> None:
    call = CALLS[name]
    unclear = set()
    refused: list[tuple[str, Arguments]] = []
    tried = 0
    for actor in actors_of(call):
        for label, arguments in variants(caller, call):
            tried += 1
            answer = attempt(caller, actor, call, arguments)
            if isinstance(answer, psycopg.Error):
                unclear.add(
                    f"{label}: {wrong}"
                    if (wrong := complaint(answer, outside=actor in ACTORS_OUTSIDE))
                    else ""
                )
            if isinstance(answer, psycopg.Error) or is_refusal(answer):
                refused.append((actor, arguments))
    assert sorted(unclear - {""}) == []
    assert tried > 0
    # Once more, and this time what they write stays.
    connection = caller.connection
    before = connection.execute(everything).fetchall()
    for actor, arguments in refused:
        commit(caller, actor, call, arguments)
    assert connection.execute(everything).fetchall() == before


def commit(caller: Caller, actor: str, call: Call, arguments: Arguments) -> None:
    try:
        with caller.acting_as(actor, keep=True):
            caller.run(call.name, arguments)
    except psycopg.Error:
        pass


def test_a_function_that_writes_before_it_refuses_or_speaks_in_raw_words_is_noticed(
    caller: Caller, everything: sql.Composed
) -> None:
    careless = (
        "create function public.careless(p_name text) returns boolean language plpgsql security definer"
        " set search_path = '' as $$ begin"
        " update public.user_profiles set full_name = p_name where id = auth.uid();"
        " return p_name is null; end $$"
    )
    call = Call("careless", {"p_name": "Mine"}, {"owner": "answer"})
    with caller.connection.transaction(force_rollback=True):
        caller.connection.execute(careless)
        caller.connection.execute("grant execute on function public.careless to authenticated")
        before = caller.connection.execute(everything).fetchall()
        answer = attempt(caller, "owner", call, {"p_name": "n" * 201})
        assert isinstance(answer, psycopg.Error)
        assert "not our words" in (complaint(answer, outside=True) or "")
        assert is_refusal(attempt(caller, "owner", call, {"p_name": "Given"}))
        commit(caller, "owner", call, {"p_name": "Given"})
        assert caller.connection.execute(everything).fetchall() != before


@pytest.mark.parametrize("actor", ["owner", "dashboard_server"])
def test_no_column_that_the_api_writes_takes_a_megabyte(caller: Caller, actor: str) -> None:
    columns = caller.two.world.rows(
        "select c.relname, a.attname, t.typname from pg_class c join pg_attribute a on a.attrelid = c.oid"
        " join pg_type t on t.oid = a.atttypid where c.relnamespace = 'public'::regnamespace"
        " and c.relkind in ('r', 'v') and a.attnum > 0 and t.typname in ('text', 'varchar', 'jsonb', '_text')"
        " and (has_column_privilege(%s, c.oid, a.attnum, 'update')"
        " or has_column_privilege(%s, c.oid, a.attnum, 'insert'))",
        *[ACTORS[actor][0]] * 2,
    )
    assert len(columns) > 5
    taken = set()
    for relation, column, kind in columns:
        huge = {"jsonb": json.dumps({"x": MEGABYTE}), "_text": "{" + MEGABYTE + "}"}.get(kind, MEGABYTE)
        statement = sql.SQL("update {} set {} = %s").format(
            sql.Identifier("public", relation), sql.Identifier(column)
        )
        # As a superuser too, for what the actor may only insert: something must bound the column.
        if takes(caller, actor, statement, huge) or takes(caller, None, statement, huge):
            taken.add(f"{relation}.{column}")
    assert taken == set()


def takes(caller: Caller, actor: str | None, statement: sql.Composed, value: str) -> bool:
    try:
        with (
            caller.connection.transaction(force_rollback=True),
            caller.acting_as(actor) if actor else nullcontext(),
        ):
            return caller.connection.execute(statement, (value,)).rowcount > 0
    except psycopg.Error as error:
        if (error.sqlstate or "")[:2] not in {"22", "23", "42", "54", "0A", "55", "PT"}:
            raise
        return False
