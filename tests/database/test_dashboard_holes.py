"""The holes of the existing dashboard's database, as docs/dashboard.md numbers them, each shown closed."""

# ruff: noqa: S608 - the names of tables in statements come from the catalogue or are this file's own

import json
import uuid
from collections import Counter
from typing import Any, LiteralString

import psycopg
import pytest

from tests.database.races import at_once
from tests.database.world import BUY, Trader, World, call, connect

SECRET = "a strong enough secret 1"
NOT_ALLOWED = psycopg.errors.InsufficientPrivilege


def refused(connection: psycopg.Connection[tuple[Any, ...]], statement: str, *parameters: Any) -> None:
    with pytest.raises(NOT_ALLOWED):
        connection.execute(statement.encode(), parameters)


def seen(connection: psycopg.Connection[tuple[Any, ...]], statement: str, *parameters: Any) -> int:
    return connection.execute(statement.encode(), parameters).rowcount


def add_trade(world: World, trader: Trader, order_id: str, strategy: str | None = None) -> None:
    world.run(
        "insert into public.trades (user_id, strategy_id, symbol, side, entry_price, entry_time, exit_price,"
        " exit_time, quantity, position_size_usd, pnl_usd, pnl_percent, is_winner, order_id)"
        " values (%s, %s, 'X', 'BUY', 1, now(), 1, now(), 1, 1, 1, 1, true, %s)",
        *(trader.id, strategy, order_id),
    )


def add_position(world: World, trader: Trader, symbol: str, strategy: str | None = None) -> None:
    world.run(
        "insert into public.positions (user_id, account_id, strategy_id, symbol, side, quantity, entry_price,"
        " entry_time, position_size_usd) values (%s, %s, %s, %s, 'BUY', 1, 1, now(), 1)",
        *(trader.id, trader.account, strategy, symbol),
    )


def add_strategy(world: World, trader: Trader) -> str:
    return str(
        world.value(
            "insert into public.strategies (user_id, name) values (%s, %s) returning id",
            *(trader.id, str(uuid.uuid4())),
        )
    )


def test_h2_nobody_reads_or_changes_anothers_subscription_nor_his_own_plan(world: World) -> None:
    one, other = world.trader("Free"), world.trader("Pro")
    with world.signed_in(one.id) as connection:
        assert seen(connection, "select * from public.subscriptions") == 1
        assert seen(connection, "select * from public.subscriptions where user_id = %s", other.id) == 0
        for statement in (
            "update public.subscriptions set plan = 'Pro'",
            "update public.subscriptions set webhooks_per_hour = 1000000",
            "insert into public.subscriptions (user_id, plan) values (auth.uid(), 'Pro')",
            "delete from public.subscriptions",
        ):
            refused(connection, statement)
    with world.signed_in(one.id, "anon") as connection:
        refused(connection, "select * from public.subscriptions")
        refused(connection, "update public.subscriptions set plan = 'Pro'")
    assert world.value("select plan from public.subscriptions where user_id = %s", one.id) == "Free"


def test_h6_nobody_burns_anothers_quota_or_resets_his_own(world: World) -> None:
    one, other = world.trader("Free"), world.trader("Free")
    for _ in range(10):
        world.accept(one)
    for role in ("authenticated", "anon"):
        with world.signed_in(one.id, role) as connection:
            for table in ("webhook_requests", "signals"):
                insert = f"insert into public.{table} (user_id, status) values (%s, 'pending')"
                refused(connection, insert, other.id)
                refused(connection, f"update public.{table} set status = 'rate_limited'")
                refused(connection, f"delete from public.{table}")
            refused(connection, "update public.usage_logs set count = 0")
            refused(connection, "delete from public.usage_logs")
    assert world.ingest(one, BUY)["http"] == 429
    assert world.ingest(other, BUY)["http"] == 200


