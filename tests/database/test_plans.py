"""Which plan counts, and what it allows."""

from decimal import Decimal
from typing import Any

import pytest

from tests.database.world import World, call, connect, fill, filled, held, order


def plan(world: World, trader: str) -> tuple[Any, ...]:
    return world.row("select * from private.current_plan(%s)", trader)


FREE = ("Free", 10, 1, 3)
BASIC = ("Basic", 100, 2, 10)


@pytest.mark.parametrize("name", ["Free", "Basic", "Pro", "Enterprise"])
def test_the_seeded_plans_are_those_of_the_contract(shared: World, name: str) -> None:
    found = shared.row(
        "select monthly_price_usd, max_exchanges, max_strategies, webhooks_per_hour from"
        " public.plans where name = %s",
        name,
    )
    assert (
        found
        == {
            "Free": (0, 1, 3, 10),
            "Basic": (29, 2, 10, 100),
            "Pro": (99, 4, None, None),
            "Enterprise": (None, None, None, None),
        }[name]
    )


@pytest.mark.parametrize(
    ("status", "past_due_days", "period_days", "expected"),
    [
        ("active", None, None, BASIC),
        ("trialing", None, None, BASIC),
        ("past_due", 6, None, BASIC),
        ("past_due", 8, None, FREE),
        ("past_due", None, None, BASIC),
        ("canceled", None, 1, BASIC),
        ("canceled", None, -1, FREE),
        ("canceled", None, None, FREE),
        ("incomplete", None, 1, FREE),
        ("incomplete_expired", None, 1, FREE),
        ("unpaid", None, 1, FREE),
        ("paused", None, 1, FREE),
    ],
)
def test_the_plan_that_counts(
    shared: World, status: str, past_due_days: int | None, period_days: int | None, expected: tuple[Any, ...]
) -> None:
    trader = shared.sign_up()
    shared.run(
        "update public.subscriptions set plan = 'Basic', status = %s, past_due_since = now() -"
        " make_interval(days => %s),"
        " current_period_end = now() + make_interval(days => %s) where user_id = %s",
        status,
        past_due_days,
        period_days,
        trader,
    )
    assert plan(shared, trader) == expected


def test_overrides_replace_single_limits_of_their_own_plan(shared: World) -> None:
    trader = shared.sign_up()
    shared.run(
        "update public.subscriptions set plan = 'Basic', webhooks_per_hour = 500, max_exchanges = 0"
        " where user_id = %s",
        trader,
    )
    assert plan(shared, trader) == ("Basic", 500, 0, 10)
    shared.run("update public.subscriptions set status = 'unpaid' where user_id = %s", trader)
    assert plan(shared, trader) == FREE


def test_a_trader_without_a_subscription_is_on_free(shared: World) -> None:
    assert plan(shared, "00000000-0000-0000-0000-000000000000") == FREE


def test_signing_up_makes_profile_subscription_and_ingest_state_once(world: World) -> None:
    trader = world.sign_up("a@example.com")
    rows = (
        "select (select count(*) from public.user_profiles), (select count(*) from public.subscriptions),"
        " (select count(*) from private.ingest_state)"
    )
    assert world.row(rows) == (1, 1, 1)
    assert world.row("select id::text, email from public.user_profiles") == (trader, "a@example.com")
    # As when a restore or an import has brought the rows before the user.
    world.run("set session_replication_role = replica")
    world.run("delete from auth.users")
    world.run("set session_replication_role = origin")
    world.run("insert into auth.users (id, email) values (%s, 'b@example.com')", trader)
    assert world.row(rows) == (1, 1, 1)
    assert world.value("select email from public.user_profiles") == "b@example.com"


def test_a_name_of_a_megabyte_does_not_stop_a_sign_up(world: World) -> None:
    world.run(
        "insert into auth.users (id, email, raw_user_meta_data) values"
        " (gen_random_uuid(), 'a@example.com', jsonb_build_object('full_name', repeat('x', 1000000)))"
    )
    assert world.value("select length(full_name) from public.user_profiles") == 200


def test_days_of_grace_count_from_the_first_failed_payment(world: World) -> None:
    trader = world.sign_up()
    world.run("update public.subscriptions set plan = 'Basic', status = 'past_due'")
    world.run("update public.subscriptions set past_due_since = now() - interval '8 days'")
    # News of the same failure, and any other change, start nothing anew.
    world.run("update public.subscriptions set status = 'past_due', metadata = '{}'")
    world.run("update public.subscriptions set past_due_since = null")
    assert plan(world, trader) == FREE
    world.run("update public.subscriptions set status = 'active'")
    assert world.value("select past_due_since from public.subscriptions") is None
    world.run("update public.subscriptions set status = 'past_due'")
    assert plan(world, trader) == BASIC


