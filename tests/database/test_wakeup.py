"""The hint that there is work, and the beat that proves it arrives."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from tests.database.world import World, call, connect

MESSAGES = "select topic, event, private, payload - 'id' from realtime.messages"


def insert_signals(
    connection: psycopg.Connection[tuple[Any, ...]], world_trader: tuple[str, str], count: int = 1
) -> None:
    connection.execute(
        "insert into public.signals (user_id, account_id, symbol) select %s, %s, 'X' from"
        " generate_series(1, %s)",
        (*world_trader, count),
    )


def test_an_alert_sends_one_private_hint_that_says_nothing(world: World) -> None:
    world.accept(world.trader())
    assert world.rows(MESSAGES) == [("worker", "wake", True, {})]


def test_a_burst_sends_one_hint(world: World) -> None:
    trader = world.trader()
    insert_signals(world.admin, (trader.id, trader.account), 1000)
    assert len(world.rows(MESSAGES)) == 1


def test_however_many_send_there_are_fifty_hints_a_second_at_most(world: World) -> None:
    trader = world.trader()
    gate = threading.Barrier(8)

    def work(_: int) -> None:
        with connect(world.url) as connection:
            gate.wait(30)
            for _ in range(60):
                insert_signals(connection, (trader.id, trader.account))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    # inserted_at is the transaction's time; slots of 20 ms are at most so many.
    seconds = world.value(
        "select extract(epoch from max(received_at) - min(received_at)) from public.signals"
    )
    assert 1 <= len(world.rows(MESSAGES)) <= int(seconds * 50) + 2


def test_a_session_that_is_sending_holds_up_nobody_and_spares_their_hints(world: World) -> None:
    trader = world.trader()
    with psycopg.connect(world.url) as sending:
        sending.execute(
            "select pg_advisory_xact_lock(hashtextextended('sparky/wake', slot))"
            " from (select (extract(epoch from clock_timestamp()) * 1000)::bigint / 20 as first) s,"
            " generate_series(first, first + 1000) slot"
        )
        world.accept(trader)
        assert world.rows(MESSAGES) == []
    world.accept(trader)
    assert len(world.rows(MESSAGES)) == 1


def test_hints_go_on_when_the_clock_was_set_back(world: World) -> None:
    trader = world.trader()
    world.run("select setval('private.wake_clock', (extract(epoch from now()) * 1000)::bigint + 3600000)")
    world.accept(trader)
    assert len(world.rows(MESSAGES)) == 1


@pytest.mark.parametrize(
    "damage",
    [
        (
            "create or replace function realtime.send(payload jsonb, event text, topic text, private"
            " boolean default true)"
            " returns void language plpgsql as $$ begin raise exception using errcode = '57P03'; end $$"
        ),
        "drop function realtime.send(jsonb, text, text, boolean)",
        "revoke usage on schema realtime from postgres",
        "drop sequence private.wake_clock cascade",
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_no_failure_of_the_hint_fails_the_alert(world: World, damage: Any) -> None:
    trader = world.trader()
    world.run(damage)
    world.accept(trader)


def test_a_beat_notes_the_worker_and_answers_with_what_waits(world: World) -> None:
    trader = world.trader()
    world.accept(trader)
    world.accept(trader, symbol="ETHUSDT")
    world.claim(1)
    for counters in ({"claims": 1}, {"claims": 2}):
        answer = call(world.worker, "worker_heartbeat", "w1", "0.1", counters)
        assert (answer["pending"], answer["executing"]) == (1, 1)
        assert answer["now"]
    assert world.rows("select worker, version, counters from private.workers") == [
        ("w1", "0.1", {"claims": 2})
    ]


def test_a_ping_is_broadcast(world: World) -> None:
    call(world.worker, "worker_heartbeat", "w1", "0.1", {}, "p-1")
    assert world.rows(MESSAGES) == [("worker", "ping", True, {"ping": "p-1"})]


@pytest.mark.parametrize(
    ("worker", "version", "counters", "ping"),
    [
        (None, "0.1", {}, None),
        ("", "0.1", {}, None),
        ("w" * 1_000_000, "0.1", {}, None),
        ("w", None, {}, None),
        ("w", "v" * 1_000_000, {}, None),
        ("w", "0.1", {"x": list(range(50_000))}, None),
        ("w", "0.1", {}, "p" * 1_000_000),
    ],
)
def test_a_beat_that_makes_no_sense_is_refused(
    shared: World, worker: Any, version: Any, counters: Any, ping: Any
) -> None:
    with pytest.raises(psycopg.Error) as refusal:
        call(shared.worker, "worker_heartbeat", worker, version, counters, ping)
    assert (refusal.value.sqlstate or "")[:2] in {"22", "23"}
    assert shared.rows("select 1 from private.workers") == []
    assert shared.rows("select 1 from realtime.messages") == []


@pytest.mark.parametrize(("topic", "seen"), [("worker", 1), ("other", 0), (None, 0)])
def test_only_a_worker_hears_the_channel_of_workers(world: World, topic: str | None, seen: int) -> None:
    trader = world.trader()
    world.accept(trader)
    for role, expected in (("sparky_worker", seen), ("sparky_edge", 0), ("anon", 0), ("authenticated", 0)):
        with connect(world.url, role) as connection:
            connection.execute("select set_config('realtime.topic', %s, false)", (topic,))
            assert len(connection.execute(MESSAGES).fetchall()) == expected, role
