"""How many exchanges and strategies a plan allows, also when many ask at once and after a smaller plan."""

import json
import threading
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from tests.database.races import at_once
from tests.database.world import SEALED, Trader, World, call, connect

Connection = psycopg.Connection[tuple[Any, ...]]
PAYMENT_REQUIRED = "PT402"


def save(world: World, trader: str, exchange: str, environment: str = "production") -> str:
    with world.signed_in(trader) as connection:
        return str(call(connection, "save_api_key", exchange, environment, exchange, SEALED))


def strategy(world: World, trader: str, name: str | None = None, status: str = "active") -> str:
    with world.signed_in(trader) as connection:
        row = connection.execute(
            "insert into public.strategies (name, status) values (%s, %s) returning id",
            (name or str(uuid.uuid4()), status),
        ).fetchone()
    assert row is not None
    return str(row[0])


def book(world: World, trader: str, plan: str) -> None:
    world.run("update public.subscriptions set plan = %s where user_id = %s", plan, trader)


@contextmanager
def over_the_limit(limit: str, allowed: int, used: int, plan: str) -> Iterator[None]:
    with pytest.raises(psycopg.Error) as caught:
        yield
    diag = caught.value.diag
    assert caught.value.sqlstate == PAYMENT_REQUIRED
    assert diag.message_primary is not None
    for part in (plan, str(allowed), str(used)):
        assert part in diag.message_primary
    assert json.loads(diag.message_detail or "") == {
        "limit": limit,
        "allowed": allowed,
        "used": used,
        "plan": plan,
        "resets_at": None,
    }
    assert "larger plan" in (diag.message_hint or "")


@contextmanager
def refused() -> Iterator[None]:
    with pytest.raises(psycopg.Error) as caught:
        yield
    assert caught.value.sqlstate == PAYMENT_REQUIRED, caught.value


def test_free_has_one_exchange_and_paper_beside_it(world: World) -> None:
    trader = world.sign_up()
    save(world, trader, "aster")
    save(world, trader, "aster", "sandbox")
    save(world, trader, "paper", "paper")
    secrets = world.value("select count(*) from vault.secrets")
    with over_the_limit("max_exchanges", 1, 1, "Free"):
        save(world, trader, "oanda")
    assert world.value("select count(*) from public.user_api_keys") == 3
    assert world.value("select count(*) from vault.secrets") == secrets
    with world.signed_in(trader) as connection:
        for account in world.rows("select id from public.user_api_keys where exchange = 'aster'"):
            assert call(connection, "delete_api_key", account[0]) is True
    save(world, trader, "oanda")


def test_pro_has_all_four_and_paper(world: World) -> None:
    trader = world.sign_up()
    book(world, trader, "Pro")
    for exchange in ("aster", "oanda", "tradier", "tastytrade"):
        save(world, trader, exchange)
    save(world, trader, "paper", "paper")


def test_a_service_key_is_limited_too_and_several_rows_at_once_count_as_several(world: World) -> None:
    trader = world.sign_up()
    with (
        connect(world.url, "service_role") as connection,
        over_the_limit("max_exchanges", 1, 1, "Free"),
    ):
        connection.execute(
            "insert into public.user_api_keys (user_id, exchange, environment, label, secret_id)"
            " select %s, e, 'production', 'x', gen_random_uuid() from unnest('{aster,oanda}'::text[]) e",
            (trader,),
        )
    with (
        connect(world.url, "service_role") as connection,
        over_the_limit("max_strategies", 3, 3, "Free"),
    ):
        connection.execute(
            "insert into public.strategies (user_id, name, status)"
            " select %s, 's' || n, 'active' from generate_series(1, 4) n",
            (trader,),
        )
    assert world.row(
        "select (select count(*) from public.user_api_keys), (select count(*) from public.strategies)"
    ) == (0, 0)


