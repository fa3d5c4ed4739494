"""What keeps one effect to one signal, taken away in turn: the simulation has to notice each."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum, unique
from typing import Final

from sparky.engine.lookup import Absent, LookUp, LookUps
from sparky.engine.permits import SendingPermit
from tests.simulation.faults import Fault
from tests.simulation.fleet import SimulatedWorker
from tests.simulation.memory.claims import Claims
from tests.simulation.memory.store import Store


@unique
class Guard(StrEnum):
    """One guard, by what it does."""

    FENCE = "a late claim writes nothing (fence and state)"
    LOOK_UP = "what is in doubt is looked up before it is sent again"
    LANE = "one signal of a lane is executed at a time"
    ROW_FIRST = "an order is written down before it is sent"
    PERMIT = "an order leaves while its time and its lease last, and not later"


async def _absent_at_once(self: LookUps, *arguments: object, **named: object) -> LookUp:
    del self, arguments, named
    return Absent()


def _always(self: SendingPermit) -> None:
    self.used = True


STRUCK_BY: Final[Mapping[Guard, Mapping[Fault, float]]] = {Guard.PERMIT: {Fault.WORKER_PAUSED: 0.3}}
"""Faults to try a guard with, where those that a seed draws seldom meet as they must."""

_REMOVALS: Final[Mapping[Guard, tuple[type, str, object]]] = {
    Guard.FENCE: (Store, "checks_fence", False),
    Guard.LOOK_UP: (LookUps, "look_up", _absent_at_once),
    Guard.LANE: (Claims, "one_executing_per_lane", False),
    Guard.ROW_FIRST: (SimulatedWorker, "writes_first", False),
    Guard.PERMIT: (SendingPermit, "__call__", _always),
}


@contextmanager
def removed(guard: Guard) -> Iterator[None]:
    """Take a guard away for a while."""
    place, name, without = _REMOVALS[guard]
    before = getattr(place, name)
    setattr(place, name, without)
    try:
        yield
    finally:
        setattr(place, name, before)
