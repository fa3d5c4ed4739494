"""Taking signals: order, lanes, leases, fences."""

# ruff: noqa: S608 - the names of tables in statements are this file's own

from dataclasses import replace
from typing import Any

import psycopg
import pytest

from sparky.domain.trade_settings import parse_settings
from sparky.domain.work_order import parse_work_order
from tests.database.world import World, call, filled, held, order


def test_signals_are_claimed_in_order_of_arrival_one_of_each_lane(world: World) -> None:
    trader, other = world.trader(), world.trader()
    first = world.accept(trader)
    world.accept(trader)
    second = world.accept(trader, symbol="ETHUSDT")
    third = world.accept(other)
    claimed = world.claim()
    assert [one["signal_id"] for one in claimed] == [first, second, third]
    assert world.claim() == []


def test_a_lane_goes_on_when_its_signal_is_finished(world: World) -> None:
    trader = world.trader()
    ids = [world.accept(trader) for _ in range(3)]
    for signal_id in ids:
        one = world.claim_one()
        assert one["signal_id"] == signal_id
        world.finish(held(one) | {"status": "done"})


def test_a_limit_is_kept(world: World) -> None:
    trader = world.trader()
    for number in range(5):
        world.accept(trader, symbol=f"S{number}")
    assert len(world.claim(2)) == 2
    assert len(world.claim(10)) == 3


def test_a_work_order_carries_all_that_is_needed(world: World) -> None:
    trader = world.trader()
    signal_id = world.accept(trader, timenow="2026-11-22T10:00:00Z", reduce_only=False, quantity="2")
    one = world.claim_one()
    assert one["signal_id"] == signal_id
    assert one["user_id"] == trader.id
    assert (one["fence"], one["attempt"]) == (1, 1)
    assert one["lane"] == f"{trader.account}/BTCUSDT"
    assert (one["exchange"], one["environment"], one["symbol"]) == ("paper", "paper", "BTCUSDT")
    assert (one["action"], one["is_exit"]) == ("buy", False)
    assert one["alert"] == {"order_type": "market", "quantity": "2", "reduce_only": False}
    assert one["account"] == {
        "id": trader.account,
        "user_id": trader.id,
        "exchange": "paper",
        "environment": "paper",
        "key_version": 1,
        "status": "pending",
        "form": "sealed",
        "account_number": None,
    }
    assert one["position"] is None
    assert one["plan"] is None
    assert one["orders"] == []
    assert (one["working"], one["limits"], one["unprotected"]) == ([], [], None)
    # The worker knows every field of it, and refuses what it does not know.
    assert parse_work_order(one).settings.enabled
    # What nobody has chosen is not told, and the worker takes the same.
    whole = world.value("select private.effective_settings(%s, 'paper', 'BTCUSDT')", trader.id)
    told = parse_settings(one["settings"], "settings")
    assert replace(told, hours=parse_settings(whole, "settings").hours) == parse_settings(whole, "settings")
    assert (told.hours, [hours.preset for hours in parse_settings(whole, "settings").hours]) == ((), ["24/7"])
    assert one["now"] < one["lease_until"]
    assert one["alert_at"] == "2026-11-22T10:00:00+00:00"


def test_a_later_claim_finds_plan_and_orders(world: World) -> None:
    signal_id = world.accept(world.trader())
    wanted = order(world.claim_one())
    assert world.begin(wanted)[0]["ok"] is True
    world.let_lease_run_out(signal_id)
    again = world.claim_one("w2")
    assert again["plan"] == {"legs": [1]}
    assert len(again["orders"]) == 1
    seen = again["orders"][0]
    assert seen.pop("begun_at") <= seen.pop("submitted_at")
    assert seen == {
        "signal_id": signal_id,
        "symbol": "BTCUSDT",
        "purpose": "open",
        "limit_price": None,
        "stop_price": None,
        "trail_distance": None,
        "trail_percent": None,
        "attached_to": None,
        "spread": [],
        "leg": 1,
        "client_order_id": wanted["orders"][0]["client_order_id"],
        "state": "submitting",
        "side": "buy",
        "order_type": "market",
        "quantity": "1",
        "reduce_only": False,
        "reference_price": "100",
        "venue_order_id": None,
        "filled_quantity": "0",
        "average_price": None,
        "bookmark": None,
    }


