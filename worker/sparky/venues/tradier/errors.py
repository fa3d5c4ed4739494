"""Answers of Tradier that are not what was asked for: what they are, and what they mean for a write.

Errors come as `{"errors": {"error": "…" or […]}}`, as the gateway's `{"fault": {…}}`, as plain text, or as a
page. An expired token can come with HTTP status 500, and 401 is also said of an order or account that is not
of this token ("Unauthorized Account: …", measured on the sandbox): the words decide, not the status.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto, unique
from typing import Any, Final

from sparky.domain.answers import Refused, Unknown
from sparky.domain.errors import CredentialsInvalid, VenueUnavailable
from sparky.domain.reasons import Reason
from sparky.venues.http import NotJson, Reply, plain_words
from sparky.venues.refusals import Advice, refusal
from sparky.venues.tradier import codes, wire

VENUE: Final = "Tradier"
_OK: Final = 200
_TOO_MANY: Final = 429
_NO: Final = frozenset({400, 401, 403, 404, 405, 409, 422})
_UNAUTHORIZED: Final = 401
_BAD_TOKEN: Final = re.compile(r"access.?token|invalid_token|keymanagement|oauth", re.IGNORECASE)
_NOT_OURS: Final = re.compile(r"unauthorized account", re.IGNORECASE)
_GATEWAY: Final = re.compile(r"datastore error|service unavailable|gateway|timeout", re.IGNORECASE)
_QUOTA: Final = re.compile(r"policies\.ratelimit|quota", re.IGNORECASE)
_NO_ORDER: Final = re.compile(
    r"order.{0,40}(not found|does not exist|invalid)|unauthorized account", re.IGNORECASE
)
_FINAL: Final = re.compile(r"finalized state", re.IGNORECASE)
_NEW_KEY_ADVICE: Final = (
    "Copy the access token from API Access in Tradier's dashboard again; the sandbox and production have "
    "different ones."
)
_SILENT: Final = Advice(
    Reason.VENUE_REFUSED, "It gave no reason: look at the order in Tradier's application."
)


@unique
class Kind(Enum):
    """What an answer is."""

    GOOD = auto()
    BAD_TOKEN = auto()
    NOT_OURS = auto()
    QUOTA = auto()
    NO = auto()
    STRANGE = auto()


@dataclass(frozen=True, slots=True)
class Heard:
    """An answer's kind, its words and its code; `answer` is the JSON of a good one."""

    kind: Kind
    words: str = ""
    code: str | None = None
    answer: Any = None


def hear(reply: Reply) -> Heard:
    """Say what an answer is."""
    try:
        answer = reply.json()
    except NotJson:
        return _hear_text(reply)
    if isinstance(answer, Mapping) and isinstance(answer.get("fault"), Mapping):
        return _hear_fault(reply, answer["fault"])
    if isinstance(answer, Mapping) and "errors" in answer:
        return _hear_errors(reply, answer["errors"])
    if reply.status == _OK:
        return Heard(Kind.GOOD, answer=answer)
    return Heard(Kind.QUOTA if reply.status == _TOO_MANY else Kind.STRANGE)


def _hear_text(reply: Reply) -> Heard:
    # A page comes from something in front of Tradier, whatever it says. A plain sentence is Tradier's own.
    if reply.content.lstrip()[:1] in {b"<", b"", b"{", b"["}:
        return Heard(Kind.QUOTA if reply.status == _TOO_MANY else Kind.STRANGE)
    return _judge(reply.status, reply.words, None)


def _hear_fault(reply: Reply, fault: Mapping[str, Any]) -> Heard:
    detail = fault.get("detail")
    code = detail.get("errorcode") if isinstance(detail, Mapping) else None
    code = plain_words(code) if isinstance(code, str) else None
    said = fault.get("faultstring")
    words = plain_words(said) if isinstance(said, str) else ""
    if reply.status == _UNAUTHORIZED or _BAD_TOKEN.search(f"{words} {code}"):
        return Heard(Kind.BAD_TOKEN, words, code)
    if _QUOTA.search(f"{words} {code}") or reply.status == _TOO_MANY:
        return Heard(Kind.QUOTA, words, code)
    # A fault is the gateway's: what lies behind it may have taken the request before.
    return Heard(Kind.STRANGE, words, code)


