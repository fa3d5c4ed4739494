"""What the edge function adds: the same kind of alert through it and straight to the database function."""

import json
import time
import uuid
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import httpx

from scripts.benchmarks.figures import Figures
from scripts.testbed.backend import Backend
from scripts.testbed.trader import Trader
from sparky.database.rpc import RpcClient

_SECONDS = 10.0
_WARM_UP = 10


@dataclass(frozen=True, slots=True)
class EdgeOverhead:
    """Milliseconds of each alert by either way, and the difference of each pair."""

    edge: Figures
    direct: Figures
    added: Figures

    def __str__(self) -> str:
        return (
            f"through the edge function   {self.edge}\n"
            f"straight to the database    {self.direct}\n"
            f"added by the edge function  {self.added}"
        )


async def measure_edge_overhead(backend: Backend, trader: Trader, pairs: int) -> EdgeOverhead:
    """Send pairs of alerts, one after another, each once by either way; which goes first alternates."""
    edge_ms, direct_ms = [], []
    async with (
        httpx.AsyncClient(timeout=_SECONDS) as http,
        RpcClient(
            backend.url, api_key=backend.secret_key, token=backend.secret_key, timeout_seconds=_SECONDS
        ) as rpc,
    ):
        for number in range(-_WARM_UP, pairs):
            if number % 2:
                direct = await _direct(rpc, trader)
                edge = await _through_edge(http, backend, trader)
            else:
                edge = await _through_edge(http, backend, trader)
                direct = await _direct(rpc, trader)
            if number >= 0:
                edge_ms.append(edge)
                direct_ms.append(direct)
    added = [edge - direct for edge, direct in zip(edge_ms, direct_ms, strict=True)]
    return EdgeOverhead(Figures.of(edge_ms), Figures.of(direct_ms), Figures.of(added))


def _alert() -> str:
    # Dry runs: whatever worker finds them later sends nothing.
    alert = {"id": str(uuid.uuid4()), "symbol": "BTCUSDT", "action": "buy", "quantity": "1", "dry_run": True}
    return json.dumps(alert)


async def _through_edge(http: httpx.AsyncClient, backend: Backend, trader: Trader) -> float:
    body = _alert()
    began = time.perf_counter()
    response = await http.post(f"{backend.webhook_url}/{trader.token}", content=body)
    elapsed = time.perf_counter() - began
    _require_accepted(response.status_code, response.json())
    return elapsed * 1000


async def _direct(rpc: RpcClient, trader: Trader) -> float:
    params = {"p_token": trader.token, "p_body": _alert(), "p_ip": "127.0.0.1", "p_headers": {}}
    began = time.perf_counter()
    answer = await rpc.call("ingest_alert", params)
    elapsed = time.perf_counter() - began
    _require_accepted(answer["http"], answer["body"])
    return elapsed * 1000


def _require_accepted(http: int | Decimal, body: Any) -> None:
    if http != 200 or body["status"] != "accepted":  # noqa: PLR2004 - HTTP
        raise RuntimeError(f"an alert of the benchmark was not accepted: {http} {body}")
