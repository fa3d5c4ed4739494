"""How many requests a venue allows, shared by all who send them, with exits before entries before reads."""

import asyncio
import heapq
import math
from bisect import insort
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, field
from enum import IntEnum, unique
from itertools import count
from typing import Final

from sparky.domain.errors import VenueUnavailable
from sparky.runtime.seams import Seams

_IDLE_LOOKED_AT: Final = 64
# A clock may say that it is a hair too early for ever.
_SHORTEST_WAIT: Final = 0.001


@unique
class Priority(IntEnum):
    """Who goes first."""

    EXIT = 0
    ENTRY = 1
    READ = 2


_PERCENT: Final = {Priority.EXIT: 100, Priority.ENTRY: 90, Priority.READ: 70}


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `capacity` in any stretch of `seconds`, in the venue's own unit: requests, or weight."""

    capacity: int
    seconds: float


@dataclass(slots=True, order=True)
class _Ticket:
    priority: Priority
    number: int
    weight: int = field(compare=False)
    woken: asyncio.Future[None] | None = field(default=None, compare=False)


class Budget:
    """One limit of a venue. Reads may use 70 % of it, entries 90 %, exits all of it.

    Whoever waits goes by priority, then in the order of arrival. What was spent stays spent for the limit's
    seconds, even when the request was not sent after all. `name` is for logs.
    """

    def __init__(self, name: str, limit: Limit, seams: Seams) -> None:
        self.name = name
        self.limit = limit
        self._seams = seams
        self._numbers = count()
        self._queue: list[_Ticket] = []
        self._spent: list[tuple[float, int]] = []
        self._used = 0
        self._blocked_until = -math.inf
        self._block_reason = ""

    def __repr__(self) -> str:
        return f"Budget({self.name}: {self._used} of {self.limit.capacity} in {self.limit.seconds:g} s)"

    @property
    def blocked(self) -> str | None:
        """Why nothing may be sent now; None when something may."""
        return self._block_reason if self._blocked_until > self._now() else None

    @property
    def is_idle(self) -> bool:
        """Nothing would be lost with it."""
        self._expire()
        return not self._queue and not self._spent and self.blocked is None

    async def spend(
        self, weight: int = 1, priority: Priority = Priority.READ, *, within_seconds: float = 3.0
    ) -> None:
        """Return when a request of this weight may be sent; it counts from now on.

        Raises:
            VenueUnavailable: its turn does not come within the seconds; raised as soon as that is certain.
        """
        deadline = self._now() + within_seconds
        ticket = _Ticket(priority, next(self._numbers), weight)
        insort(self._queue, ticket)
        try:
            while not self._may_go(ticket):
                earliest = self._earliest(ticket)
                now = self._now()
                if earliest > deadline or now >= deadline:
                    raise VenueUnavailable(self._sentence(earliest - now))
                is_first = self._queue[0] is ticket
                await self._wait(ticket, (earliest if is_first else deadline) - now)
            self._count(weight, self._now() + self.limit.seconds)
        finally:
            self._queue.remove(ticket)
            self._wake_first()

    def told_used(self, used: int) -> None:
        """Take over what the venue says is used in its present window, when it is more than is known."""
        self._expire()
        self._count(used - self._used, self._now() + self.limit.seconds)

    def told_available(self, available: int, resets_in_seconds: float) -> None:
        """Take over what the venue says is left until its window ends, when it is less than is known."""
        self._expire()
        left = min(resets_in_seconds, self.limit.seconds)
        self._count(self.limit.capacity - available - self._used, self._now() + left)

    def block(self, seconds: float, why: str) -> None:
        """Let nothing be sent for so long, exits included; `why` is a sentence. A longer block stays."""
        until = self._now() + seconds
        if until > self._blocked_until:
            self._blocked_until = until
            self._block_reason = why

    def _may_go(self, ticket: _Ticket) -> bool:
        return self._queue[0] is ticket and self._earliest(ticket) <= self._now()

    def _earliest(self, ticket: _Ticket) -> float:
        """Return the first moment at which the ticket could go if nobody else spent anything."""
        self._expire()
        if ticket.weight > self.limit.capacity:
            return math.inf
        share = max(1, self.limit.capacity * _PERCENT[ticket.priority] // 100)
        # What is heavier than its share goes when nothing else is counted.
        excess = self._used - max(share - ticket.weight, 0)
        moment = self._now()
        for expires, weight in sorted(self._spent) if excess > 0 else ():
            excess -= weight
            moment = expires
            if excess <= 0:
                break
        return max(moment, self._blocked_until)

    def _count(self, weight: int, expires: float) -> None:
        if weight > 0 and expires > self._now():
            heapq.heappush(self._spent, (expires, weight))
            self._used += weight

    def _expire(self) -> None:
        now = self._now()
        while self._spent and self._spent[0][0] <= now:
            self._used -= heapq.heappop(self._spent)[1]

    async def _wait(self, ticket: _Ticket, seconds: float) -> None:
        """Return after that time, or when the ticket has become the first."""
        ticket.woken = asyncio.get_running_loop().create_future()
        sleep = asyncio.ensure_future(self._seams.sleeper.sleep(max(seconds, _SHORTEST_WAIT)))
        try:
            await asyncio.wait((sleep, ticket.woken), return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleep.cancel()

    def _wake_first(self) -> None:
        if self._queue:
            woken = self._queue[0].woken
            if woken is not None and not woken.done():
                woken.set_result(None)

    def _sentence(self, seconds: float) -> str:
        again = f"; it can be tried again in {math.ceil(seconds)} seconds" if 0 < seconds < math.inf else ""
        if self.blocked is not None:
            return f"{self.blocked.rstrip('. ')}{again}."
        per = f"{self.limit.capacity} in {self.limit.seconds:g} seconds"
        return f"The venue's limit of requests, {per}, is used up{again}."

    def _now(self) -> float:
        return self._seams.clock.monotonic()


class Budgets:
    """The budgets of one venue, by scope, such as `("ip", environment)` or `("account", account_id)`.

    At most `most` are kept, unless more than that are in use at once.
    """

    def __init__(self, seams: Seams, most: int = 10_000) -> None:
        self._seams = seams
        self._most = most
        self._budgets: OrderedDict[Hashable, Budget] = OrderedDict()

    def of(self, key: Hashable, limit: Limit) -> Budget:
        """Return the budget of a scope, with this limit from now on."""
        budget = self._budgets.get(key)
        if budget is None:
            self._make_room()
            budget = self._budgets[key] = Budget(str(key), limit, self._seams)
        budget.limit = limit
        self._budgets.move_to_end(key)
        return budget

    def _make_room(self) -> None:
        if len(self._budgets) < self._most:
            return
        oldest = [key for key, _ in zip(self._budgets, range(_IDLE_LOOKED_AT), strict=False)]
        for key in oldest:
            if self._budgets[key].is_idle:
                del self._budgets[key]
