"""Prepared evidence, and the verdict on it."""

import io
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from rich.console import Console

from scripts.demo.cli import conclude
from scripts.demo.evidence import Evidence
from scripts.demo.view import View
from tests.integration.demo.prepared import SCENARIO, good_evidence


@dataclass(frozen=True)
class Verdict:
    code: int
    text: str


@pytest.fixture
def evidence() -> Evidence:
    return good_evidence()


@pytest.fixture
def judge() -> Callable[[Evidence], Verdict]:
    """Return what ends the demo: it prints, and gives the exit code."""

    def verdict(evidence: Evidence) -> Verdict:
        output = io.StringIO()
        view = View(Console(file=output, width=120), live=False)
        return Verdict(conclude(view, SCENARIO, evidence), output.getvalue())

    return verdict
