from typing import Any

import httpx
import pytest
from postgrest import APIError

from tests.integration.stack.target import Target, Trader

pytestmark = pytest.mark.usefixtures("schema")

RESULTS: dict[str, tuple[str, dict[str, Any], Any]] = {
    "defaults": ("add", {"a": 1}, 11),
    "all arguments": ("add", {"b": 2, "a": 1}, 3),
    "overload of one": ("pick", {"a": 1}, "one"),
    "overload of two": ("pick", {"a": 1, "b": 2}, "two"),
    "json object": ("echo", {"value": {"a": [1, None, "x"]}}, {"a": [1, None, "x"]}),
    "json text": ("echo", {"value": "just text"}, "just text"),
    "json text that looks like a number": ("echo", {"value": "12"}, "12"),
    "text with quotes": ("echo", {"value": "it's \\ \" ü $$"}, "it's \\ \" ü $$"),
    "set of scalars": ("series", {"n": 3}, [1, 2, 3]),
    "empty set": ("series", {"n": 0}, []),
    "table": ("rows", {"n": 2}, [{"number": 1, "label": "row 1"}, {"number": 2, "label": "row 2"}]),
    "out parameters": ("pair", {}, {"one": 1, "two": "zwei"}),
    "null": ("null", {}, None),
    "variadic": ("join", {"parts": ["a", "b"]}, "a-b"),
    "whole body": ("whole", {"any": "thing"}, {"any": "thing"}),
}


def call(target: Target, name: str, arguments: object = None, token: str | None = None) -> httpx.Response:
    with target.http(token) as http:
        return http.post(f"/rest/v1/rpc/conformance_{name}", json=arguments if arguments is not None else {})


@pytest.mark.parametrize("name", RESULTS)
def test_result(target: Target, name: str) -> None:
    function, arguments, expected = RESULTS[name]
    answer = call(target, function, arguments)
    assert answer.status_code == 200, answer.text
    assert answer.json() == expected


def test_void_has_no_content(target: Target) -> None:
    answer = call(target, "nothing")
    assert (answer.status_code, answer.content) == (204, b"")


def test_a_call_without_a_body_has_no_arguments(target: Target) -> None:
    with target.http() as http:
        assert http.post("/rest/v1/rpc/conformance_pair").json() == {"one": 1, "two": "zwei"}


def test_the_client_takes_the_exact_path(target: Target) -> None:
    assert target.client().rpc("conformance_echo", {"value": "12"}).execute().data == "12"


def test_get_reads_arguments_from_the_address(target: Target) -> None:
    assert target.client().rpc("conformance_add", {"a": 1, "b": 5}, get=True).execute().data == 6


def test_a_set_can_be_filtered_ordered_and_cut(target: Target) -> None:
    query = target.client().rpc("conformance_rows", {"n": 5}).select("number").gt("number", 1)
    assert query.order("number", desc=True).limit(2).execute().data == [{"number": 5}, {"number": 4}]


def test_a_set_of_one_can_be_asked_for_as_an_object(target: Target) -> None:
    client = target.client()
    assert client.rpc("conformance_rows", {"n": 1}).single().execute().data == {"number": 1, "label": "row 1"}
    with pytest.raises(APIError) as refused:
        client.rpc("conformance_rows", {"n": 2}).single().execute()
    assert refused.value.code == "PGRST116"


def test_numbers_are_exact_to_the_last_digit(target: Target) -> None:
    digits = "12345678901234567890.123456789000"
    with target.http() as http:
        headers = {"content-type": "application/json"}
        body = f'{{"value": {digits}}}'
        plain = http.post("/rest/v1/rpc/conformance_numeric", content=body, headers=headers)
        inside = http.post("/rest/v1/rpc/conformance_numbers", content=body, headers=headers)
    assert plain.text == digits
    assert f'"same": {digits}' in inside.text
    assert '"big": 9223372036854775807' in inside.text
    assert '"scaled": 1.500' in inside.text


ERRORS = {
    "raise": ("P0001", 400),
    "insufficient privilege": ("42501", 401),
    "own status": ("PT402", 402),
    "unique": ("23505", 409),
    "foreign key": ("23503", 409),
    "check": ("23514", 400),
    "no data": ("P0002", 500),
    "serialization": ("40001", 500),
    "too many connections": ("53300", 503),
    "connection": ("08006", 503),
    "missing table": ("42P01", 404),
    "syntax of a value": ("22P02", 400),
    "query canceled": ("57014", 500),
    "internal": ("XX000", 500),
}


