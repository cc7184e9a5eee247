"""The target of `autopilot drill`: the option, what may run there, and why a drill is refused."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.options import default_pipeline

if TYPE_CHECKING:
    from tasks.config.settings import Settings

TargetOption = Annotated[
    Path | None,
    typer.Option(
        "--target", help="File of a stack that is not on the home; else AUTOPILOT_DRILL_TARGET.", show_default=False
    ),
]


@contextmanager
def usage_errors() -> Iterator[None]:
    """Print what cannot run as asked on standard error, and exit with 2."""
    from chaos.experiment_files import WrongUsage
    from chaos.lab import StackDown
    from chaos.staging.target import WrongTarget

    try:
        yield
    except (WrongUsage, StackDown, WrongTarget) as error:
        print(f"autopilot drill: {error}", file=sys.stderr)
        raise typer.Exit(2) from error


def use_target(target: Path | None) -> None:
    """Make the file the target of this command and of every process that it starts."""
    from chaos.staging.target import TARGET_VARIABLE

    if target is not None:
        os.environ[TARGET_VARIABLE] = str(target.expanduser().absolute())


def served_pipeline(settings: "Settings", pipeline: str | None) -> str:
    """The pipeline that was named, else that of the target, else that of the stack or the only one there is."""
    from chaos.staging.target import active_target

    active = active_target()
    return pipeline or ("" if active is None else active.pipeline) or default_pipeline(settings)


def refusals_by_drill(settings: "Settings", pipeline: str | None) -> dict[str, list[str]]:
    """Why each drill cannot run at the active target; empty lists for those that can."""
    import yaml

    from chaos.experiment_files import experiments
    from chaos.lab import Lab
    from chaos.staging.refusals import refusals

    lab = Lab.open(settings.home, served_pipeline(settings, pipeline), settings.home)
    return {each.name: refusals(yaml.safe_load(each.text), lab) for each in experiments()}


def print_plan(name: str, settings: "Settings", pipeline: str | None, ablate: str | None) -> None:
    """Print the faults and their leases; with a target, also whether they may be injected there, and why not."""
    import yaml

    from chaos.experiment_files import find, planned_faults
    from chaos.lab import Lab
    from chaos.staging.refusals import refusals
    from chaos.staging.target import active_target

    print("\n".join(planned_faults(name)) or "no fault")
    if active_target() is None:
        return
    lab = Lab.open(settings.home, served_pipeline(settings, pipeline), settings.home)
    refused = refusals(yaml.safe_load(find(name).text), lab, ablate)
    print("\n".join(f"refused: {why}" for why in refused) or f"can run on {lab.name}")
