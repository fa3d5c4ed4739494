"""Every reader of Tradier's answers, on answers of which one place is spoilt."""

import contextlib
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparky.domain.errors import VenueUnavailable
from sparky.venues.tradier import account, fees, options, parse, rules
from sparky.venues.tradier.reading import read

CALL = "AAPL260417C00200000"

GOOD: dict[str, tuple[Any, Any]] = {
    "accounts": (
        account.read_accounts,
        {"profile": {"account": {"account_number": "VA1", "type": "margin"}}},
    ),
    "balance": (
        account.read_balance,
        {"balances": {"total_equity": Decimal("1.50"), "total_cash": 1, "margin": {"stock_buying_power": 2}}},
    ),
    "positions": (
        account.read_positions,
        {"positions": {"position": {"symbol": "AAPL", "quantity": 2, "cost_basis": Decimal("10.00")}}},
    ),
    "order": (
        lambda answer: parse.views([parse.read_one(answer)]),
        {
            "order": {
                "id": 1,
                "class": "otoco",
                "tag": "spA-spB-spC",
                "create_date": "2026-03-02T15:00:00.000Z",
                "leg": [
                    {
                        "id": 2,
                        "type": "limit",
                        "symbol": "AAPL",
                        "side": "buy",
                        "status": "filled",
                        "quantity": 1,
                        "exec_quantity": 1,
                        "avg_fill_price": Decimal("9.5"),
                        "transaction_date": "2026-03-02T15:00:01.000Z",
                    }
                ],
            }
        },
    ),
    "page": (parse.read_page, {"orders": {"order": [{"id": 1}]}}),
    "instrument": (
        lambda answer: rules.read_instrument(answer, CALL),
        {"quotes": {"quote": {"symbol": CALL, "type": "option", "underlying": "AAPL", "contract_size": 100}}},
    ),
    "nearest": (rules.read_nearest, {"securities": {"security": {"symbol": "AAPL"}}}),
    "expirations": (options.read_expirations, {"expirations": {"date": ["2026-04-17"]}}),
    "chain": (
        lambda answer: options.read_chain(answer, "AAPL"),
        {"options": {"option": {"symbol": CALL, "contract_size": 100, "bid": 1, "ask": None}}},
    ),
    "history": (
        fees.read_charges,
        {
            "history": {
                "event": {
                    "date": "2026-03-02T00:00:00Z",
                    "trade": {"symbol": "AAPL", "quantity": -1, "commission": Decimal("0.35")},
                }
            }
        },
    ),
}
STRANGE = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**60), 10**60)
    | st.decimals(allow_nan=False, allow_infinity=False)
    | st.sampled_from(["", "null", "0001-01-01T00:00:00+23:00", "9999-12-31T23:59:59Z", "-1", "AAPL", CALL])
    | st.text(alphabet="a1-/ :", max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["order", "leg"]), inner),
    max_leaves=4,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, one in inner for place in places(one, (*path, key)))]


def spoilt(value: Any, path: tuple[Any, ...], instead: Any) -> Any:
    if not path:
        return instead
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = spoilt(copy[path[0]], path[1:], instead)
    return copy


@pytest.mark.parametrize("name", GOOD)
def test_a_good_answer_is_read(name: str) -> None:
    parser, good = GOOD[name]
    read(parser, good, name)


@pytest.mark.parametrize("name", GOOD)
@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_whatever_an_answer_holds_it_is_read_or_is_no_answer(name: str, data: st.DataObject) -> None:
    parser, good = GOOD[name]
    path = data.draw(st.sampled_from(places(good)))
    with contextlib.suppress(VenueUnavailable):
        read(parser, spoilt(good, path, data.draw(STRANGE)), name)


@pytest.mark.parametrize(
    ("name", "path", "instead"),
    [
        ("instrument", ("quotes", "quote", "contract_size"), -100),
        ("order", ("order", "create_date"), "0001-01-01T00:00:00+23:00"),
        ("order", ("order", "id"), "9" * 5000),
        ("order", ("order", "leg", 0, "avg_fill_price"), 0),
        ("order", ("order", "leg", 0, "status"), "in orbit"),
        ("order", ("order", "leg"), "null"),
        ("positions", ("positions", "position", "quantity"), True),
        ("balance", ("balances", "margin"), None),
        ("expirations", ("expirations", "date"), "soon"),
    ],
)
def test_a_value_that_cannot_be_is_no_answer(name: str, path: tuple[Any, ...], instead: Any) -> None:
    parser, good = GOOD[name]
    with pytest.raises(VenueUnavailable, match="not understood") as caught:
        read(parser, spoilt(good, path, instead), name)
    assert caught.value.__context__ is None
