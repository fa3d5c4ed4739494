"""The alert language, as private.parse_alert reads it."""

import json
from typing import Any

import pytest

from sparky.domain.alert import AlertTerms, parse_alert_terms
from tests.database.alert_cases import CASES, SAMPLES, SPELLINGS, Case
from tests.database.alerts import ELSEWHERE, parse, read, understood
from tests.database.world import World


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


LIVE = {"exchange": "tradier", "symbol": "AAPL"}
CALL = LIVE | {"right": "call"}
LEG = {"action": "buy", "right": "call", "strike": "200", "expiration": "2099-04-17"}
OTHER = LEG | {"action": "sell", "strike": "210"}
SPREAD = LIVE | {"legs": [LEG, OTHER]}
TARGET = {"percent": 1, "quantity_percent": 50}


@pytest.mark.parametrize(
    ("fields", "reason_code", "words"),
    [
        ({"symbol": None, "action": "cancel"}, "missing_field", '"symbol"'),
        ({"action": "protect"}, "invalid_value", '"protect"'),
        ({"order_type": "limit"}, "missing_field", '"price"'),
        ({"order_type": "stop_limit", "stop_price": 1}, "missing_field", '"price"'),
        ({"order_type": "stop", "price": 1}, "missing_field", '"stop_price"'),
        ({"stop_price": 1}, "unknown_field_combination", '"stop_loss_price"'),
        ({"order_type": "limit", "price": 1, "stop_price": 1}, "unknown_field_combination", "limit"),
        ({"quantity": 1, "size": 5}, "size_conflict", '"quantity" and "position_size_percent"'),
        ({"amount_usd": 1, "risk_usd": 5}, "size_conflict", '"risk_usd"'),
        ({"risk_percent": 1, "risk_usd": 5}, "size_conflict", '"risk_percent"'),
        ({"action": "close", "quantity": 1, "close_percent": 5}, "size_conflict", '"close_percent"'),
        ({"action": "close_all", "close_percent": 5}, "unknown_field_combination", "close_all"),
        ({"market_position": "flat", "close_percent": 5}, "unknown_field_combination", "market_position"),
        ({"market_position_size": 5}, "unknown_field_combination", '"quantity"'),
        ({"market_position": "long", "market_position_size": 0}, "unknown_field_combination", "flat"),
        ({"market_position": "long", "reduce_only": True}, "unknown_field_combination", "reduce_only"),
        ({"market_position": "long", "action": "cancel"}, "unknown_field_combination", '"cancel"'),
        ({"market_position": "flat", "action": "close_all"}, "unknown_field_combination", '"close_all"'),
        ({"market_position": "up"}, "invalid_value", "long, short or flat"),
        ({"stop_loss": 1, "stop_loss_price": 1}, "unknown_field_combination", '"stop_loss_price"'),
        ({"take_profit": 1, "take_profit_price": 1}, "unknown_field_combination", '"take_profit_price"'),
        ({"take_profit": 1, "take_profits": [TARGET]}, "unknown_field_combination", '"take_profits"'),
        ({"trailing_stop": 1, "trailing_stop_percent": 1}, "unknown_field_combination", "_percent"),
        ({"trailing_stop": 1, "stop_loss_price": 1}, "unknown_field_combination", '"stop_loss_price"'),
        ({"useTrailingStop": 1, "stop_loss_price": 1}, "unknown_field_combination", '"stop_loss_price"'),
        ({"stop_loss": 95000}, "invalid_value", "_price"),
        ({"size": 100.1}, "invalid_value", "at most 100"),
        ({"risk_percent": 0}, "invalid_value", "above 0"),
        ({"leverage": 1.5}, "invalid_value", "whole number"),
        ({"leverage": 0}, "invalid_value", "from 1 to 1000"),
        ({"leverage": "10x"}, "invalid_value", "whole number"),
        ({"dte": -1, **CALL}, "invalid_value", "from 0"),
        ({"time_in_force": "soon"}, "invalid_value", "gtc, day, ioc or fok"),
        ({"strategy_id": "my idea"}, "invalid_value", "the id of one of your strategies"),
        ({"strategy": "x" * 101}, "invalid_value", "at most 100"),
        ({"market_position_size": "-1"}, "invalid_value", "zero or more"),
        ({"prev_market_position": "1"}, "invalid_value", "long, short or flat"),
        ({"strike": 200, **LIVE}, "missing_field", '"right"'),
        ({"dte": 7, **LIVE}, "missing_field", '"right"'),
        ({"exit_strategy": "eod", **LIVE}, "missing_field", '"right"'),
        ({"exchange": "tradier_options", "symbol": "AAPL"}, "missing_field", "tradier_options"),
        ({"dte": 7, "expiration": "2099-04-17", **CALL}, "unknown_field_combination", '"dte"'),
        ({"right": "call", "symbol": "EUR_USD"}, "unknown_field_combination", '"EUR_USD"'),
        ({"right": "long", **LIVE}, "invalid_value", "call or put"),
        ({"expiration": "2099-02-29", **CALL}, "invalid_value", "a day that exists"),
        ({"expiration": "17.04.2099", **CALL}, "invalid_value", "a day that exists"),
        ({"expiration": "2020-04-17", **CALL}, "invalid_value", "2020-04-17 has passed"),
        ({"symbol": "AAPL200417C00200000"}, "invalid_value", "2020-04-17 has passed"),
        ({"option_symbol": "AAPL", **LIVE}, "invalid_value", "OCC symbol"),
        ({"option_symbol": "TSLA990417C00200000", **LIVE}, "unknown_field_combination", '"symbol"'),
        ({"option_symbol": "AAPL990417C00200000", "strike": 1, **LIVE}, "unknown_field_combination", "200"),
        ({"option_symbol": "AAPL990417C00200000", "right": "put"}, "unknown_field_combination", '"symbol"'),
        ({"symbol": "AAPL990417C00200000", "right": "put"}, "unknown_field_combination", '"right" is put'),
        ({"symbol": "AAPL990417C00200000", "dte": 5}, "unknown_field_combination", '"dte" is 5'),
        (SPREAD | {"right": "call"}, "unknown_field_combination", '"right"'),
        (SPREAD | {"dte": 7}, "unknown_field_combination", '"dte"'),
        (SPREAD | {"exit_strategy": "eod"}, "unknown_field_combination", '"exit_strategy"'),
        (SPREAD | {"market_position": "long"}, "unknown_field_combination", "spread"),
        (SPREAD | {"symbol": "AAPL990417C00200000"}, "unknown_field_combination", "is an option"),
        (LIVE | {"legs": [LEG]}, "invalid_value", "2 to 4"),
        (LIVE | {"legs": [LEG] * 5}, "invalid_value", "2 to 4"),
        (LIVE | {"legs": [LEG, LEG]}, "unknown_field_combination", '"ratio"'),
        (LIVE | {"legs": {"a": LEG}}, "invalid_value", "a list such as"),
        (LIVE | {"legs": "buy,sell"}, "invalid_value", "a list such as"),
        (LIVE | {"legs": [LEG, "x"]}, "invalid_value", "Number 2"),
        (LIVE | {"legs": [LEG, OTHER | {"strike": None}]}, "missing_field", '"strike"'),
        (LIVE | {"legs": [LEG, OTHER | {"side": "buy"}]}, "unknown_field_combination", '"action" twice'),
        (LIVE | {"legs": [LEG, OTHER | {"action": "close"}]}, "invalid_value", "buy or sell"),
        (LIVE | {"legs": [LEG, OTHER | {"ratio": 0.5}]}, "invalid_value", "whole number"),
        (LIVE | {"legs": [LEG, OTHER | {"expiration": "2020-04-17"}]}, "invalid_value", "has passed"),
        (LIVE | {"legs": [LEG, OTHER | {"comment": "x"}]}, "invalid_value", '"comment"'),
        ({"take_profits": [TARGET | {"price": 1}]}, "unknown_field_combination", "keep one"),
        ({"take_profits": [{"percent": 1}]}, "missing_field", '"quantity_percent"'),
        ({"take_profits": [{"quantity_percent": 1}]}, "missing_field", '"percent" or "price"'),
        ({"take_profits": [TARGET, TARGET, TARGET]}, "invalid_value", "150"),
        ({"take_profits": [TARGET | {"quantity_percent": 1}] * 11}, "invalid_value", "10 is the most"),
        ({"take_profits": [TARGET | {"percent": 1e40}]}, "invalid_value", "30 digits"),
        ({"take_profits": '[{"percent":1e99999,"quantity_percent":1}]'}, "invalid_value", "a list such as"),
        ({"take_profits": "[" * 9000}, "invalid_value", "a list such as"),
        ({"take_profits": [TARGET | {"percent": [1]}]}, "invalid_value", '"percent"'),
    ],
)
def test_what_contradicts_itself_is_refused_with_what_to_do(
    shared: World, fields: dict[str, Any], reason_code: str, words: str
) -> None:
    parsed = read(shared, **fields)
    assert (parsed.reason_code, words in (parsed.reason or "")) == (reason_code, True), parsed.reason
    assert parsed.reason is not None
    assert parsed.reason.endswith(".")
    assert len(parsed.reason) < 500


