"""One alert in, one answer out."""

# ruff: noqa: S608 - the names of tables in statements are this file's own

import hashlib
import hmac
import json
import time
import uuid
from typing import Any

import psycopg
import pytest

from tests.database.world import BUY, Trader, World, call, held


def status(answer: dict[str, Any]) -> tuple[int, str]:
    return answer["http"], answer["body"]["status"]


def usage(world: World, trader: Trader) -> dict[str, int]:
    found = world.rows(
        "select kind, sum(count)::int from public.usage_logs where user_id = %s group by kind", trader.id
    )
    return dict(found)


def test_an_alert_becomes_a_pending_signal(world: World) -> None:
    trader = world.trader()
    answer = world.ingest(trader, {"ticker": "BINANCE:BTCUSDT.P", "side": "buy", "qty": "1.50", "note": "x"})
    assert status(answer) == (200, "accepted")
    assert set(answer) == {"http", "body"}
    signal = world.signal(answer["body"]["signal_id"])
    assert signal["status"] == "pending"
    assert signal["user_id"] == trader.id
    assert signal["account_id"] == trader.account
    assert signal["lane"] == f"{trader.account}/BTCUSDT"
    assert signal["alert"] == {
        "symbol": "BTCUSDT",
        "action": "buy",
        "quantity": "1.5",
        "order_type": "market",
    }
    assert signal["warnings"] == ['unknown field "note"']
    assert usage(world, trader) == {"accepted": 1}


def test_the_secret_in_the_body_finds_the_webhook_and_is_stored_nowhere(world: World) -> None:
    trader = world.trader()
    for number, action in enumerate(("buy", "hold")):
        body = json.dumps({"secret": trader.secret, "symbol": "X", "action": action, "id": str(number)})
        call(world.edge, "ingest_alert", None, body, "1.2.3.4", {})
    assert len(world.rows("select 1 from public.signals where user_id = %s", trader.id)) == 2
    for table in ("signals", "audit_log", "usage_logs", "user_webhook_configs"):
        stored = world.value(f"select coalesce(string_agg(t::text, ''), '') from public.{table} t")
        assert trader.secret not in stored
        assert trader.token not in stored


@pytest.mark.parametrize("token", ["", "nope", "' or 1=1 --", "x" * 1_000_000])
def test_an_unknown_token_is_answered_404_and_nothing_is_written(world: World, token: str) -> None:
    world.trader()
    answer = call(world.edge, "ingest_alert", token, json.dumps(BUY), "1.2.3.4", {})
    assert status(answer) == (404, "refused")
    assert world.rows("select 1 from public.signals") == []
    assert world.rows("select 1 from public.usage_logs") == []


@pytest.mark.parametrize(
    "body", ["", "{}", json.dumps(BUY | {"secret": "nope"}), json.dumps(BUY | {"secret": None})]
)
def test_no_token_and_no_known_secret_is_answered_401(world: World, body: str) -> None:
    answer = call(world.edge, "ingest_alert", None, body, None, None)
    assert status(answer) == (401, "refused")


def test_token_and_secret_do_not_stand_in_for_each_other(world: World) -> None:
    trader = world.trader()
    answer = call(world.edge, "ingest_alert", trader.secret, json.dumps(BUY), "1.2.3.4", {})
    assert answer["http"] == 404
    answer = call(world.edge, "ingest_alert", None, json.dumps(BUY | {"secret": trader.token}), "1.2.3.4", {})
    assert answer["http"] == 401


def test_an_inactive_webhook_answers_as_an_unknown_one(world: World) -> None:
    trader = world.trader()
    unknown = call(world.edge, "ingest_alert", "nope", json.dumps(BUY), "1.2.3.4", {})
    world.run("update public.user_webhook_configs set active = false where id = %s", trader.webhook)
    assert world.ingest(trader, BUY) == unknown


