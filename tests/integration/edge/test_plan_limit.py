import httpx

from scripts.testbed.records import Records
from scripts.testbed.trader import Trader

FREE_PLAN_ALERTS = 10


async def test_alerts_over_the_plan_are_told_when_to_come_again_and_exits_still_pass(
    http: httpx.AsyncClient, url: str, trader: Trader, records: Records
) -> None:
    records.run("update public.subscriptions set plan = 'Free' where user_id = %s", trader.user_id)
    for number in range(FREE_PLAN_ALERTS):
        entry = {"id": f"n{number}", "symbol": "BTCUSDT", "action": "buy", "quantity": "1"}
        assert (await http.post(url, json=entry)).status_code == 200
    over = await http.post(url, json={"symbol": "BTCUSDT", "action": "buy", "quantity": "2"})
    assert over.status_code == 429
    assert over.json()["reason_code"] == "plan_limit"
    assert "Free allows 10 alerts an hour" in over.json()["reason"]
    assert 3500 <= int(over.headers["retry-after"]) <= 3600
    exit_answer = await http.post(url, json={"symbol": "BTCUSDT", "action": "close"})
    assert (exit_answer.status_code, exit_answer.json()["status"]) == (200, "accepted")
    statuses = [row["status"] for row in await trader.rows("signals")]
    assert sorted(statuses) == ["pending"] * (FREE_PLAN_ALERTS + 1) + ["rate_limited"]
