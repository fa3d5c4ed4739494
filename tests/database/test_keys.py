"""Exchange keys in both forms: how they are saved and merged, who opens them, and when."""

import json
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from tests.database.world import SEALED, World, call

KEY, SECRET = "the-api-key-of-1234", "the-api-secret-of-5678"
BOTH = {"api_key": KEY, "api_secret": SECRET}


def save_plain(
    world: World,
    trader: str,
    secrets: Any,
    public: Any = None,
    *,
    exchange: str = "aster",
    label: str | None = None,
) -> str:
    """Save plain keys the way the view of the dashboard does: as the owner of the schema."""
    row = world.admin.execute(
        "select private.save_plain_keys(%s, %s, 'production', %s, %s, %s)",
        (trader, exchange, label, Jsonb(secrets), Jsonb(public) if public is not None else None),
    ).fetchone()
    assert row is not None
    return str(row[0])


def save_sealed(world: World, trader: str, *more: Any) -> str:
    with world.signed_in(trader) as connection:
        return str(call(connection, "save_api_key", "aster", "production", "A", SEALED, "abcd", *more))


def vaulted(world: World, account: str) -> str:
    return str(
        world.value(
            "select decrypted_secret from vault.decrypted_secrets where name = %s", f"api_key/{account}"
        )
    )


def account_row(world: World, account: str) -> dict[str, Any]:
    return dict(world.value("select to_jsonb(k) from public.user_api_keys k where id = %s", account))


def count(world: World, table: str) -> int:
    return int(
        world.value(
            {
                "tasks": "select count(*) from private.tasks where kind = 'validate_key'",
                "accounts": "select count(*) from public.user_api_keys",
                "secrets": "select count(*) from vault.secrets where name like 'api_key/%%'",
            }[table]
        )
    )


def test_plain_keys_lie_in_vault_and_nowhere_else(world: World) -> None:
    trader = world.sign_up()
    account = save_plain(world, trader, BOTH | {"passphrase": None, "username": ""}, label="Mine")
    assert json.loads(vaulted(world, account)) == BOTH
    row = account_row(world, account)
    assert (row["form"], row["secret_fields"], row["hint"]) == ("plain", ["api_key", "api_secret"], "1234")
    assert (row["label"], row["status"], row["key_version"]) == ("Mine", "pending", 1)
    for table in ("public.user_api_keys", "public.audit_log", "private.tasks", "vault.secrets"):
        stored = world.value(f"select string_agg(t::text, '') from {table} t")  # noqa: S608
        assert KEY not in stored
        assert SECRET not in stored
    assert world.rows("select detail from public.audit_log where action = 'api_key.saved'") == [
        ({"exchange": "aster", "environment": "production", "form": "plain"},)
    ]


def test_the_hint_of_a_short_key_is_withheld(world: World) -> None:
    account = save_plain(world, world.sign_up(), {"api_key": "short-key-1"}, exchange="oanda")
    assert account_row(world, account)["hint"] is None


def test_a_field_that_is_not_given_stays(world: World) -> None:
    trader = world.sign_up()
    account = save_plain(world, trader, BOTH)
    validation = "select min(id) from private.tasks where kind = 'validate_key'"
    first = world.value(validation)
    assert save_plain(world, trader, {"api_secret": "other", "api_key": None, "password": ""}) == account
    assert json.loads(vaulted(world, account)) == BOTH | {"api_secret": "other"}
    row = account_row(world, account)
    assert (row["key_version"], row["hint"], row["secret_fields"]) == (2, "1234", ["api_key", "api_secret"])
    assert count(world, "tasks") == 1
    assert world.value(validation) > first


def test_keys_saved_again_before_their_test_wait_for_one_test(world: World) -> None:
    trader = world.sign_up()
    account = save_plain(world, trader, BOTH)
    # As after nine tests that came to no end.
    world.run("update private.tasks set attempt = 9, run_at = now() + '1 hour' where kind = 'validate_key'")
    for number in range(20):
        save_plain(world, trader, {"api_secret": str(number)})
    assert count(world, "tasks") == 1
    (task,) = claim_validations(world)
    assert (task["attempt"], task["account"]["key_version"]) == (1, 21)
    # The one that runs may have opened the keys from before.
    for number in range(3):
        save_plain(world, trader, {"api_secret": f"later {number}"})
    assert count(world, "tasks") == 2
    finish_validation(world, task, "invalid")
    assert account_row(world, account)["status"] == "pending"
    finish_validation(world, claim_validations(world)[0], "valid")
    assert account_row(world, account)["status"] == "valid"


