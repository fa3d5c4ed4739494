"""Every number against what it must be. Pure: evidence in, verdicts out."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from scripts.demo.evidence import Evidence, Seen, Signal
from scripts.demo.integrity import accepted, doubled, lost
from scripts.demo.scenario import ACCEPTED, DUPLICATE, LEAST_IN_FLIGHT, Alert, End, Reply, Scenario

_SIGKILL: Final = -9


class Verdict(StrEnum):
    """How a check ended."""

    OK = "ok"
    WRONG = "WRONG"
    NOT_CHECKED = "not checked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One line of the table."""

    name: str
    expected: str
    found: str
    verdict: Verdict
    detail: str = ""


def all_hold(checks: Iterable[Check]) -> bool:
    """Tell whether nothing is wrong. What could not be checked is not wrong."""
    return all(check.verdict is not Verdict.WRONG for check in checks)


def run_checks(scenario: Scenario, evidence: Evidence) -> list[Check]:
    """Compare what was seen with what the scenario asks for."""
    return [
        *_answers(scenario, evidence),
        *_outcomes(scenario, evidence),
        *_kill(evidence),
        *_truth(scenario, evidence),
        *_isolation(evidence),
        _leaks(evidence),
    ]


def _equal(name: str, expected: object, found: object, detail: str = "") -> Check:
    verdict = Verdict.OK if expected == found else Verdict.WRONG
    return Check(name=name, expected=str(expected), found=str(found), verdict=verdict, detail=detail)


def _none_of(name: str, findings: Sequence[str]) -> Check:
    return _equal(name, 0, len(findings), "; ".join(findings[:3]))


def _answers(scenario: Scenario, evidence: Evidence) -> Iterator[Check]:
    alerts = list(scenario.alerts)
    replies = Counter(one.reply for one in evidence.sent)
    surprises = [
        f"{one.alert.name}: {one.reply.http} {one.reply.status} {one.reply.reason_code or ''}"
        for one in evidence.sent
        if one.reply != one.expected
    ]
    yield _equal("alerts sent", sum(alert.copies for alert in alerts), len(evidence.sent))
    yield _equal("accepted", sum(alert.reply == ACCEPTED for alert in alerts), replies[ACCEPTED])
    yield _equal("duplicates", sum(alert.copies - 1 for alert in alerts), replies[DUPLICATE])
    yield _equal("duplicates of another signal", 0, _strange_duplicates(evidence))
    for reply in _refusals(alerts):
        wanted = sum(alert.reply == reply for alert in alerts)
        yield _equal(f"refused {reply.http} {reply.reason_code}", wanted, replies[reply])
    yield _none_of("answers other than expected", surprises)


def _refusals(alerts: Iterable[Alert]) -> list[Reply]:
    return list(dict.fromkeys(alert.reply for alert in alerts if alert.reply != ACCEPTED))


def _strange_duplicates(evidence: Evidence) -> int:
    first = {id(one.alert): one.answer.signal_id for one in accepted(evidence.sent)}
    return sum(
        one.reply == DUPLICATE and one.answer.signal_id != first.get(id(one.alert)) for one in evidence.sent
    )


def _outcomes(scenario: Scenario, evidence: Evidence) -> Iterator[Check]:
    wanted = Counter(alert.end for alert in scenario.alerts if alert.end is not None)
    found = Counter(End(signal.status, signal.reason_code) for signal in evidence.records.signals)
    for end in [*wanted, *(found.keys() - wanted.keys())]:
        yield _equal(f"signals {_words(end)}", wanted[end], found[end])
    by_id = {signal.id: signal for signal in evidence.records.signals}
    misfits = [
        f"{one.alert.name}: {_words(_end_of(by_id.get(one.answer.signal_id)))}"
        for one in evidence.sent
        if one.reply != DUPLICATE and _end_of(by_id.get(one.answer.signal_id)) != one.alert.end
    ]
    yield _none_of("signals that ended otherwise", misfits)


def _end_of(signal: Signal | None) -> End | None:
    return None if signal is None else End(signal.status, signal.reason_code)


def _words(end: End | None) -> str:
    if end is None:
        return "not stored"
    return end.status if end.reason_code is None else f"{end.status} {end.reason_code}"


