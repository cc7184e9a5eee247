"""`autopilot status`: what runs, what serves, what is wrong."""

from typing import Annotated

import typer

from cli.options import HomeOption, JsonOption, settings_of


def status(
    pipeline: Annotated[str, typer.Argument(help="Name of a folder in the pipelines directory.")] = "flights",
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show services, release and unfinished incidents. Exit 1 when the stack is up and something in it is not."""
    from cli.condition import read_condition
    from cli.output import print_result
    from tasks.config.pipeline import load_pipeline

    settings = settings_of(home)
    load_pipeline(pipeline, settings.pipelines_dir)
    condition = read_condition(settings, pipeline)
    print_result(condition, as_json=as_json)
    raise typer.Exit(0 if condition.healthy else 1)