def test_only_active_strategies_count(world: World) -> None:
    trader = world.sign_up()
    for _ in range(3):
        strategy(world, trader)
    for status in ("inactive", "testing"):
        strategy(world, trader, status, status)
    with over_the_limit("max_strategies", 3, 3, "Free"):
        strategy(world, trader)
    with (
        world.signed_in(trader) as connection,
        over_the_limit("max_strategies", 3, 3, "Free"),
    ):
        connection.execute("update public.strategies set status = 'active' where name = 'inactive'")
    with world.signed_in(trader) as connection:
        connection.execute("delete from public.strategies where name = 'testing'")
        connection.execute(
            "update public.strategies set status = 'inactive' where name = "
            "(select min(name) from public.strategies where status = 'active')"
        )
        connection.execute("update public.strategies set status = 'active' where name = 'inactive'")
        # What is active already may be written again.
        assert connection.execute("update public.strategies set status = status").rowcount == 4


def test_activating_several_with_one_statement_counts_each(world: World) -> None:
    trader = world.sign_up()
    for _ in range(4):
        strategy(world, trader, status="inactive")
    with world.signed_in(trader) as connection, refused():
        connection.execute("update public.strategies set status = 'active'")
    assert world.value("select count(*) from public.strategies where status = 'active'") == 0


def test_an_operators_override_counts(world: World) -> None:
    trader = world.sign_up()
    world.run(
        "update public.subscriptions set max_strategies = 0, max_exchanges = 0 where user_id = %s", trader
    )
    with over_the_limit("max_strategies", 0, 0, "Free"):
        strategy(world, trader)
    with over_the_limit("max_exchanges", 0, 0, "Free"):
        save(world, trader, "aster")
    save(world, trader, "paper", "paper")


def test_without_any_plan_nothing_is_allowed(world: World) -> None:
    trader = world.sign_up()
    world.run("update public.plans set name = 'Gone' where name = 'Free'")
    world.run("update public.subscriptions set status = 'unpaid'")
    with over_the_limit("max_strategies", 0, 0, "Free"):
        strategy(world, trader)


def test_twenty_activations_at_once_leave_exactly_three(world: World) -> None:
    trader = world.sign_up()
    ids = [strategy(world, trader, status="inactive") for _ in range(20)]
    outcomes = at_once(world, "service_role", 20, activating(ids))
    assert Counter(outcomes) == {None: 3, PAYMENT_REQUIRED: 17}
    assert world.value("select count(*) from public.strategies where status = 'active'") == 3


def activating(ids: list[str]) -> Callable[[Connection, int], str | None]:
    def work(connection: Connection, number: int) -> str | None:
        try:
            connection.execute("update public.strategies set status = 'active' where id = %s", (ids[number],))
        except psycopg.Error as error:
            return error.sqlstate
        return None

    return work


def test_twelve_first_saves_at_once_leave_exactly_the_exchanges_of_the_plan(world: World) -> None:
    trader = world.sign_up()
    book(world, trader, "Basic")
    exchanges = ("aster", "oanda", "tradier", "tastytrade")

    def work(connection: Connection, number: int) -> str | None:
        try:
            connection.execute(
                "insert into public.user_api_keys (user_id, exchange, environment, label, secret_id)"
                " values (%s, %s, %s, 'x', gen_random_uuid()) on conflict do nothing",
                (trader, exchanges[number % 4], ("production", "sandbox")[number % 2]),
            )
        except psycopg.Error as error:
            return error.sqlstate
        return None

    outcomes = at_once(world, "service_role", 12, work)
    assert set(outcomes) == {None, PAYMENT_REQUIRED}
    assert world.value("select count(distinct exchange) from public.user_api_keys") == 2


@pytest.mark.parametrize("guarded", [True, False])
def test_the_second_of_two_waits_for_the_first_and_is_refused_only_because_of_the_lock(
    world: World, *, guarded: bool
) -> None:
    if not guarded:
        world.run(
            "create or replace function private.lock_plan(p_user_id uuid, p_inserting boolean) returns void"
            " language sql set search_path = '' as ''"
        )
    trader = world.sign_up()
    for _ in range(2):
        strategy(world, trader)
    insert = "insert into public.strategies (user_id, name, status) values (%s, %s, 'active')"
    started = threading.Event()

    def second() -> str | None:
        with connect(world.url, "service_role") as connection:
            started.set()
            try:
                connection.execute(insert, (trader, "second"))
            except psycopg.Error as error:
                return error.sqlstate
            return None

    with connect(world.url, "service_role") as connection, ThreadPoolExecutor(1) as pool:
        connection.execute("begin")
        connection.execute(insert, (trader, "first"))
        future = pool.submit(second)
        assert started.wait(10)
        if guarded:
            wait_until_blocked(world)
        else:
            assert future.result(10) is None
        connection.execute("commit")
        assert future.result(10) == (PAYMENT_REQUIRED if guarded else None)
    assert world.value("select count(*) from public.strategies") == (3 if guarded else 4)


