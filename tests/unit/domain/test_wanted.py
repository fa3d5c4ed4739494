from typing import Any

import pytest

from sparky.domain.snapshot import Wanted
from sparky.domain.wanted import wanted
from tests.unit.domain.planning import working
from tests.unit.domain.work_orders import work_order

ONE = {"quantity": "1"}
HELD = {"side": "long", "quantity": "1", "entry_price": "1"}
CALL = ONE | {"right": "call"}
SELLS_CALL: dict[str, Any] = {"alert": CALL, "exchange": "tradier", "symbol": "AAPL", "action": "sell"}
LIMIT = {"order_type": "limit", "price": "5"}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"alert": ONE}, Wanted()),
        ({"alert": ONE | LIMIT}, Wanted()),
        ({"alert": ONE, "settings": {"position_size_percent": "5"}}, Wanted()),
        ({"alert": ONE, "position": HELD}, Wanted(position=True)),
        ({"action": "close", "alert": {}}, Wanted(position=True)),
        ({"action": "close", "alert": {"close_percent": "5"}}, Wanted(position=True)),
        ({"action": "close", "alert": {"position_size_usd": "5"}}, Wanted(position=True, quote=True)),
        (
            {"action": "close", "alert": {"position_size_percent": "5"}},
            Wanted(position=True, quote=True, balance=True),
        ),
        ({"alert": {"position_size_usd": "5"}}, Wanted(quote=True)),
        ({"alert": LIMIT | {"position_size_usd": "5"}}, Wanted()),
        ({"alert": LIMIT | {"position_size_usd": "5"}, "exchange": "oanda"}, Wanted(quote=True)),
        ({"alert": {"position_size_percent": "5"}}, Wanted(quote=True, balance=True)),
        ({"alert": {}, "settings": {"position_size_percent": "5"}}, Wanted(quote=True, balance=True)),
        ({"alert": {"risk_percent": "5"}}, Wanted(quote=True, balance=True)),
        ({"alert": {"risk_usd": "5"}}, Wanted(quote=True)),
        ({"alert": ONE, "settings": {"max_position_size_usd": "5"}}, Wanted(position=True, quote=True)),
        ({"alert": ONE, "settings": {"max_slippage_percent": "5"}}, Wanted(quote=True)),
        ({"alert": ONE | LIMIT, "settings": {"max_slippage_percent": "5"}}, Wanted()),
        ({"alert": ONE | {"stop_loss_price": "5"}}, Wanted(quote=True)),
        ({"alert": ONE | {"stop_loss_percent": "5"}}, Wanted()),
        ({"alert": ONE | {"market_position": "long"}}, Wanted(position=True)),
        ({"alert": {"position_size_percent": "5", "market_position": "flat"}}, Wanted(position=True)),
        ({"action": "close_all", "symbol": "*", "alert": {}}, Wanted(rules=False, positions=True)),
        ({"action": "cancel", "alert": {}}, Wanted(rules=False)),
        (
            {"action": "cancel", "alert": {}, "working": working({"purpose": "stop_loss"})},
            Wanted(rules=False, position=True),
        ),
        ({"action": "protect", "alert": {}}, Wanted(position=True)),
        (
            {"alert": ONE | {"right": "call"}, "exchange": "tradier", "symbol": "AAPL"},
            Wanted(position=True, chain=True, quote=True),
        ),
        (
            {"alert": {"right": "call"}, "exchange": "tradier", "symbol": "AAPL", "action": "close"},
            Wanted(position=True, positions=True),
        ),
        (
            SELLS_CALL | {"settings": {"allow_short": None}},
            Wanted(position=True, positions=True, quote=True),
        ),
        (SELLS_CALL, Wanted(position=True, chain=True, quote=True)),
        (
            SELLS_CALL | {"alert": CALL | {"market_position": "long"}, "settings": {"allow_short": None}},
            Wanted(position=True, chain=True, quote=True),
        ),
        (
            {"alert": ONE, "exchange": "tradier", "symbol": "AAPL260417C00200000"},
            Wanted(quote=True),
        ),
    ],
)
def test_no_more_is_asked_than_planning_needs(changes: dict[str, Any], expected: Wanted) -> None:
    assert wanted(work_order(**changes)) == expected
