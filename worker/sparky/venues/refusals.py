"""A venue's no as a sentence for the trader, with the venue's own code and words in it."""

from dataclasses import dataclass

from sparky.domain.answers import Refused
from sparky.domain.errors import Refusal
from sparky.domain.fitting import Misfit
from sparky.domain.reasons import Reason
from sparky.venues.http import plain_words


@dataclass(frozen=True, slots=True)
class Advice:
    """What a venue's code means to us, and a sentence that says what the trader can do."""

    reason: Reason
    advice: str


def refusal(
    venue_label: str, words: str, code: str | None, advice: Advice, *, try_again: bool = False
) -> Refused:
    """Return "Aster refused the order: Margin is insufficient (-2019). Add money or lower the size.".

    `words` and `code` are the venue's own; either may be empty.
    """
    said = plain_words(words).rstrip(" .:;,")
    named = plain_words(code or "")
    if named and named.casefold() not in said.casefold():
        said = f"{said} ({named})" if said else named
    what = f"{venue_label} refused the order: {said}" if said else f"{venue_label} refused the order"
    return Refused(
        reason_code=advice.reason,
        reason=" ".join(part for part in (f"{what}.", _sentence(advice.advice)) if part),
        venue_code=named or None,
        try_again=try_again,
    )


def refused_by(refusal: Refusal) -> Refused:
    """Return the outcome of a write that was held back, because a question before it was refused."""
    return Refused(refusal.reason_code, refusal.reason)


def misfit_refusal(misfit: Misfit) -> Refused:
    """Return the refusal of an order that was held back, because the venue could only refuse it."""
    return Refused(reason_code=misfit.reason_code, reason=misfit.reason)


def _sentence(text: str) -> str:
    line = text.strip()
    return line if not line or line.endswith((".", "!", "?")) else f"{line}."
