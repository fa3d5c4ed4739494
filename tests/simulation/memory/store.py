"""Tables in memory that can take back what a transaction, or a part of one, has written."""

from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal
from typing import Any, Generic, Protocol, TypeVar

from tests.simulation.memory.rows import Account, Comparison, Fill, Json, Order, Position, Signal, Trade

K = TypeVar("K")
V = TypeVar("V")


class Clock(Protocol):
    def __call__(self) -> datetime:
        """Return the database's time."""
        ...


class DataProblem(Exception):  # noqa: N818 - the SQL functions call it a data_exception
    """What one item of a batch cannot be: its savepoint is taken back, and the caller told."""

    def __init__(self, message: str, sqlstate: str) -> None:
        super().__init__(message)
        self.sqlstate = sqlstate


class CallRefused(Exception):  # noqa: N818 - not caught in the database
    """The whole call is refused."""


class Table(Generic[K, V]):
    """Rows by key, in the order in which they were first written."""

    def __init__(self, journal: list[tuple["Table[Any, Any]", Any, Any]]) -> None:
        self._journal = journal
        self._rows: MutableMapping[K, V] = {}

    def get(self, key: K) -> V | None:
        return self._rows.get(key)

    def __getitem__(self, key: K) -> V:
        return self._rows[key]

    def __contains__(self, key: K) -> bool:
        return key in self._rows

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[V]:
        return iter(self._rows.values())

    def put(self, key: K, row: V) -> V:
        self._journal.append((self, key, self._rows.get(key)))
        self._rows[key] = row
        return row

    def remove(self, key: K) -> None:
        self._journal.append((self, key, self._rows[key]))
        del self._rows[key]

    def take_back(self, key: K, before: V | None) -> None:
        if before is None:
            del self._rows[key]
        else:
            self._rows[key] = before


class Store:
    """Every table. `settings` are those of an account, as work orders carry them, without what is counted.

    `checks_fence`: a claim writes only while its signal is executed, and nobody holds a higher one.
    """

    checks_fence = True

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        # A signal was inserted: a trigger sends a hint when the transaction commits.
        self.wants_hint = False
        self._journal: list[tuple[Table[Any, Any], Any, Any]] = []
        self.accounts: Table[str, Account] = Table(self._journal)
        self.signals: Table[str, Signal] = Table(self._journal)
        self.orders: Table[tuple[str, int], Order] = Table(self._journal)
        self.fills: Table[tuple[str, str, str], Fill] = Table(self._journal)
        self.positions: Table[tuple[str, str], Position] = Table(self._journal)
        self.trades: Table[str, Trade] = Table(self._journal)
        self.comparisons: Table[str, Comparison] = Table(self._journal)
        self.alert_keys: Table[tuple[str, str], str] = Table(self._journal)
        self.audit: Table[int, tuple[str, str, Json]] = Table(self._journal)
        self.notifications: Table[int, tuple[str, str, str]] = Table(self._journal)
        self.settings: dict[str, Mapping[str, Any]] = {}
        # By trader and exchange, or by trader and "all": the limits that are counted, 0 or absent for none.
        self.limits: dict[tuple[str, str], Mapping[str, Decimal]] = {}

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """Take back what is written inside when it ends in an exception."""
        mark = len(self._journal)
        try:
            yield
        except BaseException:
            self.roll_back(mark)
            raise

    def mark(self) -> int:
        """Return where the journal stands, for `roll_back`."""
        return len(self._journal)

    def roll_back(self, mark: int) -> None:
        """Take back everything that was written since the mark, latest first."""
        while len(self._journal) > mark:
            table, key, before = self._journal.pop()
            table.take_back(key, before)

    def commit(self) -> None:
        """Forget how to take anything back."""
        self._journal.clear()

    def log(self, subject: str, action: str, detail: Json) -> None:
        """Write an audit row."""
        self.audit.put(len(self.audit), (subject, action, detail))

    def notify(self, user_id: str, kind: str, subject: str) -> None:
        """Tell the trader."""
        self.notifications.put(len(self.notifications), (user_id, kind, subject))

    def held(self, claim: Mapping[str, Any]) -> Signal | None:
        """Return the signal of a claim that still holds."""
        found = self.signals.get(str(claim["signal_id"]))
        if found is None or not self.checks_fence:
            return found
        return found if found.status == "executing" and found.fence == claim["fence"] else None

    def orders_of(self, signal_id: str) -> list[Order]:
        """Return the orders of a signal, by leg."""
        return sorted((one for one in self.orders if one.signal_id == signal_id), key=lambda one: one.leg)
