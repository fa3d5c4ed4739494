"""The book of the paper venue."""

import uuid
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from tests.database.world import World, call

KEY = "ab" * 32
TERMS = {"slippage_percent": "0.1", "fee_percent": "0.1", "max_leverage": "2"}
FREE_OF_COST = {"slippage_percent": "0", "fee_percent": "0", "max_leverage": "10"}


class Book:
    def __init__(self, world: World, balance: str = "1000") -> None:
        self.world = world
        self.account = world.trader().account
        self.opened = self.open(balance)

    def open(self, balance: str = "1000", key: str = KEY) -> dict[str, Any]:
        return dict(call(self.world.worker, "paper_open", self.account, key, balance, "USD"))

    def send(
        self, side: str, quantity: str, price: str | None = "100", terms: Any = None, **changes: Any
    ) -> dict[str, Any]:
        sent = {
            "client_order_id": uuid.uuid4().hex,
            "symbol": "X",
            "side": side,
            "quantity": quantity,
            "reduce_only": False,
        }
        answer = call(
            self.world.worker,
            "paper_submit",
            self.account,
            KEY,
            sent | {"price": price} | changes,
            terms or FREE_OF_COST,
        )
        return dict(answer)

    def positions(self, key: str = KEY) -> list[tuple[str, str, str]]:
        found = call(self.world.worker, "paper_list_positions", self.account, key)
        return [(one["symbol"], one["quantity"], one["entry_price"]) for one in found]

    def cash(self) -> Decimal:
        return Decimal(self.open()["cash"])


def refused(answer: dict[str, Any]) -> str:
    assert set(answer) == {"refused"}
    return str(answer["refused"]["code"])


def test_opening_is_once_per_key(shared: World) -> None:
    book = Book(shared)
    assert book.opened == {"currency": "USD", "cash": "1000", "equity": "1000"}
    book.send("buy", "1")
    assert book.open("5000")["cash"] == "900"
    assert book.open("5000", key="cd" * 32)["cash"] == "5000"


def test_a_fill_pays_slippage_and_fee(shared: World) -> None:
    book = Book(shared)
    bought = book.send("buy", "2", terms=TERMS)["order"]
    assert (bought["price"], bought["quantity"], bought["fee"]) == ("100.1", "2", "0.2002")
    assert book.cash() == Decimal(1000) - Decimal("200.2") - Decimal("0.2002")
    sold = book.send("sell", "2", terms=TERMS)["order"]
    assert sold["price"] == "99.9"
    assert book.positions() == []
    assert Decimal(book.open()["equity"]) == book.cash()


def test_a_known_client_id_is_refused_and_counted(shared: World) -> None:
    book = Book(shared)
    assert "order" in book.send("buy", "1", client_order_id="same")
    for _ in range(2):
        answer = book.send("buy", "1", client_order_id="same")
        assert refused(answer) == "duplicate_client_order_id"
    found = (
        "select count(*), sum(arrivals) from private.paper_orders o"
        " join private.paper_accounts a on a.id = o.paper_account_id where a.account_id = %s"
    )
    assert shared.row(found, book.account) == (1, 3)
    assert book.positions() == [("X", "1", "100")]
    assert book.cash() == 900


def test_an_order_is_found_by_its_client_id(shared: World) -> None:
    book = Book(shared)
    sent = book.send("buy", "1.50", client_order_id="mine")["order"]
    found = call(shared.worker, "paper_find_order", book.account, "mine")
    assert found == sent
    assert found["quantity"] == "1.5"
    assert call(shared.worker, "paper_find_order", book.account, "other") is None
    assert call(shared.worker, "paper_find_order", Book(shared).account, "mine") is None


def test_reduce_only_is_cut_to_the_position_and_never_opens(shared: World) -> None:
    book = Book(shared)
    assert refused(book.send("sell", "1", reduce_only=True)) == "nothing_to_reduce"
    book.send("buy", "2")
    assert refused(book.send("buy", "1", reduce_only=True)) == "nothing_to_reduce"
    assert book.send("sell", "5", reduce_only=True)["order"]["quantity"] == "2"
    assert book.positions() == []


def test_an_exit_needs_no_price_but_an_entry_does(shared: World) -> None:
    book = Book(shared)
    assert refused(book.send("buy", "1", None)) == "no_price"
    book.send("buy", "1", "120")
    assert book.send("sell", "1", None, reduce_only=True)["order"]["price"] == "120"


def test_positions_average_reduce_and_cross(shared: World) -> None:
    book = Book(shared)
    book.send("buy", "1", "100")
    book.send("buy", "1", "110")
    assert book.positions() == [("X", "2", "105")]
    book.send("sell", "1", "120")
    assert book.positions() == [("X", "1", "105")]
    book.send("sell", "3", "120")
    assert book.positions() == [("X", "-2", "120")]
    book.send("buy", "2", "110")
    assert book.positions() == []
    assert book.cash() == 1000 - 100 - 110 + 120 + 360 - 220


