"""Keys that a venue rotates: stored before anything can be lost, and never over newer ones."""

import asyncio
from typing import Any

import pytest
import structlog

from sparky.database.keys import StoredKeys
from sparky.engine.credentials import CredentialDesk, OpenedKeys
from sparky.keys.cache import CredentialCache
from sparky.keys.sealing import KeyRing, SealingKey, seal
from sparky.keys.secret import Secret
from tests.unit.domain.work_orders import work_order
from tests.unit.engine.virtual_loop import LoopClock, loop_seams
from tests.unit.engine.world import CONTEXT, FIELDS, KEY, Worker, World, until

TOKEN = "a token that the venue gave"


class Desk:
    """The keys of one worker."""

    def __init__(self, world: World, *ring: SealingKey) -> None:
        self.world = world
        keys = KeyRing(ring or (KEY,))
        self.desk = CredentialDesk(world.database, keys, CredentialCache(LoopClock()), loop_seams())

    async def open(self, version: int = 1) -> OpenedKeys:
        account = {"id": work_order().account.id, "exchange": "paper", "environment": "paper"}
        order = work_order(account=account | {"key_version": version})
        return await self.desk.open(order.user_id, order.account)

    async def opens(self, version: int = 1) -> dict[str, str]:
        return {name: secret.reveal() for name, secret in (await self.open(version)).credentials.items()}


def given(token: str = TOKEN) -> dict[str, Secret]:
    return {"api_key": Secret(token)}


def stored(world: World) -> tuple[int, dict[str, str]]:
    keys = world.database.keys
    assert isinstance(keys, StoredKeys)
    opened = KeyRing([KEY]).open(keys.text.reveal(), CONTEXT)
    return keys.key_version, {name: secret.reveal() for name, secret in opened.items()}


async def test_rotated_keys_are_stored_sealed_and_used_at_once() -> None:
    desk = Desk(World())
    await (await desk.open()).keep(given())
    assert stored(desk.world) == (2, {"api_key": TOKEN})
    for version in (1, 2):
        assert await desk.opens(version) == {"api_key": TOKEN}
    assert desk.world.database.calls == ["open_keys", "rotate_keys"]


async def test_keys_are_rotated_again_by_whoever_opened_them_earlier() -> None:
    desk = Desk(World())
    first = await desk.open()
    await first.keep(given("second"))
    second = await desk.open()
    await first.keep(given("third"))
    await second.keep(given("fourth"))
    assert stored(desk.world) == (4, {"api_key": "fourth"})


async def test_rotations_of_one_account_are_stored_one_after_another() -> None:
    desk = Desk(World())
    first, second = await desk.open(), await desk.open()
    desk.world.database.faults["rotate_keys"].append("slow")
    await asyncio.gather(first.keep(given("second")), second.keep(given("third")))
    assert stored(desk.world) == (3, {"api_key": "third"})


async def test_the_slower_of_two_workers_takes_what_the_other_has_stored() -> None:
    world = World()
    fast, slow = Desk(world), Desk(world)
    opened = await slow.open()
    await (await fast.open()).keep(given("fast"))
    await opened.keep(given("slow"))
    assert stored(world) == (2, {"api_key": "fast"})
    assert await slow.opens() == {"api_key": "fast"}


async def test_keys_that_the_trader_has_replaced_stay() -> None:
    desk = Desk(World())
    opened = await desk.open()
    await opened.keep(given("second"))
    desk.world.store_keys(seal(KEY.public, CONTEXT, {"api_key": "the trader's"}), version=3)
    assert await desk.opens(3) == {"api_key": "the trader's"}
    await opened.keep(given("third"))
    assert stored(desk.world) == (3, {"api_key": "the trader's"})
    assert await desk.opens(3) == {"api_key": "the trader's"}


async def test_what_the_venue_gives_for_the_traders_new_keys_is_stored_in_their_place() -> None:
    desk = Desk(World())
    await (await desk.open()).keep(given("second"))
    desk.world.store_keys(seal(KEY.public, CONTEXT, {"api_key": "the trader's"}), version=3)
    await (await desk.open(3)).keep(given("fourth"))
    assert stored(desk.world) == (4, {"api_key": "fourth"})


async def test_a_caller_who_gives_up_takes_no_keys_along() -> None:
    desk = Desk(World())
    desk.world.database.faults["rotate_keys"].append("slow")
    opened = await desk.open()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await opened.keep(given())
    await desk.desk.close()
    assert stored(desk.world) == (2, {"api_key": TOKEN})


async def test_keys_are_stored_when_the_database_is_back_and_used_meanwhile() -> None:
    desk = Desk(World())
    opened = await desk.open()
    desk.world.database.is_down = True
    keeping = asyncio.ensure_future(opened.keep(given()))
    await asyncio.sleep(1)
    assert await desk.opens() == {"api_key": TOKEN}
    desk.world.database.is_down = False
    await keeping
    assert stored(desk.world) == (2, {"api_key": TOKEN})


async def test_a_lost_answer_leaves_the_stored_keys_to_be_opened() -> None:
    desk = Desk(World())
    opened = await desk.open()
    desk.world.database.faults["rotate_keys"].append("lost")
    await opened.keep(given())
    assert stored(desk.world) == (2, {"api_key": TOKEN})
    assert await desk.opens() == {"api_key": TOKEN}


@pytest.mark.parametrize("fault", ["refused", "down", "no key"])
async def test_keys_that_cannot_be_stored_are_told_unseen_and_used(fault: str) -> None:
    world = World()
    desk = Desk(world)
    opened = await desk.open()
    if fault == "no key":
        world.store_keys('{"api_key": "plain"}', is_sealed=False)
        desk = Desk(world)
        desk.desk = CredentialDesk(world.database, KeyRing([]), CredentialCache(LoopClock()), loop_seams())
        opened = await desk.open()
    elif fault == "down":
        world.database.faults["rotate_keys"].extend(["down"] * 8)
    else:
        world.database.faults["rotate_keys"].append("refuse")
    with structlog.testing.capture_logs() as logs:
        await opened.keep(given())
    assert [entry["event"] for entry in logs] == ["rotated_keys_not_stored"]
    assert TOKEN not in repr(logs) + repr(opened)
    assert await desk.opens() == {"api_key": TOKEN}


async def test_the_venue_is_given_the_account_number_and_the_means_to_keep_keys() -> None:
    world = World()
    worker = Worker(world.database, world.venue, seed=0, batch=1, most=1)
    raw: dict[str, Any] = world.signal().order["account"]
    order = work_order(account=raw | {"account_number": "101-001-1", "status": "valid"})
    opened = await worker.desk.open(order.user_id, order.account)
    await opened.validate()
    (access,) = world.venue.accesses
    assert (access.account_number, access.is_proved) == ("101-001-1", True)
    await access.keep_credentials(given())
    await worker.desk.close()
    assert stored(world) == (2, {"api_key": TOKEN})
    assert FIELDS["api_key"] not in repr(access)


async def test_closing_waits_for_what_is_being_stored() -> None:
    desk = Desk(World())
    opened = await desk.open()
    desk.world.database.faults["rotate_keys"].append("slow")
    keeping = asyncio.ensure_future(opened.keep(given()))
    await until(lambda: "rotate_keys" in desk.world.database.calls)
    keeping.cancel()
    await desk.desk.close()
    assert stored(desk.world) == (2, {"api_key": TOKEN})
