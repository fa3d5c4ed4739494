"""What clients send does not reach a log, and what goes wrong does not reach the terminal."""

import pytest

from scripts.local_stack.stack import Stack
from tests.integration.stack.target import PASSWORD, Target, Trader

pytestmark = pytest.mark.usefixtures("schema", "local")
MARK = "body-marker-5f1c"


def test_no_log_holds_bodies_tokens_or_keys(stack: Stack, target: Target, ann: Trader) -> None:
    with target.http(ann.token) as http:
        http.post("/rest/v1/rpc/conformance_echo", json={"value": MARK})
        http.post("/rest/v1/rpc/conformance_fail", json={"state": "P0001", "message": MARK})
        http.post("/rest/v1/rpc/conformance_add", json={"a": MARK})
        http.post("/rest/v1/conformance_notes", json={"title": "forbidden", "payload": {"k": MARK}})
        http.get(f"/rest/v1/conformance_notes?id=eq.{MARK}")
        http.post("/auth/v1/token?grant_type=password", json={"email": MARK, "password": PASSWORD})
        http.post("/auth/v1/signup", content=f'{{"email": "{MARK}')
        http.post("/functions/v1/failing", content=MARK)
    text = "\n".join(path.read_text(encoding="utf-8") for path in (stack.data / "logs").iterdir())
    assert "listening" in text
    state = stack.state
    for secret in (
        MARK,
        PASSWORD,
        ann.token,
        state.publishable_key,
        state.secret_key,
        state.jwt_secret,
        state.service_role_jwt,
        state.database_url,
        state.admin_database_url,
    ):
        assert secret not in text


def test_the_state_file_is_for_its_owner_only(stack: Stack) -> None:
    assert oct((stack.data / "stack.json").stat().st_mode)[-3:] == "600"
    assert stack.secret_key not in repr(stack.state)
