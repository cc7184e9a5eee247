"""Options that several commands share, and the settings that they lead to."""

import os
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from tasks.config.settings import Settings

HomeOption = Annotated[
    Path | None,
    typer.Option("--home", help="State directory.  [env: AUTOPILOT_HOME; default: ./var]", show_default=False),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")]
DayOption = Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], show_default=False)]
PipelineArgument = Annotated[str, typer.Argument(help="Name of a folder in the pipelines directory.")]


def settings_of(home: Path | None) -> "Settings":
    """Settings for this command. Flows read theirs from the environment, so `--home` goes there."""
    from tasks.config.settings import load_settings

    if home is not None:
        os.environ["AUTOPILOT_HOME"] = str(home.expanduser().absolute())
    return load_settings()


def day_of(moment: datetime | None) -> date | None:
    """The calendar day that an option named, if it was given."""
    return None if moment is None else moment.date()
