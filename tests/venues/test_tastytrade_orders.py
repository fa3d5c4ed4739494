"""What is sent to tastytrade: bodies, sizes, sessions, and the check that keeps a close from opening."""

import asyncio
import json
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparky.domain.answers import Refused, Unknown
from sparky.domain.fitting import Misfit, fit
from sparky.domain.identifiers import SignalId, client_order_id
from sparky.domain.orders import (
    ExitKind,
    OrderRequest,
    OrderState,
    OrderType,
    PositionSide,
    Side,
    SpreadLeg,
    TimeInForce,
)
from sparky.venues.tastytrade.orders import order_body
from sparky.venues.tastytrade.rules import future_rules, option_rules, share_rules
from sparky.venues.tastytrade.shared import Shared
from sparky.venues.tastytrade.symbols import to_venue
from tests.venues.fakes.messages import AnsweredEarly
from tests.venues.fakes.server import FakeRequest, RequestKind
from tests.venues.fakes.tastytrade.harness import ACCOUNT, TastytradeHarness
from tests.venues.fakes.tastytrade.instruments import listed
from tests.venues.fakes.tastytrade.orders import read_order
from tests.venues.harness import accepted, allow, refused

CALL = "AAPL260417C00200000"
HIGHER_CALL = "AAPL260417C00210000"
LISTED = listed()


@pytest.fixture
async def venue() -> AsyncIterator[TastytradeHarness]:
    async with TastytradeHarness.open() as harness:
        yield harness


def sent(venue: TastytradeHarness, kind: RequestKind = RequestKind.ORDER) -> Any:
    """Return the body of the one write of a kind."""
    (request,) = venue.server.asked(kind)
    return json.loads(request.body)


async def test_a_limit_order_on_a_share_as_it_goes_out(venue: TastytradeHarness) -> None:
    order = venue.resting(1, time_in_force=TimeInForce.GTC)
    accepted(await venue.submit(order))
    assert sent(venue) == {
        "external-identifier": order.client_order_id,
        "source": "sparky",
        "automated-source": True,
        "advanced-instructions": {"strict-position-effect-validation": True},
        "order-type": "Limit",
        "time-in-force": "GTC",
        "price": "180.00",
        "price-effect": "Debit",
        "legs": [
            {"instrument-type": "Equity", "symbol": "AAPL", "quantity": 10, "action": "Buy to Open"},
        ],
    }
    (request,) = venue.server.asked(RequestKind.ORDER)
    assert request.headers["user-agent"].startswith("sparky/")
    assert request.path == f"/accounts/{ACCOUNT}/orders"


@pytest.mark.parametrize(
    ("lasts", "sent_as"), [(None, "Ext"), (TimeInForce.DAY, "Ext"), (TimeInForce.GTC, "GTC Ext")]
)
async def test_extended_hours_are_a_time_in_force(
    venue: TastytradeHarness, lasts: TimeInForce | None, sent_as: str
) -> None:
    accepted(await venue.submit(venue.resting(1, extended_hours=True, time_in_force=lasts)))
    assert sent(venue)["time-in-force"] == sent_as


@pytest.mark.parametrize(
    "changes",
    [
        {"time_in_force": TimeInForce.FOK},
        {"time_in_force": TimeInForce.GTC},
        {"extended_hours": True},
        {"extended_hours": True, "order_type": OrderType.LIMIT, "limit_price": Decimal(5), "symbol": CALL},
        {"order_type": OrderType.STOP, "stop_price": Decimal(220), "time_in_force": TimeInForce.GTC},
        {"legs": (SpreadLeg(symbol=CALL, side=Side.BUY, ratio=1),) * 2, "limit_price": Decimal(1)},
        {"legs": (SpreadLeg(symbol=CALL, side=Side.BUY, ratio=1),), "limit_price": Decimal(1)},
    ],
    ids=["fok", "gtc market", "market ext", "option ext", "gtc opening stop", "same leg twice", "one leg"],
)
async def test_what_the_venue_does_not_take_is_refused_before_it_is_sent(
    venue: TastytradeHarness, changes: dict[str, Any]
) -> None:
    if "legs" in changes:
        changes = {**changes, "order_type": OrderType.LIMIT}
    refused(await venue.submit(venue.order(1, **changes)), "not_supported")
    assert venue.sent(RequestKind.ORDER) == 0


