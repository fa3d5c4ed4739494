from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparky.domain.answers import Quote
from sparky.domain.capabilities import Capabilities
from sparky.domain.identifiers import SignalId, client_order_id
from sparky.domain.options import OptionContract, Right
from sparky.domain.orders import ExitKind, OrderType, PositionSide, Side, TimeInForce
from sparky.domain.plan import EMERGENCY_LEG, ExitTerms, Leg, Protection, Purpose, Rejection
from sparky.domain.protection import (
    EntryProtection,
    emergency_close,
    exits_wanted,
    protect_entry,
    resolve_exits,
)
from sparky.domain.reasons import Reason
from sparky.domain.rules import InstrumentRules, TickBand, TrailBounds, round_down_to_step
from tests.unit.domain.work_orders import CAN_ALL, RULES, SIGNAL_ID, snapshot, work_order

LONG, SHORT = PositionSide.LONG, PositionSide.SHORT
TRADIER = Capabilities(
    order_types=frozenset(OrderType),
    times_in_force=frozenset({TimeInForce.DAY, TimeInForce.GTC}),
    attached_exits={OrderType.LIMIT: frozenset({ExitKind.TAKE_PROFIT, ExitKind.STOP_LOSS})},
    separate_exits=frozenset({ExitKind.TAKE_PROFIT, ExitKind.STOP_LOSS}),
    cancels_siblings=True,
    reduces_natively=False,
)
NO_EXITS = replace(TRADIER, attached_exits={}, separate_exits=frozenset())
PIPS = replace(RULES, pip=Decimal("0.0001"), price_tick=Decimal("0.00001"))


def quote(bid: str, ask: str) -> Quote:
    return Quote(symbol="BTCUSDT", bid=Decimal(bid), ask=Decimal(ask))


def wanted(
    side: PositionSide = LONG,
    settings: dict[str, Any] | None = None,
    seen: dict[str, Any] | None = None,
    **alert: Any,
) -> tuple[ExitTerms, ...] | Rejection:
    order = work_order(alert={"quantity": "1", **alert}, settings=settings or {})
    return exits_wanted(order, snapshot(**{"capabilities": CAN_ALL, **(seen or {})}), side)


def terms_of(**arguments: Any) -> tuple[ExitTerms, ...]:
    found = wanted(**arguments)
    assert not isinstance(found, Rejection), found.reason
    return found


def rejected(**arguments: Any) -> Rejection:
    found = wanted(**arguments)
    assert isinstance(found, Rejection)
    assert found.reason.endswith(".")
    return found


def d(value: str) -> Decimal:
    return Decimal(value)


SL, TP, TRAIL = ExitKind.STOP_LOSS, ExitKind.TAKE_PROFIT, ExitKind.TRAILING_STOP
DEFAULTS = {"take_profit_percent": "4", "stop_loss_percent": "2"}


@pytest.mark.parametrize(
    ("alert", "settings", "expected"),
    [
        ({}, {}, []),
        ({}, DEFAULTS, [(SL, "percent", "2"), (TP, "percent", "4")]),
        ({"stop_loss_percent": "1"}, {}, [(SL, "percent", "1")]),
        ({"stop_loss_percent": "1"}, DEFAULTS, [(SL, "percent", "1"), (TP, "percent", "4")]),
        ({"stop_loss_price": "26000"}, DEFAULTS, [(SL, "price", "26000"), (TP, "percent", "4")]),
        ({"take_profit_price": "28000"}, DEFAULTS, [(SL, "percent", "2"), (TP, "price", "28000")]),
        ({"take_profit_percent": "9"}, DEFAULTS, [(SL, "percent", "2"), (TP, "percent", "9")]),
        # A stop that trails keeps the default stop away.
        ({"trailing_stop_percent": "1.5"}, DEFAULTS, [(TRAIL, "trail_percent", "1.5"), (TP, "percent", "4")]),
        (
            {"trailing_stop_percent": "1.5", "stop_loss_percent": "3"},
            {},
            [(SL, "percent", "3"), (TRAIL, "trail_percent", "1.5")],
        ),
        ({"use_trailing_stop": True, "stop_loss_percent": "3"}, {}, [(TRAIL, "trail_percent", "3")]),
        ({"use_trailing_stop": True}, {"stop_loss_percent": "2"}, [(TRAIL, "trail_percent", "2")]),
        (
            {"use_trailing_stop": True, "stop_loss_percent": "3", "trailing_stop_percent": "1"},
            {},
            [(TRAIL, "trail_percent", "1")],
        ),
        (
            {"use_trailing_stop": True, "stop_loss_price": "26000", "trailing_stop_percent": "1"},
            {},
            [(SL, "price", "26000"), (TRAIL, "trail_percent", "1")],
        ),
        (
            {
                "take_profits": [
                    {"percent": "1", "quantity_percent": "50"},
                    {"price": "29000", "quantity_percent": "50"},
                ]
            },
            DEFAULTS,
            [(SL, "percent", "2"), (TP, "percent", "1"), (TP, "price", "29000")],
        ),
    ],
)
def test_an_entry_gets_the_exits_of_its_alert_and_for_the_rest_those_of_the_settings(
    alert: dict[str, Any], settings: dict[str, Any], expected: list[tuple[ExitKind, str, str]]
) -> None:
    found = terms_of(settings=settings, **alert)
    assert [(one.kind, getattr(one, name)) for one, (_, name, _) in zip(found, expected, strict=True)] == [
        (kind, d(value)) for kind, _, value in expected
    ]
    assert [one.number for one in found] == list(range(3, 3 + len(found)))


