"""`autopilot status`: services, current release and unfinished incidents."""

import typer

from cli.options import HomeOption, JsonOption, PipelineArgument, settings_of


def status(pipeline: PipelineArgument, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Show services, release and unfinished incidents. Exit 1 when the stack is up and not healthy."""
    from cli.output import print_result
    from cli.stack_status import read_status
    from tasks.config.pipeline import load_pipeline

    settings = settings_of(home)
    load_pipeline(pipeline, settings.pipelines_dir)
    found = read_status(settings, pipeline)
    print_result(found, as_json=as_json)
    raise typer.Exit(0 if found.healthy else 1)
