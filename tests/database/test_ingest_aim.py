"""Where an alert goes: its strategy, account and symbol, and what holds its entries back."""

import json
from typing import Any

import pytest

from tests.database.world import SEALED, Trader, World, call

CALL = {"symbol": "AAPL", "action": "buy", "right": "call", "dte": 7}
LEGS = [
    {"action": "buy", "right": "call", "strike": "200", "expiration": "2099-04-17"},
    {"action": "sell", "right": "call", "strike": "210", "expiration": "2099-04-17"},
]
STRANGER = "6f9619ff-8b86-d011-b42d-00c04fc964ff"


def add_account(world: World, trader: Trader, exchange: str, environment: str = "production") -> None:
    with world.signed_in(trader.id) as connection:
        call(connection, "save_api_key", exchange, environment, "x", SEALED)


def strategy(world: World, trader: Trader, name: str = "Breakout", **columns: str) -> str:
    with world.signed_in(trader.id) as connection:
        values = {"status": "active"} | columns
        made = connection.execute(
            "insert into public.strategies (name, status, exchange, environment) values (%s, %s, %s, %s)"
            " returning id",
            (name, values["status"], values.get("exchange"), values.get("environment")),
        ).fetchone()
    assert made is not None
    return str(made[0])


def stored(world: World, trader: Trader, **fields: Any) -> dict[str, Any]:
    return world.signal(world.accept(trader, **fields))


def refused(world: World, trader: Trader, **fields: Any) -> tuple[str, str]:
    sent = {"symbol": "BTCUSDT", "action": "buy", "quantity": "1"} | fields
    answer = world.ingest(trader, {name: value for name, value in sent.items() if value is not None})
    assert (answer["http"], answer["body"]["status"]) == (422, "rejected"), answer
    signal = world.signal(answer["body"]["signal_id"])
    assert (signal["status"], signal["reason_code"]) == ("rejected", answer["body"]["reason_code"])
    assert signal["reason"].endswith(".")
    return signal["reason_code"], signal["reason"]


@pytest.mark.parametrize("by", ["strategy", "strategy_id", "both"])
def test_an_alert_is_of_the_strategy_that_it_names(shared: World, by: str) -> None:
    trader = shared.trader()
    made = strategy(shared, trader)
    named = {"strategy": "Breakout", "strategy_id": made.upper()}
    signal = stored(shared, trader, **(named if by == "both" else {by: named[by]}))
    assert signal["strategy_id"] == made
    work_order = next(one for one in shared.claim(50) if one["signal_id"] == signal["id"])
    assert work_order["settings"]["strategy"] == {"name": "Breakout", "active": True}
    assert set(work_order["alert"]) == {"order_type", "quantity", "price"} & set(signal["alert"])


def test_a_strategy_says_where_its_alerts_go_when_they_do_not(shared: World) -> None:
    trader = shared.trader()
    for exchange, environment in (("oanda", "sandbox"), ("oanda", "production"), ("aster", "production")):
        add_account(shared, trader, exchange, environment)
    strategy(shared, trader, exchange="oanda", environment="sandbox")
    strategy(shared, trader, "Anywhere", environment="sandbox")

    def goes_to(**fields: str) -> tuple[str, str]:
        signal = stored(shared, trader, symbol="EURUSD", **fields)
        return signal["exchange"], signal["environment"]

    assert goes_to(strategy="Breakout") == ("oanda", "sandbox")
    assert goes_to(strategy="Breakout", environment="live") == ("oanda", "production")
    assert goes_to(strategy="Breakout", exchange="paper") == ("paper", "paper")
    assert goes_to(strategy="Anywhere", exchange="oanda") == ("oanda", "sandbox")
    assert refused(shared, trader, strategy="Breakout", exchange="aster")[0] == "no_account"
    assert refused(shared, trader, strategy="Anywhere")[0] == "missing_field"


@pytest.mark.parametrize(
    ("named", "words"),
    [
        ({"strategy": "breakout"}, '"breakout"'),
        ({"strategy": "Other's"}, '"Other\'s"'),
        ({"strategy_id": STRANGER}, STRANGER),
    ],
)
def test_a_strategy_that_is_none_of_the_traders_is_refused(
    shared: World, named: dict[str, str], words: str
) -> None:
    trader, other = shared.trader(), shared.trader()
    strategy(shared, trader)
    strategy(shared, other, "Other's")
    code, reason = refused(shared, trader, **named)
    assert code == "unknown_strategy"
    assert words in reason


