"""Counted limits on entries in words. The database counts; what it finds is told to the trader here."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Final

from sparky.domain.case import Case
from sparky.domain.plan import Rejection
from sparky.domain.reasons import Reason
from sparky.domain.trade_settings import Limit

_ALL: Final = "all"
_ENDS: Final = "wait for 00:00 in New York"


def check_limits(case: Case) -> None:
    """Let an entry pass only while every counted limit has room for one more.

    Raises:
        Declined: one of them has not. `begin_orders` asks again, where two entries cannot pass at once.
    """
    for limit in case.order.limits:
        name = limit.name if limit.scope == _ALL else f"{limit.name} of {limit.scope}"
        if not limit.ok:
            rejection = limit_rejection(limit)
            case.findings.refuse(
                name, _number(limit.used), _number(limit.limit), rejection.reason_code, rejection.reason
            )
        case.findings.passed(name, _number(limit.used), _number(limit.limit))


def limit_rejection(limit: Limit) -> Rejection:
    """Return the rejection of an entry for which a counted limit has no room."""
    return Rejection(_CODES.get(limit.name, Reason.ABOVE_MAXIMUM), limit_sentence(limit))


def limit_sentence(limit: Limit) -> str:
    """Say which limit is reached, what is used of it, and what to do."""
    where = "all exchanges together" if limit.scope == _ALL else limit.scope
    return _SENTENCES.get(limit.name, _any_limit)(limit, where)


def _trades(limit: Limit, where: str) -> str:
    return (
        f"The setting max_trades_per_day is {_number(limit.limit)} for {where}, and {_number(limit.used)} "
        f"entries have been made since 00:00 in New York, so nothing was opened: {_ENDS}, or raise it "
        f"(0 means no limit)."
    )


def _positions(limit: Limit, where: str) -> str:
    return (
        f"The setting max_open_positions is {_number(limit.limit)} for {where}, and {_number(limit.used)} "
        f"are open or on their way, so nothing was opened: close one, or raise it (0 means no limit)."
    )


def _loss(limit: Limit, where: str) -> str:
    return (
        f"The setting max_daily_loss_usd is {_number(limit.limit)} for {where}, and the loss since 00:00 in "
        f"New York is {_number(limit.used)}, so nothing was opened: {_ENDS}, or raise it (0 means no limit)."
    )


def _cooldown(limit: Limit, where: str) -> str:
    return (
        f"The last entry in this symbol was {_number(limit.used)} s ago, and the setting cooldown_sec is "
        f"{_number(limit.limit)} for {where}, so nothing was opened: send the alert again after that time, "
        f"or lower it (0 means none)."
    )


def _any_limit(limit: Limit, where: str) -> str:
    return (
        f"The setting {limit.name} is {_number(limit.limit)} for {where}, and {_number(limit.used)} of it "
        f"are used, so nothing was opened: raise it, or send the alert again later."
    )


def _number(value: Decimal) -> str:
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


_CODES: Final[Mapping[str, Reason]] = {
    "max_trades_per_day": Reason.MAX_TRADES_PER_DAY,
    "max_open_positions": Reason.MAX_OPEN_POSITIONS,
    "max_daily_loss_usd": Reason.MAX_DAILY_LOSS,
    "cooldown_sec": Reason.COOLDOWN,
}
_SENTENCES: Final[Mapping[str, Callable[[Limit, str], str]]] = {
    "max_trades_per_day": _trades,
    "max_open_positions": _positions,
    "max_daily_loss_usd": _loss,
    "cooldown_sec": _cooldown,
}