def test_pips_become_a_distance_by_the_venues_pip() -> None:
    seen = {"rules": PIPS}
    expected = [(TRAIL, d("0.0030"))]
    found = terms_of(seen=seen, trailing_stop_pips="30", use_trailing_stop=True, stop_loss_percent="2")
    assert [(one.kind, one.trail_distance) for one in found] == expected
    found = terms_of(seen=seen, trailing_stop_pips="30")
    assert [(one.kind, one.trail_distance) for one in found] == expected


@pytest.mark.parametrize(
    ("alert", "seen", "code", "words"),
    [
        ({"trailing_stop_pips": "30"}, {}, Reason.NOT_SUPPORTED, ["trailing_stop_pips 30", "BTCUSDT"]),
        ({"use_trailing_stop": True}, {}, Reason.MISSING_FIELD, ["trailing_stop_percent"]),
        (
            {"stop_loss_percent": "1", "stop_loss_price": "5"},
            {},
            Reason.UNKNOWN_FIELD_COMBINATION,
            ["stop_loss_percent and stop_loss_price"],
        ),
        (
            {"take_profit_percent": "1", "take_profits": [{"percent": "1", "quantity_percent": "50"}]},
            {},
            Reason.UNKNOWN_FIELD_COMBINATION,
            ["take_profit_percent and take_profits"],
        ),
        (
            {"trailing_stop_percent": "1", "trailing_stop_pips": "5"},
            {},
            Reason.UNKNOWN_FIELD_COMBINATION,
            ["trailing_stop_percent and trailing_stop_pips"],
        ),
        (
            {
                "take_profits": [
                    {"percent": "1", "quantity_percent": "60"},
                    {"percent": "2", "quantity_percent": "50"},
                ]
            },
            {},
            Reason.INVALID_VALUE,
            ["come to 110"],
        ),
        (
            {"take_profits": [{"percent": "1", "price": "2", "quantity_percent": "60"}]},
            {},
            Reason.UNKNOWN_FIELD_COMBINATION,
            ["percent or price"],
        ),
        (
            {"take_profits": [{"percent": "1", "quantity_percent": "1"}] * 11},
            {},
            Reason.INVALID_VALUE,
            ["11 targets", "at most 10"],
        ),
        (
            {"trailing_stop_percent": "1"},
            {"capabilities": TRADIER},
            Reason.NOT_SUPPORTED,
            ["trailing-stop", "trailing_stop_percent 1", "stop_loss_percent"],
        ),
        (
            {"stop_loss_percent": "1"},
            {"capabilities": NO_EXITS},
            Reason.NOT_SUPPORTED,
            ["stop-loss", "stop_loss_percent 1", "leave it out"],
        ),
        (
            {
                "take_profits": [
                    {"percent": "1", "quantity_percent": "50"},
                    {"percent": "2", "quantity_percent": "50"},
                ]
            },
            {"capabilities": TRADIER},
            Reason.NOT_SUPPORTED,
            ["one take-profit", "take_profits"],
        ),
        (
            {"take_profits": [{"percent": "1", "quantity_percent": "50"}]},
            {"capabilities": TRADIER},
            Reason.NOT_SUPPORTED,
            ["take_profits"],
        ),
        ({"stop_loss_percent": "100"}, {}, Reason.INVALID_VALUE, ["stop_loss_percent 100"]),
        ({"exit_strategy": "eod"}, {}, Reason.NOT_SUPPORTED, ["exit_strategy eod", "fixed_tp_sl"]),
    ],
)
def test_what_cannot_be_had_is_rejected_in_words(
    alert: dict[str, Any], seen: dict[str, Any], code: Reason, words: list[str]
) -> None:
    rejection = rejected(seen=seen, **alert)
    assert rejection.reason_code is code
    for word in words:
        assert word in rejection.reason


