"""Finding orders and executions at Aster, also old, many and hidden ones."""

import json
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from sparky.domain.answers import Unknown
from sparky.domain.errors import VenueUnavailable
from sparky.domain.orders import OrderState, Side
from sparky.venues.aster import lookup
from sparky.venues.aster.parse import read_trades
from tests.venues.fakes.aster.harness import AsterHarness
from tests.venues.fakes.server import FakeRequest, FakeResponse, json_response
from tests.venues.harness import accepted, allow

DAY = timedelta(days=1).total_seconds()
TRADE = {
    "id": 698759,
    "orderId": 25851813,
    "symbol": "BTCUSDT",
    "side": "SELL",
    "positionSide": "SHORT",
    "buyer": False,
    "maker": False,
    "price": "7819.01",
    "qty": "0.002",
    "quoteQty": "15.63802",
    "realizedPnl": "-0.91539999",
    "commission": "-0.07819010",
    "commissionAsset": "USDT",
    "time": 1569514978020,
}


@pytest.mark.parametrize(
    ("commission", "maker", "fee"),
    [
        ("-0.07819010", False, "0.07819010"),
        ("-0.07819010", True, "0.07819010"),
        # A maker may earn; a taker never does, whatever the sign.
        ("0.01", True, "-0.01"),
        ("0.01", False, "0.01"),
        ("0", False, "0"),
    ],
)
def test_a_commission_below_zero_is_a_cost(commission: str, maker: bool, fee: str) -> None:  # noqa: FBT001
    (trade,) = read_trades([{**TRADE, "commission": commission, "maker": maker}])
    assert (trade.fill.fee, trade.fill.fee_currency) == (Decimal(fee), "USDT")
    assert trade.realized_pnl == Decimal("-0.91539999")


async def test_an_order_that_the_look_up_misses_is_found_in_the_list() -> None:
    async with AsterHarness.open() as venue:
        order = await venue.enter(1)
        _hide_from_look_up(venue)
        assert (await venue.shown(order)).state is OrderState.FILLED
        assert await venue.adapter.find_order(venue.access, venue.ref(venue.order(2))) is None


async def test_the_list_is_read_page_by_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookup, "_PAGE", 2)
    async with AsterHarness.open() as venue:
        orders = [await venue.enter(number) for number in range(1, 6)]
        _hide_from_look_up(venue)
        for order in orders:
            assert (await venue.shown(order)).client_order_id == order.client_order_id
        fills = await venue.adapter.fills(venue.access, venue.symbol, venue.time.now() - timedelta(hours=1))
        assert len(fills) == 5


async def test_a_list_without_an_end_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookup, "_PAGE", 1)
    monkeypatch.setattr(lookup, "_MOST_PAGES", 2)
    async with AsterHarness.open() as venue:
        for number in range(1, 4):
            await venue.enter(number)
        _hide_from_look_up(venue)
        with pytest.raises(VenueUnavailable):
            await venue.adapter.find_order(venue.access, venue.ref(venue.order(9)))
        with pytest.raises(VenueUnavailable):
            await venue.adapter.fills(venue.access, venue.symbol, venue.time.now() - timedelta(hours=1))


@pytest.mark.parametrize("days", [0, 6, 8, 40])
async def test_an_order_that_fills_weeks_later_has_its_fills(days: int) -> None:
    async with AsterHarness.open() as venue:
        order = venue.resting()
        accepted(await venue.submit(order))
        ref = venue.ref(order)
        venue.pass_time(days * DAY)
        await venue.set_price(venue.at(-11))
        venue.pass_time(days * DAY)
        found = await venue.adapter.find_order(venue.access, ref)
        assert found is not None
        assert sum(fill.quantity for fill in found.fills) == found.filled_quantity == venue.quantity


async def test_executions_of_many_weeks_are_asked_for_week_by_week() -> None:
    async with AsterHarness.open() as venue:
        begun = venue.time.now()
        for number in (1, 2, 3):
            await venue.enter(number)
            venue.pass_time(10 * DAY)
        fills = await venue.adapter.fills(venue.access, venue.symbol, begun)
        assert [fill.client_order_id for fill in fills] == [venue.client_id(number) for number in (1, 2, 3)]
        assert [fill.venue_order_id for fill in fills] == ["1001", "1002", "1003"]
        spans = [one.params() for one in venue.server.log if one.path == "/fapi/v3/userTrades"]
        assert max(int(one["endTime"]) - int(one["startTime"]) for one in spans) < 7 * DAY * 1000


