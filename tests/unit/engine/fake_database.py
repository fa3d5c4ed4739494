"""The worker functions in memory: claims, leases and fences as in the SQL, and faults on demand."""

import asyncio
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeVar

from sparky.database.gateway import Beginning, Begun, Finished, Result
from sparky.database.keys import StoredKeys
from sparky.domain.errors import DatabaseContractError, DatabaseUnavailable, LostClaim, SparkyError
from sparky.domain.identifiers import AccountId, SignalId
from sparky.domain.news import OrderNews
from sparky.domain.plan_json import leg_to_json, plan_to_json
from sparky.domain.trade_settings import Limit
from sparky.domain.work_order import Claim
from sparky.keys.secret import Secret
from tests.unit.engine.virtual_loop import START, LoopClock

Answer = TypeVar("Answer")

TERMINAL_ORDERS = {"filled", "cancelled", "expired", "refused"}
WORST_ATTEMPT = 20


@dataclass(slots=True)
class Row:
    """A signal as the table has it; times are seconds of the loop."""

    order: dict[str, Any]
    seq: int
    status: str = "pending"
    fence: int = 0
    attempt: int = 0
    lease_until: float | None = None
    plan: Mapping[str, Any] | None = None
    orders: dict[int, dict[str, Any]] = field(default_factory=dict)
    fills: set[str] = field(default_factory=set)
    reason_code: str | None = None
    reason: str = ""
    finished_at: float | None = None
    explanation: Mapping[str, Any] | None = None
    close_symbols: tuple[str, ...] | None = None


