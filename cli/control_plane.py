"""Connects a command's flows to the running stack's Prefect, or to a temporary one in the home."""

import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path

import structlog

from cli.interruption import end_when_interrupted
from cli.options import settings_of
from cli.stack.home import check_home, is_up
from cli.stack.temporary_prefect import TemporaryPrefect
from observability.service_output import log_without_locals
from tasks.config.pipeline import load_pipeline
from tasks.config.settings import Settings


def enter(home: Path | None, pipeline: str, meanwhile: Callable[[], None] | None = None) -> Settings:
    """Settings for a command that runs a flow. Wrong arguments are refused before anything starts.

    `meanwhile` is called while a temporary Prefect starts: it may import what the command needs in any case.
    """
    settings = settings_of(home)
    load_pipeline(pipeline, settings.pipelines_dir)
    check_home(settings.home)
    (settings.home / "prefect").mkdir(parents=True, exist_ok=True)  # Prefect makes the last directory only
    end_when_interrupted()
    connect(settings)
    _require_prefect(settings.home, meanwhile)
    return settings


def connect(settings: Settings) -> None:
    """Configure Prefect and logging through the environment. Call it before Prefect is imported.

    Standard output is for the command's result: Prefect's console handler is silent (its API keeps every log line), and
    our own warnings go to standard error.
    """
    os.environ.setdefault("MLFLOW_CONFIGURE_LOGGING", "false")  # it would print its own progress
    os.environ.setdefault("AUTOPILOT_HOME", str(settings.home))
    os.environ.setdefault("PREFECT_HOME", str(settings.home / "prefect"))
    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")
    os.environ.setdefault("PREFECT_SERVER_LOGGING_LEVEL", "CRITICAL")
    if is_up(settings.home):
        os.environ["PREFECT_API_URL"] = settings.addresses().require("prefect")
    log_to_stderr()


def _require_prefect(home: Path, meanwhile: Callable[[], None] | None) -> None:
    """Start a temporary Prefect for this command, unless the environment names one. It starts while Prefect loads."""
    if "PREFECT_API_URL" in os.environ:
        return
    server = TemporaryPrefect(home / "prefect" / "temporary.log")
    os.environ["PREFECT_API_URL"] = server.api_url
    import prefect  # noqa: F401  # takes as long as the start of the server, if its database exists

    if meanwhile is not None:
        meanwhile()
    server.wait_until_it_answers()


def log_to_stderr(level: int = logging.WARNING) -> None:
    """Write our own log lines of `level` and above to standard error."""
    log_without_locals()
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
