"""Signals under review: what an operator sees, how he settles them, and what is refused."""

from typing import Any

import psycopg
import pytest

from tests.database.test_further_signals import PLAN, children
from tests.database.world import Trader, World, call, connect, fill, filled, held, order


def unclear(
    world: World, trader: Trader, *legs: dict[str, Any], state: str = "unknown", **fields: Any
) -> str:
    """Leave a signal under review whose orders nobody knows the outcome of."""
    world.accept(trader, **fields)
    claimed = world.claim_one()
    wanted = order(claimed)
    wanted["orders"] = [order(claimed, **leg)["orders"][0] for leg in legs or ({"leg": 1},)]
    assert world.begin(wanted | {"plan": PLAN})[0]["ok"]
    news = [{"leg": one["leg"], "state": state} for one in wanted["orders"] if state != "submitting"]
    result = {"status": "review", "reason_code": "outcome_unknown", "reason": "Nobody knows.", "news": news}
    assert world.finish(held(claimed) | result)[0]["ok"]
    return str(claimed["signal_id"])


def settle(world: World, signal_id: str, verdict: str, *fills: dict[str, Any], **changes: Any) -> Any:
    arguments = {"operator": "ada", "note": "Seen at the venue."} | changes
    with connect(world.url, "service_role") as operator:
        return call(
            operator,
            "settle_signal",
            signal_id,
            verdict,
            arguments["operator"],
            arguments["note"],
            list(fills),
        )


BOUGHT = {"leg": 1, "quantity": "1", "price": "101.5"}


def test_an_operator_sees_what_waits_oldest_first_with_what_it_holds_back(world: World) -> None:
    trader = world.trader()
    first = unclear(world, trader)
    second = unclear(world, trader, symbol="ETHUSDT")
    world.accept(trader)
    world.accept(trader, action="close")
    with connect(world.url, "service_role") as operator:
        waiting = call(operator, "review_signals")
    assert [(one["signal_id"], one["held_back"]) for one in waiting] == [(first, 1), (second, 0)]
    seen = waiting[0]
    assert (seen["user_id"], seen["reason"], seen["reason_code"]) == (
        trader.id,
        "Nobody knows.",
        "outcome_unknown",
    )
    assert seen["age_seconds"] >= 0
    assert [(one["leg"], one["state"], one["quantity"]) for one in seen["orders"]] == [(1, "unknown", "1")]


@pytest.mark.parametrize("state", ["submitting", "unknown", "absent"])
def test_what_was_executed_is_recorded_and_the_lane_is_free(world: World, state: str) -> None:
    trader = world.trader()
    signal_id = unclear(world, trader, state=state)
    waiting = world.accept(trader, symbol="BTCUSDT")
    assert world.claim() == []
    answer = settle(world, signal_id, "executed", BOUGHT)
    assert (answer["signal_id"], answer["status"]) == (signal_id, "done")
    assert answer["reason"] == (
        "Nobody knows. An operator looked at the venue: it was executed. (Seen at the venue.)"
    )
    written = world.row("select state, filled_quantity, average_price, client_order_id from public.orders")
    assert [str(value) for value in written[:3]] == ["filled", "1", "101.5"]
    filled_as = world.row("select venue_fill_id, price, quantity from public.fills")
    assert [str(value) for value in filled_as] == [f"settled/{written[3]}", "101.5", "1"]
    assert world.value("select entry_price from public.positions") == pytest.approx(101.5)
    protecting = world.claim_one()
    assert protecting["action"] == "protect"
    world.finish(held(protecting) | {"status": "done"})
    assert world.claim_one()["signal_id"] == waiting


def test_what_was_not_executed_ends_and_counts_no_more(world: World) -> None:
    trader = world.trader()
    signal_id = unclear(world, trader)
    world.run("update public.signals set entered_at = now() where id = %s", signal_id)
    assert settle(world, signal_id, "not_executed")["status"] == "failed"
    signal = world.signal(signal_id)
    assert (signal["reason_code"], signal["entered_at"]) == ("outcome_unknown", None)
    assert world.row("select state, reason_code from public.orders") == ("cancelled", "outcome_unknown")
    assert world.rows("select 1 from public.positions") == []


