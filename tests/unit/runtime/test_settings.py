import os
from pathlib import Path

import pytest
from pydantic import ValidationError

from sparky.domain.errors import ConfigurationError
from sparky.runtime.settings import WorkerSettings, load_settings
from tests.unit.runtime.virtual_seams import SeededRandom

TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJyb2xlIjoic3Bhcmt5X3dvcmtlciJ9.c2lnbmF0dXJl"
REQUIRED = {
    "SPARKY_SUPABASE_URL": "https://abc.supabase.co",
    "SPARKY_SUPABASE_KEY": "sb_publishable_abcdefgh",
    "SPARKY_WORKER_TOKEN": TOKEN,
    "SPARKY_SEALING_KEY_FILES": "/etc/sparky/one.pem:/etc/sparky/two.pem",
}


@pytest.fixture(autouse=True)
def _empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.upper().startswith("SPARKY_") or name == "CREDENTIALS_DIRECTORY":
            monkeypatch.delenv(name)


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name, value in REQUIRED.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def failure(config: Path | None = None) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load_settings(config)
    assert caught.value.__cause__ is None
    return str(caught.value)


@pytest.mark.usefixtures("environment")
def test_the_required_settings_are_enough_and_the_rest_has_defaults() -> None:
    settings = load_settings(random=SeededRandom(1))
    assert settings.supabase_url == "https://abc.supabase.co"
    assert settings.worker_token.get_secret_value() == TOKEN
    assert settings.sealing_key_files == (Path("/etc/sparky/one.pem"), Path("/etc/sparky/two.pem"))
    assert (settings.lease_seconds, settings.venue_timeout_seconds) == (15, 5)
    assert (settings.claim_batch, settings.max_in_flight) == (20, 100)
    assert (settings.poll_interval_seconds, settings.poll_interval_disconnected_seconds) == (5, 1)
    assert (settings.ping_interval_seconds, settings.shutdown_grace_seconds) == (15, 20)
    assert (settings.log_level, settings.log_format) == ("info", "json")
    assert settings.paper_feed_url is None


@pytest.mark.usefixtures("environment")
def test_two_workers_on_one_host_have_different_names() -> None:
    first = load_settings(random=SeededRandom(1)).worker_id
    second = load_settings(random=SeededRandom(2)).worker_id
    assert first != second
    assert first.rpartition("-")[0] == second.rpartition("-")[0] != ""


@pytest.mark.usefixtures("environment")
def test_settings_cannot_be_changed() -> None:
    settings = load_settings()
    with pytest.raises(ValidationError, match="frozen"):
        settings.claim_batch = 1


@pytest.mark.usefixtures("environment")
def test_settings_do_not_show_secrets() -> None:
    shown = f"{load_settings()!r} {load_settings()} {load_settings().model_dump_json()}"
    assert TOKEN not in shown
    assert "sb_publishable_abcdefgh" not in shown


def test_every_missing_setting_is_named_with_the_places_to_set_it() -> None:
    lines = failure().splitlines()
    assert [line.split()[0] for line in lines] == [
        "supabase_url",
        "supabase_key",
        "worker_token",
        "sealing_key_files",
    ]
    assert lines[0] == (
        "supabase_url is not set: set the variable SPARKY_SUPABASE_URL or supabase_url in the file of "
        "--config or SPARKY_CONFIG."
    )
    assert "the systemd credential worker_token" in lines[2]
    assert "the systemd credential sealing_key" in lines[3]


def test_a_price_feed_may_have_a_query(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("SPARKY_PAPER_FEED_URL", "https://feed.example/price?symbol={symbol}")
    assert load_settings().paper_feed_url == "https://feed.example/price?symbol={symbol}"


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("SPARKY_LEASE_SECONDS", "6", "lease_seconds is 6 and must be at least venue_timeout_seconds"),
        ("SPARKY_LEASE_SECONDS", "soon", "lease_seconds is wrong: input should be a valid number"),
        ("SPARKY_LEASE_SECONDS", "inf", "lease_seconds is wrong"),
        ("SPARKY_CLAIM_BATCH", "0", "claim_batch is wrong: input should be greater than 0"),
        ("SPARKY_LOG_LEVEL", "loud", "log_level is wrong: input should be 'debug'"),
        ("SPARKY_SUPABASE_URL", "abc.supabase.co", "supabase_url is wrong: must be a URL"),
        ("SPARKY_SUPABASE_URL", "http://abc.supabase.co", "must use https"),
        ("SPARKY_SUPABASE_URL", "https://user:hunter22@abc.co", "must hold no user name"),
        ("SPARKY_SUPABASE_URL", "https://abc.co/?apikey=hunter22", "must hold no user name"),
        ("SPARKY_PAPER_FEED_URL", "https://feed.example/price", "must have {symbol}"),
        ("SPARKY_PAPER_FEED_URL", "https://u:hunter22@feed.example/{symbol}", "must hold no user name"),
        ("SPARKY_SUPABASE_URL", "https://[hunter22", "is not a URL"),
        ("SPARKY_SUPABASE_URL", "https://abc.co:hunter22", "is not a URL"),
        ("SPARKY_WORKER_TOKEN", "hunter22 hunter22", "worker_token is wrong: must be a key or token"),
        ("SPARKY_SEALING_KEY_FILES", ":", "sealing_key_files is wrong"),
        ("SPARKY_VENUE_HOSTS", "hunter22", "venue_hosts is wrong: must be an object such as"),
        ("SPARKY_VENUE_HOSTS", '["hunter22"]', "venue_hosts is wrong: must be an object such as"),
        ("SPARKY_VENUE_HOSTS", '{"aster": "hunter22"}', "venue_hosts is wrong: must be an object such as"),
        ("SPARKY_VENUE_HOSTS", '{"aster": {"hunter22": "https://a.co"}}', "production or sandbox"),
        ("SPARKY_VENUE_HOSTS", '{"aster": {"sandbox": 22}}', "venue_hosts is wrong: must be an object such"),
        ("SPARKY_VENUE_HOSTS", '{"aster": {"sandbox": "http://hunter22.co"}}', "must use https"),
        ("SPARKY_VENUE_HOSTS", '{"aster": {"sandbox": "https://a.co/v3"}}', "must have no path"),
        ("SPARKY_VENUE_HOSTS", '{"aster": {"sandbox": "https://u:hunter22@a.co"}}', "must hold no user name"),
    ],
)
def test_a_wrong_setting_is_named_without_its_value(
    environment: pytest.MonkeyPatch, name: str, value: str, words: str
) -> None:
    environment.setenv(name, value)
    message = failure()
    assert words in message
    assert "hunter22" not in message
    assert "\n" not in message