async def test_executions_carry_profit_and_the_id_of_ours_alone() -> None:
    async with AsterHarness.open() as venue:
        begun = venue.time.now()
        order = await venue.enter(1)
        await venue.set_price(venue.at(10))
        await venue.place_by_hand(Side.SELL, venue.at(10))
        entry, close = await venue.adapter.fills(venue.access, venue.symbol, begun)
        assert (entry.client_order_id, close.client_order_id) == (order.client_order_id, None)
        assert (close.realized_pnl, close.pnl_currency) == (Decimal(5), "USDT")


async def test_a_look_up_for_orders_of_another_symbol_finds_none() -> None:
    async with AsterHarness.open() as venue:
        order = await venue.enter(1)
        assert await venue.find(venue.order(1, symbol="ETHUSDT")) is None
        assert (await venue.shown(order)).symbol == "BTCUSDT"


async def test_an_answer_about_another_order_is_none() -> None:
    async with AsterHarness.open() as venue:
        order = venue.resting()
        shown = accepted(await venue.submit(order))
        handle = venue.server.handle

        async def mistaken(request: FakeRequest) -> FakeResponse:
            answer = await handle(request)
            if request.path != "/fapi/v3/order":
                return answer
            other = {"orderId": 7, "clientOrderId": venue.client_id(7)}
            return json_response(200, json.loads(answer.body) | other)

        venue.server.handle = mistaken  # type: ignore[method-assign]
        for ref in (venue.ref(order), venue.ref(order, shown.venue_order_id)):
            with pytest.raises(VenueUnavailable, match="another order"):
                await venue.adapter.find_order(venue.access, ref)
        outcome = await venue.adapter.cancel(venue.access, venue.ref(order), allow)
        assert isinstance(outcome, Unknown)


@pytest.mark.parametrize(
    "change",
    [{"status": "SOMETHING"}, {"side": "UP"}, {"executedQty": None}, {"orderId": "x"}, {"updateTime": -1}],
)
async def test_an_order_in_words_that_are_not_asters_is_no_answer(change: dict[str, Any]) -> None:
    async with AsterHarness.open() as venue:
        order = await venue.enter(1)
        handle = venue.server.handle

        async def strange(request: FakeRequest) -> FakeResponse:
            if request.path != "/fapi/v3/order":
                return await handle(request)
            return json_response(
                200, {"orderId": 1, "symbol": "BTCUSDT", "status": "NEW", "side": "BUY"} | change
            )

        venue.server.handle = strange  # type: ignore[method-assign]
        with pytest.raises(VenueUnavailable):
            await venue.adapter.find_order(venue.access, venue.ref(order))


@pytest.mark.parametrize("status", [200, 401, 403, 418, 429, 500, 503])
async def test_no_such_order_is_believed_of_a_plain_refusal_alone(status: int) -> None:
    async with AsterHarness.open() as venue:
        await venue.enter(1)
        handle = venue.server.handle

        async def denied(request: FakeRequest) -> FakeResponse:
            if request.path != "/fapi/v3/order":
                return await handle(request)
            return json_response(status, {"code": -2013, "msg": "Order does not exist."})

        venue.server.handle = denied  # type: ignore[method-assign]
        with pytest.raises(VenueUnavailable):
            await venue.adapter.find_order(venue.access, venue.ref(venue.order(2)))


@pytest.mark.parametrize("count", ["", "-1", "1.5", "many", "9" * 5000])
async def test_a_header_that_is_no_count_is_passed_over(count: str) -> None:
    async with AsterHarness.open() as venue:
        handle = venue.server.handle

        async def odd(request: FakeRequest) -> FakeResponse:
            answer = await handle(request)
            odd_headers = {"X-MBX-USED-WEIGHT-1M": count, "X-MBX-ORDER-COUNT-1M": count}
            return replace(answer, headers={**answer.headers, **odd_headers})

        venue.server.handle = odd  # type: ignore[method-assign]
        accepted(await venue.submit(venue.order()))


def _hide_from_look_up(venue: AsterHarness) -> None:
    handle = venue.server.handle

    async def without_look_up(request: FakeRequest) -> FakeResponse:
        if (
            request.method == "GET"
            and request.path == "/fapi/v3/order"
            and "origClientOrderId" in request.query
        ):
            return json_response(400, {"code": -2013, "msg": "Order does not exist."})
        return await handle(request)

    venue.server.handle = without_look_up  # type: ignore[method-assign]
