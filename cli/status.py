"""`autopilot status`: services, current release and unfinished incidents."""

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from cli.options import HomeOption, JsonOption, PipelineArgument, settings_of

if TYPE_CHECKING:
    from rich.console import Console, Group

    from tasks.config.settings import Settings

REFRESH_SECONDS = 1.0


def status(
    pipeline: PipelineArgument,
    watch: Annotated[bool, typer.Option("--watch", help="Show it again every second, until Ctrl-C.")] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show services, release and unfinished incidents. Exit 1 when the stack is up and not healthy.

    With --watch and --json, one JSON document per second and line.
    """
    from cli.output import print_result
    from cli.render.console import print_parts
    from cli.render.status import status_parts
    from cli.stack_status import read_status
    from tasks.config.pipeline import load_pipeline

    settings = settings_of(home)
    load_pipeline(pipeline, settings.pipelines_dir)
    if watch:
        _watch(settings, pipeline, as_json=as_json)
    found = read_status(settings, pipeline)
    if as_json:
        print_result(found, as_json=True)
    else:
        print_parts(status_parts(pipeline, found))
    raise typer.Exit(0 if found.healthy else 1)


def _watch(settings: "Settings", pipeline: str, *, as_json: bool) -> NoReturn:
    """Show the status again and again. Ctrl-C is the way to end it, so it ends with 0."""
    from cli.render.console import output_console, print_parts

    console = output_console()
    try:
        if as_json:
            _repeat(lambda: print(json.dumps(_document(settings, pipeline)), flush=True))
        elif console.is_terminal and not console.is_dumb_terminal:
            _repeat_on_screen(console, lambda: _page(settings, pipeline))
        else:
            _repeat(lambda: print_parts([_page(settings, pipeline)]))
    except KeyboardInterrupt:
        raise typer.Exit(0) from None


def _repeat(show: Callable[[], None]) -> NoReturn:
    while True:
        show()
        time.sleep(REFRESH_SECONDS)


def _repeat_on_screen(console: "Console", page: "Callable[[], Group]") -> NoReturn:
    """Use the alternate screen, so that the terminal is as before in the end."""
    from rich.live import Live

    with Live(page(), console=console, screen=True, auto_refresh=False) as live:
        _repeat(lambda: live.update(page(), refresh=True))


def _document(settings: "Settings", pipeline: str) -> "dict[str, Any]":
    """The status as JSON values; an outage of the ledger or a damaged file is a document too."""
    from cli.output import as_document
    from cli.stack_status import read_status
    from healing.errors import AutopilotError

    try:
        found = read_status(settings, pipeline)
    except AutopilotError as exc:
        return {"error": str(exc)}
    return {**as_document(found), "healthy": found.healthy}


def _page(settings: "Settings", pipeline: str) -> "Group":
    """The status with the time; an outage of the ledger or a damaged file is shown in its place."""
    from rich.console import Group

    from cli.render.parts import moment, quiet
    from cli.render.status import status_parts
    from cli.stack_status import read_status
    from healing.errors import AutopilotError

    now = quiet(f"{moment(datetime.now(UTC))}, every {REFRESH_SECONDS:g} s, Ctrl-C ends it")
    try:
        return Group(*status_parts(pipeline, read_status(settings, pipeline)), now)
    except AutopilotError as exc:
        return Group(f"{pipeline}: {exc}", now)
