"""Seeded storms of faults: no leg is ever executed twice, and everything ends once the faults stop."""

import asyncio
import random
from collections.abc import Callable
from typing import Any

import pytest

from sparky.domain.errors import LostClaim
from sparky.engine.inbox import Inbox
from sparky.engine.lookup import Absent, LookUps
from sparky.engine.open_account import OpenAccount
from tests.unit.engine.virtual_loop import LoopClock, run_virtually, stand_still
from tests.unit.engine.world import Worker, World

TERMINAL = {"done", "rejected", "expired", "failed", "review"}
VENUE = ["fill", "refuse", "not_sent", "lost", "dropped", "hang", "stuck", "late", "working", "partial"]
VENUE_MORE = ["cancelled", "broken", "unsent", "busy"]
DATABASE = ["", "", "", "", "down", "lost", "slow", "refuse"]
FUNCTIONS = ["claim", "begin", "finish", "extend", "release", "open_keys"]
WORKERS = 3
STORM_SECONDS = 40.0


class Storm:
    """One seeded run: signals arrive, things fail, workers die, stand still or are overtaken."""

    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)  # noqa: S311 - it has to replay
        self.world = World(seed)
        self.world.venue.hidden_for = self.draw.choice([0.0, 0.5, 4.5])
        self.world.venue.before_permit = self._before_permit
        self.calm = False
        # Half of the venues keep a record, and must not be sent anything without its bookmark.
        self.world.venue.record = self.draw.choice([None, 1])

    def _before_permit(self) -> None:
        if not self.calm and self.draw.random() < 0.05:
            stand_still(self.draw.choice([1.0, 9.0, 16.0, 40.0]))
            if self.draw.random() < 0.5:
                # What another process takes meanwhile and never works on.
                self.world.database.claim_now(self.draw.randint(1, 3))

    async def run(self) -> None:
        workers = [asyncio.create_task(self._work(number)) for number in range(WORKERS)]
        await self._arrivals()
        await asyncio.sleep(max(0.0, STORM_SECONDS - LoopClock().monotonic()))
        self._end_storm()
        try:
            await self.world.settle(1200, step=1.0)
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)

    async def _arrivals(self) -> None:
        for _ in range(self.draw.randint(3, 8)):
            lane = f"lane {self.draw.randint(1, 3)}"
            kind = self.draw.choice(["entry", "exit", "reverse"])
            make = {
                "entry": self.world.signal,
                "exit": self.world.exit_signal,
                "reverse": self.world.reverse_signal,
            }[kind]
            make(lane=lane, age=self.draw.choice([0.0, 0.0, 0.0, 30.0, 70.0]))
            self.world.venue.script.extend(self.draw.choices(VENUE + VENUE_MORE, k=2))
            for function in FUNCTIONS:
                self.world.database.faults[function].extend(self.draw.choices(DATABASE, k=3))
            if self.draw.random() < 0.2:
                self.world.venue.unavailable += self.draw.randint(1, 10)
            await asyncio.sleep(self.draw.uniform(0, 5))

    def _end_storm(self) -> None:
        self.calm = True
        self.world.venue.script.clear()
        self.world.venue.unavailable = 0
        self.world.database.faults.clear()
        self.world.database.is_down = False

    async def _work(self, number: int) -> None:
        while True:
            lives = self.draw.uniform(1, 30)
            worker = Worker(self.world.database, self.world.venue, seed=number, batch=3, most=5)
            async with asyncio.TaskGroup() as group:
                running = [
                    group.create_task(worker.leases.run()),
                    group.create_task(worker.inbox.run()),
                ]
                await asyncio.sleep(lives if not self.calm else 100_000)
                if self.draw.random() < 0.5:
                    await worker.stop(self.draw.choice([0.0, 2.0]))
                for task in (*running, *worker.inbox._tasks):
                    task.cancel()

    def check(self) -> None:
        venue = self.world.venue
        ids = [order.client_order_id for order in venue.executed]
        assert len(ids) == len(set(ids)), "a leg was executed twice"
        assert all((order.bookmark is None) == (venue.record is None) for order in venue.executed)
        for ref in venue.refs:
            assert (ref.bookmark is None) == (venue.record is None)
            if ref.client_order_id in venue.first_bytes:
                left_at, bookmark = venue.first_bytes[ref.client_order_id]
                assert ref.sent_at <= left_at, "an order would be looked for from after it left"
                assert ref.bookmark is None or int(ref.bookmark) <= int(bookmark or 0)
        for row in self.world.database.signals.values():
            assert row.status in TERMINAL, (row.status, row.attempt)
            assert row.reason
            for order in row.orders.values():
                seen = venue.orders.get(order["client_order_id"])
                executed = order["client_order_id"] in ids
                if order["state"] == "absent" or row.status in {"rejected", "expired"}:
                    assert not executed, (row, order)
                if order["state"] == "filled":
                    assert executed
                    assert f"fill-{order['client_order_id']}" in row.fills
                if row.status == "done" and seen is not None and seen.order.state.is_terminal:
                    assert order["state"] in {seen.order.state.value, "working"}


def weather(seed: int) -> None:
    storm = Storm(seed)
    run_virtually(storm.run())
    storm.check()


@pytest.mark.parametrize("block", range(8))
def test_no_storm_executes_a_leg_twice_or_leaves_a_signal_behind(block: int) -> None:
    for seed in range(block * 50, block * 50 + 50):
        try:
            weather(seed)
        except BaseException as error:
            error.add_note(f"seed {seed}")
            raise


def _without_visibility_window(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(OpenAccount, "visibility_seconds", -1000.0)


def _without_send_window(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("sparky.engine.in_hand.send_window", lambda _: -1000.0)


def _without_look_up(patch: pytest.MonkeyPatch) -> None:
    async def absent(*_: Any, **__: Any) -> Absent:
        return Absent()

    patch.setattr(LookUps, "look_up", absent)


def _without_recording(patch: pytest.MonkeyPatch) -> None:
    async def forget(*_: Any) -> None:
        raise LostClaim("dropped on the floor")

    patch.setattr(Inbox, "_finish", forget)


@pytest.mark.parametrize(
    "remove",
    [_without_visibility_window, _without_send_window, _without_look_up, _without_recording],
)
def test_the_storm_notices_a_missing_guard(
    monkeypatch: pytest.MonkeyPatch, remove: Callable[[pytest.MonkeyPatch], None]
) -> None:
    remove(monkeypatch)
    with pytest.raises(AssertionError):
        _year(400)


def _year(storms: int) -> None:
    for seed in range(storms):
        weather(seed)