def wait_until_blocked(world: World) -> None:
    waiting = (
        "select count(*) from pg_locks where locktype = 'advisory' and not granted and database ="
        " (select oid from pg_database where datname = current_database())"
    )
    for _ in range(1000):
        if world.value(waiting):
            return
        world.run("select pg_sleep(0.01)")
    pytest.fail("the second writer never waited")


def test_a_trader_who_leaves_while_he_activates_blocks_nothing(world: World) -> None:
    trader = world.sign_up()
    ids = [strategy(world, trader, status="inactive") for _ in range(6)]
    activate = activating(ids)

    def work(connection: Connection, number: int) -> str | None:
        if number < 6:
            return activate(connection, number)
        try:
            if number == 6:
                connection.execute("reset role")
                connection.execute("delete from auth.users where id = %s", (trader,))
            else:
                connection.execute(
                    "insert into public.strategies (user_id, name, status) values (%s, %s, 'active')",
                    (trader, f"new {number}"),
                )
        except psycopg.Error as error:
            return error.sqlstate
        return None

    outcomes = at_once(world, "service_role", 10, work)
    assert outcomes[6] is None
    # Refused by the plan, or by the foreign key when the trader was gone already.
    assert set(outcomes) <= {None, PAYMENT_REQUIRED, "23503"}
    assert world.value("select count(*) from public.strategies") == 0


def test_another_traders_plan_is_told_to_nobody(world: World) -> None:
    one, other = world.sign_up(), world.sign_up()
    for _ in range(3):
        strategy(world, other)
    outcomes = []
    for victim in (other, str(uuid.uuid4())):
        with (
            world.signed_in(one) as connection,
            pytest.raises(psycopg.errors.InsufficientPrivilege) as caught,
        ):
            connection.execute(
                "insert into public.strategies (user_id, name, status) values (%s, 'x', 'active')", (victim,)
            )
        outcomes.append(str(caught.value))
    assert outcomes[0] == outcomes[1]


@pytest.fixture
def lapsed(world: World) -> Trader:
    """Return a trader of Basic with two exchanges and five strategies, whose payment stopped for good."""
    trader = world.trader("Basic")
    save(world, trader.id, "aster")
    save(world, trader.id, "oanda")
    for number in range(5):
        strategy(world, trader.id, f"s{number}")
    world.run("update public.subscriptions set status = 'unpaid' where user_id = %s", trader.id)
    return trader


def test_after_a_smaller_plan_the_newest_exchange_takes_no_entries_and_every_exit(
    world: World, lapsed: Trader
) -> None:
    answer = world.ingest(lapsed, {"symbol": "EURUSD", "action": "buy", "quantity": "1", "exchange": "oanda"})
    assert (answer["http"], answer["body"]["reason_code"]) == (422, "plan_limit")
    assert "Free" in answer["body"]["reason"]
    assert "oanda" in answer["body"]["reason"]
    stored = world.signal(answer["body"]["signal_id"])
    assert (stored["status"], stored["exchange"], stored["reason"]) == (
        "rejected",
        "oanda",
        answer["body"]["reason"],
    )
    assert stored["account_id"] is not None
    for fields in (
        {"action": "close", "exchange": "oanda", "symbol": "EURUSD"},
        {"action": "sell", "reduce_only": True, "exchange": "oanda", "symbol": "EURUSD", "quantity": "1"},
        {"action": "buy", "exchange": "aster", "symbol": "BTCUSDT", "quantity": "1"},
        {"action": "buy", "exchange": "paper", "symbol": "BTCUSDT", "quantity": "1"},
    ):
        assert world.ingest(lapsed, fields)["body"]["status"] == "accepted", fields