def finish_validation(world: World, task: dict[str, Any], status: str) -> None:
    result = {"task_id": task["task_id"], "fence": task["fence"], "ok": True, "account_status": status}
    (answer,) = call(world.worker, "finish_tasks", [result])
    assert answer["ok"] is True


def test_saving_without_new_values_changes_what_is_public_and_no_key(world: World) -> None:
    trader = world.sign_up()
    account = save_plain(world, trader, BOTH, {"account_id": "7", "extra_metadata": {"a": 1}})
    world.run("update public.user_api_keys set status = 'valid'")
    save_plain(world, trader, {"api_key": None}, {"base_url": "https://x", "account_id": None}, label="New")
    row = account_row(world, account)
    assert (row["key_version"], row["status"]) == (1, "valid")
    assert (row["label"], row["account_id"], row["base_url"], row["extra_metadata"]) == (
        "New",
        "7",
        "https://x",
        {"a": 1},
    )
    assert count(world, "tasks") == 1
    save_plain(world, trader, None, {"account_id": ""})
    assert account_row(world, account)["account_id"] is None


def test_sealed_keys_are_replaced_by_plain_ones_only_as_a_whole(world: World) -> None:
    trader = world.sign_up()
    account = save_sealed(world, trader)
    with pytest.raises(
        psycopg.errors.InvalidParameterValue, match="sealed; enter all of them again: api_key, api_secret"
    ):
        save_plain(world, trader, {"api_key": KEY})
    assert vaulted(world, account) == SEALED
    assert account_row(world, account)["key_version"] == 1
    assert save_plain(world, trader, BOTH) == account
    assert json.loads(vaulted(world, account)) == BOTH
    assert account_row(world, account)["form"] == "plain"


def test_the_fields_that_a_saver_of_sealed_keys_names_are_asked_for(world: World) -> None:
    trader = world.sign_up()
    account = save_sealed(world, trader, "{api_key,passphrase}", "A-17")
    row = account_row(world, account)
    assert (row["secret_fields"], row["account_id"], row["form"]) == (
        ["api_key", "passphrase"],
        "A-17",
        "sealed",
    )
    with pytest.raises(psycopg.errors.InvalidParameterValue, match="again: api_key, passphrase"):
        save_plain(world, trader, BOTH)


def test_sealed_keys_replace_plain_ones(world: World) -> None:
    trader = world.sign_up()
    account = save_plain(world, trader, BOTH | {"passphrase": "p"})
    assert save_sealed(world, trader) == account
    assert vaulted(world, account) == SEALED
    row = account_row(world, account)
    assert (row["form"], row["secret_fields"], row["key_version"]) == ("sealed", ["api_key", "api_secret"], 2)


@pytest.mark.parametrize(
    ("secrets", "public"),
    [
        (None, None),
        ({}, {"account_id": "1"}),
        ({"api_key": None}, None),
        ([], None),
        ("text", None),
        ({"api_key": 1}, None),
        ({"api_key": {"a": "very secret"}}, None),
        ({"api_key": "very secret" * 500}, None),
        ({"webhook_secret": "very secret"}, None),
        (BOTH, []),
        (BOTH, {"account_id": "x" * 101}),
        (BOTH, {"base_url": "x" * 1_000_000}),
        (BOTH, {"extra_metadata": "text"}),
        (BOTH, {"extra_metadata": {"a": "x" * 9000}}),
    ],
)
def test_plain_keys_that_do_not_fit_leave_nothing(shared: World, secrets: Any, public: Any) -> None:
    with pytest.raises(psycopg.Error) as refusal:
        save_plain(shared, shared.sign_up(), secrets, public)
    assert refusal.value.sqlstate in {"22023", "23514"}
    assert "very secret" not in str(refusal.value)
    assert count(shared, "accounts") == count(shared, "secrets") == count(shared, "tasks") == 0


