"""`autopilot pause` and `autopilot resume`: stop and continue ingest, retrain and release of one pipeline."""

import getpass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.options import HomeOption, PipelineArgument, settings_of

if TYPE_CHECKING:
    from tasks.config.settings import Settings

PersonOption = Annotated[str | None, typer.Option("--by", help="Your name.", show_default="the user's")]


def pause(
    pipeline: PipelineArgument,
    reason: Annotated[str, typer.Option(help="Why, for those who meet the pause.")],
    by: PersonOption = None,
    home: HomeOption = None,
) -> None:
    """Let nothing more be ingested, trained or released until `autopilot resume`. Serving goes on."""
    from healing.errors import Conflict
    from tasks.incidents.pipeline_pause import pause_pipeline
    from tasks.ledger.store import Ledger

    settings = _settings(pipeline, home)
    with Ledger(settings.ledger_dsn) as ledger:
        begun = pause_pipeline(settings, ledger, pipeline, by=by or getpass.getuser(), reason=reason)
    if begun is None:
        raise Conflict(f"expected {pipeline} to run, found it paused; `autopilot status {pipeline}` says by whom")
    print(f"{pipeline} is {begun}")


def resume(pipeline: PipelineArgument, by: PersonOption = None, home: HomeOption = None) -> None:
    """End the pause of a pipeline, whoever began it, and continue the schedules that it stopped."""
    from healing.errors import Conflict
    from tasks.incidents.pipeline_pause import resume_pipeline
    from tasks.ledger.store import Ledger

    settings = _settings(pipeline, home)
    with Ledger(settings.ledger_dsn) as ledger:
        ended = resume_pipeline(settings, ledger, pipeline, by=by or getpass.getuser())
    if ended is None:
        raise Conflict(f"expected {pipeline} to be paused, found that it is not")
    print(f"{pipeline} runs again; it was {ended}")


def _settings(pipeline: str, home: Path | None) -> "Settings":
    from cli.control_plane import log_to_stderr
    from cli.stack.home import check_home
    from tasks.config.pipeline import load_pipeline

    log_to_stderr()
    settings = settings_of(home)
    load_pipeline(pipeline, settings.pipelines_dir)
    check_home(settings.home)
    return settings
