"""What a claim writes: orders before the socket, outcomes after it, and nothing once it is lost."""

# ruff: noqa: S608 - the names of tables in statements are this file's own

from typing import Any

import pytest

from tests.database.world import World, call, fill, filled, held, order


def begun(world: World) -> tuple[str, dict[str, Any]]:
    signal_id = world.accept(world.trader())
    one = world.claim_one()
    assert world.begin(order(one))[0]["ok"] is True
    return signal_id, one


def orders(world: World) -> list[tuple[Any, ...]]:
    return world.rows(
        "select leg, state, submissions, filled_quantity, venue_order_id from public.orders order by leg"
    )


def everything(world: World) -> list[Any]:
    """Return every row a worker may write."""
    tables = (
        "public.signals",
        "public.orders",
        "public.fills",
        "public.positions",
        "public.trades",
        "public.audit_log",
    )
    return [world.rows(f"select t::text from {table} t order by 1") for table in tables]


def test_an_order_is_written_before_the_socket_is_opened(world: World) -> None:
    signal_id = world.accept(world.trader())
    one = world.claim_one()
    answer = world.begin(order(one))[0]
    assert set(answer) == {"signal_id", "ok", "submitted_at", "lease_left_ms"}
    assert 50_000 < answer["lease_left_ms"] <= 60_000
    assert orders(world) == [(1, "submitting", 1, 0, None)]
    assert world.signal(signal_id)["plan"] == {"legs": [1]}
    assert world.signal(signal_id)["submitted_at"] is not None


def test_an_order_is_not_begun_twice(world: World) -> None:
    _, one = begun(world)
    assert world.begin(order(one)) == [{"signal_id": one["signal_id"], "ok": False}]
    assert orders(world) == [(1, "submitting", 1, 0, None)]


@pytest.mark.parametrize(
    "state",
    ["accepted", "working", "partially_filled", "filled", "cancelled", "expired", "refused", "unknown"],
)
def test_an_order_in_any_state_but_absent_is_not_sent_again(shared: World, state: str) -> None:
    _, one = begun(shared)
    shared.finish(held(one) | {"news": [{"leg": 1, "state": state}]})
    assert shared.begin(order(one))[0]["ok"] is False
    row = shared.row("select state, submissions from public.orders where signal_id = %s", one["signal_id"])
    assert row == (state, 1)


@pytest.mark.parametrize("state", ["accepted", "working", "partially_filled"])
def test_what_the_venue_once_had_never_becomes_absent(shared: World, state: str) -> None:
    _, one = begun(shared)
    shared.finish(held(one) | {"news": [{"leg": 1, "state": state}]})
    shared.finish(held(one) | {"news": [{"leg": 1, "state": "absent"}]})
    assert shared.begin(order(one))[0]["ok"] is False
    found = shared.value("select state from public.orders where signal_id = %s", one["signal_id"])
    assert found == state


def test_an_absent_order_is_sent_again_as_the_same(world: World) -> None:
    _, one = begun(world)
    world.finish(held(one) | {"news": [{"leg": 1, "state": "absent"}]})
    assert world.begin(order(one))[0]["ok"] is True
    assert orders(world) == [(1, "submitting", 2, 0, None)]


@pytest.mark.parametrize(
    "change",
    [{"quantity": "2"}, {"side": "sell"}, {"reduce_only": True}, {"client_order_id": "sp" + "Z" * 26}],
)
def test_an_absent_order_is_not_sent_again_as_another(world: World, change: dict[str, Any]) -> None:
    _, one = begun(world)
    world.finish(held(one) | {"news": [{"leg": 1, "state": "absent"}]})
    assert world.begin(order(one, **change))[0]["ok"] is False
    assert orders(world) == [(1, "absent", 1, 0, None)]


def test_the_plan_of_the_first_claim_stays(world: World) -> None:
    signal_id, one = begun(world)
    world.begin(order(one, leg=2) | {"plan": {"legs": "other"}})
    assert world.signal(signal_id)["plan"] == {"legs": [1]}