@pytest.mark.parametrize("form", ["plain", "sealed"])
@pytest.mark.parametrize("leave", ["account", "trader"])
def test_secrets_of_both_forms_go_with_their_account(world: World, form: str, leave: str) -> None:
    trader = world.sign_up()
    account = save_plain(world, trader, BOTH) if form == "plain" else save_sealed(world, trader)
    assert count(world, "secrets") == 1
    if leave == "account":
        with world.signed_in(trader) as connection:
            assert call(connection, "delete_api_key", account) is True
    else:
        world.run("delete from auth.users where id = %s", trader)
    assert count(world, "secrets") == 0


@pytest.mark.parametrize(
    "change",
    [
        "secret_id = gen_random_uuid()",
        "user_id = gen_random_uuid()",
        "id = gen_random_uuid()",
        "exchange = 'oanda'",
        "environment = 'sandbox'",
    ],
)
@pytest.mark.parametrize("role", ["service_role", None])
def test_an_account_never_gets_another_secret_or_owner(world: World, change: str, role: str | None) -> None:
    save_plain(world, world.sign_up(), BOTH)
    before = world.row("select to_jsonb(k) from public.user_api_keys k")
    if role is not None:
        world.run("set role service_role")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        world.admin.execute(f"update public.user_api_keys set {change}")  # noqa: S608
    world.run("reset role")
    assert world.row("select to_jsonb(k) from public.user_api_keys k") == before


def test_the_list_shows_own_accounts_and_no_secret(world: World) -> None:
    mine, other = world.sign_up(), world.sign_up()
    account = save_plain(world, mine, BOTH, {"account_id": "7"}, label="Mine")
    save_plain(world, other, BOTH)
    with world.signed_in(mine) as connection:
        listed = call(connection, "list_api_keys")
    assert len(listed) == 1
    assert listed[0]["id"] == account
    assert (listed[0]["label"], listed[0]["hint"], listed[0]["account_id"]) == ("Mine", "1234", "7")
    assert (listed[0]["form"], listed[0]["secret_fields"]) == ("plain", ["api_key", "api_secret"])
    assert "secret_id" not in listed[0]
    assert KEY not in json.dumps(listed)
    with world.signed_in(world.sign_up()) as connection:
        assert call(connection, "list_api_keys") == []


def open_keys(world: World, account: str, worker: str = "w1") -> dict[str, Any]:
    return dict(call(world.worker, "open_keys", worker, account))


def claim_validations(world: World) -> list[dict[str, Any]]:
    tasks = call(world.worker, "claim_tasks", "w1", 10, 60)
    return [task for task in tasks if task["kind"] == "validate_key"]


def openings(world: World) -> list[tuple[Any, ...]]:
    return world.rows(
        "select user_id::text, actor, subject::text, detail from public.audit_log"
        " where action = 'api_key.opened' order by id"
    )


def test_keys_are_opened_for_an_executing_signal_only_while_its_lease_lives(world: World) -> None:
    trader = world.trader()
    nothing = {"opened": False, "reason": "no_live_work"}
    assert open_keys(world, trader.account) == nothing
    signal_id = world.accept(trader)
    assert open_keys(world, trader.account) == nothing
    work = world.claim_one()
    assert "sealed" not in json.dumps(work["account"] | {"form": ""})
    assert open_keys(world, trader.account) == {
        "opened": True,
        "form": "sealed",
        "secret": SEALED,
        "key_version": 1,
    }
    world.let_lease_run_out(signal_id)
    assert open_keys(world, trader.account) == nothing
    again = world.claim_one("w2")
    assert open_keys(world, trader.account)["opened"] is True
    world.finish({"signal_id": signal_id, "fence": again["fence"], "status": "done"})
    assert open_keys(world, trader.account) == nothing


