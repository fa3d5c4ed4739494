"""Webhooks: shown to their owner, rotated with an overlap, paused; secrets that traders choose."""

import hashlib
import hmac
import json
import time
import uuid
from typing import Any

import psycopg
import pytest
from psycopg import sql

from tests.database.races import at_once
from tests.database.world import BUY, Trader, World, call, connect

CHOSEN = "a3f1c9d2-77e0-4b7a-9c55-0d1e2f3a4b5c"
NOT_THEIRS = (None, str(uuid.UUID(int=0)), "another trader's")


def send(
    world: World, *, token: str | None = None, secret: str | None = None, **headers: str
) -> dict[str, Any]:
    body = BUY | {"id": str(uuid.uuid4())} | ({} if secret is None else {"secret": secret})
    answer = call(world.edge, "ingest_alert", token, json.dumps(body), "1.2.3.4", headers)
    assert isinstance(answer, dict)
    return answer


def own(world: World, trader: Trader, function: str, *arguments: Any) -> Any:
    with world.signed_in(trader.id) as connection:
        return call(connection, function, *arguments)


def actions(world: World, trader: Trader) -> list[tuple[str, str]]:
    found = world.rows(
        "select actor, action from public.audit_log where user_id = %s and subject = %s order by id",
        trader.id,
        trader.webhook,
    )
    return [(actor, action) for actor, action in found if action != "webhook.created"]


def set_secret(world: World, trader: str, secret: str | None, label: str | None = None) -> str:
    with connect(world.url, "postgres") as connection:
        return str(call(connection, "private.set_webhook_secret", trader, secret, label))


def test_an_owner_sees_token_and_secret_and_the_sight_is_on_record(world: World) -> None:
    trader = world.trader()
    shown = own(world, trader, "reveal_webhook", trader.webhook)
    assert shown == {
        "id": trader.webhook,
        "token": trader.token,
        "secret": trader.secret,
        "path": f"/functions/v1/webhook/{trader.token}",
        "url": None,
        "old_live": False,
    }
    own(world, trader, "webhook_url", trader.webhook)
    assert actions(world, trader)[-2:] == [("trader", "webhook.revealed")] * 2
    stored = world.value("select string_agg(t::text, '') from public.audit_log t")
    assert trader.token not in stored
    assert trader.secret not in stored


