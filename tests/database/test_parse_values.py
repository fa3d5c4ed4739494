"""The values of an alert: symbols, actions, times and numbers, as private.parse_alert reads them."""

from typing import Any

import pytest

from tests.database.alerts import parse, read, understood
from tests.database.world import World


@pytest.mark.parametrize(
    ("name", "value", "canonical", "stored"),
    [
        ("id", "a-1", "id", "a-1"),
        ("signal_id", "a-1", "id", "a-1"),
        ("signalId", "a-1", "id", "a-1"),
        ("alert_id", "a-1", "id", "a-1"),
        ("alertId", 7, "id", "7"),
        ("id", "x" * 128, "id", "x" * 128),
        ("exchange", "Paper", "exchange", "paper"),
        ("venue", "paper", "exchange", "paper"),
        ("broker", " OANDA ", "exchange", "oanda"),
        ("environment", "live", "environment", "production"),
        ("environment", "PRODUCTION", "environment", "production"),
        ("environment", "practice", "environment", "sandbox"),
        ("environment", "testnet", "environment", "sandbox"),
        ("environment", "sandbox", "environment", "sandbox"),
        ("environment", "paper", "environment", "paper"),
        ("order_type", "MARKET", "order_type", "market"),
        ("type", "market", "order_type", "market"),
        ("orderType", "market", "order_type", "market"),
        ("price", "27000.50", "price", "27000.5"),
        ("limit_price", 27000.5, "price", "27000.5"),
        ("limitPrice", "1", "price", "1"),
        ("quantity", "1.50", "quantity", "1.5"),
        ("qty", 2, "quantity", "2"),
        ("contracts", "3", "quantity", "3"),
        ("units", "4", "quantity", "4"),
        ("shares", "5", "quantity", "5"),
        ("Qty", "6", "quantity", "6"),
        ("QUANTITY", "7", "quantity", "7"),
        (" quantity ", "8", "quantity", "8"),
        ("position_size_usd", "500", "position_size_usd", "500"),
        ("positionSizeUsd", "500", "position_size_usd", "500"),
        ("amount_usd", "500", "position_size_usd", "500"),
        ("amountUsd", "500", "position_size_usd", "500"),
        ("reduce_only", True, "reduce_only", True),
        ("reduceOnly", "false", "reduce_only", False),
        ("reduceonly", "yes", "reduce_only", True),
        ("dry_run", 1, "dry_run", True),
        ("dryRun", "0", "dry_run", False),
    ],
)
def test_every_alias_becomes_its_canonical_field(
    shared: World, name: str, value: Any, canonical: str, stored: Any
) -> None:
    assert understood(shared, **{name: value})[canonical] == stored


@pytest.mark.parametrize(
    ("sent", "action"),
    [
        ("buy", "buy"),
        ("BUY", "buy"),
        (" buy\n", "buy"),
        ("long", "buy"),
        ("sell", "sell"),
        ("short", "sell"),
        ("close", "close"),
        ("exit", "close"),
        ("Flat", "close"),
        ("close_long", "close_long"),
        ("close_short", "close_short"),
    ],
)
@pytest.mark.parametrize("name", ["action", "side", "Side"])
def test_actions(shared: World, name: str, sent: str, action: str) -> None:
    parsed = parse(shared, {"symbol": "X", name: sent})
    assert parsed.reason_code is None
    assert parsed.fields is not None
    assert parsed.fields["action"] == action


@pytest.mark.parametrize(
    ("sent", "symbol"),
    [
        ("BTCUSDT", "BTCUSDT"),
        ("btcusdt", "BTCUSDT"),
        ("BINANCE:BTCUSDT.P", "BTCUSDT"),
        ("BTCUSDTPERP", "BTCUSDT"),
        ("BTCUSDT.PERP", "BTCUSDT"),
        ("BTC-PERP", "BTC"),
        ("BTC/USDT", "BTCUSDT"),
        ("EUR_USD", "EUR_USD"),
        ("NYSE:BRK.B", "BRK.B"),
        ("1000PEPEUSDT", "1000PEPEUSDT"),
    ],
)
@pytest.mark.parametrize("name", ["symbol", "ticker", "underlying"])
def test_symbols(shared: World, name: str, sent: str, symbol: str) -> None:
    parsed = parse(shared, {name: sent, "action": "buy"})
    assert parsed.fields is not None
    assert parsed.fields["symbol"] == symbol


@pytest.mark.parametrize(
    "sent", ["A B", "BTC;DROP", "Ä", "X" * 41, "-X", ":", ".P", "{{ticker}}", "BTC/", "💥"[:1] + "A"]
)
def test_a_symbol_that_cannot_be_one_is_refused(shared: World, sent: str) -> None:
    if sent == "BTC/":
        assert understood(shared, symbol=sent)["symbol"] == "BTC"
        return
    assert read(shared, symbol=sent).reason_code == "invalid_value"


@pytest.mark.parametrize(
    ("sent", "moment"),
    [
        (1_795_341_600, "2026-11-22T10:00:00+00:00"),
        ("1795341600", "2026-11-22T10:00:00+00:00"),
        (1_795_341_600_250, "2026-11-22T10:00:00.25+00:00"),
        ("1795341600.5", "2026-11-22T10:00:00.5+00:00"),
        ("2026-11-22T10:00:00Z", "2026-11-22T10:00:00+00:00"),
        ("2026-11-22T10:00:00", "2026-11-22T10:00:00+00:00"),
        ("2026-11-22 10:00", "2026-11-22T10:00:00+00:00"),
        ("2026-11-22T11:00:00+01:00", "2026-11-22T10:00:00+00:00"),
        ("2026-11-22T05:00:00-0500", "2026-11-22T10:00:00+00:00"),
        ("2026-11-22t10:00:00.123456789z", "2026-11-22T10:00:00.123457+00:00"),
    ],
)
@pytest.mark.parametrize("name", ["timestamp", "time", "timenow", "timeNow"])
def test_times(shared: World, name: str, sent: Any, moment: str) -> None:
    assert understood(shared, **{name: sent})["timestamp"] == moment