def _kill(evidence: Evidence) -> Iterator[Check]:
    kill = evidence.kill
    again = sum(signal.id in kill.executing and signal.attempt > 1 for signal in evidence.records.signals)
    yield _equal("worker 1 ended by signal", -_SIGKILL, -kill.exit_code)
    in_flight = len(kill.submitting)
    yield Check(
        name="orders in flight at the kill",
        expected=f"{LEAST_IN_FLIGHT} or more",
        found=str(in_flight),
        verdict=Verdict.OK if in_flight >= LEAST_IN_FLIGHT else Verdict.WRONG,
    )
    yield _equal("interrupted and taken over", len(kill.executing), again)
    yield _equal("worker 2 stopped with exit code", 0, evidence.stopped_with)


def _truth(scenario: Scenario, evidence: Evidence) -> Iterator[Check]:
    records, book = evidence.records, evidence.book
    orders = sum(alert.orders for alert in scenario.alerts)
    yield _equal("orders in our records", orders, len(records.orders))
    yield _equal("orders at the venue", orders, len(book.orders))
    yield _equal("round trips closed", sum(map(_closings, scenario.alerts)), len(records.trades))
    yield from _open_positions(scenario, evidence)
    yield _none_of("lost", lost(evidence.sent, records))
    yield _none_of("doubled", doubled(evidence.sent, records, book))
    if not book.whole:
        yield Check(
            name="orders that arrived twice",
            expected="0",
            found="-",
            verdict=Verdict.NOT_CHECKED,
            detail="nor those that only the venue knows: that takes SQL; set DATABASE_URL",
        )


def _closings(alert: Alert) -> int:
    # An entry with two orders is a reverse, whose first order closes.
    return int(alert.orders > 1 or (alert.orders == 1 and alert.action.startswith("close")))


def _open_positions(scenario: Scenario, evidence: Evidence) -> Iterator[Check]:
    names: Mapping[str, str] = {user_id: name for name, user_id in evidence.traders.items()}
    found = {(names[one.user_id], one.symbol): one.side for one in evidence.records.positions}
    wrong = [
        f"{trader} {symbol}: {found.get((trader, symbol), 'flat')}"
        for trader, symbol in sorted(scenario.open_at_end.keys() | found.keys())
        if scenario.open_at_end.get((trader, symbol)) != found.get((trader, symbol))
    ]
    yield _equal("positions open", len(scenario.open_at_end), len(found))
    yield _none_of("positions other than expected", wrong)


def _isolation(evidence: Evidence) -> Iterator[Check]:
    yield from (_equal(f"{seen.trader}'s exchange keys", "valid", seen.key_status) for seen in evidence.seen)
    for seen in evidence.seen:
        yield _none_of(f"rows of others that {seen.trader} sees", _foreign(seen))
        rows = _rows_of(evidence, seen.user_id)
        yield _equal(
            f"rows that {seen.trader} sees",
            " ".join(map(str, rows.values())),
            " ".join(str(len(seen.tables[table])) for table in rows),
        )


def _foreign(seen: Seen) -> list[str]:
    found = [
        f"{table}: a row of {row.get('user_id')}"
        for table, rows in seen.tables.items()
        for row in rows
        if row.get("user_id") != seen.user_id
    ]
    return found + ["a row that was asked for outright"] * seen.others_asked_for


def _rows_of(evidence: Evidence, user_id: str) -> dict[str, int]:
    records = evidence.records
    owners = {
        "signals": [row.user_id for row in records.signals],
        "orders": [row.user_id for row in records.orders],
        "fills": [row.user_id for row in records.fills],
        "positions": [row.user_id for row in records.positions],
        "trades": records.trades,
    }
    return {table: list(found).count(user_id) for table, found in owners.items()}


def _leaks(evidence: Evidence) -> Check:
    search = evidence.search
    found = [f"{leak.secret} in {leak.file}" for leak in search.leaks]
    if search.too_short and not found:
        found_in = "too short to search for: " + ", ".join(search.too_short)
    else:
        found_in = "; ".join(found[:3])
    name = f"{search.secrets} secrets sought in {search.files} logs"
    if search.files == 0 or search.secrets == 0:
        return Check(name=name, expected="0", found="nothing searched", verdict=Verdict.WRONG)
    return _equal(name, 0, len(found), found_in)
