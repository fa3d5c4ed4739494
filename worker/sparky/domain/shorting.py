"""Whether a position may be sold short, and what becomes of one of the other side."""

from sparky.domain.case import Case
from sparky.domain.orders import Side
from sparky.domain.reasons import Reason
from sparky.domain.trade_settings import OnOpposite


def on_opposite(case: Case) -> OnOpposite:
    """Return what an entry does when a position of the other side is open."""
    chosen = case.settings.on_opposite
    if chosen is OnOpposite.DEFAULT:
        chosen = OnOpposite.REVERSE if case.shorts_by_default else OnOpposite.CLOSE
        case.findings.passed("on_opposite", f"{chosen} (the default for {case.kind})")
    else:
        case.findings.passed("on_opposite", chosen)
    return chosen


def short_obstacle(case: Case, side: Side) -> str | None:
    """Return why an entry of that side may not be opened; None when it may, as every purchase may."""
    if side is Side.BUY:
        return None
    if not (case.snapshot.rules.can_short and case.snapshot.capabilities.can_short):
        return "the venue does not allow short positions in it"
    allowed = case.settings.allow_short
    if allowed is None and not case.shorts_by_default:
        return f"the setting allow_short is not on, which going short in {case.kind} needs"
    return "the setting allow_short is false" if allowed is False else None


def check_short(case: Case, side: Side) -> None:
    """Let an entry pass that is no short position, or an allowed one.

    Raises:
        Declined: it is one, and may not be.
    """
    obstacle = short_obstacle(case, side)
    if obstacle is not None:
        case.findings.refuse(
            "allow_short",
            side,
            None,
            Reason.SHORT_NOT_ALLOWED,
            f"A short position in {case.symbol} cannot be opened: {obstacle}.",
        )
    if side is Side.SELL:
        case.findings.passed("allow_short", side)
