import json
import os
import time
from pathlib import Path

import pytest
from supabase import FunctionsHttpError

from scripts.local_stack.stack import Stack
from tests.integration.stack.target import Target, Trader, eventually

pytestmark = pytest.mark.usefixtures("local")


def test_a_client_invokes_a_function(target: Target, stack: Stack) -> None:
    with target.http() as http:
        answer = http.post("/functions/v1/echo/some/path?q=1", content="the body")
    found = answer.json()
    assert answer.headers["x-function"] == "echo"
    assert (found["method"], found["path"], found["search"]) == ("POST", "/echo/some/path", "?q=1")
    assert found["body"] == "the body"
    assert found["set"]["GIVEN"] == "by the test"
    assert found["set"]["SUPABASE_URL"] == stack.url
    assert found["set"]["SUPABASE_SERVICE_ROLE_KEY"] == stack.state.service_role_jwt
    assert found["set"]["SUPABASE_DB_URL"] == stack.database_url
    assert found["settings"] is None


def test_the_python_client_invokes_a_function(target: Target) -> None:
    raw = target.client().functions.invoke("echo", {"body": {"a": 1}})
    assert isinstance(raw, bytes)
    assert json.loads(json.loads(raw)["body"]) == {"a": 1}


def test_the_peer_is_appended_to_the_forwarded_addresses(target: Target) -> None:
    with target.http() as http:
        plain = http.get("/functions/v1/echo").json()
        claimed = http.get("/functions/v1/echo", headers={"x-forwarded-for": "203.0.113.9"}).json()
    assert plain["forwarded"] == "127.0.0.1"
    assert claimed["forwarded"] == "203.0.113.9, 127.0.0.1"


def test_an_answer_is_streamed(target: Target) -> None:
    with target.http() as http:
        assert http.get("/functions/v1/echo/stream").text == "one two three"


def test_a_client_that_goes_away_does_no_harm(target: Target) -> None:
    with target.http() as http:
        with http.stream("GET", "/functions/v1/echo/endless") as answer:
            assert next(answer.iter_bytes())
        assert http.get("/functions/v1/echo").status_code == 200
        assert http.get("/functions/v1/echo/stream").text == "one two three"


def test_work_after_the_answer_may_fail_without_harm(target: Target) -> None:
    with target.http() as http:
        assert http.get("/functions/v1/echo/later").status_code == 202
        assert http.get("/functions/v1/echo").status_code == 200


def test_a_function_that_asks_for_a_token_gets_a_good_one(target: Target, ann: Trader) -> None:
    with target.http() as http:
        assert http.get("/functions/v1/secured").status_code == 401
        assert http.get("/functions/v1/secured", headers={"authorization": "Bearer no"}).status_code == 401
        good = {"authorization": f"Bearer {ann.token}"}
        assert http.get("/functions/v1/secured", headers=good).text == "inside"
        assert http.options("/functions/v1/secured").is_success


def test_a_failure_is_an_answer_without_a_trace(target: Target) -> None:
    with pytest.raises(FunctionsHttpError):
        target.client().functions.invoke("failing")
    with target.http() as http:
        failed, broken = http.get("/functions/v1/failing"), http.get("/functions/v1/broken")
        missing = http.get("/functions/v1/nowhere")
    assert (failed.status_code, failed.json()["code"]) == (500, "WORKER_ERROR")
    assert (broken.status_code, broken.json()["code"]) == (503, "BOOT_ERROR")
    assert missing.status_code == 404
    assert "Error:" not in failed.text + broken.text


def test_a_changed_file_is_served_without_a_restart(target: Target, project: Path) -> None:
    source = project / "functions" / "echo" / "describe.ts"
    before = source.read_text(encoding="utf-8")
    source.write_text(before.replace('"first"', '"second"'), encoding="utf-8")
    os.utime(source, (time.time() + 5, time.time() + 5))
    with target.http() as http:
        eventually(lambda: http.get("/functions/v1/echo").json()["edition"] == "second" or None)
