"""What the paper venue does with orders that wait for a price."""

import threading
import uuid
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.database.test_paper import FREE_OF_COST, KEY, Book, refused
from tests.database.world import World, call

SLIPPING = FREE_OF_COST | {"slippage_percent": "1"}
SIGNS = {"buy": 1, "sell": -1}


class Market(Book):
    """A book, and what happens to it when prices are told."""

    def rest(self, side: str, quantity: str = "1", market: str | None = "100", **changes: Any) -> str:
        """Send an order that waits, and return its client id."""
        sent = self.send(side, quantity, market, **changes)["order"]
        assert sent["state"] == "working", sent
        return str(sent["client_order_id"])

    def exits(self, *exits: dict[str, Any], quantity: str = "1", **changes: Any) -> dict[str, Any]:
        named = [{"client_order_id": uuid.uuid4().hex, "quantity": quantity, **one} for one in exits]
        request = {"symbol": "X", "side": "sell", "exits": named} | changes
        answer = call(self.world.worker, "paper_place_exits", self.account, KEY, request, FREE_OF_COST)
        return dict(answer)

    def mark(self, *prices: str) -> int:
        """Tell prices one after the other, and return how many orders have ended at the last."""
        ended = 0
        for price in prices:
            ended = call(self.world.worker, "paper_mark", self.account, KEY, "X", price)
        return ended

    def cancel(self, client_order_id: str) -> dict[str, Any]:
        return dict(call(self.world.worker, "paper_cancel", self.account, client_order_id))

    def order(self, client_order_id: str) -> dict[str, Any]:
        return dict(call(self.world.worker, "paper_find_order", self.account, client_order_id))

    def state(self, client_order_id: str) -> tuple[str, str | None]:
        found = self.order(client_order_id)
        return found["state"], found["price"]

    def working(self) -> dict[str, str]:
        found = call(self.world.worker, "paper_list_open", self.account, KEY)
        return {one["client_order_id"]: one["quantity"] for one in found}

    def position(self) -> Decimal:
        return next((Decimal(quantity) for _, quantity, _ in self.positions()), Decimal(0))


def limit(price: str) -> dict[str, Any]:
    return {"order_type": "limit", "limit_price": price}


def stop(price: str) -> dict[str, Any]:
    return {"order_type": "stop", "stop_price": price}


def ids(answer: dict[str, Any]) -> list[str]:
    return [one["client_order_id"] for one in answer["orders"]]


@pytest.fixture
def book(shared: World) -> Market:
    return Market(shared)


@pytest.mark.parametrize(
    ("side", "price", "short", "there"), [("buy", "90", "90.01", "85"), ("sell", "110", "109.99", "115")]
)
def test_a_resting_limit_fills_at_its_own_price_when_the_market_comes(
    book: Market, side: str, price: str, short: str, there: str
) -> None:
    order = book.rest(side, **limit(price))
    assert book.mark(short) == 0
    assert book.mark(there) == 1
    assert book.state(order) == ("filled", price)


@pytest.mark.parametrize(
    ("side", "price", "expected"), [("buy", "105", "101"), ("buy", "100.5", "100.5"), ("sell", "95", "99")]
)
def test_a_limit_beyond_the_market_fills_there_and_no_worse_than_it_says(
    book: Market, side: str, price: str, expected: str
) -> None:
    sent = book.send(side, "1", terms=SLIPPING, **limit(price))["order"]
    assert (sent["state"], sent["price"]) == ("filled", expected)


@pytest.mark.parametrize(
    ("side", "price", "short", "there", "expected"),
    [
        ("buy", "110", "109.99", "112", "113.12"),
        ("sell", "90", "90.01", "80", "79.2"),
    ],
)
def test_a_stop_fills_at_the_price_that_reached_it(
    book: Market, side: str, price: str, short: str, there: str, expected: str
) -> None:
    order = book.rest(side, terms=SLIPPING, **stop(price))
    assert book.mark(short) == 0
    assert book.mark(there) == 1
    assert book.state(order) == ("filled", expected)


def test_a_stop_limit_becomes_a_limit_and_stays_one(book: Market) -> None:
    order = book.rest("buy", order_type="stop_limit", stop_price="110", limit_price="111")
    assert book.mark("105", "115") == 0
    assert book.mark("109") == 1
    assert book.state(order) == ("filled", "111")


@pytest.mark.parametrize("trail", [{"trail_distance": "5"}, {"trail_percent": "5"}])
def test_a_trailing_stop_follows_and_never_goes_back(book: Market, trail: dict[str, str]) -> None:
    book.send("buy", "1")
    (order,) = ids(book.exits({"order_type": "trailing_stop", **trail}))
    assert book.mark("99", "104", "110", "106") == 0
    assert book.mark("104") == 1
    assert book.state(order) == ("filled", "104")


