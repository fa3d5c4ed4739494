"""Keys and webhooks: what their owner may do, and what stays secret."""

# ruff: noqa: S608 - the names of tables in statements are this file's own

from typing import Any

import psycopg
import pytest

from tests.database.world import SEALED, World, call, connect

OTHER = SEALED.replace("A", "B")


def save(world: World, trader: str, *arguments: Any) -> str:
    with world.signed_in(trader) as connection:
        return str(call(connection, "save_api_key", *arguments))


def secrets(world: World, of: str = "api_key") -> list[str]:
    """Return what Vault keeps of accounts, or of webhooks."""
    query = (
        "select decrypted_secret from vault.decrypted_secrets where name like %s || '/%%' order by created_at"
    )
    return [row[0] for row in world.rows(query, of)]


def test_saved_keys_lie_in_vault_and_nowhere_else(world: World) -> None:
    trader = world.sign_up()
    account = save(world, trader, "oanda", "sandbox", "Practice", SEALED, "wxyz")
    assert secrets(world) == [SEALED]
    row = world.row(
        "select exchange, environment, label, hint, key_version, status from public.user_api_keys"
        " where id = %s",
        account,
    )
    assert row == ("oanda", "sandbox", "Practice", "wxyz", 1, "pending")
    for table in ("public.user_api_keys", "public.audit_log", "private.tasks"):
        stored = world.value(f"select string_agg(t::text, '') from {table} t")
        assert SEALED not in stored


def test_replacing_keys_keeps_the_account_and_forgets_the_old_ones(world: World) -> None:
    trader = world.sign_up()
    account = save(world, trader, "oanda", "sandbox", "Practice", SEALED)
    world.run("update public.user_api_keys set status = 'valid'")
    assert save(world, trader, "oanda", "sandbox", None, OTHER, "new1") == account
    assert secrets(world) == [OTHER]
    row = world.row("select label, hint, key_version, status from public.user_api_keys")
    assert row == ("Practice", "new1", 2, "pending")


def test_deleting_an_account_deletes_its_secret(world: World) -> None:
    trader = world.sign_up()
    account = save(world, trader, "oanda", "sandbox", "Practice", SEALED)
    with world.signed_in(trader) as connection:
        assert call(connection, "delete_api_key", account) is True
        assert call(connection, "delete_api_key", account) is False
        assert call(connection, "delete_api_key", None) is False
    assert secrets(world) == []


def test_another_traders_account_is_not_deleted(world: World) -> None:
    owner, other = world.trader(), world.trader()
    with world.signed_in(other.id) as connection:
        assert call(connection, "delete_api_key", owner.account) is False
    assert world.rows("select 1 from public.user_api_keys where id = %s", owner.account) == [(1,)]


def test_a_trader_who_leaves_takes_all_secrets_along(world: World) -> None:
    leaving, staying = world.trader(), world.trader()
    before = len(secrets(world))
    with connect(world.url) as connection:
        connection.execute("set role supabase_auth_admin")
        connection.execute("delete from auth.users where id = %s", (leaving.id,))
    assert len(secrets(world)) == before // 2
    world.accept(staying)


@pytest.mark.parametrize(
    "arguments",
    [
        ("kraken", "production", "x", SEALED),
        ("aster", "moon", "x", SEALED),
        ("aster", "paper", "x", SEALED),
        ("paper", "production", "x", SEALED),
        (None, "production", "x", SEALED),
        ("aster", None, "x", SEALED),
        ("aster", "production", "", SEALED),
        ("aster", "production", "x" * 1_000_000, SEALED),
        ("aster", "production", "x", None),
        ("aster", "production", "x", ""),
        ("aster", "production", "x", "plain-api-key"),
        ("aster", "production", "x", '{"api_key": "plain", "secret": "plain"}'),
        ("aster", "production", "x", "sparky1.0123456789abcdef." + "A" * 20),
        ("aster", "production", "x", SEALED + "A" * 1_000_000),
        ("aster", "production", "x", SEALED, "too long"),
    ],
)
def test_keys_that_do_not_fit_are_refused_and_leave_nothing(
    shared: World, arguments: tuple[Any, ...]
) -> None:
    trader = shared.sign_up()
    with pytest.raises(psycopg.Error) as refusal:
        save(shared, trader, *arguments)
    assert (refusal.value.sqlstate or "")[:2] in {"22", "23"}
    if arguments[3] and len(arguments[3]) > 5:
        assert arguments[3] not in str(refusal.value)
    assert shared.rows("select 1 from public.user_api_keys where user_id = %s", trader) == []
    assert secrets(shared) == []


