"""What goes wrong, drawn from the seed. Each seed knows some kinds of faults only, so that rare ones meet."""

from collections import Counter
from collections.abc import Mapping
from enum import StrEnum, unique
from random import Random
from typing import Final


@unique
class Fault(StrEnum):
    """One kind of fault."""

    REQUEST_DROPPED = "order dropped on its way"
    REPLY_DROPPED = "answer to an order dropped"
    REQUEST_LATE = "order arrived after it was given up"
    REQUEST_REPEATED = "order repeated by the network"
    REPLY_REPEATED = "answer to an order repeated"
    SLOW = "answer to an order delayed"
    BUSY = "429 to an order"
    ERROR_EXECUTED = "5xx to an order that was executed"
    ERROR_NOT_EXECUTED = "5xx to an order that was not"
    NOT_CONNECTED = "no connection for an order"
    CONNECTION_HANGS = "connection for an order hangs"
    REFUSED = "order refused"
    HIDDEN = "order hidden from look-ups"
    FILLS_LATE = "order filled later"
    FILLS_IN_PARTS = "order filled in parts"
    FILLS_PARTLY = "order filled in part, then ended"
    FILLS_REORDERED = "fills told in another order"
    FEE_LATE = "fee told later"
    QUESTION_FAILED = "question failed"
    QUESTION_HANGS = "question hangs"
    VENUE_AWAY = "venue away"
    DATABASE_UNREACHABLE = "database unreachable"
    DATABASE_UNDONE = "commit undone"
    COMMIT_UNANSWERED = "connection lost at commit"
    DATABASE_SLOW = "database slow"
    HINT_LOST = "wake-up lost"
    ALERT_REPEATED = "alert repeated"
    WORKER_KILLED = "worker killed"
    WORKER_PAUSED = "worker paused"
    WORKER_STOPPED = "worker stopped gracefully"


# Of a seed that knows a kind of fault, how often it strikes. What is asked all the time fails less often.
_RATES: Final = (0.1, 0.25, 0.5)
_RATES_OF_DATABASE: Final = (0.02, 0.1, 0.25)
_RATES_OF_WORKERS: Final = (0.05, 0.15, 0.3)
_OF_DATABASE: Final = frozenset(
    {Fault.DATABASE_UNREACHABLE, Fault.DATABASE_UNDONE, Fault.COMMIT_UNANSWERED, Fault.DATABASE_SLOW}
)
_OF_WORKERS: Final = frozenset({Fault.WORKER_KILLED, Fault.WORKER_PAUSED, Fault.WORKER_STOPPED})


class Faults:
    """Decides what strikes, until `stop`, and counts it."""

    def __init__(self, random: Random, rates: Mapping[Fault, float] | None = None) -> None:
        """Draw which kinds strike, and how often, unless `rates` says it."""
        self._random = random
        calm = random.random() < 0.05
        share = 0.0 if calm else random.choice((0.15, 0.4, 0.8))
        self._rates = {kind: random.choice(_rates_of(kind)) for kind in Fault if random.random() < share}
        if rates is not None:
            self._rates = dict(rates)
        self._struck: Counter[Fault] = Counter()
        self._over = False

    @property
    def counts(self) -> Counter[Fault]:
        return self._struck

    def stop(self) -> None:
        """Let nothing go wrong any more."""
        self._over = True

    def knows(self, kind: Fault) -> bool:
        """Tell whether this seed has such faults at all."""
        return kind in self._rates

    def strikes(self, kind: Fault) -> bool:
        """Decide whether a fault strikes now."""
        if self._over or self._random.random() >= self._rates.get(kind, 0.0):
            return False
        self._struck[kind] += 1
        return True

    def note(self, kind: Fault) -> None:
        """Count a fault that was decided elsewhere."""
        self._struck[kind] += 1

    def within(self, least: float, most: float) -> float:
        """Draw a time in seconds."""
        return self._random.uniform(least, most)

    def one_of(self, *kinds: Fault) -> Fault | None:
        """Return the first of the kinds that strikes, tried in an order of chance."""
        for kind in self._random.sample(kinds, len(kinds)):
            if self.strikes(kind):
                return kind
        return None


def _rates_of(kind: Fault) -> tuple[float, ...]:
    if kind in _OF_DATABASE:
        return _RATES_OF_DATABASE
    return _RATES_OF_WORKERS if kind in _OF_WORKERS else _RATES