@pytest.mark.parametrize(
    ("sources", "ip", "allowed"),
    [
        (None, None, True),
        (None, "not an address", True),
        (["tradingview"], "52.89.214.238", True),
        (["TradingView"], "34.212.75.30", True),
        (["tradingview"], "54.218.53.128", True),
        (["tradingview"], "52.32.178.7", True),
        (["tradingview"], "52.32.178.8", False),
        (["tradingview", "10.0.0.0/8"], "10.1.2.3", True),
        (["10.0.0.0/8"], "11.0.0.1", False),
        (["2001:db8::/32"], "2001:db8::1", True),
        (["2001:db8::/32"], "1.2.3.4", False),
        ([], "1.2.3.4", False),
        (["1.2.3.4"], "1.2.3.4", True),
        (["1.2.3.4"], "1.2.3.4/0", False),
        (["1.2.3.4"], "", False),
        (["1.2.3.4"], "x" * 1_000_000, False),
        (["1.2.3.4"], None, False),
    ],
)
def test_sources(shared: World, sources: list[str] | None, ip: str | None, allowed: bool) -> None:  # noqa: FBT001 - table
    trader = shared.trader()
    shared.run(
        "update public.user_webhook_configs set allowed_sources = %s where id = %s", sources, trader.webhook
    )
    answer = call(shared.edge, "ingest_alert", trader.token, json.dumps(BUY), ip, {})
    if allowed:
        assert status(answer) == (200, "accepted")
    else:
        assert status(answer) == (403, "refused")
        assert answer["body"]["reason_code"] == "source_not_allowed"
        assert usage(shared, trader) == {"refused": 1}
        assert shared.rows("select 1 from public.signals where user_id = %s", trader.id) == []


def signature(secret: str, body: str, at: float) -> str:
    stamp = str(int(at))
    return f"t={stamp},v1={hmac.new(secret.encode(), f'{stamp}.{body}'.encode(), hashlib.sha256).hexdigest()}"


def test_signatures(world: World) -> None:
    trader = world.trader()
    body = json.dumps(BUY | {"note": "Ärger"})
    now = time.time()
    good = signature(trader.secret, body, now)
    wrong = {
        "other body": signature(trader.secret, body + " ", now),
        "other secret": signature("x", body, now),
        "too old": signature(trader.secret, body, now - 310),
        "too new": signature(trader.secret, body, now + 310),
        "no time": good.partition(",")[2],
        "empty": "",
        "long": "x" * 100_000,
        "cut": good[:-2],
    }
    for name, header in wrong.items():
        answer = world.ingest(trader, body, headers={"x-sparky-signature": header})
        assert (answer["http"], answer["body"]["reason_code"]) == (403, "signature_wrong"), name
    assert status(world.ingest(trader, body, headers={"x-sparky-signature": good})) == (200, "accepted")
    late = signature(trader.secret, body, now - 290)
    assert status(world.ingest(trader, body, headers={"x-sparky-signature": late})) == (200, "duplicate")


def test_a_required_signature_that_is_missing_is_refused(world: World) -> None:
    trader = world.trader()
    world.run("update public.user_webhook_configs set require_signature = true where id = %s", trader.webhook)
    for headers in ({}, None, {"x-other": "1"}):
        answer = world.ingest(trader, BUY, headers=headers)
        assert (answer["http"], answer["body"]["reason_code"]) == (403, "signature_missing")


def test_what_is_not_understood_is_kept_for_its_trader(world: World) -> None:
    trader = world.trader()
    for body, code in (("garbage", "invalid_json"), (json.dumps({"symbol": "X"}), "missing_field")):
        answer = world.ingest(trader, body)
        assert status(answer) == (422, "rejected")
        assert answer["body"]["reason_code"] == code
        signal = world.signal(answer["body"]["signal_id"])
        assert (signal["status"], signal["reason_code"], signal["reason"]) == (
            "rejected",
            code,
            answer["body"]["reason"],
        )
        assert signal["finished_at"] is not None
    assert usage(world, trader) == {"rejected": 2}
    assert len(world.rows("select 1 from public.audit_log where action = 'signal.finished'")) == 2


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"exchange": "kraken"}, "unknown_exchange"),
        ({"exchange": "tradier_options"}, "missing_field"),
        ({"exchange": "tradier_options", "right": "call", "symbol": "AAPL"}, "no_account"),
        ({"exchange": "x" * 10_000}, "unknown_exchange"),
        ({"exchange": "aster"}, "no_account"),
        ({"environment": "sandbox"}, "no_account"),
    ],
)
def test_an_alert_without_an_account_to_go_to_is_rejected(
    world: World, fields: dict[str, str], code: str
) -> None:
    trader = world.trader()
    answer = world.ingest(trader, BUY | fields)
    assert (answer["http"], answer["body"]["reason_code"]) == (422, code)
    assert len(answer["body"]["reason"]) < 300


