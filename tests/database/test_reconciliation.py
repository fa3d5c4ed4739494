"""Accounts are compared with their venues: leased, and told when what differs has changed."""

from typing import Any

from tests.database.world import Trader, World, call, filled, held, order

DIFFERENCE = {"symbol": "BTCUSDT", "ours": "0", "venue": "1"}


def claim_account(world: World, trader: Trader, worker: str = "w1") -> dict[str, Any]:
    # Only this trader's account is due, whatever other tests left behind.
    world.run("update private.reconciliations set due_at = now() + interval '1 day'")
    world.run("update private.reconciliations set due_at = now() where account_id = %s", trader.account)
    claimed = call(world.worker, "claim_accounts", worker, 10, 60)
    assert [one["account"]["id"] for one in claimed] == [trader.account]
    return dict(claimed[0])


def finish(world: World, claimed: dict[str, Any], **result: Any) -> dict[str, Any]:
    sent = {"account_id": claimed["account"]["id"], "fence": claimed["fence"], "due_in_seconds": 60} | result
    answered = call(world.worker, "finish_accounts", [sent])
    return dict(answered[0])


def audits(world: World, trader: Trader) -> int:
    return int(
        world.value(
            "select count(*) from public.audit_log where subject = %s and action = 'account.compared'",
            trader.account,
        )
    )


def test_an_account_is_claimed_once_and_due_again_later(world: World) -> None:
    trader = world.trader()
    claimed = claim_account(world, trader)
    assert claimed["positions"] == []
    assert claimed["orders"] == []
    assert call(world.worker, "claim_accounts", "w2", 10, 60) == []
    assert finish(world, claimed)["ok"] is True
    assert call(world.worker, "claim_accounts", "w2", 10, 60) == []
    world.run("update private.reconciliations set due_at = now()")
    assert len(call(world.worker, "claim_accounts", "w2", 10, 60)) == 1


def test_a_late_worker_records_nothing(world: World) -> None:
    trader = world.trader()
    first = claim_account(world, trader)
    world.run("update private.reconciliations set lease_until = now() - interval '1 second'")
    second = claim_account(world, trader, "w2")
    assert finish(world, first, differences=[DIFFERENCE])["ok"] is False
    assert finish(world, second)["ok"] is True
    assert finish(world, second)["ok"] is False
    assert audits(world, trader) == 0


def test_a_difference_is_told_when_it_changes(world: World) -> None:
    trader = world.trader()
    for found, told in (([DIFFERENCE], 1), ([DIFFERENCE], 1), ([], 2), ([], 2)):
        assert finish(world, claim_account(world, trader), differences=found)["ok"] is True
        assert audits(world, trader) == told


def test_a_symbol_that_is_traded_meanwhile_is_left_out(world: World) -> None:
    trader = world.trader()
    claimed = claim_account(world, trader)
    world.accept(trader)
    world.claim_one()
    finish(world, claimed, differences=[DIFFERENCE])
    assert audits(world, trader) == 0


def test_news_of_an_order_that_nobody_executes_any_more(world: World) -> None:
    trader = world.trader()
    world.accept(trader)
    order = world.claim_one()
    world.begin(
        {
            "signal_id": order["signal_id"],
            "fence": order["fence"],
            "plan": {},
            "orders": [
                {
                    "symbol": "BTCUSDT",
                    "purpose": "open",
                    "extended_hours": False,
                    "leg": 1,
                    "client_order_id": "sp" + "0" * 26,
                    "side": "buy",
                    "order_type": "market",
                    "quantity": "1",
                    "reduce_only": False,
                    "reference_price": "100",
                }
            ],
        }
    )
    working = {"leg": 1, "state": "working", "venue_order_id": "7", "elapsed_ms": 5}
    ended = {"signal_id": order["signal_id"], "fence": order["fence"], "status": "done", "news": [working]}
    call(world.worker, "finish_signals", [ended])
    claimed = claim_account(world, trader)
    assert [one["client_order_id"] for one in claimed["orders"]] == ["sp" + "0" * 26]
    fill = {
        "venue_fill_id": "1",
        "price": "100",
        "quantity": "1",
        "fee": "0",
        "fee_currency": "USD",
        "filled_at": "2026-11-22T10:00:00Z",
    }
    news = {
        "signal_id": order["signal_id"],
        "leg": 1,
        "state": "filled",
        "filled_quantity": "1",
        "fills": [fill],
    }
    assert finish(world, claimed, news=[news])["ok"] is True
    assert world.value("select state from public.orders where signal_id = %s", order["signal_id"]) == "filled"
    assert world.value("select quantity from public.positions where account_id = %s", trader.account) == 1


def test_what_does_not_fit_is_answered_and_undone(world: World) -> None:
    trader = world.trader()
    answer = finish(world, claim_account(world, trader), due_in_seconds="soon")
    assert answer["ok"] is False
    assert answer["sqlstate"] == "22P02"


def test_keys_that_a_comparison_found_refused_are_validated_once(world: World) -> None:
    trader = world.trader()
    waiting = "select count(*) from private.tasks where kind = 'validate_key' and state = 'pending'"
    world.run("delete from private.tasks")
    for status, refused, tasks in (("valid", None, 0), ("valid", True, 1), ("valid", True, 1)):
        world.run("update public.user_api_keys set status = %s", status)
        assert finish(world, claim_account(world, trader), differences=None, keys_refused=refused)["ok"]
        assert world.value(waiting) == tasks
    world.run("delete from private.tasks")
    world.run("update public.user_api_keys set status = 'invalid'")
    assert finish(world, claim_account(world, trader), differences=None, keys_refused=True)["ok"]
    assert world.value(waiting) == 0


def test_an_account_with_a_working_order_is_compared_soon(world: World) -> None:
    trader = world.trader()
    finish(world, claim_account(world, trader))
    due = "select due_at - clock_timestamp() < interval '11 seconds' from private.reconciliations"
    assert world.value(due) is False
    for symbol, news, soon in (
        ("BTCUSDT", filled(), False),
        ("ETHUSDT", {"leg": 1, "state": "working"}, True),
    ):
        world.accept(trader, symbol=symbol)
        claimed = world.claim_one()
        world.begin(order(claimed))
        assert world.finish(held(claimed) | {"status": "done", "news": [news]})[0]["ok"]
        assert world.value(due) is soon


def test_an_account_that_is_being_compared_keeps_its_lease(world: World) -> None:
    trader = world.trader()
    claimed = claim_account(world, trader)
    world.accept(trader)
    working = world.claim_one()
    world.begin(order(working))
    world.finish(held(working) | {"status": "done", "news": [{"leg": 1, "state": "working"}]})
    assert finish(world, claimed)["ok"] is True