def test_after_a_smaller_plan_keys_are_still_replaced_because_exits_need_them(
    world: World, lapsed: Trader
) -> None:
    save(world, lapsed.id, "oanda")
    assert world.value("select key_version from public.user_api_keys where exchange = 'oanda'") == 2
    with over_the_limit("max_exchanges", 1, 2, "Free"):
        save(world, lapsed.id, "oanda", "sandbox")
    save(world, lapsed.id, "aster", "sandbox")


def test_after_a_smaller_plan_the_newest_strategies_are_read_only(world: World, lapsed: Trader) -> None:
    with world.signed_in(lapsed.id) as connection:
        for column in ("notes", "name", "timeframe"):
            with over_the_limit("max_strategies", 3, 5, "Free"):
                connection.execute(f"update public.strategies set {column} = 'x' where name = 's3'")  # noqa: S608
        connection.execute("update public.strategies set notes = 'x' where name = 's2'")
        connection.execute("update public.strategies set status = 'inactive' where name = 's3'")
        connection.execute("update public.strategies set notes = 'x' where name = 's3'")
        with over_the_limit("max_strategies", 3, 4, "Free"):
            connection.execute("update public.strategies set status = 'active' where name = 's3'")
        connection.execute("delete from public.strategies where name = 's4'")
    # The counters follow the trades whatever the plan.
    world.run("update public.strategies set total_trades = 1 where name = 's2'")
    assert world.value("select count(*) from public.strategies") == 4


def test_the_plan_as_its_trader_sees_it(world: World, lapsed: Trader) -> None:
    world.accept(lapsed, exchange="paper")
    world.run("insert into public.entitlements (user_id, addon) values (%s, 'backtesting')", lapsed.id)
    with world.signed_in(lapsed.id) as connection:
        answer = call(connection, "my_plan")
    over = world.rows("select id::text, name from public.strategies where name in ('s3', 's4') order by name")
    oanda = world.value("select id::text from public.user_api_keys where exchange = 'oanda'")
    assert answer == {
        "plan": "Free",
        "booked_plan": "Basic",
        "status": "unpaid",
        "grace_until": None,
        "current_period_end": None,
        "cancel_at_period_end": False,
        "limits": {
            "max_exchanges": {
                "allowed": 1,
                "used": 2,
                "over": [{"id": oanda, "exchange": "oanda", "environment": "production", "label": "oanda"}],
            },
            "max_strategies": {
                "allowed": 3,
                "used": 5,
                "over": [{"id": number, "name": name} for number, name in over],
            },
            "webhooks_per_hour": {"allowed": 10, "used": 1, "resets_at": None},
        },
        "features": ["backtesting", "basic_analytics", "community_support"],
        "addons": ["backtesting"],
    }


def test_a_plan_without_limits_says_null_and_a_full_hour_says_until_when(world: World) -> None:
    trader = world.trader()
    with world.signed_in(trader.id) as connection:
        limits = call(connection, "my_plan")["limits"]
        assert [limits[name]["allowed"] for name in sorted(limits)] == [None, None, None]
        book(world, trader.id, "Free")
        for _ in range(10):
            world.accept(trader)
        alerts = call(connection, "my_plan")["limits"]["webhooks_per_hour"]
    assert (alerts["allowed"], alerts["used"]) == (10, 10)
    left = world.value("select extract(epoch from %s::timestamptz - now())", alerts["resets_at"])
    assert 3500 < left <= 3601


def test_grace_is_told_with_its_end(world: World) -> None:
    trader = world.sign_up()
    answers = {}
    for status, end in (("past_due", None), ("canceled", "2100-01-01T00:00:00+00:00"), ("active", None)):
        world.run(
            "update public.subscriptions set plan = 'Basic', status = %s, current_period_end = %s",
            status,
            end,
        )
        with world.signed_in(trader) as connection:
            answers[status] = call(connection, "my_plan")
    assert {answer["plan"] for answer in answers.values()} == {"Basic"}
    assert answers["canceled"]["grace_until"] == "2100-01-01T00:00:00+00:00"
    assert answers["active"]["grace_until"] is None
    left = world.value("select %s::timestamptz - now()", answers["past_due"]["grace_until"])
    assert 6.99 < left.total_seconds() / 86_400 <= 7
