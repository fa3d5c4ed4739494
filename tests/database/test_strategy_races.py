"""Batches of workers, deletions and a trader's own edits meet on the same strategies; nobody deadlocks."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from psycopg import sql

from tests.database.world import Trader, World, call, connect, fill, filled, held

# In this order, so that a test knows which of them a sorted batch locks first.
FIRST, SECOND = "00000000-0000-4000-8000-000000000001", "f0000000-0000-4000-8000-000000000002"
UNGUARDED = {
    "batch": "create or replace function"
    " private.keep_batch(p_signals uuid[], p_accounts uuid[], p_fills boolean) returns void"
    " language plpgsql set search_path = '' as 'begin end'",
    "edit": "drop trigger lock_in_order on public.strategies",
}


@dataclass(frozen=True, slots=True)
class Scene:
    """Two strategies with two positions each, and a claim with an order that closes each position."""

    world: World
    trader: Trader
    claims: dict[str, dict[str, Any]]

    def closing(self, symbol: str) -> dict[str, Any]:
        news = filled(fills=[fill(f"close-{symbol}", "1", "110")])
        return held(self.claims[symbol]) | {"status": "done", "news": [news]}

    def totals(self) -> list[int]:
        return [row[0] for row in self.world.rows("select total_trades from public.strategies order by id")]


@pytest.fixture
def scene(world: World) -> Scene:
    trader = world.trader()
    claims = {}
    for strategy, name, symbols in ((FIRST, "A", ("A1", "A2")), (SECOND, "B", ("B1", "B2"))):
        world.run(
            "insert into public.strategies (id, user_id, name) values (%s, %s, %s)", strategy, trader.id, name
        )
        for symbol in symbols:
            claims[symbol] = _claim(world, trader, strategy, symbol)
    return Scene(world, trader, claims)


def _claim(world: World, trader: Trader, strategy: str, symbol: str) -> dict[str, Any]:
    world.run(
        "insert into public.positions (user_id, account_id, strategy_id, symbol, side, quantity, entry_price,"
        " entry_time, position_size_usd) values (%s, %s, %s, %s, 'BUY', 1, 100, now(), 100)",
        trader.id,
        trader.account,
        strategy,
        symbol,
    )
    signal_id = world.accept(trader, symbol=symbol, action="sell")
    world.run("update public.signals set strategy_id = %s where id = %s", strategy, signal_id)
    one = world.claim_one()
    wanted = {
        "leg": 1,
        "client_order_id": f"sp{symbol}",
        "symbol": symbol,
        "purpose": "close",
        "extended_hours": False,
        "side": "sell",
        "order_type": "market",
        "quantity": "1",
        "reduce_only": True,
        "reference_price": "100",
    }
    assert world.begin(held(one) | {"plan": {"legs": [1]}, "orders": [wanted]})[0]["ok"] is True
    return one


def wait_until_blocked(world: World, by: psycopg.Connection[tuple[Any, ...]]) -> None:
    deadline = time.monotonic() + 20
    query = "select count(*) from pg_stat_activity where %s = any(pg_blocking_pids(pid))"
    while world.value(query, by.info.backend_pid) == 0:
        assert time.monotonic() < deadline, "nobody waits"


def meet(
    scene: Scene,
    other: Callable[[psycopg.Connection[tuple[Any, ...]]], Any],
    first: Callable[[psycopg.Connection[tuple[Any, ...]]], Any],
    then: Callable[[psycopg.Connection[tuple[Any, ...]]], Any],
    role: str | None = "sparky_worker",
) -> bool:
    """Do `first` and `then` in one transaction, with `other` waiting in between; tell whether both ended."""
    trader = scene.trader.id if role == "authenticated" else None

    def beside() -> None:
        with connect(scene.world.url, role, trader) as connection:
            other(connection)

    with ThreadPoolExecutor(1) as pool, connect(scene.world.url, "sparky_worker") as writing:
        writing.execute("begin")
        first(writing)
        meeting = pool.submit(beside)
        try:
            wait_until_blocked(scene.world, writing)
            then(writing)
            writing.execute("commit")
            meeting.result(20)
        except psycopg.errors.DeadlockDetected:
            writing.execute("rollback")
            return False
    return True


def finish(connection: psycopg.Connection[tuple[Any, ...]], *results: dict[str, Any]) -> None:
    assert all(one["ok"] for one in call(connection, "finish_signals", list(results))["finished"])


# Each race is also run with its guard taken away, and deadlocks then: that is how we know that it is one.
@pytest.mark.parametrize("guarded", [True, False])
def test_batches_that_meet_in_opposite_order(scene: Scene, guarded: bool) -> None:  # noqa: FBT001 - a parameter
    if not guarded:
        scene.world.run(UNGUARDED["batch"])
    went_through = meet(
        scene,
        other=lambda c: finish(c, scene.closing("B2"), scene.closing("A2")),
        first=lambda c: finish(c, scene.closing("A1")),
        then=lambda c: finish(c, scene.closing("B1")),
    )
    assert went_through is guarded
    if guarded:
        assert scene.totals() == [2, 2]


@pytest.mark.parametrize("guarded", [True, False])
@pytest.mark.parametrize("table", ["strategies", "user_webhook_configs"])
def test_what_signals_name_is_deleted_while_a_batch_writes_them(
    scene: Scene,
    table: str,
    guarded: bool,  # noqa: FBT001
) -> None:
    named = {"strategies": FIRST, "user_webhook_configs": scene.trader.webhook}[table]
    delete = sql.SQL("delete from public.{} where id = {}").format(sql.Identifier(table), sql.Literal(named))
    if not guarded:
        scene.world.run(UNGUARDED["batch"])
    went_through = meet(
        scene,
        other=lambda c: c.execute(delete),
        # The deletion writes A1 before A2.
        first=lambda c: call(c, "extend_leases", [held(scene.claims["A2"])], 60),
        then=lambda c: call(c, "extend_leases", [held(scene.claims["A1"])], 60),
        role="authenticated",
    )
    assert went_through is guarded


@pytest.mark.parametrize("guarded", [True, False])
def test_a_trader_changes_several_strategies_while_a_batch_counts(scene: Scene, guarded: bool) -> None:  # noqa: FBT001
    if not guarded:
        scene.world.run(UNGUARDED["edit"])

    def change_backwards(connection: psycopg.Connection[tuple[Any, ...]]) -> None:
        # The same locks as of one statement over both that happens to find the second one first.
        with connection.transaction():
            for strategy in (SECOND, FIRST):
                connection.execute(
                    "update public.strategies set status = 'active' where id = %s", (strategy,)
                )

    went_through = meet(
        scene,
        other=change_backwards,
        first=lambda c: finish(c, scene.closing("A1")),
        then=lambda c: finish(c, scene.closing("B1")),
        role="authenticated",
    )
    assert went_through is guarded
    if guarded:
        assert scene.totals() == [1, 1]


def test_one_id_that_is_none_fails_alone(scene: Scene) -> None:
    bad = {"signal_id": "no id", "fence": 1, "status": "done"}
    answers = call(scene.world.worker, "finish_signals", [bad, scene.closing("A1")])["finished"]
    assert [one["ok"] for one in answers] == [False, True]
