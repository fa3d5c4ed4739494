"""The alert language, as private.parse_alert reads it."""

import json
from dataclasses import dataclass
from typing import Any

import pytest

from tests.database.world import World


@dataclass(frozen=True, slots=True)
class Parsed:
    secret: str | None
    fields: dict[str, Any] | None
    raw: str
    warnings: list[str]
    reason_code: str | None
    reason: str | None


def parse(world: World, body: str | dict[str, Any]) -> Parsed:
    text = body if isinstance(body, str) else json.dumps(body)
    return Parsed(*world.row("select (private.parse_alert(%s)).*", text))


def read(world: World, **fields: Any) -> Parsed:
    return parse(world, {"symbol": "BTCUSDT", "action": "buy"} | fields)


def understood(world: World, **fields: Any) -> dict[str, Any]:
    parsed = read(world, **fields)
    assert parsed.reason_code is None, parsed
    assert parsed.fields is not None
    return parsed.fields


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


@pytest.mark.parametrize(
    ("fields", "reason_code", "words"),
    [
        ({"symbol": None}, "missing_field", '"symbol"'),
        ({"action": ""}, "missing_field", '"action"'),
        ({"action": "hold"}, "invalid_value", '"hold"'),
        ({"order_type": "limit"}, "not_supported", '"limit"'),
        ({"order_type": "stop"}, "not_supported", '"stop"'),
        ({"order_type": "iceberg"}, "invalid_value", '"iceberg"'),
        ({"quantity": 1, "position_size_usd": 5}, "size_conflict", "position_size_usd"),
        ({"close_percent": 50}, "unknown_field_combination", "close_percent"),
        ({"qty": 1, "quantity": 2}, "unknown_field_combination", "quantity"),
        ({"id": "x" * 129}, "invalid_value", '"id"'),
        ({"reduce_only": "maybe"}, "invalid_value", "maybe"),
        ({"environment": "moon"}, "invalid_value", "moon"),
        ({"action": {"a": 1}}, "invalid_value", '"action"'),
        ({"action": ["buy"]}, "invalid_value", '"action"'),
    ],
)
def test_what_cannot_be_accepted_has_a_reason(
    shared: World, fields: dict[str, Any], reason_code: str, words: str
) -> None:
    parsed = read(shared, **fields)
    assert parsed.reason_code == reason_code
    assert parsed.reason is not None
    assert words in parsed.reason


def test_one_value_under_two_names_is_no_conflict(shared: World) -> None:
    assert understood(shared, qty="1.0", quantity=1, contracts="1")["quantity"] == "1"


@pytest.mark.parametrize(
    "body",
    [
        '{"symbol":"X","action":"buy","action":"sell"}',
        '{"symbol":"X","action":"buy","quantity":1,"quantity":2}',
        "symbol=X\naction=buy\naction=sell",
        "symbol=X;action=buy;Action=sell",
    ],
)
def test_a_name_that_stands_twice_with_different_values_is_refused(shared: World, body: str) -> None:
    assert parse(shared, body).reason_code == "unknown_field_combination"


def test_of_the_bars_time_and_the_alerts_time_the_later_one_counts(shared: World) -> None:
    fields = understood(shared, time=1_795_341_600, timenow=1_795_341_660)
    assert fields["timestamp"] == "2026-11-22T10:01:00+00:00"


def test_a_name_that_stands_twice_with_one_value_is_accepted(shared: World) -> None:
    assert parse(shared, '{"symbol":"X","action":"buy","action":"buy"}').reason_code is None


@pytest.mark.parametrize(
    "name",
    [
        *(
            "market_position",
            "market_position_size",
            "stop_price",
            "time_in_force",
            "position_size_percent",
            "sizePercent",
        ),
        *(
            "size",
            "risk_percent",
            "risk_usd",
            "leverage",
            "stop_loss_percent",
            "stop_loss",
            "stopLoss",
            "STOPLOSS",
        ),
        *(
            "take_profit_percent",
            "take_profit",
            "takeProfit",
            "stop_loss_price",
            "take_profit_price",
            "take_profits",
        ),
        *(
            "trailing_stop_percent",
            "trailing_stop_pips",
            "trailing_stop",
            "trailingStop",
            "use_trailing_stop",
        ),
        *(
            "useTrailingStop",
            "strategy",
            "strategy_id",
            "right",
            "option_type",
            "strike",
            "expiration",
            "dte",
        ),
        *("option_symbol", "exit_strategy", "legs", "stop-loss", "Stop Loss"),
    ],
)
@pytest.mark.parametrize("value", ["1", 0, False, [{"percent": 1}]])
def test_a_field_that_is_not_executed_yet_refuses_the_alert(shared: World, name: str, value: Any) -> None:
    parsed = read(shared, **{name: value})
    assert parsed.reason_code == "not_supported"
    assert parsed.reason is not None
    assert name in parsed.reason