async def test_futures_are_bought_across_zero_and_closed_by_a_close(venue: TastytradeHarness) -> None:
    one: dict[str, Any] = {"symbol": "/ESH6", "quantity": Decimal(1)}
    accepted(await venue.submit(venue.order(1, **one)))
    accepted(await venue.submit(venue.order(2, Side.SELL, reduce_only=True, **one)))
    actions = [json.loads(one.body)["legs"][0] for one in venue.server.asked(RequestKind.ORDER)]
    assert [(leg["instrument-type"], leg["action"]) for leg in actions] == [
        ("Future", "Buy"),
        ("Future", "Sell to Close"),
    ]
    assert await venue.adapter.position(venue.access, "/ESH6") is None


async def test_a_close_is_no_larger_than_the_position(venue: TastytradeHarness) -> None:
    await venue.enter(1)
    accepted(await venue.submit(venue.order(2, Side.SELL, reduce_only=True, quantity=Decimal(25))))
    assert [json.loads(one.body)["legs"][0]["quantity"] for one in venue.server.asked(RequestKind.ORDER)] == [
        10,
        10,
    ]


async def test_a_position_that_is_closed_while_the_close_is_on_its_way_is_not_opened_again(
    venue: TastytradeHarness,
) -> None:
    await venue.enter(1)

    def somebody_else_closes() -> None:
        body = {
            "order-type": "Market",
            "time-in-force": "Day",
            "legs": [
                {
                    "instrument-type": "Equity",
                    "symbol": "AAPL",
                    "quantity": 10,
                    "action": "Sell to Close",
                }
            ],
        }
        venue.server.desk.place(ACCOUNT, read_order(body, venue.server.instruments))

    outcome = await venue.submit(venue.order(2, Side.SELL, reduce_only=True), somebody_else_closes)
    assert refused(outcome, "no_position").venue_code == "closing_with_no_position"
    assert await venue.side() is None


async def test_the_fake_turns_an_unguarded_close_into_an_opening(venue: TastytradeHarness) -> None:
    # What the strict check is there for: without it the last test would be green for no reason.
    body = {
        "order-type": "Market",
        "time-in-force": "Day",
        "legs": [
            {"instrument-type": "Equity", "symbol": "AAPL", "quantity": 10, "action": "Sell to Close"},
        ],
    }
    venue.server.desk.place(ACCOUNT, read_order(body, venue.server.instruments))
    assert await venue.side() == (PositionSide.SHORT, Decimal(10))


def vertical(venue: TastytradeHarness, number: int, side: Side, **changes: Any) -> OrderRequest:
    closes = changes.pop("closes", False)
    legs = tuple(
        SpreadLeg(symbol=symbol, side=leg_side, ratio=1, closes=closes)
        for symbol, leg_side in ((CALL, side), (HIGHER_CALL, side.opposite))
    )
    return venue.order(number, side, order_type=OrderType.LIMIT, legs=legs, **changes)


async def test_a_spread_that_pays_is_a_credit(venue: TastytradeHarness) -> None:
    order = vertical(venue, 1, Side.SELL, quantity=Decimal(2), limit_price=Decimal("0.5"))
    accepted(await venue.submit(order))
    body = sent(venue)
    assert (body["price"], body["price-effect"]) == ("0.50", "Credit")
    assert [(leg["symbol"], leg["quantity"], leg["action"]) for leg in body["legs"]] == [
        ("AAPL  260417C00200000", 2, "Sell to Open"),
        ("AAPL  260417C00210000", 2, "Buy to Open"),
    ]
    found = await venue.shown(order)
    assert (found.side, found.symbol, found.quantity) == (Side.SELL, "AAPL", Decimal(2))


async def test_the_close_of_a_spread_is_bounded_by_its_smallest_leg(venue: TastytradeHarness) -> None:
    await venue.enter(1, symbol=CALL, quantity=Decimal(3))
    await venue.enter(2, symbol=HIGHER_CALL, side=Side.SELL, quantity=Decimal(2))
    order = vertical(
        venue, 3, Side.SELL, quantity=Decimal(5), limit_price=Decimal(0), reduce_only=True, closes=True
    )
    accepted(await venue.submit(order))
    assert json.loads(venue.server.asked(RequestKind.ORDER)[-1].body)["legs"][1]["quantity"] == 2
    nothing = vertical(venue, 4, Side.BUY, quantity=Decimal(1), limit_price=Decimal(1), reduce_only=True)
    refused(await venue.submit(nothing), "no_position")