def test_news_of_the_first_leg_come_with_the_second(world: World) -> None:
    _, one = begun(world)
    news = filled(filled_quantity="1", average_price="100", fills=[fill("a")])
    assert world.begin(order(one, leg=2) | {"news": [news]})[0]["ok"] is True
    assert orders(world) == [(1, "filled", 1, 1, "v1"), (2, "submitting", 1, 0, None)]
    assert len(world.rows("select 1 from public.fills")) == 1


def test_finishing_records_outcome_times_and_audit(world: World) -> None:
    signal_id, one = begun(world)
    result = held(one) | {
        "status": "done",
        "reason_code": "ok",
        "reason": "Bought.",
        "news": [filled(fills=[fill("a")])],
    }
    assert world.finish(result) == [{"signal_id": signal_id, "ok": True}]
    signal = world.signal(signal_id)
    assert (signal["status"], signal["reason_code"], signal["reason"], signal["lease_until"]) == (
        "done",
        "ok",
        "Bought.",
        None,
    )
    times = [
        signal[name]
        for name in ("received_at", "claimed_at", "submitted_at", "acknowledged_at", "finished_at")
    ]
    assert None not in times
    detail = world.value("select detail from public.audit_log where subject = %s", signal_id)
    assert detail == {"status": "done", "reason_code": "ok", "attempt": 1, "fence": 1}


@pytest.mark.parametrize("state", ["unknown", "absent"])
def test_no_answer_is_no_acknowledgement(world: World, state: str) -> None:
    _, one = begun(world)
    world.finish(held(one) | {"news": [{"leg": 1, "state": state, "elapsed_ms": 5000}]})
    assert world.value("select acknowledged_at from public.orders") is None


def test_a_result_without_status_keeps_the_claim(world: World) -> None:
    signal_id, one = begun(world)
    assert world.finish(held(one) | {"news": [{"leg": 1, "state": "working"}]}) == [
        {"signal_id": signal_id, "ok": True}
    ]
    assert world.signal(signal_id)["status"] == "executing"
    assert world.finish(held(one) | {"status": "done"})[0]["ok"] is True


def test_finishing_twice_changes_nothing(world: World) -> None:
    _, one = begun(world)
    result = held(one) | {"status": "done", "news": [filled(fills=[fill("a")])]}
    world.finish(result)
    before = everything(world)
    assert world.finish(result)[0]["ok"] is False
    assert everything(world) == before


def test_a_fill_counts_once_however_often_it_is_told(world: World) -> None:
    _, one = begun(world)
    for state in ("partially_filled", "partially_filled", "filled", "filled"):
        news = filled(state=state, fills=[fill("a", "0.5"), fill("b", "0.5"), fill("a", "0.5")])
        assert world.finish(held(one) | {"news": [news]})[0]["ok"] is True
    assert world.value("select quantity from public.positions") == 1


def test_a_terminal_order_takes_no_more_news_but_fills(world: World) -> None:
    _, one = begun(world)
    world.finish(held(one) | {"news": [filled(state="cancelled")]})
    world.finish(held(one) | {"news": [filled(state="working", venue_order_id="v2", fills=[fill("late")])]})
    assert orders(world) == [(1, "cancelled", 1, 0, "v1")]
    assert len(world.rows("select 1 from public.fills")) == 1


LATE = ("begin", "begin again", "finish", "news", "extend", "release")


@pytest.mark.parametrize("work", LATE)
def test_a_late_worker_changes_nothing(world: World, work: str) -> None:
    signal_id, one = begun(world)
    world.let_lease_run_out(signal_id)
    world.claim_one("w2")
    before = everything(world)
    if work == "begin":
        answer = world.begin(order(one, leg=2) | {"news": [filled()]})
    elif work == "begin again":
        answer = world.begin(order(one))
    elif work == "finish":
        answer = world.finish(held(one) | {"status": "done", "news": [filled(fills=[fill("a")])]})
    elif work == "news":
        answer = world.finish(held(one) | {"news": [filled(fills=[fill("a")])]})
    elif work == "extend":
        answer = call(world.worker, "extend_leases", [held(one)], 600)
    else:
        answer = call(world.worker, "release_signals", [held(one)])
    assert answer in ([], [{"signal_id": signal_id, "ok": False}])
    assert everything(world) == before