@pytest.mark.usefixtures("publishable")
@pytest.mark.parametrize("name", ERRORS)
def test_error_of_a_function(target: Target, name: str) -> None:
    state, status = ERRORS[name]
    answer = call(target, "fail", {"state": state, "message": "it's broken"})
    assert answer.status_code == status
    expected = {"code": state, "message": "it's broken", "details": "the detail", "hint": "the hint"}
    assert answer.json() == expected


@pytest.mark.usefixtures("publishable")
def test_lack_of_rights_is_403_for_one_who_signed_in(target: Target, ann: Trader) -> None:
    answer = call(target, "secret", token=ann.token)
    assert (answer.status_code, answer.json()["code"]) == (403, "42501")
    assert call(target, "secret").status_code == 401
    assert call(target, "secret", token=target.secret_key).json() == "secret"


def test_a_function_can_write_the_whole_error(target: Target) -> None:
    answer = call(target, "teapot")
    assert answer.status_code == 418
    assert answer.headers["x-kind"] == "pot"
    assert answer.json() == {"code": "TEA", "message": "short and stout", "details": None, "hint": None}


def test_a_function_can_set_status_and_headers(target: Target) -> None:
    answer = call(target, "created")
    assert (answer.status_code, answer.headers["x-made"], answer.json()) == (201, "yes", "made")
    assert call(target, "null").headers.get("x-made") is None


def test_an_unknown_function_is_named_with_a_hint(target: Target) -> None:
    answer = call(target, "ad", {"a": 1})
    assert answer.status_code == 404
    error = answer.json()
    assert error["code"] == "PGRST202"
    assert error["message"] == "Could not find the function public.conformance_ad(a) in the schema cache"
    assert error["hint"] == "Perhaps you meant to call the function public.conformance_add"


def test_unknown_arguments_are_named_with_a_hint(target: Target) -> None:
    error = call(target, "add", {"a": 1, "z": 2}).json()
    assert error["code"] == "PGRST202"
    assert "(a, z)" in error["message"]
    assert error["hint"] == "Perhaps you meant to call the function public.conformance_add(a, b)"


@pytest.mark.parametrize("body", ["{", "nonsense", '{"a": }'])
def test_a_body_that_is_not_json_is_refused(target: Target, body: str) -> None:
    with target.http() as http:
        headers = {"content-type": "application/json"}
        answer = http.post("/rest/v1/rpc/conformance_add", content=body, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (400, "PGRST102")


def test_a_value_of_the_wrong_type_is_refused(target: Target) -> None:
    answer = call(target, "add", {"a": "one"})
    assert (answer.status_code, answer.json()["code"]) == (400, "22P02")


def test_a_schema_that_is_not_exposed_is_refused(target: Target) -> None:
    with pytest.raises(APIError) as refused:
        target.client().schema("vault").rpc("create_secret", {"new_secret": "x"}).execute()
    assert refused.value.code == "PGRST106"


def test_a_stable_function_cannot_write(target: Target) -> None:
    answer = call(target, "writes_though_stable", token=target.secret_key)
    assert (answer.status_code, answer.json()["code"]) == (405, "25006")


def test_a_slow_function_ends_at_the_limit_of_its_role(target: Target) -> None:
    answer = call(target, "slow")
    assert (answer.status_code, answer.json()["code"]) == (500, "57014")


def test_a_function_knows_who_calls_and_how(target: Target, ann: Trader) -> None:
    with target.http(ann.token) as http:
        headers = {"x-conformance": "yes"}
        found = http.post("/rest/v1/rpc/conformance_whoami", json={}, headers=headers).json()
    assert found["role"] == "authenticated"
    assert found["uid"] == ann.id
    assert found["email"] == ann.email
    assert found["claims"]["user_metadata"] == {"name": "Ann", **_verified(found)}
    assert (found["method"], found["path"]) == ("POST", "/rpc/conformance_whoami")
    assert found["agent"] == "yes"


def test_an_injected_literal_stays_a_literal(target: Target) -> None:
    nasty = "'); drop table public.conformance_notes; select ('\\'"
    assert call(target, "echo", {"value": nasty}).json() == nasty
    answer = call(target, 'add"(1); drop table conformance_notes; --', {"a": 1})
    assert answer.status_code == 404


# GoTrue notes in the metadata what of the address was verified.
def _verified(found: dict[str, Any]) -> dict[str, Any]:
    metadata = found["claims"]["user_metadata"]
    return {name: value for name, value in metadata.items() if name != "name"}
