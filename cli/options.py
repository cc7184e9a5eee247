"""Options that several commands share: the pipeline, the home, and the settings that they lead to."""

import os
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

if TYPE_CHECKING:
    from tasks.config.settings import Settings

HomeOption = Annotated[
    Path | None,
    typer.Option("--home", help="State directory; without it AUTOPILOT_HOME, else ./var.", show_default=False),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")]
DayOption = Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], show_default=False)]


def complete_pipeline(incomplete: str) -> list[str]:
    """The pipelines that a shell offers. It answers while a person types, so it reads no file and imports little."""
    directory = Path(os.environ.get("AUTOPILOT_PIPELINES_DIR", "pipelines")).expanduser()
    names = sorted(path.parent.name for path in directory.glob("*/pipeline.yaml"))
    return [name for name in names if name.startswith(incomplete)]


_PIPELINE_HELP = "Name of the pipeline; may be left out where there is one."
PipelineArgument = Annotated[str, typer.Argument(help=_PIPELINE_HELP, autocompletion=complete_pipeline)]
PipelineOption = Annotated[
    str | None, typer.Option(help=_PIPELINE_HELP, show_default=False, autocompletion=complete_pipeline)
]


class PipelineCommand(TyperCommand):
    """A command whose first argument, the pipeline, may be left out: see `default_pipeline`.

    The context is any: typer has a click of its own and gives its types no public name.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, list(args))
        except typer.BadParameter as error:
            if error.param is None or error.param.param_type_name != "argument":
                raise
        # An argument is missing: the last one if others were given. Options that were given are in the context.
        return super().parse_args(ctx, [default_pipeline(settings_of(ctx.params.get("home"))), *args])

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """The help shows the pipeline as optional, though the parser requires a value."""
        pipeline = next((parameter for parameter in self.params if parameter.name == "pipeline"), None)
        if pipeline is None:
            super().format_help(ctx, formatter)
            return
        required, pipeline.required = pipeline.required, False
        try:
            super().format_help(ctx, formatter)
        finally:
            pipeline.required = required


def settings_of(home: Path | None) -> "Settings":
    """Settings for this command. Flows read theirs from the environment, so `--home` goes there."""
    from tasks.config.settings import load_settings

    if home is not None:
        os.environ["AUTOPILOT_HOME"] = str(home.expanduser().absolute())
    return load_settings()


def default_pipeline(settings: "Settings") -> str:
    """The pipeline of the stack that runs on this home, else the only one in the pipelines directory.

    UsageError lists the pipelines where there are several, and says what to do where there is none.
    """
    from cli.stack.home import is_up, read_processes
    from healing.errors import UsageError
    from tasks.config.pipeline import known_pipelines

    served = read_processes(settings.home).pipeline if is_up(settings.home) else ""
    known = [served] if served else known_pipelines(settings.pipelines_dir)
    if len(known) == 1:
        return known[0]
    if known:
        raise UsageError(f"expected the name of a pipeline, found several: {', '.join(known)}; name one of them")
    raise UsageError(f"found no pipeline in {settings.pipelines_dir}; `autopilot init` writes one for a file of yours")


def day_of(moment: datetime | None) -> date | None:
    """The calendar day of an option, if it was given."""
    return None if moment is None else moment.date()
