import io
from dataclasses import replace

import pytest
from rich.console import Console

from scripts.demo.evidence import Evidence
from scripts.demo.view import View


def _console(width: int = 80) -> Console:
    return Console(file=io.StringIO(), force_terminal=True, width=width, height=24, color_system=None)


def _printed(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize("live", [True, False])
def test_an_alert_is_shown_when_its_signal_ends_with_times_after_its_receipt(
    evidence: Evidence, *, live: bool
) -> None:
    console = _console()
    with View(console, live=live) as view:
        view.act(1, 7, "Good alerts")
        view.on_signals(evidence.records.signals)
        assert "BTCUSDT" not in _printed(console).replace("executing", "")
        view.on_sent(evidence.sent[0])
        view.on_signals(evidence.records.signals)
        view.on_signals(evidence.records.signals)
    line = next(text for text in _printed(console).splitlines() if "Ada buy" in text)
    assert line.split()[-9:] == ["BTCUSDT", "url", "done,", "2", "claims", "10", "20", "30", "40"]
    assert _printed(console).count("Ada buy") == 1


def test_a_refusal_without_a_signal_is_shown_at_once(evidence: Evidence) -> None:
    console = _console()
    with View(console, live=False) as view:
        view.on_sent(evidence.sent[3])
    assert "refused unknown_webhook" in _printed(console)


@pytest.mark.parametrize("width", [80, 100])
def test_no_line_of_an_alert_is_wider_than_the_terminal(evidence: Evidence, width: int) -> None:
    console = _console(width)
    signal = replace(
        evidence.records.signals[0],
        status="rejected",
        reason_code="unknown_field_combination",
        reason="A long sentence. " * 20,
    )
    with View(console, live=False) as view:
        view.act(3, 7, "An act with quite a long title, longer than most, in truth")
        view.on_sent(evidence.sent[0])
        view.on_signals([signal])
    assert max(len(line) for line in _printed(console).splitlines()) <= width


def test_the_live_part_tells_what_the_workers_do(evidence: Evidence) -> None:
    console = _console()
    with View(console, live=True) as view:
        view.workers = lambda: ["1 killed with SIGKILL", "2 running (process 7)"]
        view.doing = "The recovery"
        view.on_signals([replace(evidence.records.signals[0], status="executing", finished_at=None)])
        view.note("a line that stays")
    shown = _printed(console)
    assert "1 killed with SIGKILL; 2 running (process 7)" in shown
    assert "The recovery" in shown
    assert "1 executing" in shown
    assert "a line that stays" in shown
