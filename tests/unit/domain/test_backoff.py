import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparky.domain.backoff import Backoff

BACKOFF = Backoff(first=0.5, longest=30, factor=2, jitter=0.5)


def test_without_jitter_the_delay_doubles_up_to_the_longest() -> None:
    steady = Backoff(first=0.5, longest=30, jitter=0)
    delays = [steady.delay(failures, lambda: 0.9) for failures in range(1, 9)]
    assert delays == [0.5, 1, 2, 4, 8, 16, 30, 30]


@pytest.mark.timeout(3)
def test_a_very_long_outage_costs_nothing_to_compute() -> None:
    assert Backoff(first=1, longest=30, factor=3, jitter=0).delay(10**9, lambda: 0) == 30


@given(st.integers(min_value=0, max_value=10**9), st.floats(min_value=0, max_value=1, exclude_max=True))
def test_the_delay_is_drawn_between_its_half_and_itself(failures: int, drawn: float) -> None:
    delay = BACKOFF.delay(failures, lambda: drawn)
    whole = Backoff(first=0.5, longest=30, jitter=0).delay(failures, lambda: drawn)
    assert whole / 2 <= delay <= whole <= 30


@pytest.mark.parametrize(
    ("first", "longest", "factor", "jitter"),
    [(0, 1, 2, 0), (2, 1, 2, 0), (1, 2, 0.5, 0), (1, 2, 2, 1.5), (1, 2, 2, -0.1)],
)
def test_a_backoff_that_makes_no_sense_is_refused(
    first: float, longest: float, factor: float, jitter: float
) -> None:
    with pytest.raises(ValueError, match="must be"):
        Backoff(first=first, longest=longest, factor=factor, jitter=jitter)