def test_a_setting_that_the_venue_cannot_keep_is_named() -> None:
    rejection = rejected(settings={"stop_loss_percent": "2"}, seen={"capabilities": NO_EXITS})
    assert "the setting stop_loss_percent 2" in rejection.reason


def test_one_target_for_everything_needs_no_several_targets() -> None:
    one = [{"percent": "1", "quantity_percent": "100"}]
    assert terms_of(seen={"capabilities": TRADIER}, take_profits=one)


def test_a_take_profit_of_a_short_lies_above_zero_and_its_stop_may_be_any_percent_away() -> None:
    assert rejected(side=SHORT, take_profit_percent="100").reason_code is Reason.INVALID_VALUE
    assert terms_of(side=SHORT, stop_loss_percent="150")
    assert terms_of(side=LONG, take_profit_percent="300")


@pytest.mark.parametrize(
    ("side", "alert", "fine"),
    [
        (LONG, {"stop_loss_price": "26999"}, True),
        (LONG, {"stop_loss_price": "27001"}, False),
        (LONG, {"take_profit_price": "27002"}, True),
        (LONG, {"take_profit_price": "27001"}, False),
        (SHORT, {"stop_loss_price": "27001"}, True),
        (SHORT, {"stop_loss_price": "26999"}, False),
        (SHORT, {"take_profit_price": "26998"}, True),
        (SHORT, {"take_profit_price": "26999"}, False),
        (LONG, {"take_profits": [{"price": "26000", "quantity_percent": "100"}]}, False),
        # The quote counts before the price that the alert saw.
        (LONG, {"stop_loss_price": "26999", "price": "20000"}, True),
        # A limit or stop order trades at its own price.
        (LONG, {"stop_loss_price": "26500", "order_type": "limit", "price": "26000"}, False),
        (LONG, {"stop_loss_price": "25500", "order_type": "limit", "price": "26000"}, True),
        (LONG, {"take_profit_price": "27500", "order_type": "stop", "stop_price": "28000"}, False),
        (LONG, {"take_profit_price": "28500", "order_type": "stop", "stop_price": "28000"}, True),
        (SHORT, {"stop_loss_price": "27500", "order_type": "limit", "price": "28000"}, False),
        (
            LONG,
            {"stop_loss_price": "28050", "order_type": "stop_limit", "stop_price": "28000", "price": "28100"},
            False,
        ),
        # A limit beyond the market trades at the market.
        (LONG, {"stop_loss_price": "27500", "order_type": "limit", "price": "28000"}, False),
        (SHORT, {"stop_loss_price": "26500", "order_type": "limit", "price": "26000"}, False),
    ],
)
def test_an_exit_on_the_wrong_side_of_the_entry_is_rejected(
    side: PositionSide, alert: dict[str, Any], *, fine: bool
) -> None:
    found = wanted(side=side, seen={"quote": quote("26999", "27001")}, **alert)
    if fine:
        assert not isinstance(found, Rejection), found.reason
    else:
        assert isinstance(found, Rejection)
        assert found.reason_code is Reason.INVALID_PRICE


