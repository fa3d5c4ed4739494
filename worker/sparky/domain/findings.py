"""What planning has found so far: the checks it made, in order, and the sentences for the trader."""

from typing import NoReturn

from sparky.domain.plan import Check, NothingToDo, Rejection
from sparky.domain.reasons import Reason


class Declined(Exception):  # noqa: N818 - carries the decision out of nested steps; never leaves make_plan
    """Planning has ended without anything to send."""

    def __init__(self, decision: Rejection | NothingToDo) -> None:
        super().__init__(decision.reason_code)
        self.decision = decision


class Findings:
    """Checks and notes of one planning."""

    __slots__ = ("_checks", "_notes")

    def __init__(self) -> None:
        self._checks: list[Check] = []
        self._notes: list[str] = []

    @property
    def checks(self) -> tuple[Check, ...]:
        return tuple(self._checks)

    @property
    def notes(self) -> tuple[str, ...]:
        return tuple(self._notes)

    def passed(self, name: str, value: object, limit: object = None) -> None:
        """Write down a check that holds nothing back."""
        self._checks.append(Check(str(name), True, f"{value}", None if limit is None else f"{limit}"))  # noqa: FBT003

    def add(self, check: Check) -> None:
        """Keep a check that was made elsewhere."""
        self._checks.append(check)

    def note(self, *sentences: str) -> None:
        """Keep sentences for the trader, beside whatever is sent."""
        self._notes.extend(sentences)

    def refuse(self, name: str, value: object, limit: object, reason_code: Reason, reason: str) -> NoReturn:
        """Write down the check that failed, and end planning with its rejection.

        Raises:
            Declined: always.
        """
        self._checks.append(Check(str(name), False, f"{value}", None if limit is None else f"{limit}"))  # noqa: FBT003
        raise Declined(Rejection(reason_code, reason))

    def reject(self, name: str, value: object, rejection: Rejection, limit: object = None) -> NoReturn:
        """Write down that a check failed, and end planning with a rejection that was made elsewhere.

        Raises:
            Declined: always.
        """
        self._checks.append(Check(str(name), False, f"{value}", None if limit is None else f"{limit}"))  # noqa: FBT003
        raise Declined(rejection)

    def nothing(self, reason_code: Reason, note: str) -> NoReturn:
        """End planning because nothing is to be done, with the notes so far.

        Raises:
            Declined: always.
        """
        raise Declined(NothingToDo(reason_code, " ".join((note, *self._notes))))
