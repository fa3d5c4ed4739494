"""The alert language by example: each alert that is described to traders, and what is understood of it.

Bodies are written as TradingView sends them, with its placeholders filled in. `both` says a case as JSON and
as key=value pairs, which must mean the same.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class Case:
    """One body and its canonical fields, without `order_type` where it is market."""

    name: str
    body: str
    fields: Mapping[str, Any]

    @property
    def understood(self) -> dict[str, Any]:
        return {"order_type": "market"} | dict(self.fields)


def as_pairs(fields: Mapping[str, Any], separator: str = "\n") -> str:
    """Write an alert as key=value pairs; lists and switches as JSON."""
    return separator.join(
        f"{name}={value if isinstance(value, str) else json.dumps(value)}" for name, value in fields.items()
    )


# Messages that the generator of templates prints, with the placeholders filled in.
_STRATEGY: Final = {
    "symbol": "BINANCE:BTCUSDT.P",
    "action": "buy",
    "market_position": "long",
    "prev_market_position": "flat",
    "quantity": "2",
    "price": "27000.5",
    "order_id": "Long",
    "timenow": "2026-11-22T10:00:00Z",
    "exchange": "aster",
}
_TEMPLATES: Final = (
    (
        "a strategy opens",
        _STRATEGY,
        {
            "symbol": "BTCUSDT",
            "action": "buy",
            "market_position": "long",
            "prev_market_position": "flat",
            "quantity": "2",
            "price": "27000.5",
            "timestamp": "2026-11-22T10:00:00+00:00",
            "exchange": "aster",
        },
    ),
    (
        "a strategy leaves its long position",
        _STRATEGY | {"action": "sell", "market_position": "flat", "prev_market_position": "long"},
        {
            "symbol": "BTCUSDT",
            "action": "sell",
            "market_position": "flat",
            "prev_market_position": "long",
            "price": "27000.5",
            "timestamp": "2026-11-22T10:00:00+00:00",
            "exchange": "aster",
        },
    ),
    (
        "an indicator",
        {
            "symbol": "OANDA:EURUSD",
            "action": "buy",
            "price": "1.0851",
            "timenow": "2026-11-22T10:00:00Z",
            "exchange": "oanda",
            "position_size_usd": 500,
            "stop_loss_percent": 1,
            "take_profit_percent": 3,
        },
        {
            "symbol": "EURUSD",
            "action": "buy",
            "price": "1.0851",
            "timestamp": "2026-11-22T10:00:00+00:00",
            "exchange": "oanda",
            "position_size_usd": "500",
            "stop_loss_percent": "1",
            "take_profit_percent": "3",
        },
    ),
)
# What the alerts of the bot before this one look like. They must keep working.
_OLDER: Final = (
    (
        "aster, at market",
        {"secret": "s", "exchange": "aster", "action": "buy", "symbol": "BTCUSDT"},
        {"exchange": "aster", "action": "buy", "symbol": "BTCUSDT"},
    ),
    (
        "oanda, with a trailing stop",
        {
            "secret": "s",
            "exchange": "oanda",
            "action": "sell",
            "symbol": "EUR_USD",
            "useTrailingStop": True,
            "trailing_stop_pips": 30,
        },
        {
            "exchange": "oanda",
            "action": "sell",
            "symbol": "EUR_USD",
            "use_trailing_stop": True,
            "trailing_stop_pips": "30",
        },
    ),
    (
        "tradier, a call",
        {
            "secret": "s",
            "exchange": "tradier_options",
            "action": "buy",
            "symbol": "AAPL",
            "right": "call",
            "strike": 225,
            "sizePercent": 15,
        },
        {
            "exchange": "tradier",
            "action": "buy",
            "symbol": "AAPL",
            "right": "call",
            "strike": "225",
            "position_size_percent": "15",
        },
    ),
    (
        "aster, half of a position",
        {
            "secret": "s",
            "exchange": "aster",
            "action": "close",
            "symbol": "BTCUSDT",
            "sell_percentage": 50,
        },
        {"exchange": "aster", "action": "close", "symbol": "BTCUSDT", "close_percent": "50"},
    ),
    (
        "tradier, shares with stop and target",
        {
            "secret": "s",
            "exchange": "tradier",
            "action": "buy",
            "symbol": "AAPL",
            "order_type": "market",
            "stop_loss_percent": 2.0,
            "take_profit_percent": 4.0,
        },
        {
            "exchange": "tradier",
            "action": "buy",
            "symbol": "AAPL",
            "stop_loss_percent": "2",
            "take_profit_percent": "4",
        },
    ),
)
_LEGS: Final = [
    {"action": "buy", "right": "call", "strike": 200, "expiration": "2099-04-17"},
    {"action": "sell", "right": "call", "strike": "210.5", "expiration": "2099-04-17", "ratio": 2},
]
_TARGETS: Final = [{"percent": 2, "quantity_percent": 50}, {"price": 120, "quantityPercent": "50"}]
# Further sentences of the language, each with what it becomes.
_LANGUAGE: Final = (
    (
        "limit order",
        {"symbol": "X", "action": "buy", "type": "limit", "limitPrice": "1.50", "timeInForce": "GTC"},
        {"symbol": "X", "action": "buy", "order_type": "limit", "price": "1.5", "time_in_force": "gtc"},
    ),
    (
        "stop-limit order",
        {
            "symbol": "X",
            "action": "sell",
            "orderType": "Stop-Limit",
            "price": 9,
            "stopPrice": 10,
            "time_in_force": "day",
        },
        {
            "symbol": "X",
            "action": "sell",
            "order_type": "stop_limit",
            "price": "9",
            "stop_price": "10",
            "time_in_force": "day",
        },
    ),
    (
        "stop order",
        {"symbol": "X", "side": "long", "order_type": "stop", "stop_price": 10},
        {"symbol": "X", "action": "buy", "order_type": "stop", "stop_price": "10"},
    ),
    (
        "size by risk",
        {"symbol": "X", "action": "buy", "riskPercent": 0.5, "stopLossPrice": 90},
        {"symbol": "X", "action": "buy", "risk_percent": "0.5", "stop_loss_price": "90"},
    ),
    (
        "several targets",
        {"symbol": "X", "action": "buy", "takeProfits": _TARGETS, "trailingStopPercent": "1.5"},
        {
            "symbol": "X",
            "action": "buy",
            "take_profits": [
                {"percent": "2", "quantity_percent": "50"},
                {"price": "120", "quantity_percent": "50"},
            ],
            "trailing_stop_percent": "1.5",
        },
    ),
    (
        "a stop that trails",
        {"symbol": "X", "action": "buy", "use_trailing_stop": "yes", "stopLoss": 2},
        {"symbol": "X", "action": "buy", "use_trailing_stop": True, "stop_loss_percent": "2"},
    ),
    (
        "leverage",
        {"symbol": "X", "action": "buy", "leverage": "5.0", "exchange": "aster"},
        {"symbol": "X", "action": "buy", "leverage": 5, "exchange": "aster"},
    ),
    (
        "an option by days",
        {"symbol": "AAPL", "action": "buy", "option_type": "PUT", "dte": 0, "exitStrategy": "EOD"},
        {"symbol": "AAPL", "action": "buy", "right": "put", "dte": 0, "exit_strategy": "eod"},
    ),
    (
        "an option by day",
        {"symbol": "AAPL", "action": "buy", "right": "c", "expiration": "2099-04-17", "strike": "200.0"},
        {
            "symbol": "AAPL",
            "action": "buy",
            "right": "call",
            "expiration": "2099-04-17",
            "strike": "200",
        },
    ),
    (
        "an option by its symbol",
        {"symbol": "AAPL", "action": "buy", "optionSymbol": "AAPL  990417C00200000", "right": "call"},
        {"symbol": "AAPL990417C00200000", "action": "buy"},
    ),
    (
        "an option in place of the symbol",
        {"ticker": "OPRA:AAPL990417P200.5", "action": "buy", "exchange": "tradier_options"},
        {"symbol": "AAPL990417P00200500", "action": "buy", "exchange": "tradier"},
    ),
    (
        "a spread",
        {"symbol": "AAPL", "action": "buy", "quantity": 1, "legs": _LEGS},
        {
            "symbol": "AAPL",
            "action": "buy",
            "quantity": "1",
            "legs": [
                {
                    "action": "buy",
                    "right": "call",
                    "strike": "200",
                    "expiration": "2099-04-17",
                    "ratio": 1,
                },
                {
                    "action": "sell",
                    "right": "call",
                    "strike": "210.5",
                    "expiration": "2099-04-17",
                    "ratio": 2,
                },
            ],
        },
    ),
    (
        "target mode without an action",
        {"symbol": "X", "marketPosition": "Short", "marketPositionSize": "3", "position_size_usd": 50},
        {
            "symbol": "X",
            "action": "sell",
            "market_position": "short",
            "market_position_size": "3",
            "position_size_usd": "50",
        },
    ),
    (
        "flat without an action",
        {"symbol": "X", "market_position": "flat", "market_position_size": 0, "qty": 1, "stop_loss": 1},
        {"symbol": "X", "action": "close", "market_position": "flat"},
    ),
    (
        "close everything",
        {"action": "close_all", "exchange": "paper"},
        {"symbol": "*", "action": "close_all", "exchange": "paper"},
    ),
    (
        "cancel",
        {"symbol": "X", "action": "cancel"},
        {"symbol": "X", "action": "cancel"},
    ),
    (
        "a strategy by name",
        {"symbol": "X", "action": "buy", "strategy": "My idea"},
        {"symbol": "X", "action": "buy", "strategy": "My idea"},
    ),
    (
        "a strategy by id",
        {"symbol": "X", "action": "buy", "strategyId": "6F9619FF-8B86-D011-B42D-00C04FC964FF"},
        {"symbol": "X", "action": "buy", "strategy_id": "6f9619ff-8b86-d011-b42d-00c04fc964ff"},
    ),
)
# Every other name of a field, with a value: (canonical name, its other names, value, canonical value).
ALIASES: Final = (
    ("id", ("signal_id", "alert_id"), "a-1", "a-1"),
    ("exchange", ("venue", "broker"), "Paper", "paper"),
    ("symbol", ("ticker", "underlying"), "eth/usdt", "ETHUSDT"),
    ("action", ("side",), "SHORT", "sell"),
    ("order_type", ("type",), "market", "market"),
    ("price", ("limit_price",), "1.10", "1.1"),
    ("quantity", ("qty", "contracts", "units", "shares"), "2", "2"),
    ("position_size_usd", ("amount_usd",), "500", "500"),
    ("position_size_percent", ("size_percent", "size"), "5", "5"),
    ("stop_loss_percent", ("stop_loss",), "2", "2"),
    ("take_profit_percent", ("take_profit",), "2", "2"),
    ("trailing_stop_pips", ("trailing_stop",), "30", "30"),
    ("timestamp", ("time", "timenow"), "2026-11-22T10:00:00Z", "2026-11-22T10:00:00+00:00"),
    ("right", ("option_type",), "put", "put"),
    ("environment", (), "live", "production"),
    ("time_in_force", (), "IOC", "ioc"),
    ("risk_percent", (), "1", "1"),
    ("risk_usd", (), "100", "100"),
    ("leverage", (), "3", 3),
    ("stop_loss_price", (), "9.5", "9.5"),
    ("take_profit_price", (), "9.5", "9.5"),
    ("trailing_stop_percent", (), "1", "1"),
    ("use_trailing_stop", (), "true", True),
    ("reduce_only", (), "1", True),
    ("dry_run", (), "on", True),
    ("market_position", (), "LONG", "long"),
    ("prev_market_position", (), "flat", "flat"),
)


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(part.capitalize() for part in rest)


def _spellings() -> Iterator[Case]:
    for canonical, others, value, stored in ALIASES:
        for name in (canonical, *others):
            for spelt in dict.fromkeys((name, _camel(name), name.upper(), name.replace("_", "-"))):
                sent = {"symbol": "X", "action": "buy"}
                sent = {key: kept for key, kept in sent.items() if key != canonical} | {spelt: value}
                yield Case(
                    f"{spelt} is {canonical}",
                    json.dumps(sent),
                    {"symbol": "X", "action": "buy"} | {canonical: stored},
                )


def _both() -> Iterator[Case]:
    for name, sent, fields in (*_TEMPLATES, *_OLDER, *_LANGUAGE):
        yield Case(f"{name}, JSON", json.dumps(sent), fields)
        yield Case(f"{name}, lines", as_pairs(sent), fields)
        yield Case(f"{name}, semicolons", as_pairs(sent, "; "), fields)


SAMPLES: Final = tuple(_both())
SPELLINGS: Final = tuple(_spellings())
CASES: Final = (*SAMPLES, *SPELLINGS)