def test_a_name_and_the_id_of_another_strategy_contradict_each_other(shared: World) -> None:
    trader = shared.trader()
    strategy(shared, trader)
    other = strategy(shared, trader, "Second")
    code, reason = refused(shared, trader, strategy="Breakout", strategy_id=other)
    assert code == "unknown_field_combination"
    assert '"Breakout"' in reason


@pytest.mark.parametrize("status", ["inactive", "testing"])
def test_a_strategy_that_is_not_active_takes_exits_only(shared: World, status: str) -> None:
    trader = shared.trader()
    made = strategy(shared, trader, status=status)
    code, reason = refused(shared, trader, strategy="Breakout")
    assert code == "strategy_inactive"
    assert f"is {status}" in reason
    assert refused(shared, trader, strategy="Breakout", action=None, market_position="long")[0] == code
    assert stored(shared, trader, action="close", strategy="Breakout")["strategy_id"] == made
    assert (
        stored(shared, trader, action="sell", market_position="flat", strategy="Breakout")["is_exit"] is True
    )


def test_a_strategy_beyond_the_plan_takes_exits_only(shared: World) -> None:
    trader = shared.trader()
    for number in range(4):
        strategy(shared, trader, f"s{number}")
    shared.run("update public.subscriptions set plan = 'Free' where user_id = %s", trader.id)
    code, reason = refused(shared, trader, strategy="s3")
    assert code == "plan_limit"
    assert "3 active strategies" in reason
    assert stored(shared, trader, action="close", strategy="s3")["status"] == "pending"
    assert stored(shared, trader, strategy="s2")["status"] == "pending"


def test_an_exit_of_a_strategy_that_is_gone_passes_with_a_warning(shared: World) -> None:
    trader = shared.trader()
    signal = stored(shared, trader, action="close", strategy="Renamed")
    assert signal["strategy_id"] is None
    assert any('"Renamed"' in warning for warning in signal["warnings"])


@pytest.mark.parametrize(
    ("exchange", "fields", "words"),
    [
        ("oanda", {"symbol": "EURUSD", "leverage": 5}, '"leverage" is 5'),
        ("paper", {"leverage": 5}, "paper"),
        ("aster", {"symbol": "AAPL", "right": "call"}, "tradier and tastytrade"),
        ("paper", {"symbol": "AAPL", "right": "call"}, '"right"'),
        ("oanda", {"symbol": "EURUSD", "legs": LEGS}, '"legs"'),
    ],
)
def test_what_the_exchange_has_not_is_refused(
    shared: World, exchange: str, fields: dict[str, Any], words: str
) -> None:
    trader = shared.trader()
    if exchange != "paper":
        add_account(shared, trader, exchange)
    code, reason = refused(shared, trader, exchange=exchange, **fields)
    assert code == "unknown_field_combination"
    assert words in reason


@pytest.mark.parametrize("exchange", ["tradier", "tradier_options", "tastytrade"])
def test_an_option_goes_to_who_trades_options(shared: World, exchange: str) -> None:
    trader = shared.trader()
    add_account(shared, trader, exchange.removesuffix("_options"))
    signal = stored(shared, trader, exchange=exchange, **CALL)
    assert (signal["exchange"], signal["symbol"]) == (exchange.removesuffix("_options"), "AAPL")
    assert signal["alert"]["right"] == "call"
    named = stored(shared, trader, exchange=exchange, symbol="OPRA:AAPL990417C200.0")
    assert named["symbol"] == "AAPL990417C00200000"
    assert (
        stored(shared, trader, exchange=exchange, symbol="AAPL", legs=LEGS)["alert"]["legs"][0]["ratio"] == 1
    )


@pytest.mark.parametrize("symbol", [None, "BTCUSDT"])
def test_close_all_is_a_lane_of_its_own(shared: World, symbol: str | None) -> None:
    trader = shared.trader()
    signal = stored(shared, trader, action="closeAll", symbol=symbol)
    assert (signal["symbol"], signal["lane"]) == ("*", f"{trader.account}/*")
    assert signal["is_exit"] is True
    told = [warning for warning in signal["warnings"] if '"symbol"' in warning]
    assert len(told) == (0 if symbol is None else 1)


def test_a_rejected_option_alert_shows_the_exchange_that_it_meant(shared: World) -> None:
    trader = shared.trader()
    answer = shared.ingest(trader, json.dumps(CALL | {"exchange": "tradier_options"}))
    assert shared.signal(answer["body"]["signal_id"])["exchange"] == "tradier"
