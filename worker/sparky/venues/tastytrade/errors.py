"""tastytrade's refusals in our reasons, and what of its answers is a refusal at all.

An error is `{"error": {"code", "message", "errors": [...]}}`; failed checks of an order come with 422 and
`preflight_check_failure`, the checks being listed in `errors` as `{"code", "message"}` or
`{"domain", "reason"}` (https://developer.tastytrade.com/docs/guides/place-an-equity-order,
https://developer.tastytrade.com/reference/errors). The codes of the checks are not published as a list, so
the ones seen are known here and the others are told by their words.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sparky.domain.answers import Outcome, Refused, Unknown
from sparky.domain.reasons import Reason
from sparky.venues.http import Reply
from sparky.venues.refusals import Advice, refusal
from sparky.venues.tastytrade.credentials import HOW_TO
from sparky.venues.tastytrade.wire import LABEL, envelope

UNAUTHORIZED: Final = 401
FORBIDDEN: Final = 403
NOT_FOUND: Final = 404
NOT_ACCEPTABLE: Final = 406
TIMED_OUT: Final = 408
TOO_MANY: Final = 429
_FIRST_ERROR: Final = 400
_FIRST_SERVER_ERROR: Final = 500

_FUNDS: Final = Advice(
    Reason.INSUFFICIENT_FUNDS, "Send a smaller size, close something first, or add money to the account."
)
_NO_POSITION: Final = Advice(
    Reason.NO_POSITION, "There is no such position to close any more; look at the account's positions."
)
_CLOSED: Final = Advice(
    Reason.MARKET_CLOSED,
    "Send it while the market is open, or a limit order with extended hours for shares.",
)
_PRICE: Final = Advice(
    Reason.INVALID_PRICE, "Send a price on the instrument's tick and on the right side of the market."
)
_SYMBOL: Final = Advice(
    Reason.UNKNOWN_SYMBOL, "Check the symbol and, for options and futures, that it has not expired."
)
_SHORT: Final = Advice(
    Reason.SHORT_NOT_ALLOWED, "The account or the share does not allow it; choose another one or only buy."
)
_QUANTITY: Final = Advice(Reason.BELOW_MINIMUM, "Send a whole number of shares or contracts.")
_PERMISSION: Final = Advice(
    Reason.VENUE_REFUSED,
    "Ask tastytrade to enable it for the account, or trade something that the account allows.",
)
_CLOSING_ONLY: Final = Advice(
    Reason.VENUE_REFUSED, "Only positions that are open may be closed; open nothing new here."
)
_OPPOSITE: Final = Advice(Reason.VENUE_REFUSED, "Close what is open on the other side first.")
_TYPE: Final = Advice(
    Reason.NOT_SUPPORTED, "Send another order type or time in force, for example a limit order for the day."
)
_PLAIN: Final = Advice(Reason.VENUE_REFUSED, "Change what tastytrade names and send the alert again.")
_SCOPE: Final = Advice(
    Reason.CREDENTIALS_INVALID,
    f"The keys do not have the scope trade, or not for this account. {HOW_TO} again.",
)
_WAIT: Final = Advice(
    Reason.VENUE_UNAVAILABLE, "Too many requests came at once; the same order may be sent again shortly."
)
_VERSION: Final = Advice(Reason.VENUE_REFUSED, "Tell the operator: tastytrade does not serve this version.")

_BY_CODE: Final[Mapping[str, Advice]] = {
    "margin_check_failed": _FUNDS,
    "closing_with_no_position": _NO_POSITION,
    "cant_buy_for_credit": _PRICE,
    "cant_sell_for_debit": _PRICE,
    "instrument_validation_failed": _SYMBOL,
    "closing_only": _CLOSING_ONLY,
    "invalid_option_level": _PERMISSION,
    "gtc_market_orders_not_supported": _TYPE,
    "not_permitted": _SCOPE,
}
# The first that is found in code and words counts: what is more particular stands first.
_BY_WORDS: Final[tuple[tuple[str, Advice], ...]] = (
    ("closing only", _CLOSING_ONLY),
    ("closing-only", _CLOSING_ONLY),
    ("opposite position", _OPPOSITE),
    ("without an existing position", _NO_POSITION),
    ("no position", _NO_POSITION),
    ("position to close", _NO_POSITION),
    ("buying power", _FUNDS),
    ("buying_power", _FUNDS),
    ("insufficient funds", _FUNDS),
    ("margin", _FUNDS),
    ("market is closed", _CLOSED),
    ("market_closed", _CLOSED),
    ("markets are closed", _CLOSED),
    ("outside of market hours", _CLOSED),
    ("session", _CLOSED),
    ("price increment", _PRICE),
    ("price_increment", _PRICE),
    ("tick", _PRICE),
    ("invalid price", _PRICE),
    ("short sell", _SHORT),
    ("borrow", _SHORT),
    ("quantity", _QUANTITY),
    ("symbol", _SYMBOL),
    ("expired", _SYMBOL),
    ("not enabled", _PERMISSION),
    ("option level", _PERMISSION),
    ("options level", _PERMISSION),
)


@dataclass(frozen=True, slots=True)
class VenueError:
    """An error as the venue words it: the code of its first particular, and all its words."""

    code: str
    words: str

    def __str__(self) -> str:
        return f"{self.words} ({self.code})" if self.words else self.code


def read_error(reply: Reply) -> VenueError | None:
    """Return the error that an answer holds; None when it is not in the venue's language."""
    body = envelope(reply)
    error = None if body is None else body.get("error")
    if not isinstance(error, Mapping):
        return None
    code, words = _text(error, "code"), _text(error, "message")
    listed = error.get("errors")
    particulars = [one for one in listed if isinstance(one, Mapping)] if isinstance(listed, list) else []
    inner = [(_text(one, "code", "reason"), _text(one, "message", "domain")) for one in particulars]
    if inner:
        code = next((one for one, _ in inner if one), code)
        words = "; ".join(said.rstrip(" .") for _, said in inner if said) or words
    return VenueError(code, words) if code or words else None


