"""Log lines of gateway, healer and flows: JSON for programs, columns for people, with the ids that join them to traces.

Each line has `event`, `level`, `timestamp` and the keys that its process bound, such as `pipeline`. In a span it has
`trace_id` and `span_id` as well. Secrets are replaced before a line is written.
"""

import logging
import os
import re
import sys
from collections.abc import MutableMapping
from enum import StrEnum
from typing import Any, TextIO

import orjson
import structlog
from structlog.typing import Processor

from observability.span import current_span

_FIRST = ("timestamp", "level", "event")
_SECRET = re.compile(r"password|passwd|secret|authorization|api_?key|credential|cookie", re.IGNORECASE)
_IN_ADDRESS = re.compile(r"(://[^/\s:@\"']*:)[^/\s@\"']+@")  # user:password@ of a URL
_HIDDEN = "***"


class LogLevel(StrEnum):
    """The least severe lines that are written."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"

    @property
    def number(self) -> int:
        """What the standard library calls the level."""
        return logging.getLevelNamesMapping()[self.name]


class LogFormat(StrEnum):
    """How a line is written."""

    AUTO = "auto"
    CONSOLE = "console"
    JSON = "json"

    def is_json(self, stream: TextIO) -> bool:
        return self is LogFormat.JSON or (self is LogFormat.AUTO and not stream.isatty())


def configure_log(level: LogLevel, log_format: LogFormat, **bound: str) -> None:
    """Write the lines of this process to standard error. `bound` are keys of every line, such as the pipeline."""
    structlog.configure(
        processors=[*_first_processors(bound), *_last_processors(log_format)],
        wrapper_class=structlog.make_filtering_bound_logger(level.number),
        logger_factory=structlog.PrintLoggerFactory(_StandardError()),  # type: ignore[arg-type]
        cache_logger_on_first_use=False,
    )


def configure_service_log(level: LogLevel, log_format: LogFormat, **bound: str) -> None:
    """The same, and the lines of libraries from WARNING on in the same form: for a process that is ours alone."""
    configure_log(level, log_format, **bound)
    handler = logging.StreamHandler(_StandardError())
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=_first_processors(bound),
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_last_processors(log_format)],
    )
    handler.setFormatter(formatter)
    handler.setLevel(max(level.number, logging.WARNING))
    logging.lastResort = handler  # a library that has a handler of its own, or wants none, keeps it


def _first_processors(bound: dict[str, str]) -> list[Processor]:
    return [
        _with(bound),
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.StackInfoRenderer(),
        structlog.dev.set_exc_info,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        add_span,
        hide_secrets,
    ]


def add_span(_: Any, __: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Add the ids of the current span and of the request that it serves."""
    span = current_span.get()
    if span is not None:
        line["trace_id"], line["span_id"] = span.context.trace_id_hex, span.context.span_id_hex
        request_id = (span.root or span).attributes.get("autopilot.request_id")
        if request_id is not None:
            line.setdefault("request_id", request_id)
    return line


def hide_secrets(_: Any, __: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Replace texts whose key says that they are secret."""
    return {key: _hidden(key, value) for key, value in line.items()}


def _hidden(key: str, value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _hidden(str(name), each) for name, each in value.items()}
    return _HIDDEN if _SECRET.search(key) and isinstance(value, str | bytes) and value else value


def _with(bound: dict[str, str]) -> Processor:
    def add(_: Any, __: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        return {**bound, **line}

    return add


def _last_processors(log_format: LogFormat) -> list[Processor]:
    """The processors that make the text of a line."""
    if log_format.is_json(sys.stderr):
        return [structlog.processors.format_exc_info, _json]
    colours = sys.stderr.isatty() and "NO_COLOR" not in os.environ
    # The default formatter of tracebacks shows local variables: rows of clients, and passwords.
    console = structlog.dev.ConsoleRenderer(colors=colours, exception_formatter=structlog.dev.plain_traceback)
    return [lambda logger, name, line: _without_passwords(console(logger, name, line))]


def _json(_: Any, __: str, line: MutableMapping[str, Any]) -> str:
    first = {key: line.pop(key) for key in _FIRST if key in line}
    text = orjson.dumps({**first, **line}, default=repr, option=orjson.OPT_NON_STR_KEYS).decode()
    return _without_passwords(text)


def _without_passwords(text: str) -> str:
    return _IN_ADDRESS.sub(rf"\1{_HIDDEN}@", text)


class _StandardError:
    """The standard error of the moment: a test or a service replaces the stream."""

    def write(self, text: str) -> int:
        return sys.stderr.write(text)

    def flush(self) -> None:
        sys.stderr.flush()