def test_a_verdict_is_told_to_the_trader_and_to_the_audit(world: World) -> None:
    trader = world.trader()
    signal_id = unclear(world, trader)
    settle(world, signal_id, "executed", BOUGHT)
    assert world.row(
        "select actor, detail ->> 'verdict', detail ->> 'note', detail #>> '{fills,0,price}'"
        " from public.audit_log where action = 'signal.settled' and subject = %s",
        signal_id,
    ) == ("operator/ada", "executed", "Seen at the venue.", "101.5")
    told = "select severity, title from public.notifications order by created_at desc limit 1"
    assert world.row(told) == ("info", "Buy of BTCUSDT is settled: it was executed")


def test_a_part_that_was_executed_is_that_part(world: World) -> None:
    trader = world.trader()
    signal_id = unclear(world, trader)
    settle(world, signal_id, "executed", BOUGHT | {"quantity": "0.25"})
    written = world.row("select state, filled_quantity from public.orders")
    assert [str(value) for value in written] == ["cancelled", "0.25"]
    # And its exits are placed.
    assert children(world, signal_id)["BTCUSDT"]["action"] == "protect"


def test_orders_that_are_not_named_were_not_executed_and_exits_go_with_their_entry(world: World) -> None:
    trader = world.trader()
    stop = {"side": "sell", "order_type": "stop", "purpose": "stop_loss", "stop_price": "98"}
    first = unclear(world, trader, {"leg": 1}, {"leg": 3, "attached_to": 1, **stop})
    settle(world, first, "executed", BOUGHT)
    states = "select leg, state from public.orders where signal_id = %s order by leg"
    assert world.rows(states, first) == [(1, "filled"), (3, "accepted")]
    second = unclear(
        world, trader, {"leg": 1}, {"leg": 3, "attached_to": 1, **stop}, {"leg": 2}, symbol="ETHUSDT"
    )
    settle(world, second, "executed", BOUGHT | {"leg": 2})
    assert world.rows(states, second) == [(1, "cancelled"), (2, "filled"), (3, "cancelled")]


def test_what_the_venue_is_known_to_have_stays_as_it_is(world: World) -> None:
    trader = world.trader()
    signal_id = unclear(world, trader, state="working")
    settle(world, signal_id, "not_executed")
    assert world.value("select state from public.orders") == "working"


@pytest.mark.parametrize(
    ("verdict", "fills", "changes", "sentence"),
    [
        ("perhaps", [], {}, "the verdict must be executed or not_executed"),
        (None, [], {}, "the verdict must be executed or not_executed"),
        ("executed", [], {}, "executed needs what was filled"),
        ("not_executed", [BOUGHT], {}, "executed needs what was filled"),
        ("not_executed", [], {"operator": " "}, "a verdict needs the operator's name"),
        ("not_executed", [], {"note": None}, "a verdict needs the operator's name"),
        ("executed", [BOUGHT | {"leg": 2}], {}, "leg 2 is no order of this signal"),
        ("executed", [BOUGHT, BOUGHT], {}, "leg 1 is no order of this signal that is still unknown"),
        ("executed", [BOUGHT | {"quantity": "1.1"}], {}, "leg 1 was for 1"),
        ("executed", [BOUGHT | {"quantity": "0"}], {}, "leg 1 was for 1"),
        ("executed", [BOUGHT | {"price": "0.0"}], {}, "leg 1 was for 1"),
        ("executed", [BOUGHT | {"price": "-1"}], {}, "each fill is"),
        ("executed", [BOUGHT | {"price": "NaN"}], {}, "each fill is"),
        ("executed", [{"leg": 1}], {}, "each fill is"),
        ("executed", [[]], {}, "each fill is"),
    ],
)
def test_a_verdict_that_makes_no_sense_changes_nothing(
    shared: World, verdict: str, fills: list[Any], changes: dict[str, Any], sentence: str
) -> None:
    trader = shared.trader()
    signal_id = unclear(shared, trader)
    with pytest.raises(psycopg.errors.InvalidParameterValue, match=sentence) as caught:
        settle(shared, signal_id, verdict, *fills, **changes)
    assert caught.value.diag.message_hint
    assert shared.signal(signal_id)["status"] == "review"