def test_without_a_quote_the_price_of_the_alert_tells_the_sides_but_not_for_options() -> None:
    wrong = {"stop_loss_price": "27001", "price": "27000"}
    assert rejected(**wrong).reason_code is Reason.INVALID_PRICE
    assert terms_of(stop_loss_price="27001")
    contract = OptionContract(
        symbol="AAPL260417C00200000",
        underlying="AAPL",
        expiration=work_order().now.date(),
        right=Right.CALL,
        strike=Decimal(200),
        multiplier=Decimal(100),
    )
    assert terms_of(seen={"contract": contract}, stop_loss_price="3", price="2.5")


@pytest.mark.parametrize(
    ("alert", "bounds", "said"),
    [
        ({"trailing_stop_percent": "0.1"}, ("0.1", "5", True), None),
        ({"trailing_stop_percent": "5"}, ("0.1", "5", True), None),
        ({"trailing_stop_percent": "5.1"}, ("0.1", "5", True), "at least 0.1 % and at most 5 %"),
        ({"trailing_stop_percent": "0.05"}, ("0.1", "5", True), "asks for 0.05 %"),
        ({"stop_loss_percent": "6", "use_trailing_stop": True}, ("0.1", "5", True), "stop_loss_percent 6"),
        ({"stop_loss_percent": "6"}, ("0.1", "5", True), None),
        ({"trailing_stop_pips": "4"}, ("0.0005", None, False), "follows at least 0.0005 behind the price"),
        ({"trailing_stop_pips": "5"}, ("0.0005", None, False), None),
        ({"trailing_stop_pips": "20000"}, ("0.0005", "1", False), "asks for 2"),
        # Turned by the price that the alert saw; where there is none the venue decides.
        ({"trailing_stop_percent": "1", "price": "20"}, ("0.5", None, False), "asks for 0.2"),
        ({"trailing_stop_percent": "1", "price": "50"}, ("0.5", None, False), None),
        ({"trailing_stop_percent": "1"}, ("0.5", None, False), None),
        ({"trailing_stop_pips": "20000", "price": "20"}, ("0.1", "5", True), "asks for 10"),
        ({"trailing_stop_pips": "20000"}, ("0.1", "5", True), None),
    ],
)
def test_a_trailing_stop_out_of_the_venues_bounds_is_rejected_before_anything_is_sent(
    alert: dict[str, Any], bounds: tuple[str, str | None, bool], said: str | None
) -> None:
    least, most, in_percent = bounds
    trail = TrailBounds(least=d(least), most=None if most is None else d(most), in_percent=in_percent)
    found = wanted(seen={"rules": replace(PIPS, trail=trail)}, **alert)
    if said is None:
        assert not isinstance(found, Rejection), found.reason
    else:
        assert isinstance(found, Rejection)
        assert found.reason_code is Reason.INVALID_VALUE
        assert said in found.reason


def entry(order_type: OrderType = OrderType.MARKET, side: Side = Side.BUY, **changes: Any) -> Leg:
    fields: dict[str, Any] = {
        "number": 1,
        "client_order_id": client_order_id(SignalId(SIGNAL_ID), 1),
        "symbol": "BTCUSDT",
        "side": side,
        "quantity": Decimal("1.5"),
        "purpose": Purpose.OPEN,
        "reduce_only": False,
        "order_type": order_type,
    }
    return Leg(**fields | changes)


def protect(leg: Leg, *, capabilities: Capabilities = CAN_ALL, **alert: Any) -> EntryProtection:
    order = work_order(alert={"quantity": "1", **alert})
    seen = snapshot(capabilities=capabilities)
    side = LONG if leg.side is Side.BUY else SHORT
    terms = exits_wanted(order, seen, side)
    assert not isinstance(terms, Rejection), terms.reason
    return protect_entry(order, seen, leg, terms)


BOTH: dict[str, Any] = {"stop_loss_percent": "1", "take_profit_percent": "3"}


def test_without_exits_nothing_goes_with_an_entry_and_nothing_follows() -> None:
    assert protect(entry()) == EntryProtection()


def test_percents_follow_a_market_entry_because_its_price_is_not_known() -> None:
    found = protect(entry(), **BOTH)
    assert found.legs == ()
    assert found.protection is not None
    assert (found.protection.entry, found.protection.side_closed_by) == (1, Side.SELL)
    assert [one.percent for one in found.protection.exits] == [Decimal(1), Decimal(3)]
    assert "stop-loss 1 % from the fill price" in found.notes[0]


