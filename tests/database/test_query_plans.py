"""Hot statements cost what waits costs, and not what has been: a million signals of five thousand traders."""

# ruff: noqa: S608 - the names of tables in statements come from the catalogue

import json
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.database.history import BIG, fill_history
from tests.database.world import Trader, World, call, filled, held, order

# The first test waits for a million rows.
pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def old_trader(shared: World) -> Trader:
    trader = shared.trader()
    fill_history(shared, trader)
    return trader


@pytest.fixture(scope="module")
def big(shared: World, old_trader: Trader) -> set[str]:
    del old_trader
    rows = shared.rows(
        "select oid::regclass::text from pg_class where relkind = 'r' and reltuples >= %s", BIG
    )
    found = {str(name).rpartition(".")[2] for (name,) in rows}
    assert {"signals", "trades", "orders", "fills", "audit_log", "usage_logs", "alert_keys"} <= found
    return found


@dataclass
class Plan:
    """What the plans of one statement, and of the statements inside it, touched."""

    scans: set[str] = field(default_factory=set)
    indexes: set[str] = field(default_factory=set)
    blocks: int = 0

    def add(self, plan: dict[str, Any]) -> None:
        # The outermost statement counts those inside it too.
        self.blocks = max(self.blocks, plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])
        for one in nodes(plan):
            if one["Node Type"] == "Seq Scan":
                self.scans.add(one["Relation Name"])
            if "Index Name" in one:
                self.indexes.add(one["Index Name"])


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for part in plan.get("Plans", []):
        yield from nodes(part)


@pytest.fixture(scope="module")
def explained(shared: World, old_trader: Trader) -> Trader:
    try:
        shared.run("load 'auto_explain'")
    except Exception:  # noqa: BLE001 - any refusal means that this server ships without the module
        pytest.skip("this server has no auto_explain")
    return old_trader


@contextmanager
def explaining(shared: World) -> Iterator[Plan]:
    """Explain all statements that run on the superuser's connection, those inside functions too."""
    notices: list[str] = []

    def keep(diagnostic: Any) -> None:
        notices.append(diagnostic.message_primary or "")

    shared.admin.add_notice_handler(keep)
    for setting in (
        "auto_explain.log_min_duration = 0",
        "auto_explain.log_nested_statements = on",
        "auto_explain.log_analyze = on",
        "auto_explain.log_buffers = on",
        "auto_explain.log_timing = off",
        "auto_explain.log_format = json",
        "auto_explain.log_level = notice",
    ):
        shared.run(f"set {setting}")
    plan = Plan()
    try:
        yield plan
    finally:
        shared.run("set auto_explain.log_min_duration = -1")
        shared.admin.remove_notice_handler(keep)
    for notice in notices:
        if "plan:" in notice:
            plan.add(json.loads(notice.partition("plan:")[2])["Plan"])
    assert plan.blocks > 0


def run(shared: World, statement: str, *parameters: Any) -> Plan:
    with explaining(shared) as plan:
        shared.admin.execute(statement, parameters)
    return plan


def test_a_claim_costs_nothing_of_the_past(shared: World, explained: Trader, big: set[str]) -> None:
    for number in range(3):
        shared.accept(explained, symbol=f"NEW{number}")
    plan = run(shared, "select public.claim_signals('w', 10, 60)")
    assert big.isdisjoint(plan.scans)
    assert plan.blocks < 3000


def test_a_claim_of_nothing_costs_nothing_of_the_past(
    shared: World, explained: Trader, big: set[str]
) -> None:
    del explained
    shared.claim()
    plan = run(shared, "select public.claim_signals('w', 10, 60)")
    assert big.isdisjoint(plan.scans)
    assert plan.blocks < 300


def test_a_claim_without_its_indexes_is_noticed(shared: World, explained: Trader, big: set[str]) -> None:
    del explained
    with shared.admin.transaction(force_rollback=True):
        shared.run("drop index public.signals_pending, public.signals_pending_lane, public.signals_lease")
        plan = run(shared, "select public.claim_signals('w', 10, 60)")
    assert "signals" in plan.scans & big
    assert plan.blocks >= 3000


