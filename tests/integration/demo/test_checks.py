from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from scripts.demo.evidence import Evidence, Leak, LogSearch, Position
from scripts.demo.leaks import UsedSecrets
from scripts.testbed.trader import Answer
from tests.integration.demo.conftest import Verdict
from tests.integration.demo.prepared import NAMES, with_records

Judge = Callable[[Evidence], Verdict]


def test_a_run_without_a_fault_exits_with_zero(evidence: Evidence, judge: Judge) -> None:
    verdict = judge(evidence)
    assert verdict.code == 0, verdict.text
    assert "✗" not in verdict.text


def test_a_signal_that_is_gone_is_lost(evidence: Evidence, judge: Judge) -> None:
    verdict = judge(with_records(evidence, signals=evidence.records.signals[1:]))
    assert verdict.code == 1
    assert "buy BTCUSDT of Ada was accepted and has no signal" in verdict.text


def test_a_signal_that_never_ended_is_lost(evidence: Evidence, judge: Judge) -> None:
    first, second = evidence.records.signals
    hanging = replace(first, status="executing", finished_at=None)
    verdict = judge(with_records(evidence, signals=[hanging, second]))
    assert verdict.code == 1
    assert "buy BTCUSDT of Ada is still executing" in verdict.text


def test_a_signal_whose_order_was_never_filled_is_lost(evidence: Evidence, judge: Judge) -> None:
    first, second = evidence.records.orders
    verdict = judge(with_records(evidence, orders=[replace(first, state="expired"), second]))
    assert verdict.code == 1
    assert "ended as done with 0 of 1 orders filled" in verdict.text


def test_an_order_that_arrived_twice_is_doubled(evidence: Evidence, judge: Judge) -> None:
    first, second = evidence.book.orders
    verdict = judge(
        replace(evidence, book=replace(evidence.book, orders=[replace(first, arrivals=2), second]))
    )
    assert verdict.code == 1
    assert "order client-o1 was sent to the venue 2 times" in verdict.text


def test_an_order_that_stands_twice_in_the_book_is_doubled(evidence: Evidence, judge: Judge) -> None:
    twice = [*evidence.book.orders, evidence.book.orders[0]]
    verdict = judge(replace(evidence, book=replace(evidence.book, orders=twice)))
    assert verdict.code == 1
    assert "the venue has order client-o1 2 times" in verdict.text


def test_an_order_that_only_the_venue_knows_is_doubled(evidence: Evidence, judge: Judge) -> None:
    stray = replace(evidence.book.orders[0], client_order_id="stray")
    book = replace(evidence.book, orders=[*evidence.book.orders, stray])
    verdict = judge(replace(evidence, book=book))
    assert verdict.code == 1
    assert "the venue has order stray, which no signal asked for" in verdict.text


def test_a_second_order_of_one_alert_is_doubled(evidence: Evidence, judge: Judge) -> None:
    again = replace(evidence.records.orders[0], id="o3", client_order_id="client-o3", leg=2)
    verdict = judge(with_records(evidence, orders=[*evidence.records.orders, again]))
    assert verdict.code == 1
    assert "buy BTCUSDT of Ada made 2 orders, not 1" in verdict.text


def test_a_fill_that_was_counted_twice_is_doubled(evidence: Evidence, judge: Judge) -> None:
    twice = [*evidence.records.fills, evidence.records.fills[0]]
    verdict = judge(with_records(evidence, fills=twice))
    assert verdict.code == 1
    assert "the fills of order client-o1 make 4, not 2" in verdict.text


def test_a_position_that_the_venue_does_not_have_is_doubled(evidence: Evidence, judge: Judge) -> None:
    larger = Position(user_id=NAMES["Ada"], symbol="BTCUSDT", quantity=Decimal(4))
    verdict = judge(with_records(evidence, positions=[larger]))
    assert verdict.code == 1
    assert "BTCUSDT is 4 here, 2 at the venue" in verdict.text


def test_a_row_of_another_trader_is_wrong(evidence: Evidence, judge: Judge) -> None:
    ada, ben = evidence.seen
    seen = replace(ben, tables={**ben.tables, "orders": [{"user_id": NAMES["Ada"]}]})
    verdict = judge(replace(evidence, seen=[ada, seen]))
    assert verdict.code == 1
    assert "orders: a row of user-ada" in verdict.text


def test_rows_of_another_trader_that_were_asked_for_outright_are_wrong(
    evidence: Evidence, judge: Judge
) -> None:
    ada, ben = evidence.seen
    verdict = judge(replace(evidence, seen=[replace(ada, others_asked_for=1), ben]))
    assert verdict.code == 1
    assert "a row that was asked for outright" in verdict.text


