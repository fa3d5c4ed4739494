"""How long it took from the POST to the venue's acknowledgement."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil

from scripts.demo.evidence import Evidence
from scripts.demo.integrity import accepted
from scripts.demo.scenario import Scenario


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds over `count` signals; `left_out` were interrupted by the kill or waited for its end."""

    count: int
    left_out: int
    p50: int
    p95: int


def measure(scenario: Scenario, evidence: Evidence) -> Latency:
    """Measure from just before each POST; where the clocks are two, from the database's `received_at`."""
    by_id = {signal.id: signal for signal in evidence.records.signals}
    taken: list[int] = []
    left_out = 0
    for one in accepted(evidence.sent):
        signal = by_id.get(one.answer.signal_id)
        if signal is None or signal.acknowledged_at is None:
            continue
        if not scenario.acts[one.act].latency:
            left_out += 1
            continue
        start = one.posted_at if evidence.one_clock else signal.received_at
        taken.append(_ms(start, signal.acknowledged_at))
    return Latency(len(taken), left_out, _percentile(taken, 50), _percentile(taken, 95))


def _ms(start: datetime, end: datetime) -> int:
    return round((end - start) / timedelta(milliseconds=1))


def _percentile(values: list[int], percent: int) -> int:
    """Return the smallest value that at least `percent` of the values do not exceed; 0 of none."""
    if not values:
        return 0
    return sorted(values)[max(0, ceil(len(values) * percent / 100) - 1)]
