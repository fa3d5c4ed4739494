"""The exchange's days, against its published calendar and what the `holidays` package 0.109 computes."""

from datetime import date, time

import pytest

from sparky.domain.market_calendar import session_of

HOLIDAYS = {
    2024: "0101 0115 0219 0329 0527 0619 0704 0902 1128 1225",
    2025: "0101 0109 0120 0217 0418 0526 0619 0704 0901 1127 1225",
    2026: "0101 0119 0216 0403 0525 0619 0703 0907 1126 1225",
    2027: "0101 0118 0215 0326 0531 0618 0705 0906 1125 1224",
    2028: "0117 0221 0414 0529 0619 0704 0904 1123 1225",
    2029: "0101 0115 0219 0330 0528 0619 0704 0903 1122 1225",
    2030: "0101 0121 0218 0419 0527 0619 0704 0902 1128 1225",
    2033: "0117 0221 0415 0530 0620 0704 0905 1124 1226",
    2034: "0102 0116 0220 0407 0529 0619 0704 0904 1123 1225",
}
HALF_DAYS = {
    2024: "0703 1129 1224",
    2025: "0703 1128 1224",
    2026: "1127 1224",
    2027: "1126",
    2028: "0703 1124",
    2029: "0703 1123 1224",
    2030: "0703 1129 1224",
    2033: "1125",
    2034: "0703 1124",
}


def days_of(year: int) -> list[date]:
    return [
        date.fromordinal(day)
        for day in range(date(year, 1, 1).toordinal(), date(year, 12, 31).toordinal() + 1)
    ]


@pytest.mark.parametrize("year", HOLIDAYS)
def test_the_exchange_is_closed_on_weekends_and_its_holidays_alone(year: int) -> None:
    closed = [f"{day:%m%d}" for day in days_of(year) if day.weekday() < 5 and session_of(day) is None]
    assert closed == HOLIDAYS[year].split()
    assert not any(session_of(day) for day in days_of(year) if day.weekday() >= 5)


@pytest.mark.parametrize("year", HALF_DAYS)
def test_the_exchange_closes_at_one_on_half_days_alone(year: int) -> None:
    sessions = {day: session_of(day) for day in days_of(year)}
    early = [f"{day:%m%d}" for day, session in sessions.items() if session and session.closes == time(13)]
    assert early == HALF_DAYS[year].split()
