"""The database goes away under the running stack and comes back."""

import time
from collections.abc import Iterator

import httpx
import pytest

from scripts.local_stack.stack import Stack
from tests.integration.stack.target import PASSWORD, Target, Trader, eventually

pytestmark = pytest.mark.usefixtures("schema", "local")


@pytest.fixture
def outage(stack: Stack) -> Iterator[None]:
    stack.stop_postgres()
    yield
    stack.start_postgres()


@pytest.mark.usefixtures("outage")
def test_without_a_database_every_part_answers_503_at_once(target: Target, ann: Trader) -> None:
    with target.http(ann.token) as http:
        begun = time.monotonic()
        rpc = http.post("/rest/v1/rpc/conformance_add", json={"a": 1})
        rows = http.get("/rest/v1/conformance_notes")
        sign_in = http.post(
            "/auth/v1/token?grant_type=password", json={"email": ann.email, "password": PASSWORD}
        )
        health = http.get("/__stack/health")
        function = http.get("/functions/v1/echo")
        took = time.monotonic() - begun
    assert (rpc.status_code, rpc.json()["code"]) == (503, "PGRST000")
    assert rows.status_code == 503
    assert rows.json()["code"] in ("PGRST000", "PGRST002")
    assert (sign_in.status_code, health.status_code) == (503, 503)
    assert function.status_code == 200
    assert took < 10


def test_after_an_outage_all_parts_work_without_a_new_server(
    stack: Stack, target: Target, ann: Trader
) -> None:
    server = stack.state.deno_pid
    stack.stop_postgres()
    with target.http() as http:
        assert http.post("/rest/v1/rpc/conformance_add", json={"a": 1}).status_code == 503
    stack.start_postgres()
    with target.http(ann.token) as http:
        eventually(lambda: True if http.get("/__stack/health").is_success else None)
        assert http.post("/rest/v1/rpc/conformance_add", json={"a": 1}).json() == 11
        assert http.get("/rest/v1/conformance_notes?limit=1").status_code == 200
        assert target.client().auth.sign_in_with_password({"email": ann.email, "password": PASSWORD}).session
        # The schema cache listens again.
        target.run(
            ["create or replace function public.conformance_new() returns int language sql as 'select 7'"]
        )
        eventually(lambda: 7 if _json(http, "conformance_new") == 7 else None)
    assert stack.state.deno_pid == server


def _json(http: httpx.Client, function: str) -> object:
    return http.post(f"/rest/v1/rpc/{function}", json={}).json()
