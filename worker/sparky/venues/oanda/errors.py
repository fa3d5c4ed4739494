"""OANDA's reasons, as our reason codes with advice.

The codes are those of TransactionRejectReason and OrderCancelReason in
https://developer.oanda.com/rest-live-v20/transaction-df (the misspelt UNITS_MIMIMUM_NOT_MET is OANDA's own).
"""

import re
from typing import Final

from sparky.domain.answers import Refused
from sparky.domain.reasons import Reason
from sparky.venues.refusals import Advice, refusal

LABEL: Final = "OANDA"

_DUPLICATE: Final = ("CLIENT_ORDER_ID_ALREADY_EXISTS", "CLIENT_TRADE_ID_ALREADY_EXISTS")
# The order ended as it was meant to, at the trader's or his own order's wish.
ENDED_AS_ASKED: Final = frozenset({"CLIENT_REQUEST", "CLIENT_REQUEST_REPLACED", "LINKED_TRADE_CLOSED"})
EXPIRED: Final = "TIME_IN_FORCE_EXPIRED"
NO_SUCH_ORDER: Final = frozenset({"NO_SUCH_ORDER", "ORDER_DOESNT_EXIST"})
NO_SUCH_TRADE: Final = frozenset({"NO_SUCH_TRADE", "TRADE_DOESNT_EXIST"})

NOT_LET_IN: Final = (
    "OANDA does not accept the token for this account: make a new one on its page "
    '"Manage API Access", and save it with the account\'s number.'
)

_FUNDS: Final = Advice(
    Reason.INSUFFICIENT_FUNDS, "Send a smaller size, close something first, or deposit money."
)
_CLOSED: Final = Advice(Reason.MARKET_CLOSED, "Send the alert again when the market is open.")
_THIN: Final = Advice(
    Reason.VENUE_REFUSED, "Send a smaller size, or send the alert again when there is more liquidity."
)
_SMALL: Final = Advice(Reason.BELOW_MINIMUM, "Raise the size.")
_LARGE: Final = Advice(Reason.ABOVE_MAXIMUM, "Lower the size, or close or cancel something first.")
_PRICE: Final = Advice(
    Reason.INVALID_PRICE, "Set prices and distances on the right side of the market and within its limits."
)
_SYMBOL: Final = Advice(
    Reason.UNKNOWN_SYMBOL, "Change the symbol to one that OANDA's platform shows for the account."
)
_NOTHING: Final = Advice(Reason.NO_POSITION, "The position was closed meanwhile; there is nothing to do.")
_LOCKED: Final = Advice(Reason.VENUE_REFUSED, "Ask OANDA to unlock the account, then send the alert again.")
_FIFO: Final = Advice(
    Reason.VENUE_REFUSED,
    "OANDA closes the oldest trade of an account like this one first: close it, or use another size.",
)
_SERVER: Final = Advice(Reason.VENUE_REFUSED, "Send the alert again.")
_REDUCE: Final = Advice(
    Reason.VENUE_REFUSED, "OANDA lets positions in this symbol only be reduced for now: close or wait."
)
_OTHER: Final = Advice(Reason.VENUE_REFUSED, "Change the alert as OANDA says, and send it again.")
_KEYS: Final = Advice(Reason.CREDENTIALS_INVALID, "Check the token and the account's number, and save them.")
_BUSY: Final = Advice(Reason.VENUE_REFUSED, "Too many requests were sent at once; send the alert again.")

# The first pattern that is found in a code decides.
_BY_CODE: Final[tuple[tuple[re.Pattern[str], Advice], ...]] = tuple(
    (re.compile(pattern), advice)
    for pattern, advice in (
        (r"^INSUFFICIENT_MARGIN$", _FUNDS),
        (r"_BID_REDUCE_ONLY$|_ASK_REDUCE_ONLY$", _REDUCE),
        (r"HALTED|^INSTRUMENT_PRICE_UNKNOWN$", _CLOSED),
        (r"^INSUFFICIENT_LIQUIDITY$", _THIN),
        (r"UNITS_MI[MN]IMUM_NOT_MET", _SMALL),
        (r"^UNITS_LIMIT_EXCEEDED$|^POSITION_SIZE_EXCEEDED$|_ALLOWED_EXCEEDED$|VALUE_LIMIT_EXCEEDED$", _LARGE),
        (r"^INSTRUMENT_(UNKNOWN|MISSING|NOT_TRADEABLE)$", _SYMBOL),
        (r"^CLOSEOUT_POSITION_|^CLOSE_TRADE_|^POSITION_CLOSEOUT_FAILED$|^NO_SUCH_POSITION$", _NOTHING),
        (r"^(NO_SUCH_TRADE|TRADE_DOESNT_EXIST)$", _NOTHING),
        (r"FIFO_VIOLATION", _FIFO),
        (r"PRICE|DISTANCE|BOUND|_LOSS$|LOSING", _PRICE),
        (r"^ACCOUNT_.*(LOCKED|NOT_ACTIVE)$", _LOCKED),
        (r"^NO_SUCH_ACCOUNT$|^ACCOUNT_NOT_TRADEABLE$", _KEYS),
        (r"^INTERNAL_SERVER_ERROR$", _SERVER),
    )
)


def is_duplicate(code: str | None) -> bool:
    """Tell whether OANDA has an order or a trade of this client id: ours, whose answer was lost.

    For an entry with exits that may also be said of an exit, as in STOP_LOSS_ON_FILL_CLIENT_ORDER_ID_….
    """
    return code is not None and code.endswith(_DUPLICATE)


def advice_for(code: str | None) -> Advice:
    """Return what a code means to us; the general advice for one that is not known here."""
    return next((advice for pattern, advice in _BY_CODE if code and pattern.search(code)), _OTHER)


def refused(code: str | None, words: str = "") -> Refused:
    """Return the refusal of a reject reason or a cancel reason, in OANDA's words where it gave some."""
    said = words or (code or "it gave no reason").replace("_", " ").lower()
    again = code == "INTERNAL_SERVER_ERROR"
    return refusal(LABEL, said, code, advice_for(code), try_again=again)


def keys_refused() -> Refused:
    """Refuse a write that OANDA did not let in."""
    return Refused(Reason.CREDENTIALS_INVALID, NOT_LET_IN)


def too_many(words: str) -> Refused:
    """Refuse a write that came above OANDA's limit of requests: it was not looked at."""
    return refusal(LABEL, words or "too many requests", "429", _BUSY, try_again=True)
