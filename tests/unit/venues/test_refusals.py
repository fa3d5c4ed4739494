from sparky.domain.answers import Refused
from sparky.domain.reasons import Reason
from sparky.venues.refusals import Advice, refusal

MONEY = Advice(Reason.INSUFFICIENT_FUNDS, "Add money to the account or lower the size.")


def test_a_refusal_says_who_what_and_what_to_do() -> None:
    assert refusal("Aster", "Margin is insufficient.", "-2019", MONEY) == Refused(
        reason_code="insufficient_funds",
        reason="Aster refused the order: Margin is insufficient (-2019). "
        "Add money to the account or lower the size.",
        venue_code="-2019",
    )


def test_a_code_is_not_said_twice_and_stands_alone_without_words() -> None:
    assert refusal("OANDA", "MARKET_HALTED", "market_halted", MONEY).reason.startswith(
        "OANDA refused the order: MARKET_HALTED. "
    )
    assert refusal("OANDA", "", "MARKET_HALTED", MONEY).reason.startswith(
        "OANDA refused the order: MARKET_HALTED. "
    )
    assert refusal("Tradier", "", None, MONEY).reason.startswith("Tradier refused the order. ")


def test_long_and_unprintable_words_are_cut_and_the_sentence_ends() -> None:
    refused = refusal(
        "Aster", "x\n\0" * 500, "-1", Advice(Reason.VENUE_REFUSED, "Look at the order"), try_again=True
    )
    assert len(refused.reason) < 400
    assert refused.reason.isprintable()
    assert refused.reason.endswith("Look at the order.")
    assert refused.try_again