def advice_for(error: VenueError) -> Advice:
    """Return what an error means to us."""
    known = _BY_CODE.get(error.code)
    if known is not None:
        return known
    text = f"{error.code} {error.words}".casefold()
    return next((advice for words, advice in _BY_WORDS if words in text), _PLAIN)


def refuse(error: VenueError) -> Refused:
    """Return a refused order's sentence, with the venue's code and words."""
    return refusal(LABEL, error.words, error.code or None, advice_for(error))


def outcome_of_error(reply: Reply) -> Outcome:
    """Classify an answer to a write that is not a success.

    Only an error in the venue's own language is a refusal; a page of a gateway says nothing about the order.
    401 and 429 are refusals whatever they carry: who is not let in has changed nothing.
    """
    error = read_error(reply)
    if reply.status == TOO_MANY:
        return refusal(LABEL, *_said(error, reply), _WAIT, try_again=True)
    if reply.status == UNAUTHORIZED:
        return refusal(LABEL, *_said(error, reply), _SCOPE)
    if not _FIRST_ERROR <= reply.status < _FIRST_SERVER_ERROR or reply.status == TIMED_OUT or error is None:
        return Unknown(
            f"{LABEL} may have the order: it answered HTTP {reply.status}, {reply.words or 'empty'}."
        )
    if reply.status == NOT_ACCEPTABLE:
        return refusal(LABEL, error.words, error.code or None, _VERSION)
    if reply.status == FORBIDDEN:
        return refusal(LABEL, error.words, error.code or None, _SCOPE)
    return refuse(error)


def _said(error: VenueError | None, reply: Reply) -> tuple[str, str | None]:
    return (error.words, error.code or None) if error is not None else (reply.words, str(reply.status))


def _text(source: Mapping[str, Any], *names: str) -> str:
    return next((value for name in names if isinstance(value := source.get(name), str) and value), "")
