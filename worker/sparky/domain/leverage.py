"""The leverage that is set before an entry."""

from decimal import ROUND_FLOOR
from typing import Final

from sparky.domain.case import Case
from sparky.domain.reasons import Reason

_LEAST: Final = 1


def leverage_of(case: Case) -> int | None:
    """Return the leverage to set: the alert's, at most the setting's; None where the alert has none.

    Raises:
        Declined: the venue has no leverage by order, or none that the setting allows.
    """
    asked, most = case.alert.leverage, case.settings.max_leverage
    if asked is None:
        return None
    _check_possible(case, asked)
    if most == 0 or asked <= most:
        case.findings.passed("max_leverage", asked, None if most == 0 else f"{most:f}")
        return asked
    cut = int(most.to_integral_value(ROUND_FLOOR))
    if cut < _LEAST:
        case.findings.refuse(
            "max_leverage",
            asked,
            f"{most:f}",
            Reason.ABOVE_MAXIMUM,
            f"The leverage {asked} is above the setting max_leverage {most:f}, and there is none below "
            f"{_LEAST}: raise the setting (0 means no limit).",
        )
    case.findings.passed("max_leverage", f"{asked} cut to {cut}", f"{most:f}")
    case.findings.note(f"The leverage was cut from {asked} to {cut} by the setting max_leverage {most:f}.")
    return cut


def _check_possible(case: Case, asked: int) -> None:
    if not case.snapshot.capabilities.sets_leverage:
        case.findings.refuse(
            "leverage",
            asked,
            None,
            Reason.NOT_SUPPORTED,
            f"The leverage {asked} cannot be set at {case.order.exchange}, which takes none by order: leave "
            f"leverage out of the alert.",
        )
    if asked < _LEAST:
        case.findings.refuse(
            "leverage",
            asked,
            _LEAST,
            Reason.INVALID_VALUE,
            f"The leverage {asked} is below {_LEAST}: send a whole number from {_LEAST} on.",
        )
