"""bot_credentials: accounts and the webhook as the dashboard's forms show and save them."""

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.rows import DictRow, dict_row
from psycopg.types.json import Jsonb

from tests.database.races import at_once
from tests.database.world import BUY, SEALED, Trader, World, call, connect

VIEW = sql.Identifier("public", "bot_credentials")
MASK = "••••••••"
KEY, SECRET = "key-0123456789-wxyz", "secret-0123456789"
STRONG = "a strong enough secret 1"
Row = dict[str, Any]


class Form:
    """The dashboard's way to read and write the view, as one API role."""

    def __init__(self, connection: psycopg.Connection[Any], trader: str) -> None:
        self._connection: psycopg.Connection[DictRow] = connection
        self._connection.row_factory = dict_row
        self._trader = trader

    def insert(self, **values: Any) -> Row:
        wrapped = {name: Jsonb(value) if isinstance(value, dict) else value for name, value in values.items()}
        statement = sql.SQL("insert into {} ({}) values ({}) returning *").format(
            VIEW,
            sql.SQL(", ").join(map(sql.Identifier, wrapped)),
            sql.SQL(", ").join(sql.Placeholder() * len(wrapped)),
        )
        (row,) = self._connection.execute(statement, list(wrapped.values())).fetchall()
        return row

    def update(self, identity: Any, **values: Any) -> list[Row]:
        wrapped = {name: Jsonb(value) if isinstance(value, dict) else value for name, value in values.items()}
        statement = sql.SQL("update {} set {} where id = %s returning *").format(
            VIEW,
            sql.SQL(", ").join(sql.SQL("{} = %s").format(sql.Identifier(name)) for name in wrapped),
        )
        return self._connection.execute(statement, [*wrapped.values(), identity]).fetchall()

    def delete(self, exchange: str) -> int:
        statement = sql.SQL("delete from {} where exchange = %s and user_id = %s").format(VIEW)
        return self._connection.execute(statement, (exchange, self._trader)).rowcount

    def row(self, exchange: str) -> Row | None:
        statement = sql.SQL("select * from {} where exchange = %s and user_id = %s").format(VIEW)
        return self._connection.execute(statement, (exchange, self._trader)).fetchone()

    def all(self) -> list[Row]:
        return self._connection.execute(sql.SQL("select * from {} order by label").format(VIEW)).fetchall()


@contextmanager
def form(world: World, trader: str, role: str = "authenticated") -> Iterator[Form]:
    # A server's token carries no trader.
    with connect(world.url, role, trader if role == "authenticated" else None) as connection:
        yield Form(connection, trader)


def stored(world: World, account: Any) -> Any:
    return json.loads(
        world.value(
            "select d.decrypted_secret from vault.decrypted_secrets d"
            " join public.user_api_keys k on k.secret_id = d.id where k.id = %s",
            account,
        )
    )


def audited(world: World, subject: Any) -> list[tuple[str, str]]:
    return world.rows("select actor, action from public.audit_log where subject = %s order by id", subject)


@pytest.mark.parametrize("role", ["authenticated", "dashboard_server", "service_role"])
def test_keys_are_saved_masked_replaced_and_deleted(world: World, role: str) -> None:
    trader = world.trader().id
    with form(world, trader, role) as page:
        made = page.insert(
            user_id=trader,
            exchange="aster",
            label="Main",
            api_key=KEY,
            api_secret=SECRET,
            extra_metadata={"webhookUrl": ""},
        )
        assert (made["api_key"], made["api_secret"], made["passphrase"]) == (f"{MASK}wxyz", MASK, None)
        assert (made["environment"], made["label"]) == ("production", "Main")
        assert made["extra_metadata"] == {"webhookUrl": ""}
        assert stored(world, made["id"]) == {"api_key": KEY, "api_secret": SECRET}
        (changed,) = page.update(made["id"], label="Other", api_key="key-0123456789-abcd", api_secret=MASK)
        assert (changed["label"], changed["api_key"], changed["api_secret"]) == ("Other", f"{MASK}abcd", MASK)
        assert stored(world, made["id"]) == {"api_key": "key-0123456789-abcd", "api_secret": SECRET}
        assert page.row("aster") == changed
        assert page.delete("aster") == 1
        assert page.row("aster") is None
        assert page.delete("aster") == 0
    assert ("api_key.deleted" in [action for _, action in audited(world, made["id"])]) is True
    names = world.rows("select name from vault.secrets where name = %s", f"api_key/{made['id']}")
    assert names == []


