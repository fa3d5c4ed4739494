"""What the existing dashboard reads by other names."""

import uuid
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from tests.database.world import Trader, World, call, connect, fill, filled, held, order

NOBODY = str(uuid.uuid4())
EXPECTED_STATUS = {
    "pending": "pending",
    "executing": "pending",
    "done": "processed",
    "rate_limited": "rate_limited",
    "rejected": "failed",
    "expired": "failed",
    "failed": "failed",
    "review": "failed",
}


def add_signal(world: World, trader: Trader, status: str, reason: str | None = None) -> str:
    signal_id = str(uuid.uuid4())
    live = status in {"pending", "executing"}
    world.run(
        "insert into public.signals (id, user_id, account_id, exchange, environment, symbol, action, alert,"
        " status, reason, lease_until, finished_at) values (%s, %s, %s, 'paper', 'paper', %s, 'buy', '{}',"
        " %s, %s, case when %s = 'executing' then now() end, case when not %s then now() end)",
        *(signal_id, trader.id, trader.account, f"S{signal_id[:8]}", status, reason, status, live),
    )
    return signal_id


def requests(connection: psycopg.Connection[tuple[Any, ...]]) -> dict[str, tuple[str, str | None]]:
    rows = connection.execute(
        "select id::text, status, error_message from public.webhook_requests"
    ).fetchall()
    return {row[0]: (row[1], row[2]) for row in rows}


def test_each_state_of_a_signal_is_shown_as_the_dashboard_names_it(world: World) -> None:
    trader = world.trader()
    signals = {status: add_signal(world, trader, status, f"why {status}") for status in EXPECTED_STATUS}
    with world.signed_in(trader.id) as connection:
        shown = requests(connection)
    for status, expected in EXPECTED_STATUS.items():
        message = f"why {status}" if expected in {"failed", "rate_limited"} else None
        assert shown[signals[status]] == (expected, message)


def test_every_state_that_a_signal_can_have_is_mapped(shared: World) -> None:
    check = shared.value(
        "select pg_get_constraintdef(oid) from pg_constraint where conrelid = 'public.signals'::regclass"
        " and contype = 'c' and pg_get_constraintdef(oid) like '%%rate_limited%%'"
    )
    assert all(f"'{status}'" in check for status in EXPECTED_STATUS)
    assert check.count("'::text") == len(EXPECTED_STATUS)


def test_webhook_requests_shows_an_alert_without_its_secret(world: World) -> None:
    trader = world.trader()
    body = f'{{"secret": "{trader.secret}", "symbol": "BTCUSDT", "action": "buy", "quantity": "1"}}'
    world.ingest(trader, body)
    world.ingest(trader, "nonsense")
    with connect(world.url, "dashboard_server") as server:
        columns = "webhook_secret, exchange, action, symbol, payload::text, created_at, status"
        rows = server.execute(
            psycopg.sql.SQL(
                "select {} from public.webhook_requests where user_id = {} order by created_at desc"
            ).format(psycopg.sql.SQL(columns), trader.id)
        ).fetchall()
    assert [row[:4] for row in rows] == [
        (None, "unknown", "unknown", "unknown"),
        (None, "paper", "buy", "BTCUSDT"),
    ]
    assert [row[6] for row in rows] == ["failed", "pending"]
    assert trader.secret not in str(rows)


def test_a_trader_sees_his_own_requests_and_a_server_those_of_all(world: World) -> None:
    one, other = world.trader(), world.trader()
    mine, theirs = add_signal(world, one, "done"), add_signal(world, other, "done")
    with world.signed_in(one.id) as connection:
        assert set(requests(connection)) == {mine}
    for role in ("dashboard_server", "service_role"):
        with connect(world.url, role) as server:
            assert set(requests(server)) == {mine, theirs}
    with connect(world.url, "anon") as nobody, pytest.raises(psycopg.errors.InsufficientPrivilege):
        requests(nobody)


@pytest.mark.parametrize("role", ["dashboard_server", "service_role"])
@pytest.mark.parametrize(
    "statement",
    [
        "insert into public.webhook_requests (user_id, status) values (gen_random_uuid(), 'pending')",
        "update public.webhook_requests set status = 'processed'",
    ],
)
def test_alerts_are_not_taken_or_changed_through_the_view(world: World, role: str, statement: str) -> None:
    trader = world.trader()
    signal_id = add_signal(world, trader, "rate_limited")
    with connect(world.url, role) as server, pytest.raises(psycopg.errors.FeatureNotSupported) as caught:
        server.execute(statement)
    assert "it takes none and changes none" in str(caught.value)
    assert "send alerts to the address" in str(caught.value.diag.message_hint)
    assert world.signal(signal_id)["status"] == "rate_limited"


OPTION_COLUMNS = (
    "id user_id created_at updated_at status strategy underlying_symbol option_symbol option_type"
    " strike_price expiration_date contract_size quantity_contracts entry_order_id tp_order_id sl_order_id"
    " time_exit_order_id entry_order tp_leg sl_leg time_exit_order entry_limit_price tp_limit_price"
    " sl_stop_price sl_limit_price cost_usd pnl_usd pnl_percent config_snapshot extra_metadata"
)
STATS = (
    "total_trades, winning_trades, losing_trades, win_rate_percent, total_pnl_usd, avg_pnl_per_trade,"
    " largest_win, largest_loss, avg_win, avg_loss"
)


