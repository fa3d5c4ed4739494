import json
from pathlib import Path
from urllib.parse import quote

import pytest

from scripts.demo.evidence import Leak
from scripts.demo.leaks import UsedSecrets

PASSWORD = 'pass/"word" of a trader'
TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJyb2xlIjoic3Bhcmt5X3dvcmtlciJ9.c2lnbmF0dXJlLW9mLWl0"


@pytest.fixture
def used() -> UsedSecrets:
    secrets = UsedSecrets()
    secrets.add("password", PASSWORD)
    secrets.add("token", TOKEN)
    return secrets


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (f"signed in with {PASSWORD}", "password"),
        (json.dumps({"event": "x", "value": PASSWORD}), "password"),
        (f"GET /?p={quote(PASSWORD, safe='')}", "password"),
        (f"Bearer {TOKEN}", "token"),
        (f"signature {TOKEN.split('.')[2]}", "token"),
    ],
)
def test_a_secret_in_a_log_is_found_in_every_spelling(
    used: UsedSecrets, tmp_path: Path, text: str, name: str
) -> None:
    (tmp_path / "quiet.log").write_text("nothing here\n")
    (tmp_path / "worker-1.log").write_text(f"before\n{text}\nafter\n")
    search = used.search(tmp_path)
    assert search.leaks == [Leak(name, "worker-1.log")]
    assert (search.secrets, search.files) == (2, 2)


def test_logs_without_secrets_have_no_leaks(used: UsedSecrets, tmp_path: Path) -> None:
    (tmp_path / "worker-1.log").write_text("role sparky_worker signed in\n")
    assert used.search(tmp_path).leaks == []


def test_rotated_and_nested_logs_are_searched_too(used: UsedSecrets, tmp_path: Path) -> None:
    (tmp_path / "older").mkdir()
    (tmp_path / "older" / "deno.log.1").write_text(TOKEN)
    assert used.search(tmp_path).leaks == [Leak("token", "deno.log.1")]


def test_a_short_secret_is_reported_and_not_sought(tmp_path: Path) -> None:
    used = UsedSecrets()
    used.add("database password", "postgres")
    (tmp_path / "postgres.log").write_text("postgres started")
    search = used.search(tmp_path)
    assert search.leaks == []
    assert search.too_short == ("database password",)


def test_scrubbed_text_holds_no_secret(used: UsedSecrets) -> None:
    text = used.scrub(f"posting to /{TOKEN} as {PASSWORD} failed")
    assert text == "posting to /(secret) as (secret) failed"


def test_secrets_are_not_in_the_repr(used: UsedSecrets) -> None:
    assert repr(used) == "<UsedSecrets: 2>"
