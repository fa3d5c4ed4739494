"""The books of the fake venues are exact, and do what they are told to do."""

from decimal import Decimal
from itertools import count
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparky.domain.orders import OrderState, OrderType, Side, TimeInForce
from tests.venues.fakes.book import Book, BookOrder, BookRefusal, NewOrder
from tests.venues.fakes.moving_time import MovingTime


class Desk:
    """A book with one account that trades one symbol at 100."""

    def __init__(self, *, pays_in_full: bool = False) -> None:
        self.time = MovingTime()
        self.book = Book(
            self.time,
            fee=lambda quantity, price: quantity * price / 1000,
            leverage=Decimal(10),
            pays_in_full=pays_in_full,
        )
        self.book.open_account("A", Decimal(1000))
        self.book.list_symbol("X", Decimal(100))
        self._ids = count(1)

    def place(self, quantity: str = "2", side: Side = Side.BUY, **changes: Any) -> BookOrder:
        return self.book.place(
            NewOrder(
                account="A",
                symbol="X",
                side=side,
                quantity=Decimal(quantity),
                client_order_id=f"c{next(self._ids)}",
                **changes,
            )
        )

    @property
    def held(self) -> Decimal:
        return self.book.position("A", "X").quantity


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_a_market_order_fills_at_the_price_with_its_fee(desk: Desk) -> None:
    order = desk.place()
    assert (order.state, order.average, order.fee) == (OrderState.FILLED, Decimal(100), Decimal("0.2"))
    assert desk.book.cash("A") == Decimal("999.8")
    assert desk.book.executions("c1") == 1
    assert [one.order_id for one in desk.book.fills_of("A")] == [order.order_id]


def test_shares_are_paid_in_full_and_count_at_the_market() -> None:
    desk = Desk(pays_in_full=True)
    desk.place()
    assert desk.book.cash("A") == Decimal("799.8")
    desk.book.set_price("X", Decimal(110))
    assert desk.book.equity("A") == Decimal("1019.8")


def test_profit_is_realized_on_what_closes(desk: Desk) -> None:
    desk.place()
    desk.book.set_price("X", Decimal(110))
    assert desk.book.unrealized("A", "X") == 20
    order = desk.place("3", Side.SELL)
    assert order.executions[0].realized == 20
    assert (desk.held, desk.book.position("A", "X").entry_price) == (Decimal(-1), Decimal(110))


def test_limits_and_stops_wait_for_their_price(desk: Desk) -> None:
    limit = desk.place(order_type=OrderType.LIMIT, limit_price=Decimal(90))
    stop = desk.place(order_type=OrderType.STOP, stop_price=Decimal(105))
    both = desk.place(order_type=OrderType.STOP_LIMIT, stop_price=Decimal(110), limit_price=Decimal(111))
    assert {one.state for one in (limit, stop, both)} == {OrderState.WORKING}
    desk.book.set_price("X", Decimal(112))
    assert (limit.state, stop.state, both.state) == (
        OrderState.WORKING,
        OrderState.FILLED,
        OrderState.WORKING,
    )
    desk.book.set_price("X", Decimal(111))
    assert both.average == Decimal(111)


def test_a_trailing_stop_follows_the_best_price_only(desk: Desk) -> None:
    desk.place()
    stop = desk.place(side=Side.SELL, trail_percent=Decimal(10), reduce_only=True)
    for price, held in ((120, 2), (110, 2), (130, 2), (118, 2), (117, 0)):
        desk.book.set_price("X", Decimal(price))
        assert desk.held == held, price
    assert stop.average == Decimal(117)


def test_exits_sleep_until_the_entry_fills_and_cancel_one_another(desk: Desk) -> None:
    entry = desk.place(order_type=OrderType.LIMIT, limit_price=Decimal(90))
    common: dict[str, Any] = {"reduce_only": True, "group": "g", "after": entry.order_id}
    take = desk.place(side=Side.SELL, order_type=OrderType.LIMIT, limit_price=Decimal(120), **common)
    stop = desk.place(side=Side.SELL, order_type=OrderType.STOP, stop_price=Decimal(80), **common)
    woken = [take.works]
    desk.book.set_price("X", Decimal(90))
    assert [*woken, take.works] == [False, True]
    desk.book.set_price("X", Decimal(121))
    assert (take.state, stop.state, desk.held) == (OrderState.FILLED, OrderState.CANCELLED, Decimal(0))


def test_a_part_fills_and_the_rest_works_or_is_cancelled(desk: Desk) -> None:
    desk.book.fill_fraction(Decimal("0.5"))
    limit = desk.place(order_type=OrderType.LIMIT, limit_price=Decimal(100))
    assert (limit.state, limit.filled) == (OrderState.PARTIALLY_FILLED, Decimal(1))
    desk.book.fill_rest()
    assert (limit.state, len(limit.executions)) == (OrderState.FILLED, 2)
    desk.book.fill_fraction(Decimal("0.5"))
    market = desk.place()
    assert (market.state, market.filled) == (OrderState.CANCELLED, Decimal(1))
    desk.book.fill_fraction(Decimal("0.5"))
    assert desk.place(time_in_force=TimeInForce.FOK).filled == 0


def test_the_book_refuses_what_it_cannot_take_and_nothing_changes(desk: Desk) -> None:
    desk.book.reject_next("own_code", "own words")
    cases: list[tuple[str, dict[str, Any]]] = [
        ("own_code", {}),
        ("nothing_to_reduce", {"reduce_only": True}),
        ("insufficient_funds", {"quantity": "101"}),
    ]
    for code, changes in cases:
        with pytest.raises(BookRefusal) as caught:
            desk.place(**changes)
        assert caught.value.code == code
    desk.book.market_closed = True
    with pytest.raises(BookRefusal, match="closed"):
        desk.place()
    assert desk.book.orders == {}
    assert desk.book.executions("c1") == 0


def test_an_order_can_be_rejected_later_and_hidden_for_a_while(desk: Desk) -> None:
    desk.book.reject_later("no shares to borrow")
    desk.book.hide_for(30)
    order = desk.place()
    assert (order.state, order.reason) == (OrderState.REFUSED, "no shares to borrow")
    assert desk.held == 0
    assert desk.book.visible("A") == []
    desk.time.jump(30)
    assert desk.book.visible("A") == [order]


@settings(max_examples=100)
@given(
    st.lists(
        st.tuples(st.decimals("0.01", "5", places=2), st.sampled_from(Side), st.integers(50, 150)),
        max_size=12,
    )
)
def test_positions_cash_and_equity_follow_from_the_fills(
    trades: list[tuple[Decimal, Side, int]],
) -> None:
    for pays_in_full in (False, True):
        desk = Desk(pays_in_full=pays_in_full)
        desk.book.open_account("A", Decimal(1_000_000))
        for quantity, side, price in trades:
            desk.book.set_price("X", Decimal(price))
            desk.place(str(quantity), side)
        fills = desk.book.fills_of("A")
        signed = [one.quantity if one.side is Side.BUY else -one.quantity for one in fills]
        assert desk.held == sum(signed)
        assert len({one.execution_id for one in fills}) == len(trades)
        paid = sum(amount * one.price + one.fee for amount, one in zip(signed, fills, strict=True))
        equity = 1_000_000 - paid + desk.held * desk.book.price("X")
        assert abs(desk.book.equity("A") - equity) < Decimal("1e-15")
