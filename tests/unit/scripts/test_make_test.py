"""`make test` runs pytest twice, and fails where either run fails."""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PYTEST = """#!/bin/sh
echo "$*" >> "{folder}/runs"
case "$*" in
  "-m alone") exit {alone} ;;
  *) exit {shared} ;;
esac
"""


def make(folder: Path, *words: str, shared: int = 0, alone: int = 0) -> tuple[int, list[str], str]:
    """Run `make test` with a pytest that only notes how it was called; return exit code, calls and errors."""
    stand_in = folder / "pytest"
    stand_in.write_text(PYTEST.format(folder=folder, shared=shared, alone=alone), "utf-8")
    stand_in.chmod(0o755)
    # These tests may themselves have been started by `make test ARGS=...`.
    env = {name: value for name, value in os.environ.items() if name not in {"ARGS", "MAKEFLAGS", "MFLAGS"}}
    finished = subprocess.run(
        ["make", "--old-file", ".venv/.ready", "test", f"BIN={folder}", "FUNCTIONS=", *words],  # noqa: S607
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    return finished.returncode, (folder / "runs").read_text("utf-8").splitlines(), finished.stderr


@pytest.mark.parametrize(("shared", "alone"), [(0, 0), (1, 0), (0, 1), (2, 1)])
def test_both_runs_happen_and_either_failure_fails(tmp_path: Path, shared: int, alone: int) -> None:
    code, runs, errors = make(tmp_path, shared=shared, alone=alone)
    assert (code == 0) is (shared == alone == 0)
    [first, second] = runs
    assert first.endswith("-m not alone tests/unit tests/venues tests/database")
    assert second == "-m alone"
    assert ("the first of the two runs of pytest failed" in errors) is (shared != 0)


def test_options_go_to_one_pytest(tmp_path: Path) -> None:
    code, runs, _ = make(tmp_path, 'ARGS=tests/unit -k "one or two"', alone=1)
    assert (code, runs) == (0, ["tests/unit -k one or two"])
