"""The operator's switches, and what traders see of them."""

import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import psycopg
import pytest

from tests.database.world import World, call, connect

NOT_ALLOWED = psycopg.errors.InsufficientPrivilege
OPEN = {"trading_halted": False, "halt_reason": None, "announcement": None}


def operate(world: World, function: str, *arguments: Any) -> Any:
    with closing(connect(world.url, "service_role")) as connection:
        return call(connection, function, *arguments)


def test_a_halt_and_its_reason_reach_every_trader_and_the_next_claim(world: World) -> None:
    trader = world.trader()
    answer = operate(world, "halt_trading", "  The exchange is down.  ")
    halted = {"trading_halted": True, "halt_reason": "The exchange is down.", "announcement": None}
    assert answer == halted
    with world.signed_in(trader.id) as connection:
        assert call(connection, "platform_status") == halted
    world.accept(trader)
    settings = world.claim_one()["settings"]
    assert (settings["trading_halted"], settings["halt_reason"]) == (True, "The exchange is down.")
    assert operate(world, "resume_trading") == OPEN
    world.accept(trader, symbol="ETHUSDT")
    settings = world.claim_one()["settings"]
    assert (settings["trading_halted"], settings["halt_reason"]) == (False, None)


def test_every_act_of_the_operator_is_on_record(world: World) -> None:
    operate(world, "halt_trading", "maintenance")
    operate(world, "resume_trading")
    operate(world, "announce", "New symbols on Monday.")
    operate(world, "set_api_url", "https://api.example.com/")
    rows = world.rows("select user_id, actor, action, detail from public.audit_log order by id")
    assert rows == [
        (None, "operator", "platform.halted", {"trading_halted": True, "halt_reason": "maintenance"}),
        (None, "operator", "platform.resumed", {"trading_halted": False, "halt_reason": None}),
        (None, "operator", "platform.announced", {"announcement": "New symbols on Monday."}),
        (None, "operator", "platform.api_url", {"api_url": "https://api.example.com"}),
    ]
    assert world.value("select updated_by from private.platform_state") == "service_role"


def test_an_announcement_leaves_a_halt_as_it_is_and_goes_away_again(world: World) -> None:
    operate(world, "halt_trading", "maintenance")
    assert operate(world, "announce", "Back at noon.")["announcement"] == "Back at noon."
    assert operate(world, "announce", None) == OPEN | {"trading_halted": True, "halt_reason": "maintenance"}


def test_a_halt_set_meanwhile_outlives_an_announcement(world: World) -> None:
    with connect(world.url) as halting, ThreadPoolExecutor(1) as pool:
        halting.autocommit = False
        halting.execute("select from private.platform_state for update")
        announcing = pool.submit(operate, world, "announce", "Back at noon.")
        while not world.value(
            "select count(*) from pg_stat_activity where cardinality(pg_blocking_pids(pid)) > 0"
        ):
            assert not announcing.done()
        call(halting, "halt_trading", "maintenance")
        halting.commit()
        answer = announcing.result(20)
    assert answer == {"trading_halted": True, "halt_reason": "maintenance", "announcement": "Back at noon."}


def test_a_platform_whose_state_is_lost_is_halted_until_it_is_resumed(world: World) -> None:
    world.run("delete from private.platform_state")
    trader = world.trader()
    world.accept(trader)
    assert world.claim_one()["settings"]["trading_halted"] is True
    with world.signed_in(trader.id) as connection:
        assert call(connection, "platform_status")["trading_halted"] is True
    assert operate(world, "resume_trading") == OPEN


def test_there_is_one_platform(world: World) -> None:
    for row in ("default", "false"):
        with pytest.raises(psycopg.errors.IntegrityError):
            world.admin.execute(f"insert into private.platform_state (id) values ({row})")  # noqa: S608


@pytest.mark.parametrize(
    ("function", "argument", "sentence"),
    [
        ("halt_trading", None, "a halt needs a reason"),
        ("halt_trading", "   ", "a halt needs a reason"),
        ("halt_trading", "x" * 1_000_000, "a halt needs a reason"),
        ("announce", "x" * 2001, "at most 2000 characters, not 2001"),
        ("set_api_url", "http://example.com", "not the address of an API"),
        ("set_api_url", "https://user:password@example.com", "not the address of an API"),
        ("set_api_url", "https://example.com/?a=b", "not the address of an API"),
        ("set_api_url", "https://example.com/\nx", "not the address of an API"),
        ("set_api_url", "https://" + "a" * 1_000_000, "not the address of an API"),
    ],
)
def test_what_makes_no_sense_is_refused_and_changes_nothing(
    shared: World, function: str, argument: str | None, sentence: str
) -> None:
    before = shared.value("select to_jsonb(p) from private.platform_state p")
    with pytest.raises(psycopg.errors.InvalidParameterValue, match=sentence) as caught:
        operate(shared, function, argument)
    assert caught.value.diag.message_hint
    assert shared.value("select to_jsonb(p) from private.platform_state p") == before
    assert shared.value("select count(*) from public.audit_log") == 0


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        ("https://abc.supabase.co", "https://abc.supabase.co"),
        (" https://api.example.com:8443/base/ ", "https://api.example.com:8443/base"),
        ("http://127.0.0.1:54321", "http://127.0.0.1:54321"),
        ("", None),
        (None, None),
    ],
)
def test_addresses_are_stored_without_a_slash_at_the_end(
    world: World, given: str | None, stored: str | None
) -> None:
    assert operate(world, "set_api_url", given) == stored
    assert world.value("select api_url from private.platform_state") == stored


@pytest.mark.parametrize(
    "role", ["anon", "authenticated", "sparky_worker", "sparky_edge", "dashboard_server"]
)
def test_only_the_operator_switches(shared: World, role: str) -> None:
    acts: dict[str, list[Any]] = {
        "halt_trading": ["no"],
        "resume_trading": [],
        "announce": ["no"],
        "set_api_url": [None],
    }
    with shared.signed_in("00000000-0000-0000-0000-000000000000", role) as connection:
        for function, arguments in acts.items():
            with pytest.raises(NOT_ALLOWED):
                call(connection, function, *arguments)
    assert json.loads(shared.value("select private.platform_answer()::text")) == OPEN
