"""Calls each function of schema public as each actor, and says in one word what came of it.

Like matrix.py, on one superuser's connection inside savepoints, so nothing stays.
"""

import json
import re
import tomllib
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from tests.database.matrix import ACTORS, refusal
from tests.database.populate import Two
from tests.database.world import Trader, World, call, held, order

FILE = Path(__file__).with_name("calls.toml")
KEY_HASH = "ab" * 32
PAPER_ORDER = {"price": "10", "reduce_only": False} | {
    "client_order_id": "known",
    "symbol": "X",
    "side": "buy",
    "quantity": "1",
}
PAPER_RESTING = PAPER_ORDER | {
    "client_order_id": "resting",
    "order_type": "limit",
    "limit_price": "9",
}
PAPER_TERMS = {"slippage_percent": "0", "fee_percent": "0", "max_leverage": "1"}
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d(:?\d\d)?)?")
Names = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Call:
    """One section of calls.toml: a call that is right, with the owner's ids, and what each actor gets."""

    name: str
    arguments: Mapping[str, Any]
    expected: Mapping[str, str]

    def filled(self, names: Names) -> dict[str, str | None]:
        """Return the arguments as text, with the names put in; tables and lists become JSON."""
        filled: dict[str, str | None] = {}
        for name, value in self.arguments.items():
            text = value if isinstance(value, str) else json.dumps(value)
            for key, replacement in names.items():
                text = text.replace("{" + key + "}", replacement)
            filled[name] = text
        return filled


def calls() -> dict[str, Call]:
    found = {}
    for name, entry in tomllib.loads(FILE.read_text(encoding="utf-8")).items():
        assert set(entry) == {"arguments", *ACTORS}, name
        found[name] = Call(name, entry["arguments"], {actor: entry[actor] for actor in ACTORS})
    return found


def prepare(two: Two) -> dict[str, str]:
    """Give the owner work in progress of every kind, and return the names that calls.toml may use."""
    world = two.world
    world.accept(two.owner)
    executing = world.claim_one()
    reviewed = put_under_review(world, two.owner)
    world.accept(two.owner, symbol="WAITING")
    world.run(
        "update private.tasks set state = 'running', lease_until = now() + interval '1 hour', fence = 1"
        " where id = (select min(id) from private.tasks where user_id = %s)",
        two.owner.id,
    )
    world.run(
        "update private.reconciliations set lease_until = now() + interval '1 hour', fence = 1,"
        " claimed_at = now() where account_id = %s",
        two.owner.account,
    )
    call(world.admin, "paper_open", two.owner.account, KEY_HASH, 1000, "USD")
    call(world.admin, "paper_submit", two.owner.account, KEY_HASH, PAPER_ORDER, PAPER_TERMS)
    call(world.admin, "paper_submit", two.owner.account, KEY_HASH, PAPER_RESTING, PAPER_TERMS)
    task = world.value(
        "select min(id) from private.tasks where user_id = %s and state = 'running'", two.owner.id
    )
    return names_of(two.owner) | {
        "signal": executing["signal_id"],
        "reviewed": reviewed,
        "task": str(task),
        "key_hash": KEY_HASH,
        "export": export_of(world, two.owner),
    }


def put_under_review(world: World, trader: Trader) -> str:
    signal_id = world.accept(trader, symbol="UNCLEAR")
    claimed = world.claim_one()
    assert world.begin(order(claimed))[0]["ok"]
    assert world.finish(held(claimed) | {"status": "review", "reason": "Unclear."})[0]["ok"]
    return signal_id


def export_of(world: World, trader: Trader) -> str:
    return str(world.value("select id from public.data_exports where user_id = %s", trader.id))


def names_of(trader: Trader) -> dict[str, str]:
    return {
        "trader": trader.id,
        "account": trader.account,
        "webhook": trader.webhook,
        "token": trader.token,
        "secret": trader.secret,
    }


def nobody(names: Names) -> dict[str, str]:
    """Return names of the same shape that belong to nobody."""
    return {
        key: value if key == "key_hash" else str(uuid.uuid4()) if UUID.fullmatch(value) else unknown(value)
        for key, value in names.items()
    }


