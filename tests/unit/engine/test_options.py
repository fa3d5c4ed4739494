"""Signals for options: the contract is chosen once, traded once, and never mistaken for its underlying."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from sparky.domain.answers import Quote, VenuePosition
from sparky.domain.identifiers import SignalId, client_order_id
from sparky.domain.options import OptionContract, OptionSymbol, Right, parse_option
from sparky.domain.orders import ExitKind, OrderType, Side
from sparky.domain.rules import InstrumentRules
from sparky.venues.base import AccountAccess
from tests.unit.engine.fake_database import Row
from tests.unit.engine.fake_venue import CAPABILITIES, FakeVenue
from tests.unit.engine.world import World

DAY = date(2026, 4, 17)
CALL, HIGHER = "AAPL260417C00100000", "AAPL260417C00105000"
BRACKET = frozenset({ExitKind.TAKE_PROFIT, ExitKind.STOP_LOSS})


class OptionVenue(FakeVenue):
    """Lists calls at 100 and 105, quotes everything at 100, and holds `net` of one symbol."""

    def __init__(self) -> None:
        super().__init__()
        self.capabilities = replace(
            CAPABILITIES,
            attached_exits={OrderType.LIMIT: BRACKET},
            cancels_siblings=True,
            reduces_natively=False,
            several_targets=False,
            option_legs=4,
        )
        self.price = Decimal(100)
        self.held = "AAPL"

    async def expirations(self, access: AccountAccess, underlying: str) -> Sequence[date]:
        del access, underlying
        self.questions.append("expirations")
        await self._answer()
        return [DAY]

    async def option_chain(
        self, access: AccountAccess, underlying: str, expiration: date
    ) -> Sequence[OptionContract]:
        del access
        self.questions.append("chain")
        await self._answer()
        return [_call(underlying, expiration, strike) for strike in (100, 105)]

    async def rules(self, access: AccountAccess, symbol: str) -> InstrumentRules:
        rules = await super().rules(access, symbol)
        multiplier = Decimal(1) if parse_option(symbol) is None else Decimal(100)
        return replace(rules, quantity_step=Decimal(1), multiplier=multiplier)

    async def quote(self, access: AccountAccess, symbol: str) -> Quote:
        quote = await super().quote(access, symbol)
        return replace(quote, bid=self.price, ask=self.price, last=self.price)

    async def positions(self, access: AccountAccess) -> Sequence[VenuePosition]:
        del access
        await self._answer()
        held = self._held(self.held)
        return () if held is None else (held,)

    def _held(self, symbol: str) -> VenuePosition | None:
        return super()._held(symbol) if symbol == self.held else None


def _call(underlying: str, expiration: date, strike: int) -> OptionContract:
    symbol = OptionSymbol(root=underlying, expiration=expiration, right=Right.CALL, strike=Decimal(strike))
    return OptionContract(
        symbol=symbol.compact,
        underlying=underlying,
        expiration=expiration,
        right=Right.CALL,
        strike=Decimal(strike),
        multiplier=Decimal(100),
    )


def option_world() -> tuple[World, OptionVenue]:
    world = World()
    venue = OptionVenue()
    world.venue = venue
    return world, venue


def option_signal(world: World, action: str = "buy", **alert: Any) -> Row:
    return world.signal(
        exchange="tradier",
        symbol="AAPL",
        action=action,
        is_exit=action == "close",
        alert={"right": "call", **({"quantity": "2"} if action != "close" else {}), **alert},
        settings={"allow_short": None, "on_opposite": "default"},
    )


async def test_a_call_is_chosen_and_bought_with_a_limit_above_the_ask() -> None:
    world, venue = option_world()
    signal = option_signal(world)
    await world.run()
    assert signal.status == "done", signal.reason
    (order,) = venue.executed
    assert (order.symbol, order.side, order.quantity) == (CALL, Side.BUY, Decimal(2))
    assert (order.order_type, order.limit_price) == (OrderType.LIMIT, Decimal(101))
    assert venue.questions.count("chain") == 1
    # Of the underlying, to choose by, and of the option itself.
    assert venue.questions.count("quote") == 2


async def test_exits_of_an_option_go_with_it() -> None:
    world, venue = option_world()
    signal = option_signal(world, stop_loss_percent="8", take_profit_percent="5")
    await world.run()
    assert signal.status == "done", signal.reason
    (order,) = venue.executed
    assert {leg.kind: leg.price for leg in order.exits} == {
        ExitKind.STOP_LOSS: Decimal("93.0"),
        ExitKind.TAKE_PROFIT: Decimal("106.1"),
    }


async def test_an_option_that_is_not_listed_is_rejected_unsent() -> None:
    world, venue = option_world()
    signal = option_signal(world, expiration="2026-05-15")
    far = option_signal(world, strike="300")
    await world.run()
    assert (signal.status, signal.reason_code) == ("rejected", "unknown_symbol")
    assert "2026-04-17" in signal.reason
    assert (far.status, far.reason_code) == ("rejected", "unknown_symbol")
    assert venue.submitted == []


async def test_a_close_leaves_the_shares_alone() -> None:
    world, venue = option_world()
    venue.net = Decimal(5)
    signal = option_signal(world, "close")
    await world.run()
    assert (signal.status, signal.reason_code) == ("done", "no_position")
    assert venue.net == 5


async def test_a_close_sells_the_option_that_is_open() -> None:
    world, venue = option_world()
    venue.net, venue.held = Decimal(5), HIGHER
    signal = option_signal(world, "close")
    await world.run()
    assert signal.status == "done", signal.reason
    assert [(one.symbol, one.quantity, one.reduce_only) for one in venue.executed] == [
        (HIGHER, Decimal(5), True)
    ]


@pytest.mark.parametrize("behaviour", ["fill", "lost", "dropped", "stuck"])
async def test_the_contract_stays_the_same_whenever_its_worker_is_killed(behaviour: str) -> None:
    """The next worker finds the price elsewhere, and must not choose again."""
    seen: set[str] = set()
    for milliseconds in range(1, 90, 4):
        world, venue = option_world()
        venue.script.append(behaviour)
        signal = option_signal(world)
        await world.killed_after(milliseconds / 1000)
        begun = [str(order["symbol"]) for order in signal.orders.values()]
        venue.price = Decimal(105)
        await world.run()
        assert signal.status == "done", (milliseconds, signal.reason)
        assert len(venue.executed) == 1, milliseconds
        traded = venue.executed[0].symbol
        assert begun in ([], [traded]), milliseconds
        assert signal.plan is not None
        assert signal.plan["legs"][0]["symbol"] == traded
        seen.add(traded)
    assert seen == {CALL, HIGHER}


async def test_what_is_protected_later_is_the_option_and_not_its_underlying() -> None:
    world, venue = option_world()
    venue.net, venue.held = Decimal(2), CALL
    entry = option_signal(world)
    entry.status, entry.finished_at = "done", 0.0
    entered = _filled(str(entry.order["signal_id"]))
    stop = {"number": 3, "kind": "stop_loss", "percent": "8", "quantity_percent": "100"}
    rest = {"price": None, "trail_distance": None, "trail_percent": None}
    signal = world.signal(
        exchange="tradier",
        symbol="AAPL",
        action="protect",
        is_exit=True,
        alert={},
        unprotected={
            "entry": entered,
            "protection": {"entry": 1, "side_closed_by": "sell", "quantity": None, "exits": [stop | rest]},
        },
    )
    await world.run()
    assert signal.status == "done", signal.reason
    (request,) = venue.exit_requests
    assert (request.symbol, request.quantity) == (CALL, Decimal(2))
    assert request.exits[0].price == Decimal(92)


def _filled(signal_id: str) -> dict[str, Any]:
    return {
        "signal_id": signal_id,
        "leg": 1,
        "client_order_id": client_order_id(SignalId(signal_id), 1),
        "state": "filled",
        "symbol": CALL,
        "side": "buy",
        "order_type": "stop_limit",
        "purpose": "open",
        "quantity": "2",
        "reduce_only": False,
        "limit_price": "101",
        "stop_price": "100",
        "trail_distance": None,
        "trail_percent": None,
        "reference_price": None,
        "attached_to": None,
        "spread": [],
        "venue_order_id": "v1",
        "bookmark": None,
        "begun_at": "2026-03-02T14:30:00+00:00",
        "submitted_at": "2026-03-02T14:30:00+00:00",
        "filled_quantity": "2",
        "average_price": "100",
    }


LEGS = [
    {"action": "buy", "right": "call", "strike": "100", "expiration": "2026-04-17", "ratio": 1},
    {"action": "sell", "right": "call", "strike": "105", "expiration": "2026-04-17", "ratio": 1},
]


async def test_a_spread_is_one_order_whenever_its_worker_is_killed() -> None:
    for milliseconds in range(1, 60, 4):
        world, venue = option_world()
        signal = option_signal(world, right=None, legs=LEGS, order_type="limit", price="2.5")
        await world.killed_after(milliseconds / 1000)
        await world.run()
        assert signal.status == "done", (milliseconds, signal.reason)
        (order,) = venue.executed
        assert [(one.symbol, one.side) for one in order.legs] == [(CALL, Side.BUY), (HIGHER, Side.SELL)]
        assert (order.quantity, order.limit_price) == (Decimal(2), Decimal("2.5"))
