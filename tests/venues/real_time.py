"""The fakes on this machine's clock, for processes of their own that talk to them."""

import asyncio
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Final

import pytest

from sparky.runtime.seams import SystemClock
from tests.venues.fakes.aster.harness import AsterHarness, access, agent, wallet
from tests.venues.fakes.aster.server import FakeAster
from tests.venues.fakes.moving_time import MovingTime
from tests.venues.harness import Harness
from tests.venues.harnesses import HARNESSES


class WallTime(MovingTime):
    """The clock of this machine where a fake expects one that tests can move."""

    def __init__(self) -> None:
        super().__init__()
        self._clock = SystemClock()

    def now(self) -> datetime:
        return self._clock.now()

    def monotonic(self) -> float:
        return self._clock.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def jump(self, seconds: float) -> None:
        raise AssertionError(f"real time does not jump {seconds} s")


@asynccontextmanager
async def in_real_time(harness: type[Harness]) -> AsyncIterator[Harness]:
    """Open a harness whose fake lives on this machine's clock."""
    with pytest.MonkeyPatch.context() as patch:
        for base in harness.__mro__:
            if "MovingTime" in vars(sys.modules[base.__module__]) and issubclass(base, Harness):
                patch.setattr(sys.modules[base.__module__], "MovingTime", WallTime)
        async with harness.open() as venue:
            yield venue


def hosts_of(venue: Harness) -> Mapping[str, Mapping[str, str]]:
    """Return what a process needs to find the fake: the setting `venue_hosts`."""
    assert venue.server is not None
    return {venue.name: {venue.access.environment: venue.server.url}}


class AsterOnTestnet(AsterHarness):
    """Aster's traders on the testnet, where round trips are allowed."""

    def __init__(self, time: MovingTime, server: FakeAster, testnet: FakeAster) -> None:
        super().__init__(time, server, testnet)
        self.server, self.testnet = testnet, server
        for number in (11, 12):
            testnet.add_wallet(wallet(number), agent(number))
        self.access = access(11, environment="sandbox")
        self.other_access = access(12, environment="sandbox")


ON_PRACTICE: Final[Mapping[str, type[Harness]]] = {**HARNESSES, "aster": AsterOnTestnet}
"""The harnesses with their traders on each venue's practice host."""
