"""Output of a service whose log file may be on a full disk: what cannot be written is lost, and nothing else fails."""

import contextlib
import sys
from typing import Any, TextIO


class UnfailingStream:
    """A text stream whose writes never raise; everything else is that of the stream behind it."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        with contextlib.suppress(OSError, ValueError):  # ValueError: it is closed
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def keep_running_without_output() -> None:
    """Let no line that this process prints or logs raise. For services: a command has to report a lost result."""
    sys.stdout, sys.stderr = UnfailingStream(sys.stdout), UnfailingStream(sys.stderr)


def log_without_locals() -> None:
    """Log a traceback as Python prints it. By default, structlog adds local variables: rows of clients, and secrets."""
    import structlog

    renderer = structlog.get_config()["processors"][-1]
    if isinstance(renderer, structlog.dev.ConsoleRenderer):
        renderer.exception_formatter = structlog.dev.plain_traceback