@pytest.mark.parametrize("role", ["service_role", "anon", "sparky_worker", "sparky_edge"])
@pytest.mark.parametrize(
    "function", ["reveal_webhook", "webhook_url", "rotate_webhook", "end_old_webhook_credentials"]
)
def test_only_a_signed_in_trader_may_call(shared: World, role: str, function: str) -> None:
    trader = shared.trader()
    # A service key that claims to be the trader is still a service key.
    with (
        shared.signed_in(trader.id, role) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        call(connection, function, trader.webhook)


@pytest.mark.parametrize("given", NOT_THEIRS)
@pytest.mark.parametrize(
    "function", ["reveal_webhook", "webhook_url", "rotate_webhook", "end_old_webhook_credentials"]
)
def test_a_webhook_of_another_trader_looks_like_none(shared: World, function: str, given: str | None) -> None:
    trader, other = shared.trader(), shared.trader()
    before = shared.value("select count(*) from public.audit_log")
    with pytest.raises(psycopg.Error, match="you have no webhook of this id") as refusal:
        own(shared, trader, function, other.webhook if given == "another trader's" else given)
    assert refusal.value.sqlstate == "PT404"
    assert shared.value("select count(*) from public.audit_log") == before
    assert send(shared, token=other.token)["http"] == 200


def test_after_a_rotation_both_tokens_and_both_secrets_are_taken(world: World) -> None:
    trader = world.trader()
    new = own(world, trader, "rotate_webhook", trader.webhook)
    assert new["old_live"] is True
    assert len({trader.token, trader.secret, new["token"], new["secret"]}) == 4
    for credential in (
        {"token": trader.token},
        {"secret": trader.secret},
        {"token": new["token"]},
        {"secret": new["secret"]},
    ):
        assert send(world, **credential)["http"] == 200
    row = world.row(
        "select hint, secret_hint, old_live_since is not null from public.user_webhook_configs where id = %s",
        trader.webhook,
    )
    assert row == (new["token"][-4:], new["secret"][-4:], True)
    assert own(world, trader, "reveal_webhook", trader.webhook) == new


def test_ended_credentials_answer_as_unknown_ones(world: World) -> None:
    trader = world.trader()
    new = own(world, trader, "rotate_webhook", trader.webhook)
    assert own(world, trader, "end_old_webhook_credentials", trader.webhook) is True
    assert send(world, token=trader.token) == send(world, token="nope")
    assert send(world, token=trader.token)["http"] == 404
    assert send(world, secret=trader.secret) == send(world, secret="nope")
    assert send(world, secret=trader.secret)["http"] == 401
    assert send(world, token=new["token"])["http"] == 200
    assert send(world, secret=new["secret"])["http"] == 200
    assert own(world, trader, "reveal_webhook", trader.webhook) == new | {"old_live": False}
    vaulted = world.value("select string_agg(decrypted_secret, '') from vault.decrypted_secrets")
    assert trader.token not in vaulted
    assert trader.secret not in vaulted
    assert own(world, trader, "end_old_webhook_credentials", trader.webhook) is False
    assert actions(world, trader)[-3:] == [
        ("trader", "webhook.rotated"),
        ("trader", "webhook.old_ended"),
        ("trader", "webhook.revealed"),
    ]


def test_a_second_rotation_waits_until_the_old_credentials_are_ended(world: World) -> None:
    trader = world.trader()
    first = own(world, trader, "rotate_webhook", trader.webhook)
    with pytest.raises(psycopg.Error, match="are still live") as refusal:
        own(world, trader, "rotate_webhook", trader.webhook)
    assert refusal.value.sqlstate == "PT409"
    assert "end_old_webhook_credentials" in (refusal.value.diag.message_hint or "")
    own(world, trader, "end_old_webhook_credentials", trader.webhook)
    second = own(world, trader, "rotate_webhook", trader.webhook)
    assert send(world, token=first["token"])["http"] == 200
    assert send(world, token=second["token"])["http"] == 200
    assert send(world, token=trader.token)["http"] == 404


def test_two_rotations_at_once_make_one(world: World) -> None:
    trader = world.trader()

    def rotate(connection: psycopg.Connection[tuple[Any, ...]], _: int) -> str:
        claims = json.dumps({"sub": trader.id, "role": "authenticated"})
        connection.execute("select set_config('request.jwt.claims', %s, false)", (claims,))
        try:
            call(connection, "rotate_webhook", trader.webhook)
        except psycopg.Error as refusal:
            return refusal.sqlstate or ""
        return "rotated"

    assert sorted(at_once(world, "authenticated", 4, rotate)) == ["PT409", "PT409", "PT409", "rotated"]
    assert (
        world.value("select count(*) from private.webhook_credentials where webhook_id = %s", trader.webhook)
        == 4
    )


def signed(secret: str, body: str) -> dict[str, str]:
    at = f"{time.time():.0f}"
    digest = hmac.new(secret.encode(), f"{at}.{body}".encode(), hashlib.sha256).hexdigest()
    return {"x-sparky-signature": f"t={at},v1={digest}"}


def test_a_signature_by_the_older_secret_holds_until_it_is_ended(world: World) -> None:
    trader = world.trader()
    world.run("update public.user_webhook_configs set require_signature = true where id = %s", trader.webhook)
    new = own(world, trader, "rotate_webhook", trader.webhook)
    statuses = []
    for step in range(2):
        for secret in (trader.secret, new["secret"]):
            body = json.dumps(BUY | {"id": f"{step}{secret[:4]}"})
            answer = call(world.edge, "ingest_alert", new["token"], body, "1.2.3.4", signed(secret, body))
            statuses.append(answer["http"])
        own(world, trader, "end_old_webhook_credentials", trader.webhook)
    assert statuses == [200, 200, 403, 200]


def test_a_paused_webhook_answers_as_none_and_comes_back(world: World) -> None:
    trader = world.trader()
    with world.signed_in(trader.id) as connection:
        for active, status in ((False, 404), (True, 200)):
            connection.execute(
                "update public.user_webhook_configs set active = %s where id = %s", (active, trader.webhook)
            )
            assert send(world, token=trader.token)["http"] == status


def test_names_are_found_when_none_is_given(world: World) -> None:
    trader = world.trader()
    taken = {row[0] for row in world.rows("select name from public.user_webhook_configs")}
    made = [own(world, trader, "create_webhook") for _ in range(3)]
    names = {row[0] for row in world.rows("select name from public.user_webhook_configs")}
    assert len(names - taken) == len({one["id"] for one in made}) == 3
    assert names == {"TradingView"} | {f"TradingView {n}" for n in range(2, len(names) + 1)}
    with pytest.raises(psycopg.errors.UniqueViolation, match="you have a webhook named") as refusal:
        own(world, trader, "create_webhook", "TradingView 2")
    assert "choose another name" in (refusal.value.diag.message_hint or "")


@pytest.mark.parametrize(
    ("headers", "base"),
    [
        ({"host": "127.0.0.1:54321"}, "http://127.0.0.1:54321"),
        (
            {"host": "db", "x-forwarded-host": "a.example.com", "x-forwarded-proto": "https"},
            "https://a.example.com",
        ),
        (
            {"x-forwarded-host": "a.example.com, inner", "x-forwarded-proto": "https, http"},
            "https://a.example.com",
        ),
        ({"x-forwarded-host": "a.example.com", "x-forwarded-port": "443"}, "https://a.example.com"),
        ({"x-forwarded-host": "localhost", "x-forwarded-port": "54321"}, "http://localhost:54321"),
        ({"host": "a.example.com", "x-forwarded-proto": "javascript"}, "https://a.example.com"),
        ({"host": "evil/path?x="}, None),
        ({"host": "a b"}, None),
        ({"host": 'x"><script>'}, None),
        ({"host": "x" * 100_000}, None),
        ({}, None),
        (None, None),
    ],
)
def test_the_address_is_that_of_the_request(
    shared: World, headers: dict[str, str] | None, base: str | None
) -> None:
    trader = shared.trader()
    with shared.signed_in(trader.id) as connection:
        if headers is not None:
            connection.execute("select set_config('request.headers', %s, false)", (json.dumps(headers),))
        made = call(connection, "webhook_url", trader.webhook)
    path = f"/functions/v1/webhook/{trader.token}"
    assert made["path"] == path
    assert made["url"] == (None if base is None else base + path)
    assert made["url_without_token"] == (None if base is None else f"{base}/functions/v1/webhook")
    assert any("is not known" in note for note in made["notes"]) is (base is None)


def test_the_operators_address_comes_before_that_of_the_request(world: World) -> None:
    trader = world.trader()
    world.run("update private.platform_state set api_url = 'https://api.example.com/sparky'")
    with world.signed_in(trader.id) as connection:
        connection.execute("""select set_config('request.headers', '{"host": "other.example.com"}', false)""")
        made = call(connection, "webhook_url", trader.webhook)
    assert made["url"] == f"https://api.example.com/sparky/functions/v1/webhook/{trader.token}"
    assert len(made["notes"]) == 2


def test_headers_that_are_no_json_are_no_address(shared: World) -> None:
    trader = shared.trader()
    with shared.signed_in(trader.id) as connection:
        connection.execute("select set_config('request.headers', 'nonsense', false)")
        assert call(connection, "webhook_url", trader.webhook)["url"] is None


def test_a_chosen_secret_takes_the_place_of_the_oldest_webhooks_secret(world: World) -> None:
    trader = world.trader()
    oldest = str(
        world.value(
            "select id from public.user_webhook_configs where user_id = %s order by created_at limit 1",
            trader.id,
        )
    )
    own(world, trader, "create_webhook", "Later")
    before = own(world, trader, "reveal_webhook", oldest)
    assert set_secret(world, trader.id, CHOSEN, "Dashboard") == oldest
    assert own(world, trader, "reveal_webhook", oldest) == before | {"secret": CHOSEN}
    assert send(world, secret=CHOSEN)["http"] == 200
    assert send(world, secret=before["secret"])["http"] == 401
    assert send(world, token=before["token"])["http"] == 200
    row = world.row("select name, secret_hint from public.user_webhook_configs where id = %s", oldest)
    assert row == ("Dashboard", "4b5c")
    stored = world.value(
        "select string_agg(t::text, '') from (select w::text from public.user_webhook_configs w"
        " union all select c::text from private.webhook_credentials c union all select a::text from"
        " public.audit_log a) t"
    )
    assert CHOSEN not in stored
    # Saving the same form again changes nothing.
    assert set_secret(world, trader.id, CHOSEN, "Dashboard") == oldest
    assert send(world, secret=CHOSEN)["http"] == 200


def test_a_chosen_secret_leaves_the_older_credentials_of_a_rotation_alone(world: World) -> None:
    trader = world.trader()
    for (other,) in world.rows("select id from public.user_webhook_configs where id <> %s", trader.webhook):
        world.run("delete from public.user_webhook_configs where id = %s", other)
    new = own(world, trader, "rotate_webhook", trader.webhook)
    set_secret(world, trader.id, CHOSEN)
    assert send(world, secret=trader.secret)["http"] == 200
    assert send(world, secret=CHOSEN)["http"] == 200
    assert send(world, secret=new["secret"])["http"] == 401


def test_a_first_chosen_secret_makes_the_webhook_and_many_at_once_make_one(world: World) -> None:
    trader = world.sign_up()
    world.run("delete from public.user_webhook_configs")

    def save(connection: psycopg.Connection[tuple[Any, ...]], number: int) -> str:
        return str(call(connection, "private.set_webhook_secret", trader, f"{CHOSEN}{number}", "Dashboard"))

    assert len(set(at_once(world, "postgres", 4, save))) == 1
    assert world.rows("select name from public.user_webhook_configs") == [("Dashboard",)]
    # He has no account: an alert with a known secret is answered 422 and not 401.
    assert sorted(send(world, secret=f"{CHOSEN}{n}")["http"] for n in range(4)) == [401, 401, 401, 422]


@pytest.mark.parametrize(
    "secret",
    [
        None,
        "",
        "short",
        "a" * 40,
        "abcdefgabcdefgabcdefg",
        f" {CHOSEN}",
        f"{CHOSEN} ",
        f"{CHOSEN}\n{CHOSEN}",
        f"{CHOSEN}\x7f",
        "x7" * 500_000,
        CHOSEN * 6,
    ],
)
def test_a_weak_secret_is_refused_and_leaves_nothing(shared: World, secret: str | None) -> None:
    trader = shared.trader()
    with pytest.raises(psycopg.Error, match="a webhook secret has") as refusal:
        set_secret(shared, trader.id, secret)
    assert refusal.value.sqlstate == "22023"
    assert secret is None or len(secret) < 16 or secret not in str(refusal.value)
    assert send(shared, secret=trader.secret)["http"] == 200


def test_a_secret_that_somebody_has_is_refused_without_saying_whose(world: World) -> None:
    trader, other = world.trader(), world.trader()
    set_secret(world, other.id, CHOSEN)
    for taken in (CHOSEN, other.token, trader.token):
        with pytest.raises(psycopg.Error, match="choose another secret") as refusal:
            set_secret(world, trader.id, taken)
        assert refusal.value.sqlstate == "22023"
        shown = f"{refusal.value} {refusal.value.diag.message_detail} {refusal.value.diag.constraint_name}"
        assert taken not in shown
        assert other.id not in shown
        assert "None" in shown
    assert send(world, secret=trader.secret)["http"] == 200
    assert send(world, secret=CHOSEN)["http"] == 200


def test_a_name_that_another_webhook_has_is_refused_by_its_own_sentence(world: World) -> None:
    trader = world.trader()
    own(world, trader, "create_webhook", "Other")
    with pytest.raises(psycopg.errors.UniqueViolation, match="you have a webhook named"):
        set_secret(world, trader.id, CHOSEN, "Other")
    assert send(world, secret=CHOSEN)["http"] == 401


@pytest.mark.parametrize(
    ("sources", "ip", "allowed"),
    [
        (["203.0.113.7", "2001:db8:1::/48", "tradingview"], "203.0.113.7", True),
        (["203.0.113.7", "2001:db8:1::/48", "tradingview"], "2001:db8:1:2::3", True),
        (["203.0.113.7", "2001:db8:1::/48", "tradingview"], "54.218.53.128", True),
        (["203.0.113.7", "2001:db8:1::/48", "tradingview"], "203.0.113.8", False),
        (["203.0.113.7", "2001:db8:1::/48", "tradingview"], "2001:db8:2::3", False),
        (["203.0.113.7", "2001:db8:1::/48", "tradingview"], "garbage", False),
    ],
)
def test_an_owner_limits_the_sources(shared: World, sources: list[str], ip: str, allowed: bool) -> None:  # noqa: FBT001 - table
    trader = shared.trader()
    with shared.signed_in(trader.id) as connection:
        connection.execute(
            "update public.user_webhook_configs set allowed_sources = %s where id = %s",
            (sources, trader.webhook),
        )
    answer = call(shared.edge, "ingest_alert", trader.token, json.dumps(BUY), ip, {})
    assert answer["http"] == (200 if allowed else 403)


@pytest.mark.parametrize(
    ("column", "value", "sentence"),
    [
        ("name", "", "name has 1 to 100 characters"),
        ("name", None, "name has 1 to 100 characters"),
        ("name", "x" * 1_000_000, "name has 1 to 100 characters"),
        ("allowed_sources", ["10.0.0.1"] * 51, "at most 50 allowed sources"),
        ("allowed_sources", ["x" * 1_000_000], "neither"),
        ("allowed_sources", [None], "neither"),
    ],
)
def test_what_does_not_fit_a_webhook_is_refused_in_words(
    shared: World, column: str, value: object, sentence: str
) -> None:
    trader = shared.trader()
    with shared.signed_in(trader.id) as connection:
        with pytest.raises(psycopg.errors.InvalidParameterValue, match=sentence) as caught:
            connection.execute(
                sql.SQL("update public.user_webhook_configs set {} = %s").format(sql.Identifier(column)),
                (value,),
            )
        assert caught.value.diag.message_hint
        assert len(caught.value.diag.message_primary or "") < 200
        names = "select name, allowed_sources from public.user_webhook_configs"
        assert connection.execute(names).fetchall() == [("TradingView", None)]
