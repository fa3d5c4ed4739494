import pytest

from sparky.domain.errors import Refusal, SparkyError
from sparky.domain.reasons import Reason

PROMISED = [
    "invalid_json",
    "missing_field",
    "invalid_value",
    "unknown_field_combination",
    "unknown_exchange",
    "unknown_symbol",
    "unknown_strategy",
    "strategy_inactive",
    "no_account",
    "credentials_invalid",
    "no_size",
    "size_conflict",
    "below_minimum",
    "above_maximum",
    "position_exists",
    "no_position",
    "opposite_rejected",
    "short_not_allowed",
    "outside_trading_window",
    "weekend",
    "max_trades_per_day",
    "max_open_positions",
    "max_daily_loss",
    "signal_too_old",
    "trading_disabled",
    "platform_halted",
    "plan_limit",
    "venue_refused",
    "venue_unavailable",
    "outcome_unknown",
    "insufficient_funds",
    "market_closed",
    "invalid_price",
    "cooldown",
    "max_slippage",
    "exit_not_placed",
    "already_there",
    "nothing_to_cancel",
]


@pytest.mark.parametrize("code", PROMISED)
def test_every_promised_code_exists(code: str) -> None:
    assert code in set(Reason)


@pytest.mark.parametrize("reason", Reason)
def test_every_code_is_its_own_text_and_has_a_meaning(reason: Reason) -> None:
    assert f"{reason}" == reason.value == reason.name.lower()
    assert reason.meaning.endswith(".")


def test_every_exception_stands_under_one_root() -> None:
    assert issubclass(Refusal, SparkyError)
    error = Refusal(Reason.NO_SIZE, "How much?")
    assert (error.reason_code, error.reason, str(error)) == (Reason.NO_SIZE, "How much?", "How much?")
