"""What a person types, and what a person gets to read."""

import io
import json
import stat
import sys
from pathlib import Path

import jwt
import pytest

from sparky.cli.main import main
from sparky.keys.keyfile import load_key_file
from sparky.keys.sealing import KeyRing, SealingContext

SECRET = "a secret of a project that is long enough"
USER = "6a0c7f3e-52d4-4f5b-9f5b-5d1c64c1c1aa"


@pytest.fixture
def stdin(monkeypatch: pytest.MonkeyPatch) -> "Typist":
    for name in ("SPARKY_CONFIG", "CREDENTIALS_DIRECTORY"):
        monkeypatch.delenv(name, raising=False)
    return Typist(monkeypatch)


class Typist:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch

    def types(self, text: str | bytes) -> None:
        raw = text.encode() if isinstance(text, str) else text
        self._monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(raw), encoding="utf-8"))


def complaint(capsys: pytest.CaptureFixture[str]) -> str:
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("sparky: ")
    assert "Traceback" not in shown.err
    return shown.err


def seal_arguments(public: str, user: str = USER) -> list[str]:
    return ["keys", "seal", "--to", public, "--user", user, "--exchange", "paper", "--environment", "paper"]


def test_a_key_is_generated_once_and_its_public_half_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "key.pem"
    assert main(["keys", "generate", str(file)]) == 0
    public = capsys.readouterr().out.strip()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert main(["keys", "public", str(file)]) == 0
    assert capsys.readouterr().out.strip() == public
    assert main(["keys", "generate", str(file)]) == 2
    assert "exists already" in complaint(capsys)


@pytest.mark.parametrize("user", [USER, USER.upper()])
def test_credentials_are_sealed_for_one_trader_and_venue(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], stdin: Typist, user: str
) -> None:
    file = tmp_path / "key.pem"
    main(["keys", "generate", str(file)])
    public = capsys.readouterr().out.strip()
    stdin.types(json.dumps({"api_key": "hunter22hunter22"}))
    assert main(seal_arguments(public, user)) == 0
    sealed = capsys.readouterr().out.strip()
    opened = KeyRing([load_key_file(file)]).open(sealed, SealingContext(USER, "paper", "paper"))
    assert opened["api_key"].reveal() == "hunter22hunter22"


@pytest.mark.parametrize("text", ["", "[]", '{"api_key": 5}', "{", b"\xff\xfe", '{"api_key": "hunter22"'])
def test_credentials_that_are_no_json_object_of_texts_are_refused_without_showing_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], stdin: Typist, text: str | bytes
) -> None:
    main(["keys", "generate", str(tmp_path / "key.pem")])
    public = capsys.readouterr().out.strip()
    stdin.types(text)
    assert main(seal_arguments(public)) == 2
    words = complaint(capsys)
    assert "JSON object whose values are strings" in words
    assert "hunter22" not in words


@pytest.mark.parametrize(
    ("public", "user", "words"),
    [("AAAA", USER, "--to is wrong"), ("é", USER, "--to is wrong"), ("A" * 43, "Alice", "--user")],
)
def test_what_cannot_be_sealed_to_or_for_is_named(
    capsys: pytest.CaptureFixture[str], stdin: Typist, public: str, user: str, words: str
) -> None:
    stdin.types("{}")
    assert main(seal_arguments(public, user)) == 2
    assert words in complaint(capsys)


def test_a_key_file_that_is_missing_or_open_to_others_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["keys", "public", str(tmp_path / "none.pem")]) == 2
    assert "none.pem cannot be read" in complaint(capsys)
    main(["keys", "generate", str(tmp_path / "key.pem")])
    capsys.readouterr()
    (tmp_path / "key.pem").chmod(0o644)
    assert main(["keys", "public", str(tmp_path / "key.pem")]) == 2
    assert "chmod 600" in complaint(capsys)


