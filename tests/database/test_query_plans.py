"""Hot statements cost what waits costs, and not what has been."""

import json
import time
from typing import Any

import pytest

from tests.database.world import Trader, World, call

HISTORY = 200_000


@pytest.fixture(scope="module")
def old_trader(shared: World) -> Trader:
    """Return a trader with a long past; some of it is under review."""
    trader = shared.trader()
    shared.run("set session_replication_role = replica")
    shared.run(
        "insert into public.signals (user_id, account_id, symbol, action, status, received_at, finished_at)"
        " select %s, %s, 'S' || n %% 500, 'buy', case when n %% 4000 = 0 then 'review' else 'done' end,"
        " now() - make_interval(secs => 7200 + n), now() from generate_series(1, %s) n",
        trader.id,
        trader.account,
        HISTORY,
    )
    shared.run(
        "insert into private.tasks (kind, state, finished_at) select 'validate_key', 'done', now()"
        " from generate_series(1, 20000)"
    )
    shared.run(
        "insert into private.alert_keys (user_id, key, signal_id, expires_at)"
        " select %s, sha256(n::text::bytea), gen_random_uuid(), 'infinity' from generate_series(1, 50000) n",
        trader.id,
    )
    shared.run("set session_replication_role = origin")
    for table in ("public.signals", "private.tasks", "private.alert_keys"):
        shared.run(f"vacuum analyze {table}")
    return trader


def nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [plan, *(found for part in plan.get("Plans", []) for found in nodes(part))]


def scans(shared: World, run: str, *parameters: Any) -> tuple[list[str], int]:
    """Run a statement and explain all statements inside it; return sequential scans and blocks touched."""
    notices: list[str] = []
    shared.admin.add_notice_handler(lambda diagnostic: notices.append(diagnostic.message_primary or ""))
    for setting in (
        "auto_explain.log_min_duration = 0",
        "auto_explain.log_nested_statements = on",
        "auto_explain.log_analyze = on",
        "auto_explain.log_buffers = on",
        "auto_explain.log_format = json",
        "auto_explain.log_level = notice",
    ):
        shared.run(f"set {setting}")
    try:
        shared.admin.execute(run, parameters)
    finally:
        shared.run("set auto_explain.log_min_duration = -1")
    found: list[str] = []
    blocks = 0
    for notice in notices:
        if "plan:" not in notice:
            continue
        plan = json.loads(notice.partition("plan:")[2])["Plan"]
        parts = nodes(plan)
        found += [
            f"{one['Node Type']} {one['Relation Name']}" for one in parts if one["Node Type"] == "Seq Scan"
        ]
        # The outermost statement counts those inside it too.
        blocks = max(blocks, plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])
    assert blocks > 0
    return found, blocks


@pytest.fixture(scope="module")
def explained(shared: World, old_trader: Trader) -> Trader:
    try:
        shared.run("load 'auto_explain'")
    except Exception:  # noqa: BLE001 - any refusal means that this server ships without the module
        pytest.skip("this server has no auto_explain")
    return old_trader


BIG = {"Seq Scan signals", "Seq Scan tasks", "Seq Scan alert_keys"}


def test_a_claim_costs_nothing_of_the_past(shared: World, explained: Trader) -> None:
    for number in range(3):
        shared.accept(explained, symbol=f"NEW{number}")
    found, blocks = scans(shared, "select public.claim_signals('w', 10, 60)")
    assert BIG.isdisjoint(found)
    assert blocks < 3000


def test_a_claim_of_nothing_costs_nothing_of_the_past(shared: World, explained: Trader) -> None:
    del explained
    shared.claim()
    found, blocks = scans(shared, "select public.claim_signals('w', 10, 60)")
    assert BIG.isdisjoint(found)
    assert blocks < 300


def test_tasks_and_beats_cost_nothing_of_the_past(shared: World, explained: Trader) -> None:
    del explained
    for statement in (
        "select public.claim_tasks('w', 10, 60)",
        "select public.worker_heartbeat('w', '1', '{}')",
    ):
        found, blocks = scans(shared, statement)
        assert BIG.isdisjoint(found), statement
        assert blocks < 1000


def test_opening_keys_costs_nothing_of_the_past(shared: World, explained: Trader) -> None:
    shared.run("update private.reconciliations set lease_until = null")
    shared.run("update public.signals set lease_until = now() - interval '1 hour' where status = 'executing'")
    statement = "select public.open_keys('w', %s)"
    found, blocks = scans(shared, statement, explained.account)
    assert BIG.isdisjoint(found)
    assert blocks < 500
    shared.claim()
    assert call(shared.worker, "open_keys", "w", explained.account)["opened"] is True
    found, blocks = scans(shared, statement, explained.account)
    assert BIG.isdisjoint(found)
    assert blocks < 500


def test_an_alert_costs_nothing_of_the_past(shared: World, explained: Trader) -> None:
    shared.run("update public.subscriptions set webhooks_per_hour = 100 where user_id = %s", explained.id)
    shared.accept(explained, symbol="FIRST")
    body = '{"symbol":"X","action":"buy","quantity":"1"}'
    found, blocks = scans(shared, "select public.ingest_alert(%s, %s, null, '{}')", explained.token, body)
    assert BIG.isdisjoint(found)
    assert blocks < 3000
    shared.run("update public.subscriptions set webhooks_per_hour = 0 where user_id = %s", explained.id)
    found, blocks = scans(
        shared, "select public.ingest_alert(%s, %s, null, '{}')", explained.token, body + " "
    )
    assert BIG.isdisjoint(found)
    assert blocks < 3000
    shared.run("update public.subscriptions set webhooks_per_hour = null where user_id = %s", explained.id)


def test_a_trader_reads_his_latest_signals_by_index(shared: World, explained: Trader) -> None:
    with shared.signed_in(explained.id) as connection:
        rows = connection.execute(
            "explain (format json) select id, status from public.signals order by received_at desc limit 50"
        ).fetchall()
    used = {one["Index Name"] for one in nodes(rows[0][0][0]["Plan"]) if "Index Name" in one}
    assert "signals_user" in used


def test_claims_are_fast_beside_a_long_past(shared: World, old_trader: Trader) -> None:
    times = []
    for _ in range(20):
        shared.accept(old_trader, symbol="FAST")
        started = time.perf_counter()
        orders = shared.claim(10)
        times.append(time.perf_counter() - started)
        call(
            shared.worker,
            "finish_signals",
            [{"signal_id": o["signal_id"], "fence": o["fence"], "status": "done"} for o in orders],
        )
    # A scan of the past would take many times as long.
    assert sorted(times)[10] < 0.05
