"""Private channels and broadcasts from the database, frame by frame."""

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from tests.integration.stack.realtime_project import (
    Project,
    database,
    ok,
    open_socket,
    reason,
    run_sql,
    send_sql,
    token,
)
from tests.integration.stack.realtime_world import ALICE, WORKER, order, world


@pytest.fixture(scope="module", autouse=True)
def _world(stack: Project) -> Iterator[None]:
    with world(stack):
        yield


async def test_private_and_public_rooms_of_one_name_do_not_hear_each_other(stack: Project) -> None:
    async with open_socket(stack) as public, open_socket(stack) as private:
        assert ok(await public.join("lobby"))
        assert ok(await private.join("lobby", token(stack, "service_role"), private=True))
        run_sql(stack, send_sql("lobby", event="to public", private=False))
        run_sql(stack, send_sql("lobby", event="to private"))
        assert (await public.receive())["payload"]["event"] == "to public"
        assert (await private.receive())["payload"]["event"] == "to private"
        await public.push("broadcast", {"type": "broadcast", "event": "from public", "payload": {}}, "lobby")
        await public.nothing_waits()
        await private.push(
            "broadcast", {"type": "broadcast", "event": "from private", "payload": {}}, "lobby"
        )
        await private.nothing_waits()
        await public.nothing_waits()


async def test_a_client_without_an_insert_policy_cannot_send(stack: Project) -> None:
    trader = token(stack, "authenticated", sub=ALICE)
    async with open_socket(stack) as sender, open_socket(stack) as listener:
        for topic in ("chat", "lobby"):
            assert ok(await sender.join(topic, trader, private=True, broadcast={"ack": True}))
            assert ok(await listener.join(topic, token(stack, "service_role"), private=True))
        message = {"type": "broadcast", "event": "e", "payload": {}}
        await sender.push("broadcast", message, "lobby", ref="refused")
        await sender.push("broadcast", message, "chat", ref="sent")
        assert (await sender.receive())["ref"] == "sent"
        assert (await listener.receive())["topic"] == "realtime:chat"


async def test_presence_needs_its_own_insert_policy(stack: Project) -> None:
    async with open_socket(stack) as socket:
        assert ok(await socket.join("lobby", token(stack, "authenticated", sub=ALICE), private=True))
        await socket.push("presence", {"event": "track", "payload": {"a": 1}}, "lobby")
        assert (await socket.receive())["payload"]["status"] == "error"


async def test_the_policy_sees_the_topic_that_was_asked_for(stack: Project) -> None:
    async with open_socket(stack) as socket:
        assert ok(await socket.join("worker", token(stack, WORKER), private=True))
        refused = await socket.join("worker2", token(stack, WORKER), private=True)
    assert (
        reason(refused)
        == "Unauthorized: You do not have permissions to read from this Channel topic: worker2"
    )


async def test_a_role_that_does_not_exist_is_refused(stack: Project) -> None:
    async with open_socket(stack) as socket:
        refused = await socket.join("worker", token(stack, "nobody_at_all"), private=True)
    assert reason(refused).startswith("Unauthorized: ")


async def test_ready_replication_is_told_to_whoever_asks(stack: Project) -> None:
    async with open_socket(stack) as socket:
        assert ok(await socket.join("t", broadcast={"replication_ready": True}))
        system = await socket.receive()
        run_sql(stack, send_sql("t", private=False))
        assert (await socket.receive())["event"] == "broadcast"
    assert system["payload"] == {
        "channel": "t",
        "extension": "system",
        "message": "Replication connection established",
        "status": "ok",
    }


async def test_a_new_token_that_may_not_read_closes_the_channel(stack: Project) -> None:
    async with open_socket(stack) as socket:
        assert ok(await socket.join("worker", token(stack, WORKER), private=True))
        await socket.push("access_token", {"access_token": token(stack, "anon")}, "worker")
        system = await socket.receive()
        assert system["payload"]["status"] == "error"
        assert system["payload"]["message"].startswith("You do not have permissions")
        assert (await socket.receive())["event"] == "phx_close"
        run_sql(stack, send_sql("worker"))
        await socket.nothing_waits()