def _hear_errors(reply: Reply, errors: Any) -> Heard:
    try:
        held = errors.get("error") if isinstance(errors, Mapping) else errors
        words = plain_words("; ".join(wire.texts(held, "errors")))
    except wire.NotUnderstood:
        words = ""
    if not words:
        return Heard(Kind.STRANGE)
    # Order checks may answer with errors under status 200.
    return _judge(400 if reply.status == _OK else reply.status, words, codes.code_in(words))


def _judge(status: int, words: str, code: str | None) -> Heard:
    if _NOT_OURS.search(words):
        return Heard(Kind.NOT_OURS, words, code)
    if _BAD_TOKEN.search(words):
        return Heard(Kind.BAD_TOKEN, words, code)
    if status == _TOO_MANY or _QUOTA.search(words):
        return Heard(Kind.QUOTA, words, code)
    if status in _NO and not _GATEWAY.search(words) and not codes.is_undecided(words):
        return Heard(Kind.NO, words, code)
    return Heard(Kind.STRANGE, words, code)


def says_no_such_order(heard: Heard) -> bool:
    """Tell whether the answer means that there is no such order. It is to be believed of a list only."""
    return heard.kind in {Kind.NO, Kind.NOT_OURS} and _NO_ORDER.search(heard.words) is not None


def says_already_ended(heard: Heard) -> bool:
    """Tell whether the answer means that the order had ended before it could be cancelled."""
    return heard.kind is Kind.NO and _FINAL.search(heard.words) is not None


def question_failed(heard: Heard, question: str) -> Exception:
    """Return what to raise for a question that was not answered."""
    if heard.kind is Kind.BAD_TOKEN:
        return bad_token(heard)
    if heard.kind is Kind.NOT_OURS:
        return CredentialsInvalid(
            f"Tradier does not let this token use the account: {heard.words}. Give the number of an account "
            "that the token belongs to."
        )
    if heard.kind is Kind.QUOTA:
        return VenueUnavailable(
            f"Tradier's limit of requests is reached ({question}); it is asked again later."
        )
    said = f": {heard.words}" if heard.words else ""
    return VenueUnavailable(f"Tradier did not answer {question} in its language{said}.")


def bad_token(heard: Heard) -> CredentialsInvalid:
    """Return what to raise for a token that is not accepted."""
    return CredentialsInvalid(f"Tradier does not accept the access token: {heard.words}. {_NEW_KEY_ADVICE}")


def write_failed(heard: Heard) -> Refused | Unknown:
    """Classify the answer to a write that is not a good one."""
    if heard.kind is Kind.BAD_TOKEN:
        return refusal(VENUE, heard.words, heard.code, Advice(Reason.CREDENTIALS_INVALID, _NEW_KEY_ADVICE))
    if heard.kind is Kind.NOT_OURS:
        advice = "Give the number of an account that the access token belongs to."
        return refusal(VENUE, heard.words, heard.code, Advice(Reason.CREDENTIALS_INVALID, advice))
    if heard.kind is Kind.QUOTA:
        advice = "Its limit of requests is reached: wait a minute."
        return refusal(
            VENUE, heard.words, heard.code, Advice(Reason.VENUE_UNAVAILABLE, advice), try_again=True
        )
    if heard.kind is Kind.NO:
        return rejected(heard.words)
    said = f": {heard.words}" if heard.words else ""
    return Unknown(f"Tradier may have the order: its answer was not in its language{said}.")


def rejected(words: str) -> Refused | Unknown:
    """Classify the words with which Tradier, an exchange or the order service turned an order down."""
    if codes.is_undecided(words):
        return Unknown(f"Tradier's order service failed and does not say whether it has the order: {words}.")
    return turned_down(words)


def turned_down(words: str) -> Refused:
    """Return the refusal of an order that does not exist, in Tradier's words; they may be empty."""
    advice = codes.advice_for(words) if words else _SILENT
    return refusal(VENUE, words, codes.code_in(words), advice)
