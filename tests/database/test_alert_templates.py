"""The messages that traders paste: TradingView can fill them in, and they tell the truth about ingest."""

import json
import re
from typing import Any

import psycopg
import pytest

from tests.database.world import SEALED, World, call

ORDINARY = ("strategy", "indicator", "market", "close")
EXCHANGES = ("aster", "oanda", "tradier", "tradier_options", "tastytrade", "paper")
COMBINATIONS = [
    (e, s) for e in EXCHANGES for s in (("option", "close") if e == "tradier_options" else ORDINARY)
]
FILLED_IN = {
    "{{ticker}}": "NASDAQ:AAPL",
    "{{close}}": "101.25",
    "{{timenow}}": "2026-11-22T14:00:00Z",
    "{{strategy.order.action}}": "sell",
    "{{strategy.order.contracts}}": "3",
    "{{strategy.order.price}}": "101",
    "{{strategy.order.id}}": "Exit long",
    "{{strategy.market_position}}": "flat",
    "{{strategy.market_position_size}}": "2",
    "{{strategy.prev_market_position}}": "long",
}


def template(world: World, exchange: str | None, style: str | None) -> dict[str, Any]:
    with world.signed_in(world.sign_up()) as connection:
        return dict(call(connection, "alert_template", exchange, style))


def as_tradingview_sends_it(message: str, **other: str) -> str:
    for placeholder, value in (
        FILLED_IN | {f"{{{{{name}}}}}": value for name, value in other.items()}
    ).items():
        message = message.replace(placeholder, value)
    return message


@pytest.mark.parametrize(("exchange", "style"), COMBINATIONS)
def test_a_template_is_json_of_known_placeholders_and_explains_each_field(
    shared: World, exchange: str, style: str
) -> None:
    made = template(shared, exchange, style)
    assert (made["exchange"], made["style"]) == (exchange, style)
    fields = json.loads(made["message"])
    assert fields["exchange"] == exchange
    assert set(re.findall(r"{{[^}]*}}", made["message"])) <= set(FILLED_IN)
    assert set(made["fields"]) == set(fields)
    assert all(isinstance(note, str) and note for note in made["fields"].values())
    assert "(exchange)" not in made["message"]


@pytest.mark.parametrize(("exchange", "style"), COMBINATIONS)
def test_ingest_does_what_the_template_says_of_it(world: World, exchange: str, style: str) -> None:
    trader = world.trader()
    venue = exchange.removesuffix("_options")
    if venue != "paper":
        with world.signed_in(trader.id) as connection:
            call(connection, "save_api_key", venue, "production", "x", SEALED)
    made = template(world, exchange, style)
    ticker = "OANDA:EURUSD" if venue == "oanda" else "NASDAQ:AAPL"
    answer = world.ingest(trader, as_tradingview_sends_it(made["message"], ticker=ticker))
    assert (made["accepted_now"], made["reason"]) == (True, None)
    assert (answer["http"], answer["body"]["status"]) == (200, "accepted")


def test_a_template_that_ingest_would_refuse_says_so(world: World) -> None:
    for message, words in (
        ('{"exchange":"paper","symbol":"X"}', '"action"'),
        ('{"exchange":"kraken","symbol":"X","action":"buy"}', '"kraken"'),
        ('{"exchange":"oanda","symbol":"X","action":"buy","leverage":5}', '"leverage"'),
    ):
        described = world.value("select private.describe_template('x', 'x', %s, 'X')", message)
        assert described["accepted_now"] is False
        assert words in described["reason"]


@pytest.mark.parametrize(
    ("exchange", "style"),
    [
        ("kraken", "market"),
        ("aster", "option"),
        ("tradier_options", "market"),
        ("Aster", "market"),
        (None, "market"),
        ("aster", None),
        ("x" * 1_000_000, "market"),
        ("aster", "x" * 1_000_000),
    ],
)
def test_an_unknown_combination_is_refused_by_naming_those_there_are(
    shared: World, exchange: str | None, style: str | None
) -> None:
    with pytest.raises(psycopg.errors.InvalidParameterValue) as refusal:
        template(shared, exchange, style)
    hint = refusal.value.diag.message_hint or ""
    assert "aster (strategy, indicator, market, close)" in hint
    assert "tradier_options (option, close)" in hint
    assert len(str(refusal.value)) < 500


def test_all_templates_come_at_once(shared: World) -> None:
    with shared.signed_in(shared.sign_up()) as connection:
        found = call(connection, "alert_templates")
    assert [(one["exchange"], one["style"]) for one in found] == COMBINATIONS
    assert found[0] == template(shared, *COMBINATIONS[0])
