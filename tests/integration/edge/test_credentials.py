import hashlib
import hmac
import json
import time

import httpx
import pytest

from scripts.testbed.backend import Backend
from scripts.testbed.records import Records
from scripts.testbed.trader import Trader

BUY = {"symbol": "BTCUSDT", "action": "buy", "quantity": "1"}
TRADINGVIEW = "52.89.214.238"


async def test_an_unknown_token_and_a_wrong_secret_get_the_same_words(
    http: httpx.AsyncClient, backend: Backend, trader: Trader
) -> None:
    altered = trader.token[:-1] + ("A" if trader.token[-1] != "A" else "B")
    by_token = [
        await http.post(f"{backend.webhook_url}/{token}", json=BUY)
        for token in (altered, "x", "%20", "a" * 500)
    ]
    by_secret = [
        await http.post(backend.webhook_url, json={"secret": secret, **BUY}) for secret in (altered, "", 1)
    ]
    by_secret.append(await http.post(backend.webhook_url, json=BUY))
    assert {answer.status_code for answer in by_token} == {404}
    assert {answer.status_code for answer in by_secret} == {401}
    assert {answer.text for answer in by_token + by_secret} == {by_token[0].text}
    assert by_token[0].json()["status"] == "refused"


async def test_a_token_is_no_secret_and_a_secret_is_no_token(
    http: httpx.AsyncClient, backend: Backend, trader: Trader
) -> None:
    assert (await http.post(f"{backend.webhook_url}/{trader.secret}", json=BUY)).status_code == 404
    swapped = await http.post(backend.webhook_url, json={"secret": trader.token, **BUY})
    assert swapped.status_code == 401


async def test_a_source_outside_the_list_is_refused_even_when_it_claims_to_be_inside(
    http: httpx.AsyncClient, url: str, trader: Trader, records: Records
) -> None:
    restrict = "update public.user_webhook_configs set allowed_sources = %s where user_id = %s"
    records.run(restrict, ["tradingview"], trader.user_id)
    forged = {"x-forwarded-for": TRADINGVIEW, "cf-connecting-ip": TRADINGVIEW, "x-real-ip": TRADINGVIEW}
    for headers in ({}, forged):
        answer = await http.post(url, json=BUY, headers=headers)
        assert (answer.status_code, answer.json()["reason_code"]) == (403, "source_not_allowed")
    assert records.value("select count(*) from public.signals where user_id = %s", trader.user_id) == 0
    records.run(restrict, ["tradingview", "127.0.0.0/8"], trader.user_id)
    assert (await http.post(url, json=BUY)).status_code == 200


def signature(body: bytes, secret: str, at: float) -> str:
    digest = hmac.new(secret.encode(), f"{at:.0f}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at:.0f},v1={digest}"


async def test_a_webhook_that_requires_signatures_takes_only_signed_alerts(
    http: httpx.AsyncClient, url: str, trader: Trader, records: Records
) -> None:
    require = "update public.user_webhook_configs set require_signature = true where user_id = %s"
    records.run(require, trader.user_id)
    body = json.dumps(BUY).encode()
    now = time.time()
    missing = await http.post(url, content=body)
    assert (missing.status_code, missing.json()["reason_code"]) == (403, "signature_missing")
    good = {"x-sparky-signature": signature(body, trader.secret, now)}
    other_body = await http.post(url, content=body + b" ", headers=good)
    assert (other_body.status_code, other_body.json()["reason_code"]) == (403, "signature_wrong")
    signed = await http.post(url, content=body, headers=good)
    assert (signed.status_code, signed.json()["status"]) == (200, "accepted")


@pytest.mark.parametrize("age", [-400, 400], ids=["from-the-future", "old"])
async def test_a_signature_of_another_time_is_refused(
    http: httpx.AsyncClient, url: str, trader: Trader, age: int
) -> None:
    body = json.dumps(BUY).encode()
    headers = {"x-sparky-signature": signature(body, trader.secret, time.time() - age)}
    answer = await http.post(url, content=body, headers=headers)
    assert (answer.status_code, answer.json()["reason_code"]) == (403, "signature_wrong")


async def test_a_wrong_signature_is_refused_where_none_is_required(http: httpx.AsyncClient, url: str) -> None:
    headers = {"x-sparky-signature": f"t={time.time():.0f},v1={'0' * 64}"}
    answer = await http.post(url, json=BUY, headers=headers)
    assert (answer.status_code, answer.json()["reason_code"]) == (403, "signature_wrong")