@pytest.mark.parametrize("function", ["save_api_key", "delete_api_key", "create_webhook"])
def test_without_a_trader_nothing_can_be_called(shared: World, function: str) -> None:
    arguments = {
        "save_api_key": ("aster", "production", "x", SEALED),
        "delete_api_key": (None,),
        "create_webhook": (),
    }
    with (
        connect(shared.url, "authenticated") as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        call(connection, function, *arguments[function])


def test_a_webhook_is_shown_once(world: World) -> None:
    trader = world.sign_up()
    with world.signed_in(trader) as connection:
        made = call(connection, "create_webhook", "Second")
        assert set(made) == {"id", "token", "secret", "path", "url", "old_live"}
        assert made["path"] == f"/functions/v1/webhook/{made['token']}"
        assert made["token"] != made["secret"]
        assert len(made["token"]) == len(made["secret"]) == 32
        shown = connection.execute("select name, hint from public.user_webhook_configs").fetchall()
        assert ("Second", made["token"][-4:]) in shown
        assert len(shown) == 2
    for table in ("public.user_webhook_configs", "private.webhook_credentials", "public.audit_log"):
        stored = world.value(f"select string_agg(t::text, '') from {table} t")
        assert made["token"] not in stored
        assert made["secret"] not in stored


def test_a_trader_has_at_most_fifty_webhooks(world: World) -> None:
    trader = world.sign_up()
    with world.signed_in(trader) as connection:
        for number in range(49):
            call(connection, "create_webhook", f"w{number}")
        with pytest.raises(psycopg.errors.ProgramLimitExceeded):
            call(connection, "create_webhook", "one more")


@pytest.mark.parametrize("name", ["", "x" * 101, "x" * 1_000_000])
def test_a_webhook_name_that_does_not_fit_leaves_nothing(shared: World, name: str) -> None:
    trader = shared.sign_up()
    with shared.signed_in(trader) as connection, pytest.raises(psycopg.errors.InvalidParameterValue):
        call(connection, "create_webhook", name)
    assert shared.rows("select name from public.user_webhook_configs where user_id = %s", trader) == [
        ("TradingView",)
    ]


@pytest.mark.parametrize(
    "sources", [["nonsense"], ["1.2.3.4/99"], ["1.2.3"], ["tradingview", ""], ["1.2.3.4"] * 51]
)
def test_sources_that_are_none_are_refused(shared: World, sources: list[str]) -> None:
    trader = shared.trader()
    with shared.signed_in(trader.id) as connection, pytest.raises(psycopg.Error) as refusal:
        connection.execute("update public.user_webhook_configs set allowed_sources = %s", (sources,))
    assert refusal.value.sqlstate == "22023"


def test_deleting_a_webhook_ends_it_and_deletes_its_secret(world: World) -> None:
    trader = world.trader()
    signal_id = world.accept(trader)
    before = len(secrets(world, "webhook"))
    with world.signed_in(trader.id) as connection:
        connection.execute("delete from public.user_webhook_configs")
    assert len(secrets(world, "webhook")) == before - 1
    assert world.ingest(trader, {"symbol": "X", "action": "buy"})["http"] == 404
    assert world.signal(signal_id)["webhook_id"] is None


@pytest.mark.parametrize(
    "change",
    ["update public.audit_log set actor = 'x'", "delete from public.audit_log", "truncate public.audit_log"],
)
@pytest.mark.parametrize("role", ["postgres", "supabase_admin", "service_role"])
def test_nobody_rewrites_the_audit(world: World, change: Any, role: str) -> None:
    world.trader()
    before = world.rows("select * from public.audit_log")
    with connect(world.url, role) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(change)
    assert world.rows("select * from public.audit_log") == before
    assert before


def test_deleting_a_trader_keeps_the_audit_without_his_name(world: World) -> None:
    trader = world.trader()
    before = world.rows(
        "select id, pseudonym, action from public.audit_log where user_id = %s order by id", trader.id
    )
    world.run("delete from auth.users")
    after = world.rows("select id, pseudonym, action from public.audit_log where user_id is null order by id")
    assert after == before
    assert before
    assert len({row[1] for row in before} - {None}) == 1
