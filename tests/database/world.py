"""One database and the people in it: what the tests of the schema are written with."""

import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, LiteralString

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

SEALED = "sparky1.0123456789abcdef." + "A" * 120
BUY = {"symbol": "BTCUSDT", "action": "buy", "quantity": "1"}


@dataclass(frozen=True, slots=True)
class Trader:
    id: str
    account: str
    webhook: str
    token: str
    secret: str


def connect(
    url: str, role: str | None = None, trader: str | None = None
) -> psycopg.Connection[tuple[Any, ...]]:
    """Open a connection that acts as an API role; `trader` signs it in as that trader."""
    connection = psycopg.connect(url, autocommit=True)
    if trader is not None:
        claims = json.dumps({"sub": trader, "role": role})
        connection.execute("select set_config('request.jwt.claims', %s, false)", (claims,))
    if role is not None:
        connection.execute(sql.SQL("set role {}").format(sql.Identifier(role)))
    return connection


def call(connection: psycopg.Connection[tuple[Any, ...]], function: str, *arguments: Any) -> Any:
    """Call a function of schema public; lists and mappings go as jsonb."""
    schema, _, name = function.rpartition(".")
    statement = sql.SQL("select {}({})").format(
        sql.Identifier(schema or "public", name), sql.SQL(", ").join(sql.Placeholder() * len(arguments))
    )
    row = connection.execute(statement, [_wrapped(value) for value in arguments]).fetchone()
    assert row is not None
    return row[0]


def _wrapped(value: Any) -> Any:
    return Jsonb(value) if isinstance(value, (Mapping, list)) else value


class World:
    """A fresh database. `admin` is a superuser's connection, `url` opens more of them."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.admin = psycopg.connect(url, autocommit=True)
        self._worker: psycopg.Connection[tuple[Any, ...]] | None = None
        self._edge: psycopg.Connection[tuple[Any, ...]] | None = None

    def close(self) -> None:
        for connection in (self.admin, self._worker, self._edge):
            if connection is not None:
                connection.close()

    @property
    def worker(self) -> psycopg.Connection[tuple[Any, ...]]:
        if self._worker is None:
            self._worker = connect(self.url, "sparky_worker")
        return self._worker

    @property
    def edge(self) -> psycopg.Connection[tuple[Any, ...]]:
        if self._edge is None:
            self._edge = connect(self.url, "sparky_edge")
        return self._edge

    @contextmanager
    def signed_in(
        self, trader: str, role: str = "authenticated"
    ) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
        connection = connect(self.url, role, trader)
        try:
            yield connection
        finally:
            connection.close()

    def rows(self, query: LiteralString, *parameters: Any) -> list[tuple[Any, ...]]:
        return self.admin.execute(query, parameters).fetchall()

    def row(self, query: LiteralString, *parameters: Any) -> tuple[Any, ...]:
        found = self.rows(query, *parameters)
        assert len(found) == 1, found
        return found[0]

    def value(self, query: LiteralString, *parameters: Any) -> Any:
        return self.row(query, *parameters)[0]

    def run(self, statement: LiteralString, *parameters: Any) -> int:
        return self.admin.execute(statement, parameters).rowcount

    def sign_up(self, email: str | None = None) -> str:
        trader = str(uuid.uuid4())
        self.run(
            "insert into auth.users (id, email, aud, role) values (%s, %s, 'authenticated', 'authenticated')",
            trader,
            email or f"{trader}@example.com",
        )
        return trader

    def trader(self, plan: str = "Enterprise") -> Trader:
        """Sign up a trader, on a plan without limits or the one named, with a paper account."""
        trader = self.sign_up()
        self.run("update public.subscriptions set plan = %s where user_id = %s", plan, trader)
        with self.signed_in(trader) as connection:
            account = call(connection, "save_api_key", "paper", "paper", "Paper", SEALED, "abcd")
            made = connection.execute("select id from public.user_webhook_configs").fetchone()
            assert made is not None
            webhook = call(connection, "reveal_webhook", made[0])
        return Trader(trader, str(account), webhook["id"], webhook["token"], webhook["secret"])

    def ingest(
        self,
        trader: Trader,
        body: Mapping[str, Any] | str,
        ip: str = "1.2.3.4",
        headers: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        text = body if isinstance(body, str) else json.dumps(body)
        answer = call(self.edge, "ingest_alert", trader.token, text, ip, dict(headers or {}))
        assert isinstance(answer, dict)
        return answer

    def accept(self, trader: Trader, **fields: Any) -> str:
        """Ingest a buy of one BTCUSDT, changed by `fields`, and return the signal's id."""
        answer = self.ingest(trader, BUY | {"id": str(uuid.uuid4())} | fields)
        assert answer["body"]["status"] == "accepted", answer
        return str(answer["body"]["signal_id"])

    def claim(self, limit: int = 10, lease: int = 60, worker: str = "w1") -> list[dict[str, Any]]:
        return list(call(self.worker, "claim_signals", worker, limit, lease))

    def claim_one(self, worker: str = "w1") -> dict[str, Any]:
        orders = self.claim(1, worker=worker)
        assert len(orders) == 1, orders
        return orders[0]

    def begin(self, *claims: Mapping[str, Any]) -> list[dict[str, Any]]:
        return list(call(self.worker, "begin_orders", list(claims)))

    def finish(self, *results: Mapping[str, Any]) -> list[dict[str, Any]]:
        return list(call(self.worker, "finish_signals", list(results))["finished"])

    def signal(self, signal_id: str) -> dict[str, Any]:
        return dict(self.value("select to_jsonb(s) from public.signals s where id = %s", signal_id))

    def let_lease_run_out(self, signal_id: str) -> None:
        count = self.run(
            "update public.signals set lease_until = clock_timestamp() - interval '1 second' where id = %s",
            signal_id,
        )
        assert count == 1


def held(work_order: Mapping[str, Any]) -> dict[str, Any]:
    return {"signal_id": work_order["signal_id"], "fence": work_order["fence"]}


def order(work_order: Mapping[str, Any], leg: int = 1, **changes: Any) -> dict[str, Any]:
    """Return what begin_orders wants for one leg of a work order."""
    client_id = f"sp{uuid.UUID(work_order['signal_id']).hex[:24].upper()}{leg:02d}"
    wanted = {
        "leg": leg,
        "client_order_id": client_id,
        "symbol": work_order["symbol"],
        "side": "buy",
        "order_type": "market",
        "purpose": "open",
        "quantity": "1",
        "reduce_only": False,
        "extended_hours": False,
        "reference_price": "100",
    }
    return held(work_order) | {"plan": {"legs": [leg]}, "orders": [wanted | changes]}


def filled(leg: int = 1, *, fills: Sequence[Mapping[str, Any]] = (), **changes: Any) -> dict[str, Any]:
    return {
        "leg": leg,
        "state": "filled",
        "venue_order_id": "v1",
        "elapsed_ms": 12,
        "fills": list(fills),
    } | changes


def fill(
    fill_id: str, quantity: str = "1", price: str = "100", fee: str = "0", minute: int = 0
) -> dict[str, Any]:
    return {
        "venue_fill_id": fill_id,
        "price": price,
        "quantity": quantity,
        "fee": fee,
        "fee_currency": "USD",
        "filled_at": f"2026-11-22T10:{minute:02d}:00Z",
    }
