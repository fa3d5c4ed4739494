"""Calls of the API with values of wrong types: a refusal that says so, and never a failure of the server."""

import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from scripts.local_stack.stack import Stack
from scripts.testbed.backend import Backend
from scripts.testbed.trader import Trader

MEGABYTE = "x" * 1_000_000
WRONG: tuple[Any, ...] = (
    *(None, True, 0, -1, 1.5, 1e300, "", "x", "\x01\u202e", MEGABYTE),
    *([], {}, [None], [[]], {"x": {"y": []}}),
)
CALLS: dict[str, dict[str, Any]] = {
    "save_api_key": {
        "p_exchange": "paper",
        "p_environment": "paper",
        "p_label": "Paper",
        "p_sealed": "sparky1.0123456789abcdef." + "A" * 120,
        "p_hint": "abcd",
        "p_fields": ["api_key"],
    },
    "delete_api_key": {"p_account_id": str(uuid.UUID(int=1))},
    "create_webhook": {"p_name": "Mine"},
    "rotate_webhook": {"p_webhook_id": str(uuid.UUID(int=1))},
    "has_feature": {"p_name": "backtesting"},
}
WORKER_CALLS: dict[str, dict[str, Any]] = {
    "claim_signals": {"p_worker": "w", "p_limit": 1, "p_lease_seconds": 60},
    "finish_signals": {"p_results": [{"signal_id": str(uuid.UUID(int=1)), "fence": 1, "status": "done"}]},
    "worker_heartbeat": {"p_worker": "w", "p_version": "1", "p_counters": {}},
    "ingest_alert": {"p_token": "x", "p_body": "{}", "p_ip": "1.2.3.4", "p_headers": {}},
}


@dataclass(frozen=True, slots=True)
class Api:
    url: str
    key: str
    token: str

    async def call(self, http: httpx.AsyncClient, function: str, body: Any) -> httpx.Response:
        headers = {"apikey": self.key, "authorization": f"Bearer {self.token}"}
        return await http.post(f"{self.url}/rest/v1/rpc/{function}", json=body, headers=headers)


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(timeout=30) as client:
        yield client


@pytest.fixture
async def trader_api(stack: Stack) -> AsyncIterator[Api]:
    trader = await Trader.sign_up(Backend.of_stack(stack), "Carol")
    session = await trader.client.auth.get_session()
    assert session is not None
    yield Api(stack.url, stack.publishable_key, session.access_token)
    await trader.close()


def assert_answered_or_refused(answer: httpx.Response, what: str) -> None:
    assert answer.status_code < 500, f"{what}: {answer.status_code} {answer.text[:300]}"
    if answer.status_code >= 400:
        told = answer.json()
        assert len(told["message"]) > 10, what
        assert told["code"], what


async def try_wrong_values(http: httpx.AsyncClient, api: Api, calls: dict[str, dict[str, Any]]) -> int:
    refused = 0
    for function, right in calls.items():
        for argument in right:
            for value in WRONG:
                answer = await api.call(http, function, right | {argument: value})
                assert_answered_or_refused(answer, f"{function} {argument}={str(value)[:20]}")
                refused += answer.status_code >= 400
        for body in ([], "x", 1, None, {"p_unknown": 1}, [right, right]):
            answer = await api.call(http, function, body)
            assert_answered_or_refused(answer, f"{function} {str(body)[:40]}")
    return refused


async def test_a_trader_who_sends_wrong_types_is_refused(http: httpx.AsyncClient, trader_api: Api) -> None:
    assert await try_wrong_values(http, trader_api, CALLS) > 20


async def test_a_worker_that_sends_wrong_types_is_refused(http: httpx.AsyncClient, stack: Stack) -> None:
    api = Api(stack.url, stack.secret_key, stack.secret_key)
    assert await try_wrong_values(http, api, WORKER_CALLS) > 20
