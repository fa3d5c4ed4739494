"""A worker killed at each thing that it awaits: nothing is lost and nothing is doubled."""

import sys

import pytest

from tests.integration.sweeps.arena import Arena
from tests.integration.sweeps.choosing import Choice
from tests.integration.sweeps.tally import Tally
from tests.integration.worker.world import World


@pytest.mark.timeout(3600)
async def test_a_worker_killed_at_any_passage_loses_and_doubles_nothing(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    choice = Choice(plans=3)
    tally = Tally("kill sweep", choice.seed)
    async with Arena.open(world) as arena:
        await _sweep(arena, choice, tally)
    with capsys.disabled():
        sys.stdout.write(tally.table())
    assert tally.problems == []
    # Kills that hit nothing prove nothing.
    assert tally.stops >= len(arena.contenders)


async def _sweep(arena: Arena, choice: Choice, tally: Tally) -> None:
    worker = arena.worker()
    for plans in choice.rounds():
        before = tally.stops
        for plan, number in plans:
            contenders = arena.contenders
            await arena.send(plan, contenders, number)
            if number is None:
                tally.problems += [f"{plan.name}: {what}" for what in await arena.problems(plan, contenders)]
                continue
            standing = await arena.standing(contenders)
            places = {one.name: one.journey.stands_at for one in standing}
            worker.kill()
            arena.let_go(contenders, cut=True)
            worker = arena.worker()
            tally.note(plan.name, places)
            for what in await arena.problems(plan, contenders):
                tally.problems.append(f"{plan.name}, killed at {places}: {what}")
        if choice.whole and tally.stops == before:
            return