async def test_a_filled_spread_has_its_net_price(venue: TastytradeHarness) -> None:
    await venue.set_price(Decimal(200))
    venue.server.book.set_price("AAPL  260417C00200000", Decimal("7.25"))
    order = vertical(venue, 1, Side.BUY, quantity=Decimal(2), limit_price=Decimal(3))
    accepted(await venue.submit(order))
    found = await venue.shown(order)
    assert (found.state, found.filled_quantity, found.average_price) == (
        OrderState.FILLED,
        Decimal(2),
        Decimal("2.25"),
    )
    assert found.fills == ()


async def test_two_attached_exits_are_one_bracket_and_one_is_a_pair(venue: TastytradeHarness) -> None:
    both = venue.entry_with(venue.leg(ExitKind.TAKE_PROFIT, 11), venue.leg(ExitKind.STOP_LOSS, 12))
    accepted(await venue.submit(both))
    body = sent(venue)
    assert body["type"] == "OTOCO"
    assert body["trigger-order"]["external-identifier"] == both.client_order_id
    target, stop = body["orders"]
    assert (target["order-type"], target["price"], target["price-effect"]) == ("Limit", "210.00", "Credit")
    assert (stop["order-type"], stop["stop-trigger"]) == ("Stop", "190.00")
    assert {one["time-in-force"] for one in body["orders"]} == {"GTC"}
    assert {one["legs"][0]["action"] for one in body["orders"]} == {"Sell to Close"}
    assert [one["external-identifier"] for one in body["orders"]] == [
        venue.client_id(11),
        venue.client_id(12),
    ]


async def test_a_single_attached_exit_is_triggered_alone(venue: TastytradeHarness) -> None:
    accepted(await venue.submit(venue.entry_with(venue.leg(ExitKind.STOP_LOSS, 11))))
    assert sent(venue)["type"] == "OTO"


async def test_two_exits_of_a_position_are_placed_together_or_not_at_all(venue: TastytradeHarness) -> None:
    entry = await venue.enter(1)
    legs = (venue.leg(ExitKind.TAKE_PROFIT, 11), venue.leg(ExitKind.STOP_LOSS, 12))
    first, second = await venue.adapter.place_exits(venue.access, venue.exits(*legs, entry=entry), allow)
    ids = {accepted(first).venue_order_id, accepted(second).venue_order_id}
    assert len(ids) == 2
    assert sent(venue, RequestKind.EXITS)["type"] == "OCO"
    assert venue.sent(RequestKind.EXITS) == 1


async def test_exits_are_no_larger_than_the_position(venue: TastytradeHarness) -> None:
    entry = await venue.enter(1)
    asked = venue.exits(venue.leg(ExitKind.STOP_LOSS, 11, -5), entry=entry, quantity=venue.quantity * 3)
    (outcome,) = await venue.adapter.place_exits(venue.access, asked, allow)
    accepted(outcome)
    (leg,) = sent(venue, RequestKind.EXITS)["legs"]
    assert Decimal(leg["quantity"]) == venue.quantity


async def test_an_answer_that_shows_one_of_two_exits_decides_neither(venue: TastytradeHarness) -> None:
    entry = await venue.enter(1)
    legs = (venue.leg(ExitKind.TAKE_PROFIT, 11, 10), venue.leg(ExitKind.STOP_LOSS, 12, -5))
    handle = venue.server.handle

    async def cut(request: FakeRequest) -> Any:
        response = await handle(request)
        if not request.path.endswith("/complex-orders"):
            return response
        body = json.loads(response.body)
        del body["data"]["complex-order"]["orders"][1]
        return type(response)(response.status, json.dumps(body).encode(), response.headers)

    venue.server.handle = cut  # type: ignore[method-assign]
    outcomes = await venue.adapter.place_exits(venue.access, venue.exits(*legs, entry=entry), allow)
    assert [type(one) for one in outcomes] == [Unknown, Unknown]


async def test_a_trigger_that_is_cancelled_takes_its_exits_along(venue: TastytradeHarness) -> None:
    entry = venue.resting(1, exits=(venue.leg(ExitKind.STOP_LOSS, 11, -20),), limit_price=venue.at(-10))
    accepted(await venue.submit(entry))
    accepted(await venue.adapter.cancel(venue.access, venue.ref(entry), allow))
    (request,) = venue.server.asked(RequestKind.CANCEL)
    assert "/complex-orders/" in request.path
    found = await venue.find_ref(venue.exit_ref(entry, entry.exits[0]))
    assert found is not None
    assert found.state is OrderState.CANCELLED


async def test_an_order_that_is_rejected_at_once_is_refused(venue: TastytradeHarness) -> None:
    venue.server.book.reject_later("Account has insufficient buying power")
    refused(await venue.submit(venue.order()), "insufficient_funds")


