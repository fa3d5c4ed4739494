import io
import json
import logging
import socket
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import httpx
import pytest
import structlog
from realtime import AsyncRealtimeClient

from sparky.runtime.logging import configure_logging, logging_scope
from sparky.runtime.redaction import REDACTED, Redactor
from tests.unit.runtime.virtual_seams import VirtualTime

TOKEN = "worker-token-hunter22"
LIBRARIES = ("httpx", "httpcore", "websockets", "realtime", "asyncio", "hpack", "h2", "hyperframe")


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    loggers = [logging.getLogger(name) for name in ("", *LIBRARIES)]
    before = [(logger, logger.level, list(logger.handlers)) for logger in loggers]
    yield
    for logger, level, handlers in before:
        logger.setLevel(level)
        logger.handlers[:] = handlers
    structlog.reset_defaults()


class Logs:
    """Logs as they would stand on standard error."""

    def __init__(self, level: Any = "info", style: Any = "json") -> None:
        self.stream = io.StringIO()
        redactor = Redactor()
        redactor.register(TOKEN)
        configure_logging(
            level=level, style=style, clock=VirtualTime(), redactor=redactor, stream=self.stream
        )

    @property
    def text(self) -> str:
        return self.stream.getvalue()

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text.splitlines()]


def test_an_event_is_one_line_of_json() -> None:
    logs = Logs()
    structlog.get_logger("sparky.engine").info("order_accepted", venue="paper", note="zwei\nZeilen")
    assert logs.lines == [
        {
            "event": "order_accepted",
            "venue": "paper",
            "note": "zwei\nZeilen",
            "level": "info",
            "logger": "sparky.engine",
            "time": "2026-03-02T14:30:00.000+00:00",
        }
    ]


def test_libraries_log_in_the_same_form() -> None:
    logs = Logs()
    logging.getLogger("some.library").warning("%d of %s", 3, "many", extra={"venue": "paper"})
    [line] = logs.lines
    assert (line["event"], line["level"], line["logger"]) == ("3 of many", "warning", "some.library")
    assert line["venue"] == "paper"
    assert line["time"].startswith("2026-03-02T14:30:00")


def test_levels_below_the_set_one_are_silent() -> None:
    logs = Logs("warning")
    structlog.get_logger("sparky").info("quiet")
    logging.getLogger("some.library").info("quiet")
    assert logs.text == ""


def test_ids_are_on_every_line_of_a_scope_and_gone_after_it() -> None:
    logs = Logs()
    log = structlog.get_logger("sparky")
    with logging_scope(signal_id="s1", leg=1):
        log.info("inside")
        logging.getLogger("some.library").warning("inside too")
        with logging_scope(leg=2):
            log.info("deeper")
        log.info("back")
    log.info("outside")
    assert [(line.get("signal_id"), line.get("leg")) for line in logs.lines] == [
        ("s1", 1),
        ("s1", 1),
        ("s1", 2),
        ("s1", 1),
        (None, None),
    ]


def test_ids_are_gone_after_a_scope_that_failed() -> None:
    logs = Logs()
    with pytest.raises(RuntimeError), logging_scope(signal_id="s1"):
        raise RuntimeError("failed")
    structlog.get_logger("sparky").info("outside")
    assert "signal_id" not in logs.lines[0]


def fail_with(text: str) -> None:
    raise ValueError(f"refused {text}")


@pytest.mark.parametrize("style", ["json", "console"])
def test_exceptions_are_told_without_secrets(style: str) -> None:
    logs = Logs(style=style)
    try:
        fail_with(TOKEN)
    except ValueError:
        structlog.get_logger("sparky").exception("failed", api_secret="abc-def")
        logging.getLogger("some.library").exception("failed with %s", TOKEN)
    assert TOKEN not in logs.text
    assert "abc-def" not in logs.text
    assert logs.text.count("Traceback") == 2
    assert f"ValueError: refused {REDACTED}" in logs.text


def test_console_lines_are_for_people() -> None:
    logs = Logs(style="console")
    structlog.get_logger("sparky").info("order_accepted", venue="paper")
    assert "order_accepted" in logs.text
    assert "venue=paper" in logs.text
    assert "\x1b" not in logs.text


def test_a_record_that_cannot_be_formatted_is_reported_without_its_content(
    capsys: pytest.CaptureFixture[str],
) -> None:
    logs = Logs()
    logging.getLogger("some.library").warning("%d", TOKEN)
    assert logs.text == ""
    assert capsys.readouterr().err == "a log record of some.library was lost: TypeError\n"


def test_configuring_twice_does_not_log_twice() -> None:
    Logs()
    logs = Logs()
    structlog.get_logger("sparky").info("once")
    assert len(logs.lines) == 1


class Echo(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Set-Cookie", "sid=cookie-hunter22")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the library's
        del format, args


@pytest.fixture
def server_url() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Echo) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


async def call(server_url: str) -> None:
    headers = {"Authorization": f"Bearer {TOKEN}", "apikey": "anon-hunter22"}
    async with httpx.AsyncClient(headers=headers, trust_env=False) as client:
        url = f"{server_url}/rest/v1/rpc?apikey=query-hunter22&symbol=X"
        assert (await client.get(url)).status_code == 200


async def test_a_real_request_shows_no_secret_even_at_debug(server_url: str) -> None:
    logs = Logs("debug")
    await call(server_url)
    assert "hunter22" not in logs.text
    loggers = {line["logger"].split(".")[0] for line in logs.lines}
    assert {"httpx", "httpcore"} <= loggers


@pytest.mark.parametrize("level", ["info", "warning"])
async def test_requests_are_not_logged_unless_at_debug(server_url: str, level: str) -> None:
    logs = Logs(level)
    await call(server_url)
    assert logs.text == ""


REALTIME_LINES = [
    "Attempting to connect to WebSocket at ws://h/realtime/v1/websocket?vsn=1.0.0&apikey=abc-hunter22",
    "Connection attempt failed: could not open ws://h/realtime/v1/websocket?apikey=abc-hunter22",
    'send: {"event":"phx_join","payload":{"access_token":"abc-hunter22"}}',
    'receive: \'{"payload":{"access_token":"abc-hunter22"}}\'',
    f"> GET /realtime/v1/websocket?apikey={TOKEN} HTTP/1.1",
]


@pytest.mark.parametrize("name", ["realtime._async.client", "websockets.client"])
@pytest.mark.parametrize("text", REALTIME_LINES)
def test_lines_of_the_realtime_client_show_no_secret(name: str, text: str) -> None:
    logs = Logs("debug")
    logging.getLogger(name).debug(text)
    logging.getLogger(name).error(text)
    assert len(logs.lines) == 2
    assert "hunter22" not in logs.text


@pytest.fixture
def deaf_port() -> Iterator[int]:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


async def test_a_realtime_client_that_cannot_connect_shows_no_key(deaf_port: int) -> None:
    logs = Logs("debug")
    client = AsyncRealtimeClient(f"ws://127.0.0.1:{deaf_port}/realtime/v1", "abc-hunter22", max_retries=1)
    with pytest.raises(ConnectionRefusedError):
        await client.connect()
    assert "Connection attempt failed" in logs.text
    assert "hunter22" not in logs.text
