"""What a new trader starts with, and that nothing of it costs anybody a sign-up."""

# ruff: noqa: S608 - the names of tables in statements are this file's own

import json
import uuid
from typing import Any, LiteralString

import pytest

from tests.database.races import at_once
from tests.database.world import BUY, World, call, connect

BREAK_VAULT = "alter function vault.create_secret(text, text, text, uuid) rename to gone"
MEND_VAULT = "alter function vault.gone(text, text, text, uuid) rename to create_secret"
# What a trader has after signing up; each is one row.
PROVISIONED: tuple[LiteralString, ...] = (
    "public.user_profiles",
    "public.subscriptions",
    "private.ingest_state",
    "public.trade_settings_global",
    "public.user_webhook_configs",
)


def counts(world: World) -> dict[str, int]:
    return {table: world.value(f"select count(*) from {table}") for table in PROVISIONED}


def provisioned(world: World) -> list[Any]:
    """Return all rows as text: equal before and after means that nothing was touched."""
    return [world.rows(f"select t::text from {table} t order by 1") for table in PROVISIONED]


def provision(world: World, trader: str) -> None:
    with connect(world.url, "postgres") as connection:
        call(connection, "private.provision_trader", trader)


def work(world: World) -> dict[str, Any]:
    """Let a worker do the waiting task of provisioning, and return how it went."""
    world.run("update private.tasks set run_at = now() - interval '1 second' where kind = 'provision_trader'")
    claimed = call(world.worker, "claim_tasks", "w1", 10, 60)
    (task,) = (one for one in claimed if one["kind"] == "provision_trader")
    result: dict[str, Any] = call(world.worker, "work_task", task["task_id"], task["fence"])
    ended = {"task_id": task["task_id"], "fence": task["fence"], "ok": "error" not in result}
    retry = {} if ended["ok"] else {"error": result["error"], "retry_in_seconds": 1}
    assert call(world.worker, "finish_tasks", [ended | retry])[0]["ok"] is True
    return result


def waiting(world: World) -> list[tuple[Any, ...]]:
    return world.rows("select kind, user_id::text from private.tasks where state = 'pending'")


def test_a_new_trader_has_a_profile_a_plan_and_a_webhook_that_works(world: World) -> None:
    trader = world.sign_up("ann@example.com")
    assert set(counts(world).values()) == {1}
    assert world.value("select email from public.user_profiles where id = %s", trader) == "ann@example.com"
    assert world.row("select plan, status from public.subscriptions") == ("Free", "active")
    with world.signed_in(trader) as connection:
        rows = connection.execute("select id, name, active from public.user_webhook_configs").fetchall()
        assert [(name, active) for _, name, active in rows] == [("TradingView", True)]
        shown = call(connection, "reveal_webhook", rows[0][0])
    # He has no account yet, so the alert is refused; but by its sentence, and not as unknown.
    answer = call(world.edge, "ingest_alert", shown["token"], json.dumps(BUY), "1.2.3.4", {})
    assert (answer["http"], answer["body"]["reason_code"]) == (422, "no_account")
    assert waiting(world) == []
    assert world.rows("select actor, action from public.audit_log order by id limit 1") == [
        ("sign_up", "webhook.created")
    ]


@pytest.mark.parametrize(
    "metadata",
    ["{}", "[]", '"x"', "null", None, '{"full_name": {"a": 1}}', '{"full_name": null, "avatar_url": 7}'],
)
def test_odd_metadata_is_no_obstacle(shared: World, metadata: str | None) -> None:
    trader = str(uuid.uuid4())
    shared.run(
        "insert into auth.users (id, email, raw_user_meta_data) values (%s, null, %s)", trader, metadata
    )
    assert shared.value("select count(*) from public.user_webhook_configs where user_id = %s", trader) == 1
    assert shared.value("select email from public.user_profiles where id = %s", trader) is None


def test_long_metadata_is_cut_or_left_out(shared: World) -> None:
    trader = str(uuid.uuid4())
    metadata = json.dumps({"full_name": "n" * 1_000_000, "avatar_url": "https://" + "a" * 1_000_000})
    shared.run("insert into auth.users (id, raw_user_meta_data) values (%s, %s)", trader, metadata)
    row = shared.row("select length(full_name), avatar_url from public.user_profiles where id = %s", trader)
    assert row == (200, None)


def test_a_sign_up_stands_when_vault_fails_and_a_task_completes_it(world: World) -> None:
    world.run(BREAK_VAULT)
    trader = world.sign_up()
    assert counts(world) == dict.fromkeys(PROVISIONED, 1) | {"public.user_webhook_configs": 0}
    assert waiting(world) == [("provision_trader", trader)]
    assert "42883" in work(world)["error"]
    world.run(MEND_VAULT)
    assert work(world) == {"ok": True, "more": False}
    assert set(counts(world).values()) == {1}