@pytest.mark.parametrize("work", LATE)
def test_a_worker_whose_signal_is_finished_changes_nothing(world: World, work: str) -> None:
    signal_id, one = begun(world)
    world.finish(held(one) | {"status": "done"})
    before = everything(world)
    function, arguments = {
        "begin": ("begin_orders", ([order(one, leg=2)],)),
        "begin again": ("begin_orders", ([order(one)],)),
        "finish": ("finish_signals", ([held(one) | {"status": "failed"}],)),
        "news": ("finish_signals", ([held(one) | {"news": [filled(fills=[fill("a")])]}],)),
        "extend": ("extend_leases", ([held(one)], 600)),
        "release": ("release_signals", ([held(one)],)),
    }[work]
    call(world.worker, function, *arguments)
    assert everything(world) == before
    assert world.signal(signal_id)["status"] == "done"


BAD_NEWS: list[dict[str, Any]] = [
    {"news": [{"leg": 2, "state": "filled"}]},
    {"news": [{"leg": 1, "state": "nonsense"}]},
    {"news": [{"leg": 1}]},
    {"news": [{"leg": "x", "state": "filled"}]},
    {"news": [filled(filled_quantity="NaN")]},
    {"news": [filled(average_price="Infinity")]},
    {"news": [filled(average_price="abc")]},
    {"news": [filled(venue_order_id="x" * 1_000_000)]},
    {"news": [filled(fills=[fill("a", quantity="NaN")])]},
    {"news": [filled(fills=[fill("a", price="Infinity")])]},
    {"news": [filled(fills=[fill("a", fee="NaN")])]},
    {"news": [filled(fills=[fill("a", quantity="0")])]},
    {"news": [filled(fills=[fill("a", price="-1")])]},
    {"news": [filled(fills=[fill("x" * 1_000_000)])]},
    {"news": [filled(fills=[fill("a") | {"filled_at": "never"}])]},
    {"news": [filled(fills=[fill("a") | {"filled_at": None}])]},
    {"news": "text"},
    {"news": [filled(fills=[])], "status": "nonsense"},
    {"status": "executing"},
    {"status": "pending"},
]


@pytest.mark.parametrize("bad", BAD_NEWS)
def test_a_result_that_does_not_fit_is_answered_and_undoes_no_other(
    shared: World, bad: dict[str, Any]
) -> None:
    signal_id, one = begun(shared)
    other_id = shared.accept(shared.trader())
    other = shared.claim_one()
    before = list(everything(shared)[1:5])
    answers = shared.finish(held(one) | {"status": "done"} | bad, held(other) | {"status": "rejected"})
    assert answers[0]["ok"] is False
    assert answers[0]["sqlstate"]
    assert answers[1] == {"signal_id": other_id, "ok": True}
    assert everything(shared)[1:5] == before
    assert shared.signal(signal_id)["status"] == "executing"


@pytest.mark.parametrize(
    "claim",
    [{}, {"signal_id": "x", "fence": 1}, {"signal_id": None, "fence": None}, {"fence": "x"}, "text", 1, []],
)
def test_a_claim_that_cannot_be_read_undoes_no_other(shared: World, claim: Any) -> None:
    other_id = shared.accept(shared.trader())
    other = shared.claim_one()
    assert [one["ok"] for one in shared.begin(claim, order(other))] == [False, True]
    assert shared.finish(claim, held(other) | {"status": "done"})[1] == {"signal_id": other_id, "ok": True}


