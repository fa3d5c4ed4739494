"""The unmodified Python client against the stack."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from realtime import (
    AsyncRealtimeChannel,
    AsyncRealtimeClient,
    RealtimePostgresChangesListenEvent,
    RealtimeSubscribeStates,
)

from tests.integration.stack.realtime_project import SECONDS, Project, run_sql, send_sql, token
from tests.integration.stack.realtime_world import ALICE, BOB, WORKER, order, world

Events = asyncio.Queue[Any]


@pytest.fixture(scope="module", autouse=True)
def _world(stack: Project) -> Iterator[None]:
    with world(stack):
        yield


@asynccontextmanager
async def client(project: Project, access_token: str) -> AsyncIterator[AsyncRealtimeClient]:
    realtime = AsyncRealtimeClient(f"{project.url}/realtime/v1", project.publishable_key)
    await realtime.set_auth(access_token)
    try:
        yield realtime
    finally:
        await realtime.close()


async def subscribe(channel: AsyncRealtimeChannel) -> RealtimeSubscribeStates:
    states: Events = asyncio.Queue()
    await channel.subscribe(lambda state, _error: states.put_nowait(state))
    state = await asyncio.wait_for(states.get(), SECONDS)
    assert isinstance(state, RealtimeSubscribeStates)
    return state


def private(realtime: AsyncRealtimeClient, topic: str) -> AsyncRealtimeChannel:
    config: Any = {"config": {"broadcast": None, "presence": None, "private": True}}
    return realtime.channel(topic, config)


async def take(events: Events) -> Any:
    return await asyncio.wait_for(events.get(), SECONDS)


@pytest.mark.parametrize("role", [WORKER, "service_role"])
async def test_a_message_sent_by_the_database_reaches_who_may_read_the_channel(
    stack: Project, role: str
) -> None:
    events: Events = asyncio.Queue()
    async with client(stack, token(stack, role)) as realtime:
        channel = private(realtime, "worker").on_broadcast("wake", events.put_nowait)
        assert await subscribe(channel) == RealtimeSubscribeStates.SUBSCRIBED
        run_sql(stack, send_sql("worker", "{}", event="wake"))
        message = await take(events)
    assert message["event"] == "wake"
    assert message["payload"] == {"id": message["meta"]["id"]}


@pytest.mark.parametrize("role", ["authenticated", "anon"])
async def test_a_role_without_a_policy_cannot_join_the_private_channel(stack: Project, role: str) -> None:
    async with client(stack, token(stack, role, sub=ALICE)) as realtime:
        assert await subscribe(private(realtime, "worker")) == RealtimeSubscribeStates.CHANNEL_ERROR


async def test_the_custom_role_may_join_no_other_private_channel(stack: Project) -> None:
    async with client(stack, token(stack, WORKER)) as realtime:
        assert await subscribe(private(realtime, "chat")) == RealtimeSubscribeStates.CHANNEL_ERROR


async def test_each_trader_hears_of_his_own_rows_only(stack: Project) -> None:
    heard: dict[str, Events] = {ALICE: asyncio.Queue(), BOB: asyncio.Queue()}
    async with (
        client(stack, token(stack, "authenticated", sub=ALICE)) as alice,
        client(stack, token(stack, "authenticated", sub=BOB)) as bob,
    ):
        for user, realtime in ((ALICE, alice), (BOB, bob)):
            await listen_to_orders(realtime, heard[user].put_nowait)
        run_sql(stack, order(ALICE, "1"), order(BOB, "2.50"), order(ALICE, "3"))
        seen_by_alice = [await take(heard[ALICE]), await take(heard[ALICE])]
        seen_by_bob = [await take(heard[BOB])]
        # A last row for Bob: had he been sent Alice's, it would have come before.
        run_sql(stack, order(BOB, "4"))
        seen_by_bob.append(await take(heard[BOB]))
    assert [event["data"]["record"]["amount"] for event in seen_by_alice] == [1, 3]
    assert [event["data"]["record"]["amount"] for event in seen_by_bob] == [2.5, 4]
    assert {event["data"]["record"]["user_id"] for event in seen_by_alice} == {ALICE}


async def listen_to_orders(realtime: AsyncRealtimeClient, heard: Callable[[Any], None]) -> None:
    live: Events = asyncio.Queue()
    channel = realtime.channel("orders").on_postgres_changes(
        RealtimePostgresChangesListenEvent.Insert, schema="public", table="realtime_orders", callback=heard
    )
    channel.on_system(live.put_nowait)
    assert await subscribe(channel) == RealtimeSubscribeStates.SUBSCRIBED
    assert (await take(live)).message == "Subscribed to PostgreSQL"


async def test_hundreds_of_commits_in_a_row_all_pass_the_row_check(stack: Project) -> None:
    # The walsender may be ahead of what a new snapshot sees: then the check would lose events.
    heard: Events = asyncio.Queue()
    async with client(stack, token(stack, "authenticated", sub=ALICE)) as realtime:
        await listen_to_orders(realtime, heard.put_nowait)
        await asyncio.to_thread(run_sql, stack, *(order(ALICE, str(n)) for n in range(300)))
        amounts = [(await take(heard))["data"]["record"]["amount"] for _ in range(300)]
    assert amounts == list(range(300))


async def test_presence_is_shared_between_two_clients(stack: Project) -> None:
    joined: Events = asyncio.Queue()
    left: Events = asyncio.Queue()
    async with client(stack, token(stack, "anon")) as watcher, client(stack, token(stack, "anon")) as visitor:
        room = watcher.channel("room")
        room.on_presence_join(lambda key, _current, new: joined.put_nowait((key, names(new))))
        room.on_presence_leave(lambda key, _current, gone: left.put_nowait((key, names(gone))))
        await subscribe(room)
        config: Any = {
            "config": {"presence": {"key": "v", "enabled": True}, "broadcast": None, "private": False}
        }
        other = visitor.channel("room", config)
        await subscribe(other)
        await other.track({"name": "Vera"})
        assert await take(joined) == ("v", ["Vera"])
        await visitor.close()
        assert await take(left) == ("v", ["Vera"])


async def test_a_broadcast_over_http_reaches_its_room_if_the_sender_may_send(stack: Project) -> None:
    events: Events = asyncio.Queue()
    async with (
        client(stack, token(stack, "service_role")) as hearer,
        client(stack, token(stack, "authenticated", sub=ALICE)) as sender,
    ):
        for topic in ("lobby", "chat"):
            await subscribe(private(hearer, topic).on_broadcast("*", events.put_nowait))
        # A policy lets traders write to `chat`, none to `lobby`.
        await private(sender, "lobby").http_send("e", {"n": 1})
        await private(sender, "chat").http_send("e", {"n": 2})
        assert (await take(events))["payload"] == {"n": 2}


def names(presences: list[Any]) -> list[str]:
    return [presence["name"] for presence in presences]