def test_h7_functions_answer_for_the_caller_only_and_believe_no_plan(world: World) -> None:
    one, other = world.trader("Free"), world.trader("Free")
    for _ in range(10):
        world.accept(one)
    unsafe = world.rows(
        "select p.proname from pg_proc p where p.pronamespace = 'public'::regnamespace and"
        " (has_function_privilege('anon', p.oid, 'execute')"
        ' or p.prosecdef and not coalesce(p.proconfig @> \'{"search_path=\\"\\""}\', false))'
    )
    assert unsafe == []
    with world.signed_in(one.id) as connection:
        assert call(connection, "check_webhook_limit", one.id, "Pro") is False
        for function in ("check_webhook_limit", "get_user_subscription_plan_safe"):
            with pytest.raises(NOT_ALLOWED):
                call(connection, function, other.id)
    with world.signed_in(one.id, "anon") as connection, pytest.raises(NOT_ALLOWED):
        call(connection, "check_webhook_limit", one.id)


def test_h8_two_traders_hold_the_same_symbol(world: World) -> None:
    one, other = world.trader(), world.trader()
    for trader in (one, other):
        add_position(world, trader, "BTCUSDT")
    for trader in (one, other):
        with world.signed_in(trader.id) as connection:
            rows = connection.execute("select user_id::text, symbol from public.positions").fetchall()
        assert rows == [(trader.id, "BTCUSDT")]


def test_h9_option_trades_are_seen_by_their_trader_only(world: World) -> None:
    one, other = world.trader(), world.trader()
    for trader in (one, other):
        world.run(
            "insert into public.option_trades (user_id, exchange, underlying_symbol, option_symbol)"
            " values (%s, 'tradier', 'AAPL', 'AAPL  261218C00200000')",
            trader.id,
        )
    for relation in ("option_trades", "tradier_option_trades"):
        with world.signed_in(one.id) as connection:
            rows = connection.execute(f"select user_id::text from public.{relation}".encode()).fetchall()
            assert rows == [(one.id,)]
            refused(connection, f"delete from public.{relation}")
        with world.signed_in(one.id, "anon") as connection:
            refused(connection, f"select 1 from public.{relation}")
            refused(connection, f"delete from public.{relation}")


@pytest.mark.parametrize("table", ["trades", "positions"])
def test_h12_traders_do_not_write_their_own_records(world: World, table: str) -> None:
    trader = world.trader()
    add_trade(world, trader, "o1")
    add_position(world, trader, "BTCUSDT")
    with world.signed_in(trader.id) as connection:
        assert seen(connection, f"select * from public.{table}") == 1
        refused(connection, f"insert into public.{table} (symbol) values ('X')")
        refused(connection, f"update public.{table} set quantity = 1000")
        refused(connection, f"delete from public.{table}")
    with connect(world.url, "dashboard_server") as server:
        refused(server, f"insert into public.{table} (user_id, symbol) values (%s, 'X')", trader.id)


@pytest.mark.parametrize("weak", ["1", "password", "aaaaaaaaaaaaaaaaaaaaaaaa", "0123456789abcde"])
def test_h14_a_weak_webhook_secret_is_refused(world: World, weak: str) -> None:
    trader = world.trader()
    with (
        connect(world.url, "dashboard_server") as server,
        pytest.raises(psycopg.errors.InvalidParameterValue, match="a webhook secret has"),
    ):
        save_secret(server, trader.id, weak)


def test_h14_two_traders_never_hold_the_same_webhook_secret(world: World) -> None:
    one, other = world.trader(), world.trader()
    with connect(world.url, "dashboard_server") as server:
        save_secret(server, one.id, SECRET)
        with pytest.raises(psycopg.errors.InvalidParameterValue) as caught:
            save_secret(server, other.id, SECRET)
    assert one.id not in str(caught.value)
    # Neither is locked out.
    for secret, owner in ((SECRET, one.id), (other.secret, other.id)):
        body = json.dumps(BUY | {"secret": secret, "id": secret})
        answer = call(world.edge, "ingest_alert", None, body, "1.2.3.4", {})
        assert answer["http"] == 200
        signal_id = answer["body"]["signal_id"]
        assert str(world.value("select user_id from public.signals where id = %s", signal_id)) == owner


def save_secret(server: psycopg.Connection[tuple[Any, ...]], trader: str, secret: str) -> None:
    server.execute(
        "insert into public.bot_credentials (user_id, exchange, label, webhook_secret)"
        " values (%s, 'webhook', %s, %s)",
        (trader, f"Hook {secret[:20]}", secret),
    )