def has_feature(world: World, trader: str, name: str | None, role: str = "authenticated") -> Any:
    with world.signed_in(trader, role) as connection:
        return call(connection, "has_feature", name)


@pytest.mark.parametrize(
    ("status", "past_due_days", "period_days", "expected"),
    [
        ("active", None, None, True),
        ("trialing", None, None, True),
        ("past_due", 6, None, True),
        ("past_due", 8, None, False),
        ("canceled", None, 1, True),
        ("canceled", None, -1, False),
        ("canceled", None, None, False),
        ("incomplete", None, 1, False),
        ("unpaid", None, 1, False),
        ("paused", None, 1, False),
    ],
)
def test_an_addon_lasts_as_long_as_a_plan_would(
    shared: World, status: str, past_due_days: int | None, period_days: int | None, *, expected: bool
) -> None:
    trader = shared.sign_up()
    assert has_feature(shared, trader, "advanced_analytics") is False
    shared.run(
        "insert into public.entitlements (user_id, addon, status, past_due_since, current_period_end) values"
        " (%s, 'advanced_analytics', %s, now() - make_interval(days => %s),"
        " now() + make_interval(days => %s))",
        trader,
        status,
        past_due_days,
        period_days,
    )
    assert has_feature(shared, trader, "advanced_analytics") is expected
    assert has_feature(shared, shared.sign_up(), "advanced_analytics") is False


def test_features_come_with_the_plan_that_counts(world: World) -> None:
    trader = world.sign_up()
    assert has_feature(world, trader, "basic_analytics") is True
    assert has_feature(world, trader, "advanced_analytics") is False
    world.run("update public.subscriptions set plan = 'Basic'")
    assert has_feature(world, trader, "advanced_analytics") is True
    world.run("update public.subscriptions set status = 'unpaid'")
    assert has_feature(world, trader, "advanced_analytics") is False
    for unknown in ("", "Advanced_Analytics", "x" * 1_000_000, None):
        assert has_feature(world, trader, unknown) is False


@pytest.mark.parametrize("role", ["service_role", "dashboard_server"])
def test_a_key_without_a_trader_has_no_feature(shared: World, role: str) -> None:
    with connect(shared.url, role) as connection:
        assert call(connection, "has_feature", "basic_analytics") is False


def test_daily_statistics_are_for_those_who_have_the_feature(world: World) -> None:
    traders = [world.trader("Free"), world.trader("Basic")]
    for trader in traders:
        for number, action in enumerate(("buy", "sell")):
            world.accept(trader, action=action)
            claimed = world.claim_one()
            world.begin(order(claimed, side=action))
            news = filled(fills=[fill(f"{number}", "1", str(100 + number), minute=number)])
            world.finish(held(claimed) | {"status": "done", "news": [news]})
    query = "select exchange, day::text, trades, winners, pnl_usd from public.trade_stats_daily"
    found = []
    for trader in traders:
        with world.signed_in(trader.id) as connection:
            found.append(connection.execute(query).fetchall())
    assert found == [[], [("paper", "2026-11-22", 1, 1, Decimal(1))]]
    book = "insert into public.entitlements (user_id, addon) values (%s, 'advanced_analytics')"
    world.run(book, traders[0].id)
    with world.signed_in(traders[0].id) as connection:
        assert len(connection.execute(query).fetchall()) == 1


def test_use_is_summed_by_utc_day_and_month(world: World) -> None:
    trader, other = world.sign_up(), world.sign_up()
    rows = {
        "date_trunc('month', now(), 'UTC') - interval '1 hour'": 1,
        "date_trunc('month', now(), 'UTC')": 10,
        "date_trunc('day', now(), 'UTC')": 100,
        "date_trunc('hour', now(), 'UTC')": 1000,
    }
    for hour, count in rows.items():
        for owner in (trader, other):
            world.admin.execute(
                "insert into public.usage_logs as l (user_id, hour, kind, count)"  # noqa: S608
                f" values (%s, {hour}, 'accepted', %s)"
                " on conflict (user_id, hour, kind) do update set count = l.count + excluded.count",
                (owner, count),
            )
    first = world.value("select date_trunc('day', now(), 'UTC') = date_trunc('month', now(), 'UTC')")
    with world.signed_in(trader) as connection:
        today = connection.execute("select user_id::text, kind, count from public.usage_today").fetchall()
        month = connection.execute(
            "select user_id::text, kind, count from public.usage_this_month"
        ).fetchall()
    assert today == [(trader, "accepted", 1110 if first else 1100)]
    assert month == [(trader, "accepted", 1110)]
    for role in ("service_role", "dashboard_server"):
        with connect(world.url, role) as connection:
            assert len(connection.execute("select * from public.usage_today").fetchall()) == 2