def test_of_several_accounts_the_alert_has_to_name_one(world: World) -> None:
    trader = world.trader()
    for exchange, environment in (("oanda", "sandbox"), ("oanda", "production")):
        add_account(world, trader, exchange, environment)
    answer = world.ingest(trader, BUY)
    assert (answer["http"], answer["body"]["reason_code"]) == (422, "missing_field")
    named = world.signal(world.accept(trader, exchange="oanda"))
    assert named["environment"] == "production"
    assert (
        world.signal(world.accept(trader, exchange="oanda", environment="practice"))["environment"]
        == "sandbox"
    )
    assert world.signal(world.accept(trader, exchange="paper"))["account_id"] == trader.account


def add_account(world: World, trader: Trader, exchange: str, environment: str) -> None:
    with world.signed_in(trader.id) as connection:
        call(connection, "save_api_key", exchange, environment, None, "sparky1.0123456789abcdef." + "B" * 99)


def test_another_traders_account_is_never_used(world: World) -> None:
    owner, other = world.trader(), world.trader()
    with world.signed_in(other.id) as connection:
        assert call(connection, "delete_api_key", other.account) is True
    assert world.ingest(other, BUY)["body"]["reason_code"] == "no_account"
    assert world.signal(world.accept(owner))["account_id"] == owner.account


def shift_keys(world: World, seconds: int) -> None:
    """Let time pass for the keys of alerts."""
    world.run("update private.alert_keys set expires_at = expires_at - make_interval(secs => %s)", seconds)


BEFORE = {
    "reason_code": "duplicate",
    "reason": "This alert was received before; it has had its effect, or will have.",
}


def test_a_body_without_a_time_is_a_duplicate_for_a_minute(world: World) -> None:
    trader = world.trader()
    first = world.ingest(trader, BUY)
    assert world.ingest(trader, BUY) == {
        "http": 200,
        "body": {"status": "duplicate", "signal_id": first["body"]["signal_id"], **BEFORE},
    }
    shift_keys(world, 59)
    assert status(world.ingest(trader, BUY)) == (200, "duplicate")
    shift_keys(world, 2)
    again = world.ingest(trader, BUY)
    assert status(again) == (200, "accepted")
    assert again["body"]["signal_id"] != first["body"]["signal_id"]
    assert world.ingest(trader, BUY)["body"]["signal_id"] == again["body"]["signal_id"]
    assert usage(world, trader) == {"accepted": 2, "duplicate": 3}


@pytest.mark.parametrize("fields", [{"timenow": "2026-11-22T10:00:00Z"}, {"id": "one"}])
def test_a_body_with_a_time_or_an_id_is_a_duplicate_for_ever(world: World, fields: dict[str, str]) -> None:
    trader = world.trader()
    first = world.ingest(trader, BUY | fields)
    shift_keys(world, 100_000_000)
    assert world.ingest(trader, BUY | fields)["body"] == {
        "status": "duplicate",
        "signal_id": first["body"]["signal_id"],
        **BEFORE,
    }


def test_the_id_decides_and_not_the_rest_of_the_body(world: World) -> None:
    trader, other = world.trader(), world.trader()
    first = world.ingest(trader, BUY | {"id": "one"})
    assert (
        world.ingest(trader, BUY | {"id": "one", "quantity": "2"})["body"]["signal_id"]
        == first["body"]["signal_id"]
    )
    assert status(world.ingest(trader, BUY | {"id": "two"})) == (200, "accepted")
    assert status(world.ingest(other, BUY | {"id": "one"})) == (200, "accepted")


def test_bodies_that_differ_are_two_alerts(world: World) -> None:
    trader = world.trader()
    assert status(world.ingest(trader, BUY)) == (200, "accepted")
    assert status(world.ingest(trader, BUY | {"quantity": "2"})) == (200, "accepted")


def test_over_the_limit_the_answer_says_when_there_is_room(world: World) -> None:
    trader = world.trader(plan="Free")
    for _ in range(10):
        world.accept(trader)
    world.run(
        "update public.signals set received_at = received_at - interval '50 minutes' where seq ="
        " (select min(seq) from public.signals)"
    )
    answer = world.ingest(trader, BUY)
    assert status(answer) == (429, "rate_limited")
    assert answer["body"]["reason_code"] == "plan_limit"
    assert 540 <= answer["retry_after"] <= 600
    assert "Free" in answer["body"]["reason"]
    assert "10" in answer["body"]["reason"]
    assert world.signal(answer["body"]["signal_id"])["status"] == "rate_limited"
    assert usage(world, trader) == {"accepted": 10, "rate_limited": 1}
    world.run(
        "update public.signals set received_at = received_at - interval '11 minutes' where seq ="
        " (select min(seq) from public.signals)"
    )
    assert status(world.ingest(trader, BUY)) == (200, "accepted")