def unknown(value: str) -> str:
    return "999999999" if value.isdigit() else uuid.uuid4().hex


class Caller:
    def __init__(self, two: Two, connection: psycopg.Connection[tuple[Any, ...]], names: Names) -> None:
        self.two = two
        self.connection = connection
        self.names = names
        self._owned = _owned_rows(two.world)

    @contextmanager
    def acting_as(self, actor: str, *, keep: bool = False) -> Iterator[None]:
        role, whose = ACTORS[actor]
        ids = {"owner": self.two.owner.id, "other": self.two.other.id}
        claims = {"role": role} | ({"sub": ids[whose]} if whose else {})
        with self.connection.transaction(force_rollback=not keep):
            self.connection.execute(
                "select set_config('request.jwt.claims', %s, true)", (json.dumps(claims),)
            )
            self.connection.execute(sql.SQL("set local role {}").format(sql.Identifier(role)))
            yield
            # A savepoint that is kept would keep the role too.
            self.connection.execute("reset role")

    def run(self, name: str, arguments: Mapping[str, str | None]) -> Any:
        statement = sql.SQL("select to_jsonb(f) from public.{}({}) f").format(
            sql.Identifier(name),
            sql.SQL(", ").join(
                sql.SQL("{} => {}").format(sql.Identifier(key), sql.Placeholder()) for key in arguments
            ),
        )
        # Text without a type, as PostgREST passes it.
        return self.connection.execute(statement, list(arguments.values())).fetchall()

    def outcome(self, one: Call, actor: str) -> str:
        arguments = one.filled(self.names)
        word, answer, touched = self._observe(one, actor, arguments)
        strangers = one.filled(nobody(self.names))
        if word != "denied" and strangers != arguments:
            other_word, other_answer, _ = self._observe(one, actor, strangers)
            if (word, _masked(answer)) == (other_word, _masked(other_answer)):
                word = "unknown"
        if actor in {"anon", "stranger"}:
            tells = [value for value in self._secrets(arguments) if value in answer]
            word += "-and-touches" * touched + "-and-tells" * bool(tells)
        return word

    def _observe(self, one: Call, actor: str, arguments: Mapping[str, str | None]) -> tuple[str, str, bool]:
        before = self._owner_rows()
        with self.connection.transaction(force_rollback=True):
            try:
                with self.acting_as(actor):
                    answer = json.dumps(self.run(one.name, arguments))
                    self.connection.execute("reset role")
                    return "answer", answer, before != self._owner_rows()
            except psycopg.Error as error:
                return refusal(error), f"{error} {error.diag.message_hint}", False

    def _secrets(self, arguments: Mapping[str, str | None]) -> list[str]:
        said = json.dumps(arguments)
        return [value for value in self.names.values() if len(value) > 20 and value not in said]

    def _owner_rows(self) -> Any:
        return self.connection.execute(self._owned, {"owner": self.two.owner.id}).fetchall()


def _owned_rows(world: World) -> sql.Composed:
    """Return a statement that sums up every row of the owner, in each table that names traders."""
    tables = world.rows(
        "select n.nspname, c.relname, a.attname from pg_attribute a join pg_class c on c.oid = a.attrelid"
        " join pg_namespace n on n.oid = c.relnamespace"
        " where c.relkind = 'r' and n.nspname in ('public', 'private')"
        " and (a.attname = 'user_id' or c.relname = 'user_profiles' and a.attname = 'id')"
    )
    assert len(tables) > 12
    return sql.SQL(" union all ").join(
        sql.SQL(
            "(select {}, md5(string_agg(r::text, '' order by r::text)) from {} r where {} = %(owner)s)"
        ).format(sql.Literal(f"{schema}.{table}"), sql.Identifier(schema, table), sql.Identifier("r", column))
        for schema, table, column in tables
    )


def _masked(answer: str) -> str:
    masked = TIME.sub("<time>", UUID.sub("<id>", answer))
    return re.sub(r'"task_id": \d+', '"task_id": <id>', masked)