def test_only_what_is_under_review_is_settled_and_only_once(world: World) -> None:
    trader = world.trader()
    pending = world.accept(trader)
    with pytest.raises(psycopg.errors.InvalidParameterValue, match="no signal of this id waits"):
        settle(world, pending, "not_executed")
    world.finish(held(world.claim_one()) | {"status": "done"})
    signal_id = unclear(world, trader)
    settle(world, signal_id, "executed", BOUGHT)
    with pytest.raises(psycopg.errors.InvalidParameterValue, match="no signal of this id waits"):
        settle(world, signal_id, "executed", BOUGHT)
    assert world.value("select quantity from public.positions") == 1


def test_everything_about_a_signal_is_told_to_the_operator_and_to_its_trader(world: World) -> None:
    trader, other = world.trader(), world.trader()
    signal_id = world.accept(trader)
    claimed = world.claim_one()
    assert world.begin(order(claimed) | {"plan": PLAN})[0]["ok"]
    check = {"name": "max_leverage", "ok": True, "value": "1", "limit": "5"}
    result = {"status": "done", "reason": "Bought.", "explanation": {"checks": [check], "plan": None}}
    world.finish(held(claimed) | result | {"news": [filled(fills=[fill("f", fee="0.1")])]})
    with connect(world.url, "service_role") as operator:
        whole = call(operator, "explain_signal", signal_id)
        assert call(operator, "explain_signal", trader.id) is None
    with world.signed_in(trader.id) as connection:
        own = call(connection, "my_signal", signal_id)
    with world.signed_in(other.id) as connection:
        assert call(connection, "my_signal", signal_id) is None
    assert own.items() <= whole.items()
    assert whole.keys() - own.keys() == {
        *("user_id", "lane", "seq", "attempt", "fence", "claimed_by", "lease_until", "audit")
    }
    assert own["checks"] == [check]
    assert own["plan"] == PLAN
    assert (own["status"], own["reason"], own["parent_id"], own["children"]) == ("done", "Bought.", None, [])
    assert own["orders"][0]["fills"] == [
        {
            "venue_fill_id": "f",
            "price": "100",
            "quantity": "1",
            "fee": "0.1",
            "fee_currency": "USD",
            "filled_at": "2026-11-22T10:00:00+00:00",
        }
    ]
    assert own["times"].keys() == {
        *("alert_at", "received_at", "claimed_at", "entered_at"),
        *("submitted_at", "acknowledged_at", "finished_at"),
    }
    assert [one["action"] for one in whole["audit"]] == ["signal.finished"]


def test_what_a_rejected_signal_would_have_sent_is_told(world: World) -> None:
    trader = world.trader()
    signal_id = world.accept(trader)
    explanation = {"checks": [], "plan": PLAN}
    world.finish(held(world.claim_one()) | {"status": "done", "explanation": explanation})
    with world.signed_in(trader.id) as connection:
        assert call(connection, "my_signal", signal_id)["plan"] == PLAN


def test_a_claim_that_finds_what_was_settled_meanwhile_counts_it_no_second_time(world: World) -> None:
    trader = world.trader()
    entry = unclear(world, trader)
    world.accept(trader, action="close")
    closing = world.claim_one()
    settle(world, entry, "executed", BOUGHT)
    found = filled(filled_quantity="1", average_price="101.5", fills=[fill("7")]) | {"signal_id": entry}
    assert world.begin(order(closing, side="sell", purpose="close") | {"news": [found]})[0]["ok"]
    assert world.value("select quantity from public.positions") == 1
    assert world.value("select count(*) from public.fills where starts_with(venue_fill_id, 'settled')") == 1
    assert world.value("select count(*) from public.fills") == 1


def test_a_leg_in_another_spelling_is_that_leg_and_named_twice_in_two(world: World) -> None:
    trader = world.trader()
    signal_id = unclear(world, trader)
    with pytest.raises(psycopg.errors.InvalidParameterValue, match="named twice"):
        settle(world, signal_id, "executed", BOUGHT | {"leg": "01"}, BOUGHT)
    settle(world, signal_id, "executed", BOUGHT | {"leg": "01"})
    assert world.value("select state from public.orders") == "filled"