@pytest.mark.parametrize("role", ["sparky_worker", "sparky_edge", "dashboard_server"])
def test_a_token_carries_its_role_and_its_end(
    capsys: pytest.CaptureFixture[str], stdin: Typist, role: str
) -> None:
    stdin.types(SECRET + "\n")
    assert main(["token", "--role", role, "--days", "2"]) == 0
    claims = jwt.decode(capsys.readouterr().out.strip(), SECRET, algorithms=["HS256"])
    assert claims["role"] == role
    assert claims["exp"] - claims["iat"] == 2 * 24 * 3600


@pytest.mark.parametrize(
    ("secret", "days", "words"),
    [
        ("short", "1", "fewer than 32 bytes"),
        (b"\xff", "1", "fewer than 32 bytes"),
        (SECRET, "0", "from 1 to 3650"),
        (SECRET, "99999999999", "from 1 to 3650"),
    ],
)
def test_a_token_that_makes_no_sense_is_refused(
    capsys: pytest.CaptureFixture[str], stdin: Typist, secret: str | bytes, days: str, words: str
) -> None:
    stdin.types(secret)
    assert main(["token", "--role", "sparky_worker", "--days", days]) == 2
    shown = complaint(capsys)
    assert words in shown
    assert SECRET not in shown


@pytest.mark.parametrize(
    "arguments", [[], ["dance"], ["token"], ["token", "--role", "postgres"], ["keys"], ["keys", "seal"]]
)
def test_a_command_that_does_not_exist_explains_itself(
    capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "usage: sparky" in capsys.readouterr().err


def worker_settings(monkeypatch: pytest.MonkeyPatch, **changes: str) -> None:
    settings = {
        "SUPABASE_URL": "http://127.0.0.1:9",
        "SUPABASE_KEY": "sb_publishable_x",
        "WORKER_TOKEN": "a.secret.token",
        "SEALING_KEY_FILES": "/nowhere/key.pem",
    } | changes
    for name, value in settings.items():
        monkeypatch.setenv(f"SPARKY_{name}", value)


@pytest.mark.usefixtures("stdin")
@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"SUPABASE_URL": ""}, "supabase_url is not set"),
        ({"SUPABASE_URL": "http://far.example"}, "must use https"),
        ({"SUPABASE_URL": "wss://far.example"}, "must be a URL"),
        ({"LEASE_SECONDS": "601"}, "lease_seconds is wrong"),
        ({"CLAIM_BATCH": "501"}, "claim_batch is wrong"),
        ({"PAPER_FEED_URL": "https://feed.example/price"}, "{symbol}"),
        ({}, "key.pem cannot be read"),
    ],
)
def test_a_worker_with_bad_settings_says_which_and_does_not_start(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], changes: dict[str, str], words: str
) -> None:
    worker_settings(monkeypatch, **changes)
    assert main(["worker"]) == 2
    shown = complaint(capsys)
    assert words in shown
    assert "a.secret.token" not in shown


@pytest.mark.usefixtures("stdin")
def test_a_worker_without_any_setting_names_them_all(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for name in ("SUPABASE_URL", "SUPABASE_KEY", "WORKER_TOKEN", "SEALING_KEY_FILES"):
        monkeypatch.delenv(f"SPARKY_{name}", raising=False)
    config = tmp_path / "sparky.toml"
    config.write_text("")
    assert main(["worker", "--config", str(config)]) == 2
    shown = complaint(capsys)
    for name in ("supabase_url", "supabase_key", "worker_token", "sealing_key_files"):
        assert f"{name} is not set" in shown


@pytest.mark.parametrize(
    ("hosts", "environment", "words"),
    [
        ("{}", "production", "never to production"),
        ('{"oanda": {"sandbox": "https://api-fxtrade.oanda.com"}}', "sandbox", "SPARKY_VENUE_HOSTS names"),
        ("{}", "sandbox", "--trade needs --price"),
        ("hunter22", "sandbox", "SPARKY_VENUE_HOSTS must be an object"),
    ],
)
def test_a_round_trip_is_refused_before_anybody_is_asked_for_keys(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    hosts: str,
    environment: str,
    words: str,
) -> None:
    monkeypatch.setenv("SPARKY_VENUE_HOSTS", hosts)
    assert main(["venue", "check", "oanda", "--trade", "--environment", environment]) == 2
    told = complaint(capsys)
    assert words in told
    assert "hunter22" not in told
