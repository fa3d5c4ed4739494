"""When a trader lets entries happen, all of it by the clock of New York.

Every row of settings has to allow: the one for all exchanges and the exchange's own. A custom window begins
with its first minute and ends before its last one begins, except that 23:59 is the end of the day; one that
ends before it begins crosses midnight, and one that begins when it ends is the whole day.
"""

from datetime import datetime, time
from typing import Final

from sparky.domain.asset_kind import AssetKind
from sparky.domain.market_calendar import NEW_YORK, Session, session_of
from sparky.domain.plan import Rejection
from sparky.domain.reasons import Reason
from sparky.domain.trade_settings import TradingHours
from sparky.domain.work_order import WorkOrder

_ALWAYS: Final = "24/7"
_WEEK: Final = frozenset({"24/5", "forex-hours"})
_MARKET: Final = "market-hours"
_FRIDAY, _SATURDAY, _SUNDAY = 4, 5, 6
_WEEK_TURNS: Final = time(17)
_LAST_MINUTE: Final = time(23, 59)
_PAUSE_ON_WEEKENDS: Final = frozenset({AssetKind.CRYPTO, AssetKind.FOREX})
_HAVE_EXTENDED: Final = frozenset({AssetKind.SHARES, AssetKind.OPTIONS})


def closed_now(order: WorkOrder, kind: AssetKind, now: datetime) -> Rejection | None:
    """Return why no entry is allowed at this moment; None when one is.

    `now` is aware. `allow_weekends` means weekends for crypto and forex, and extended hours for shares and
    options under the preset market-hours.
    """
    here = now.astimezone(NEW_YORK)
    settings = order.settings
    extended = settings.allow_weekends and kind in _HAVE_EXTENDED
    for hours in settings.hours:
        if not _open(hours, here, extended=extended):
            return _outside(hours, here, extended=extended)
    if not settings.allow_weekends and kind in _PAUSE_ON_WEEKENDS and here.weekday() >= _SATURDAY:
        return Rejection(
            Reason.WEEKEND,
            f"It is {_moment(here)} in New York, and the setting allow_weekends is false, so no {kind} "
            f"position is opened on a Saturday or Sunday: send the alert again on Monday, or switch "
            f"allow_weekends on.",
        )
    return None


def in_session(now: datetime) -> bool:
    """Tell whether US shares and options trade in their regular hours at this moment."""
    here = now.astimezone(NEW_YORK)
    session = session_of(here.date())
    return session is not None and _in_session(session, here.time(), extended=False)


def is_extended(order: WorkOrder, kind: AssetKind, now: datetime) -> bool:
    """Tell whether an entry at this moment is one for extended hours, which the venue has to be told.

    So it is for shares and options under the preset market-hours with `allow_weekends`, before 09:30 and
    after the close of a day on which the exchange trades.
    """
    asked = any(hours.preset == _MARKET for hours in order.settings.hours)
    if not (asked and order.settings.allow_weekends and kind in _HAVE_EXTENDED):
        return False
    here = now.astimezone(NEW_YORK)
    session = session_of(here.date())
    if session is None or session.opens <= here.time() < session.closes:
        return False
    return session.extended_from <= here.time() < session.extended_until


def _open(hours: TradingHours, here: datetime, *, extended: bool) -> bool:
    if hours.preset == _ALWAYS:
        return True
    if hours.preset in _WEEK:
        return _in_week(here)
    if hours.preset == _MARKET:
        session = session_of(here.date())
        return session is not None and _in_session(session, here.time(), extended=extended)
    return _in_window(time.fromisoformat(hours.begins), time.fromisoformat(hours.ends), here.time())


def _in_week(here: datetime) -> bool:
    if here.weekday() == _FRIDAY:
        return here.time() < _WEEK_TURNS
    if here.weekday() == _SUNDAY:
        return here.time() >= _WEEK_TURNS
    return here.weekday() != _SATURDAY


def _in_session(session: Session, at: time, *, extended: bool) -> bool:
    if extended:
        return session.extended_from <= at < session.extended_until
    return session.opens <= at < session.closes


def _in_window(begins: time, ends: time, at: time) -> bool:
    if begins == ends:
        return True
    if ends == _LAST_MINUTE:
        return at >= begins
    if begins < ends:
        return begins <= at < ends
    return at >= begins or at < ends


def _outside(hours: TradingHours, here: datetime, *, extended: bool) -> Rejection:
    whose = "all exchanges" if hours.source == "global" else hours.source
    return Rejection(
        Reason.OUTSIDE_TRADING_WINDOW,
        f"It is {_moment(here)} in New York, and your trading hours for {whose} are "
        f"{_meaning(hours, here, extended=extended)}: send the alert again then, or widen them in your "
        f"settings.",
    )


def _meaning(hours: TradingHours, here: datetime, *, extended: bool) -> str:
    if hours.preset in _WEEK:
        return f"Sunday 17:00 to Friday 17:00 New York time (trading_hours_preset {hours.preset})"
    if hours.preset != _MARKET:
        return f"{hours.begins} to {hours.ends} New York time (trading_window)"
    session = session_of(here.date())
    shown = Session() if session is None else session
    begins, ends = (shown.extended_from, shown.extended_until) if extended else (shown.opens, shown.closes)
    today = "on days on which the exchange trades, and today it does not" if session is None else "today"
    return f"{begins:%H:%M} to {ends:%H:%M} New York time {today} (trading_hours_preset {_MARKET})"


def _moment(here: datetime) -> str:
    return f"{here:%A %H:%M}"
