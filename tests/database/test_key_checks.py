"""What a validation finds out about keys, when they end, and keys that their venue has rotated."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from tests.database.test_keys import (
    BOTH,
    account_row,
    claim_validations,
    count,
    finish_task,
    openings,
    save_plain,
    save_sealed,
    vaulted,
)
from tests.database.world import SEALED, World, call

ROTATED = SEALED.replace("A", "B")
CHECK = {
    "account_number": "101-001-1",
    "permissions": ["read", "trade"],
    "expires_at": None,
    "notes": ["The keys are for practice."],
}


def validated(world: World, **changes: Any) -> None:
    finish_task(world, ok=True, account_status="valid", **CHECK | changes)


def told(row: dict[str, Any]) -> tuple[Any, ...]:
    return row["found_account_id"], row["permissions"], row["notes"], row["expires_at"]


def number_for_worker(world: World, account: str) -> Any:
    return world.value("select private.account_for_worker(%s) -> 'account_number'", account)


def test_what_the_venue_says_of_keys_is_shown_to_their_owner(world: World) -> None:
    trader = world.trader()
    validated(world, expires_at="2030-01-02T03:04:05+00:00")
    with world.signed_in(trader.id) as connection:
        (shown,) = call(connection, "list_api_keys")
    assert told(shown) == (
        "101-001-1",
        ["read", "trade"],
        ["The keys are for practice."],
        "2030-01-02T03:04:05+00:00",
    )
    assert (shown["status"], shown["status_reason"], shown["account_id"]) == ("valid", None, None)


def test_a_number_that_was_found_goes_to_the_worker_until_the_trader_gives_one(world: World) -> None:
    trader = world.sign_up()
    account = save_plain(world, trader, BOTH)
    assert number_for_worker(world, account) is None
    validated(world)
    assert number_for_worker(world, account) == "101-001-1"
    save_plain(world, trader, {}, {"account_id": "101-001-2"})
    assert number_for_worker(world, account) == "101-001-2"
    validated(world)
    assert account_row(world, account)["account_id"] == "101-001-2"


def test_other_keys_begin_with_nothing_known_of_them(world: World) -> None:
    trader = world.sign_up()
    account = save_sealed(world, trader)
    validated(world, expires_at="2030-01-02T03:04:05+00:00")
    assert save_sealed(world, trader) == account
    assert told(account_row(world, account)) == (None, [], [], None)
    assert number_for_worker(world, account) is None


def test_a_number_that_changes_has_the_same_keys_validated_again(world: World) -> None:
    trader = world.sign_up()
    account = save_plain(world, trader, BOTH)
    finish_task(world, ok=True, account_status="invalid", status_reason="Several accounts: give one.")
    save_plain(world, trader, {}, {"account_id": "101-001-2"})
    row = account_row(world, account)
    assert (row["status"], row["status_reason"], row["key_version"]) == ("pending", None, 1)
    assert len(claim_validations(world)) == 1
    save_plain(world, trader, {}, {"account_id": "101-001-2", "base_url": "x"}, label="Other")
    assert count(world, "tasks") == 2


def test_keys_that_the_venue_refuses_keep_what_was_known_of_them(world: World) -> None:
    trader = world.trader()
    validated(world)
    world.run("delete from private.tasks")
    with world.signed_in(trader.id) as connection:
        call(connection, "request_validation", trader.account)
    finish_task(world, ok=True, account_status="invalid", status_reason="Revoked.")
    row = account_row(world, trader.account)
    assert (row["status"], told(row)) == ("invalid", ("101-001-1", ["read", "trade"], CHECK["notes"], None))


def test_what_a_venue_says_is_cut_to_what_a_row_holds(world: World) -> None:
    trader = world.trader()
    validated(world, account_number="1" * 101, permissions=["p" * 9999] * 99, notes=None)
    row = account_row(world, trader.account)
    assert (row["found_account_id"], row["notes"]) == (None, [])
    assert row["permissions"] == ["p" * 500] * 20


def in_seconds(seconds: float) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()


def expiries(world: World) -> list[tuple[Any, ...]]:
    return world.rows("select kind, severity from public.notifications where kind like 'keys_%%'")


def test_keys_that_have_ended_are_expired_and_their_owner_is_told_once(world: World) -> None:
    trader = world.trader()
    validated(world, expires_at=in_seconds(-60))
    row = account_row(world, trader.account)
    assert row["status"] == "expired"
    assert row["status_reason"].startswith("The keys ended at the venue on 20")
    assert row["status_reason"].endswith("make new ones there and save them.")
    assert expiries(world) == [("keys_expired", "critical")]
    with world.signed_in(trader.id) as connection:
        call(connection, "request_validation", trader.account)
    validated(world, expires_at=in_seconds(-60))
    assert account_row(world, trader.account)["status"] == "expired"
    assert expiries(world) == [("keys_expired", "critical")]


def test_keys_expire_between_two_validations_too(world: World) -> None:
    trader = world.trader()
    validated(world, expires_at=in_seconds(3600))
    assert account_row(world, trader.account)["status"] == "valid"
    for ends, status in ((3600, "valid"), (-1, "expired"), (-1, "expired")):
        world.run("update public.user_api_keys set expires_at = %s", in_seconds(ends))
        world.run("update private.reconciliations set due_at = now()")
        (claimed,) = call(world.worker, "claim_accounts", "w1", 10, 60)
        done = {"account_id": trader.account, "fence": claimed["fence"], "due_in_seconds": 60}
        assert call(world.worker, "finish_accounts", [done])[0]["ok"] is True
        assert account_row(world, trader.account)["status"] == status
    assert expiries(world) == [("keys_expired", "critical")]


def rotate(world: World, account: str, version: int | None, sealed: Any = ROTATED) -> Any:
    return call(world.worker, "rotate_keys", "w2", account, version, sealed)


def test_rotated_keys_take_the_place_of_those_that_were_opened(world: World) -> None:
    trader = world.sign_up()
    account = save_plain(world, trader, BOTH)
    assert rotate(world, account, 1) is None, "without work on the account"
    claim_validations(world)
    assert rotate(world, account, 1) == 2
    assert vaulted(world, account) == ROTATED
    row = account_row(world, account)
    assert (row["form"], row["key_version"], row["status"]) == ("sealed", 2, "pending")
    assert count(world, "tasks") == 1
    assert world.rows("select actor, detail from public.audit_log where action = 'api_key.rotated'") == [
        ("worker/w2", {"exchange": "aster", "environment": "production", "key_version": 2})
    ]


def test_the_slower_of_two_workers_overwrites_nothing(world: World) -> None:
    account = save_sealed(world, world.sign_up())
    claim_validations(world)
    assert rotate(world, account, 1) == 2
    assert rotate(world, account, 1, SEALED.replace("A", "C")) is None
    assert vaulted(world, account) == ROTATED


def test_keys_that_the_trader_has_replaced_are_not_overwritten(world: World) -> None:
    trader = world.sign_up()
    account = save_sealed(world, trader)
    claim_validations(world)
    save_plain(world, trader, BOTH)
    for version in (1, 3, None):
        assert rotate(world, account, version) is None
    assert json.loads(vaulted(world, account)) == BOTH


@pytest.mark.parametrize("sealed", [None, "", "plain", json.dumps(BOTH)])
def test_only_sealed_text_is_stored_for_rotated_keys(world: World, sealed: Any) -> None:
    account = save_sealed(world, world.sign_up())
    claim_validations(world)
    with pytest.raises(psycopg.errors.InvalidParameterValue):
        rotate(world, account, 1, sealed)
    assert vaulted(world, account) == SEALED
    assert openings(world) == []
