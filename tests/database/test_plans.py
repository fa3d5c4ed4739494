"""Which plan counts, and what it allows."""

from typing import Any

import pytest

from tests.database.world import World


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