@pytest.mark.parametrize(
    "body",
    [
        '{"symbol":"X","action":"buy","take_profits":[{"percent":1,"percent":2,"quantity_percent":5}]}',
        'symbol=X\naction=buy\ntake_profits=[{"percent":1,"percent":2,"quantity_percent":5}]',
    ],
)
def test_a_target_that_says_its_percent_twice_is_refused(shared: World, body: str) -> None:
    assert parse(shared, body).reason_code in {"unknown_field_combination", "invalid_value"}


@pytest.mark.parametrize("action", ["close", "close_long", "close_short", "close_all", "cancel"])
def test_what_only_an_entry_can_use_does_not_hold_an_exit_back(shared: World, action: str) -> None:
    parsed = read(shared, action=action, riskPercent=15, leverage=5, stop_loss=1, stop_loss_price=1)
    assert parsed.reason_code is None
    assert parsed.fields == {
        "order_type": "market",
        "symbol": "*" if action == "close_all" else "BTCUSDT",
        "action": action,
    }
    told = '"leverage" has no effect on an exit'
    assert told in parsed.warnings
    assert len([one for one in parsed.warnings if one.endswith("on an exit")]) == 4


@pytest.mark.parametrize("action", ["close_all", "cancel"])
def test_what_ends_everything_has_no_size(shared: World, action: str) -> None:
    parsed = read(shared, action=action, quantity=1, size=5)
    assert parsed.reason_code is None
    assert '"quantity" has no effect on an exit' in parsed.warnings
    assert not {"quantity", "position_size_percent"} & set(parsed.fields or {})


