"""What an operator types about signals, what is asked of the database, and what he gets to read."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from sparky.cli.main import main

SIGNAL = "6a0c7f3e-52d4-4f5b-9f5b-5d1c64c1c1aa"
KEY = "sb_secret_of_the_project"
ORDER = {
    "leg": 1,
    "client_order_id": "SPABC",
    "state": "filled",
    "purpose": "open",
    "side": "buy",
    "quantity": "0.5",
    "symbol": "BTCUSDT",
    "order_type": "limit",
    "limit_price": "27000",
    "fills": [{"quantity": "0.5", "price": "26990", "fee": "0.1", "filled_at": "2026-11-22T10:00:01+00:00"}],
}
HEADING = {
    "signal_id": SIGNAL,
    "action": "buy",
    "symbol": "BTCUSDT",
    "exchange": "aster",
    "environment": "production",
}
STORY = HEADING | {
    "status": "done",
    "reason_code": None,
    "reason": "Bought 0.5 BTCUSDT.",
    "times": {
        "alert_at": None,
        "received_at": "2026-11-22T10:00:00+00:00",
        "claimed_at": "2026-11-22T10:00:00.012+00:00",
        "finished_at": "2026-11-22T10:00:01+00:00",
    },
    "checks": [
        {"name": "max_trades_per_day", "ok": True, "value": "2", "limit": "5"},
        {"name": "enabled", "ok": False, "value": "false", "limit": None},
    ],
    "plan": {
        "legs": [ORDER],
        "notes": ["Cut to the limit."],
        "protection": {
            "exits": [{"number": 3, "kind": "stop_loss", "percent": "2", "quantity_percent": "100"}]
        },
    },
    "orders": [ORDER],
    "children": [],
    "audit": [{"at": "2026-11-22T10:00:01", "actor": "worker/w1", "action": "signal.finished", "detail": {}}],
}


class Project:
    """A project's API on loopback: it answers each function with what it was given, and keeps what came."""

    def __init__(self, answers: dict[str, Any], status: int = 200) -> None:
        self.answers = answers
        self.status = status
        self.calls: list[tuple[str, str, Any]] = []

    @contextmanager
    def listening(self, monkeypatch: pytest.MonkeyPatch) -> Iterator["Project"]:
        project = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                function = self.path.removeprefix("/rest/v1/rpc/")
                project.calls.append((function, self.headers["apikey"], json.loads(body)))
                content = json.dumps(project.answers[function]).encode()
                self.send_response(project.status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *arguments: Any) -> None:
                """Say nothing."""

        server = HTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        monkeypatch.setenv("SUPABASE_URL", f"http://127.0.0.1:{server.server_port}")
        monkeypatch.setenv("SUPABASE_SERVICE_ROLE_KEY", KEY)
        try:
            yield self
        finally:
            server.shutdown()
            thread.join()
            server.server_close()


def test_a_signal_is_explained_line_by_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with Project({"explain_signal": STORY}).listening(monkeypatch) as project:
        assert main(["explain", SIGNAL]) == 0
    assert project.calls == [("explain_signal", KEY, {"p_signal_id": SIGNAL})]
    assert capsys.readouterr().out.splitlines() == [
        f"{SIGNAL}  buy BTCUSDT on aster (production)  done",
        "  no code: Bought 0.5 BTCUSDT.",
        "  times:",
        "    received 2026-11-22T10:00:00+00:00",
        "    claimed 12 ms later",
        "    finished 1000 ms later",
        "  checks:",
        "    ok max_trades_per_day: 2 (limit 5)",
        "    NO enabled: false",
        "  plan:",
        "    order 1: open buy 0.5 BTCUSDT limit limit_price 27000",
        "    exit 3: stop_loss at percent 2, of 100%",
        "    Cut to the limit.",
        "  order 1:",
        "    filled: open buy 0.5 BTCUSDT limit limit_price 27000, SPABC",
        "    filled 0.5 at 26990, fee 0.1, 2026-11-22T10:00:01+00:00",
        "  audit:",
        "    2026-11-22T10:00:01 worker/w1 signal.finished {}",
    ]


