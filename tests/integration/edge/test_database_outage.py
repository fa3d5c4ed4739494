import time

import httpx

from scripts.local_stack.stack import Stack
from scripts.testbed.records import Records
from scripts.testbed.trader import Trader

BUY = {"symbol": "BTCUSDT", "action": "buy", "quantity": "1"}
TRADINGVIEW_GIVES_UP_AFTER = 3.0
TRADINGVIEW_SENDS_AGAIN_AFTER = 5.0


async def test_without_a_database_senders_are_asked_to_try_again_and_with_it_all_is_well(
    http: httpx.AsyncClient, url: str, stack: Stack, trader: Trader, records: Records
) -> None:
    server = stack.state.deno_pid
    assert (await http.post(url, json={**BUY, "id": "before"})).status_code == 200
    stack.stop_postgres()
    try:
        for _ in range(3):
            began = time.monotonic()
            answer = await http.post(url, json={**BUY, "id": "again"})
            assert time.monotonic() - began < TRADINGVIEW_GIVES_UP_AFTER
            assert (answer.status_code, answer.json()["status"]) == (503, "unavailable")
            assert answer.json()["reason_code"] == "try_again"
    finally:
        stack.start_postgres()
    returned = time.monotonic()
    while (answer := await http.post(url, json={**BUY, "id": "again"})).status_code != 200:
        assert answer.status_code == 503
        assert time.monotonic() - returned < TRADINGVIEW_SENDS_AGAIN_AFTER
    assert answer.json()["status"] == "accepted"
    assert records.value("select count(*) from public.signals where user_id = %s", trader.user_id) == 2
    assert stack.state.deno_pid == server