def test_hosts_of_venues_come_from_a_variable_or_a_table_of_the_file(
    environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "worker.toml"
    path.write_text('[venue_hosts.oanda]\nsandbox = "https://proxy.example.com/"\n')
    assert load_settings().venue_hosts == {}
    assert load_settings(path).venue_hosts == {"oanda": {"sandbox": "https://proxy.example.com"}}
    environment.setenv("SPARKY_VENUE_HOSTS", '{"aster": {"production": "http://127.0.0.1:8000"}}')
    assert load_settings(path).venue_hosts == {"aster": {"production": "http://127.0.0.1:8000"}}


@pytest.mark.parametrize("url", ["http://127.0.0.1:54321", "http://localhost:54321/", "http://[::1]:54321"])
def test_a_plain_connection_is_for_this_machine(environment: pytest.MonkeyPatch, url: str) -> None:
    environment.setenv("SPARKY_SUPABASE_URL", url)
    assert load_settings().supabase_url == url.rstrip("/")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("SPARKY_LEASE_SECOND", "did you mean SPARKY_LEASE_SECONDS?"),
        ("sparky_lease_second", "did you mean SPARKY_LEASE_SECONDS?"),
        ("SPARKY_XYZ", "SPARKY_XYZ is not a setting."),
    ],
)
def test_an_unknown_variable_stops_the_start(environment: pytest.MonkeyPatch, name: str, words: str) -> None:
    environment.setenv(name, "hunter22")
    message = failure()
    assert words in message
    assert "hunter22" not in message


def test_variables_of_other_programs_are_left_alone(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("SPARKY_EDGE_KEY", "x")
    assert load_settings().claim_batch == 20


def test_an_empty_variable_is_not_set(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("SPARKY_CLAIM_BATCH", "")
    environment.setenv("SPARKY_WORKER_TOKEN", "")
    assert failure().startswith("worker_token is not set")


CONFIG = """
supabase_url = "https://file.supabase.co"
supabase_key = "from-file"
worker_token = "token-from-file"
sealing_key_files = ["/etc/sparky/file.pem"]
claim_batch = 7
lease_seconds = 20.5
"""


def test_a_file_alone_is_enough(tmp_path: Path) -> None:
    path = tmp_path / "worker.toml"
    path.write_text(CONFIG)
    settings = load_settings(path)
    assert (settings.claim_batch, settings.lease_seconds) == (7, 20.5)
    assert settings.sealing_key_files == (Path("/etc/sparky/file.pem"),)


def test_the_file_can_be_named_by_a_variable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "worker.toml"
    path.write_text(CONFIG)
    monkeypatch.setenv("SPARKY_CONFIG", str(path))
    assert load_settings().supabase_url == "https://file.supabase.co"


def test_credentials_win_over_the_file_and_variables_over_both(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "worker.toml"
    path.write_text(CONFIG)
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    (credentials / "worker_token").write_text("token-from-systemd\n")
    for name in ("sealing_key.new", "sealing_key.old"):
        (credentials / name).write_text("pem")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(credentials))
    settings = load_settings(path)
    assert settings.worker_token.get_secret_value() == "token-from-systemd"
    assert [file.name for file in settings.sealing_key_files] == ["sealing_key.new", "sealing_key.old"]
    monkeypatch.setenv("SPARKY_WORKER_TOKEN", "token-from-variable")
    assert load_settings(path).worker_token.get_secret_value() == "token-from-variable"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('claim_batsh = "hunter22"', "claim_batsh in .*is not a setting: did you mean claim_batch"),
        ('[worker]\nworker_token = "hunter22"', "worker in .*is not a setting"),
        ('worker_token = "hunter22', r"is not TOML \(at end of document"),
        ("worker_token = hunter22", r"is not TOML \(at line 1"),
        ('claim_batch = "hunter22"', "claim_batch is wrong"),
    ],
)
def test_what_is_wrong_in_the_file_is_named_without_values(
    environment: pytest.MonkeyPatch, tmp_path: Path, content: str, words: str
) -> None:
    del environment
    path = tmp_path / "worker.toml"
    path.write_text(content)
    message = failure(path)
    assert "hunter22" not in message
    with pytest.raises(ConfigurationError, match=words):
        load_settings(path)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    assert "absent.toml cannot be read" in failure(tmp_path / "absent.toml")


def test_credentials_that_cannot_be_read_are_named(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "worker_token").write_bytes(b"\xff\xfe")
    environment.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert f"The credentials in {tmp_path} cannot be read." in failure()


@pytest.mark.usefixtures("environment")
def test_a_setting_in_code_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(ValidationError, match="lease"):
        WorkerSettings.model_validate({"worker_id": "w", "lease": 3})
