"""The demo itself, as `make demo` runs it."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.demo.scenario import SCENARIO
from scripts.local_stack.account import outside_folder
from scripts.local_stack.stack import Stack
from scripts.testbed.backend import Backend

SECONDS = 110


def _start(repository: Path, data: Path, *options: str, worker_token: str = "") -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "scripts.demo", "--plain", "--data", str(data), *options],
        cwd=repository,
        env=os.environ | {"COLUMNS": "120", "SPARKY_WORKER_TOKEN": worker_token},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "demo"


def _processes_of(data: Path) -> list[str]:
    # Started by root, the stack keeps its cluster elsewhere.
    folders = (str(data).encode(), str(outside_folder(data)).encode())
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            text = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
        except (OSError, ValueError):
            continue  # it has ended, or is somebody else's
        if any(folder in text for folder in folders):
            found.append(entry.name)
    return found


@pytest.mark.timeout(SECONDS + 20)
def test_the_demo_shows_that_nothing_is_lost_or_doubled(repository: Path, data: Path) -> None:
    process = _start(repository, data)
    output, errors = process.communicate(timeout=SECONDS)
    assert process.returncode == 0, output + errors
    numbers = dict(
        re.findall(r"^(alerts sent|accepted|duplicates|refused|lost|doubled) +(\d+)\b", output, re.MULTILINE)
    )
    copies = sum(alert.copies for alert in SCENARIO.alerts)
    assert numbers == {
        "alerts sent": str(copies),
        "accepted": "66",
        "duplicates": "2",
        "refused": "5",
        "lost": "0",
        "doubled": "0",
    }
    assert "✗" not in output
    assert re.search(r"SIGKILL for worker 1: it held \d+ signals with ([89]|1\d) orders in flight", output)
    assert re.search(r"POST to acknowledged: p50 \d+ ms, p95 \d+ ms over 33 signals", output)
    assert "Ada, signed in anew, sees 57 signals, 62 orders, 62 fills, 7 positions, 28 trades." in output
    assert _processes_of(data) == []
    assert not outside_folder(data).exists()
    assert sorted(path.name for path in data.iterdir()) == [".sparky-stack", "logs"]


@pytest.mark.timeout(SECONDS + 20)
def test_the_demo_runs_on_any_other_supabase(repository: Path, data: Path, tmp_path: Path) -> None:
    with Stack(tmp_path / "elsewhere", throwaway=True) as elsewhere:
        token = Backend.of_stack(elsewhere).worker_token
        process = _start(
            repository, data, "--url", elsewhere.url, "--key", elsewhere.secret_key, worker_token=token
        )
        output, errors = process.communicate(timeout=SECONDS)
    assert process.returncode == 0, output + errors
    assert re.search(r"^lost +0\b", output, re.MULTILINE)
    assert re.search(r"^doubled +0\b", output, re.MULTILINE)
    # Without SQL it says what it could not see.
    assert "not checked: orders that arrived twice" in output


@pytest.fixture
def running(repository: Path, data: Path) -> Iterator["subprocess.Popen[str]"]:
    process = _start(repository, data)
    yield process
    if process.poll() is None:
        process.kill()
    process.communicate()


@pytest.mark.timeout(90)
@pytest.mark.parametrize(
    ("number", "after"),
    [(signal.SIGINT, "Starting worker 1"), (signal.SIGINT, "1 of 7"), (signal.SIGTERM, "1 of 7")],
)
def test_an_interrupted_demo_leaves_no_process(
    running: "subprocess.Popen[str]", data: Path, number: signal.Signals, after: str
) -> None:
    assert running.stdout is not None
    assert any(after in line for line in running.stdout), running.communicate()
    running.send_signal(number)
    output, errors = running.communicate(timeout=60)
    assert running.returncode == 130, output + errors
    assert "Traceback" not in output + errors
    assert _processes_of(data) == []


@pytest.mark.timeout(60)
def test_a_failing_step_is_told_in_a_sentence_and_traced_in_the_log(repository: Path, data: Path) -> None:
    process = _start(
        repository,
        data,
        *("--url", "http://127.0.0.1:9", "--key", "sb_secret_nobody_has_this_key"),
        worker_token="a.worker.token",
    )
    output, errors = process.communicate(timeout=50)
    assert process.returncode == 2
    assert "The demo failed while it was at" in output
    assert "Traceback" not in output + errors
    log = (data / "logs" / "demo.log").read_text()
    assert "Traceback" in log
    assert "sb_secret_nobody_has_this_key" not in log + output + errors


def test_another_supabase_without_a_login_for_the_worker_is_refused(repository: Path, data: Path) -> None:
    process = _start(repository, data, "--url", "http://127.0.0.1:9", "--key", "sb_secret_x")
    output, errors = process.communicate(timeout=50)
    assert process.returncode == 2
    assert "SPARKY_WORKER_TOKEN is not set" in " ".join(output.split())
    assert "Traceback" not in output + errors


def test_a_folder_of_somebody_else_is_left_alone(repository: Path, data: Path) -> None:
    data.mkdir()
    (data / "letter.txt").write_text("dear reader")
    process = _start(repository, data)
    output, errors = process.communicate(timeout=50)
    assert process.returncode == 2
    assert "was not made by this stack" in " ".join(output.split())
    assert "Traceback" not in output + errors
    assert (data / "letter.txt").read_text() == "dear reader"
    assert [path.name for path in data.iterdir()] == ["letter.txt"]
