from typing import Any

import pytest

from scripts.testbed.trader import Trader
from tests.integration.worker.ledger import assert_rows_equal_book, paper_orders
from tests.integration.worker.world import World, until

LONG_AGO = "2020-01-01T00:00:00Z"
# Alert, how it ends, its reason code, words of its reason, orders that reach the venue.
STORY: tuple[tuple[dict[str, Any], str, str | None, str, int], ...] = (
    (
        {"symbol": "BTCUSDT", "action": "buy", "quantity": "2", "price": "100"},
        "done",
        None,
        "Bought 2 at 100",
        1,
    ),
    (
        {"symbol": "BTCUSDT", "action": "buy", "quantity": "1", "price": "101"},
        "rejected",
        "position_exists",
        "2",
        0,
    ),
    (
        {"symbol": "BTCUSDT", "action": "close", "close_percent": 50, "price": "120"},
        "done",
        None,
        "Closed long 1",
        1,
    ),
    (
        {"symbol": "BTCUSDT", "action": "sell", "quantity": "3", "price": "110"},
        "done",
        None,
        "Sold short 3",
        2,
    ),
    ({"symbol": "BTCUSDT", "action": "close_long"}, "done", "no_position", "short", 0),
    ({"symbol": "BTCUSDT", "action": "close_short", "price": "90"}, "done", None, "Closed short 3 at 90", 1),
    (
        {"symbol": "ETHUSDT", "action": "buy", "position_size_usd": 1000, "price": 2000},
        "done",
        None,
        "Bought 0.5",
        1,
    ),
    (
        {"symbol": "ETHUSDT", "action": "sell", "quantity": "0.2", "reduce_only": True, "price": "2100"},
        *("done", None, "Closed long 0.2", 1),
    ),
    # Exits have no age limit, and take the venue's last price when they bring none.
    (
        {"symbol": "ETHUSDT", "action": "close", "timestamp": LONG_AGO},
        "done",
        None,
        "Closed long 0.3 at 2100",
        1,
    ),
    (
        {"symbol": "ETHUSDT", "action": "sell", "quantity": "1", "price": "2050"},
        "done",
        None,
        "Sold short 1",
        1,
    ),
    ({"symbol": "SOLUSDT", "action": "buy", "quantity": "1"}, "rejected", "no_price", 'Send "price"', 0),
    ({"symbol": "SOLUSDT", "action": "close"}, "done", "no_position", "Nothing to close", 0),
    (
        {"symbol": "ADAUSDT", "action": "buy", "quantity": "1", "price": "1", "timestamp": LONG_AGO},
        *("expired", "signal_too_old", "max_signal_age_sec is 60", 0),
    ),
    (
        {"symbol": "ADAUSDT", "action": "buy", "quantity": "5", "price": "1", "dry_run": True},
        *("done", "dry_run", "nothing was sent", 0),
    ),
    ({"symbol": "ADAUSDT", "action": "buy", "price": "1"}, "rejected", "no_size", "quantity", 0),
    ({"symbol": "ADAUSDT", "action": "buy", "position_size_usd": 5}, "rejected", "missing_field", "price", 0),
    (
        {"symbol": "ADAUSDT", "action": "buy", "quantity": "99999999", "price": "1"},
        *("rejected", "insufficient_funds", "carries", 0),
    ),
)


@pytest.fixture
async def trader(world: World) -> Trader:
    return await world.trader(fee_percent="0.1")


async def test_every_kind_of_alert_ends_as_it_should_and_the_rows_are_the_venues(
    world: World, trader: Trader
) -> None:
    world.worker().await_event("wake_ups_connected")
    expected_orders = 0
    for alert, status, reason_code, words, orders in STORY:
        signal_id = await world.accept(trader, alert)
        (signal,) = await world.finished([signal_id])
        told = (signal["status"], signal["reason_code"])
        assert told == (status, reason_code), (alert, signal["reason"])
        assert words in signal["reason"], alert
        expected_orders += orders
        assert len(paper_orders(world.records, [trader])) == expected_orders, alert
        if orders:
            stages = ("received_at", "claimed_at", "submitted_at", "acknowledged_at", "finished_at")
            times = [signal[stage] for stage in stages]
            assert times == sorted(times), alert
    assert_rows_equal_book(world.records, [trader])
    await assert_dashboard_shows(world, trader)


async def assert_dashboard_shows(world: World, trader: Trader) -> None:
    """Check what row-level security lets the trader himself see."""
    stranger = await world.trader("Mallory")
    for table, count in (("signals", 17), ("orders", 9), ("fills", 9), ("positions", 1), ("trades", 5)):
        rows = await trader.rows(table)
        # The orders that the venue refused are shown too.
        expected = count + 2 if table == "orders" else count
        assert len(rows) == expected, table
        assert {row["user_id"] for row in rows} == {trader.user_id}
        assert await stranger.rows(table) == []
    finished = [row for row in await trader.rows("audit_log") if row["action"] == "signal.finished"]
    assert len(finished) == len(STORY)


async def test_saved_keys_are_validated(world: World, trader: Trader) -> None:
    world.worker()
    query = "select status from public.user_api_keys where user_id = %s"
    await until(lambda: world.records.value(query, trader.user_id) == "valid", 10)
