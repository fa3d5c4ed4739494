"""A venue that costs next to nothing: Aster's paths, orders that fill at once, and a fixed latency.

    python -m scripts.benchmarks.aster_fake [--port 0] [--latency-ms 5]

It runs in a process of its own and says its port on standard output. Unlike the fakes of the tests it checks
no signature, step or limit: it has to be cheaper than whatever is measured against it. Beyond Aster's paths,
`GET /arrivals` tells when each order's bytes came, in seconds of this machine's clock.
"""

import argparse
import asyncio
import json
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, Final
from urllib.parse import parse_qsl

PRICE: Final = "100.0"
SYMBOLS: Final = tuple(f"BENCH{number}USDT" for number in range(200))
# More than any benchmark spends: what is measured is us, not a venue's limit.
_NO_LIMIT: Final = 1_000_000_000
_HEAD_END: Final = b"\r\n\r\n"

Fields = dict[str, str]


class Venue:
    """The books: orders and trades by wallet and symbol, and when each order came."""

    def __init__(self) -> None:
        self.arrivals: dict[str, float] = {}
        self.repeated = 0
        self._orders: dict[str, Fields | dict[str, Any]] = {}
        self._trades: defaultdict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
        self._held: defaultdict[str, defaultdict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))

    def answer(self, method: str, path: str, fields: Fields) -> Any:
        """Answer one request."""
        return _ROUTES[method, path](self, fields)

    def place(self, fields: Fields) -> Any:
        """Fill a market order at once."""
        client_id = fields["newClientOrderId"]
        if client_id in self.arrivals:
            self.repeated += 1
        else:
            self.arrivals[client_id] = time.time()
        number, now = len(self._orders) + 1, int(time.time() * 1000)
        quantity = fields["quantity"]
        symbol, key = fields["symbol"], (fields["user"], fields["symbol"])
        order = {
            "orderId": number,
            "clientOrderId": client_id,
            "symbol": symbol,
            "side": fields["side"],
            "status": "FILLED",
            "type": fields["type"],
            "origQty": quantity,
            "executedQty": quantity,
            "avgPrice": PRICE,
            "updateTime": now,
        }
        self._orders[client_id] = order
        signed = Decimal(quantity) if fields["side"] == "BUY" else -Decimal(quantity)
        self._held[fields["user"]][symbol] += signed
        self._trades[key].append(
            {
                "id": number,
                "orderId": number,
                "symbol": symbol,
                "side": fields["side"],
                "price": PRICE,
                "qty": quantity,
                "commission": "0.01",
                "commissionAsset": "USDT",
                "maker": False,
                "realizedPnl": "0",
                "time": now,
            }
        )
        return order

    def trades(self, fields: Fields) -> Any:
        """Answer GET userTrades."""
        since = int(fields.get("startTime", 0))
        return [trade for trade in self._trades[fields["user"], fields["symbol"]] if trade["time"] >= since]

    def order(self, fields: Fields) -> Any:
        """Answer GET order."""
        return self._orders[fields["origClientOrderId"]]

    def positions(self, fields: Fields) -> Any:
        """Answer GET positionRisk."""
        held = self._held[fields["user"]]
        wanted = fields.get("symbol")
        return [
            {
                "symbol": symbol,
                "positionSide": "BOTH",
                "positionAmt": str(amount),
                "entryPrice": PRICE,
                "markPrice": PRICE,
                "unRealizedProfit": "0",
            }
            for symbol, amount in held.items()
            if wanted in {None, symbol}
        ]

    def agents(self, fields: Fields) -> Any:
        """Answer GET agent."""
        return [
            {
                "agentName": "bench",
                "agentAddress": fields["signer"],
                "canPerpTrade": True,
                "canWithdraw": False,
                "expired": 4_102_444_800_000,
            }
        ]


_FILTERS: Final = [
    {"filterType": "PRICE_FILTER", "tickSize": "0.1", "minPrice": "0.1", "maxPrice": "1000000"},
    {"filterType": "LOT_SIZE", "stepSize": "0.001", "minQty": "0.001", "maxQty": "100000"},
    {"filterType": "MIN_NOTIONAL", "notional": "5"},
]
_INFO: Final = {
    "rateLimits": [
        {"rateLimitType": kind, "interval": "MINUTE", "intervalNum": 1, "limit": _NO_LIMIT}
        for kind in ("REQUEST_WEIGHT", "ORDERS")
    ],
    "symbols": [
        {"symbol": symbol, "status": "TRADING", "marginAsset": "USDT", "filters": _FILTERS}
        for symbol in SYMBOLS
    ],
}
_ROUTES: Final[dict[tuple[str, str], Callable[[Venue, Fields], Any]]] = {
    ("GET", "/fapi/v3/time"): lambda _venue, _fields: {"serverTime": int(time.time() * 1000)},
    ("GET", "/fapi/v3/exchangeInfo"): lambda _venue, _fields: _INFO,
    ("GET", "/fapi/v3/positionSide/dual"): lambda _venue, _fields: {"dualSidePosition": False},
    ("GET", "/fapi/v3/openOrders"): lambda _venue, _fields: [],
    ("GET", "/fapi/v3/agent"): Venue.agents,
    ("GET", "/fapi/v3/positionRisk"): Venue.positions,
    ("GET", "/fapi/v3/userTrades"): Venue.trades,
    ("GET", "/fapi/v3/order"): Venue.order,
    ("POST", "/fapi/v3/order"): Venue.place,
    ("GET", "/arrivals"): lambda venue, _fields: {"arrivals": venue.arrivals, "repeated": venue.repeated},
}


class _Connection(asyncio.Protocol):
    """One connection: requests are answered in their order, each after the latency."""

    def __init__(self, venue: Venue, latency_seconds: float) -> None:
        self._venue = venue
        self._latency_seconds = latency_seconds
        self._received = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - what a TCP server is given
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        while (end := self._received.find(_HEAD_END)) >= 0:
            head, rest = self._received[:end], self._received[end + len(_HEAD_END) :]
            length = _content_length(head)
            if len(rest) < length:
                return
            self._received = rest[length:]
            self._answer(head, rest[:length])

    def _answer(self, head: bytes, content: bytes) -> None:
        method, target, _ = head[: head.index(b"\r\n")].decode("ascii").split(" ")
        path, _, query = target.partition("?")
        fields = dict(parse_qsl(f"{query}&{content.decode('ascii')}"))
        body = json.dumps(self._venue.answer(method, path, fields)).encode()
        answer = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (
            len(body),
            body,
        )
        asyncio.get_running_loop().call_later(self._latency_seconds, self._write, answer)

    def _write(self, answer: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(answer)


def _content_length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        if line[:15].lower() == b"content-length:":
            return int(line[15:])
    return 0


async def _serve(port: int, latency_seconds: float) -> None:
    venue = Venue()
    server = await asyncio.get_running_loop().create_server(
        lambda: _Connection(venue, latency_seconds), "127.0.0.1", port, backlog=1000
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until killed."""
    parser = argparse.ArgumentParser(prog="aster_fake", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--port", type=int, default=0, help="default: a free one")
    parser.add_argument("--latency-ms", type=float, default=5.0, help="before each answer (default: 5)")
    options = parser.parse_args(arguments)
    asyncio.run(_serve(options.port, options.latency_ms / 1000))
    return 0


if __name__ == "__main__":
    sys.exit(main())
