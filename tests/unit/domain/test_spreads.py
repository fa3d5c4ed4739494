from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparky.domain.answers import Balance, VenuePosition
from sparky.domain.identifiers import SignalId, client_order_id
from sparky.domain.orders import OrderType, PositionSide, Side
from sparky.domain.plan import Decision, Leg, NothingToDo, Plan, Purpose, Rejection
from sparky.domain.reasons import Reason
from sparky.domain.rules import InstrumentRules
from sparky.domain.spreads import plan_spread
from tests.unit.domain.work_orders import CAN_ALL, EARLIER_ORDER, NOW, SIGNAL_ID, snapshot, work_order

SHARES = InstrumentRules(symbol="AAPL", quantity_step=Decimal(1), price_tick=Decimal("0.01"))
TRADIER = replace(CAN_ALL, market_spreads=True)
TASTYTRADE = replace(CAN_ALL, market_spreads=False)
LOW, HIGH = "AAPL260417C00200000", "AAPL260417C00210000"


def option(
    action: str, right: str, strike: str, ratio: int = 1, expiration: str = "2026-04-17"
) -> dict[str, Any]:
    return {"action": action, "right": right, "strike": strike, "expiration": expiration, "ratio": ratio}


BULL_CALL = [option("buy", "call", "200"), option("sell", "call", "210")]
BEAR_CALL = [option("sell", "call", "200"), option("buy", "call", "210")]
CONDOR = [
    option("buy", "put", "180"),
    option("sell", "put", "190"),
    option("sell", "call", "210"),
    option("buy", "call", "220"),
]


def plan(
    positions: list[VenuePosition] | None = None,
    *,
    action: str = "buy",
    settings: dict[str, Any] | None = None,
    seen: dict[str, Any] | None = None,
    order: dict[str, Any] | None = None,
    **alert: Any,
) -> Decision:
    terms = {"legs": BULL_CALL, "order_type": "limit", "price": "2.50", "quantity": "3", **alert}
    given_order = work_order(
        exchange="tastytrade",
        symbol="AAPL",
        action=action,
        alert=terms,
        settings=settings or {},
        **(order or {}),
    )
    return plan_spread(given_order, snapshot(rules=SHARES, positions=positions or [], **(seen or {})), NOW)


def leg_of(decision: Decision) -> Leg:
    assert isinstance(decision, Plan), decision
    (leg,) = decision.legs
    return leg


def rejected(decision: Decision) -> Rejection:
    assert isinstance(decision, Rejection)
    assert decision.reason.endswith(".")
    return decision


def sides(leg: Leg) -> list[tuple[str, Side, bool]]:
    return [(one.symbol, one.side, one.closes) for one in leg.spread]


def held(symbol: str, side: str, quantity: str = "3") -> VenuePosition:
    return VenuePosition(
        symbol=symbol, side=PositionSide(side), quantity=Decimal(quantity), entry_price=Decimal(2)
    )


BOUGHT = [held(LOW, "long"), held(HIGH, "short")]
SOLD = [held(LOW, "short"), held(HIGH, "long")]


def test_buy_opens_the_legs_as_written_for_a_net_debit() -> None:
    leg = leg_of(plan())
    assert (leg.side, leg.quantity, leg.purpose, leg.reduce_only) == (
        Side.BUY,
        Decimal(3),
        Purpose.OPEN,
        False,
    )
    assert (leg.order_type, leg.limit_price, leg.symbol) == (OrderType.LIMIT, Decimal("2.50"), "AAPL")
    assert sides(leg) == [(LOW, Side.BUY, False), (HIGH, Side.SELL, False)]
    assert leg.client_order_id == client_order_id(SignalId(SIGNAL_ID), 1)


def test_sell_opens_every_leg_turned_for_a_net_credit() -> None:
    leg = leg_of(plan(action="sell"))
    assert (leg.side, leg.purpose, leg.reduce_only) == (Side.SELL, Purpose.OPEN, False)
    assert sides(leg) == [(LOW, Side.SELL, False), (HIGH, Side.BUY, False)]