def test_a_form_that_comes_back_as_it_was_shown_changes_no_key(world: World) -> None:
    trader = world.trader().id
    with form(world, trader, "dashboard_server") as page:
        made = page.insert(user_id=trader, exchange="aster", label="Main", api_key=KEY, api_secret=SECRET)
        version = world.value("select key_version from public.user_api_keys where id = %s", made["id"])
        (again,) = page.update(made["id"], **{k: v for k, v in made.items() if k not in {"id", "updated_at"}})
        assert {k: v for k, v in again.items() if k != "updated_at"} == {
            k: v for k, v in made.items() if k != "updated_at"
        }
        page.update(
            made["id"], api_key=None, api_secret=None, passphrase=None, webhook_secret=None, account_id=None
        )
    assert stored(world, made["id"]) == {"api_key": KEY, "api_secret": SECRET}
    assert world.value("select key_version from public.user_api_keys where id = %s", made["id"]) == version


def test_what_is_no_secret_is_shown_and_kept_where_the_form_sends_null(world: World) -> None:
    trader = world.trader().id
    with form(world, trader) as page:
        made = page.insert(
            exchange="oanda", label="O", api_key=KEY, account_id="001-1", base_url="https://api.example.com"
        )
        assert (made["account_id"], made["base_url"], made["api_secret"]) == (
            "001-1",
            "https://api.example.com",
            None,
        )
        (tested,) = page.update(made["id"], last_tested="2026-01-02T03:04:05Z")
        assert tested["last_tested"].isoformat() == "2026-01-02T03:04:05+00:00"
        (kept,) = page.update(made["id"], account_id=None, base_url=None, extra_metadata=None)
        assert (kept["account_id"], kept["base_url"]) == ("001-1", "https://api.example.com")
        assert kept["last_tested"] == tested["last_tested"]
        (cleared,) = page.update(made["id"], account_id="", extra_metadata={"a": None})
        assert (cleared["account_id"], cleared["extra_metadata"]) == (None, {"a": None})


def test_no_secret_is_in_any_row_for_anybody(world: World) -> None:
    one = world.trader()
    with form(world, one.id) as page:
        page.insert(
            exchange="tastytrade",
            label="T",
            api_key=KEY,
            api_secret=SECRET,
            passphrase="p-0123456789",
            username="u-0123456789",
            password="w-0123456789",
        )
    for role in ("authenticated", "dashboard_server", "service_role"):
        with form(world, one.id, role) as page:
            rows = page.all()
            assert {row["exchange"] for row in rows} == {"paper", "tastytrade", "webhook"}
            (tasty,) = [row for row in rows if row["exchange"] == "tastytrade"]
            masked = [tasty[name] for name in ("api_key", "api_secret", "passphrase", "username", "password")]
            assert masked == [f"{MASK}wxyz", MASK, MASK, MASK, MASK]
            assert "0123456789" not in str(rows)
            assert one.secret not in str(rows)
            assert one.token not in str(rows)


def test_sealed_keys_are_shown_as_stored_and_replaced_only_whole(world: World) -> None:
    trader = world.trader().id
    with world.signed_in(trader) as connection:
        account = call(connection, "save_api_key", "aster", "production", "A", SEALED, "abcd")
    with form(world, trader, "dashboard_server") as page:
        row = page.row("aster")
        assert row is not None
        assert (row["api_key"], row["api_secret"]) == (f"{MASK}abcd", MASK)
        with pytest.raises(psycopg.errors.InvalidParameterValue) as caught:
            page.update(account, api_key=KEY, api_secret=MASK)
        assert "enter all of them again: api_key, api_secret" in str(caught.value)
        (replaced,) = page.update(account, api_key=KEY, api_secret=SECRET)
        assert replaced["api_key"] == f"{MASK}wxyz"
    assert stored(world, account) == {"api_key": KEY, "api_secret": SECRET}


REFUSED: list[tuple[Row, str]] = [
    ({"exchange": "binance", "label": "B", "api_key": KEY}, 'exchange "binance" is not served'),
    ({"exchange": "interactive-brokers", "label": "B", "api_key": KEY}, "is not served"),
    ({"exchange": None, "label": "B", "api_key": KEY}, "is not served"),
    (
        {"exchange": "aster", "label": "B", "api_key": KEY, "environment": "practice"},
        'environment "practice"',
    ),
    (
        {"exchange": "paper", "label": "B", "api_key": KEY, "environment": "production"},
        "does not exist for paper",
    ),
    (
        {"exchange": "webhook", "label": "B", "webhook_secret": STRONG, "environment": "sandbox"},
        "for webhook",
    ),
    ({"exchange": "aster", "label": "", "api_key": KEY}, "a label has 1 to 100 characters"),
    ({"exchange": "aster", "label": "x" * 101, "api_key": KEY}, "a label has 1 to 100 characters"),
    ({"exchange": "aster", "label": "B", "api_key": KEY, "account_id": "x" * 101}, "an account_id up to 100"),
    (
        {"exchange": "aster", "label": "B", "api_key": KEY, "base_url": "x" * 1_000_000},
        "a base_url up to 300",
    ),
    (
        {"exchange": "aster", "label": "B", "api_key": KEY, "extra_metadata": {"a": "x" * 9000}},
        "an object of up to",
    ),
    ({"exchange": "aster", "label": "B", "api_key": "x" * 1_000_000}, "at most 4096 characters"),
    ({"exchange": "aster", "label": "B"}, "there are no keys to save"),
    (
        {"exchange": "aster", "label": "B", "api_key": MASK, "api_secret": f"{MASK}abcd"},
        "there are no keys to save",
    ),
    ({"exchange": "webhook", "label": "B"}, "there is no webhook secret to save"),
    ({"exchange": "webhook", "label": "B", "webhook_secret": "short"}, "16 to 200 characters"),
]