def test_prices_go_with_a_market_entry_where_the_venue_takes_that() -> None:
    absolute: dict[str, Any] = {"stop_loss_price": "26000.04", "take_profit_price": "28000.01"}
    found = protect(entry(), **absolute)
    assert found.protection is None
    stop, target = found.legs
    assert (stop.purpose, stop.order_type, stop.stop_price) == (
        Purpose.STOP_LOSS,
        OrderType.STOP,
        d("26000.1"),
    )
    assert (target.purpose, target.order_type, target.limit_price) == (
        Purpose.TAKE_PROFIT,
        OrderType.LIMIT,
        d("28000.1"),
    )
    assert {leg.attached_to for leg in found.legs} == {1}
    assert [leg.number for leg in found.legs] == [3, 4]
    assert all(leg.reduce_only and leg.side is Side.SELL and leg.quantity == d("1.5") for leg in found.legs)
    assert [leg.exit_leg().price for leg in found.legs] == [d("26000.1"), d("28000.1")]
    later = protect(entry(), capabilities=TRADIER, **absolute)
    assert later.legs == ()
    assert later.protection is not None


def test_percents_of_a_limit_or_stop_price_go_with_the_entry() -> None:
    limit = protect(entry(OrderType.LIMIT, limit_price=d("20000")), order_type="limit", price="20000", **BOTH)
    assert [leg.stop_price or leg.limit_price for leg in limit.legs] == [d("19800"), d("20600")]
    sold = protect(
        entry(OrderType.STOP, Side.SELL, stop_price=d("20000")), order_type="stop", stop_price="20000", **BOTH
    )
    assert [leg.stop_price or leg.limit_price for leg in sold.legs] == [d("20200"), d("19400")]
    assert all(leg.side is Side.BUY for leg in sold.legs)


def test_a_trail_in_percent_goes_with_an_entry_as_a_distance() -> None:
    limit = entry(OrderType.LIMIT, limit_price=d("20000"))
    found = protect(limit, order_type="limit", price="20000", trailing_stop_percent="0.5")
    (leg,) = found.legs
    assert (leg.trail_distance, leg.trail_percent) == (d("100"), None)
    market = protect(entry(), trailing_stop_percent="0.5")
    assert market.protection is not None


def test_several_targets_and_extended_hours_keep_exits_from_going_with_the_entry() -> None:
    halves = [{"percent": "1", "quantity_percent": "50"}, {"percent": "2", "quantity_percent": "50"}]
    limit = entry(OrderType.LIMIT, limit_price=d("20000"))
    terms: dict[str, Any] = {"order_type": "limit", "price": "20000"}
    assert protect(limit, take_profits=halves, **terms).protection is not None
    assert protect(replace(limit, extended_hours=True), **BOTH, **terms).protection is not None
    assert protect(limit, **BOTH, **terms).protection is None


def terms(kind: ExitKind, number: int = 3, **changes: Any) -> ExitTerms:
    return ExitTerms(number=number, kind=kind, **changes)


def resolve(
    *exits: ExitTerms,
    side: Side = Side.SELL,
    quantity: str = "1.5",
    price: str = "27000",
    rules: InstrumentRules = RULES,
) -> tuple[tuple[Leg, ...], tuple[str, ...]]:
    protection = Protection(entry=1, side_closed_by=side, exits=exits)
    found = resolve_exits(
        SignalId(SIGNAL_ID),
        "BTCUSDT",
        protection,
        quantity=Decimal(quantity),
        average_price=Decimal(price),
        rules=rules,
    )
    return found.legs, found.notes


