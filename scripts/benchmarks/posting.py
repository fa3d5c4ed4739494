"""The one thing that all contestants do: a signed POST of a market order, with httpx."""

import itertools
import secrets
import time
from typing import Final, Self
from urllib.parse import urlencode

import httpx

from scripts.benchmarks.population import ENVIRONMENT
from sparky.venues.aster.signing import AgentKey, load

_HEADERS: Final = {"Content-Type": "application/x-www-form-urlencoded"}


class Poster:
    """Sends orders for many wallets over as many connections as it is asked to use at once."""

    def __init__(self, url: str, wallets: int, concurrency: int) -> None:
        load()
        # Nobody else's: the worker's traders must find their positions as they left them.
        self._keys = [
            (f"0x{secrets.token_hex(20)}", AgentKey(secrets.token_bytes(32))) for _ in range(wallets)
        ]
        self._nonces = itertools.count(int(time.time() * 1_000_000))
        limits = httpx.Limits(max_connections=concurrency, max_keepalive_connections=concurrency)
        self._client = httpx.AsyncClient(base_url=url, limits=limits, timeout=30)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *ending: object) -> None:
        await self._client.aclose()

    async def post(self, number: int, symbol: str) -> None:
        """Send one order for the wallet of that number.

        Raises:
            httpx.HTTPError: the venue did not take it.
        """
        wallet, key = self._keys[number % len(self._keys)]
        message = urlencode(
            [
                ("symbol", symbol),
                ("side", "BUY"),
                ("type", "MARKET"),
                ("quantity", "1"),
                ("newClientOrderId", f"bench-{number}-{next(self._nonces)}"),
                ("newOrderRespType", "RESULT"),
                ("nonce", str(next(self._nonces))),
                ("user", wallet),
                ("signer", key.address),
            ]
        )
        content = f"{message}&signature={key.sign(ENVIRONMENT, message)}"
        response = await self._client.post("/fapi/v3/order", content=content, headers=_HEADERS)
        response.raise_for_status()
        response.json()
