"""The server's care for the daily partitions of realtime.messages."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from tests.integration.stack.realtime_own_server import OwnServer, own_server
from tests.integration.stack.realtime_project import database, ok, open_socket, reason, run_sql, send_sql

OLD = "messages_2001_01_01"
LEAVE_NONE = """
do $$
declare part regclass;
begin
  for part in select inhrelid from pg_inherits where inhparent = 'realtime.messages'::regclass loop
    execute format('drop table %s', part);
  end loop;
end $$"""


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnServer]:
    old = (
        "create table realtime.messages_2001_01_01 partition of realtime.messages"
        " for values from ('2001-01-01') to ('2001-01-02')"
    )
    with own_server(tmp_path_factory.mktemp("realtime") / "stack", LEAVE_NONE, old) as server:
        yield server


def partitions(own: OwnServer) -> dict[str, str]:
    with database(own) as db:
        rows = db.execute(
            "select relname, pg_get_userbyid(relowner) from pg_inherits join pg_class on oid = inhrelid"
            " where inhparent = 'realtime.messages'::regclass"
        ).fetchall()
    return dict(rows)


async def test_a_starting_server_makes_the_days_around_now_and_drops_old_ones(own: OwnServer) -> None:
    found = partitions(own)
    today = datetime.now(UTC)
    assert set(found) == {f"messages_{today + timedelta(days=n):%Y_%m_%d}" for n in range(-1, 4)}
    assert set(found.values()) == {"supabase_realtime_admin"}
    async with open_socket(own, own.secret_key) as socket:
        assert ok(await socket.join("t", private=True))
        run_sql(own, send_sql("t"))
        assert (await socket.receive())["event"] == "broadcast"


async def test_a_private_join_without_a_partition_is_refused_with_the_reason(own: OwnServer) -> None:
    run_sql(own, LEAVE_NONE, admin=True)
    async with open_socket(own, own.secret_key) as socket:
        refused = await socket.join("t", private=True)
    assert reason(refused) == "MissingPartition: Realtime was unable to find the expected messages partition"