@pytest.mark.parametrize(
    ("side", "kind", "percent", "price"),
    [
        (Side.SELL, SL, "1", "26730.0"),
        (Side.SELL, TP, "3", "27810.0"),
        (Side.BUY, SL, "1", "27270.0"),
        (Side.BUY, TP, "3", "26190.0"),
        # Towards protection: an exit that sells goes up to the tick, one that buys down.
        (Side.SELL, SL, "0.3333", "26910.1"),
        (Side.SELL, TP, "0.3333", "27090.0"),
        (Side.BUY, SL, "0.3333", "27089.9"),
        (Side.BUY, TP, "0.3333", "26910.0"),
        # Unless that would reach the entry.
        (Side.SELL, SL, "0.0001", "26999.9"),
        (Side.BUY, SL, "0.0001", "27000.1"),
    ],
)
def test_percents_are_of_the_real_price_on_the_side_of_protection(
    side: Side, kind: ExitKind, percent: str, price: str
) -> None:
    (leg,), notes = resolve(terms(kind, percent=Decimal(percent)), side=side)
    assert (leg.stop_price or leg.limit_price) == d(price)
    assert (leg.side, leg.quantity, leg.reduce_only, leg.attached_to) == (side, d("1.5"), True, None)
    assert leg.client_order_id == client_order_id(SignalId(SIGNAL_ID), 3)
    assert leg.reference_price == d("27000")
    assert notes == ()


def test_trails_keep_their_percent_and_distances_go_down_to_the_tick() -> None:
    (percent, distance, tiny), _ = resolve(
        terms(TRAIL, trail_percent=d("1.5")),
        terms(TRAIL, 4, trail_distance=d("12.37")),
        terms(TRAIL, 5, trail_distance=d("0.01")),
    )
    assert (percent.trail_percent, percent.trail_distance) == (d("1.5"), None)
    assert distance.trail_distance == d("12.3")
    assert tiny.trail_distance == d("0.1")
    assert percent.exit_leg().kind is TRAIL


def target(number: int, share: str, percent: str = "1") -> ExitTerms:
    return terms(TP, number, percent=Decimal(percent), quantity_percent=Decimal(share))


def test_targets_share_the_quantity_and_the_last_takes_the_rest() -> None:
    legs, notes = resolve(
        terms(SL, 3, percent=d("1")),
        target(4, "33.3"),
        target(5, "33.3", "2"),
        target(6, "33.4", "3"),
        quantity="0.01",
    )
    assert [leg.quantity for leg in legs] == [d("0.01"), d("0.003"), d("0.003"), d("0.004")]
    assert notes == ()


def test_targets_for_a_part_leave_the_rest_open() -> None:
    legs, _ = resolve(target(3, "25"), target(4, "25"), quantity="1")
    assert [leg.quantity for leg in legs] == [d("0.25"), d("0.25")]


def test_a_part_below_the_smallest_order_goes_to_the_next_target_with_a_note() -> None:
    legs, notes = resolve(target(3, "10"), target(4, "40"), target(5, "50"), quantity="0.01")
    assert [(leg.number, leg.quantity) for leg in legs] == [(4, d("0.005")), (5, d("0.005"))]
    assert "2 of 3 take-profits are placed for 0.01" in notes[0]
    legs, notes = resolve(target(3, "50"), target(4, "48"), target(5, "2"), quantity="0.02")
    assert [(leg.number, leg.quantity) for leg in legs] == [(3, d("0.010")), (4, d("0.010"))]
    legs, notes = resolve(target(3, "90"), target(4, "10"), quantity="0.01")
    assert [(leg.number, leg.quantity) for leg in legs] == [(3, d("0.01"))]
    assert notes


def test_targets_of_less_than_one_order_become_one() -> None:
    legs, notes = resolve(target(3, "50"), target(4, "50"), quantity="0.001")
    assert [(leg.number, leg.quantity) for leg in legs] == [(3, d("0.001"))]
    assert notes


def test_a_share_of_nothing_is_not_placed() -> None:
    legs, notes = resolve(target(3, "10"), quantity="0.002")
    assert legs == ()
    assert "0 of 1 take-profits" in notes[0]


def test_an_emergency_close_is_a_market_order_that_only_reduces() -> None:
    leg = emergency_close(SignalId(SIGNAL_ID), "BTCUSDT", Side.SELL, d("1.5"))
    assert (leg.number, leg.purpose, leg.reduce_only) == (EMERGENCY_LEG, Purpose.CLOSE, True)
    assert (leg.side, leg.order_type, leg.quantity) == (Side.SELL, OrderType.MARKET, d("1.5"))
    assert leg.client_order_id == client_order_id(SignalId(SIGNAL_ID), EMERGENCY_LEG)


