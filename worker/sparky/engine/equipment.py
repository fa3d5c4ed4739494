"""What every execution of a worker shares."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from sparky.database.gateway import Beginning, Begun
from sparky.engine.access import AccountDesk
from sparky.engine.leases import LeaseKeeper
from sparky.engine.lookup import LookUps
from sparky.runtime.seams import Seams


@dataclass(frozen=True, slots=True, kw_only=True)
class Equipment:
    """What every execution shares."""

    begin: Callable[[Beginning], Awaitable[Begun]]
    desk: AccountDesk
    leases: LeaseKeeper
    look_ups: LookUps
    seams: Seams
    venue_timeout_seconds: float