async def test_an_answer_about_another_order_is_no_acceptance(venue: TastytradeHarness) -> None:
    venue.server.desk.orders.clear()
    handle = venue.server.handle

    async def renamed(request: FakeRequest) -> Any:
        response = await handle(request)
        return type(response)(
            response.status,
            response.body.replace(venue.client_id(1).encode(), b"sp-another"),
            response.headers,
        )

    venue.server.handle = renamed  # type: ignore[method-assign]
    assert isinstance(await venue.submit(venue.order()), Unknown)


async def test_what_the_venue_calls_closing_only_opens_nothing(venue: TastytradeHarness) -> None:
    outcome = await venue.submit(venue.order(1, symbol="LAST"))
    assert isinstance(outcome, Refused)
    assert "closing" in outcome.reason
    assert venue.sent(RequestKind.ORDER) == 0


_NUMBERS = st.decimals(min_value="0.000001", max_value=10**9, allow_nan=False, allow_infinity=False)
_SHARES = [share_rules(name, LISTED[name].wire) for name in ("AAPL", "PENY")]
_OPTION = option_rules(CALL, LISTED["AAPL  260417C00200000"].wire, LISTED["AAPL"].wire)
_FUTURE = future_rules("/ESH6", LISTED["/ESH6"].wire)


@settings(max_examples=80, deadline=None)
@given(
    rules=st.sampled_from([*_SHARES, _OPTION, _FUTURE]),
    side=st.sampled_from(Side),
    order_type=st.sampled_from(OrderType),
    reduce_only=st.booleans(),
    numbers=st.tuples(_NUMBERS, _NUMBERS, _NUMBERS),
)
def test_whatever_is_asked_is_taken_by_the_strict_reader_or_refused_here(
    *, rules: Any, side: Side, order_type: OrderType, reduce_only: bool, numbers: tuple[Decimal, ...]
) -> None:
    quantity, limit, stop = numbers
    order = OrderRequest(
        client_order_id=client_order_id(SignalId("0b6c1d5e-8a54-4f0e-9a53-0d8c3a1f2b4c"), 1),
        symbol=rules.symbol,
        side=side,
        quantity=quantity,
        reduce_only=reduce_only,
        order_type=order_type,
        limit_price=limit if order_type.has_limit_price else None,
        stop_price=stop if order_type.has_stop_price else None,
    )
    fitted = fit(order, rules)
    if isinstance(fitted, Misfit):
        return
    instrument = to_venue(rules.symbol)
    assert instrument is not None
    body = json.loads(json.dumps(order_body(fitted, instrument)))
    try:
        asked = read_order(body, LISTED)
    except AnsweredEarly as early:
        raise AssertionError(early.response.body) from early
    assert asked.legs[0].quantity <= quantity
    assert asked.price is None or (asked.price <= limit if side is Side.BUY else asked.price >= limit)


async def test_many_closes_at_once_share_the_positions_and_all_go_out(venue: TastytradeHarness) -> None:
    symbols = ["AAPL", "BRK.B", "PENY", "/ESH6", "AAPL260417C00200000", "AAPL260417C00210000"]
    one = Decimal(1)
    for number, symbol in enumerate(symbols, 1):
        await venue.enter(number, symbol=symbol, quantity=one)
    before = len([request for request in venue.server.log if request.path.endswith("/positions")])
    closes = [
        venue.order(number, Side.SELL, symbol=symbol, quantity=one, reduce_only=True)
        for number, symbol in enumerate(symbols, 11)
    ]
    for outcome in await asyncio.gather(*(venue.submit(order) for order in closes)):
        accepted(outcome)
    asked = [request for request in venue.server.log if request.path.endswith("/positions")]
    assert len(asked) - before <= 2
    assert list(await venue.adapter.positions(venue.access)) == []


async def test_who_asks_after_a_request_has_left_gets_a_later_answer() -> None:
    shared: Shared[int] = Shared()
    left, goes_on = asyncio.Event(), asyncio.Event()
    asked = 0

    async def ask() -> int:
        nonlocal asked
        asked += 1
        answer = asked
        left.set()
        await goes_on.wait()
        return answer

    early = asyncio.create_task(shared.get("key", ask))
    await left.wait()
    late = [asyncio.create_task(shared.get("key", ask)) for _ in range(3)]
    gone = asyncio.create_task(shared.get("key", ask))
    await asyncio.sleep(0)
    gone.cancel()
    goes_on.set()
    assert await early == 1
    assert await asyncio.gather(*late) == [2, 2, 2]
    assert asked == 2