@pytest.mark.parametrize(("values", "words"), REFUSED)
def test_what_cannot_be_saved_is_refused_in_words_and_writes_nothing(
    world: World, values: Row, words: str
) -> None:
    trader = world.trader().id
    counts = "select count(*), (select count(*) from vault.secrets), (select count(*) from public.audit_log)"
    before = world.row(counts + " from public.user_api_keys")
    with form(world, trader) as page, pytest.raises(psycopg.errors.InvalidParameterValue) as caught:
        page.insert(**values)
    assert words in str(caught.value)
    assert caught.value.diag.message_hint
    assert world.row(counts + " from public.user_api_keys") == before


def test_a_trader_reaches_nothing_of_another(world: World) -> None:
    one, other = world.trader(), world.trader()
    with form(world, other.id) as page:
        theirs = page.insert(exchange="aster", label="Theirs", api_key=KEY, api_secret=SECRET)
    with form(world, one.id) as page:
        assert {row["user_id"] for row in page.all()} == {uuid.UUID(one.id)}
        assert page.update(theirs["id"], label="Mine", api_key="x" * 20) == []
        for stranger in (other.id, str(uuid.uuid4())):
            with pytest.raises(psycopg.errors.InsufficientPrivilege) as caught:
                page.insert(user_id=stranger, exchange="oanda", label="L", api_key=KEY)
            assert "belong to the signed-in trader" in str(caught.value)
        own = page.row("webhook")
        assert own is not None
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            page.update(own["id"], user_id=other.id)
    with form(world, other.id) as page:
        assert page.row("aster") == theirs
    with connect(world.url, "authenticated", other.id) as connection:
        statement = sql.SQL("delete from {} where user_id = {}").format(VIEW, one.id)
        assert connection.execute(statement).rowcount == 0


@pytest.mark.parametrize("column", ["user_id", "id", "exchange", "environment"])
def test_credentials_stay_whose_they_are_and_where_they_are(world: World, column: str) -> None:
    one, other = world.trader(), world.trader()
    value = {"user_id": other.id, "id": str(uuid.uuid4()), "exchange": "oanda", "environment": "sandbox"}[
        column
    ]
    with form(world, one.id, "dashboard_server") as page:
        made = page.insert(user_id=one.id, exchange="aster", label="A", api_key=KEY, api_secret=SECRET)
        with pytest.raises(psycopg.errors.InvalidParameterValue) as caught:
            page.update(made["id"], **{column: value})
        assert "never changes" in str(caught.value)
        assert page.row("aster") == made


def test_a_server_must_name_a_trader_who_exists(world: World) -> None:
    with form(world, str(uuid.uuid4()), "dashboard_server") as page:
        with pytest.raises(psycopg.errors.InvalidParameterValue):
            page.insert(exchange="aster", label="A", api_key=KEY)
        with pytest.raises(psycopg.errors.ForeignKeyViolation) as caught:
            page.insert(user_id=str(uuid.uuid4()), exchange="aster", label="A", api_key=KEY)
    assert "there is no trader with this user_id" in str(caught.value)


def test_the_webhook_secret_of_the_form_is_the_one_that_alerts_carry(world: World) -> None:
    trader = world.trader()
    with form(world, trader.id, "dashboard_server") as page:
        row = page.row("webhook")
        assert row is not None
        assert row["webhook_secret"] == MASK + trader.secret[-4:]
        (saved,) = page.update(
            row["id"],
            webhook_secret=STRONG,
            label=row["label"],
            api_key=None,
            extra_metadata={"webhookUrl": ""},
        )
        assert (saved["webhook_secret"], saved["id"]) == (f"{MASK}et 1", row["id"])
        (again,) = page.update(row["id"], webhook_secret=saved["webhook_secret"], label="Renamed")
        assert (again["webhook_secret"], again["label"]) == (f"{MASK}et 1", "Renamed")
    assert send(world, STRONG) == 200
    assert send(world, trader.secret) == 401
    assert send(world, saved["webhook_secret"]) == 401


