"""Every table and view, by every verb, as every actor: exactly what matrix.toml says."""

# ruff: noqa: S608 - the names of relations in statements come from the catalogue

from collections.abc import Iterator, Sequence
from typing import LiteralString

import psycopg
import pytest

from tests.database.matrix import ACTORS, VERBS, Checker, Relation, relations
from tests.database.populate import Two, populate
from tests.database.world import World, connect

RELATIONS = relations()
OWNED = [name for name, relation in RELATIONS.items() if relation.owner_column]
IN_PUBLIC = (
    "select relname from pg_class where relnamespace = 'public'::regnamespace"
    " and relkind in ('r', 'v', 'm', 'p', 'f')"
)


@pytest.fixture(scope="module")
def two(shared: World) -> Two:
    return populate(shared)


@pytest.fixture(scope="module")
def checker(two: Two) -> Iterator[Checker]:
    with psycopg.connect(two.world.url, autocommit=True) as connection:
        yield Checker(two, connection)


def test_every_relation_is_written_down_and_every_section_is_a_relation(shared: World) -> None:
    assert {name for (name,) in shared.rows(IN_PUBLIC)} == set(RELATIONS)


@pytest.mark.parametrize("name", RELATIONS)
def test_there_are_rows_to_find(checker: Checker, name: str) -> None:
    # Where a table is empty for one of the two, every refusal would pass.
    for whose in ("owner", "other"):
        assert checker.count(RELATIONS[name], whose) > 0, whose


@pytest.mark.parametrize("name", RELATIONS)
def test_rights(checker: Checker, name: str) -> None:
    assert checker.wrong_cells([RELATIONS[name]]) == []


# Each of these breaks one guard. The checker must name the cells that it opens, and no other cell.
BROKEN: dict[str, tuple[Sequence[LiteralString], set[str]]] = {
    "a policy that lets every row through": (
        ["alter policy own_trades_select on public.trades using (true)"],
        {
            "trades stranger select: none is written, own was found",
            "trades owner select: own is written, all was found",
        },
    ),
    "a policy dropped and replaced by one without a condition": (
        [
            "drop policy own_webhooks_update on public.user_webhook_configs",
            "create policy careless on public.user_webhook_configs for update to authenticated using (true)",
            # An update sees only what a select would.
            "alter policy own_webhooks_select on public.user_webhook_configs using (true)",
        ],
        {
            "user_webhook_configs stranger select: none is written, own was found",
            "user_webhook_configs stranger update: none is written, own was found",
            "user_webhook_configs owner select: own is written, all was found",
            "user_webhook_configs owner update: own is written, all was found",
        },
    ),
    "row-level security switched off": (
        ["alter table public.fills disable row level security"],
        {
            "fills stranger select: none is written, own was found",
            "fills owner select: own is written, all was found",
        },
    ),
    "a policy lost": (
        ["drop policy own_orders_select on public.orders"],
        {"orders owner select: own is written, none was found"},
    ),
    "a policy without a check on what is written": (
        [
            "grant insert on public.trades to authenticated",
            "create policy careless on public.trades for insert to authenticated with check (true)",
        ],
        {
            "trades stranger insert: denied is written, own was found",
            "trades owner insert: denied is written, all was found",
        },
    ),
    "a profile that may be given away": (
        [
            "grant update (id) on public.user_profiles to authenticated",
            "alter policy own_profile_update on public.user_profiles with check (true)",
        ],
        {"user_profiles owner update: own is written, own-and-may-give-away was found"},
    ),
    "a grant that was not revoked": (
        ["grant all on public.positions to anon, authenticated"],
        {
            "positions anon select: denied is written, none was found",
            "positions anon insert: denied is written, policy was found",
            "positions anon update: denied is written, none was found",
            "positions anon delete: denied is written, none was found",
            "positions stranger insert: denied is written, policy was found",
            "positions stranger update: denied is written, none was found",
            "positions stranger delete: denied is written, none was found",
            "positions owner insert: denied is written, policy was found",
            "positions owner update: denied is written, none was found",
            "positions owner delete: denied is written, none was found",
        },
    ),
    "the worker may read": (
        ["grant select on public.signals to sparky_worker"],
        {"signals sparky_worker select: denied is written, none was found"},
    ),
}


@pytest.mark.parametrize("what", BROKEN)
def test_the_matrix_notices(checker: Checker, what: str) -> None:
    statements, cells = BROKEN[what]
    touched = [relation for name, relation in RELATIONS.items() if any(f".{name}" in s for s in statements)]
    with checker.connection.transaction(force_rollback=True):
        for statement in statements:
            checker.connection.execute(statement)
        found = checker.wrong_cells(touched)
    assert {cell for cell in found if not inherited(cell, cells)} == cells


def inherited(cell: str, cells: set[str]) -> bool:
    """Tell whether a cell only repeats for worker or edge what anon, whose rights they inherit, is given."""
    name, actor, rest = cell.split(" ", 2)
    return actor in {"sparky_worker", "sparky_edge"} and f"{name} anon {rest}" in cells


def test_the_matrix_notices_a_view_that_reads_with_its_makers_rights(checker: Checker) -> None:
    row = {actor: dict.fromkeys(VERBS, "denied") for actor in ACTORS}
    row |= {who: row[who] | {"select": word} for who, word in (("owner", "own"), ("stranger", "none"))}
    view = Relation("careless", "user_id", None, {}, row)
    for option, cells in (
        ("true", set()),
        (
            "false",
            {
                "careless stranger select: none is written, own was found",
                "careless owner select: own is written, all was found",
            },
        ),
    ):
        with checker.connection.transaction(force_rollback=True):
            checker.connection.execute("set local role postgres")
            checker.connection.execute(
                f"create view public.careless with (security_invoker = {option}) as"
                " select user_id, id from public.trades"
            )
            checker.connection.execute("grant select on public.careless to authenticated")
            checker.connection.execute("reset role")
            assert set(checker.wrong_cells([view])) == cells


@pytest.mark.parametrize("name", OWNED)
def test_a_token_without_a_subject_sees_nothing(two: Two, name: str) -> None:
    relation = RELATIONS[name]
    expected = {"own": 0}.get(relation.expected["owner"]["select"], relation.expected["owner"]["select"])
    with connect(two.world.url, "authenticated") as connection:
        try:
            found: int | str = connection.execute(
                f"select {relation.owner_column} from public.{name}"
            ).rowcount
        except psycopg.errors.InsufficientPrivilege:
            found = "denied"
    assert found == expected