def test_a_price_makes_a_spread_a_limit_order_and_without_one_the_venue_has_to_take_the_market() -> None:
    assert leg_of(plan(order_type="market")).order_type is OrderType.LIMIT
    market = leg_of(plan(order_type="market", price=None, seen={"capabilities": TRADIER}))
    assert (market.order_type, market.limit_price) == (OrderType.MARKET, None)
    missing = rejected(plan(order_type="market", price=None, seen={"capabilities": TASTYTRADE}))
    assert missing.reason_code is Reason.MISSING_FIELD
    assert "add price" in missing.reason
    assert rejected(plan(price=None, seen={"capabilities": TRADIER})).reason_code is Reason.MISSING_FIELD


@pytest.mark.parametrize(
    ("positions", "side", "legs"),
    [
        (BOUGHT, Side.SELL, [(LOW, Side.SELL, True), (HIGH, Side.BUY, True)]),
        (SOLD, Side.BUY, [(LOW, Side.BUY, True), (HIGH, Side.SELL, True)]),
    ],
)
def test_close_does_the_opposite_of_what_is_open(
    positions: list[VenuePosition], side: Side, legs: list[tuple[str, Side, bool]]
) -> None:
    leg = leg_of(plan(positions, action="close", quantity=None))
    assert (leg.side, leg.quantity, leg.purpose, leg.reduce_only) == (side, Decimal(3), Purpose.CLOSE, True)
    assert sides(leg) == legs


@pytest.mark.parametrize(
    ("alert", "count", "noted"),
    [
        ({"quantity": None}, 5, False),
        ({"quantity": "2"}, 2, False),
        ({"quantity": "9"}, 5, True),
        ({"quantity": None, "close_percent": "50"}, 2, False),
        ({"quantity": None, "close_percent": "10"}, 1, True),
        ({"quantity": None, "close_percent": "100"}, 5, False),
    ],
)
def test_a_close_is_never_more_than_the_positions_show(
    alert: dict[str, Any], count: int, *, noted: bool
) -> None:
    positions = [held(LOW, "long", "5"), held(HIGH, "short", "7")]
    decision = plan(positions, action="close", **alert)
    assert leg_of(decision).quantity == count
    assert isinstance(decision, Plan)
    assert bool(decision.notes) is noted


@pytest.mark.parametrize(
    ("action", "positions", "closes"),
    [
        ("close_long", BOUGHT, True),
        ("close_long", SOLD, False),
        ("close_short", SOLD, True),
        ("close_short", BOUGHT, False),
        ("sell", BOUGHT, True),
        ("sell", SOLD, False),
        ("buy", SOLD, True),
    ],
)
def test_an_exit_by_side_closes_only_that_side(
    action: str, positions: list[VenuePosition], *, closes: bool
) -> None:
    decision = plan(positions, action=action, reduce_only=True, quantity=None)
    if closes:
        assert leg_of(decision).purpose is Purpose.CLOSE
    else:
        assert isinstance(decision, NothingToDo)
        assert decision.reason_code is Reason.NO_POSITION


@pytest.mark.parametrize(
    "positions",
    [[], [held(LOW, "long")], [held(LOW, "long"), held(HIGH, "long")], [held("AAPL", "long")]],
)
def test_without_a_whole_spread_there_is_nothing_to_close(positions: list[VenuePosition]) -> None:
    decision = plan(positions, action="close")
    assert isinstance(decision, NothingToDo)
    assert "no whole spread" in decision.note


def test_ratios_count_when_whole_spreads_are_counted() -> None:
    butterfly = [
        option("buy", "call", "200"),
        option("sell", "call", "205", ratio=2),
        option("buy", "call", "210"),
    ]
    positions = [held(LOW, "long", "3"), held("AAPL260417C00205000", "short", "5"), held(HIGH, "long", "9")]
    assert leg_of(plan(positions, action="close", legs=butterfly, quantity=None)).quantity == 2
    opened = leg_of(plan(legs=butterfly))
    assert [one.ratio for one in opened.spread] == [1, 2, 1]