BAD_ORDERS: list[dict[str, Any]] = [
    {"quantity": "NaN"},
    {"quantity": "Infinity"},
    {"quantity": "0"},
    {"quantity": "-1"},
    {"quantity": "abc"},
    {"quantity": None},
    {"side": "up"},
    {"order_type": "trailing"},
    {"purpose": "hedge"},
    {"stop_price": "NaN"},
    {"leg": 0},
    {"leg": 21},
    {"leg": 70_000},
    {"reduce_only": None},
    {"reference_price": "NaN"},
    {"client_order_id": "has space"},
    {"client_order_id": "x" * 1_000_000},
    {"client_order_id": "taken"},
]


@pytest.mark.parametrize("bad", BAD_ORDERS)
def test_an_order_that_does_not_fit_is_answered_and_undoes_no_other(
    shared: World, bad: dict[str, Any]
) -> None:
    _, first = begun(shared)
    if bad.get("client_order_id") == "taken":
        bad = {"client_order_id": order(first)["orders"][0]["client_order_id"]}
    signal_id, other_id = shared.accept(shared.trader()), shared.accept(shared.trader())
    claims = {one["signal_id"]: one for one in shared.claim()}
    answers = shared.begin(order(claims[signal_id], **bad), order(claims[other_id]))
    assert answers[0]["ok"] is False
    assert answers[0]["sqlstate"]
    assert answers[1]["ok"] is True
    assert shared.rows("select 1 from public.orders where signal_id = %s", signal_id) == []
    assert shared.signal(signal_id)["plan"] is None


def test_a_reason_of_a_megabyte_is_cut(world: World) -> None:
    signal_id, one = begun(world)
    assert world.finish(held(one) | {"status": "failed", "reason": "x" * 1_000_000})[0]["ok"] is True
    assert len(world.signal(signal_id)["reason"]) == 2000


def test_the_first_bookmark_and_the_first_moment_stay_when_an_order_is_sent_again(world: World) -> None:
    signal_id = world.accept(world.trader())
    one = world.claim_one()
    for bookmark in ("6372", "7000"):
        assert world.begin(order(one, bookmark=bookmark))[0]["ok"] is True
        absent = {"leg": 1, "state": "absent", "reason_code": "venue_unavailable", "reason": "gone"}
        assert world.finish(held(one) | {"status": None, "news": [absent]})[0]["ok"] is True
    world.let_lease_run_out(signal_id)
    (seen,) = world.claim_one("w2")["orders"]
    assert seen["bookmark"] == "6372"
    assert seen["begun_at"] < seen["submitted_at"]
    assert orders(world) == [(1, "absent", 2, 0, None)]


def test_an_order_that_was_begun_without_a_bookmark_gets_one_when_it_is_sent_again(world: World) -> None:
    _, one = begun(world)
    absent = {"leg": 1, "state": "absent", "reason_code": "venue_unavailable", "reason": "gone"}
    assert world.finish(held(one) | {"status": None, "news": [absent]})[0]["ok"] is True
    assert world.begin(order(one, bookmark="7"))[0]["ok"] is True
    assert world.value("select bookmark from public.orders") == "7"


@pytest.mark.parametrize("bookmark", ["", "7" * 201])
def test_a_bookmark_that_does_not_fit_is_told_and_nothing_is_begun(world: World, bookmark: str) -> None:
    world.accept(world.trader())
    answer = world.begin(order(world.claim_one(), bookmark=bookmark))[0]
    assert (answer["ok"], answer["sqlstate"]) == (False, "23514")
    assert orders(world) == []


def test_an_open_end_is_found_by_what_was_known_when_it_was_sent(world: World) -> None:
    trader = world.trader()
    world.accept(trader)
    one = world.claim_one()
    world.begin(order(one, bookmark="6372"))
    working = {"leg": 1, "state": "working", "venue_order_id": "v9", "fills": []}
    assert world.finish(held(one) | {"status": "done", "news": [working]})[0]["ok"] is True
    (claimed,) = call(world.worker, "claim_accounts", "w1", 10, 60)
    (end,) = claimed["orders"]
    assert (end["bookmark"], end["venue_order_id"]) == ("6372", "v9")
    assert end["begun_at"] <= end["submitted_at"]
