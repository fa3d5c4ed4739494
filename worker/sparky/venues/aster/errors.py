"""What Aster's error codes mean for the trader, and which of them say nothing about the order.

Codes and words: https://github.com/asterdex/api-docs, V3, futures, "Error Codes". -1000 with words about a
user or an agent is what Aster answers to a wallet or an agent that it does not know.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sparky.domain.answers import Refused, Unknown
from sparky.domain.errors import CredentialsInvalid, SparkyError, UnknownSymbol, VenueUnavailable
from sparky.domain.reasons import Reason
from sparky.venues.http import plain_words
from sparky.venues.refusals import Advice, refusal

LABEL: Final = "Aster"

NO_SUCH_ORDER: Final = frozenset({-2011, -2013})
OFF_CLOCK: Final = frozenset({-1021, -4225})
OTHER_MODE: Final = frozenset({-4061})
STEPS_CHANGED: Final = frozenset({-1111, -4013, -4014, -4023, -4029, -4030})
TOO_MANY_ORDERS: Final = -1015
TOO_MANY_REQUESTS: Final = -1003

# The engine may have the order all the same; -1010 wraps a message of the engine that is not told.
_OPEN: Final = frozenset({-1000, -1001, -1006, -1007, -1010})
_UNKNOWN_KEYS: Final = re.compile(r"aster user|\bagent\b|\bsigner\b|not authori[sz]ed", re.IGNORECASE)
_DUPLICATE: Final = re.compile(r"duplicat|already exists?\b", re.IGNORECASE)
_DUPLICATE_PARAMETER: Final = -1101
_DUPLICATE_ID: Final = -4116

_KEYS: Final = Advice(
    Reason.CREDENTIALS_INVALID,
    "Look at www.asterdex.com/en/api-wallet whether the API wallet is there, has not expired and may trade "
    "perpetuals, and save the keys again.",
)
_FUNDS: Final = Advice(
    Reason.INSUFFICIENT_FUNDS, "Send a smaller size, close something, or deposit at Aster."
)
_NO_POSITION: Final = Advice(Reason.NO_POSITION, "There is nothing left to reduce: look at your positions.")
_SMALL: Final = Advice(Reason.BELOW_MINIMUM, "Send a larger size.")
_LARGE: Final = Advice(Reason.ABOVE_MAXIMUM, "Send a smaller size.")
_PRICE: Final = Advice(Reason.INVALID_PRICE, "Send a price nearer to the market.")
_TRIGGERED: Final = Advice(
    Reason.INVALID_PRICE, "The market is past this price already: send another price, or close at the market."
)
_STEP: Final = Advice(
    Reason.VENUE_REFUSED, "Aster has changed the steps of this symbol: send the alert again in a minute."
)
_ORDERS: Final = Advice(Reason.ABOVE_MAXIMUM, "Cancel orders of this symbol that you do not need.")
_CLOSED: Final = Advice(Reason.MARKET_CLOSED, "Wait until Aster trades this symbol again.")
_SYMBOL: Final = Advice(Reason.UNKNOWN_SYMBOL, "Send the symbol as Aster lists it, such as BTCUSDT.")
_ACCOUNT: Final = Advice(Reason.VENUE_REFUSED, "Look at your account at Aster, or ask Aster's support.")
_LEVERAGE: Final = Advice(Reason.VENUE_REFUSED, "Set the leverage at Aster by hand, or send another one.")
_AGAIN: Final = Advice(Reason.VENUE_REFUSED, "It may be sent again.")
_OTHER: Final = Advice(
    Reason.VENUE_REFUSED, "Look at the order's values, and send the alert again if it holds."
)

_ADVICE: Final[Mapping[int, Advice]] = {
    **dict.fromkeys((-1002, -1011, -1022, -1109, -2014, -2015, -4056), _KEYS),
    **dict.fromkeys((-2018, -2019, -2028, -4050, -4051, -5050), _FUNDS),
    **dict.fromkeys((-2022, -2024, -4118), _NO_POSITION),
    **dict.fromkeys((-4003, -4004, -4164), _SMALL),
    -4005: _LARGE,
    -2027: Advice(Reason.ABOVE_MAXIMUM, "Send a smaller size, or a lower leverage."),
    **dict.fromkeys((-4001, -4002, -4006, -4007, -4013, -4016, -4024, -4131, -4183, -4184), _PRICE),
    **dict.fromkeys((-2021, -4135, -4142), _TRIGGERED),
    **dict.fromkeys((-1111, -4014, -4023, -4029, -4030), _STEP),
    **dict.fromkeys((-2025, -4045), _ORDERS),
    **dict.fromkeys((-1112, -2020, -4140, -4141), _CLOSED),
    **dict.fromkeys((-1121, -4144), _SYMBOL),
    **dict.fromkeys((-2023, -4087, -4088), _ACCOUNT),
    **dict.fromkeys((-4028, -4161), _LEVERAGE),
    **dict.fromkeys((TOO_MANY_REQUESTS, TOO_MANY_ORDERS, *OFF_CLOCK), _AGAIN),
    -4061: Advice(Reason.VENUE_REFUSED, "The account's position mode has changed, and is read anew."),
}
_NOT_ABOUT_THE_ORDER: Final = OFF_CLOCK | OTHER_MODE | {TOO_MANY_REQUESTS, TOO_MANY_ORDERS}


@dataclass(frozen=True, slots=True, kw_only=True)
class AsterError:
    """An answer in Aster's language that says no."""

    code: int
    words: str

    @property
    def is_about_keys(self) -> bool:
        """Aster does not know the wallet or the agent, or does not let it do this."""
        if self.code == -1000:  # noqa: PLR2004 - the code's own value
            return _UNKNOWN_KEYS.search(self.words) is not None
        return _ADVICE.get(self.code) is _KEYS

    def for_a_write(self) -> Refused | Unknown:
        """Return how a write ended that was answered so."""
        if self.is_about_keys:
            return refusal(LABEL, self.words, str(self.code), _KEYS)
        if self.code in _OPEN:
            return Unknown(f"Aster cannot tell what became of the request: {self._said}.")
        if self._means_duplicate:
            return Unknown(f"Aster says that it has this order already: {self._said}.")
        advice = _ADVICE.get(self.code, _OTHER)
        again = self.code in _NOT_ABOUT_THE_ORDER
        return refusal(LABEL, self.words, str(self.code), advice, try_again=again)

    def for_a_question(self) -> SparkyError:
        """Return what to raise for a question that was answered so."""
        if self.is_about_keys:
            return CredentialsInvalid(f"Aster does not accept the keys: {self._said}. {_KEYS.advice}")
        if _ADVICE.get(self.code) is _SYMBOL:
            return UnknownSymbol(f"Aster does not list this symbol: {self._said}. {_SYMBOL.advice}")
        return VenueUnavailable(f"Aster did not answer the question: {self._said}.")

    @property
    def _said(self) -> str:
        return f"{self.words.rstrip(' .')} ({self.code})"

    @property
    def _means_duplicate(self) -> bool:
        if self.code == _DUPLICATE_ID:
            return True
        return self.code != _DUPLICATE_PARAMETER and _DUPLICATE.search(self.words) is not None


def read_error(body: Any) -> AsterError | None:
    """Read a body of the form {"code": -1121, "msg": "..."}; None when it is not of that form."""
    if not isinstance(body, Mapping):
        return None
    code = body.get("code")
    if not isinstance(code, int) or isinstance(code, bool) or code >= 0:
        return None
    return AsterError(code=code, words=plain_words(str(body.get("msg") or "")))
