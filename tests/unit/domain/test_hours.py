"""Trading hours by the clock of New York. Moments are written as New York shows them unless they end in Z."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparky.domain.asset_kind import AssetKind
from sparky.domain.hours import closed_now, is_extended
from sparky.domain.market_calendar import NEW_YORK
from sparky.domain.work_order import WorkOrder
from tests.unit.domain.work_orders import work_order

PRESETS = ["24/7", "24/5", "forex-hours", "market-hours", "custom"]


def rows(*presets: str, begins: str = "00:00", ends: str = "23:59") -> list[dict[str, str]]:
    sources = ["global", "aster", "paper", "oanda"]
    return [
        {"source": source, "preset": preset, "begins": begins, "ends": ends}
        for source, preset in zip(sources, presets, strict=False)
    ]


def order_with(*presets: str, weekends: bool = True, begins: str = "00:00", ends: str = "23:59") -> WorkOrder:
    hours = rows(*presets, begins=begins, ends=ends)
    return work_order(settings={"hours": hours, "allow_weekends": weekends})


def at(text: str) -> datetime:
    if text.endswith("Z"):
        return datetime.fromisoformat(text.removesuffix("Z")).replace(tzinfo=UTC)
    return datetime.fromisoformat(text).replace(tzinfo=NEW_YORK)


def reason(order: WorkOrder, kind: AssetKind, text: str) -> str | None:
    rejection = closed_now(order, kind, at(text))
    if rejection is None:
        return None
    assert rejection.reason.endswith(".")
    return rejection.reason_code.value


OUTSIDE = "outside_trading_window"


@pytest.mark.parametrize("preset", ["24/5", "forex-hours"])
@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        ("2026-03-06 16:59:59", None),
        ("2026-03-06 17:00", OUTSIDE),
        ("2026-03-07 12:00", OUTSIDE),
        ("2026-03-08 16:59:59", OUTSIDE),
        ("2026-03-08 17:00", None),
        ("2026-03-09 00:00", None),
        # In winter Friday 17:00 in New York is 22:00 in Greenwich, in summer 21:00.
        ("2026-03-06 21:59:59Z", None),
        ("2026-03-06 22:00:00Z", OUTSIDE),
        ("2026-03-08 20:59:59Z", OUTSIDE),
        ("2026-03-08 21:00:00Z", None),
        ("2026-03-13 20:59:59Z", None),
        ("2026-03-13 21:00:00Z", OUTSIDE),
        ("2026-10-30 20:59:59Z", None),
        ("2026-11-01 21:59:59Z", OUTSIDE),
        ("2026-11-01 22:00:00Z", None),
    ],
)
def test_the_week_is_from_sunday_to_friday_five_o_clock(
    preset: str, moment: str, expected: str | None
) -> None:
    assert reason(order_with(preset), AssetKind.FOREX, moment) == expected


@pytest.mark.parametrize(
    ("moment", "regular", "extended"),
    [
        ("2026-03-04 06:59:59", OUTSIDE, OUTSIDE),
        ("2026-03-04 07:00", OUTSIDE, None),
        ("2026-03-04 09:29:59", OUTSIDE, None),
        ("2026-03-04 09:30", None, None),
        ("2026-03-04 15:59:59", None, None),
        ("2026-03-04 16:00", OUTSIDE, None),
        ("2026-03-04 19:59:59", OUTSIDE, None),
        ("2026-03-04 20:00", OUTSIDE, OUTSIDE),
        ("2026-03-07 12:00", OUTSIDE, OUTSIDE),
        ("2026-04-03 12:00", OUTSIDE, OUTSIDE),
        ("2026-11-27 12:59:59", None, None),
        ("2026-11-27 13:00", OUTSIDE, None),
        ("2026-11-27 17:00", OUTSIDE, OUTSIDE),
    ],
)
def test_market_hours_are_those_of_the_exchange_and_extended_with_weekends(
    moment: str, regular: str | None, extended: str | None
) -> None:
    assert reason(order_with("market-hours", weekends=False), AssetKind.SHARES, moment) == regular
    assert reason(order_with("market-hours"), AssetKind.SHARES, moment) == extended
    assert reason(order_with("market-hours"), AssetKind.OPTIONS, moment) == extended
    assert reason(order_with("market-hours"), AssetKind.CRYPTO, moment) == regular


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        ("2026-03-04 08:00", True),
        ("2026-03-04 09:30", False),
        ("2026-03-04 15:59", False),
        ("2026-03-04 16:00", True),
        ("2026-03-04 20:00", False),
        ("2026-03-04 06:00", False),
        ("2026-11-27 14:00", True),
        ("2026-11-27 17:30", False),
        ("2026-03-07 08:00", False),
    ],
)
def test_only_shares_and_options_around_the_session_are_sent_as_extended(
    moment: str, *, expected: bool
) -> None:
    here = at(moment)
    assert is_extended(order_with("market-hours"), AssetKind.SHARES, here) is expected
    assert is_extended(order_with("24/7", "market-hours"), AssetKind.OPTIONS, here) is expected
    assert not is_extended(order_with("market-hours"), AssetKind.CRYPTO, here)
    assert not is_extended(order_with("market-hours", weekends=False), AssetKind.SHARES, here)
    assert not is_extended(order_with("24/7"), AssetKind.SHARES, here)


@pytest.mark.parametrize(
    ("begins", "ends", "opened", "closed"),
    [
        ("09:00", "17:00", ["09:00", "16:59:59"], ["08:59:59", "17:00", "00:00"]),
        ("22:00", "06:00", ["22:00", "23:59:59", "00:00", "05:59:59"], ["06:00", "12:00", "21:59:59"]),
        ("00:00", "23:59", ["00:00", "12:00", "23:59:59"], []),
        ("18:00", "23:59", ["18:00", "23:59:59"], ["17:59:59", "00:00"]),
        ("08:00", "08:00", ["08:00", "07:59", "20:00"], []),
    ],
)
def test_a_custom_window_may_cross_midnight(
    begins: str, ends: str, opened: list[str], closed: list[str]
) -> None:
    order = order_with("whatever", begins=begins, ends=ends)
    for moment in opened:
        assert reason(order, AssetKind.CRYPTO, f"2026-03-04 {moment}") is None, moment
    for moment in closed:
        assert reason(order, AssetKind.CRYPTO, f"2026-03-04 {moment}") == OUTSIDE, moment


def test_every_row_has_to_allow() -> None:
    assert reason(order_with("24/7", "24/5"), AssetKind.CRYPTO, "2026-03-07 12:00") == OUTSIDE
    assert reason(order_with("24/5", "24/7"), AssetKind.CRYPTO, "2026-03-07 12:00") == OUTSIDE
    assert reason(order_with("24/7", "24/7"), AssetKind.CRYPTO, "2026-03-07 12:00") is None


def test_settings_without_rows_allow_always() -> None:
    assert reason(order_with(), AssetKind.CRYPTO, "2026-03-07 12:00") is None


@pytest.mark.parametrize("kind", [AssetKind.CRYPTO, AssetKind.FOREX])
@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        ("2026-03-06 23:59:59", None),
        ("2026-03-07 00:00", "weekend"),
        ("2026-03-08 23:59:59", "weekend"),
        ("2026-03-09 00:00", None),
        # Still Friday in New York, and already Saturday in Greenwich.
        ("2026-03-07 04:59:59Z", None),
        ("2026-03-07 05:00:00Z", "weekend"),
    ],
)
def test_weekends_are_new_yorks(kind: AssetKind, moment: str, expected: str | None) -> None:
    assert reason(order_with("24/7", weekends=False), kind, moment) == expected
    assert reason(order_with("24/7"), kind, moment) is None


def test_shares_do_not_pause_on_weekends_by_that_setting() -> None:
    assert reason(order_with("24/7", weekends=False), AssetKind.SHARES, "2026-03-07 12:00") is None


@pytest.mark.parametrize(
    ("order", "moment", "words"),
    [
        (
            order_with("24/7", "24/5"),
            "2026-03-07 10:15",
            ["Saturday 10:15", "for aster", "Sunday 17:00 to Friday 17:00", "trading_hours_preset 24/5"],
        ),
        (
            order_with("market-hours", weekends=False),
            "2026-03-04 17:05",
            ["Wednesday 17:05", "all exchanges", "09:30 to 16:00 New York time today"],
        ),
        (
            order_with("market-hours", weekends=False),
            "2026-12-25 12:00",
            ["Friday 12:00", "09:30 to 16:00", "today it does not"],
        ),
        (
            order_with("night", begins="22:00", ends="04:00"),
            "2026-03-04 12:00",
            ["22:00 to 04:00 New York time (trading_window)"],
        ),
        (order_with("24/7", weekends=False), "2026-03-08 18:00", ["Sunday 18:00", "allow_weekends is false"]),
    ],
)
def test_the_trader_is_told_the_setting_the_time_and_the_hours(
    order: WorkOrder, moment: str, words: list[str]
) -> None:
    rejection = closed_now(order, AssetKind.CRYPTO, at(moment))
    assert rejection is not None
    for word in words:
        assert word in rejection.reason


MINUTES = st.integers(0, 7 * 366 * 24 * 60).map(
    lambda minute: datetime(2024, 1, 1, tzinfo=UTC) + timedelta(minutes=minute)
)
TIMES = st.tuples(st.integers(0, 23), st.integers(0, 59)).map(lambda pair: f"{pair[0]:02}:{pair[1]:02}")


@given(
    moment=MINUTES,
    preset=st.sampled_from(PRESETS),
    begins=TIMES,
    ends=TIMES,
    weekends=st.booleans(),
    kind=st.sampled_from(list(AssetKind)),
)
def test_any_minute_is_open_or_closed_with_a_reason_whatever_zone_it_is_written_in(
    moment: datetime, preset: str, begins: str, ends: str, *, weekends: bool, kind: AssetKind
) -> None:
    order = order_with(preset, weekends=weekends, begins=begins, ends=ends)
    found = closed_now(order, kind, moment)
    assert closed_now(order, kind, moment.astimezone(NEW_YORK)) == found
    if is_extended(order, kind, moment):
        assert found is None


@given(day=st.integers(0, 7 * 365), begins=TIMES, ends=TIMES)
def test_a_window_and_its_complement_share_the_day(day: int, begins: str, ends: str) -> None:
    """Also on the days on which a local hour is missing or there twice."""
    there = order_with("custom", begins=begins, ends=ends)
    back = order_with("custom", begins=ends, ends=begins)
    whole = begins == ends or "23:59" in {begins, ends}
    start = datetime(2024, 1, 1, 5, tzinfo=UTC) + timedelta(days=day)
    for minute in range(0, 24 * 60, 13):
        now = start + timedelta(minutes=minute)
        answers = [closed_now(order, AssetKind.CRYPTO, now) is None for order in (there, back)]
        assert whole or answers[0] != answers[1]


@pytest.mark.parametrize("preset", ["24/5", "market-hours", "custom"])
@pytest.mark.parametrize("changes_on", ["2026-03-08", "2026-11-01", "2027-03-14", "2029-11-04"])
def test_around_a_change_of_the_clock_the_hours_stay_those_on_the_wall(preset: str, changes_on: str) -> None:
    """Each answer depends on weekday and wall clock alone, so the week before is like the week after."""
    order = order_with(preset, weekends=False, begins="01:30", ends="20:00")
    first = (at(f"{changes_on} 00:00") - timedelta(days=7)).astimezone(UTC)
    walls: dict[tuple[int, int, int], set[bool]] = {}
    for quarter in range(14 * 24 * 4):
        wall = (first + timedelta(minutes=15 * quarter)).astimezone(NEW_YORK)
        answer = closed_now(order, AssetKind.SHARES, wall) is None
        walls.setdefault((wall.weekday(), wall.hour, wall.minute), set()).add(answer)
    assert all(len(answers) == 1 for answers in walls.values())


def test_the_end_of_the_week_is_where_the_clock_says_so_all_year() -> None:
    order = order_with("24/5")
    hours = [datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=hour) for hour in range(365 * 24)]
    states = [(hour, closed_now(order, AssetKind.FOREX, hour) is None) for hour in hours]
    turns = {
        f"{later.astimezone(NEW_YORK):%A %H:%M}"
        for (_, before), (later, after) in pairwise(states)
        if before != after
    }
    assert turns == {"Friday 17:00", "Sunday 17:00"}