class FakeDatabase:
    """Faults are named per function, one for each call.

    down    the call does not arrive
    lost    the call is executed and its answer lost
    refuse  the database refuses the call
    slow    the call takes 3 s more
    """

    def __init__(self, lease_seconds: float = 15.0) -> None:
        self.lease_seconds = lease_seconds
        self.signals: dict[str, Row] = {}
        self.faults: dict[str, deque[str]] = defaultdict(deque)
        self.calls: list[str] = []
        self.latency = 0.002
        self.is_down = False
        self.refused_signals: set[str] = set()
        # The limit of the trader that keeps entries out.
        self.obstacle: Limit | None = None
        self.most_executing = 0
        # What an opening of keys brings, of whatever account.
        self.keys: StoredKeys | SparkyError = LostClaim("nobody has put keys in")
        self.resealed: list[str] = []

    def add(self, raw: dict[str, Any]) -> Row:
        row = Row(order=raw, seq=len(self.signals) + 1)
        self.signals[raw["signal_id"]] = row
        return row

    async def claim(self, limit: int) -> Sequence[Mapping[str, Any]]:
        return await self._call("claim", lambda: self.claim_now(limit))

    async def begin(self, beginnings: Sequence[Beginning]) -> Sequence[Begun]:
        self._refuse_poison(item.claim.signal_id for item in beginnings)
        return await self._call("begin", lambda: [self._begin(item) for item in beginnings])

    async def finish(
        self, results: Sequence[Result], claim_limit: int
    ) -> tuple[Sequence[Finished], Sequence[Mapping[str, Any]]]:
        def act() -> tuple[Sequence[Finished], Sequence[Mapping[str, Any]]]:
            finished = [self._finish(item) for item in results]
            return finished, self.claim_now(claim_limit) if claim_limit else []

        self._refuse_poison(item.claim.signal_id for item in results)
        return await self._call("finish", act)

    async def extend(self, claims: Iterable[Claim]) -> AbstractSet[SignalId]:
        asked = list(claims)
        return await self._call("extend", lambda: {c.signal_id for c in asked if self._extend(c)})

    async def release(self, claims: Sequence[Claim]) -> None:
        def act() -> None:
            for claim in claims:
                self._release(claim)

        await self._call("release", act)

    async def open_keys(self, account: AccountId) -> StoredKeys:
        del account

        def act() -> StoredKeys:
            if isinstance(self.keys, SparkyError):
                raise self.keys
            return self.keys

        return await self._call("open_keys", act)

    async def reseal_keys(self, account: AccountId, key_version: int, sealed: str) -> bool:
        del account

        def act() -> bool:
            held = self.keys
            if isinstance(held, SparkyError) or held.is_sealed or held.key_version != key_version:
                return False
            self.keys = StoredKeys(is_sealed=True, text=Secret(sealed), key_version=key_version)
            self.resealed.append(sealed)
            return True

        return await self._call("reseal_keys", act)

    async def rotate_keys(self, account: AccountId, key_version: int, sealed: str) -> int | None:
        del account

        def act() -> int | None:
            held = self.keys
            if isinstance(held, SparkyError) or held.key_version != key_version:
                return None
            self.keys = StoredKeys(is_sealed=True, text=Secret(sealed), key_version=key_version + 1)
            return key_version + 1

        return await self._call("rotate_keys", act)

    def claim_now(self, limit: int) -> list[dict[str, Any]]:
        """Claim without any delay or fault, as another worker would."""
        for row in self.signals.values():
            if self._is_abandoned(row) and row.attempt >= WORST_ATTEMPT:
                self._end(row, "review", "internal_error", "begun too often")
        rows = [row for row in self.signals.values() if self._is_abandoned(row) or self._is_next(row)]
        chosen = sorted(rows, key=lambda row: row.seq)[:limit]
        for row in chosen:
            row.status = "executing"
            row.fence += 1
            row.attempt += 1
            row.lease_until = self._now() + self.lease_seconds
        executing = sum(row.status == "executing" for row in self.signals.values())
        self.most_executing = max(self.most_executing, executing)
        return [self._work_order(row) for row in chosen]

    async def _call(self, name: str, act: Callable[[], Answer]) -> Answer:
        self.calls.append(name)
        fault = self.faults[name].popleft() if self.faults[name] else ""
        await asyncio.sleep(self.latency / 2 + (3.0 if fault == "slow" else 0.0))
        if fault == "down" or self.is_down:
            raise DatabaseUnavailable(f"{name}: ConnectError", reached=False)
        if fault == "refuse":
            raise DatabaseContractError(f"{name}: HTTP 400")
        answer = act()
        await asyncio.sleep(self.latency / 2)
        if fault == "lost":
            raise DatabaseUnavailable(f"{name}: ReadError")
        return answer

    def _refuse_poison(self, signals: Iterable[str]) -> None:
        if self.refused_signals.intersection(signals):
            raise DatabaseContractError("HTTP 400 22P05")

    def _begin(self, item: Beginning) -> Begun:
        row = self._held(item.claim)
        if row is None:
            return Begun(ok=False)
        trades = any(not leg.purpose.is_exit for leg in item.legs)
        if self.obstacle is not None and item.plan.opens and trades and not row.orders:
            return Begun(ok=False, obstacle=self.obstacle)
        for news in item.news:
            error = self._record(row, news)
            if error is not None:
                return Begun(ok=False, error=error)
        now = self._stamp(self._now())
        for leg in item.legs:
            before = row.orders.get(leg.number)
            if before is not None and before["state"] != "absent":
                return Begun(ok=False)
        for leg in item.legs:
            first = row.orders.get(leg.number) or {"bookmark": item.bookmark, "begun_at": now}
            row.orders[leg.number] = leg_to_json(leg) | {
                "state": "submitting",
                "venue_order_id": None,
                "bookmark": first["bookmark"] or item.bookmark,
                "begun_at": first["begun_at"],
                "submitted_at": now,
                "filled_quantity": "0",
                "average_price": None,
            }
        row.plan = row.plan or plan_to_json(item.plan)
        assert row.lease_until is not None
        return Begun(ok=True, lease_left=row.lease_until - self._now())

    def _record(self, row: Row, news: OrderNews) -> str | None:
        row = row if news.signal_id is None else self.signals[news.signal_id]
        order = row.orders.get(news.leg)
        if order is None:
            return "query returned no rows"
        if order["state"] not in TERMINAL_ORDERS:
            order["state"] = news.state.value
            if news.venue_order_id is not None:
                order["venue_order_id"] = news.venue_order_id
            if news.filled_quantity is not None:
                order["filled_quantity"] = str(news.filled_quantity)
            if news.average_price is not None:
                order["average_price"] = str(news.average_price)
        row.fills.update(fill.venue_fill_id for fill in news.fills)
        return None

    def _finish(self, result: Result) -> Finished:
        row = self._held(result.claim)
        if row is None:
            return Finished(ok=False)
        for news in result.news:
            error = self._record(row, news)
            if error is not None:
                return Finished(ok=False, error=error)
        self._end(row, result.status, result.reason_code, result.reason or "")
        row.explanation, row.close_symbols = result.explanation, result.close_symbols
        return Finished(ok=True)

    def _end(self, row: Row, status: str, code: str | None, reason: str) -> None:
        row.status, row.reason_code, row.reason = status, code, reason
        row.lease_until, row.finished_at = None, self._now()

    def _extend(self, claim: Claim) -> bool:
        row = self._held(claim)
        if row is None:
            return False
        row.lease_until = self._now() + self.lease_seconds
        return True

    def _release(self, claim: Claim) -> None:
        row = self._held(claim)
        if row is not None:
            row.fence += 1
            row.status = "executing" if row.orders else "pending"
            row.lease_until = self._now() if row.orders else None

    def _held(self, claim: Claim) -> Row | None:
        row = self.signals.get(claim.signal_id)
        return row if row is not None and row.status == "executing" and row.fence == claim.fence else None

    def _is_abandoned(self, row: Row) -> bool:
        return row.status == "executing" and row.lease_until is not None and row.lease_until < self._now()

    def _is_next(self, row: Row) -> bool:
        lane = [other for other in self.signals.values() if other.order["lane"] == row.order["lane"]]
        if row.status != "pending" or any(other.status == "executing" for other in lane):
            return False
        in_review = any(other.status == "review" for other in lane)
        waiting = [
            other for other in lane if other.status == "pending" and (other.order["is_exit"] or not in_review)
        ]
        return row in waiting and row.seq == min(other.seq for other in waiting)

    def _work_order(self, row: Row) -> dict[str, Any]:
        assert row.lease_until is not None
        return {
            **row.order,
            "fence": row.fence,
            "attempt": row.attempt,
            "now": self._stamp(self._now()),
            "lease_until": self._stamp(row.lease_until),
            "plan": row.plan,
            "orders": [dict(order) for _, order in sorted(row.orders.items())],
            "working": self._working(row),
        }

    def _working(self, row: Row) -> list[dict[str, Any]]:
        return [
            order | {"signal_id": other.order["signal_id"]}
            for other in self.signals.values()
            if other is not row and other.order["lane"] == row.order["lane"]
            for _, order in sorted(other.orders.items())
            if order["state"] not in TERMINAL_ORDERS | {"absent"}
        ]

    @staticmethod
    def _stamp(seconds: float) -> str:
        return (START + timedelta(seconds=seconds)).isoformat()

    @staticmethod
    def _now() -> float:
        return LoopClock().monotonic()