async def test_api_keys_in_place_of_a_token_are_ignored(stack: Project) -> None:
    async with open_socket(stack, stack.secret_key) as socket:
        assert ok(await socket.join("worker", stack.publishable_key, private=True))
        await socket.push("access_token", {"access_token": stack.publishable_key}, "worker")
        run_sql(stack, send_sql("worker"))
        assert (await socket.receive())["event"] == "broadcast"


async def test_a_rolled_back_message_is_never_heard_of(stack: Project) -> None:
    async with open_socket(stack, stack.secret_key) as socket:
        assert ok(await socket.join("t", private=True))
        with database(stack) as db:
            db.execute("begin")
            db.execute("select realtime.send('{}', 'lost', 't')")
            db.execute("rollback")
        run_sql(stack, send_sql("t", event="kept"))
        assert (await socket.receive())["payload"]["event"] == "kept"


async def test_a_message_keeps_its_own_id_and_every_digit(stack: Project) -> None:
    async with open_socket(stack, stack.secret_key) as socket:
        assert ok(await socket.join("t", private=True))
        run_sql(stack, send_sql("t", '{"id": "mine", "n": 12345678901234567890.10}'))
        text = await asyncio.wait_for(socket.wire.recv(), 10)
    assert "12345678901234567890.10" in str(text)
    assert json.loads(text)["payload"]["payload"]["id"] == "mine"


async def test_changes_of_a_row_are_broadcast_by_its_trigger(stack: Project) -> None:
    run_sql(
        stack,
        "create function public.realtime_test_note() returns trigger language plpgsql security definer as $$"
        " begin perform realtime.broadcast_changes("
        " 'worker', tg_op, tg_op, tg_table_name, tg_table_schema, new, old); return null; end $$",
        "create trigger note after insert or update on public.realtime_orders"
        " for each row execute function public.realtime_test_note()",
    )
    try:
        async with open_socket(stack, stack.secret_key) as socket:
            assert ok(await socket.join("worker", private=True))
            run_sql(stack, order(ALICE, "5"))
            payload = (await socket.receive())["payload"]
    finally:
        run_sql(stack, "drop function public.realtime_test_note() cascade")
    assert payload["event"] == "INSERT"
    assert payload["payload"]["record"]["amount"] == 5
    assert payload["payload"]["table"] == "realtime_orders"
    assert payload["payload"]["old_record"] is None


def test_a_missing_partition_warns_and_does_not_abort(stack: Project) -> None:
    warnings: list[str] = []
    with database(stack) as db:
        db.add_notice_handler(lambda notice: warnings.append(notice.message_primary or ""))
        db.execute("begin")
        db.execute("alter table realtime.messages alter inserted_at set default '2001-01-01'")
        db.execute("select realtime.send('{}', 'ev', 'worker')")
        row = db.execute("select 1").fetchone()
        db.execute("rollback")
    assert row == (1,)
    assert [text for text in warnings if text.startswith("ErrorSendingBroadcastMessage: no partition")]


def test_a_payload_that_is_no_object_warns_and_does_not_abort(stack: Project) -> None:
    warnings: list[str] = []
    with database(stack) as db:
        db.add_notice_handler(lambda notice: warnings.append(notice.message_primary or ""))
        db.execute("select realtime.send('[1]', 'ev', 'worker')")
    assert len(warnings) == 1


def test_partitions_exist_for_yesterday_and_the_days_to_come(stack: Project) -> None:
    with database(stack) as db:
        rows = db.execute(
            "select relname from pg_inherits join pg_class on oid = inhrelid"
            " where inhparent = 'realtime.messages'::regclass"
        ).fetchall()
    today = datetime.now(UTC)
    wanted = {f"messages_{today + timedelta(days=n):%Y_%m_%d}" for n in range(-1, 4)}
    assert wanted <= {name for (name,) in rows}


@pytest.mark.parametrize("role", ["anon", "authenticated"])
def test_messages_are_readable_only_through_a_policy(stack: Project, role: str) -> None:
    run_sql(stack, send_sql("secret"))
    with database(stack) as db:
        db.execute("begin")
        db.execute("select set_config('role', %s, true)", (role,))
        assert db.execute("select count(*) from realtime.messages").fetchone() == (0,)
        db.execute("rollback")