@pytest.mark.parametrize("side", ["buy", "sell"])
def test_what_the_equity_does_not_carry_is_refused(shared: World, side: str) -> None:
    book = Book(shared)
    assert (
        refused(book.send(side, "20.1", terms=FREE_OF_COST | {"max_leverage": "2"})) == "insufficient_funds"
    )
    assert book.positions() == []
    assert "order" in book.send(side, "20", terms=FREE_OF_COST | {"max_leverage": "2"})


def test_an_order_across_zero_is_judged_by_what_it_opens(shared: World) -> None:
    book = Book(shared)
    terms = FREE_OF_COST | {"max_leverage": "2"}
    book.send("buy", "20", terms=terms)
    assert refused(book.send("sell", "40.1", terms=terms)) == "insufficient_funds"
    assert "order" in book.send("sell", "40", terms=terms)
    assert book.positions() == [("X", "-20", "100")]
    assert "order" in book.send("buy", "20", terms=terms)


def test_an_exit_passes_however_poor_the_account(shared: World) -> None:
    book = Book(shared)
    book.send("buy", "90", "100")
    assert "order" in book.send("sell", "90", "1", reduce_only=True)
    assert book.cash() < 0


@pytest.mark.parametrize("quantity", ["0", "-1", "NaN", "Infinity"])
@pytest.mark.parametrize("reduce_only", [True, False])
def test_a_quantity_that_is_none_is_refused(shared: World, quantity: str, reduce_only: bool) -> None:  # noqa: FBT001 - table
    book = Book(shared)
    book.send("sell", "1")
    assert refused(book.send("buy", quantity, reduce_only=reduce_only)) == "invalid_order"
    assert book.positions() == [("X", "-1", "100")]


@pytest.mark.parametrize("price", ["0", "-1", "NaN", "Infinity", "0.000000001"])
def test_a_price_that_is_none_is_refused(shared: World, price: str) -> None:
    assert refused(Book(shared).send("buy", "1", price)) == "invalid_order"


def test_a_wrong_key_opens_no_book(shared: World) -> None:
    book = Book(shared)
    book.send("buy", "1", client_order_id="mine")
    other = "cd" * 32
    order = {
        "client_order_id": "a",
        "symbol": "X",
        "side": "buy",
        "quantity": "1",
        "reduce_only": False,
        "price": "1",
    }
    assert refused(call(shared.worker, "paper_submit", book.account, other, order, TERMS)) == "unknown_key"
    assert book.positions(other) == []


def test_replaced_keys_do_not_hide_or_repeat_an_order(shared: World) -> None:
    book = Book(shared)
    sent = book.send("buy", "1", client_order_id="mine")["order"]
    other = "cd" * 32
    book.open(key=other)
    again = {
        "client_order_id": "mine",
        "symbol": "X",
        "side": "buy",
        "quantity": "1",
        "reduce_only": False,
        "price": "1",
    }
    answer = call(shared.worker, "paper_submit", book.account, other, again, TERMS)
    assert refused(answer) == "duplicate_client_order_id"
    assert call(shared.worker, "paper_find_order", book.account, "mine") == sent
    assert book.positions(other) == []


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        ("paper_open", ("{account}", "xyz", "1000", "USD")),
        ("paper_open", ("{account}", "abcd", "1000", "USD")),
        ("paper_open", ("{account}", KEY, "NaN", "USD")),
        ("paper_open", ("{account}", KEY, None, "USD")),
        ("paper_open", ("00000000-0000-0000-0000-000000000000", KEY, "1", "USD")),
        ("paper_open", (None, KEY, "1", "USD")),
    ],
)
def test_what_cannot_be_opened_is_an_error(shared: World, function: str, arguments: tuple[Any, ...]) -> None:
    account = shared.trader().account
    with pytest.raises(psycopg.Error) as refusal:
        call(shared.worker, function, *[account if value == "{account}" else value for value in arguments])
    assert (refusal.value.sqlstate or "")[:2] in {"22", "23"}
    assert shared.rows("select 1 from private.paper_accounts where account_id = %s", account) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"side": "up"},
        {"side": None},
        {"reduce_only": None},
        {"reduce_only": "maybe"},
        {"quantity": "abc"},
        {"client_order_id": None},
        {"client_order_id": "x" * 1_000_000},
        {"symbol": None},
        {"symbol": "x" * 1_000_000},
        {"price": "abc"},
    ],
)
def test_an_order_that_cannot_be_read_is_an_error_and_changes_nothing(
    shared: World, changes: dict[str, Any]
) -> None:
    book = Book(shared)
    with pytest.raises(psycopg.Error) as refusal:
        book.send(**({"side": "buy", "quantity": "1"} | changes))
    assert (refusal.value.sqlstate or "")[:2] in {"22", "23"}
    assert book.positions() == []
    assert book.cash() == 1000
