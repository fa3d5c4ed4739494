import httpx
import pytest

from tests.integration.stack.target import Target, eventually

pytestmark = pytest.mark.usefixtures("schema")
PATHS = ["/rest/v1/conformance_notes?limit=1", "/rest/v1/rpc/conformance_whoami"]


def ask(target: Target, path: str, headers: dict[str, str]) -> httpx.Response:
    with httpx.Client(base_url=target.url, timeout=30, trust_env=False) as http:
        return (
            http.post(path, json={}, headers=headers) if "/rpc/" in path else http.get(path, headers=headers)
        )


def role(target: Target, headers: dict[str, str]) -> str:
    name: str = ask(target, PATHS[1], headers).json()["role"]
    return name


def test_keys_of_both_kinds_say_who_asks(local: Target) -> None:
    assert local.legacy_keys is not None
    anon, service = local.legacy_keys
    assert role(local, {"apikey": local.publishable_key}) == "anon"
    assert role(local, {"apikey": local.secret_key}) == "service_role"
    assert role(local, {"apikey": anon, "authorization": f"Bearer {anon}"}) == "anon"
    assert role(local, {"apikey": service, "authorization": f"Bearer {service}"}) == "service_role"
    assert role(local, {"apikey": anon, "authorization": f"Bearer {local.secret_key}"}) == "service_role"


@pytest.mark.parametrize("path", PATHS)
def test_a_missing_or_wrong_key_is_refused(target: Target, path: str) -> None:
    assert ask(target, path, {}).status_code == 401
    assert ask(target, path, {"apikey": "sb_secret_wrong"}).status_code == 401


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("token", "code"),
    [("garbage", "PGRST301"), ("a.b.c", "PGRST301"), ("expired", "PGRST303"), ("forged", "PGRST301")],
)
def test_a_bad_token_is_refused(jwt_target: Target, path: str, token: str, code: str) -> None:
    tokens = {
        "expired": lambda: jwt_target.sign("authenticated", seconds=-60),
        "forged": lambda: jwt_target.sign(
            "service_role", secret="another secret of enough length, is it not"
        ),
    }
    shown = tokens[token]() if token in tokens else token
    answer = ask(jwt_target, path, {"apikey": jwt_target.publishable_key, "authorization": f"Bearer {shown}"})
    assert (answer.status_code, answer.json()["code"]) == (401, code)
    assert answer.headers["www-authenticate"].startswith("Bearer")


def test_an_unsigned_token_is_refused(jwt_target: Target) -> None:
    unsigned = "eyJhbGciOiJub25lIn0.eyJyb2xlIjoic2VydmljZV9yb2xlIn0."
    headers = {"apikey": jwt_target.publishable_key, "authorization": f"Bearer {unsigned}"}
    assert ask(jwt_target, PATHS[1], headers).status_code == 401


def test_a_role_of_the_project_works_in_tables_and_functions(jwt_target: Target) -> None:
    jwt_target.run(
        [
            "drop role if exists conformance_worker",
            "create role conformance_worker nologin",
            "grant conformance_worker to authenticator",
            "grant anon to conformance_worker",
            "grant select on public.conformance_vault to conformance_worker",
            "notify pgrst, 'reload schema'",
        ]
    )
    token = jwt_target.sign("conformance_worker")
    headers = {"apikey": jwt_target.publishable_key, "authorization": f"Bearer {token}"}
    rows = eventually(lambda: _json(ask(jwt_target, "/rest/v1/conformance_vault", headers)))
    assert rows == [{"id": 1, "content": "hidden"}]
    assert role(jwt_target, headers) == "conformance_worker"
    assert ask(jwt_target, "/rest/v1/rpc/conformance_secret", headers).status_code == 403


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("name", ["postgres", "supabase_admin", "nobody_at_all", 'x"; drop role anon; --'])
def test_a_token_cannot_take_a_role_that_was_not_granted(jwt_target: Target, path: str, name: str) -> None:
    token = jwt_target.sign(name)
    answer = ask(jwt_target, path, {"apikey": jwt_target.publishable_key, "authorization": f"Bearer {token}"})
    assert answer.status_code in (400, 401, 403), answer.text


def test_browsers_of_any_origin_may_ask(target: Target) -> None:
    with httpx.Client(base_url=target.url, trust_env=False) as http:
        wish = {"origin": "https://app.example.com", "access-control-request-method": "POST"}
        wish["access-control-request-headers"] = "apikey,authorization,content-type"
        for path in (*PATHS, "/auth/v1/token?grant_type=password"):
            answer = http.options(path, headers=wish)
            assert answer.is_success
            assert answer.headers["access-control-allow-origin"] in ("*", "https://app.example.com")
            assert "apikey" in answer.headers["access-control-allow-headers"].lower()


def _json(answer: httpx.Response) -> object | None:
    return answer.json() if answer.is_success else None