def test_h15_no_table_holds_a_webhook_secret_or_an_exchange_key_in_clear(world: World) -> None:
    trader = world.trader()
    keys = ["key-0123456789-wxyz", "secret-0123456789"]
    with connect(world.url, "dashboard_server") as server:
        save_secret(server, trader.id, SECRET)
        server.execute(
            "insert into public.bot_credentials (user_id, exchange, label, api_key, api_secret)"
            " values (%s, 'aster', 'Aster', %s, %s)",
            (trader.id, *keys),
        )
    for body in (BUY | {"secret": SECRET}, {"secret": SECRET, "action": "dance"}):
        call(world.edge, "ingest_alert", None, json.dumps(body), "1.2.3.4", {})
    # By the address: the secret of what is not understood finds no webhook, and nothing would be stored.
    unread = world.ingest(trader, f'"secret": "{SECRET}" not json')
    assert world.signal(unread["body"]["signal_id"])["reason_code"] == "invalid_json"
    found = [
        name
        for (name,) in tables(world)
        for (row,) in world.admin.execute(f"select t::text from {name} t".encode()).fetchall()
        if any(text in row for text in (SECRET, trader.token, *keys))
    ]
    assert found == []
    assert world.value("select count(*) from public.signals") >= 2


def tables(world: World) -> list[tuple[Any, ...]]:
    return world.rows(
        "select oid::regclass::text from pg_class where relkind in ('r', 'v', 'p')"
        " and relnamespace in ('public'::regnamespace, 'private'::regnamespace)"
    )


def test_h16_every_row_belongs_to_a_trader_without_his_saying_so(world: World) -> None:
    without = world.rows(
        "select c.relname from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attname = 'user_id'"
        " left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum"
        " where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p')"
        r" and (not a.attnotnull or coalesce(pg_get_expr(d.adbin, d.adrelid), '') !~ '^(auth\.)?uid\(\)$')"
        # An audit row outlives its trader, and a plan is booked for a trader by a server.
        " and c.relname not in ('audit_log', 'subscriptions')"
    )
    assert without == []
    trader = world.trader()
    with world.signed_in(trader.id) as connection:
        for statement in (
            "insert into public.strategies (name) values ('A') returning user_id::text",
            "insert into public.trade_settings_exchange (exchange) values ('aster') returning user_id::text",
        ):
            assert connection.execute(statement.encode()).fetchone() == (trader.id,)
    with connect(world.url, "service_role") as server, pytest.raises(psycopg.errors.NotNullViolation):
        server.execute("insert into public.strategies (name) values ('B')")


@pytest.mark.parametrize("table", ["trades", "positions", "signals", "option_trades"])
def test_h17_no_record_refers_to_another_traders_strategy(world: World, table: str) -> None:
    one, other = world.trader(), world.trader()
    foreign = add_strategy(world, other)
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        add_record(world, one, table, foreign)
    own = add_strategy(world, one)
    add_record(world, one, table, own)
    world.run("delete from public.strategies where id = %s", own)
    rows = world.admin.execute(f"select strategy_id, user_id::text from public.{table}".encode()).fetchall()
    assert rows == [(None, one.id)]


def add_record(world: World, trader: Trader, table: str, strategy: str) -> None:
    if table == "trades":
        add_trade(world, trader, "o1", strategy)
    elif table == "positions":
        add_position(world, trader, "BTCUSDT", strategy)
    elif table == "option_trades":
        world.run(
            "insert into public.option_trades (user_id, strategy_id, underlying_symbol, option_symbol)"
            " values (%s, %s, 'AAPL', 'AAPL  261218C00200000')",
            *(trader.id, strategy),
        )
    else:
        world.run(
            "insert into public.signals (user_id, strategy_id, status, finished_at)"
            " values (%s, %s, 'rejected', now())",
            *(trader.id, strategy),
        )


@pytest.mark.parametrize("status", ["canceled", "paused", "unpaid", "incomplete", "incomplete_expired"])
def test_h20_a_subscription_that_ended_loses_the_paid_limits(world: World, status: str) -> None:
    trader = world.trader("Pro")
    for _ in range(10):
        world.accept(trader)
    with connect(world.url, "dashboard_server") as server:
        assert call(server, "check_webhook_limit", trader.id) is True
        server.execute("update public.subscriptions set status = %s where user_id = %s", (status, trader.id))
        assert call(server, "get_user_subscription_plan_safe", trader.id) == "Free"
        assert call(server, "check_webhook_limit", trader.id) is False
    assert world.value("select plan from public.subscriptions where user_id = %s", trader.id) == "Pro"
    assert world.ingest(trader, BUY)["http"] == 429