def test_a_signal_that_is_not_there_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with Project({"explain_signal": None}).listening(monkeypatch):
        assert main(["explain", SIGNAL]) == 1
    assert capsys.readouterr().out == f"There is no signal {SIGNAL}.\n"


def test_what_waits_for_a_review_is_listed_with_what_to_do(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    waiting = HEADING | {"review_since": "2026-11-22", "reason": "Nobody knows.", "held_back": 2}
    with Project({"review_signals": [waiting | {"orders": [ORDER]}]}).listening(monkeypatch):
        assert main(["signals", "review"]) == 0
        shown = capsys.readouterr().out
        assert main(["signals", "review", "--json"]) == 0
        assert json.loads(capsys.readouterr().out)[0]["signal_id"] == SIGNAL
    assert "Nobody knows." in shown
    assert "entries that wait for it: 2" in shown
    assert "SPABC" in shown
    assert "sparky signals settle" in shown


def test_no_review_is_a_line_too(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with Project({"review_signals": []}).listening(monkeypatch):
        assert main(["signals", "review"]) == 0
    assert capsys.readouterr().out == "No signal is under review.\n"


@pytest.mark.parametrize(
    ("said", "verdict", "fills"),
    [
        (["--not-executed"], "not_executed", []),
        (
            ["--fill", "1:0.50@27000.1", "--fill", "2:3@1"],
            "executed",
            [
                {"leg": 1, "quantity": "0.50", "price": "27000.1"},
                {"leg": 2, "quantity": "3", "price": "1"},
            ],
        ),
    ],
)
def test_a_verdict_reaches_the_database_as_it_was_said(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    said: list[str],
    verdict: str,
    fills: list[dict[str, Any]],
) -> None:
    answer = {"signal_id": SIGNAL, "status": "done", "reason": "Settled."}
    with Project({"settle_signal": answer}).listening(monkeypatch) as project:
        assert main(["signals", "settle", SIGNAL, "--operator", "ada", "--note", "Seen.", *said]) == 0
    expected = {"p_signal_id": SIGNAL, "p_verdict": verdict, "p_operator": "ada", "p_note": "Seen."}
    assert project.calls == [("settle_signal", KEY, expected | {"p_fills": fills})]
    assert capsys.readouterr().out == "done: Settled.\n"


def test_a_refusal_of_the_database_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    refusal = {"code": "22023", "message": "no signal of this id waits for a review"}
    with Project({"settle_signal": refusal}, status=400).listening(monkeypatch):
        given = ["signals", "settle", SIGNAL, "--operator", "a", "--note", "n", "--not-executed"]
        assert main(given) == 2
    shown = capsys.readouterr().err
    assert "no signal of this id waits for a review" in shown
    assert KEY not in shown


@pytest.mark.parametrize("said", [[], ["--not-executed", "--fill", "1:1@1"]])
def test_a_verdict_is_one_or_the_other(said: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["signals", "settle", SIGNAL, "--operator", "a", "--note", "n", *said]) == 2
    assert "say either --fill" in capsys.readouterr().err


@pytest.mark.parametrize("fill", ["1", "1:1", "1:0@1", "1:1@-1", "1:NaN@1", "x:1@1", "1:1@Infinity"])
def test_a_fill_that_makes_no_sense_is_refused(fill: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["signals", "settle", SIGNAL, "--operator", "a", "--note", "n", "--fill", fill])
    assert "LEG:QUANTITY@PRICE" in capsys.readouterr().err


@pytest.mark.parametrize("missing", ["SUPABASE_URL", "SUPABASE_SERVICE_ROLE_KEY"])
def test_without_a_login_the_variable_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], missing: str
) -> None:
    monkeypatch.setenv("SUPABASE_URL", "https://example.supabase.co")
    monkeypatch.setenv("SUPABASE_SERVICE_ROLE_KEY", KEY)
    monkeypatch.delenv(missing)
    assert main(["signals", "review"]) == 2
    assert f"{missing} is not set" in capsys.readouterr().err
