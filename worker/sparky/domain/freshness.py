"""How old a signal is, and whether it may still be executed."""

from datetime import datetime, timedelta

from sparky.domain.alert import Action
from sparky.domain.plan import Check, Rejection
from sparky.domain.reasons import Reason
from sparky.domain.work_order import WorkOrder


def age_of(order: WorkOrder, now: datetime) -> timedelta:
    """Return the age of a signal: since the alert fired, if it says so, else since it was received.

    An alert cannot fire after it was received: a sender's clock that runs ahead must not make a signal
    young for ever, so the earlier of the two counts.
    """
    return now - min(order.received_at, order.alert_at or order.received_at)


def check_age(order: WorkOrder, now: datetime, *, exits: bool) -> Rejection | None:
    """Return an expired rejection if the signal is older than its setting allows; 0 means no limit.

    Exits that are placed for what has filled already come late rather than never.
    """
    if order.action is Action.PROTECT:
        return None
    name = "max_exit_age_sec" if exits else "max_signal_age_sec"
    limit = order.settings.max_exit_age_sec if exits else order.settings.max_signal_age_sec
    age = age_of(order, now)
    if limit == 0 or age <= timedelta(seconds=limit):
        return None
    return Rejection(
        Reason.SIGNAL_TOO_OLD,
        f"The signal is {in_seconds(age)} s old and {name} is {limit} s, so it was not executed: send the "
        f"alert again, or raise {name} (0 means no limit).",
        expired=True,
        checks=(Check(name, ok=False, value=f"{in_seconds(age)} s", limit=f"{limit} s"),),
    )


def in_seconds(age: timedelta) -> str:
    """Write an age down with tenths of seconds."""
    tenths = age // timedelta(milliseconds=100)
    return f"{tenths // 10}.{tenths % 10}"