def test_a_row_that_its_trader_does_not_see_is_wrong(evidence: Evidence, judge: Judge) -> None:
    ada, ben = evidence.seen
    blind = replace(ada, tables={**ada.tables, "positions": []})
    assert judge(replace(evidence, seen=[blind, ben])).code == 1


def test_a_leaked_secret_is_wrong(evidence: Evidence, judge: Judge) -> None:
    search = LogSearch(secrets=20, files=6, leaks=[Leak("worker token", "worker-1.log")])
    verdict = judge(replace(evidence, search=search))
    assert verdict.code == 1
    assert "worker token in worker-1.log" in verdict.text


def test_one_secret_in_one_log_makes_the_demo_fail(evidence: Evidence, judge: Judge, tmp_path: Path) -> None:
    used = UsedSecrets()
    used.add("worker token", "a-token-that-nobody-may-see")
    log = tmp_path / "worker-1.log"
    log.write_text("worker_started\n")
    assert judge(replace(evidence, search=used.search(tmp_path))).code == 0
    log.write_text('worker_started\n{"event": "joined", "token": "a-token-that-nobody-may-see"}\n')
    verdict = judge(replace(evidence, search=used.search(tmp_path)))
    assert verdict.code == 1
    assert "worker token in worker-1.log" in verdict.text
    assert "a-token-that-nobody-may-see" not in verdict.text


@pytest.mark.parametrize(
    "search", [LogSearch(secrets=0, files=6, leaks=[]), LogSearch(secrets=9, files=0, leaks=[])]
)
def test_a_search_for_nothing_or_nowhere_is_wrong(
    evidence: Evidence, judge: Judge, search: LogSearch
) -> None:
    assert judge(replace(evidence, search=search)).code == 1


def test_an_answer_other_than_expected_is_wrong(evidence: Evidence, judge: Judge) -> None:
    *others, refused = evidence.sent
    let_in = replace(refused, answer=Answer(http=200, body={"status": "accepted", "signal_id": "s9"}))
    verdict = judge(replace(evidence, sent=[*others, let_in]))
    assert verdict.code == 1
    assert "buy X of Ada: 200 accepted" in verdict.text


def test_a_duplicate_that_names_another_signal_is_wrong(evidence: Evidence, judge: Judge) -> None:
    first, again, *others = evidence.sent
    other = replace(
        again,
        answer=Answer(http=200, body={"status": "duplicate", "signal_id": "s2", "reason_code": "duplicate"}),
    )
    assert judge(replace(evidence, sent=[first, other, *others])).code == 1


def test_an_end_other_than_expected_is_wrong(evidence: Evidence, judge: Judge) -> None:
    first, second = evidence.records.signals
    failed = replace(second, status="failed", reason_code="internal_error")
    verdict = judge(with_records(evidence, signals=[first, failed]))
    assert verdict.code == 1
    assert "close EURUSD of Ben: failed internal_error" in verdict.text


def test_a_worker_that_held_too_few_orders_when_it_died_is_wrong(evidence: Evidence, judge: Judge) -> None:
    kill = replace(evidence.kill, submitting=frozenset({"c1"}))
    assert judge(replace(evidence, kill=kill)).code == 1


def test_an_interrupted_signal_that_nobody_took_over_is_wrong(evidence: Evidence, judge: Judge) -> None:
    first, second = evidence.records.signals
    assert judge(with_records(evidence, signals=[replace(first, attempt=1), second])).code == 1


def test_what_only_the_whole_book_shows_is_said_to_be_unchecked(evidence: Evidence, judge: Judge) -> None:
    orders = [replace(order, arrivals=None) for order in evidence.book.orders]
    verdict = judge(replace(evidence, book=replace(evidence.book, orders=orders, whole=False)))
    assert verdict.code == 0
    assert "not checked" in verdict.text


def test_latency_counts_from_the_post_and_leaves_the_kill_out(evidence: Evidence, judge: Judge) -> None:
    first, duplicate, second, refused = evidence.sent
    at_the_kill = replace(second, act=1)
    text = judge(replace(evidence, sent=[first, duplicate, at_the_kill, refused])).text
    assert "p50 40 ms, p95 40 ms over 1 signals" in text
    assert "The 1 signals of the act with the kill are left out." in " ".join(text.split())


def test_without_a_common_clock_latency_counts_from_the_receipt(evidence: Evidence, judge: Judge) -> None:
    assert "p50 30 ms, p95 30 ms over 2 signals" in judge(replace(evidence, one_clock=False)).text
