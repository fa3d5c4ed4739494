"""The alert language, as private.parse_alert reads it."""

import json
from typing import Any

import pytest

from sparky.domain.alert import AlertTerms, parse_alert_terms
from tests.database.alert_cases import CASES, Case
from tests.database.alerts import parse, read, understood
from tests.database.world import World

# What a work order carries beside the terms of the alert.
ELSEWHERE = {"id", "exchange", "environment", "symbol", "action", "timestamp", "strategy", "strategy_id"}


@pytest.mark.parametrize(
    ("fields", "reason_code", "words"),
    [
        ({"symbol": None}, "missing_field", '"symbol"'),
        ({"action": ""}, "missing_field", '"action"'),
        ({"action": "hold"}, "invalid_value", '"hold"'),
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


def test_unknown_fields_are_kept_and_listed(shared: World) -> None:
    parsed = read(shared, comment="hi", order_id="L1", nested={"a": [1]})
    assert parsed.reason_code is None
    assert sorted(parsed.warnings) == [
        'unknown field "comment"',
        'unknown field "nested"',
        'unknown field "order_id"',
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


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_every_sample_of_the_language_is_understood(shared: World, case: Case) -> None:
    parsed = parse(shared, case.body)
    assert (parsed.reason_code, parsed.reason) == (None, None)
    assert parsed.fields == case.understood


def test_the_samples_say_everything_that_the_worker_reads() -> None:
    said = {name for case in CASES for name in case.understood}
    assert set(AlertTerms.__dataclass_fields__) <= said


def test_the_worker_reads_every_sample(shared: World) -> None:
    for case in CASES:
        fields = parse(shared, case.body).fields
        assert fields is not None
        terms = {name: value for name, value in fields.items() if name not in ELSEWHERE}
        assert parse_alert_terms(terms, "$.alert") == parse_alert_terms(
            {name: value for name, value in case.understood.items() if name not in ELSEWHERE}, "$.alert"
        )


def test_null_and_empty_bodies_are_answered(shared: World) -> None:
    assert shared.row("select (private.parse_alert(null)).reason_code") == ("invalid_json",)
