"""The operator's halt and the trader's own switch, through the API, the database and a running worker."""

import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest

from scripts.testbed.trader import Trader
from tests.integration.worker.ledger import paper_orders
from tests.integration.worker.world import World

REASON = "the exchange is down"
BUY = {"symbol": "BTCUSDT", "action": "buy", "quantity": "1", "price": "100"}
REVERSE = {"symbol": "BTCUSDT", "action": "sell", "quantity": "1", "price": "100"}
CLOSE = {"symbol": "BTCUSDT", "action": "close", "price": "100"}


async def operate(world: World, function: str, **arguments: Any) -> dict[str, Any]:
    key = world.backend.secret_key
    answer = await world.http.post(
        f"{world.backend.url}/rest/v1/rpc/{function}",
        headers={"apikey": key, "authorization": f"Bearer {key}"},
        json=arguments,
    )
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


@pytest.fixture
async def trader(world: World) -> AsyncIterator[Trader]:
    yield await world.trader()
    # The platform is one for all tests of the stack.
    await operate(world, "resume_trading")


async def ending(world: World, trader: Trader, alert: dict[str, Any]) -> tuple[str, str | None, str]:
    # Without an id the same alert a moment later would be a repetition.
    signal_id = await world.accept(trader, alert | {"id": str(uuid.uuid4())})
    (signal,) = await world.finished([signal_id])
    return signal["status"], signal["reason_code"], signal["reason"]


async def test_switched_off_opens_nothing_and_closes_what_is_open(world: World, trader: Trader) -> None:
    world.worker().await_event("wake_ups_connected")
    assert (await ending(world, trader, BUY))[0] == "done"
    assert (await operate(world, "halt_trading", p_reason=REASON))["trading_halted"] is True
    for entry in (REVERSE, BUY | {"symbol": "ETHUSDT"}):
        status, code, reason = await ending(world, trader, entry)
        assert (status, code) == ("rejected", "platform_halted")
        assert REASON in reason
    assert len(paper_orders(world.records, [trader])) == 1
    assert (await ending(world, trader, CLOSE))[:2] == ("done", None)
    await operate(world, "resume_trading")
    assert (await ending(world, trader, BUY))[0] == "done"
    world.records.run(
        "insert into public.trade_settings_global (user_id, enabled) values (%s, false)"
        " on conflict (user_id) do update set enabled = false",
        trader.user_id,
    )
    assert (await ending(world, trader, REVERSE))[:2] == ("rejected", "trading_disabled")
    assert (await ending(world, trader, CLOSE))[:2] == ("done", None)
    assert len(paper_orders(world.records, [trader])) == 4