@pytest.mark.parametrize("legs", [BEAR_CALL, CONDOR])
def test_legs_that_can_only_cost_their_holder_are_opened_as_written_for_a_credit(
    legs: list[dict[str, Any]],
) -> None:
    leg = leg_of(plan(legs=legs))
    assert (leg.side, leg.purpose) == (Side.SELL, Purpose.OPEN)
    assert [one.side.value for one in leg.spread] == [one["action"] for one in legs]
    assert rejected(plan(action="sell", legs=legs)).reason_code is Reason.UNKNOWN_FIELD_COMBINATION
    refused = rejected(plan(legs=legs, settings={"allow_short": False}))
    assert refused.reason_code is Reason.SHORT_NOT_ALLOWED


def test_what_was_opened_for_a_credit_is_closed_for_a_debit() -> None:
    leg = leg_of(plan(SOLD, action="close", legs=BEAR_CALL, quantity=None))
    assert (leg.side, leg.purpose) == (Side.BUY, Purpose.CLOSE)
    assert sides(leg) == [(LOW, Side.BUY, True), (HIGH, Side.SELL, True)]


@pytest.mark.parametrize(
    "legs",
    [
        BULL_CALL,
        [option("sell", "put", "190"), option("buy", "put", "200")],
        [option("buy", "call", "200"), option("buy", "put", "200")],
        [option("buy", "call", "200", expiration="2026-05-15"), option("sell", "call", "200")],
        [option("sell", "call", "200"), option("buy", "call", "210", ratio=2)],
        [option("sell", "put", "200"), option("buy", "put", "190", ratio=2)],
        [option("sell" if leg["action"] == "buy" else "buy", leg["right"], leg["strike"]) for leg in CONDOR],
    ],
)
def test_legs_that_may_be_worth_something_cost_something(legs: list[dict[str, Any]]) -> None:
    assert leg_of(plan(legs=legs)).side is Side.BUY
    assert leg_of(plan(action="sell", legs=legs)).side is Side.SELL


@pytest.mark.parametrize(
    ("alert", "seen", "code", "words"),
    [
        ({}, {"capabilities": replace(CAN_ALL, option_legs=0)}, Reason.NOT_SUPPORTED, ["no option spreads"]),
        ({"legs": BULL_CALL[:1]}, {}, Reason.INVALID_VALUE, ["at least two legs"]),
        ({"legs": BULL_CALL * 3}, {}, Reason.NOT_SUPPORTED, ["at most 4 legs", "has 6"]),
        ({"legs": [BULL_CALL[0]] * 2}, {}, Reason.INVALID_VALUE, ["same option twice"]),
        (
            {"legs": [option("buy", "call", "200", expiration="2026-02-27"), BULL_CALL[1]]},
            {},
            Reason.INVALID_VALUE,
            ["expired on 2026-02-27"],
        ),
        ({"legs": [option("buy", "call", "200.0001"), BULL_CALL[1]]}, {}, Reason.INVALID_VALUE, ["200.0001"]),
        ({"order_type": "stop", "stop_price": "3"}, {}, Reason.NOT_SUPPORTED, ["order_type is stop"]),
        (
            {"time_in_force": "fok"},
            {"capabilities": replace(CAN_ALL, times_in_force=frozenset())},
            Reason.NOT_SUPPORTED,
            ["time_in_force fok"],
        ),
        ({"market_position": "long"}, {}, Reason.UNKNOWN_FIELD_COMBINATION, ["market_position long"]),
        ({"stop_loss_percent": "5"}, {}, Reason.NOT_SUPPORTED, ["stop_loss_percent"]),
        ({"use_trailing_stop": True}, {}, Reason.NOT_SUPPORTED, ["use_trailing_stop"]),
        ({"exit_strategy": "eod"}, {}, Reason.NOT_SUPPORTED, ["exit_strategy eod"]),
        ({"quantity": None}, {}, Reason.NO_SIZE, ["add quantity"]),
        ({"quantity": "0.5"}, {}, Reason.BELOW_MINIMUM, ["quantity 0.5"]),
        ({"position_size_usd": "100"}, {}, Reason.SIZE_CONFLICT, ["quantity 3", "position_size_usd 100"]),
        ({"quantity": None, "risk_usd": "100"}, {}, Reason.NOT_SUPPORTED, ["risk_usd 100"]),
        ({"quantity": None, "position_size_usd": "100"}, {}, Reason.BELOW_MINIMUM, ["position_size_usd 100"]),
        (
            {"quantity": None, "position_size_percent": "10"},
            {},
            Reason.VENUE_UNAVAILABLE,
            ["position_size_percent 10"],
        ),
    ],
)
def test_what_is_no_spread_or_has_no_size_is_rejected_in_words(
    alert: dict[str, Any], seen: dict[str, Any], code: Reason, words: list[str]
) -> None:
    rejection = rejected(plan(seen=seen, **alert))
    assert rejection.reason_code is code
    for word in words:
        assert word in rejection.reason


