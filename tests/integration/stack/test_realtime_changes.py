"""postgres_changes beyond what was recorded: every operator, tokens that change, tables that change."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.stack.realtime_project import Project, Socket, ok, open_socket, run_sql, token
from tests.integration.stack.realtime_world import ALICE, BOB, order, world

CREATE = """
create table public.realtime_things (
  id int primary key, name text, big numeric, doc json, at timestamptz, flag boolean, long text);
create table public.realtime_keyless (n int);
grant select on public.realtime_things, public.realtime_keyless to anon, authenticated, service_role;
alter publication supabase_realtime add table public.realtime_things, public.realtime_keyless;
alter table public.realtime_keyless replica identity full;
"""
ROWS = """
insert into public.realtime_things (id, name, at, flag) values
  (1, 'a', '2025-01-01', true), (2, 'b', '2027-01-01', false),
  (3, null, null, null), (99, null, null, null)"""
DROP = "drop table if exists public.realtime_things, public.realtime_keyless"


@pytest.fixture(autouse=True)
def _tables(stack: Project) -> Iterator[None]:
    with world(stack):
        run_sql(stack, DROP, CREATE)
        yield
        run_sql(stack, DROP)


async def listen(socket: Socket, access_token: str = "", ref: str = "1", **binding: Any) -> Any:
    """Join with one binding and return the system message that follows."""
    config = {"event": "*", "schema": "public", **binding}
    assert ok(await socket.join(f"t{ref}", access_token, ref=ref, postgres_changes=[config]))
    return (await socket.receive())["payload"]


async def change(socket: Socket) -> Any:
    return (await socket.receive())["payload"]["data"]


@pytest.mark.parametrize(
    ("condition", "ids"),
    [
        ("id=eq.2", [2]),
        ("id=neq.2", [1, 3]),
        ("id=lt.2", [1]),
        ("id=lte.2", [1, 2]),
        ("id=gt.2", [3]),
        ("id=gte.2", [2, 3]),
        ("id=in.(1,3)", [1, 3]),
        ("id=not.in.(1,3)", [2]),
        ("name=like.b%", [2]),
        ("name=ilike.B%", [2]),
        ("name=match.^[ab]$", [1, 2]),
        ("name=is.null", [3]),
        ("name=not.is.null", [1, 2]),
        ("name=isdistinct.a", [2, 3]),
        ("id=gt.1,name=eq.b", [2]),
        ("flag=is.true", [1]),
        ("at=gt.2026-01-01", [2]),
    ],
)
async def test_a_filter_lets_its_rows_through_and_no_others(
    stack: Project, condition: str, ids: list[int]
) -> None:
    async with open_socket(stack, stack.secret_key) as socket:
        assert (await listen(socket, table="realtime_things", filter=condition))["status"] == "ok"
        assert (await listen(socket, ref="2", table="realtime_things", filter="id=eq.99"))["status"] == "ok"
        run_sql(stack, ROWS)
        seen = []
        while (frame := await socket.receive())["topic"] != "realtime:t2":
            seen.append(frame["payload"]["data"]["record"]["id"])
    assert [number for number in seen if number != 99] == ids


async def test_an_operator_the_type_lacks_is_refused_at_once(stack: Project) -> None:
    async with open_socket(stack, stack.secret_key) as socket:
        system = await listen(socket, table="realtime_things", filter="doc=eq.1")
    assert system["status"] == "error"
    assert "42883 (undefined_function)" in system["message"]


async def test_numbers_keep_every_digit(stack: Project) -> None:
    async with open_socket(stack, stack.secret_key) as socket:
        await listen(socket, table="realtime_things")
        run_sql(stack, "insert into public.realtime_things (id, big) values (1, 12345678901234567890.10)")
        text = await asyncio.wait_for(socket.wire.recv(), 10)
    assert '"big":12345678901234567890.10' in str(text)


async def test_only_the_selected_columns_and_the_key_are_sent(stack: Project) -> None:
    async with open_socket(stack, stack.secret_key) as socket:
        await listen(socket, table="realtime_things", select=["name"])
        run_sql(stack, "insert into public.realtime_things (id, name, big) values (1, 'a', 2)")
        data = await change(socket)
    assert data["record"] == {"id": 1, "name": "a"}
    assert [column["name"] for column in data["columns"]] == ["id", "name"]


async def test_a_changed_key_tells_the_old_one(stack: Project) -> None:
    async with open_socket(stack, stack.secret_key) as socket:
        await listen(socket, table="realtime_things", event="UPDATE")
        run_sql(
            stack,
            "insert into public.realtime_things (id, name) values (1, 'a')",
            "update public.realtime_things set id = 2",
        )
        data = await change(socket)
    assert (data["old_record"], data["record"]["id"]) == ({"id": 1}, 2)


async def test_a_long_value_that_did_not_change_is_left_out(stack: Project) -> None:
    # The WAL does not carry it. Incompressible, so that it is stored out of line.
    long = "(select string_agg(md5(n::text), '') from generate_series(1, 400) as n)"
    async with open_socket(stack, stack.secret_key) as socket:
        await listen(socket, table="realtime_things", event="UPDATE")
        run_sql(
            stack,
            f"insert into public.realtime_things (id, long) values (1, {long})",  # noqa: S608 - a test's own constants
            "update public.realtime_things set name = 'b'",
        )
        record = (await change(socket))["record"]
    assert "long" not in record
    assert record["name"] == "b"


async def test_a_table_without_primary_key_tells_so(stack: Project) -> None:
    async with open_socket(stack, stack.secret_key) as socket:
        await listen(socket, table="realtime_keyless")
        run_sql(stack, "insert into public.realtime_keyless values (1)")
        data = await change(socket)
    assert data["errors"] == ["Error 400: Bad Request, no primary key"]
    assert data["record"] == {}


async def test_a_new_column_and_a_revoked_one_are_noticed(stack: Project) -> None:
    async with open_socket(stack) as socket:
        await listen(socket, table="realtime_things", event="INSERT")
        run_sql(
            stack,
            "insert into public.realtime_things (id) values (1)",
            "alter table public.realtime_things add column extra int default 5",
            "insert into public.realtime_things (id) values (2)",
            "revoke select on public.realtime_things from anon",
            "grant select (id, extra) on public.realtime_things to anon",
            "insert into public.realtime_things (id) values (3)",
        )
        first, second = await change(socket), await change(socket)
        third = await change(socket)
    assert "extra" not in first["record"] or first["record"]["extra"] is None
    assert second["record"]["extra"] == 5
    assert set(third["record"]) == {"id", "extra"}


async def test_a_new_token_changes_whose_rows_are_seen(stack: Project) -> None:
    async with open_socket(stack) as socket:
        await listen(socket, token(stack, "authenticated", sub=ALICE), table="realtime_orders")
        await socket.push("access_token", {"access_token": token(stack, "authenticated", sub=BOB)}, "t1")
        assert (await socket.receive())["payload"]["message"] == "Subscribed to PostgreSQL"
        run_sql(stack, order(ALICE, "1"), order(BOB, "2"))
        assert (await change(socket))["record"]["amount"] == 2


async def test_after_leaving_nothing_more_is_heard(stack: Project) -> None:
    async with open_socket(stack, stack.secret_key) as socket:
        await listen(socket, table="realtime_things")
        await listen(socket, ref="2", table="realtime_things")
        await socket.push("phx_leave", {}, "t1")
        assert [(await socket.receive())["event"] for _ in range(2)] == ["phx_reply", "phx_close"]
        run_sql(stack, "insert into public.realtime_things (id) values (1)")
        assert (await socket.receive())["topic"] == "realtime:t2"
        await socket.nothing_waits()


async def test_one_frame_names_every_binding_it_answers(stack: Project) -> None:
    bindings = [
        {"event": "*", "schema": "public", "table": "realtime_things"},
        {"event": "INSERT", "schema": "public", "table": "realtime_things", "filter": "id=gt.0"},
    ]
    async with open_socket(stack, stack.secret_key) as socket:
        reply = await socket.join("t", postgres_changes=bindings)
        await socket.receive()
        run_sql(stack, "insert into public.realtime_things (id) values (1)")
        frame = await socket.receive()
    ids = [binding["id"] for binding in reply["payload"]["response"]["postgres_changes"]]
    assert json.dumps(frame["payload"]["ids"]) == json.dumps(ids)
