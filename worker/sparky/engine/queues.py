"""Working off a queue of the database for ever: at once while there is more, else now and then."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Final, NoReturn

import structlog

from sparky.domain.backoff import Backoff
from sparky.domain.errors import DatabaseContractError, DatabaseUnavailable
from sparky.runtime.seams import Seams

_RECOVER: Final = Backoff(first=1.0, longest=30.0)

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How many items are taken at once, and how long to wait when there were fewer."""

    batch: int
    idle_seconds: float


async def all_of(works: Iterable[Awaitable[None]]) -> None:
    """Do a batch at once, all of it, whatever becomes of one.

    Raises:
        Exception: the first that was raised, after all have ended.
    """
    for ended in await asyncio.gather(*works, return_exceptions=True):
        if ended is not None:
            raise ended


async def work_off(name: str, work_batch: Callable[[], Awaitable[int]], pace: Pace, seams: Seams) -> NoReturn:
    """Call `work_batch`, which returns how many items there were, until cancelled."""
    failures = 0
    while True:
        try:
            worked = await work_batch()
            failures = 0
        except (DatabaseUnavailable, DatabaseContractError) as error:
            failures += 1
            _log.warning("queue_not_worked", queue=name, error=str(error))
            await seams.sleeper.sleep(_RECOVER.delay(failures, seams.random.uniform))
            continue
        if worked < pace.batch:
            await seams.sleeper.sleep(pace.idle_seconds)