TICKS = st.sampled_from([d(text) for text in ("0.00000001", "0.00001", "0.01", "0.05", "0.1", "1")])
STEPS = st.sampled_from([d(text) for text in ("0.00000001", "0.001", "0.1", "1")])


@st.composite
def rules_of_any_kind(draw: st.DrawFn) -> InstrumentRules:
    bands = (TickBand(d("3"), d("0.05")), TickBand(None, d("0.1"))) if draw(st.booleans()) else ()
    step = draw(STEPS)
    return InstrumentRules(
        symbol="BTCUSDT",
        quantity_step=step,
        price_tick=draw(TICKS),
        tick_bands=bands,
        min_quantity=step * draw(st.integers(0, 5)),
        market_quantity_step=draw(st.sampled_from([None, step * 2, step * 5])),
    )


@given(
    rules=rules_of_any_kind(),
    side=st.sampled_from(list(Side)),
    kind=st.sampled_from([SL, TP]),
    percent=st.decimals(min_value=d("0.01"), max_value=d("99.9"), places=4),
    price=st.decimals(min_value=d("0.00000001"), max_value=10**6, places=10),
)
def test_exits_by_percent_lie_on_their_side_of_the_fill_price(
    rules: InstrumentRules, side: Side, kind: ExitKind, percent: Decimal, price: Decimal
) -> None:
    (leg,), _ = resolve(terms(kind, percent=percent), side=side, price=str(price), rules=rules)
    found = leg.stop_price or leg.limit_price
    assert found is not None
    assert found > 0
    assert found == rules.price_down(found)
    above = (kind is TP) == (side is Side.SELL)
    two_ticks = 2 * rules.tick_at(price)
    if above:
        assert found > price
    elif price > two_ticks:
        assert found < price
    exact = price * (1 + percent / 100 if above else 1 - percent / 100)
    assert abs(found - exact) <= 3 * max(rules.tick_at(price), rules.tick_at(exact))


@given(
    rules=rules_of_any_kind(),
    steps=st.integers(1, 10**6),
    shares=st.lists(st.integers(1, 40), min_size=1, max_size=10),
    filled_up=st.booleans(),
)
def test_the_targets_sizes_come_to_what_their_percents_come_to(
    rules: InstrumentRules, steps: int, shares: list[int], *, filled_up: bool
) -> None:
    total = sum(shares)
    scaled = [Decimal(share) * 100 / Decimal(total) for share in shares] if filled_up else []
    percents = [share.quantize(d("0.01")) for share in scaled[:-1]]
    percents = [*percents, 100 - sum(percents, d("0"))] if filled_up else [d(str(share)) for share in shares]
    if sum(percents) > 100 or min(percents) <= 0:
        return
    quantity = steps * rules.quantity_step
    targets = [target(number, str(percent)) for number, percent in enumerate(percents, start=4)]
    legs, notes = resolve(terms(SL, 3, percent=d("1")), *targets, quantity=str(quantity), rules=rules)
    stop, *placed = legs
    assert stop.quantity == quantity
    step = rules.market_quantity_step or rules.quantity_step
    asked = quantity * sum(percents) / 100
    expected = quantity if sum(percents) == 100 else round_down_to_step(asked, step)
    assert sum((leg.quantity for leg in placed), d("0")) == expected
    assert all(leg.quantity > 0 for leg in placed)
    assert (len(placed) < len(targets)) == bool(notes)
    least = max(rules.smallest_quantity, step)
    assert all(leg.quantity >= least for leg in placed) or len(placed) == 1


@given(
    filled=st.integers(1, 10**6),
    parts=st.lists(st.integers(1, 1000), min_size=1, max_size=10),
    price=st.decimals(min_value=d("0.01"), max_value=10**5, places=6),
)
def test_resolving_twice_gives_the_same_orders(filled: int, parts: list[int], price: Decimal) -> None:
    share = str((Decimal(100) / len(parts)).quantize(d("0.01")) - d("0.01"))
    exits = [target(number, share, str(part)) for number, part in enumerate(parts, start=3)]
    first = resolve(*exits, quantity=str(filled), price=str(price))
    assert resolve(*exits, quantity=str(filled), price=str(price)) == first
    ids = [leg.client_order_id for leg in first[0]]
    assert len(set(ids)) == len(ids)
