"""How long a hint of the database takes to a socket."""

import asyncio
import statistics
import time

import psycopg
import pytest

from tests.integration.stack.realtime_project import Project, ok, open_socket, token

SENDS = 200
GENEROUS_P50_MS = 10.0


async def test_a_message_of_the_database_arrives_within_milliseconds(
    stack: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    times: list[float] = []
    connection = await psycopg.AsyncConnection.connect(stack.database_url, autocommit=True)
    async with connection, open_socket(stack, stack.secret_key) as socket:
        assert ok(await socket.join("latency", private=True))
        for _ in range(SENDS):
            await connection.execute("select realtime.send('{}', 'ev', 'latency')")
            committed = time.perf_counter()
            await socket.receive()
            times.append((time.perf_counter() - committed) * 1000)
            # Idle, as between two alerts: not the throughput of a loop.
            await asyncio.sleep(0.01)
    p50, p95, p99 = (statistics.quantiles(times, n=100)[i] for i in (49, 94, 98))
    with capsys.disabled():
        print(f"\nrealtime.send, commit returned to frame: p50 {p50:.2f} p95 {p95:.2f} p99 {p99:.2f} ms")
    assert p50 <= GENEROUS_P50_MS


async def test_a_slow_row_check_does_not_delay_broadcasts(stack: Project) -> None:
    slow = """
create table public.realtime_slow (id bigint primary key);
alter table public.realtime_slow enable row level security;
create policy slow on public.realtime_slow for select to authenticated using (pg_sleep(1) is not null);
grant select on public.realtime_slow to authenticated;
alter publication supabase_realtime add table public.realtime_slow"""
    connection = await psycopg.AsyncConnection.connect(stack.database_url, autocommit=True)
    async with connection, open_socket(stack, stack.secret_key) as socket:
        await connection.execute(slow)
        try:
            trader = token(stack, "authenticated")
            from_anyone = {"event": "*", "schema": "public", "table": "realtime_slow"}
            assert ok(await socket.join("t", trader, ref="2", postgres_changes=[from_anyone]))
            assert (await socket.receive())["payload"]["message"] == "Subscribed to PostgreSQL"
            assert ok(await socket.join("latency", private=True))
            await connection.execute("insert into public.realtime_slow values (1)")
            await connection.execute("select realtime.send('{}', 'ev', 'latency')")
            first, second = await socket.receive(), await socket.receive()
        finally:
            await connection.execute("drop table public.realtime_slow")
    assert [first["event"], second["event"]] == ["broadcast", "postgres_changes"]