def test_keys_are_opened_for_a_running_task_and_for_a_leased_comparison(world: World) -> None:
    trader = world.trader()
    (task,) = claim_validations(world)
    assert open_keys(world, trader.account)["opened"] is True
    call(world.worker, "finish_tasks", [{"task_id": task["task_id"], "fence": task["fence"], "ok": True}])
    assert open_keys(world, trader.account)["opened"] is False
    (due,) = call(world.worker, "claim_accounts", "w1", 10, 60)
    assert due["account"]["id"] == trader.account
    assert open_keys(world, trader.account)["opened"] is True
    world.run("update private.reconciliations set lease_until = now() - interval '1 second'")
    assert open_keys(world, trader.account)["opened"] is False


def test_work_on_one_account_opens_no_other(world: World) -> None:
    trader, other = world.trader(), world.trader()
    world.accept(trader)
    world.claim_one()
    assert open_keys(world, other.account)["opened"] is False
    assert open_keys(world, "00000000-0000-4000-8000-000000000000")["opened"] is False
    assert call(world.worker, "open_keys", "w1", None)["opened"] is False
    assert openings(world) == []


def test_each_opening_leaves_one_audit_row_without_a_secret(world: World) -> None:
    trader = world.sign_up()
    account = save_plain(world, trader, BOTH)
    claim_validations(world)
    assert json.loads(open_keys(world, account, "w7")["secret"]) == BOTH
    open_keys(world, account, "w8")
    detail = {"exchange": "aster", "environment": "production", "form": "plain", "key_version": 1}
    assert openings(world) == [
        (trader, "worker/w7", account, detail),
        (trader, "worker/w8", account, detail),
    ]
    with world.signed_in(trader) as connection:
        seen = connection.execute(
            "select count(*) from public.audit_log where action = 'api_key.opened'"
        ).fetchone()
    assert seen == (2,)


def test_a_secret_that_does_not_open_is_told_apart_and_stops_nobody_else(world: World) -> None:
    damaged, other = world.trader(), world.trader()
    world.run("update vault.secrets set secret = 'AAAA' where name = %s", f"api_key/{damaged.account}")
    world.accept(damaged)
    world.accept(other)
    assert len(world.claim()) == 2
    assert open_keys(world, damaged.account) == {"opened": False, "reason": "unreadable"}
    assert open_keys(world, other.account)["secret"] == SEALED
    assert [row[0] for row in openings(world)] == [other.id]


def test_a_vault_that_is_out_of_order_is_no_fault_of_the_keys(world: World) -> None:
    trader = world.trader()
    world.accept(trader)
    world.claim_one()
    world.run("alter view vault.decrypted_secrets rename to elsewhere")
    with pytest.raises(psycopg.errors.UndefinedTable):
        open_keys(world, trader.account)
    world.run("alter view vault.elsewhere rename to decrypted_secrets")
    assert open_keys(world, trader.account)["secret"] == SEALED


@pytest.mark.parametrize("worker", [None, "", "w" * 101])
def test_a_worker_that_does_not_say_its_name_opens_nothing(world: World, worker: str | None) -> None:
    trader = world.trader()
    world.accept(trader)
    world.claim_one()
    with pytest.raises(psycopg.errors.InvalidParameterValue):
        call(world.worker, "open_keys", worker, trader.account)
    with pytest.raises(psycopg.errors.InvalidParameterValue):
        call(world.worker, "reseal_keys", worker, trader.account, 1, SEALED)


@pytest.mark.parametrize("role", ["anon", "authenticated", "service_role", "sparky_edge", "dashboard_server"])
def test_no_other_role_opens_keys_or_reseals_them(world: World, role: str) -> None:
    trader = world.trader()
    world.accept(trader)
    world.claim_one()
    for function, arguments in (
        ("open_keys", ("w1", trader.account)),
        ("reseal_keys", ("w1", trader.account, 1, SEALED)),
    ):
        with (
            world.signed_in(trader.id, role) as connection,
            pytest.raises(psycopg.errors.InsufficientPrivilege),
        ):
            call(connection, function, *arguments)
    assert openings(world) == []


def reseal(world: World, account: str, version: int | None = 1, sealed: Any = SEALED) -> Any:
    return call(world.worker, "reseal_keys", "w1", account, version, sealed)


