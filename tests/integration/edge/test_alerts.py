import json
import uuid

import httpx
import pytest

from scripts.testbed.backend import Backend
from scripts.testbed.records import Records
from scripts.testbed.trader import Trader

BUY = {"symbol": "BTCUSDT", "action": "buy", "quantity": "1", "price": "27000.5"}


def stored(records: Records, signal_id: str) -> dict[str, object]:
    (row,) = records.rows("select * from public.signals where id = %s", signal_id)
    return row


async def test_a_good_alert_is_accepted_and_stored_with_its_id(
    http: httpx.AsyncClient, url: str, trader: Trader, records: Records
) -> None:
    answer = await http.post(url, json=BUY)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    body = answer.json()
    assert body == {"status": "accepted", "signal_id": str(uuid.UUID(body["signal_id"]))}
    signal = stored(records, body["signal_id"])
    assert (signal["status"], signal["symbol"], signal["action"]) == ("pending", "BTCUSDT", "buy")
    assert str(signal["user_id"]) == trader.user_id
    assert str(signal["account_id"]) == trader.account_id


async def test_the_same_bytes_again_are_a_duplicate_of_the_first_signal(
    http: httpx.AsyncClient, url: str, trader: Trader, records: Records
) -> None:
    first = await http.post(url, json=BUY)
    second = await http.post(url, json=BUY)
    assert second.status_code == 200
    repeated = second.json()
    assert (repeated["status"], repeated["reason_code"]) == ("duplicate", "duplicate")
    assert repeated["signal_id"] == first.json()["signal_id"]
    assert records.value("select count(*) from public.signals where user_id = %s", trader.user_id) == 1


async def test_the_secret_in_the_body_names_the_webhook_and_is_not_stored(
    http: httpx.AsyncClient, backend: Backend, trader: Trader, records: Records
) -> None:
    answer = await http.post(backend.webhook_url, json={"secret": trader.secret, **BUY})
    assert (answer.status_code, answer.json()["status"]) == (200, "accepted")
    signal = stored(records, answer.json()["signal_id"])
    assert str(signal["user_id"]) == trader.user_id
    assert trader.secret not in json.dumps(signal, default=str)


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        ("symbol=ETHUSDT\naction=buy\nquantity=2", "text/plain"),
        ("symbol = ETHUSDT\r\naction = buy\r\nquantity = 2\r\n", "text/plain"),
        ("symbol=ETHUSDT; action=buy; quantity=2", "text/plain; charset=utf-8"),
        ('{"ticker":"BINANCE:ETHUSDT","side":"long","qty":"2"}', "application/x-www-form-urlencoded"),
        ('{"Symbol":"eth/usdt","Action":"BUY","Contracts":2}', "text/plain"),
    ],
    ids=["lines", "windows-lines", "semicolons", "json-as-form", "json-as-text"],
)
async def test_bodies_of_every_form_are_understood_whatever_their_content_type(
    http: httpx.AsyncClient, url: str, records: Records, body: str, content_type: str
) -> None:
    answer = await http.post(url, content=body, headers={"content-type": content_type})
    assert answer.status_code == 200, answer.text
    signal = stored(records, answer.json()["signal_id"])
    alert = signal["alert"]
    assert isinstance(alert, dict)
    assert (signal["symbol"], signal["action"], alert["quantity"]) == ("ETHUSDT", "buy", "2")


@pytest.mark.parametrize(
    ("body", "reason_code", "words"),
    [
        ("good morning", "invalid_json", "neither a JSON object nor key=value"),
        ('{"symbol":"BTCUSDT","action":"fly"}', "invalid_value", '"action" is "fly"'),
        ('{"symbol":"BTCUSDT","quantity":"1"}', "missing_field", '"action"'),
        ('{"symbol":"BTCUSDT","action":"buy","quantity":"1","size":2}', "size_conflict", '"quantity"'),
        ("\x00\xff{", "invalid_json", "neither"),
    ],
    ids=["prose", "unknown-action", "no-action", "two-sizes", "binary"],
)
async def test_what_is_not_understood_is_refused_with_the_reason_and_kept_for_the_trader(
    http: httpx.AsyncClient, url: str, trader: Trader, body: str, reason_code: str, words: str
) -> None:
    answer = await http.post(url, content=body.encode("latin-1"))
    told = answer.json()
    assert answer.status_code == 422
    assert (told["status"], told["reason_code"]) == ("rejected", reason_code)
    assert words in told["reason"]
    (signal,) = await trader.rows("signals")
    assert (signal["id"], signal["status"]) == (told["signal_id"], "rejected")
    assert (signal["reason_code"], signal["reason"]) == (reason_code, told["reason"])


async def test_a_body_above_16_kib_is_refused_and_one_of_16_kib_is_read(
    http: httpx.AsyncClient, url: str, trader: Trader, records: Records
) -> None:
    text = json.dumps(BUY)
    too_large = await http.post(url, content=text + " " * (17 * 1024 - len(text)))
    assert (too_large.status_code, too_large.json()["reason_code"]) == (413, "body_too_large")
    assert records.value("select count(*) from public.signals where user_id = %s", trader.user_id) == 0
    largest = await http.post(url, content=text + " " * (16 * 1024 - len(text)))
    assert largest.status_code == 200


async def test_only_post_is_allowed(http: httpx.AsyncClient, url: str) -> None:
    for method in ("GET", "PUT", "DELETE"):
        answer = await http.request(method, url)
        assert (answer.status_code, answer.headers["allow"]) == (405, "POST"), method
        assert answer.json()["reason_code"] == "method_not_allowed"


async def test_traders_see_their_own_rows_and_nobody_elses(
    http: httpx.AsyncClient, url: str, backend: Backend, trader: Trader, other_trader: Trader
) -> None:
    mine = (await http.post(url, json=BUY)).json()["signal_id"]
    theirs = (await other_trader.post(http, BUY)).body["signal_id"]
    assert mine != theirs
    for who, signal_id in ((trader, mine), (other_trader, theirs)):
        assert [row["id"] for row in await who.rows("signals")] == [signal_id]
        for table in ("usage_logs", "audit_log", "subscriptions"):
            rows = await who.rows(table)
            assert rows, table
            assert {row["user_id"] for row in rows} == {who.user_id}, table
        assert [row["id"] for row in await who.rows("user_profiles")] == [who.user_id]
    anonymous = await http.get(f"{backend.url}/rest/v1/signals", headers={"apikey": backend.publishable_key})
    assert anonymous.status_code == 401, anonymous.text
