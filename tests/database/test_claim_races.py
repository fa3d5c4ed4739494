"""Many workers at once."""

# ruff: noqa: S608 - the names of tables in statements are this file's own

import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from tests.database.races import at_once
from tests.database.world import Trader, World, call, filled, held, order


def fill_lanes(world: World, trader: Trader, lanes: int, each: int) -> None:
    world.run(
        "insert into public.signals (user_id, account_id, exchange, environment, symbol, action)"
        " select %s, %s, 'paper', 'paper', 'S' || (n %% %s), 'buy' from generate_series(1, %s) n",
        trader.id,
        trader.account,
        lanes,
        lanes * each,
    )


def test_twenty_workers_claim_two_thousand_signals_each_once(world: World) -> None:
    fill_lanes(world, world.trader(), lanes=2000, each=1)

    def work(connection: psycopg.Connection[tuple[Any, ...]], number: int) -> list[str]:
        taken: list[str] = []
        while orders := call(connection, "claim_signals", f"w{number}", 50, 60):
            taken += [one["signal_id"] for one in orders]
        return taken

    claimed = Counter(signal for part in at_once(world, "sparky_worker", 20, work) for signal in part)
    assert set(claimed.values()) == {1}
    # A worker that finds every row locked by others goes home early; the next claim takes the rest.
    assert len(claimed) + len(world.claim(500)) == 2000
    assert world.value("select count(*) from public.signals where status = 'executing' and fence = 1") == 2000


def test_workers_that_finish_keep_every_lane_in_order(world: World) -> None:
    fill_lanes(world, world.trader(), lanes=7, each=12)
    world.run("create table public.witness (n bigint generated always as identity, seq bigint, lane text)")
    world.run("grant insert on public.witness to sparky_worker")
    left = threading.Semaphore(7 * 12)

    def work(connection: psycopg.Connection[tuple[Any, ...]], number: int) -> None:
        results: list[dict[str, Any]] = []
        while left.acquire(blocking=False):
            left.release()
            answer = call(connection, "finish_signals", results, f"w{number}", 3, 60)
            results = [held(one) | {"status": "done"} for one in answer["claims"]]
            for one in answer["claims"]:
                left.acquire()
                connection.execute(
                    "insert into public.witness (lane, seq) values (%s, %s)", (one["lane"], one["fence"])
                )
        call(connection, "finish_signals", results)

    at_once(world, "sparky_worker", 8, work)
    # Within a lane the order of claiming is the order of arrival.
    assert (
        world.rows(
            "select 1 from public.signals a join public.signals b on a.lane = b.lane and a.seq < b.seq"
            " where a.claimed_at > b.claimed_at or a.finished_at > b.claimed_at"
        )
        == []
    )
    assert world.value("select count(*) from public.signals where status = 'done' and attempt = 1") == 84


def test_two_claims_of_one_lane_at_once_never_take_two(world: World) -> None:
    trader = world.trader()
    for _ in range(15):
        fill_lanes(world, trader, lanes=1, each=4)
        taken = at_once(
            world,
            "sparky_worker",
            4,
            lambda connection, n: call(connection, "claim_signals", f"w{n}", 10, 60),
        )
        assert sum(len(part) for part in taken) == 1
        end_all(world)


def test_two_workers_that_write_past_the_claim_never_hold_one_lane_together(world: World) -> None:
    # Straight at the table, as a claim with a fault in it would: the unique index is what is left to stop it.
    trader = world.trader()
    take = (
        "update public.signals set status = 'executing', fence = fence + 1,"
        " lease_until = now() + interval '1 minute' where id = %s"
    )
    for _ in range(10):
        fill_lanes(world, trader, lanes=1, each=2)
        ids = [one for (one,) in world.rows("select id from public.signals where status = 'pending'")]

        def work(connection: psycopg.Connection[tuple[Any, ...]], number: int, ids: list[Any] = ids) -> str:
            connection.execute("reset role")
            try:
                connection.execute(take, (ids[number],))
            except psycopg.errors.UniqueViolation as error:
                return str(error.diag.constraint_name)
            return "taken"

        found = sorted(at_once(world, "sparky_worker", 2, work))
        assert found == ["signals_one_executing_per_lane", "taken"]
        end_all(world)


def test_without_the_unique_index_two_workers_would_hold_one_lane(world: World) -> None:
    trader = world.trader()
    fill_lanes(world, trader, lanes=1, each=2)
    world.run("drop index public.signals_one_executing_per_lane")
    assert (
        world.run("update public.signals set status = 'executing', lease_until = now() + interval '1 minute'")
        == 2
    )