MONEY = {"balance": Balance(currency="USD", equity=Decimal(90000), available=Decimal(10000))}


@pytest.mark.parametrize(
    ("alert", "settings", "count"),
    [
        ({"position_size_usd": "1000"}, {}, 4),
        ({"position_size_usd": "999.99"}, {}, 3),
        ({"position_size_percent": "10"}, {}, 4),
        ({}, {"position_size_percent": "5"}, 2),
    ],
)
def test_money_buys_as_many_spreads_as_the_net_debit_allows(
    alert: dict[str, Any], settings: dict[str, Any], count: int
) -> None:
    decision = plan(seen=MONEY, settings=settings, quantity=None, **alert)
    assert leg_of(decision).quantity == count
    assert isinstance(decision, Plan)
    assert decision.checks[0].ok


def test_money_does_not_size_a_sold_spread_or_one_without_a_price() -> None:
    sold = rejected(plan(action="sell", quantity=None, position_size_usd="1000"))
    assert sold.reason_code is Reason.NOT_SUPPORTED
    market: dict[str, Any] = {
        "order_type": "market",
        "price": None,
        "quantity": None,
        "position_size_usd": "1000",
    }
    assert rejected(plan(seen={"capabilities": TRADIER}, **market)).reason_code is Reason.MISSING_FIELD


def test_the_largest_position_cuts_a_spread_and_says_so() -> None:
    decision = plan(settings={"max_position_size_usd": "600"})
    assert leg_of(decision).quantity == 2
    assert isinstance(decision, Plan)
    assert "max_position_size_usd 600" in decision.notes[0]
    none = rejected(plan(settings={"max_position_size_usd": "249"}))
    assert none.reason_code is Reason.ABOVE_MAXIMUM
    assert none.checks[-1].name == "max_position_size_usd"
    market: dict[str, Any] = {"order_type": "market", "price": None}
    unknown = rejected(
        plan(seen={"capabilities": TRADIER}, settings={"max_position_size_usd": "600"}, **market)
    )
    assert unknown.reason_code is Reason.MISSING_FIELD


def working(symbols: list[str], purpose: str = "open") -> dict[str, Any]:
    spread = [{"symbol": symbol, "side": "buy", "ratio": 1, "closes": False} for symbol in symbols]
    return EARLIER_ORDER | {
        "signal_id": SIGNAL_ID,
        "symbol": "AAPL",
        "state": "working",
        "order_type": "limit",
        "spread": spread,
        "purpose": purpose,
    }


def test_a_spread_that_is_open_or_waits_is_not_added_to_without_pyramiding() -> None:
    assert rejected(plan(BOUGHT)).reason_code is Reason.POSITION_EXISTS
    assert rejected(plan(SOLD, action="sell")).reason_code is Reason.POSITION_EXISTS
    waits = {"working": [working([HIGH, LOW])]}
    assert rejected(plan(order=waits)).reason_code is Reason.POSITION_EXISTS
    assert isinstance(plan(order={"working": [working(["AAPL260417C00215000", LOW])]}), Plan)
    assert leg_of(plan(BOUGHT, settings={"pyramiding": True})).quantity == 3


