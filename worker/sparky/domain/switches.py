"""The switches that stop entries as a whole: the operator's, the trader's, and that of a strategy."""

from sparky.domain.case import Case
from sparky.domain.reasons import Reason


def check_switches(case: Case) -> None:
    """Let an entry pass only while everything is switched on.

    Raises:
        Declined: something is switched off.
    """
    settings, findings = case.settings, case.findings
    if settings.trading_halted:
        why = settings.halt_reason or "no reason was given"
        findings.refuse(
            "trading_halted",
            "true",
            None,
            Reason.PLATFORM_HALTED,
            f"The operator has halted trading ({why}), so nothing was opened; alerts that close still work. "
            f"Send the alert again when trading has been resumed.",
        )
    findings.passed("trading_halted", "false")
    if not settings.enabled:
        findings.refuse(
            "enabled",
            "false",
            None,
            Reason.TRADING_DISABLED,
            f"You have switched trading off (enabled is false in your settings, for all exchanges or for "
            f"{case.order.exchange}), so nothing was opened; alerts that close still work. Switch it on and "
            f"send the alert again.",
        )
    findings.passed("enabled", "true")
    _check_strategy(case)


def _check_strategy(case: Case) -> None:
    strategy = case.settings.strategy
    if strategy is None:
        return
    if not strategy.active:
        case.findings.refuse(
            "strategy",
            f"{strategy.name} is not active",
            None,
            Reason.STRATEGY_INACTIVE,
            f"The strategy {strategy.name} is switched off (its status is not active), so nothing was "
            f"opened; alerts that close still work. Activate it and send the alert again.",
        )
    case.findings.passed("strategy", f"{strategy.name} is active")
