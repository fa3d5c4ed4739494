"""One simulation: traders, alerts, workers, venues and faults, all from one seed, to the end."""

import asyncio
import sys
import traceback
from collections import Counter
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from random import Random
from typing import Any, Final

import structlog
from structlog.typing import Processor

from sparky.keys.sealing import SealingContext, seal
from tests.simulation.checker import Checker
from tests.simulation.events import Events
from tests.simulation.faults import Fault, Faults
from tests.simulation.fleet import KEY, LEASE_SECONDS, SimulatedWorker
from tests.simulation.link import DatabaseLink
from tests.simulation.loop import SimulationLoop, run_simulated
from tests.simulation.memory.database import MemoryDatabase, ParsedAlert
from tests.simulation.operator import Operator
from tests.simulation.schedule import Sent, Trader, draw_alerts, draw_traders
from tests.simulation.venue import SimulatedVenue

# So that what the loop draws says nothing of what the world draws.
_OF_LOOP: Final = 0x5EED
BOUND_SECONDS: Final = 1200.0
"""After the faults have stopped everything ends within this time, which is virtual."""
_FAULT_SECONDS: Final = 75.0
_LOOK_SECONDS: Final = 5.0
# Shorter than a lease, just past it, and long enough for another worker to have done the work.
_PAUSES: Final = (0.5, 3.0, LEASE_SECONDS + 0.5, LEASE_SECONDS + 15.0, LEASE_SECONDS + 30.0)
_STARTS_AGAIN: Final = (0.1, 20.0)
_NEVER_LOGGED: Final = frozenset(
    {
        "execution_failed",
        "task_failed",
        "claim_unreadable",
        "work_order_unreadable",
        "result_refused",
        "leg_not_written",
        "submit_failed",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What one seed has shown."""

    seed: int
    violations: tuple[str, ...]
    faults: Counter[Fault]
    endings: Counter[str]
    events: tuple[str, ...]
    virtual_seconds: float


class World:
    """Everything of one simulation."""

    def __init__(self, seed: int, loop: SimulationLoop, rates: Mapping[Fault, float] | None = None) -> None:
        self.random = Random(seed)
        self.loop = loop
        self.events = Events()
        self.faults = Faults(Random(self.random.random()), rates)
        self.database = MemoryDatabase(loop.now, self._hint)
        self.link = DatabaseLink(self.database, loop, self.faults)
        self.link.at_step = self._at_step
        self.link.between_two_lines = self._between_two_lines
        self.traders = draw_traders(self.random)
        self.alerts = draw_alerts(self.random, self.traders)
        self.venues: dict[str, SimulatedVenue] = {}
        self.workers: list[SimulatedWorker] = []
        self.broken: list[str] = []
        self._count = 0
        for trader in self.traders:
            self._open_account(trader)
        self.operator = Operator(self.database, self.venues, loop, self.events)
        self.checker = Checker(self.database.store, self.venues)

    async def run(self) -> tuple[str, ...]:
        """Let it all happen, and return what should not have."""
        for _ in range(self.random.choice((1, 2, 2, 3))):
            self._start_worker()
        for sent in self.alerts:
            self._send(sent)
        self._plan_trouble()
        await asyncio.sleep(_FAULT_SECONDS)
        self.faults.stop()
        self.events.note(self.loop.time(), "the faults stop")
        if not any(not worker.is_over for worker in self.workers):
            self._start_worker()
        return await self._until_quiet()

    def log(self, logger: Any, method: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
        """Note what the workers log; some of it is never to happen."""
        del logger, method
        name = str(event.pop("event"))
        signal = str(event.pop("signal_id", ""))[:8]
        shown = " ".join(f"{key}={value}" for key, value in sorted(event.items()) if key in _TOLD)
        self.events.note(self.loop.time(), f"{signal:8}  {name} {shown}".rstrip())
        if name in _NEVER_LOGGED:
            self.broken.append(f"a worker logged {name}: {_raised()}")
        raise structlog.DropEvent

    async def _until_quiet(self) -> tuple[str, ...]:
        began = self.loop.time()
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            lasting = (*self.broken, *self.checker.lasting())
            if lasting:
                return lasting
            violations = self.checker.violations()
            if not violations or self.loop.time() - began > BOUND_SECONDS:
                return violations

    def _open_account(self, trader: Trader) -> None:
        name = trader.profile.name
        if name not in self.venues:
            seed = self.random.random()
            self.venues[name] = SimulatedVenue(trader.profile, self.loop, self.faults, Random(seed))
            self.venues[name].at_step = self._at_step
            self.venues[name].between_two_lines = self._between_two_lines
        self.venues[name].open_book(trader.account.id)
        self.database.add_account(trader.account, trader.settings)
        self.database.store.limits[trader.account.user_id, trader.account.exchange] = trader.limits
        self.database.keys[trader.account.id] = _sealed(trader.account.user_id, trader.account.exchange)

    def _start_worker(self) -> None:
        self._count += 1
        name = f"w{self._count}"
        self.events.note(self.loop.time(), f"{name} starts")
        random = Random(self.random.random())
        self.workers.append(SimulatedWorker(name, self.loop, self.link, self.venues, random))

    def _send(self, sent: Sent) -> None:
        self.loop.later(sent.at, self._arrive, sent)
        if self.faults.strikes(Fault.ALERT_REPEATED):
            self.loop.later(sent.at + self.random.uniform(0.0, 20.0), self._arrive, sent)

    def _arrive(self, sent: Sent) -> None:
        self.events.note(
            self.loop.time(), f"{sent.signal_id[:8]}  alert {sent.action} {sent.symbol} {dict(sent.alert)}"
        )
        self.database.ingest(
            ParsedAlert(
                signal_id=sent.signal_id,
                account_id=sent.account_id,
                symbol=sent.symbol,
                action=sent.action,
                is_exit=sent.is_exit,
                alert=sent.alert,
                key=sent.key,
            )
        )

    def _hint(self) -> None:
        for worker in self.workers:
            if not worker.is_over and not self.faults.strikes(Fault.HINT_LOST):
                self.loop.later(self.random.uniform(0.001, 0.02), worker.hint)

    def _plan_trouble(self) -> None:
        if self.faults.knows(Fault.VENUE_AWAY):
            for _ in range(self.random.choice((1, 2))):
                self.loop.later(self.random.uniform(0.0, _FAULT_SECONDS * 0.9), self._take_away)
        for venue in self.venues.values():
            for symbol in venue.profile.symbols:
                for _ in range(self.random.choice((0, 1, 3))):
                    self.loop.later(self.random.uniform(0.0, 90.0), self._move, venue, symbol)

    def _move(self, venue: SimulatedVenue, symbol: str) -> None:
        venue.matching.move(symbol, self.random.choice(_MOVES))
        self.events.note(self.loop.time(), f"{venue.name} {symbol} is at {venue.prices[symbol]}")

    def _at_step(self) -> None:
        """Let something befall the worker that is about to ask for something, before or after it is done."""
        process = self.loop.current()
        worker = next((one for one in self.workers if one.process is process), None)
        for kind, act in (
            (Fault.WORKER_KILLED, self._kill),
            (Fault.WORKER_PAUSED, self._pause),
            (Fault.WORKER_STOPPED, self._stop),
        ):
            if worker is not None and self.faults.strikes(kind):
                self.loop.later(self.random.choice((0.0, 0.001, 0.1, 0.5, 3.0)), act, worker)

    def _between_two_lines(self) -> None:
        """Let the worker that runs stop where it is, as SIGSTOP does."""
        if self.faults.strikes(Fault.WORKER_PAUSED):
            seconds = self.random.choice(_PAUSES[2:])
            name = self.loop.current().name
            self.events.note(self.loop.time(), f"{name} stands still for {seconds} s between two lines")
            self.loop.stand_still(seconds)

    def _kill(self, worker: SimulatedWorker) -> None:
        if not worker.process.stands_still:
            self.events.note(self.loop.time(), f"{worker.process.name} is killed")
            worker.kill()
            self.loop.later(self.random.uniform(*_STARTS_AGAIN), self._start_worker)

    def _stop(self, worker: SimulatedWorker) -> None:
        if not worker.is_over:
            self.events.note(self.loop.time(), f"{worker.process.name} stops")
            self.loop.call_soon(worker.stop, context=worker.process.context)
            self.loop.later(self.random.uniform(*_STARTS_AGAIN), self._start_worker)

    def _pause(self, worker: SimulatedWorker) -> None:
        if not worker.process.stands_still:
            seconds = self.random.choice(_PAUSES)
            self.events.note(self.loop.time(), f"{worker.process.name} stands still for {seconds} s")
            worker.pause(seconds)

    def _take_away(self) -> None:
        venue = self.random.choice(list(self.venues.values()))
        self.faults.note(Fault.VENUE_AWAY)
        venue.was_away = True
        venue.away_until = self.loop.time() + self.random.choice((5.0, 40.0, 200.0))
        self.events.note(self.loop.time(), f"{venue.name} is away until {venue.away_until:.1f}")

    def close(self) -> None:
        """Let nothing be asked any more."""
        self.link.closed = True
        for venue in self.venues.values():
            venue.closed = True


def simulate(seed: int, rates: Mapping[Fault, float] | None = None) -> Report:
    """Run one seed, with the faults that it draws or those of `rates`."""
    reports = []

    async def scenario(loop: SimulationLoop) -> None:
        world = World(seed, loop, rates)
        with _logging_to(world.log):
            try:
                violations = await world.run()
            finally:
                world.close()
        reports.append(
            Report(
                seed=seed,
                violations=violations,
                faults=world.faults.counts,
                endings=Counter(_ending(one.status, one.reason_code) for one in world.database.store.signals),
                events=tuple(world.events.lines),
                virtual_seconds=loop.time(),
            )
        )

    with _logging_to(_drop):
        run_simulated(Random(seed ^ _OF_LOOP), scenario)
    return reports[0]


def _raised() -> str:
    """Return what is being handled, and where it was raised."""
    error = sys.exception()
    if error is None:
        return "no exception"
    places = [
        f"{one.filename.rpartition('/')[2]}:{one.lineno}" for one in traceback.extract_tb(error.__traceback__)
    ]
    return f"{error!r} at {' '.join(places)}"


def _ending(status: str, code: str | None) -> str:
    return status if code is None else f"{status}: {code}"


def _drop(logger: Any, method: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
    """Note nothing: what workers log while they are torn down says nothing."""
    del logger, method, event
    raise structlog.DropEvent


@contextmanager
def _logging_to(note: Processor) -> Iterator[None]:
    before = structlog.get_config()
    structlog.configure(processors=[structlog.contextvars.merge_contextvars, note])
    try:
        yield
    finally:
        structlog.configure(**before)


@cache
def _sealed(user_id: str, exchange: str) -> str:
    return seal(KEY.public, SealingContext(user_id, exchange, "production"), {"api_key": "a key"})


_MOVES: Final = tuple(Decimal(text) for text in ("0.97", "0.985", "0.995", "1.005", "1.015", "1.03"))
_TOLD: Final = frozenset(
    {"status", "reason_code", "error", "why", "reason", "failures", "client_order_id", "signals", "claims"}
)
