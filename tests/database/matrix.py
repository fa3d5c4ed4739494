"""Tries every verb on a relation as every actor, and says in one word what came of it.

Everything happens on one superuser's connection inside savepoints, so nothing stays.
"""

import json
import tomllib
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from tests.database.populate import Two

FILE = Path(__file__).with_name("matrix.toml")
VERBS = ("select", "insert", "update", "delete")
# Actor → the role that acts, and whose id its token carries. A stranger aims at rows of the owner.
ACTORS = {
    "anon": ("anon", "owner"),
    "stranger": ("authenticated", "other"),
    "owner": ("authenticated", "owner"),
    "dashboard_server": ("dashboard_server", None),
    "sparky_worker": ("sparky_worker", "owner"),
    "sparky_edge": ("sparky_edge", "owner"),
    "service_role": ("service_role", None),
}
# A view's trigger refuses by itself, with the code that a missing privilege has.
NOT_ALLOWED = {"denied", "policy", "error-42501"}
Statement = sql.SQL | sql.Composed
Expected = dict[str, dict[str, str]]


@dataclass(frozen=True, slots=True)
class Relation:
    """One relation of matrix.toml: what is written down about it."""

    name: str
    owner_column: str | None
    update_column: str | None
    sample: Mapping[str, Any] | None
    expected: Expected
    # Whose rows are counted instead, where a superuser without a token sees none.
    counted: str | None = None

    @property
    def identifier(self) -> sql.Identifier:
        return sql.Identifier("public", self.name)


def relations() -> dict[str, Relation]:
    found = {}
    for name, entry in tomllib.loads(FILE.read_text(encoding="utf-8")).items():
        expected = {actor: dict(zip(VERBS, entry[actor].split(), strict=True)) for actor in ACTORS}
        unknown = set(entry) - set(ACTORS) - {"owner_column", "update_column", "sample", "counted"}
        assert not unknown, f"{name}: {unknown}"
        column = entry.get("owner_column", "user_id")
        found[name] = Relation(
            name,
            column or None,
            entry.get("update_column"),
            entry.get("sample"),
            expected,
            entry.get("counted"),
        )
    return found