def test_unknown_fields_are_kept_and_listed(shared: World) -> None:
    parsed = read(shared, comment="hi", order_id="L1", prev_market_position="flat", nested={"a": [1]})
    assert parsed.reason_code is None
    assert sorted(parsed.warnings) == [
        *('unknown field "comment"', 'unknown field "nested"'),
        *('unknown field "order_id"', 'unknown field "prev_market_position"'),
    ]
    assert json.loads(parsed.raw)["nested"] == {"a": [1]}


@pytest.mark.parametrize(
    "body",
    [
        "symbol=BTCUSDT\naction=buy\nqty=1.50",
        "symbol=BTCUSDT\r\naction=buy\r\n\r\nqty = 1.50\r\n",
        "symbol=BTCUSDT;action=buy;qty=1.50",
        " symbol = BTCUSDT ; action = buy ; qty = 1.50 ; ",
        '{"symbol":"BTCUSDT","action":"buy","qty":"1.50"}',
        '\n {"symbol":"BTCUSDT","action":"buy","qty":1.50} \n',
    ],
)
def test_json_lines_and_semicolons_say_the_same(shared: World, body: str) -> None:
    parsed = parse(shared, body)
    assert parsed.reason_code is None
    assert parsed.fields == {"order_type": "market", "symbol": "BTCUSDT", "action": "buy", "quantity": "1.5"}


def test_a_value_of_a_pair_may_hold_an_equals_sign(shared: World) -> None:
    parsed = parse(shared, "symbol=X\naction=buy\nid=a=b")
    assert parsed.fields is not None
    assert parsed.fields["id"] == "a=b"


@pytest.mark.parametrize(
    "body",
    [
        "",
        " ",
        "x",
        "null",
        "true",
        "42",
        '"text"',
        "[]",
        "[1,2]",
        '{"a":',
        "buy BTCUSDT now",
        "=1",
        "1a=2",
        "{}extra",
        "a=1\nb",
        '{"a":"\\u0000"}',
    ],
)
def test_what_is_neither_object_nor_pairs_is_not_understood_and_not_kept(shared: World, body: str) -> None:
    parsed = parse(shared, body)
    assert parsed.reason_code == "invalid_json"
    assert parsed.fields is None
    assert parsed.raw == f"({len(body.encode())} bytes that are not understood)"


@pytest.mark.parametrize("name", ["secret", "Secret", "SECRET", " secret ", "sEcret"])
@pytest.mark.parametrize("form", ["json", "lines"])
def test_the_secret_is_read_and_not_kept(shared: World, name: str, form: str) -> None:
    hidden = "s3cr3t-v4lue"
    if form == "json":
        parsed = parse(shared, {name: hidden, "symbol": "X", "action": "hold", "other": 1})
    else:
        parsed = parse(shared, f"{name.strip()}={hidden}\nsymbol=X\naction=hold")
    assert parsed.secret == hidden
    assert hidden not in json.dumps([parsed.fields, parsed.raw, parsed.warnings, parsed.reason])


def test_the_templates_of_today_that_need_nothing_new_are_understood(shared: World) -> None:
    for body in (
        '{"secret":"s","exchange":"aster","action":"buy","symbol":"BTCUSDT"}',
        '{"secret":"s","exchange":"aster","action":"close","symbol":"BTCUSDT","sell_percentage":50}',
    ):
        assert parse(shared, body).reason_code is None, body


def test_null_and_empty_bodies_are_answered(shared: World) -> None:
    assert shared.row("select (private.parse_alert(null)).reason_code") == ("invalid_json",)
