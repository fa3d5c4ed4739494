"""What a check found, line by line, as it finds it."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum, unique
from typing import Final, TypeVar

from sparky.domain.errors import Refusal, VenueUnavailable
from sparky.domain.reasons import Reason
from sparky.runtime.seams import Clock

Answer = TypeVar("Answer")

_MS_PER_SECOND: Final = 1000


@unique
class Verdict(StrEnum):
    """Whether a venue does what it is expected to do; CANNOT where this run could not find out."""

    CONFIRMED = "confirmed"
    NOT = "NOT"
    CANNOT = "cannot"


@dataclass(frozen=True, slots=True)
class Seen:
    """What an answer showed, in words."""

    verdict: Verdict
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line of the table. `milliseconds` is how long the venue took."""

    what: str
    seen: Seen
    milliseconds: int | None = None


def confirmed(detail: str) -> Seen:
    """Say that it is as expected."""
    return Seen(Verdict.CONFIRMED, detail)


def denied(detail: str) -> Seen:
    """Say that it is not as expected."""
    return Seen(Verdict.NOT, detail)


def cannot(detail: str) -> Seen:
    """Say that this run cannot tell, and why."""
    return Seen(Verdict.CANNOT, detail)


class Notebook:
    """Asks one thing after the other, measures, and tells each finding at once."""

    def __init__(self, clock: Clock, tell: Callable[[Finding], None], *, timeout_seconds: float) -> None:
        self._clock = clock
        self._tell = tell
        self._timeout_seconds = timeout_seconds
        self.findings: list[Finding] = []

    def write(self, what: str, seen: Seen, milliseconds: int | None = None) -> None:
        """Note a finding."""
        finding = Finding(what=what, seen=seen, milliseconds=milliseconds)
        self.findings.append(finding)
        self._tell(finding)

    async def ask(
        self,
        what: str,
        question: Awaitable[Answer],
        read: Callable[[Answer], Seen],
        *,
        seconds: float | None = None,
    ) -> Answer | None:
        """Note what a question's answer shows, and return it; None when there was no answer."""
        limit = self._timeout_seconds if seconds is None else seconds
        began = self._clock.monotonic()
        answer: Answer | None = None
        try:
            async with asyncio.timeout(limit):
                answer = await question
            seen = read(answer)
        except TimeoutError:
            seen = denied(f"no answer within {limit:g} s")
        except VenueUnavailable as error:
            seen = denied(str(error))
        except Refusal as refusal:
            supported = refusal.reason_code is not Reason.NOT_SUPPORTED
            seen = denied(refusal.reason) if supported else cannot(refusal.reason)
        self.write(what, seen, round((self._clock.monotonic() - began) * _MS_PER_SECOND))
        return answer

    def all_confirmed(self) -> bool:
        """Say whether every finding is as expected, and there is one."""
        return bool(self.findings) and all(
            finding.seen.verdict is Verdict.CONFIRMED for finding in self.findings
        )