def test_plain_keys_are_sealed_once_and_keep_version_and_fields(world: World) -> None:
    trader = world.sign_up()
    account = save_plain(world, trader, BOTH)
    assert reseal(world, account) is False, "without work on the account"
    claim_validations(world)
    assert reseal(world, account) is True
    assert vaulted(world, account) == SEALED
    row = account_row(world, account)
    assert (row["form"], row["secret_fields"], row["key_version"]) == ("sealed", ["api_key", "api_secret"], 1)
    assert open_keys(world, account)["secret"] == SEALED
    assert reseal(world, account, sealed=SEALED.replace("A", "B")) is False
    assert vaulted(world, account) == SEALED
    assert world.rows("select actor, detail from public.audit_log where action = 'api_key.resealed'") == [
        ("worker/w1", {"exchange": "aster", "environment": "production", "key_version": 1})
    ]


@pytest.mark.parametrize("version", [0, 2, None])
def test_keys_that_were_replaced_meanwhile_are_not_resealed(world: World, version: int | None) -> None:
    account = save_plain(world, world.sign_up(), BOTH)
    claim_validations(world)
    assert reseal(world, account, version) is False
    assert json.loads(vaulted(world, account)) == BOTH


@pytest.mark.parametrize("sealed", [None, "", "plain", json.dumps(BOTH), SEALED + "A" * 1_000_000])
def test_only_sealed_text_replaces_plain_keys(world: World, sealed: Any) -> None:
    account = save_plain(world, world.sign_up(), BOTH)
    claim_validations(world)
    with pytest.raises(psycopg.errors.InvalidParameterValue):
        reseal(world, account, sealed=sealed)
    assert json.loads(vaulted(world, account)) == BOTH


def request(world: World, trader: str, account: Any) -> dict[str, Any]:
    with world.signed_in(trader) as connection:
        return dict(call(connection, "request_validation", account))


def finish_task(world: World, **more: Any) -> None:
    (task,) = claim_validations(world)
    done = {"task_id": task["task_id"], "fence": task["fence"]} | more
    assert call(world.worker, "finish_tasks", [done])[0]["ok"] is True


def test_a_validation_that_waits_or_runs_is_not_queued_twice(world: World) -> None:
    trader = world.trader()
    first = request(world, trader.id, trader.account)
    assert first["queued"] is False
    claim_validations(world)
    assert request(world, trader.id, trader.account) == first
    assert count(world, "tasks") == 1


def test_a_validation_is_queued_at_most_once_in_ten_seconds(world: World) -> None:
    trader = world.trader()
    finish_task(world, ok=True, account_status="valid")
    assert request(world, trader.id, trader.account)["queued"] is True
    assert account_row(world, trader.account)["status"] == "valid"
    finish_task(world, ok=True, account_status="valid")
    with pytest.raises(psycopg.Error, match="less than 10 seconds ago") as refusal:
        request(world, trader.id, trader.account)
    assert refusal.value.sqlstate == "PT429"
    assert refusal.value.diag.message_hint
    assert count(world, "tasks") == 2
    world.run("update public.user_api_keys set last_tested = now() - interval '11 seconds'")
    assert request(world, trader.id, trader.account)["queued"] is True


def test_a_validation_that_waits_for_later_is_brought_forward(world: World) -> None:
    trader = world.trader()
    finish_task(world, ok=False, retry_in_seconds=3600)
    assert request(world, trader.id, trader.account)["queued"] is True
    assert count(world, "tasks") == 1
    assert len(claim_validations(world)) == 1


@pytest.mark.parametrize("whose", ["other", "nobody", "null"])
def test_an_account_that_is_not_ones_own_is_not_validated(world: World, whose: str) -> None:
    trader, other = world.trader(), world.trader()
    account = {"other": other.account, "nobody": "00000000-0000-4000-8000-000000000000", "null": None}[whose]
    with pytest.raises(psycopg.Error, match="you have no account of this id") as refusal:
        request(world, trader.id, account)
    assert refusal.value.sqlstate == "PT404"
    assert count(world, "tasks") == 2