@pytest.mark.parametrize(
    "statement",
    [
        "select public.claim_tasks('w', 10, 60)",
        "select public.worker_heartbeat('w', '1', '{}')",
        "select public.claim_accounts('w', 10, 60)",
    ],
)
def test_other_rounds_of_a_worker_cost_nothing_of_the_past(
    shared: World, explained: Trader, big: set[str], statement: str
) -> None:
    del explained
    plan = run(shared, statement)
    assert big.isdisjoint(plan.scans)
    assert plan.blocks < 1000


def test_opening_keys_costs_nothing_of_the_past(shared: World, explained: Trader, big: set[str]) -> None:
    shared.run("update private.reconciliations set lease_until = null")
    shared.run("update public.signals set lease_until = now() - interval '1 hour' where status = 'executing'")
    statement = "select public.open_keys('w', %s)"
    plan = run(shared, statement, explained.account)
    assert big.isdisjoint(plan.scans)
    assert plan.blocks < 500
    shared.accept(explained, symbol="OPENED")
    shared.claim()
    assert call(shared.worker, "open_keys", "w", explained.account)["opened"] is True
    plan = run(shared, statement, explained.account)
    assert big.isdisjoint(plan.scans)
    assert plan.blocks < 500


def test_beginning_and_finishing_cost_nothing_of_the_past(
    shared: World, explained: Trader, big: set[str]
) -> None:
    shared.claim()
    shared.accept(explained, symbol="BEGUN")
    claimed = shared.claim_one()
    plan = run(shared, "select public.begin_orders(%s)", json.dumps([order(claimed)]))
    assert big.isdisjoint(plan.scans)
    assert plan.blocks < 1000
    results = [held(claimed) | {"status": "done", "news": [filled()]}]
    plan = run(shared, "select public.finish_signals(%s)", json.dumps(results))
    assert big.isdisjoint(plan.scans)
    assert plan.blocks < 1000


def test_counting_entries_costs_what_the_day_holds(shared: World, explained: Trader, big: set[str]) -> None:
    shared.claim()
    shared.run(
        "insert into public.trade_settings_exchange"
        " (user_id, exchange, max_trades_per_day, max_open_positions, extra_settings)"
        """ values (%s, 'paper', 1000000, 1000000, '{"max_daily_loss_usd": 1000000, "cooldown_sec": 60}')""",
        explained.id,
    )
    try:
        shared.accept(explained, symbol="COUNTED")
        plan = run(shared, "select public.claim_signals('w', 10, 60)")
        assert big.isdisjoint(plan.scans)
        assert plan.blocks < 6000
        assert "signals_entered" in plan.indexes
        # All of the trader's signals would be ten times as many.
        assert "signals_account" not in plan.indexes
    finally:
        shared.run("delete from public.trade_settings_exchange where user_id = %s", explained.id)


def test_what_an_operator_asks_costs_nothing_of_the_past(
    shared: World, explained: Trader, big: set[str]
) -> None:
    signal_id = shared.value(
        "select id::text from public.signals where user_id = %s order by received_at limit 1", explained.id
    )
    for statement in (f"select public.explain_signal('{signal_id}')", "select public.review_signals()"):
        plan = run(shared, statement)
        assert big.isdisjoint(plan.scans)
        assert plan.blocks < 3000


INGEST = "select public.ingest_alert(%s, %s, null, '{}')"


@pytest.mark.parametrize("limit", [100, 0, None])
def test_an_alert_costs_nothing_of_the_past(
    shared: World, explained: Trader, big: set[str], limit: int | None
) -> None:
    shared.run(
        "update public.subscriptions set webhooks_per_hour = %s where user_id = %s", limit, explained.id
    )
    body = json.dumps({"symbol": "X", "action": "buy", "quantity": "1", "comment": str(limit)})
    for what in ("the first", "its repetition"):
        plan = run(shared, INGEST, explained.token, body)
        assert big.isdisjoint(plan.scans), what
        assert plan.blocks < 3000, what
        if what == "the first":
            assert "webhook_credentials_pkey" in plan.indexes
    shared.run("update public.subscriptions set webhooks_per_hour = null where user_id = %s", explained.id)