@pytest.mark.parametrize("lasting", ["ioc", "fok"])
def test_what_cannot_fill_at_once_ends_at_once(book: Market, lasting: str) -> None:
    entry = book.send(
        "buy",
        "1",
        time_in_force=lasting,
        **limit("90"),
        exits=[{"client_order_id": "its exit", **stop("80")}],
    )["order"]
    assert (entry["state"], entry["reason"]) == ("expired", "it could not be filled at once")
    assert book.working() == {}
    assert book.state("its exit") == ("expired", None)


def test_an_order_for_the_day_is_over_at_midnight_in_new_york_and_its_exits_with_it(book: Market) -> None:
    entry = book.rest(
        "buy",
        time_in_force="day",
        **limit("90"),
        exits=[{"client_order_id": "exit of the day", **stop("80")}],
    )
    lasting = book.rest("buy", **limit("90"))
    book.world.run(
        "update private.paper_orders set sent_at = date_trunc('day', now() at time zone 'America/New_York')"
        " at time zone 'America/New_York' - interval '1 second' where client_order_id in (%s, %s)",
        entry,
        lasting,
    )
    assert list(book.working()) == [lasting]
    assert book.state(entry) == book.state("exit of the day") == ("expired", None)
    assert book.mark("85") == 1
    assert book.position() == 1


def test_exits_wait_for_their_entry_and_are_cancelled_with_it(book: Market) -> None:
    entry = book.rest("buy", **limit("90"), exits=[{"client_order_id": "go with it", **stop("95")}])
    assert book.state("go with it") == ("waiting", None)
    assert book.mark("94") == 0
    assert book.cancel(entry)["order"]["state"] == "cancelled"
    assert book.state("go with it") == ("cancelled", None)
    assert book.mark("70") == 0
    assert book.position() == 0


def test_a_price_beyond_an_entry_and_its_stop_executes_both(book: Market) -> None:
    entry = book.rest("buy", **limit("90"), exits=[{"client_order_id": "stopped out", **stop("80")}])
    assert book.mark("70") == 2
    assert book.state(entry) == ("filled", "90")
    assert book.state("stopped out") == ("filled", "70")
    assert book.position() == 0


def test_an_exit_that_fills_takes_its_size_off_the_others(book: Market) -> None:
    book.send("buy", "3", client_order_id="entry of three")
    (protection,) = ids(book.exits(stop("90"), quantity="3", entry="entry of three"))
    near, far = ids(book.exits(limit("105"), limit("110"), quantity="1", entry="entry of three"))
    book.mark("106")
    assert book.working() == {protection: "2", far: "1"}
    assert book.state(near)[0] == "filled"
    book.mark("85")
    assert book.working() == {}
    assert book.position() == 0
    assert book.order(far)["reason"] == "another exit of the position has filled"


def test_a_position_that_is_closed_takes_all_that_could_only_reduce_it(book: Market) -> None:
    book.send("buy", "1")
    (protection,) = ids(book.exits(stop("90")))
    entry = book.rest("buy", **limit("80"))
    book.send("sell", "1", reduce_only=True)
    assert book.working() == {entry: "1"}
    assert book.order(protection)["reason"] == "the position is closed"


def test_a_position_that_turns_around_takes_the_exits_of_the_old_side(book: Market) -> None:
    book.send("buy", "1")
    book.exits(stop("90"))
    book.send("sell", "3")
    assert book.working() == {}
    assert book.position() == -2


def test_an_entry_that_the_money_does_not_carry_any_more_is_cancelled_and_says_why(book: Market) -> None:
    order = book.rest("buy", "90", **limit("90"))
    book.send("buy", "50")
    assert book.mark("85") == 1
    assert book.state(order) == ("cancelled", None)
    assert "equity" in book.order(order)["reason"]
    assert book.position() == 50


def test_an_exit_needs_an_open_position_and_is_cut_to_it(book: Market) -> None:
    assert refused(book.exits(stop("90"))) == "nothing_to_reduce"
    book.send("buy", "1")
    assert refused(book.exits(stop("90"), side="buy")) == "nothing_to_reduce"
    (order,) = ids(book.exits(stop("90"), quantity="5"))
    book.mark("90")
    assert book.order(order)["quantity"] == "1"
    assert book.position() == 0


def test_exits_are_placed_all_or_none(book: Market) -> None:
    book.send("buy", "1")
    with pytest.raises(psycopg.Error):
        book.exits(stop("90"), {"order_type": "stop"})
    assert book.working() == {}


def test_a_client_id_is_taken_once_by_whatever_kind_of_request(book: Market) -> None:
    book.send("buy", "1", client_order_id="first", exits=[{"client_order_id": "second", **stop("90")}])
    (third,) = ids(book.exits(stop("80")))
    book.cancel(third)
    for known in ("first", "second", third):
        assert refused(book.send("buy", "1", client_order_id=known)) == "duplicate_client_order_id"
        answer = book.exits({**stop("70"), "client_order_id": known})
        assert refused(answer) == "duplicate_client_order_id"
        carried = [{"client_order_id": known, **stop("70")}]
        assert refused(book.send("buy", "1", exits=carried)) == "duplicate_client_order_id"
    assert book.position() == 1


