from collections.abc import Callable
from typing import Any

import pytest
from postgrest import APIError, CountMethod

from tests.integration.stack.target import Target, Trader

pytestmark = pytest.mark.usefixtures("empty")
NOTES = "conformance_notes"


@pytest.fixture
def notes(request: pytest.FixtureRequest, ann: Trader) -> Trader:
    request.getfixturevalue("empty")
    ann.client.table(NOTES).insert(
        [
            {"slug": "a", "title": "Alpha", "counter": 1, "tags": ["x", "y"], "payload": {"k": {"n": 1}}},
            {"slug": "b", "title": "Beta", "counter": 2, "tags": ["y"], "payload": {"k": {"n": 2}}},
            {"slug": "c", "title": "gamma", "counter": 3, "tags": [], "payload": {}},
        ]
    ).execute()
    return ann


FILTERS: dict[str, tuple[Callable[[Any], Any], str]] = {
    "eq": (lambda q: q.eq("slug", "a"), "a"),
    "neq": (lambda q: q.neq("slug", "a"), "bc"),
    "gt": (lambda q: q.gt("counter", 1), "bc"),
    "gte and lt": (lambda q: q.gte("counter", 1).lt("counter", 3), "ab"),
    "in": (lambda q: q.in_("slug", ["a", "c"]), "ac"),
    "or": (lambda q: q.or_("slug.eq.a,counter.eq.3"), "ac"),
    "not": (lambda q: q.not_.eq("slug", "b"), "ac"),
    "is null": (lambda q: q.is_("price", "null"), "abc"),
    "like": (lambda q: q.like("title", "%eta"), "b"),
    "ilike": (lambda q: q.ilike("title", "%A%MMA"), "c"),
    "contains": (lambda q: q.contains("tags", ["y"]), "ab"),
    "contains nothing": (lambda q: q.contains("tags", []), "abc"),
    "contained by": (lambda q: q.contained_by("tags", ["y", "z"]), "bc"),
    "overlaps": (lambda q: q.overlaps("tags", ["x", "q"]), "a"),
    "json contains": (lambda q: q.contains("payload", {"k": {"n": 2}}), "b"),
    "json path": (lambda q: q.eq("payload->k->>n", "1"), "a"),
}


@pytest.mark.parametrize("name", FILTERS)
def test_filter(notes: Trader, name: str) -> None:
    narrow, expected = FILTERS[name]
    rows = narrow(notes.client.table(NOTES).select("slug")).order("slug").execute().data
    assert "".join(row["slug"] for row in rows) == expected


def test_rows_come_in_order_and_range_with_the_exact_count(notes: Trader) -> None:
    query = notes.client.table(NOTES).select("slug", count=CountMethod.exact)
    answer = query.order("counter", desc=True).range(0, 1).execute()
    assert [row["slug"] for row in answer.data] == ["c", "b"]  # type: ignore[index, call-overload]
    assert answer.count == 3


def test_head_counts_without_rows(notes: Trader) -> None:
    answer = notes.client.table(NOTES).select("*", count=CountMethod.exact, head=True).execute()
    assert answer.count == 3
    assert answer.data == []


def test_values_come_back_as_they_went_in(ann: Trader) -> None:
    row = {
        "title": 'quote " and \\ and ü',
        "tags": ["a,b", '"q"'],
        "payload": {"deep": [1, {"x": None}, "s"]},
    }
    made = ann.client.table(NOTES).insert(row).execute().data[0]
    assert isinstance(made, dict)
    assert {name: made[name] for name in row} == row
    assert str(made["created_at"])[10] == "T"


@pytest.mark.parametrize("value", ["text", '"quoted"', 12, 1.5, True, None, [1], {"a": 1}])
def test_any_json_fits_a_json_column(ann: Trader, value: Any) -> None:
    made = ann.client.table(NOTES).insert({"payload": {"v": value}}).execute().data[0]
    assert made["payload"] == {"v": value}  # type: ignore[index, call-overload]


def test_upsert_changes_the_row_with_the_same_key(ann: Trader) -> None:
    for title in ("first", "second"):
        ann.client.table(NOTES).upsert(
            {"owner": ann.id, "slug": "s", "title": title}, on_conflict="owner,slug"
        ).execute()
    rows = ann.client.table(NOTES).select("title").execute().data
    assert rows == [{"title": "second"}]


def test_upsert_can_leave_duplicates_alone(ann: Trader) -> None:
    for title in ("first", "second"):
        ann.client.table(NOTES).upsert(
            {"owner": ann.id, "slug": "s", "title": title}, on_conflict="owner,slug", ignore_duplicates=True
        ).execute()
    assert ann.client.table(NOTES).select("title").execute().data == [{"title": "first"}]


