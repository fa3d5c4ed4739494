"""A worker that stands still past its lease, at anything that it awaits, and goes on: it changes nothing."""

import asyncio
import sys
from collections.abc import Sequence
from typing import Any

import pytest

from tests.integration.sweeps.arena import Arena, Contender
from tests.integration.sweeps.choosing import Choice
from tests.integration.sweeps.plans import SweptPlan
from tests.integration.sweeps.tally import Tally
from tests.integration.worker.world import World

# So long a worker that goes on has for what it must not do.
_TEMPTATION_SECONDS = 1.5


@pytest.mark.timeout(3600)
async def test_a_worker_that_goes_on_after_its_lease_changes_and_sends_nothing(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    choice = Choice(plans=2)
    tally = Tally("pause sweep", choice.seed)
    async with Arena.open(world) as arena:
        await _sweep(arena, choice, tally)
    with capsys.disabled():
        sys.stdout.write(tally.table())
    assert tally.problems == []
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
            worker.pause()
            for one in contenders:
                one.journey.stop_no_more()
            successor = arena.worker()
            problems = await arena.problems(plan, contenders)
            problems += await _tempt(arena, plan, contenders, worker.resume)
            worker.kill()
            worker = successor
            tally.note(plan.name, places)
            tally.problems += [f"{plan.name}, paused at {places}: {what}" for what in problems]
        if choice.whole and tally.stops == before:
            return


async def _tempt(arena: Arena, plan: SweptPlan, contenders: Sequence[Contender], resume: Any) -> list[str]:
    """Let the late worker go on, with all that it waited for, and return what it has changed."""
    before = await arena.everything(contenders)
    for one in contenders:
        # An order whose bytes have left the worker cannot be called back by anybody: such ones are lost.
        place = one.journey.stands_at
        one.journey.let_go(cut=place.startswith(one.name) and place.endswith("asked"))
    resume()
    await asyncio.sleep(_TEMPTATION_SECONDS)
    after = await arena.everything(contenders)
    changed = [f"{name}: {was} became {after[name]}" for name, was in before.items() if after[name] != was]
    return changed + await arena.problems(plan, contenders)