def test_a_cancel_may_be_repeated_and_leaves_what_has_ended(book: Market) -> None:
    order = book.rest("buy", **limit("90"))
    first = book.cancel(order)
    assert first["order"]["state"] == "cancelled"
    assert book.cancel(order) == first
    filled = book.send("buy", "1")["order"]
    assert book.cancel(filled["client_order_id"])["order"] == filled
    assert refused(book.cancel("nobody's")) == "unknown_order"
    assert refused(Market(book.world).cancel(order)) == "unknown_order"


def test_what_waits_is_executed_by_the_price_of_the_next_order(book: Market) -> None:
    order = book.rest("buy", **limit("90"))
    book.send("sell", "1", "89", symbol="Y")
    assert book.state(order)[0] == "working"
    book.send("buy", "1", "89")
    assert book.state(order) == ("filled", "90")


def test_an_order_that_waits_needs_no_price_of_the_market(book: Market) -> None:
    assert book.send("buy", "1", None, **limit("90"))["order"]["state"] == "working"
    assert refused(book.send("buy", "1", None)) == "no_price"


def test_an_older_price_executes_only_what_cannot_wait(book: Market) -> None:
    book.send("buy", "1", "100")
    resting = book.rest("buy", "1", None, **limit("105"))
    (protection,) = ids(book.exits(stop("101")))
    assert book.state(resting)[0] == book.state(protection)[0] == "working"
    assert book.send("sell", "1", None)["order"]["price"] == "100"
    at_once = book.send("buy", "1", None, time_in_force="ioc", **limit("105"))["order"]
    assert (at_once["state"], at_once["price"]) == ("filled", "100")


@pytest.mark.parametrize("price", ["0", "-1", "NaN", "Infinity"])
def test_a_price_that_is_none_is_not_learnt(book: Market, price: str) -> None:
    with pytest.raises(psycopg.Error) as refusal:
        book.mark(price)
    assert refusal.value.sqlstate == "22023"


def test_a_price_executes_each_order_once_however_many_tell_it(shared: World) -> None:
    book = Market(shared, "1000000")
    orders = [book.rest("buy", **limit("90")) for _ in range(10)]
    started = threading.Barrier(4)

    def tell() -> None:
        with psycopg.connect(shared.url, autocommit=True) as connection:
            started.wait(10)
            connection.execute("select public.paper_mark(%s, %s, 'X', 89)", (book.account, KEY))

    threads = [threading.Thread(target=tell) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert {book.state(order) for order in orders} == {("filled", "90")}
    assert book.position() == 10
    assert book.cash() == 1_000_000 - 900


PRICES = st.integers(80, 120).map(str)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("mark"), PRICES),
        st.tuples(st.just("market"), st.sampled_from(["buy", "sell"]), st.booleans()),
        st.tuples(st.just("limit"), st.sampled_from(["buy", "sell"]), PRICES, st.booleans()),
        st.tuples(st.just("stop"), st.sampled_from(["buy", "sell"]), PRICES, st.booleans()),
        st.tuples(st.just("bracket"), st.sampled_from(["buy", "sell"]), PRICES),
    ),
    max_size=12,
)


@settings(max_examples=15, deadline=None)
@given(steps=STEPS)
def test_money_and_position_are_those_of_the_executions_and_no_exit_opens(
    shared: World, steps: list[Any]
) -> None:
    book = Market(shared, "1000000")
    price = "100"
    for step in steps:
        price = take(book, step, price)
    rows = shared.rows(
        "select o.side, o.quantity, o.price, o.fee, o.reduce_only, o.order_type, o.limit_price"
        " from private.paper_orders o join private.paper_accounts a on a.id = o.paper_account_id"
        " where a.account_id = %s and o.state = 'filled' order by o.executed_at, o.id",
        book.account,
    )
    cash, held = Decimal(1_000_000), Decimal(0)
    for side, quantity, paid, fee, reduces, kind, most in rows:
        signed = SIGNS[side] * quantity
        assert not reduces or (held * signed < 0 and abs(signed) <= abs(held)), "an exit has opened"
        assert kind != "limit" or SIGNS[side] * paid <= SIGNS[side] * most, "worse than the limit"
        held += signed
        cash -= signed * paid + fee
    assert book.position() == held
    assert book.cash() == cash


def take(book: Market, step: tuple[Any, ...], price: str) -> str:
    kind, *terms = step
    if kind == "mark":
        book.mark(terms[0])
        return str(terms[0])
    if kind == "market":
        book.send(terms[0], "1", price, reduce_only=terms[1])
    elif kind == "limit":
        book.send(terms[0], "2", price, reduce_only=terms[2], **limit(terms[1]))
    elif kind == "stop":
        book.send(terms[0], "2", price, reduce_only=terms[2], **stop(terms[1]))
    else:
        exits = [{"client_order_id": uuid.uuid4().hex, **one} for one in (limit(terms[1]), stop(price))]
        book.send(terms[0], "3", price, exits=exits)
    return price