def test_single_refuses_none_and_many(notes: Trader) -> None:
    table = notes.client.table(NOTES)
    assert table.select("title").eq("slug", "a").single().execute().data == {"title": "Alpha"}
    for query in (table.select("*").eq("slug", "zzz"), table.select("*")):
        with pytest.raises(APIError) as refused:
            query.single().execute()
        assert refused.value.code == "PGRST116"


def test_maybe_single_is_none_without_a_row(notes: Trader) -> None:
    assert notes.client.table(NOTES).select("*").eq("slug", "zzz").maybe_single().execute() is None


def test_a_row_brings_the_row_it_refers_to(ann: Trader, target: Target) -> None:
    service = target.service()
    author = (
        service.table("conformance_authors").upsert({"name": "Kay"}, on_conflict="name").execute().data[0]
    )
    assert isinstance(author, dict)
    ann.client.table(NOTES).insert({"title": "by Kay", "author_id": author["id"]}).execute()
    inner = ann.client.table(NOTES).select("title, conformance_authors!inner(name)")
    rows = inner.eq("conformance_authors.name", "Kay").execute().data
    assert rows == [{"title": "by Kay", "conformance_authors": {"name": "Kay"}}]
    many = ann.client.table("conformance_authors").select("name, conformance_notes(title)").eq("name", "Kay")
    assert many.execute().data == [{"name": "Kay", "conformance_notes": [{"title": "by Kay"}]}]


def test_rows_come_as_csv(notes: Trader) -> None:
    answer = notes.client.table(NOTES).select("slug,counter").order("slug").csv().execute()
    assert str(answer.data).splitlines() == ["slug,counter", "a,1", "b,2", "c,3"]


def test_a_delete_returns_what_it_deleted(notes: Trader, target: Target) -> None:
    gone = target.service().table(NOTES).delete().eq("owner", notes.id).eq("slug", "a").execute().data
    assert [row["slug"] for row in gone] == ["a"]  # type: ignore[index, call-overload]


def test_large_and_exact_numbers_survive_in_rows(notes: Trader, target: Target) -> None:
    values = "price = 12345678901234567890.10, counter = 9007199254740993, payload = '{\"n\": 1.50}'"
    target.run([f"update public.conformance_notes set {values} where slug = 'a'"])  # noqa: S608 - a literal
    expected = '[{"price":12345678901234567890.10,"counter":9007199254740993,"payload":{"n":1.50}}]'
    with target.http(notes.token) as http:
        query = "/rest/v1/conformance_notes?select=price,counter,payload"
        assert http.get(f"{query}&slug=eq.a").text.replace(" ", "") == expected
        assert http.get(f"{query}&price=eq.12345678901234567890.10").text.replace(" ", "") == expected
        assert http.get(f"{query}&price=eq.12345678901234567890.11").json() == []


ERRORS = {
    "missing table": ("/rest/v1/conformance_nowhere", 404, "PGRST205"),
    "missing column": ("/rest/v1/conformance_notes?select=nowhere", 400, "42703"),
    "bad value": ("/rest/v1/conformance_notes?id=eq.abc", 400, "22P02"),
    "bad filter": ("/rest/v1/conformance_notes?id=abc", 400, "PGRST100"),
    "unknown relation": ("/rest/v1/conformance_notes?select=*,conformance_vault(*)", 400, "PGRST200"),
}


@pytest.mark.parametrize("name", ERRORS)
def test_error(ann: Trader, target: Target, name: str) -> None:
    path, status, code = ERRORS[name]
    with target.http(ann.token) as http:
        answer = http.get(path)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


@pytest.mark.parametrize(
    ("row", "status", "code"),
    [
        ({"title": "forbidden"}, 400, "23514"),
        ({"author_id": 999999}, 409, "23503"),
        ({"title": None}, 400, "23502"),
        ({"nowhere": 1}, 400, "PGRST204"),
    ],
)
def test_a_bad_row_is_refused(
    ann: Trader, target: Target, row: dict[str, object], status: int, code: str
) -> None:
    with target.http(ann.token) as http:
        answer = http.post("/rest/v1/conformance_notes", json=row)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_a_duplicate_is_refused(notes: Trader, target: Target) -> None:
    with target.http(notes.token) as http:
        answer = http.post("/rest/v1/conformance_notes", json={"slug": "a"})
    assert (answer.status_code, answer.json()["code"]) == (409, "23505")
