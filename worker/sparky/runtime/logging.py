"""Logs: one line for each event on standard error, ours and the libraries', without secrets."""

import logging
import sys
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any, Final, Literal, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from sparky.runtime.redaction import Redactor
from sparky.runtime.seams import Clock

# They log every request with its URL; some log keys in headers, URLs and frames.
_TALKATIVE: Final = ("httpx", "httpcore", "websockets", "realtime", "asyncio")
# They log every header in a form of their own, byte by byte.
_NEVER_BELOW_WARNING: Final = ("hpack", "h2", "hyperframe")


class _Handler(logging.StreamHandler[TextIO]):
    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the name is logging's
        # The inherited one prints the message and its arguments unredacted.
        kind = sys.exc_info()[0]
        sys.stderr.write(f"a log record of {record.name} was lost: {kind.__name__ if kind else 'unknown'}\n")


def configure_logging(
    *,
    level: Literal["debug", "info", "warning", "error"],
    style: Literal["json", "console"],
    clock: Clock,
    redactor: Redactor,
    stream: TextIO | None = None,
) -> None:
    """Send all logs of this process through one formatter; it replaces the handlers that were there.

    `stream` is standard error unless given. Below WARNING, libraries are heard only at level debug.
    """
    shared = _shared_processors(clock)
    handler = _Handler(stream or sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                _redact_with(redactor),
                _renderer(style),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.DEBUG if level == "debug" else logging.WARNING)
    if level != "debug":
        # It calls every failed join permanent; whoever holds the connection tells what it means.
        logging.getLogger("realtime").setLevel(logging.CRITICAL)
    for name in _NEVER_BELOW_WARNING:
        logging.getLogger(name).setLevel(logging.WARNING)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


@contextmanager
def logging_scope(**ids: str | int) -> Iterator[None]:
    """Put `ids` (signal_id, account_id, …) on every line logged inside, and take them off after."""
    with structlog.contextvars.bound_contextvars(**ids):
        yield


def _shared_processors(clock: Clock) -> list[Processor]:
    def add_time(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        event["time"] = clock.now().isoformat(timespec="milliseconds")
        return event

    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.stdlib.ExtraAdder(),
        add_time,
    ]


def _redact_with(redactor: Redactor) -> Processor:
    def redact(_logger: WrappedLogger, _method: str, event: EventDict) -> MutableMapping[str, Any]:
        return redactor.entry(event)

    return redact


def _renderer(style: Literal["json", "console"]) -> Processor:
    if style == "json":
        return structlog.processors.JSONRenderer(ensure_ascii=False)
    return structlog.dev.ConsoleRenderer(
        colors=False, timestamp_key="time", exception_formatter=structlog.dev.plain_traceback
    )
