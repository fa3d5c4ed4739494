from collections.abc import Mapping

import httpx

from scripts.local_stack import urls
from scripts.local_stack.stack import Stack
from scripts.testbed.backend import Backend
from scripts.testbed.trader import Trader


def secrets_of(stack: Stack, trader: Trader) -> Mapping[str, str]:
    return {
        "token": trader.token,
        "webhook secret": trader.secret,
        "paper key": trader.paper_key,
        "password": trader.password,
        "session": trader.client.auth._headers.get("Authorization", "") or "none",
        "secret key": stack.secret_key,
        "jwt secret": stack.jwt_secret,
        "service role": stack.state.service_role_jwt,
        "database password": urls.password_of(stack.database_url),
        "superuser's password": urls.password_of(stack.admin_database_url),
    }


async def test_no_log_of_the_stack_holds_a_secret_of_the_alerts_it_answered(
    http: httpx.AsyncClient, url: str, backend: Backend, stack: Stack, trader: Trader
) -> None:
    buy = {"symbol": "BTCUSDT", "action": "buy", "quantity": "1"}
    await http.post(url, json=buy)
    await http.post(f"{url}/more", json=buy)
    await http.post(f"{url}?token={trader.token}", json=buy)
    await http.post(backend.webhook_url, json={"secret": trader.secret, **buy})
    await http.post(backend.webhook_url, content=f"secret {trader.secret} in prose")
    await http.post(f"{backend.webhook_url}/{trader.secret}", content=trader.token)
    await http.get(url)
    logs = {path.name: path.read_text("utf-8", "replace") for path in (stack.data / "logs").iterdir()}
    assert "webhook_request" in "".join(logs.values())
    leaks = [
        (name, kind)
        for name, text in logs.items()
        for kind, secret in secrets_of(stack, trader).items()
        if secret in text
    ]
    assert not leaks