@pytest.mark.parametrize("rule", ["default", "close", "reverse"])
def test_an_entry_closes_its_opposite(rule: str) -> None:
    decision = plan(BOUGHT, action="sell", settings={"on_opposite": rule})
    leg = leg_of(decision)
    assert (leg.purpose, leg.side, leg.quantity) == (Purpose.CLOSE, Side.SELL, Decimal(3))
    assert isinstance(decision, Plan)
    assert "not reversed" in decision.notes[0]


def test_an_entry_against_its_opposite_may_be_rejected() -> None:
    rejection = rejected(plan(BOUGHT, action="sell", settings={"on_opposite": "reject"}))
    assert rejection.reason_code is Reason.OPPOSITE_REJECTED


def test_a_spread_is_sold_unless_short_is_switched_off() -> None:
    assert isinstance(plan(action="sell", settings={"allow_short": None}), Plan)
    rejection = rejected(plan(action="sell", settings={"allow_short": False}))
    assert rejection.reason_code is Reason.SHORT_NOT_ALLOWED


def test_a_close_cancels_the_entry_that_waits_first() -> None:
    waits = {"working": [working([LOW, HIGH]), working([LOW, HIGH], "close")]}
    decision = plan(BOUGHT, action="close", order=waits)
    assert isinstance(decision, Plan)
    (cancel,) = decision.cancels
    assert (cancel.client_order_id, cancel.after_leg) == (EARLIER_ORDER["client_order_id"], 0)
    only = plan(action="close", order=waits)
    assert isinstance(only, Plan)
    assert (len(only.cancels), only.legs) == (1, ())


def test_the_settings_exits_do_not_reach_spreads_and_the_trader_is_told() -> None:
    decision = plan(settings={"take_profit_percent": "5", "stop_loss_percent": "8"})
    assert isinstance(decision, Plan)
    assert "take_profit_percent 5 and stop_loss_percent 8" in decision.notes[0]


def test_an_option_that_expires_today_in_new_york_may_still_be_closed() -> None:
    legs = [option("buy", "call", "200", expiration="2026-03-02"), option("sell", "call", "210")]
    assert isinstance(plan(legs=legs), Plan)
    late = work_order(
        exchange="tastytrade",
        symbol="AAPL",
        alert={"legs": legs, "order_type": "limit", "price": "2", "quantity": "1"},
    )
    seen = snapshot(rules=SHARES)
    # 03:59 in Greenwich is still the evening before in New York.
    assert isinstance(plan_spread(late, seen, NOW + timedelta(hours=13)), Plan)
    assert isinstance(plan_spread(late, seen, NOW + timedelta(hours=15)), Rejection)


@given(
    quantities=st.lists(st.integers(1, 50), min_size=2, max_size=2),
    ratios=st.lists(st.integers(1, 4), min_size=2, max_size=2),
    turned=st.booleans(),
    asked=st.one_of(st.none(), st.integers(1, 80)),
)
def test_a_close_reduces_every_option_and_turns_none(
    quantities: list[int], ratios: list[int], asked: int | None, *, turned: bool
) -> None:
    legs = [option("buy", "put", "200", ratio=ratios[0]), option("sell", "put", "190", ratio=ratios[1])]
    first, second = ("short", "long") if turned else ("long", "short")
    symbols = ["AAPL260417P00200000", "AAPL260417P00190000"]
    positions = [
        held(symbols[0], first, str(quantities[0])),
        held(symbols[1], second, str(quantities[1])),
    ]
    decision = plan(positions, action="close", legs=legs, quantity=None if asked is None else str(asked))
    if isinstance(decision, NothingToDo):
        assert any(size < ratio for size, ratio in zip(quantities, ratios, strict=True))
        return
    leg = leg_of(decision)
    for one, position in zip(leg.spread, positions, strict=True):
        assert one.closes
        assert one.side is position.side.closed_by
        assert leg.quantity * one.ratio <= position.quantity
