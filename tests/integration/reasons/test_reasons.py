"""Every reason that a trader can be given is given to an alert that came over HTTP."""

import json
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack

import pytest

from scripts.testbed.trader import Trader
from scripts.testbed.worker_process import WorkerProcess
from sparky.domain.reasons import Reason
from tests.integration.reasons import by_ingest, by_planning, by_venue
from tests.integration.reasons.stage import CASES, Ending, Stage
from tests.integration.worker.venue_accounts import save_keys
from tests.integration.worker.world import World, until
from tests.venues.harness import Harness
from tests.venues.harnesses import HARNESSES
from tests.venues.real_time import hosts_of, in_real_time

# Answered by the webhook alone, and stored nowhere: who asks may not be its trader.
OF_THE_WEBHOOK = {"unknown_webhook", "source_not_allowed", "signature_missing", "signature_wrong"}
SETTINGS = {"lease_seconds": "6", "venue_timeout_seconds": "2", "poll_interval_seconds": "0.2"}
_MODULES = (by_ingest, by_planning, by_venue)


def test_there_is_a_way_to_each_reason() -> None:
    assert set(CASES) == {reason.value for reason in Reason} | OF_THE_WEBHOOK


@pytest.fixture
async def venues() -> AsyncIterator[Mapping[str, Harness]]:
    async with AsyncExitStack() as resources:
        yield {
            name: await resources.enter_async_context(in_real_time(HARNESSES[name]))
            for name in ("aster", "oanda")
        }


@pytest.mark.timeout(300)
async def test_every_reason_comes_from_an_alert(
    world: World, venues: Mapping[str, Harness], capsys: pytest.CaptureFixture[str]
) -> None:
    hosts = {name: hosts for venue in venues.values() for name, hosts in hosts_of(venue).items()}
    worker = WorkerProcess(
        world.backend,
        world.key_file,
        world.logs / "reasons.log",
        settings={**SETTINGS, "worker_id": "reasons", "log_level": "info", "venue_hosts": json.dumps(hosts)},
        command=("-m", "tests.integration.reasons.worker_main"),
    ).start()
    world.workers.append(worker)
    shared = await _prepared(world, venues)
    endings: dict[str, Ending] = {}
    for code, case in CASES.items():
        trader = await world.trader(code.replace("_", "")) if case.fresh else shared
        stage = Stage(world, trader, venues, symbol=f"{code.replace('_', '')}usdt".upper())
        for exchange in ("paper", *venues):
            stage.allow(exchange)
        endings[code] = await case.producer(stage)
        for venue in venues.values():
            venue.heal()
        if case.producer.__module__ == by_venue.__name__:
            # The account at the venue is the same for all of them.
            await stage.at("aster", action="close", quantity=None)
    with capsys.disabled():
        lines = [f"{code:>26}  {one.status:>12}  {one.sentence}" for code, one in endings.items()]
        sys.stdout.write("\n" + "\n".join(lines) + "\n")
    wrong = {code: ending for code, ending in endings.items() if ending.code != code}
    assert wrong == {}
    assert [e for e in endings.values() if not e.sentence.endswith(".")] == []


async def _prepared(world: World, venues: Mapping[str, Harness]) -> Trader:
    """Return a trader with accounts at the venues."""
    trader = await world.trader("Reasons")
    for venue in venues.values():
        await save_keys(world, trader, venue)
    query = "select count(*) from public.user_api_keys where user_id = %s and status = 'valid'"
    await until(lambda: world.records.value(query, trader.user_id) == 1 + len(venues), 20)
    return trader
