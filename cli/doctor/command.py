"""`autopilot doctor`: examine this installation, this home and its stack, and name a fix for each finding."""

import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.options import HomeOption, JsonOption, complete_pipeline, settings_of

if TYPE_CHECKING:
    from cli.doctor.finding import Finding
    from tasks.config.settings import Settings

FREE_MIB_MIN = 1024


def doctor(
    pipeline: Annotated[
        str | None,
        typer.Argument(
            help="Name of one pipeline; by default all are examined.",
            show_default=False,
            autocompletion=complete_pipeline,
        ),
    ] = None,
    free_mib: Annotated[
        int, typer.Option(min=0, help="Report a disk with less free space than this many MiB.")
    ] = FREE_MIB_MIN,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Find what is wrong, and name a command that fixes it. Exit 0 without a finding, 1 with findings.

    It examines versions, permissions, disks, configuration, keys, databases, the clock, the release log, the models
    that serve, and the services of a running stack. It changes nothing, and ends within a bounded time.
    """
    from cli.doctor.rendering import doctor_parts
    from cli.output import print_result
    from cli.render.console import print_parts

    with _progress() as on_start:
        findings = _examine(pipeline, free_mib, home, on_start)
    if as_json:
        print_result(findings, as_json=True)
    else:
        print_parts(doctor_parts(findings))
    raise typer.Exit(1 if findings else 0)


def _examine(
    pipeline: str | None, free_mib: int, home: Path | None, on_start: Callable[[str], None]
) -> "list[Finding]":
    """The findings of every check. Settings that are wrong are a finding too: nothing else can be examined then."""
    from cli.control_plane import log_to_stderr
    from cli.doctor.examined import Examined, error
    from cli.doctor.registry import CHECKS
    from cli.doctor.run_checks import run_checks
    from healing.errors import ConfigError

    log_to_stderr()
    try:
        settings = settings_of(home)
    except ConfigError as exc:
        return [error("settings", "environment", "valid AUTOPILOT_ variables", str(exc), "correct the variables")]
    return run_checks(Examined.of(settings, _pipelines(settings, pipeline), free_mib), CHECKS, on_start)


def _pipelines(settings: "Settings", named: str | None) -> tuple[str, ...]:
    """The named pipeline, or all; UsageError if there is none of that name. Their files may be faulty."""
    from healing.errors import ConfigError
    from tasks.config.pipeline import known_pipelines, load_pipeline

    if named is None:
        return tuple(known_pipelines(settings.pipelines_dir))
    with contextlib.suppress(ConfigError):  # the check `configuration` reports it
        load_pipeline(named, settings.pipelines_dir)
    return (named,)


@contextlib.contextmanager
def _progress() -> Iterator[Callable[[str], None]]:
    """Names the running check on standard error, in a terminal alone."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console

    with Console(stderr=True).status("examining") as status:
        yield lambda name: status.update(f"examining {name.replace('_', ' ')}")
