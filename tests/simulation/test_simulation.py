"""Schedules of everything that may go wrong end as they should, and a guard that is taken away is missed."""

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest

from tests.simulation.faults import Fault
from tests.simulation.guards import Guard
from tests.simulation.mutations import look_for
from tests.simulation.world import Report, simulate

_SEEDS = 300
_MOST_SEEDS_TO_NOTICE = 600


@pytest.fixture(scope="module")
def pool() -> Iterator[ProcessPoolExecutor]:
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as workers:
        yield workers


@pytest.fixture(scope="module")
def reports(pool: ProcessPoolExecutor) -> list[Report]:
    return list(pool.map(simulate, range(_SEEDS), chunksize=10))


@pytest.mark.timeout(300)
def test_no_schedule_loses_doubles_or_disorders_anything(reports: list[Report]) -> None:
    failed = {one.seed: one.violations for one in reports if one.violations}
    assert failed == {}, f"replay one with: make sim SEED={min(failed)} SEEDS=1"


def test_every_kind_of_fault_was_there(reports: list[Report]) -> None:
    struck = {kind for one in reports for kind, times in one.faults.items() if times}
    assert struck == set(Fault)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("guard", Guard)
def test_a_guard_that_is_taken_away_is_missed(guard: Guard) -> None:
    caught = look_for(guard, _MOST_SEEDS_TO_NOTICE)
    assert caught.seed is not None


def test_a_seed_replays_exactly_also_in_a_process_that_hashes_otherwise() -> None:
    here = simulate(7)
    assert simulate(7).events == here.events
    command = [sys.executable, "-m", "tests.simulation.run", "--first", "7", "--seeds", "1"]
    replayed = subprocess.run(
        command, env=os.environ | {"PYTHONHASHSEED": "12345"}, capture_output=True, text=True, check=True
    )
    lines = replayed.stdout.splitlines()
    assert tuple(lines[: len(here.events)]) == here.events