def test_h20_a_canceled_plan_lasts_to_the_end_of_what_is_paid(world: World) -> None:
    trader = world.trader("Pro")
    with connect(world.url, "dashboard_server") as server:
        for end, plan in (("1 day", "Pro"), ("-1 day", "Free")):
            server.execute(
                "update public.subscriptions set status = 'canceled',"
                " current_period_end = now() + %s::interval where user_id = %s",
                (end, trader.id),
            )
            assert call(server, "get_user_subscription_plan_safe", trader.id) == plan


def test_h20_what_is_past_due_lasts_seven_days_however_often_the_server_says_so(world: World) -> None:
    trader = world.trader("Pro")
    past_due: LiteralString = (
        "insert into public.subscriptions (user_id, plan, status) values (%s, 'Pro', 'past_due')"
        " on conflict (user_id) do update set plan = excluded.plan, status = excluded.status"
    )
    with connect(world.url, "dashboard_server") as server:
        server.execute(past_due, (trader.id,))
        assert call(server, "get_user_subscription_plan_safe", trader.id) == "Pro"
        world.run(
            "update public.subscriptions set past_due_since = now() - interval '8 days' where user_id = %s",
            trader.id,
        )
        server.execute(past_due, (trader.id,))
        assert call(server, "get_user_subscription_plan_safe", trader.id) == "Free"


def test_h21_the_quota_holds_for_alerts_at_once_and_shows_what_it_refused(world: World) -> None:
    trader = world.trader("Free")

    def send(connection: psycopg.Connection[tuple[Any, ...]], number: int) -> int:
        body = json.dumps(BUY | {"id": str(number)})
        return int(call(connection, "ingest_alert", trader.token, body, "1.2.3.4", {})["http"])

    assert Counter(at_once(world, "sparky_edge", 16, send)) == {200: 10, 429: 6}
    with connect(world.url, "dashboard_server") as server:
        shown = server.execute("select status, error_message from public.webhook_requests").fetchall()
    assert Counter(status for status, _ in shown) == {"pending": 10, "rate_limited": 6}
    assert all("allows 10" in message for status, message in shown if status == "rate_limited")


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Tokyo", "UTC"])
def test_h21_a_month_begins_at_midnight_utc_wherever_one_asks_from(world: World, zone: str) -> None:
    trader = world.trader()
    for offset, count in (("-1 hour", 100), ("0 hours", 7)):
        world.run(
            "insert into public.usage_logs (user_id, hour, kind, count)"
            " values (%s, date_trunc('month', now(), 'UTC') + %s::interval, 'accepted', %s)",
            *(trader.id, offset, count),
        )
    with world.signed_in(trader.id) as connection:
        connection.execute("select set_config('timezone', %s, false)", (zone,))
        row = connection.execute("select sum(count) from public.usage_this_month").fetchone()
    assert row == (7,)


def test_h22_exchanges_and_strategies_are_held_to_the_plan(world: World) -> None:
    trader = world.trader("Free")
    save = "insert into public.bot_credentials (user_id, exchange, label, api_key) values (%s, %s, 'L', %s)"
    with connect(world.url, "dashboard_server") as server:
        server.execute(save, (trader.id, "aster", "key-0123456789-wxyz"))
        with pytest.raises(psycopg.DatabaseError) as caught:
            server.execute(save, (trader.id, "oanda", "key-0123456789-wxyz"))
    assert caught.value.sqlstate == "PT402"
    assert json.loads(str(caught.value.diag.message_detail))["limit"] == "max_exchanges"
    with world.signed_in(trader.id) as connection:
        for number in range(3):
            connection.execute(
                "insert into public.strategies (name, status) values (%s, 'active')", (f"S{number}",)
            )
        with pytest.raises(psycopg.DatabaseError) as caught:
            connection.execute("insert into public.strategies (name, status) values ('S3', 'active')")
    assert caught.value.sqlstate == "PT402"
    assert json.loads(str(caught.value.diag.message_detail))["allowed"] == 3
