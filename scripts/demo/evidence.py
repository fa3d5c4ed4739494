"""What the demo saw: everything the checks are made from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Self

from scripts.demo.scenario import Alert, Reply
from scripts.testbed.trader import Answer

FINAL_STATUSES = frozenset({"done", "rejected", "rate_limited", "expired", "failed", "review"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """One POST: when it left, by this machine's clock, and what came back."""

    act: int
    alert: Alert
    expected: Reply
    posted_at: datetime
    answer: Answer

    @property
    def reply(self) -> Reply:
        """The answer in the words of the scenario."""
        body = self.answer.body
        return Reply(self.answer.http, str(body.get("status")), body.get("reason_code"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """One row of `signals`."""

    id: str
    user_id: str
    symbol: str | None
    action: str | None
    status: str
    reason_code: str | None
    reason: str | None
    attempt: int
    received_at: datetime
    claimed_at: datetime | None
    submitted_at: datetime | None
    acknowledged_at: datetime | None
    finished_at: datetime | None

    @classmethod
    def read(cls, row: Mapping[str, Any]) -> Self:
        """Read a row of the API."""
        fields: dict[str, Any] = {name: row[name] for name in _SIGNAL_WORDS}
        fields |= {name: _moment(row[name]) for name in ("received_at", *_STAGES)}
        return cls(**fields)


_STAGES = ("claimed_at", "submitted_at", "acknowledged_at", "finished_at")
_SIGNAL_WORDS = ("id", "user_id", "symbol", "action", "status", "reason_code", "reason", "attempt")
SIGNAL_COLUMNS = ",".join((*_SIGNAL_WORDS, "received_at", *_STAGES))


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One row of `orders`."""

    id: str
    user_id: str
    signal_id: str
    leg: int
    client_order_id: str
    symbol: str
    side: str
    state: str
    submissions: int
    quantity: Decimal
    filled_quantity: Decimal

    @classmethod
    def read(cls, row: Mapping[str, Any]) -> Self:
        """Read a row of the API."""
        numbers = {name: Decimal(row[name]) for name in ("quantity", "filled_quantity")}
        return cls(**{**row, **numbers})


ORDER_COLUMNS = (
    "id,user_id,signal_id,leg,client_order_id,symbol,side,state,submissions,"
    "quantity::text,filled_quantity::text"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    """One row of `fills`."""

    user_id: str
    order_id: str
    quantity: Decimal

    @classmethod
    def read(cls, row: Mapping[str, Any]) -> Self:
        """Read a row of the API."""
        return cls(user_id=row["user_id"], order_id=row["order_id"], quantity=Decimal(row["quantity"]))


FILL_COLUMNS = "user_id,order_id,quantity::text"


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """What is open: above zero long, below zero short. A row of `positions`, or one of the venue's book."""

    user_id: str
    symbol: str
    quantity: Decimal

    @classmethod
    def read(cls, row: Mapping[str, Any]) -> Self:
        """Read a row of the API."""
        sign = 1 if row["side"] == "BUY" else -1
        return cls(user_id=row["user_id"], symbol=row["symbol"], quantity=sign * Decimal(row["quantity"]))

    @property
    def side(self) -> str:
        """The side."""
        return "long" if self.quantity > 0 else "short"


POSITION_COLUMNS = "user_id,symbol,side,quantity::text"


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueOrder:
    """One order in the paper venue's book. `arrivals` is None where the book does not show it."""

    user_id: str
    client_order_id: str
    quantity: Decimal
    arrivals: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Book:
    """The paper venue's own book, which Sparky's records must agree with.

    `whole` is False where it could only be asked for orders that we know of.
    """

    orders: Sequence[VenueOrder]
    positions: Sequence[Position]
    whole: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Kill:
    """The moment after SIGKILL: signals and orders (by client id) that the dead worker held.

    `at_venue` is how many of the orders the venue had by then.
    """

    exit_code: int
    executing: frozenset[str]
    waiting: int
    submitting: frozenset[str]
    at_venue: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What one trader sees, signed in anew: rows of each table as the API gives them."""

    trader: str
    user_id: str
    tables: Mapping[str, Sequence[Mapping[str, Any]]]
    others_asked_for: int
    key_status: str


@dataclass(frozen=True, slots=True)
class Leak:
    """A secret found in a log: its name and the file, never the secret."""

    secret: str
    file: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSearch:
    """What the search of the logs looked for, where, and what it found."""

    secrets: int
    files: int
    leaks: Sequence[Leak]
    too_short: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Records:
    """Sparky's records of the demo's traders, read as the operator."""

    signals: Sequence[Signal] = ()
    orders: Sequence[Order] = ()
    fills: Sequence[Fill] = ()
    positions: Sequence[Position] = ()
    trades: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Everything. `traders` maps names to user ids; `one_clock`: poster and database share a clock."""

    traders: Mapping[str, str]
    sent: Sequence[Sent]
    records: Records
    book: Book
    kill: Kill
    seen: Sequence[Seen]
    search: LogSearch
    stopped_with: int
    one_clock: bool


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
