"""Symbols of alerts: the same rule in SQL as in Python, and one lane for every spelling of an instrument."""

import random

import pytest

from sparky.domain.symbols import canonical
from tests.database.world import SEALED, Trader, World, call
from tests.symbol_cases import ALPHABET, EXCHANGES, TABLE


def with_account(world: World, exchange: str) -> tuple[Trader, str]:
    trader = world.trader()
    with world.signed_in(trader.id) as connection:
        return trader, str(call(connection, "save_api_key", exchange, "sandbox", None, SEALED))


def in_sql(world: World, asked: list[tuple[str, str]]) -> list[str | None]:
    rows = world.rows(
        "select private.canonical_symbol(a.exchange, a.sent) "
        "from unnest(%s::text[], %s::text[]) with ordinality as a (exchange, sent, n) order by a.n",
        [exchange for exchange, _ in asked],
        [sent for _, sent in asked],
    )
    return [row[0] for row in rows]


def test_every_case_of_the_table_is_the_same_in_sql(shared: World) -> None:
    answers = in_sql(shared, [(exchange, sent) for exchange, sent, _ in TABLE])
    wrong = [(case, answer) for case, answer in zip(TABLE, answers, strict=True) if case[2] != answer]
    assert wrong == []


def test_python_and_sql_agree_on_any_text(shared: World) -> None:
    draw = random.Random(4)  # noqa: S311 - it has to replay
    sent = [sent for _, sent, _ in TABLE]
    for _ in range(1500):
        word = draw.choice(sent) if draw.random() < 0.6 else ""
        at = draw.randrange(len(word) + 1)
        sent.append(
            word[:at] + "".join(draw.choices(ALPHABET, k=draw.randrange(4))) + word[at + draw.randrange(2) :]
        )
    asked = [(exchange, text) for text in sent for exchange in EXCHANGES]
    answers = in_sql(shared, asked)
    wrong = [
        (case, answer) for case, answer in zip(asked, answers, strict=True) if canonical(*case) != answer
    ]
    assert wrong == []


@pytest.mark.parametrize(
    ("exchange", "spellings", "symbol"),
    [
        ("oanda", ["EURUSD", "EUR_USD", "OANDA:EUR/USD"], "EUR_USD"),
        ("tradier", ["BRK/B", "NYSE:BRK.B"], "BRK.B"),
        ("tastytrade", ["CME_MINI:ESZ2026", "/ESZ26"], "/ESZ6"),
    ],
)
def test_every_spelling_of_an_instrument_has_one_lane(
    world: World, exchange: str, spellings: list[str], symbol: str
) -> None:
    trader, account = with_account(world, exchange)
    for spelling in spellings:
        alert = {"symbol": spelling, "action": "close", "exchange": exchange, "environment": "sandbox"}
        assert world.ingest(trader, alert)["body"]["status"] == "accepted"
    stored = world.rows("select distinct symbol, lane, alert ->> 'symbol' from public.signals")
    assert stored == [(symbol, f"{account}/{symbol}", symbol)]


def test_without_an_exchange_the_only_account_decides_how_a_symbol_is_written(world: World) -> None:
    trader, account = with_account(world, "oanda")
    world.run("delete from public.user_api_keys where id <> %s", account)
    assert world.signal(world.accept(trader, symbol="EURUSD"))["symbol"] == "EUR_USD"


def test_a_symbol_that_the_exchange_cannot_have_is_refused_with_how_to_write_it(world: World) -> None:
    trader, _ = with_account(world, "tastytrade")
    alert = {"symbol": "/ES", "action": "buy", "exchange": "tastytrade", "environment": "sandbox"}
    answer = world.ingest(trader, alert)
    assert (answer["http"], answer["body"]["reason_code"]) == (422, "unknown_symbol")
    assert (
        '"symbol" is "/ES", which can be no symbol of tastytrade; write it like' in answer["body"]["reason"]
    )
    assert world.rows("select status, symbol from public.signals") == [("rejected", "ES")]
