"""Cases about options, single and in spreads, and about futures contracts."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from sparky.domain.errors import UnknownSymbol
from sparky.domain.options import OptionContract, Right, parse_option
from sparky.domain.orders import (
    OrderRequest,
    OrderState,
    OrderType,
    PositionSide,
    Side,
    SpreadLeg,
    TimeInForce,
)
from tests.venues.harness import Harness, accepted, refused, says_what_to_do
from tests.venues.subjects import Subject, needs

_ONE = Decimal(1)


class OptionCases:
    """A chain that can be traded."""

    @needs(Subject.OPTIONS)
    async def test_expirations_and_the_chain_are_in_order_and_in_our_spelling(self, venue: Harness) -> None:
        days = await venue.adapter.expirations(venue.access, venue.underlying)
        assert list(days) == sorted(set(days))
        assert days[0] >= venue.time.now().date()
        chain = await venue.adapter.option_chain(venue.access, venue.underlying, days[0])
        order = [(one.strike, one.right is Right.PUT) for one in chain]
        assert order == sorted(set(order))
        assert {one.right for one in chain} == set(Right)
        for contract in chain:
            parts = parse_option(contract.symbol)
            assert parts is not None
            assert parts.compact == contract.symbol
            assert (parts.strike, parts.right, parts.expiration) == (
                contract.strike,
                contract.right,
                days[0],
            )
            assert contract.multiplier == 100

    @needs(Subject.OPTIONS)
    async def test_an_unknown_underlying_has_no_options(self, venue: Harness) -> None:
        with pytest.raises(UnknownSymbol) as caught:
            await venue.adapter.expirations(venue.access, venue.unknown_symbol)
        says_what_to_do(caught.value.reason)

    @needs(Subject.OPTIONS)
    async def test_a_single_option_is_bought_and_sold(self, venue: Harness) -> None:
        contract = (await _calls(venue))[0]
        entry = await venue.marked(_option(venue, 1, contract, Side.BUY))
        accepted(await venue.submit(entry))
        await venue.market_time()
        found = await venue.shown(entry)
        assert (found.state, found.filled_quantity) == (OrderState.FILLED, _ONE)
        position = await venue.adapter.position(venue.access, contract.symbol)
        assert position is not None
        assert (position.side, position.quantity) == (PositionSide.LONG, _ONE)
        assert contract.ask is not None
        assert position.entry_price <= contract.ask
        leave = await venue.marked(_option(venue, 2, contract, Side.SELL, closes=True))
        accepted(await venue.submit(leave))
        await venue.market_time()
        assert await venue.adapter.position(venue.access, contract.symbol) is None
        assert await venue.executions(entry.client_order_id) == 1

    @needs(Subject.OPTIONS)
    async def test_rules_of_an_option_count_whole_contracts(self, venue: Harness) -> None:
        contract = (await _calls(venue))[0]
        rules = await venue.adapter.rules(venue.access, contract.symbol)
        assert (rules.symbol, rules.quantity_step) == (contract.symbol, _ONE)
        assert rules.multiplier == contract.multiplier

    @needs(Subject.OPTIONS)
    async def test_an_option_that_is_not_listed_is_refused(self, venue: Harness) -> None:
        contract = (await _calls(venue))[0]
        parts = parse_option(contract.symbol)
        assert parts is not None
        wrong = contract.symbol[:-8] + "99999000"
        order = venue.order(1, symbol=wrong, quantity=_ONE)
        refused(await venue.submit(order), "unknown_symbol")
        assert await venue.executions(order.client_order_id) == 0

    @needs(Subject.SPREADS)
    async def test_a_spread_is_one_order_and_opens_both_legs(self, venue: Harness) -> None:
        low, high = (await _calls(venue))[:2]
        entry = await venue.marked(_spread(venue, 1, low, high, closes=False))
        accepted(await venue.submit(entry))
        await venue.market_time()
        found = await venue.shown(entry)
        assert found.state is OrderState.FILLED
        assert await venue.executions(entry.client_order_id) == 1
        sides = {one.symbol: one.side for one in await venue.adapter.positions(venue.access)}
        assert sides == {low.symbol: PositionSide.LONG, high.symbol: PositionSide.SHORT}
        leave = await venue.marked(_spread(venue, 2, low, high, closes=True))
        accepted(await venue.submit(leave))
        await venue.market_time()
        assert list(await venue.adapter.positions(venue.access)) == []

    @needs(Subject.SPREADS)
    async def test_a_spread_at_the_market_is_taken_or_refused(self, venue: Harness) -> None:
        low, high = (await _calls(venue))[:2]
        limited = _spread(venue, 1, low, high, closes=False)
        order = await venue.marked(replace(limited, order_type=OrderType.MARKET, limit_price=None))
        outcome = await venue.submit(order)
        if not venue.adapter.capabilities.market_spreads:
            refused(outcome, "not_supported")
            assert await venue.executions(order.client_order_id) == 0
            return
        accepted(outcome)
        await venue.market_time()
        sides = {one.symbol: one.side for one in await venue.adapter.positions(venue.access)}
        assert sides == {low.symbol: PositionSide.LONG, high.symbol: PositionSide.SHORT}

    @needs(Subject.SPREADS)
    async def test_the_legs_of_a_spread_keep_their_ratio(self, venue: Harness) -> None:
        low, high = (await _calls(venue))[:2]
        entry = await venue.marked(_spread(venue, 1, low, high, closes=False, units=2, ratio=2))
        accepted(await venue.submit(entry))
        await venue.market_time()
        found = await venue.shown(entry)
        assert (found.state, found.filled_quantity) == (OrderState.FILLED, Decimal(2))
        held = {one.symbol: one.quantity for one in await venue.adapter.positions(venue.access)}
        assert held == {low.symbol: 2, high.symbol: 4}
        leave = await venue.marked(_spread(venue, 2, low, high, closes=True, units=3, ratio=2))
        accepted(await venue.submit(leave))
        await venue.market_time()
        assert list(await venue.adapter.positions(venue.access)) == []

    async def test_a_spread_with_too_many_legs_is_refused(self, venue: Harness) -> None:
        most = venue.adapter.capabilities.option_legs
        legs = tuple(
            SpreadLeg(symbol=f"AAPL260417C{strike:05d}000", side=Side.BUY, ratio=1)
            for strike in range(100, 101 + most)
        )
        order = venue.order(1, legs=legs, quantity=_ONE, order_type=OrderType.LIMIT, limit_price=_ONE)
        refused(await venue.submit(order), "not_supported")
        assert await venue.executions(order.client_order_id) == 0


class FutureCases:
    """A contract that expires, by its own symbol."""

    @needs(Subject.FUTURES)
    async def test_a_futures_contract_has_its_multiplier_and_tick(self, venue: Harness) -> None:
        rules = await venue.adapter.rules(venue.access, venue.future)
        assert (rules.symbol, rules.quantity_step) == (venue.future, _ONE)
        assert rules.multiplier > 1
        assert rules.price_tick > 0

    @needs(Subject.FUTURES)
    async def test_a_futures_contract_is_sold_short_and_bought_back(self, venue: Harness) -> None:
        changes: dict[str, Any] = {"symbol": venue.future, "quantity": _ONE}
        changes["reference_price"] = venue.future_price
        entry = await venue.enter(1, side=Side.SELL, **changes)
        assert (await venue.shown(entry)).state is OrderState.FILLED
        position = await venue.adapter.position(venue.access, venue.future)
        assert position is not None
        assert (position.side, position.quantity) == (PositionSide.SHORT, _ONE)
        await venue.enter(2, side=Side.BUY, reduce_only=True, **changes)
        assert await venue.adapter.position(venue.access, venue.future) is None
        again = await venue.marked(venue.order(3, Side.BUY, reduce_only=True, **changes))
        refused(await venue.submit(again), "no_position")


async def _calls(venue: Harness) -> list[OptionContract]:
    day = (await venue.adapter.expirations(venue.access, venue.underlying))[0]
    chain = await venue.adapter.option_chain(venue.access, venue.underlying, day)
    return [one for one in chain if one.right is Right.CALL]


def _option(
    venue: Harness, number: int, contract: OptionContract, side: Side, *, closes: bool = False
) -> OrderRequest:
    price = contract.ask if side is Side.BUY else contract.bid
    return venue.order(
        number,
        side,
        symbol=contract.symbol,
        quantity=_ONE,
        reduce_only=closes,
        order_type=OrderType.LIMIT,
        limit_price=price,
        time_in_force=TimeInForce.DAY,
        reference_price=price,
    )


def _spread(
    venue: Harness,
    number: int,
    low: OptionContract,
    high: OptionContract,
    *,
    closes: bool,
    units: int = 1,
    ratio: int = 1,
) -> OrderRequest:
    # What is bought costs its ask, what is sold brings its bid; of `high` a unit has as many as the ratio.
    bought, sold = (high, low) if closes else (low, high)
    ratios = {low.symbol: 1, high.symbol: ratio}
    assert bought.ask is not None
    assert sold.bid is not None
    net = bought.ask * ratios[bought.symbol] - sold.bid * ratios[sold.symbol]
    return venue.order(
        number,
        Side.BUY if net > 0 else Side.SELL,
        symbol=venue.underlying,
        quantity=Decimal(units),
        reduce_only=closes,
        order_type=OrderType.LIMIT,
        limit_price=abs(net),
        time_in_force=TimeInForce.DAY,
        legs=tuple(
            SpreadLeg(symbol=one.symbol, side=side, ratio=ratios[one.symbol], closes=closes)
            for one, side in ((bought, Side.BUY), (sold, Side.SELL))
        ),
    )