def stats(connection: psycopg.Connection[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    return connection.execute(f"select {STATS} from public.trade_stats").fetchall()  # noqa: S608


def test_a_trader_without_trades_has_one_row_of_zeros(world: World) -> None:
    trader, _other = world.trader(), world.trader()
    with world.signed_in(trader.id) as connection:
        assert stats(connection) == [(0,) * 10]


def test_trade_stats_add_up_what_a_trader_closed(world: World) -> None:
    one, other = world.trader(), world.trader()
    for number, (trader, pnl) in enumerate(((one, 10), (one, 30), (one, -5), (other, -100))):
        world.run(
            "insert into public.trades (user_id, symbol, side, entry_price, entry_time, exit_price,"
            " exit_time, quantity, position_size_usd, pnl_usd, pnl_percent, is_winner, order_id)"
            " values (%s, 'X', 'BUY', 1, now(), 1, now(), 1, 1, %s, 0, %s, %s)",
            *(trader.id, pnl, pnl > 0, f"o{number}"),
        )
    with world.signed_in(one.id) as connection:
        (row,) = stats(connection)
    expected = ["3", "2", "1", "66.67", "35", "11.66666667", "30", "-5", "20", "-5"]
    assert row == tuple(Decimal(value) for value in expected)


@pytest.mark.parametrize("plan", ["Free", "Pro"])
def test_the_plan_is_told_to_its_trader_and_to_servers(world: World, plan: str) -> None:
    trader = world.trader(plan)
    with world.signed_in(trader.id) as connection:
        assert call(connection, "get_user_subscription_plan_safe", trader.id) == plan
        assert call(connection, "check_webhook_limit", trader.id) is True
    for role in ("dashboard_server", "service_role"):
        with connect(world.url, role) as server:
            assert call(server, "get_user_subscription_plan_safe", trader.id) == plan
            assert call(server, "get_user_subscription_plan_safe", NOBODY) == "Free"


def test_others_are_refused_as_if_they_did_not_exist(world: World) -> None:
    one, other = world.trader(), world.trader()
    with world.signed_in(one.id) as connection:
        for function in ("get_user_subscription_plan_safe", "check_webhook_limit"):
            said = []
            for wanted in (other.id, NOBODY):
                with pytest.raises(psycopg.errors.InsufficientPrivilege) as caught:
                    call(connection, function, wanted)
                said.append(str(caught.value))
            assert said[0] == said[1]
            with pytest.raises(psycopg.errors.InvalidParameterValue):
                call(connection, function, None)
    with connect(world.url, "authenticated") as nobody:
        for function in ("get_user_subscription_plan_safe", "check_webhook_limit"):
            for asked in (one.id, None):
                with pytest.raises(
                    (psycopg.errors.InvalidParameterValue, psycopg.errors.InsufficientPrivilege)
                ):
                    call(nobody, function, asked)


def test_the_limit_follows_the_booked_plan_and_not_the_claimed_one(world: World) -> None:
    trader = world.trader("Free")
    for _ in range(10):
        world.accept(trader)
    with connect(world.url, "dashboard_server") as server:
        assert call(server, "check_webhook_limit", trader.id) is False
        assert call(server, "check_webhook_limit", trader.id, "Pro") is False
    world.run("update public.subscriptions set plan = 'Pro' where user_id = %s", trader.id)
    with connect(world.url, "dashboard_server") as server:
        assert call(server, "check_webhook_limit", trader.id, "Free") is True


def test_a_done_signal_carries_when_it_was_processed(world: World) -> None:
    trader = world.trader()
    signal_id = world.accept(trader)
    claimed = world.claim_one()
    world.begin(order(claimed))
    world.finish(held(claimed) | {"status": "done", "news": [filled(fills=[fill("f1")])]})
    with world.signed_in(trader.id) as connection:
        row = connection.execute(
            "select status, processed_at, error_message from public.webhook_requests where id = %s",
            (signal_id,),
        ).fetchone()
    assert row is not None
    assert row[0] == "processed"
    assert row[1] <= datetime.now(UTC)
    assert row[2] is None


def test_option_trades_at_tradier_are_shown_with_the_columns_that_the_dashboard_knows(world: World) -> None:
    trader = world.trader()
    for exchange in ("tradier", "tastytrade"):
        world.run(
            "insert into public.option_trades (user_id, exchange, underlying_symbol, option_symbol,"
            " strike_price) values (%s, %s, 'AAPL', 'AAPL  261218C00200000', 200)",
            *(trader.id, exchange),
        )
    with world.signed_in(trader.id) as connection:
        cursor = connection.execute("select * from public.tradier_option_trades")
        rows = cursor.fetchall()
    assert len(rows) == 1
    assert sorted(column.name for column in cursor.description or []) == sorted(OPTION_COLUMNS.split())
