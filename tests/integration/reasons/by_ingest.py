"""Reasons for which an alert is refused, or ends, before a worker has it."""

import json
from typing import Final

from tests.integration.reasons.stage import SYMBOL, Ending, Stage, produces

_BUY: Final = {"exchange": "paper", "symbol": SYMBOL, "action": "buy", "quantity": "1", "price": "100"}


@produces("unknown_webhook")
async def _unknown_webhook(stage: Stage) -> Ending:
    return await stage.post(_BUY, token="wh_nobody-has-this-token-at-all-0000000000")


@produces("source_not_allowed", fresh=True)
async def _source_not_allowed(stage: Stage) -> Ending:
    stage.world.records.run(
        "update public.user_webhook_configs set allowed_sources = '{tradingview}' where user_id = %s",
        stage.trader.user_id,
    )
    return await stage.post(_BUY)


@produces("signature_missing", fresh=True)
async def _signature_missing(stage: Stage) -> Ending:
    stage.world.records.run(
        "update public.user_webhook_configs set require_signature = true where user_id = %s",
        stage.trader.user_id,
    )
    return await stage.post(_BUY)


@produces("signature_wrong")
async def _signature_wrong(stage: Stage) -> Ending:
    answer = await stage.world.http.post(
        f"{stage.world.backend.webhook_url}/{stage.trader.token}",
        content=json.dumps(_BUY),
        headers={"X-Sparky-Signature": f"t=1700000000,v1={'0' * 64}"},
    )
    body = answer.json()
    return Ending(body["reason_code"], body["status"], body["reason"])


@produces("invalid_json")
async def _invalid_json(stage: Stage) -> Ending:
    return await stage.post(b"buy one bitcoin, please")


@produces("missing_field")
async def _missing_field(stage: Stage) -> Ending:
    return await stage.post({"exchange": "paper", "symbol": SYMBOL, "quantity": "1"})


@produces("invalid_value")
async def _invalid_value(stage: Stage) -> Ending:
    return await stage.post({**_BUY, "quantity": "many"})


@produces("unknown_field_combination")
async def _unknown_field_combination(stage: Stage) -> Ending:
    return await stage.post({**_BUY, "close_percent": "50"})


@produces("size_conflict")
async def _size_conflict(stage: Stage) -> Ending:
    return await stage.post({**_BUY, "position_size_usd": "100"})


@produces("unknown_exchange")
async def _unknown_exchange(stage: Stage) -> Ending:
    return await stage.post({**_BUY, "exchange": "mtgox"})


@produces("no_account")
async def _no_account(stage: Stage) -> Ending:
    return await stage.post({**_BUY, "exchange": "tradier"})


@produces("unknown_strategy")
async def _unknown_strategy(stage: Stage) -> Ending:
    return await stage.post({**_BUY, "strategy": "Nobody's"})


@produces("strategy_inactive")
async def _strategy_inactive(stage: Stage) -> Ending:
    stage.world.records.run(
        "insert into public.strategies (user_id, name, status) values (%s, 'Asleep', 'inactive')",
        stage.trader.user_id,
    )
    return await stage.post({**_BUY, "strategy": "Asleep"})


@produces("plan_limit", fresh=True)
async def _plan_limit(stage: Stage) -> Ending:
    stage.world.records.run(
        "update public.subscriptions set plan = 'Free' where user_id = %s", stage.trader.user_id
    )
    for _ in range(10):
        await stage.end(action="close")
    return await stage.post(_BUY)


@produces("duplicate")
async def _duplicate(stage: Stage) -> Ending:
    await stage.end(action="close", id="the-same")
    return await stage.post({**_BUY, "id": "the-same"})