def test_a_failure_is_told_to_the_log_with_its_code(world: World) -> None:
    world.run(BREAK_VAULT)
    told: list[str] = []
    world.admin.add_notice_handler(lambda notice: told.append(notice.message_primary or ""))
    trader = world.sign_up()
    assert [message for message in told if trader in message and "42883" in message] != []


@pytest.mark.parametrize("table", [*PROVISIONED, "private.tasks"])
def test_a_sign_up_stands_whatever_cannot_be_written(world: World, table: str) -> None:
    world.run(
        "create function public.broken() returns trigger language plpgsql as"
        " $$begin raise exception 'disk on fire' using errcode = '58030'; end$$"
    )
    world.run(f"create trigger broken before insert on {table} execute function public.broken()")
    if table == "private.tasks":
        world.run(BREAK_VAULT)
    trader = world.sign_up()
    assert world.value("select count(*) from auth.users where id = %s", trader) == 1
    assert waiting(world) == ([] if table == "private.tasks" else [("provision_trader", trader)])
    world.run(f"drop trigger broken on {table}")
    if table == "private.tasks":
        world.run(MEND_VAULT)
    provision(world, trader)
    assert set(counts(world).values()) == {1}


def test_provisioning_again_changes_nothing(world: World) -> None:
    trader = world.sign_up()
    world.run("update public.subscriptions set plan = 'Pro'")
    world.run("update public.user_profiles set full_name = 'Chosen'")
    world.run("update public.user_webhook_configs set name = 'Mine'")
    before = provisioned(world)
    provision(world, trader)
    assert provisioned(world) == before


def test_provisioning_many_times_at_once_makes_one_of_each(world: World) -> None:
    world.run("alter table auth.users disable trigger sparky_on_sign_up")
    trader = world.sign_up()
    assert set(counts(world).values()) == {0}
    at_once(world, "postgres", 4, lambda connection, _: call(connection, "private.provision_trader", trader))
    assert set(counts(world).values()) == {1}


def test_who_is_gone_is_provisioned_in_silence(world: World) -> None:
    provision(world, str(uuid.uuid4()))
    assert set(counts(world).values()) == {0}


@pytest.mark.parametrize(
    "leftover",
    [
        "insert into public.user_profiles (id, full_name) values (new.id, 'Left')",
        "insert into public.subscriptions (user_id, plan) values (new.id, 'Pro')",
        "insert into private.ingest_state (user_id) values (new.id)",
        "insert into public.trade_settings_global (user_id, enabled) values (new.id, false)",
        (
            "insert into public.user_webhook_configs (user_id, name, secret_id, hint, secret_hint)"
            " values (new.id, 'TradingView', gen_random_uuid(), 'x', 'x')"
        ),
    ],
)
def test_a_row_that_is_there_already_is_no_obstacle(world: World, leftover: LiteralString) -> None:
    # A trigger that runs before ours stands for whatever else a project may do when somebody signs up.
    world.run(
        "create function public.leave() returns trigger language plpgsql as"
        f" $$begin {leftover}; return null; end$$"
    )
    world.run(
        "create trigger a_leftover after insert on auth.users for each row execute function public.leave()"
    )
    world.sign_up()
    assert set(counts(world).values()) == {1}
    assert waiting(world) == []


def test_a_sign_up_through_the_auth_server_is_provisioned(world: World) -> None:
    trader = str(uuid.uuid4())
    with connect(world.url, "supabase_auth_admin") as connection:
        connection.execute("insert into auth.users (id, email) values (%s, 'a@example.com')", (trader,))
        connection.execute("update auth.users set email = 'b@example.com' where id = %s", (trader,))
    assert set(counts(world).values()) == {1}
    assert world.value("select email from public.user_profiles where id = %s", trader) == "b@example.com"


def test_a_changed_address_is_followed_for_its_trader_only(world: World) -> None:
    trader, other = world.sign_up("a@example.com"), world.sign_up("other@example.com")
    world.run("update auth.users set email = 'new@example.com' where id = %s", trader)
    world.run("update auth.users set role = 'authenticated' where id = %s", other)
    assert dict(world.rows("select id::text, email from public.user_profiles")) == {
        trader: "new@example.com",
        other: "other@example.com",
    }
    world.run("update auth.users set email = null where id = %s", trader)
    assert world.value("select email from public.user_profiles where id = %s", trader) is None


def test_a_trader_who_leaves_takes_the_first_webhook_and_its_secret_along(world: World) -> None:
    trader = world.sign_up()
    world.run("delete from auth.users where id = %s", trader)
    assert set(counts(world).values()) == {0}
    assert world.value("select count(*) from vault.secrets") == 0
    assert world.value("select count(*) from private.webhook_credentials") == 0