def end_all(world: World) -> None:
    world.run(
        "update public.signals set status = 'done', lease_until = null, finished_at = now()"
        " where finished_at is null"
    )


def test_a_lease_that_ran_out_is_taken_by_one_of_many(world: World) -> None:
    fill_lanes(world, world.trader(), lanes=1, each=2)
    world.claim_one()
    world.run(
        "update public.signals set lease_until = now() - interval '1 second' where status = 'executing'"
    )
    taken = at_once(
        world, "sparky_worker", 8, lambda connection, n: call(connection, "claim_signals", f"w{n}", 10, 60)
    )
    assert [one["fence"] for part in taken for one in part] == [2]


def test_deleting_accounts_while_workers_write_leaves_no_deadlock(world: World) -> None:
    traders = [world.trader() for _ in range(12)]
    for trader in traders:
        world.accept(trader)
    claims = world.claim(50)
    gate = threading.Barrier(3)

    def write(connection: psycopg.Connection[tuple[Any, ...]], number: int) -> None:
        gate.wait(30)
        if number == 0:
            for one in claims:
                call(connection, "begin_orders", [order(one)])
                call(connection, "finish_signals", [held(one) | {"status": "done", "news": [filled()]}])
            return
        connection.execute("reset role")
        for trader in traders[::number]:
            if number == 1:
                # He himself may be deleted already.
                with (
                    world.signed_in(trader.id) as trader_connection,
                    suppress(psycopg.errors.InsufficientPrivilege),
                ):
                    call(trader_connection, "delete_api_key", trader.account)
            else:
                connection.execute("delete from auth.users where id = %s", (trader.id,))

    at_once(world, "sparky_worker", 3, write)
    assert world.value("select count(*) from public.user_api_keys") == 0
    assert world.value("select count(*) from public.signals where status in ('pending', 'executing')") == 0


def wait_until_blocked(world: World, by: psycopg.Connection[tuple[Any, ...]]) -> None:
    deadline = time.monotonic() + 20
    query = "select count(*) from pg_stat_activity where %s = any(pg_blocking_pids(pid))"
    while world.value(query, by.info.backend_pid) == 0:
        assert time.monotonic() < deadline, "nobody waits"


@pytest.mark.parametrize("leaving", ["account", "trader"])
def test_a_deletion_waits_for_a_claim_that_is_being_written(world: World, leaving: str) -> None:
    trader = world.trader()
    world.accept(trader)
    one = world.claim_one()

    def delete() -> int:
        table, key = (
            ("public.user_api_keys", trader.account) if leaving == "account" else ("auth.users", trader.id)
        )
        with psycopg.connect(world.url, autocommit=True) as connection:
            return connection.execute(f"delete from {table} where id = %s", (key,)).rowcount

    with ThreadPoolExecutor(1) as pool:
        with psycopg.connect(world.url) as writing:
            writing.execute("select private.held_signal(%s)", (Jsonb(held(one)),))
            deletion = pool.submit(delete)
            wait_until_blocked(world, writing)
            assert call(writing, "begin_orders", [order(one)])[0]["ok"] is True
        assert deletion.result(20) == 1
    assert world.value("select count(*) from public.signals where status = 'executing'") == 0


def test_a_lane_that_is_settled_between_two_claims_undoes_no_result_of_another_trader(world: World) -> None:
    trader, other = world.trader(), world.trader()
    world.accept(other)
    finishing = world.claim_one()
    assert world.begin(order(finishing))[0]["ok"]
    world.accept(trader)
    unknown = world.claim_one()
    assert world.finish(held(unknown) | {"status": "review", "reason": "Nobody knows."})[0]["ok"]
    entry = world.accept(trader)
    world.accept(trader, action="close")
    result = held(finishing) | {"status": "done", "news": [filled()]}

    def finish() -> Any:
        with psycopg.connect(world.url, autocommit=True) as connection:
            return call(connection, "finish_signals", [result], "w2", 10, 60)

    with (
        psycopg.connect(world.url) as first,
        psycopg.connect(world.url, autocommit=True) as operator,
        ThreadPoolExecutor(1) as pool,
    ):
        # The exit passes the review, and is taken but not committed when the entry becomes free as well.
        assert [one["action"] for one in call(first, "claim_signals", "w1", 10, 60)] == ["close"]
        call(operator, "settle_signal", unknown["signal_id"], "not_executed", "ada", "Never arrived.", [])
        both = pool.submit(finish)
        time.sleep(0.5)
        first.commit()
        answer = both.result(30)
    assert (answer["finished"][0]["ok"], answer["claims"]) == (True, [])
    assert world.signal(finishing["signal_id"])["status"] == "done"
    assert world.signal(entry)["status"] == "pending"
