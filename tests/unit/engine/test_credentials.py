"""Opened keys: asked for once, kept, and sealed where they lie plain."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import structlog

from sparky.database.keys import StoredKeys
from sparky.domain.errors import (
    DatabaseContractError,
    DatabaseUnavailable,
    LostClaim,
    MalformedSealError,
    UnknownKeyError,
)
from sparky.domain.work_order import Account, WorkOrder
from sparky.engine.credentials import CredentialDesk
from sparky.keys.cache import CredentialCache
from sparky.keys.sealing import KeyRing, SealingKey, seal
from tests.unit.domain.work_orders import work_order
from tests.unit.engine.virtual_loop import LoopClock, loop_seams
from tests.unit.engine.world import CONTEXT, FIELDS, KEY, World

PLAIN = json.dumps(FIELDS)


class Desk:
    """A desk of one worker over the keys of a world."""

    def __init__(self, world: World, *ring: SealingKey) -> None:
        self._desk = CredentialDesk(
            world.database, KeyRing(ring or (KEY,)), CredentialCache(LoopClock()), loop_seams()
        )
        self._world = world

    async def open(self, version: int = 1) -> dict[str, str]:
        order: WorkOrder = work_order()
        account = Account(id=order.account.id, exchange="paper", environment="paper", key_version=version)
        credentials = (await self._desk.open(order.user_id, account)).credentials
        return {name: secret.reveal() for name, secret in credentials.items()}

    @property
    def asked(self) -> int:
        return self._world.database.calls.count("open_keys")


@asynccontextmanager
async def two_at_once(desk: Desk) -> AsyncIterator[list[asyncio.Task[dict[str, str]]]]:
    tasks = [asyncio.create_task(desk.open()) for _ in range(2)]
    await asyncio.sleep(0)
    yield tasks
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_keys_are_asked_for_once_and_kept_for_an_hour() -> None:
    desk = Desk(World())
    for minutes in (0, 30, 29):
        await asyncio.sleep(minutes * 60)
        assert await desk.open() == FIELDS
    assert desk.asked == 1
    await asyncio.sleep(120)
    await desk.open()
    assert desk.asked == 2


async def test_many_that_ask_at_once_share_one_call() -> None:
    desk = Desk(World())
    assert await asyncio.gather(*(desk.open() for _ in range(50))) == [FIELDS] * 50
    assert desk.asked == 1


async def test_a_later_version_is_asked_for_and_an_earlier_one_is_not() -> None:
    world = World()
    desk = Desk(world)
    await desk.open(1)
    world.store_keys(seal(KEY.public, CONTEXT, {"api_key": "newer"}), version=2)
    assert await desk.open(1) == FIELDS
    assert await desk.open(2) == {"api_key": "newer"}
    assert await desk.open(1) == {"api_key": "newer"}
    assert desk.asked == 2


async def test_all_who_wait_are_told_that_the_database_is_away() -> None:
    world = World()
    world.database.faults["open_keys"].append("down")
    desk = Desk(world)
    async with two_at_once(desk) as tasks:
        pass
    assert [type(task.exception()) for task in tasks] == [DatabaseUnavailable] * 2
    assert desk.asked == 1
    assert await desk.open() == FIELDS


async def test_another_who_waits_asks_for_himself_when_the_first_had_lost_his_work() -> None:
    world = World()
    kept, world.database.keys = world.database.keys, LostClaim("gone")
    desk = Desk(world)
    async with two_at_once(desk) as tasks:
        with pytest.raises(LostClaim):
            await tasks[0]
        world.database.keys = kept
    assert tasks[1].result() == FIELDS
    assert desk.asked == 2


async def test_another_who_waits_goes_on_when_the_first_is_cancelled() -> None:
    desk = Desk(World())
    async with two_at_once(desk) as tasks:
        tasks[0].cancel()
    assert tasks[0].cancelled()
    assert tasks[1].result() == FIELDS


async def test_one_who_is_cancelled_while_he_waits_takes_nobody_along() -> None:
    desk = Desk(World())
    async with two_at_once(desk) as tasks:
        tasks[1].cancel()
    assert tasks[1].cancelled()
    assert tasks[0].result() == FIELDS
    assert desk.asked == 1


async def test_keys_that_do_not_open_are_not_kept() -> None:
    world = World()
    desk = Desk(world, SealingKey.generate())
    for _ in range(2):
        with pytest.raises(UnknownKeyError):
            await desk.open()
    assert desk.asked == 2


async def test_plain_keys_are_used_and_sealed_to_the_first_key() -> None:
    world = World()
    world.store_keys(PLAIN, is_sealed=False)
    active, older = SealingKey.generate(), KEY
    desk = Desk(world, active, older)
    assert await desk.open() == FIELDS
    (sealed,) = world.database.resealed
    assert sealed.startswith(f"sparky1.{active.key_id}.")
    opened = KeyRing([active]).open(sealed, CONTEXT)
    assert {name: secret.reveal() for name, secret in opened.items()} == FIELDS
    await desk.open()
    assert world.database.calls == ["open_keys", "reseal_keys"]


@pytest.mark.parametrize("fault", ["down", "lost", "refuse"])
async def test_a_seal_that_fails_stops_nothing_and_is_tried_at_the_next_opening(fault: str) -> None:
    world = World()
    world.store_keys(PLAIN, is_sealed=False)
    world.database.faults["reseal_keys"].append(fault)
    desk = Desk(world)
    assert await desk.open() == FIELDS
    await asyncio.sleep(3601)
    assert await desk.open() == FIELDS
    assert len(world.database.resealed) == 1


async def test_a_worker_without_a_key_leaves_plain_keys_as_they_are() -> None:
    world = World()
    world.store_keys(PLAIN, is_sealed=False)
    order = work_order()
    desk = CredentialDesk(world.database, KeyRing([]), CredentialCache(LoopClock()), loop_seams())
    assert (await desk.open(order.user_id, order.account)).credentials
    assert world.database.resealed == []


@pytest.mark.parametrize("text", ["", "[]", '{"api_key": 1}', "very-secret", '{"api_key": "very-secret"'])
async def test_plain_text_that_holds_no_fields_is_refused_unseen(text: str) -> None:
    world = World()
    world.store_keys(text, is_sealed=False)
    with pytest.raises(MalformedSealError) as refusal:
        await Desk(world).open()
    assert "very-secret" not in repr(refusal.value) + str(refusal.value.__context__ or "")


async def test_plain_keys_show_nowhere() -> None:
    world = World()
    world.store_keys(PLAIN, is_sealed=False)
    world.database.faults["reseal_keys"].append("refuse")
    with structlog.testing.capture_logs() as logs:
        await Desk(world).open()
    assert [entry["event"] for entry in logs] == ["keys_not_sealed"]
    assert FIELDS["api_key"] not in repr(logs) + repr(world.database.keys)
    assert isinstance(world.database.keys, StoredKeys)


async def test_a_refusal_by_the_database_is_the_callers_to_see() -> None:
    world = World()
    world.database.faults["open_keys"].append("refuse")
    with pytest.raises(DatabaseContractError):
        await Desk(world).open()