def test_a_time_does_not_depend_on_the_time_zone_of_the_session(shared: World) -> None:
    shared.run("set timezone = 'Asia/Tokyo'")
    try:
        assert understood(shared, time="2026-11-22T10:00:00")["timestamp"] == "2026-11-22T10:00:00+00:00"
    finally:
        shared.run("reset timezone")


@pytest.mark.parametrize(
    "sent",
    [
        "yesterday",
        "now",
        "infinity",
        "epoch",
        "2026-02-30T10:00:00Z",
        "2026-11-22T25:00:00Z",
        "2026-11-22T10:00:00+99:99",
        "0000-01-01T00:00:00Z",
        "2026-11-22",
        "12",
        "99999999999",
        "-1795341600",
        "1e9",
        "{{timenow}}",
    ],
)
def test_a_time_that_is_none_is_refused(shared: World, sent: str) -> None:
    parsed = read(shared, timestamp=sent)
    assert parsed.reason_code == "invalid_value"
    assert parsed.reason is not None
    assert "timestamp" in parsed.reason


@pytest.mark.parametrize("name", ["quantity", "position_size_usd", "price"])
@pytest.mark.parametrize(
    "sent",
    [
        "NaN",
        "nan",
        "Infinity",
        "-Infinity",
        "inf",
        "1e5",
        "1E-5",
        "-1",
        "0",
        "0.0",
        "-0",
        "1,000",
        "1.000,00",
        "1_000",
        "1 000",
        "0x10",
        "١٢",
        "1\u2003",
        "½",
        "1" * 16,
        "0.0000000000001",
        "--1",
        "1.2.3",
        ".",
        "$5",
        "{{close}}",
        True,
        [1],
        {"value": 1},
    ],
)
def test_a_number_that_is_not_a_plain_positive_decimal_is_refused(
    shared: World, name: str, sent: Any
) -> None:
    parsed = read(shared, **{name: sent})
    assert parsed.reason_code == "invalid_value"
    assert parsed.reason is not None
    assert name in parsed.reason


@pytest.mark.parametrize(
    ("sent", "kept"), [(" 1 ", "1"), ("+1", "1"), ("1.", "1"), (".5", "0.5"), ("007", "7"), ("1\t", "1")]
)
def test_a_plain_decimal_is_kept_in_one_form(shared: World, sent: str, kept: str) -> None:
    assert understood(shared, quantity=sent)["quantity"] == kept


@pytest.mark.parametrize(
    "body",
    ['{"symbol":"X","action":"buy","quantity":1e400}', '{"symbol":"X","action":"buy","price":-1e-400}'],
)
def test_a_json_number_beyond_measure_is_refused(shared: World, body: str) -> None:
    parsed = parse(shared, body)
    assert parsed.reason_code == "invalid_value"
    assert len(parsed.raw) < 100


def test_a_short_alert_cannot_become_a_long_row(shared: World) -> None:
    numbers = ",".join(f'"n{n}":1e131000' for n in range(800))
    parsed = parse(shared, f'{{"symbol":"X","action":"buy",{numbers}}}')
    assert parsed.reason_code == "invalid_value"
    assert len(parsed.raw) < 100


def test_a_json_number_that_numeric_cannot_hold_is_not_understood(shared: World) -> None:
    assert parse(shared, '{"symbol":"X","action":"buy","quantity":1e999999}').reason_code == "invalid_json"


@pytest.mark.parametrize("depth", [12, 3_000, 20_000])
def test_deep_nesting_is_refused(shared: World, depth: int) -> None:
    parsed = parse(shared, '{"symbol":"X","action":"buy","deep":' + "[" * depth + "]" * depth + "}")
    assert parsed.reason_code in {"invalid_value", "invalid_json"}


def test_an_alert_of_a_megabyte_is_refused_and_not_kept(shared: World) -> None:
    parsed = parse(shared, {"symbol": "X", "action": "buy", "note": "x" * 1_000_000})
    assert parsed.reason_code == "invalid_value"
    assert len(parsed.raw) < 100


@pytest.mark.parametrize("sent", ["", " ", "\t", None])
def test_an_empty_placeholder_is_as_if_not_sent(shared: World, sent: Any) -> None:
    fields = understood(shared, quantity=sent, stop_loss=sent, order_type=sent, id=sent)
    assert fields == {"order_type": "market", "symbol": "BTCUSDT", "action": "buy"}


@pytest.mark.parametrize("percent", ["0.1", "50", "100", 33.3])
def test_close_percent_of_a_close(shared: World, percent: Any) -> None:
    assert understood(shared, action="close", sell_percentage=percent)["close_percent"] == str(percent)


@pytest.mark.parametrize("percent", ["0.09", "100.1", "0", "-5", "NaN"])
def test_close_percent_out_of_range_is_refused(shared: World, percent: str) -> None:
    assert read(shared, action="close", closePercent=percent).reason_code == "invalid_value"