def test_an_alert_that_is_accepted_and_rejected_at_its_execution_counts(world: World) -> None:
    trader = world.trader(plan="Free")
    for _ in range(10):
        world.accept(trader)
        rejected = {"status": "rejected", "reason_code": "no_size", "reason": "No size."}
        assert world.finish(held(world.claim_one()) | rejected)[0]["ok"]
    assert status(world.ingest(trader, BUY)) == (429, "rate_limited")
    with world.signed_in(trader.id) as connection:
        assert call(connection, "my_plan")["limits"]["webhooks_per_hour"]["used"] == 10


@pytest.mark.parametrize(
    "exit_fields", [{"action": "close"}, {"action": "close_long"}, {"action": "sell", "reduce_only": True}]
)
def test_exits_pass_over_the_limit(world: World, exit_fields: dict[str, Any]) -> None:
    trader = world.trader(plan="Free")
    world.run("update public.subscriptions set webhooks_per_hour = 0 where user_id = %s", trader.id)
    assert world.ingest(trader, BUY)["http"] == 429
    assert world.signal(world.accept(trader, **exit_fields))["is_exit"] is True


def test_an_alert_that_was_over_the_limit_may_come_again(world: World) -> None:
    trader = world.trader(plan="Free")
    world.run("update public.subscriptions set webhooks_per_hour = 0 where user_id = %s", trader.id)
    body = BUY | {"id": "one"}
    assert status(world.ingest(trader, body)) == (429, "rate_limited")
    assert status(world.ingest(trader, body)) == (429, "rate_limited")
    world.run("update public.subscriptions set webhooks_per_hour = 5 where user_id = %s", trader.id)
    assert status(world.ingest(trader, body)) == (200, "accepted")
    assert status(world.ingest(trader, body)) == (200, "duplicate")


def test_rejected_and_limited_alerts_do_not_use_up_the_plan(world: World) -> None:
    trader = world.trader(plan="Free")
    for _ in range(12):
        assert world.ingest(trader, "garbage")["http"] == 422
    world.accept(trader)


def test_a_plan_that_is_gone_is_not_a_plan_without_limits(world: World) -> None:
    trader = world.trader(plan="Free")
    world.run("update public.plans set name = 'Starter' where name = 'Free'")
    world.run("update public.subscriptions set status = 'unpaid' where user_id = %s", trader.id)
    assert world.ingest(trader, BUY)["http"] == 429


def test_a_trader_from_before_this_schema_is_served(world: World) -> None:
    trader = world.trader()
    world.run("delete from private.ingest_state where user_id = %s", trader.id)
    world.accept(trader)
    assert world.rows("select 1 from private.ingest_state where user_id = %s", trader.id) == [(1,)]


@pytest.mark.parametrize("headers", [None, [], "x", 1, {"x-sparky-signature": None}])
def test_odd_headers_do_no_harm(world: World, headers: Any) -> None:
    trader = world.trader()
    answer = world.value(
        "select public.ingest_alert(%s, %s, %s, %s::jsonb)",
        trader.token,
        json.dumps(BUY),
        "1.2.3.4",
        json.dumps(headers),
    )
    assert status(answer) == (200, "accepted")


def test_a_database_that_cannot_store_says_so_and_keeps_nothing(world: World) -> None:
    trader = world.trader()
    world.run("alter table public.signals add constraint broken check (symbol <> 'BROKEN')")
    with pytest.raises(psycopg.errors.CheckViolation):
        world.ingest(trader, BUY | {"symbol": "BROKEN", "id": "one"})
    assert usage(world, trader) == {}
    assert world.rows("select 1 from private.alert_keys") == []


def test_signals_of_a_trader_are_numbered_in_order_of_arrival(world: World) -> None:
    trader = world.trader()
    ids = [world.accept(trader, id=str(uuid.uuid4())) for _ in range(5)]
    assert [str(row[0]) for row in world.rows("select id from public.signals order by seq")] == ids