def send(world: World, secret: str) -> int:
    body = json.dumps(BUY | {"secret": secret, "id": str(uuid.uuid4())})
    return int(call(world.edge, "ingest_alert", None, body, "1.2.3.4", {})["http"])


def test_deleting_the_webhook_ends_it_and_saving_makes_another(world: World) -> None:
    trader = world.trader()
    world.run(
        "delete from public.user_webhook_configs where user_id = %s and id <> %s", trader.id, trader.webhook
    )
    with form(world, trader.id, "dashboard_server") as page:
        assert page.delete("webhook") == 1
        assert page.row("webhook") is None
        assert send(world, trader.secret) == 401
        made = page.insert(user_id=trader.id, exchange="webhook", label="TradingView", webhook_secret=STRONG)
        assert made["webhook_secret"] == f"{MASK}et 1"
        assert page.row("webhook") == made
    assert send(world, STRONG) == 200
    assert ("dashboard", "webhook.deleted") in audited(world, trader.webhook)


def test_only_the_oldest_webhook_is_shown(world: World) -> None:
    trader = world.trader()
    with world.signed_in(trader.id) as connection:
        call(connection, "create_webhook", "Second")
    with form(world, trader.id) as page:
        rows = [row for row in page.all() if row["exchange"] == "webhook"]
    assert len(rows) == 1
    assert rows[0]["id"] == world.value(
        "select id from public.user_webhook_configs where user_id = %s order by created_at, id limit 1",
        trader.id,
    )


def test_nobody_finds_a_trader_by_a_webhook_secret(world: World) -> None:
    trader = world.trader()
    with connect(world.url, "service_role") as server:
        for secret in (trader.secret, trader.token):
            statement = sql.SQL("select 1 from {} where webhook_secret = {}").format(VIEW, secret)
            assert server.execute(statement).fetchall() == []


@pytest.mark.parametrize("role", ["dashboard_server", "service_role"])
@pytest.mark.parametrize("change", ["update {} set api_key = 'key-9876543210-zzzz'", "delete from {}"])
def test_a_request_of_a_server_that_names_no_trader_changes_nothing(
    world: World, role: str, change: str
) -> None:
    traders = [world.trader().id, world.trader().id]
    with connect(world.url, role) as server:
        before = server.execute(sql.SQL("select * from {} order by id").format(VIEW)).fetchall()
        with pytest.raises(psycopg.errors.InvalidParameterValue, match="of one trader"):
            server.execute(sql.SQL(change).format(VIEW))
        assert server.execute(sql.SQL("select * from {} order by id").format(VIEW)).fetchall() == before
        for trader in traders:
            statement = sql.SQL(change + " where user_id = {}").format(VIEW, trader)
            assert server.execute(statement).rowcount == 2


def test_a_token_without_a_subject_saves_nothing(world: World) -> None:
    with connect(world.url, "authenticated") as connection:
        page = Form(connection, "")
        assert page.all() == []
        with pytest.raises(psycopg.errors.InvalidParameterValue):
            page.insert(exchange="aster", label="A", api_key=KEY)


def test_row_types_of_the_view_are_those_of_its_tables(shared: World) -> None:
    trader: Trader = shared.trader()
    with form(shared, trader.id) as page:
        (row,) = [row for row in page.all() if row["exchange"] == "paper"]
    assert row["id"] == uuid.UUID(trader.account)
    assert row["environment"] == "paper"


def test_two_tabs_that_save_at_once_make_one_account_and_one_webhook(world: World) -> None:
    trader = world.trader()
    world.run("delete from public.user_webhook_configs where user_id = %s", trader.id)

    def save(connection: psycopg.Connection[Any], number: int) -> tuple[Any, Any]:
        page = Form(connection, trader.id)
        account = page.insert(
            user_id=trader.id, exchange="aster", label="A", api_key=f"{number}{KEY}", api_secret=SECRET
        )
        webhook = page.insert(
            user_id=trader.id, exchange="webhook", label="TradingView", webhook_secret=f"{STRONG}{number}"
        )
        return account["id"], webhook["id"]

    assert len(set(at_once(world, "dashboard_server", 8, save))) == 1
    names = "select count(*) from vault.secrets where name like %s"
    assert world.value(names, "api_key/%") == 2
    assert world.value(names, "webhook/%") == 1


def test_one_traders_credentials_are_found_by_index(world: World) -> None:
    trader = world.trader()
    with connect(world.url, "dashboard_server") as server:
        # The tables are small here: what counts is that the condition reaches both of them.
        server.execute("set enable_seqscan = off")
        plan = server.execute(
            sql.SQL("explain select * from {} where user_id = {} and environment = 'production'").format(
                VIEW, trader.id
            )
        ).fetchall()
    text = "\n".join(line for (line,) in plan)
    assert "Seq Scan" not in text
    assert text.count("Index Cond: (user_id = ") == 2
