"""The database of the simulation answers and stores as the SQL functions do, call by call."""

from collections.abc import Sequence
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.database.twin_calls import Calls
from tests.database.twins import LIMITS, Twins, set_limits
from tests.database.world import Trader, World

_STEPS = 60


@pytest.fixture(scope="module")
def traders(shared: World) -> Sequence[Trader]:
    traders = [shared.trader() for _ in LIMITS]
    set_limits(shared, traders)
    return traders


def run(twins: Twins, random: Random, steps: int) -> None:
    calls = Calls(twins, random)
    for _ in range(steps):
        calls.step()
    twins.compare_rows()


@pytest.mark.parametrize("seed", range(15))
def test_a_fleet_of_workers_finds_both_the_same(shared: World, traders: Sequence[Trader], seed: int) -> None:
    run(Twins(shared, traders), Random(seed), _STEPS)  # noqa: S311 - it has to replay


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.randoms(use_true_random=False), st.integers(1, 30))
def test_any_sequence_of_calls_finds_both_the_same(
    shared: World, traders: Sequence[Trader], random: Random, steps: int
) -> None:
    run(Twins(shared, traders), random, steps)