@pytest.mark.parametrize("size", ["quantity", "position_size_usd", "position_size_percent", "close_percent"])
def test_an_amount_says_how_much_of_a_position_is_closed(shared: World, size: str) -> None:
    assert understood(shared, action="close", **{size: "1"})[size] == "1"


def test_a_reduce_only_order_keeps_its_size_and_leaves_out_its_exits(shared: World) -> None:
    fields = understood(shared, action="sell", reduce_only=True, size=5, take_profit=1)
    assert fields["position_size_percent"] == "5"
    assert "take_profit_percent" not in fields


def test_flat_is_reached_whatever_size_the_message_carries(shared: World) -> None:
    parsed = read(shared, action="sell", market_position="flat", quantity=1, size=5, stop_loss=1)
    assert parsed.fields == {
        "order_type": "market",
        "symbol": "BTCUSDT",
        "action": "sell",
        "market_position": "flat",
    }
    assert parsed.warnings == []


@pytest.mark.parametrize("expiration", ["2020-04-17", "2099-04-17"])
def test_an_exit_may_name_an_option_that_has_ended(shared: World, expiration: str) -> None:
    assert understood(shared, **CALL, action="close", expiration=expiration)["expiration"] == expiration


def test_an_option_may_end_today_in_new_york(shared: World) -> None:
    today = shared.value("select (now() at time zone 'America/New_York')::date::text")
    assert understood(shared, **CALL, expiration=today)["expiration"] == today


@pytest.mark.parametrize(
    ("fields", "is_exit"),
    [
        ({"action": "buy"}, False),
        ({"action": "close"}, True),
        ({"action": "close_all"}, True),
        ({"action": "cancel"}, True),
        ({"action": "sell", "reduce_only": True}, True),
        ({"action": "sell", "reduce_only": False}, False),
        ({"action": "sell", "market_position": "flat"}, True),
        ({"action": "buy", "market_position": "flat"}, True),
        ({"action": "close", "market_position": "long"}, False),
        ({"action": "close_long", "market_position": "short"}, False),
    ],
)
def test_what_counts_as_an_exit(shared: World, fields: dict[str, Any], is_exit: bool) -> None:  # noqa: FBT001 - table
    known = understood(shared, **fields)
    assert shared.value("select private.is_exit(%s::jsonb)", json.dumps(known)) is is_exit


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


@pytest.mark.parametrize("case", SAMPLES, ids=[case.name for case in SAMPLES])
def test_every_sample_of_the_language_is_understood(shared: World, case: Case) -> None:
    parsed = parse(shared, case.body)
    assert (parsed.reason_code, parsed.reason) == (None, None)
    assert parsed.fields == case.understood


def test_every_spelling_of_a_field_is_understood(shared: World) -> None:
    for case in SPELLINGS:
        parsed = parse(shared, case.body)
        assert (case.name, parsed.reason, parsed.fields) == (case.name, None, case.understood)


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