def test_an_alert_to_nobody_costs_one_look_up(shared: World, explained: Trader) -> None:
    del explained
    plan = run(shared, INGEST, "no such token", "{}")
    assert "webhook_credentials_pkey" in plan.indexes
    assert plan.blocks < 100


@contextmanager
def signed_in(shared: World, trader: Trader) -> Iterator[None]:
    """Sign in on the superuser's connection, which alone may be explained."""
    shared.run("select set_config('request.jwt.claims', %s, false)", json.dumps({"sub": trader.id}))
    shared.run("set role authenticated")
    try:
        yield
    finally:
        shared.run("reset role")


def as_trader(shared: World, trader: Trader, statement: str, *parameters: Any) -> Plan:
    with signed_in(shared, trader):
        explain = f"explain (analyze, buffers, timing off, format json) {statement}"
        rows = shared.admin.execute(explain, parameters).fetchall()
    plan = Plan()
    plan.add(rows[0][0][0]["Plan"])
    return plan


def rest(relation: str, rest_of_it: str, columns: str = "*") -> str:
    """Return a read in the shape in which PostgREST sends it."""
    return (
        f"with pgrst_source as (select {columns} from public.{relation} {rest_of_it})"
        " select null::bigint as total_result_set, pg_catalog.count(_postgrest_t) as page_total,"
        " coalesce(json_agg(_postgrest_t), '[]') as body from (select * from pgrst_source) _postgrest_t"
    )


LAST_DAY = "exit_time >= now() - interval '1 day'"
READS: dict[str, tuple[str, int]] = {
    "trades of a day": (rest("trades", f"where {LAST_DAY} order by exit_time desc"), 3000),
    "trades of one symbol": (
        rest("trades", f"where {LAST_DAY} and symbol = 'S100' order by exit_time desc limit 100"),
        3000,
    ),
    "trades of all time, a page": (rest("trades", "order by exit_time desc limit 1000"), 3000),
    "positions": (rest("positions", "order by entry_time desc"), 1000),
    "latest signals": (rest("signals", "order by received_at desc limit 50"), 500),
    "alerts as the dashboard lists them": (
        rest("webhook_requests", "order by created_at desc limit 50"),
        500,
    ),
    "failed alerts of a day": (
        rest(
            "webhook_requests",
            "where status = 'failed' and created_at >= now() - interval '1 day' order by created_at desc",
        ),
        3000,
    ),
    "trade statistics": (rest("trade_stats", ""), 5000),
    # About thirty for each hour since midnight.
    "usage of today": (rest("usage_today", ""), 1000),
    "usage of this month": (rest("usage_this_month", ""), 5000),
    "strategies": (rest("strategies", "order by created_at desc"), 500),
    "active strategies, counted": (
        "select count(*) from public.strategies where status = 'active'",
        500,
    ),
    "option trades": (rest("tradier_option_trades", "order by created_at desc limit 50"), 1000),
    "notifications": (rest("notifications", "order by created_at desc limit 50"), 1000),
    "unread notifications, counted": (
        "select count(*) from public.notifications where read_at is null",
        1000,
    ),
    "signals of one strategy": (
        rest("signals", "where strategy_id = '00000000-0000-0000-0000-000000000064'"),
        100,
    ),
    "orders of one signal": (
        rest("orders", "where signal_id = '00000000-0000-0000-0000-000000000064'"),
        100,
    ),
    # Of few rows for most traders it may sort all that are his.
    "latest audit": (rest("audit_log", "order by at desc limit 50"), 3000),
}


@pytest.mark.parametrize("what", READS)
def test_a_trader_reads_by_an_index_that_leads_with_his_id(
    shared: World, old_trader: Trader, big: set[str], what: str
) -> None:
    statement, blocks = READS[what]
    plan = as_trader(shared, old_trader, statement)
    assert big.isdisjoint(plan.scans)
    assert plan.blocks < blocks
    assert foreign_indexes(shared, plan, big) == set()


def foreign_indexes(shared: World, plan: Plan, big: set[str]) -> set[str]:
    """Return the indexes of big tables that a plan used and that do not lead with the owner."""
    return {
        str(name)
        for name, table, column in shared.rows(
            "select i.indexrelid::regclass::text, c.relname, a.attname from pg_index i join pg_class c"
            " on c.oid = i.indrelid join pg_class n on n.oid = i.indexrelid join pg_attribute a"
            " on a.attrelid = c.oid and a.attnum = i.indkey[0] where n.relname = any (%s)",
            list(plan.indexes),
        )
        if table in big and column not in {"user_id", "id" if table == "user_profiles" else "user_id"}
    }