def test_a_lease_that_ran_out_is_claimed_again_with_a_higher_fence(world: World) -> None:
    trader = world.trader()
    signal_id = world.accept(trader)
    world.accept(trader)
    first = world.claim_one()
    assert world.claim() == []
    world.let_lease_run_out(signal_id)
    again = world.claim_one("w2")
    assert again["signal_id"] == signal_id
    assert (again["fence"], again["attempt"]) == (first["fence"] + 1, 2)
    assert world.signal(signal_id)["claimed_by"] == "w2"


def review(world: World, signal_id: str) -> None:
    one = world.claim_one()
    assert one["signal_id"] == signal_id
    assert world.finish(held(one) | {"status": "review", "reason_code": "outcome_unknown"})[0]["ok"] is True


def test_a_lane_under_review_holds_entries_back_and_lets_exits_pass(world: World) -> None:
    trader = world.trader()
    unclear = world.accept(trader)
    review(world, unclear)
    entry = world.accept(trader)
    first_exit = world.accept(trader, action="close")
    second_exit = world.accept(trader, action="sell", reduce_only=True)
    elsewhere = world.accept(trader, symbol="ETHUSDT")
    assert [one["signal_id"] for one in world.claim()] == [first_exit, elsewhere]
    assert world.claim() == []
    world.run(
        "update public.signals set status = 'done', lease_until = null, finished_at = now() where id = %s",
        first_exit,
    )
    assert world.claim_one()["signal_id"] == second_exit
    world.run(
        "update public.signals set status = 'done', lease_until = null, finished_at = now() where id = %s",
        second_exit,
    )
    assert world.claim() == []
    world.run("update public.signals set status = 'failed' where id = %s", unclear)
    assert world.claim_one()["signal_id"] == entry


def test_an_exit_waits_for_the_entry_before_it(world: World) -> None:
    trader = world.trader()
    entry = world.accept(trader)
    leave = world.accept(trader, action="close")
    one = world.claim_one()
    assert one["signal_id"] == entry
    assert world.claim() == []
    world.finish(held(one) | {"status": "done"})
    assert world.claim_one()["signal_id"] == leave


def test_two_executing_signals_of_a_lane_are_impossible(world: World) -> None:
    trader = world.trader()
    world.accept(trader)
    world.accept(trader)
    world.claim_one()
    with pytest.raises(psycopg.errors.UniqueViolation):
        world.run(
            "update public.signals set status = 'executing', lease_until = now() where status = 'pending'"
        )


def test_a_signal_that_never_ends_goes_to_review(world: World) -> None:
    signal_id = world.accept(world.trader())
    for attempt in range(20):
        assert world.claim_one()["attempt"] == attempt + 1
        world.let_lease_run_out(signal_id)
    assert world.claim() == []
    signal = world.signal(signal_id)
    assert (signal["status"], signal["reason_code"], signal["fence"]) == ("review", "internal_error", 21)
    assert world.rows(
        "select 1 from public.audit_log where subject = %s and action = 'signal.finished'", signal_id
    ) == [(1,)]


@pytest.mark.parametrize(
    ("worker", "limit", "lease"),
    [
        (None, 1, 60),
        ("", 1, 60),
        ("w" * 101, 1, 60),
        ("w", None, 60),
        ("w", 0, 60),
        ("w", 501, 60),
        ("w", 1, None),
        ("w", 1, 0),
        ("w", 1, 601),
    ],
)
def test_a_claim_that_makes_no_sense_is_refused_and_takes_nothing(
    world: World, worker: Any, limit: Any, lease: Any
) -> None:
    world.accept(world.trader())
    for function, arguments in (
        ("claim_signals", (worker, limit, lease)),
        ("claim_tasks", (worker, limit, lease)),
    ):
        with pytest.raises(psycopg.errors.InvalidParameterValue):
            call(world.worker, function, *arguments)
    if limit is not None and limit > 0:
        with pytest.raises(psycopg.errors.InvalidParameterValue):
            call(world.worker, "finish_signals", [], worker, limit, lease)
    assert world.value("select count(*) from public.signals where status = 'pending'") == 1


def test_finishing_can_return_the_next_claims(world: World) -> None:
    trader = world.trader()
    world.accept(trader)
    following = world.accept(trader)
    one = world.claim_one()
    answer = call(world.worker, "finish_signals", [held(one) | {"status": "done"}], "w1", 5, 60)
    assert answer["finished"] == [{"signal_id": one["signal_id"], "ok": True}]
    assert [claim["signal_id"] for claim in answer["claims"]] == [following]


