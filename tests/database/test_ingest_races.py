"""Many alerts at once."""

# ruff: noqa: S608 - the names of tables in statements are this file's own

import json
import uuid
from collections import Counter
from collections.abc import Callable
from typing import Any

import psycopg

from tests.database.races import at_once
from tests.database.world import BUY, Trader, World, call


def send(trader: Trader, fields: dict[str, Any]) -> Callable[[psycopg.Connection[tuple[Any, ...]], int], str]:
    def work(connection: psycopg.Connection[tuple[Any, ...]], number: int) -> str:
        body = BUY | {name: f"{value}{number}" if value == "n" else value for name, value in fields.items()}
        answer = call(connection, "ingest_alert", trader.token, json.dumps(body), "1.2.3.4", {})
        return str(answer["body"]["status"])

    return work


def test_fifty_alerts_at_once_on_a_plan_of_ten_are_ten_signals(world: World) -> None:
    trader = world.trader(plan="Free")
    answers = Counter(at_once(world, "sparky_edge", 50, send(trader, {"id": "n"})))
    assert answers == {"accepted": 10, "rate_limited": 40}
    assert world.value("select count(*) from public.signals where status = 'pending'") == 10


def test_fifty_alerts_at_once_of_a_trader_without_ingest_state_are_ten_signals(world: World) -> None:
    trader = world.trader(plan="Free")
    world.run("delete from private.ingest_state")
    answers = Counter(at_once(world, "sparky_edge", 50, send(trader, {"id": "n"})))
    assert answers["accepted"] == 10


def test_one_alert_twenty_times_at_once_is_one_signal(world: World) -> None:
    trader = world.trader()
    for fields in ({}, {"id": str(uuid.uuid4())}, {"timenow": "2026-11-22T10:00:00Z"}):
        answers = Counter(at_once(world, "sparky_edge", 20, send(trader, fields)))
        assert answers == {"accepted": 1, "duplicate": 19}
    assert world.value("select count(*) from public.signals") == 3


def test_a_trader_who_leaves_while_alerts_arrive_leaves_no_deadlock(world: World) -> None:
    trader = world.trader()
    refused = {"unknown_webhook", "no_account"}

    def work(connection: psycopg.Connection[tuple[Any, ...]], number: int) -> str:
        if number == 0:
            connection.execute("reset role")
            connection.execute("delete from auth.users where id = %s", (trader.id,))
            return "deleted"
        try:
            answer = call(
                connection, "ingest_alert", trader.token, json.dumps(BUY | {"id": str(number)}), None, {}
            )
        except psycopg.errors.ForeignKeyViolation:
            return "unavailable"
        body = answer["body"]
        return "refused" if body.get("reason_code") in refused else str(body["status"])

    answers = Counter(at_once(world, "sparky_edge", 30, work))
    assert answers["deleted"] == 1
    assert set(answers) <= {"deleted", "accepted", "refused", "unavailable"}
    for table in ("signals", "user_webhook_configs", "user_api_keys", "usage_logs"):
        assert world.value(f"select count(*) from public.{table}") == 0
    assert world.value("select count(*) from vault.secrets") == 0