def test_row_level_security_reads_no_big_table_whole(
    shared: World, old_trader: Trader, big: set[str]
) -> None:
    # The bare policy, without any condition of the reader.
    tables = [
        str(name)
        for (name,) in shared.rows(
            "select relname from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r'"
            " and has_table_privilege('authenticated', oid, 'select')"
        )
        if name in big
    ]
    assert len(tables) >= 7
    for table in tables:
        plan = as_trader(shared, old_trader, f"select count(*) from public.{table}")
        assert big.isdisjoint(plan.scans), table
        assert foreign_indexes(shared, plan, big) == set(), table


def test_a_read_without_its_index_is_noticed(shared: World, old_trader: Trader, big: set[str]) -> None:
    statement, blocks = READS["trades of a day"]
    with shared.admin.transaction(force_rollback=True):
        shared.run("drop index public.trades_exit")
        shared.run("drop index public.trades_account")
        shared.run("drop index public.trades_once")
        plan = as_trader(shared, old_trader, statement)
    assert not big.isdisjoint(plan.scans) or plan.blocks >= blocks or foreign_indexes(shared, plan, big)


@pytest.fixture(scope="module")
def young(template: str, make_database: Callable[[str], str]) -> Iterator[World]:
    """Return a database without a past, on the same server."""
    one = World(make_database(template))
    yield one
    one.close()


def claim_seconds(world: World, trader: Trader) -> float:
    world.accept(trader, symbol="FAST")
    started = time.perf_counter()
    claims = world.claim(10)
    took = time.perf_counter() - started
    assert len(claims) == 1
    call(world.worker, "finish_signals", [held(one) | {"status": "done"} for one in claims])
    return took


ROUNDS = 200
ALLOWED = 1.2


def test_a_claim_takes_as_long_as_on_an_empty_table(
    shared: World, old_trader: Trader, young: World, record_property: Callable[[str, object], None]
) -> None:
    shared.run(
        "update public.signals set status = 'done', lease_until = null, finished_at = now()"
        " where status in ('pending', 'executing')"
    )
    new_trader = young.trader()
    ratios = []
    # A neighbour on the same machine can spoil one series; a slow claim spoils all three.
    for _ in range(3):
        times: dict[str, list[float]] = {"old": [], "new": []}
        for _ in range(ROUNDS):
            times["old"].append(claim_seconds(shared, old_trader))
            times["new"].append(claim_seconds(young, new_trader))
        quartile = {name: statistics.quantiles(taken, n=4)[0] for name, taken in times.items()}
        ratios.append(quartile["old"] / quartile["new"])
        record_property("claim", f"{quartile} ratio {ratios[-1]:.3f}")
        print(f"claim: {quartile['old'] * 1000:.2f} ms, empty {quartile['new'] * 1000:.2f} ms")
        if ratios[-1] <= ALLOWED:
            return
    pytest.fail(f"a claim beside a million signals takes {ratios} times as long as on an empty table")


def test_a_page_of_an_export_costs_a_page(shared: World, explained: Trader, big: set[str]) -> None:
    exported = shared.rows(
        "select relation, owner_column, key_columns from private.export_relations where relation = any (%s)",
        sorted(big),
    )
    assert len(exported) >= 6
    page = (
        "select cardinality(p.lines) from private.export_relations r,"
        " private.export_page(r, %s::uuid, %s::jsonb, 1000, 1000000) p where r.relation = %s"
    )
    for relation, owner, keys in exported:
        middle = shared.admin.execute(
            f"select jsonb_build_array({', '.join(keys)})::text from public.{relation} where {owner} = %s"
            f" order by {', '.join(keys)} offset 1000 limit 1",
            (explained.id,),
        ).fetchone()
        for after in (None, middle[0] if middle else None):
            plan = run(shared, page, explained.id, after, relation)
            assert big.isdisjoint(plan.scans), relation
            assert plan.blocks < 8000, relation