def test_released_claims_are_as_if_never_claimed(world: World) -> None:
    signal_id = world.accept(world.trader())
    one = world.claim_one()
    assert call(world.worker, "release_signals", [held(one)]) == [signal_id]
    signal = world.signal(signal_id)
    assert (signal["status"], signal["claimed_by"], signal["lease_until"]) == ("pending", None, None)
    assert world.claim_one("w2")["fence"] > one["fence"] + 1


def test_a_released_claim_that_was_begun_stays_in_its_lane(world: World) -> None:
    trader = world.trader()
    signal_id = world.accept(trader)
    world.accept(trader)
    one = world.claim_one()
    world.begin(order(one))
    assert call(world.worker, "release_signals", [held(one)]) == [signal_id]
    assert world.signal(signal_id)["status"] == "executing"
    again = world.claim_one("w2")
    assert again["signal_id"] == signal_id
    assert len(again["orders"]) == 1


def test_extending_keeps_the_claim_and_names_what_is_lost(world: World) -> None:
    trader = world.trader()
    mine, lost = world.accept(trader), world.accept(trader, symbol="ETHUSDT")
    claims = {one["signal_id"]: one for one in world.claim(lease=5)}
    world.let_lease_run_out(lost)
    world.claim_one("w2")
    answer = call(world.worker, "extend_leases", [held(claims[mine]), held(claims[lost])], 120)
    assert [one["signal_id"] for one in answer] == [mine]
    assert world.value(
        "select lease_until > now() + interval '100 seconds' from public.signals where id = %s", mine
    )


@pytest.mark.parametrize("lease", [None, 0, 601])
def test_extending_by_nonsense_is_refused(world: World, lease: Any) -> None:
    world.accept(world.trader())
    with pytest.raises(psycopg.errors.InvalidParameterValue):
        call(world.worker, "extend_leases", [held(world.claim_one())], lease)


def test_a_deleted_account_ends_what_waits_for_it_with_a_reason(world: World) -> None:
    trader = world.trader()
    executing, waiting = world.accept(trader), world.accept(trader)
    one = world.claim_one()
    world.begin(order(one))
    with world.signed_in(trader.id) as connection:
        assert call(connection, "delete_api_key", trader.account) is True
    for signal_id, words in ((executing, "while it was executed"), (waiting, "before it was executed")):
        signal = world.signal(signal_id)
        assert (signal["status"], signal["reason_code"], signal["account_id"]) == (
            "failed",
            "no_account",
            None,
        )
        assert words in signal["reason"]
        assert world.rows("select 1 from public.audit_log where subject = %s", signal_id) == [(1,)]
    assert world.begin(order(one, leg=2)) == [{"signal_id": executing, "ok": False}]
    assert world.finish(held(one) | {"status": "done", "news": [filled()]}) == [
        {"signal_id": executing, "ok": False}
    ]
    assert world.claim() == []


def test_a_trader_who_leaves_while_his_signal_executes_leaves_nothing_but_the_audit(world: World) -> None:
    trader = world.trader()
    world.accept(trader)
    one = world.claim_one()
    world.begin(order(one))
    world.run("delete from auth.users where id = %s", trader.id)
    assert world.finish(held(one) | {"status": "done"}) == [{"signal_id": one["signal_id"], "ok": False}]
    for table in (
        "public.signals",
        "public.orders",
        "public.user_api_keys",
        "vault.secrets",
        "private.tasks",
        "private.webhook_credentials",
    ):
        assert world.value(f"select count(*) from {table}") == 0
    assert world.value("select count(*) from public.audit_log where user_id is null") > 0
    assert world.value("select count(*) from public.audit_log where user_id is not null") == 0


def test_a_dry_run_of_a_close_all_closes_nothing(world: World) -> None:
    trader = world.trader()
    world.accept(trader, symbol="ETHUSDT")
    world.accept(trader, action="close_all", dry_run=True)
    claimed = next(one for one in world.claim() if one["action"] == "close_all")
    assert world.finish(held(claimed) | {"status": "done", "reason_code": "dry_run", "reason": "Dry run."})
    assert world.value("select count(*) from public.signals where parent_id is not null") == 0
