"""When US shares and options trade: the days and sessions of the New York Stock Exchange.

The rules are those of NYSE Rule 7.2 and of its calendar (https://www.nyse.com/markets/hours-calendars): a
holiday on a Saturday is kept on the Friday before, unless that is the last day of a month or year, and one
on a Sunday on the Monday after. Closings that are decreed, such as for a day of mourning, follow no rule
and are listed; the ones to come are told by the venues, which refuse orders on a day without trading.
"""

from dataclasses import dataclass
from datetime import date, time, timedelta
from functools import cache
from typing import Final
from zoneinfo import ZoneInfo

NEW_YORK: Final = ZoneInfo("America/New_York")

_DECREED: Final = frozenset({date(2025, 1, 9)})
_FIRST_JUNETEENTH: Final = 2022
_SATURDAY, _SUNDAY = 5, 6
_MONDAY, _THURSDAY = 0, 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One day's trading by New York time: regular from `opens` to `closes`, extended around that."""

    opens: time = time(9, 30)
    closes: time = time(16)
    extended_from: time = time(7)
    extended_until: time = time(20)


_WHOLE_DAY: Final = Session()
_HALF_DAY: Final = Session(closes=time(13), extended_until=time(17))


def session_of(day: date) -> Session | None:
    """Return the session of a day in New York; None when the exchange is closed all day."""
    if day.weekday() >= _SATURDAY or day in _holidays(day.year) or day in _DECREED:
        return None
    return _HALF_DAY if _closes_early(day) else _WHOLE_DAY


def _closes_early(day: date) -> bool:
    """The eves of Independence Day and Christmas, and the day after Thanksgiving, where they are sessions."""
    after_thanksgiving = _nth(day.year, 11, _THURSDAY, 4) + timedelta(days=1)
    # On Monday the 3rd the 4th is a Tuesday; a 3rd before an observed holiday is none, or a weekend.
    eve_of_fourth = (day.month, day.day) == (7, 3) and day.weekday() <= _THURSDAY
    return day == after_thanksgiving or eve_of_fourth or (day.month, day.day) == (12, 24)


@cache
def _holidays(year: int) -> frozenset[date]:
    # A New Year's Day on a Saturday is kept on no day: the Friday before ends another year, and is a session.
    fixed = [date(year, 1, 1), date(year, 7, 4), date(year, 12, 25)]
    if year >= _FIRST_JUNETEENTH:
        fixed.append(date(year, 6, 19))
    return frozenset(
        {_observed(day) for day in fixed}
        | {
            _nth(year, 1, _MONDAY, 3),
            _nth(year, 2, _MONDAY, 3),
            _easter(year) - timedelta(days=2),
            _last_monday(year, 5),
            _nth(year, 9, _MONDAY, 1),
            _nth(year, 11, _THURSDAY, 4),
        }
    )


def _observed(day: date) -> date:
    if day.weekday() == _SATURDAY:
        return day - timedelta(days=1)
    return day + timedelta(days=1) if day.weekday() == _SUNDAY else day


def _nth(year: int, month: int, weekday: int, count: int) -> date:
    first = date(year, month, 1)
    return first + timedelta(days=(weekday - first.weekday()) % 7 + 7 * (count - 1))


def _last_monday(year: int, month: int) -> date:
    last = date(year, month + 1, 1) - timedelta(days=1)
    return last - timedelta(days=last.weekday())


def _easter(year: int) -> date:
    """Easter Sunday by the anonymous Gregorian computus (Meeus, Astronomical Algorithms, chapter 8)."""
    a, (b, c) = year % 19, divmod(year, 100)
    d, e = divmod(b, 4)
    f = (b + 8) // 25
    g = (b - f + 1) // 3
    h = (19 * a + b - d - g + 15) % 30
    i, k = divmod(c, 4)
    m = (32 + 2 * e + 2 * i - h - k) % 7
    n = (a + 11 * h + 22 * m) // 451
    month, day = divmod(h + m - 7 * n + 114, 31)
    return date(year, month, day + 1)
