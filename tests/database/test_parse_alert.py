"""The alert language, as private.parse_alert reads it."""

import json
from typing import Any

import pytest

from tests.database.alerts import parse, read, understood
from tests.database.world import World


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