class Checker:
    """Acts on one connection; `connection` must be a superuser's."""

    def __init__(self, two: Two, connection: psycopg.Connection[tuple[Any, ...]]) -> None:
        self.connection = connection
        self.ids = {"owner": two.owner.id, "other": two.other.id}

    def wrong_cells(self, wanted: Sequence[Relation]) -> list[str]:
        return [
            f"{relation.name} {actor} {verb}: {relation.expected[actor][verb]} is written, {found} was found"
            for relation in wanted
            for actor in ACTORS
            for verb in VERBS
            if (found := self.outcome(relation, actor, verb)) != relation.expected[actor][verb]
        ]

    def outcome(self, relation: Relation, actor: str, verb: str) -> str:
        if verb == "insert":
            return self._insert(relation, actor)
        return self._touch(relation, actor, verb)

    @contextmanager
    def _undone(self) -> Iterator[None]:
        with self.connection.transaction(force_rollback=True):
            yield

    def _act_as(self, actor: str) -> None:
        role, whose = ACTORS[actor]
        claims = {"role": role} | ({"sub": self.ids[whose]} if whose else {})
        self.connection.execute("select set_config('request.jwt.claims', %s, true)", (json.dumps(claims),))
        self.connection.execute(sql.SQL("set local role {}").format(sql.Identifier(role)))

    def _try(self, actor: str, statement: Statement, parameters: Sequence[Any] = ()) -> int | str:
        """Return how many rows the statement touched, or in one word why it did not."""
        try:
            with self._undone():
                self._act_as(actor)
                return self.connection.execute(statement, parameters).rowcount
        except psycopg.Error as error:
            return refusal(error)

    def _columns(self, relation: Relation, actor: str, verb: str) -> list[str]:
        """Return the columns of a relation which the actor's role may use with the verb."""
        rows = self.connection.execute(
            "select a.attname from pg_attribute a where a.attrelid = %s::regclass and a.attnum > 0"
            " and not a.attisdropped and (%s = 'select' or a.attgenerated = '' and a.attidentity <> 'a')"
            " and has_column_privilege(%s, a.attrelid, a.attnum, %s) order by a.attnum",
            (f"public.{relation.name}", verb, ACTORS[actor][0], verb),
        ).fetchall()
        return [name for (name,) in rows]

    def _touch(self, relation: Relation, actor: str, verb: str) -> str:
        readable = self._columns(relation, actor, "select")
        statement = self._statement(relation, actor, verb, readable)
        owner = relation.owner_column
        if owner is None or (owner not in readable and actor != "stranger"):
            return self._by_count(relation, self._try(actor, statement))
        touched = {}
        for whose in ("owner",) if actor == "stranger" else ("owner", "other"):
            aimed = statement + sql.SQL(" where {} = {}").format(
                sql.Identifier(owner), sql.Literal(self.ids[whose])
            )
            touched[whose] = self._try(actor, aimed)
        word = self._by_owner(relation, touched)
        if verb == "update" and word == "own" and owner in self._columns(relation, actor, "update"):
            return word + self._moved(relation, actor, owner)
        return word

    def _statement(self, relation: Relation, actor: str, verb: str, readable: Sequence[str]) -> Statement:
        if verb == "select":
            columns = sql.SQL(", ").join(map(sql.Identifier, readable)) if readable else sql.SQL("*")
            return sql.SQL("select {} from {}").format(columns, relation.identifier)
        if verb == "delete":
            return sql.SQL("delete from {}").format(relation.identifier)
        columns_ = self._columns(relation, actor, "update") or self._all_columns(relation)
        column = sql.Identifier(relation.update_column or columns_[0])
        return sql.SQL("update {} set {} = {}").format(relation.identifier, column, column)

    def _all_columns(self, relation: Relation) -> list[str]:
        return self._columns(relation, "service_role", "update") or [relation.owner_column or "name"]

    def count(self, relation: Relation, whose: str | None = None) -> int:
        counted = sql.Identifier("public", relation.counted or relation.name)
        statement: Statement = sql.SQL("select count(*) from {}").format(counted)
        if whose and relation.owner_column:
            statement += sql.SQL(" where {} = {}").format(
                sql.Identifier(relation.owner_column), sql.Literal(self.ids[whose])
            )
        row = self.connection.execute(statement).fetchone()
        assert row is not None
        return int(row[0])

    def _by_count(self, relation: Relation, touched: int | str) -> str:
        if isinstance(touched, str):
            return touched
        meaning = {0: "none", self.count(relation): "all"}
        if relation.owner_column:
            meaning |= {self.count(relation, "owner"): "own"}
        return meaning.get(touched, f"{touched}-rows")

    def _by_owner(self, relation: Relation, touched: Mapping[str, int | str]) -> str:
        words = [found for found in touched.values() if isinstance(found, str)]
        if words:
            return words[0] if len(words) == len(touched) and len(set(words)) == 1 else f"mixed-{touched}"
        found = {whose for whose, number in touched.items() if number}
        for whose in found:
            if touched[whose] != self.count(relation, whose):
                return f"{touched[whose]}-rows-of-{whose}"
        return {frozenset(): "none", frozenset({"owner"}): "own"}.get(
            frozenset(found), "all" if len(found) == 2 else "other"
        )

    def _moved(self, relation: Relation, actor: str, owner: str) -> str:
        statement = sql.SQL("update {} set {} = {}").format(
            relation.identifier, sql.Identifier(owner), sql.Literal(self.ids["other"])
        )
        # Another refusal, such as a key that the other trader has already, may not come next time.
        return "" if self._try(actor, statement) in NOT_ALLOWED else "-and-may-give-away"

    def _insert(self, relation: Relation, actor: str) -> str:
        columns = self._columns(relation, actor, "insert")
        own = self._insert_copy(relation, actor, "owner", columns)
        if actor == "stranger" or relation.owner_column not in columns:
            return "own" if own == "ok" and relation.owner_column else own.replace("ok", "all")
        other = self._insert_copy(relation, actor, "other", columns)
        if own == other:
            return own.replace("ok", "all")
        return "own" if own == "ok" and other in NOT_ALLOWED else f"{own}/{other}"

    def _insert_copy(self, relation: Relation, actor: str, whose: str, columns: Sequence[str]) -> str:
        """Take a row of somebody away and let the actor write it again, by the columns he may write."""
        with self._undone():
            row = self._sample(relation, whose)
            used = [column for column in columns if column in row] or list(row)
            statement = sql.SQL(
                "insert into {} ({}) select {} from jsonb_populate_record(null::{}, %s) r"
            ).format(
                relation.identifier,
                sql.SQL(", ").join(map(sql.Identifier, used)),
                sql.SQL(", ").join(sql.Identifier("r", column) for column in used),
                relation.identifier,
            )
            found = self._try(actor, statement, (json.dumps(row),))
            return found if isinstance(found, str) else "ok" if found == 1 else f"{found}-rows"

    def _sample(self, relation: Relation, whose: str) -> dict[str, Any]:
        if relation.sample is not None:
            owner = {relation.owner_column: self.ids[whose]} if relation.owner_column else {}
            return dict(relation.sample) | owner
        mine = sql.SQL(
            "select to_jsonb(r) - array(select attname::text from pg_attribute where attrelid = {}::regclass"
            " and (attgenerated <> '' or attidentity = 'a')), r.ctid::text from {} r where {} limit 1"
        ).format(
            sql.Literal(f"public.{relation.name}"),
            relation.identifier,
            sql.SQL("{} = {}").format(
                sql.Identifier("r", relation.owner_column), sql.Literal(self.ids[whose])
            )
            if relation.owner_column
            else sql.SQL("true"),
        )
        found = self.connection.execute(mine).fetchone()
        assert found is not None, f"{relation.name} has no row of the {whose}"
        # Without triggers, or a deletion that has consequences would have them.
        self.connection.execute("set local session_replication_role = replica")
        self.connection.execute(
            sql.SQL("delete from {} where ctid = {}").format(relation.identifier, sql.Literal(found[1]))
        )
        self.connection.execute("set local session_replication_role = origin")
        row = dict(found[0])
        # What hangs on the old row is still there.
        return row | {"id": str(uuid.uuid4())} if "id" in row and relation.owner_column != "id" else row


def refusal(error: psycopg.Error) -> str:
    """Return 'denied' without a privilege, 'policy' when row security refused, else the error's code."""
    if error.sqlstate == "42501" and str(error).startswith("permission denied"):
        return "denied"
    if error.sqlstate == "42501" and "row-level security policy" in str(error):
        return "policy"
    return f"error-{error.sqlstate}"
